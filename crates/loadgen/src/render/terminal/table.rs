//! A table in the columns of a terminal. Figures are never broken: columns that do not fit are left
//! out from the right, and long names are abbreviated.

use super::lines::{Ink, abbreviated, width, wrapped};
use crate::document::{Column, Entry, Row, Table};
use crate::text::one_line;

/// Columns between two columns.
const GAP: usize = 2;
/// The least that prose is squeezed to, if its longest word is shorter, and the most that such a word
/// may ask for.
const LEAST_TEXT: usize = 16;
const LONGEST_WORD: usize = 24;

/// Which columns of a table are shown, and how wide each is.
pub(super) struct Layout {
    /// How many rows.
    rows: usize,
    /// The width of the first column.
    name: usize,
    /// The first of the columns behind it.
    from: usize,
    /// The widths of these.
    widths: Vec<usize>,
}

impl Layout {
    /// Of the columns behind the first, from this one on as many as fit, but at least one.
    pub(super) fn of(table: &Table, rows: usize, from: usize, columns: usize) -> Self {
        let shown = &table.rows[..rows];
        let names = shown.iter().flat_map(|row| [&row.name, &row.detail]);
        let longest = names.map(|name| width(&one_line(name))).max().unwrap_or(0);
        let longest = longest.max(heading_width(table.subject));
        let mut name = longest.min(columns * 3 / 8);
        let natural: Vec<usize> = (from..table.columns.len())
            .map(|index| natural_width(&table.columns[index], shown, index))
            .collect();
        let mut room = columns.saturating_sub(name);
        let mut widths = Vec::new();
        for (offset, (natural, column)) in natural.iter().zip(&table.columns[from..]).enumerate() {
            let least = match column.is_text {
                true => (*natural).min(longest_word(shown, from + offset)),
                false => *natural,
            };
            if least + GAP > room && !widths.is_empty() {
                break;
            }
            let least = least.min(room.saturating_sub(GAP)).max(1);
            widths.push(least);
            room = room.saturating_sub(least + GAP);
        }
        // What is left goes to names and prose.
        let more = (longest - name).min(room);
        name += more;
        room -= more;
        let texts = || {
            let shown = table.columns[from..].iter().zip(&natural).enumerate();
            shown.take(widths.len()).filter(|(_, (column, _))| column.is_text)
        };
        let mut left = texts().count();
        let grown: Vec<(usize, usize)> = texts()
            .map(|(index, (_, natural))| {
                let more = natural.saturating_sub(widths[index]).min(room / left.max(1));
                room -= more;
                left -= 1;
                (index, more)
            })
            .collect();
        grown.into_iter().for_each(|(index, more)| widths[index] += more);
        Self { rows, name, from, widths }
    }

    /// The first column that is not shown.
    pub(super) fn end(&self) -> usize {
        self.from + self.widths.len()
    }

    /// The lines of the table.
    pub(super) fn lines(&self, table: &Table, ink: Ink) -> Vec<String> {
        let columns = &table.columns[self.from..self.end()];
        let headings = columns.iter().zip(&self.widths).map(|(column, width)| {
            let lines = wrapped("", &column.heading, *width);
            (lines, column.is_text, *width)
        });
        let subject = wrapped("", table.subject, self.name);
        let mut lines: Vec<_> = grid(&subject, self.name, &headings.collect::<Vec<_>>(), true)
            .iter()
            .map(|line| ink.bold(line))
            .collect();
        let all = self.name + self.widths.iter().map(|width| width + GAP).sum::<usize>();
        lines.push("─".repeat(all));
        for row in &table.rows[..self.rows] {
            let fields = row.entries.iter().skip(self.from).zip(columns).zip(&self.widths);
            let fields = fields.map(|((entry, column), width)| {
                let lines = field(entry, column, *width);
                let red = |line: String| if entry.alarming { ink.red(&line) } else { line };
                (lines.into_iter().map(red).collect(), column.is_text, *width)
            });
            let mut name = vec![ink.bold(&abbreviated(&one_line(&row.name), self.name))];
            if !row.detail.is_empty() {
                name.push(abbreviated(&one_line(&row.detail), self.name));
            }
            lines.extend(grid(&name, self.name, &fields.collect::<Vec<_>>(), false));
        }
        lines
    }
}

/// How wide a column would like to be.
fn natural_width(column: &Column, rows: &[Row], index: usize) -> usize {
    let entries = rows.iter().filter_map(|row| row.entries.get(index));
    let widest = entries
        .flat_map(|entry| parts(entry).into_iter().chain([one_line(&entry.detail)]))
        .map(|text| width(&text));
    widest.max().unwrap_or(0).max(heading_width(&column.heading))
}

/// The room that the longest word of a column of prose needs.
fn longest_word(rows: &[Row], index: usize) -> usize {
    let entries = rows.iter().filter_map(|row| row.entries.get(index));
    let words = entries.flat_map(|entry| entry.text.split(' ').chain(entry.detail.split(' ')));
    words.map(width).max().unwrap_or(0).clamp(LEAST_TEXT, LONGEST_WORD)
}

/// The least width in which a heading takes two lines at most.
fn heading_width(heading: &str) -> usize {
    let longest = heading.split(' ').map(width).max().unwrap_or(0);
    (longest..).find(|width| wrapped("", heading, *width).len() <= 2).unwrap_or(longest)
}

/// What stands on lines of its own: the parts of what is wrong.
fn parts(entry: &Entry) -> Vec<String> {
    let text = one_line(&entry.text);
    match entry.alarming {
        true => text.split(", ").map(str::to_owned).collect(),
        false => vec![text],
    }
}

fn field(entry: &Entry, column: &Column, width: usize) -> Vec<String> {
    let mut lines = match column.is_text {
        true => wrapped("", &entry.text, width),
        false => parts(entry).iter().map(|part| abbreviated(part, width)).collect(),
    };
    match (column.is_text, entry.detail.is_empty()) {
        (_, true) => {}
        (true, false) => lines.extend(wrapped("", &entry.detail, width)),
        (false, false) => lines.push(abbreviated(&one_line(&entry.detail), width)),
    }
    lines
}

/// A row of fields that may have several lines each: with prose to the left and figures to the right.
/// Headings stand on the ground.
fn grid(
    name: &[String],
    name_width: usize,
    fields: &[(Vec<String>, bool, usize)],
    is_heading: bool,
) -> Vec<String> {
    let height = fields.iter().map(|(lines, ..)| lines.len()).max().unwrap_or(0).max(name.len());
    let at = |lines: &[String], line: usize| -> String {
        let above = if is_heading { height - lines.len() } else { 0 };
        let index = line.checked_sub(above);
        index.and_then(|index| lines.get(index)).cloned().unwrap_or_default()
    };
    (0..height)
        .map(|line| {
            let mut text = padded(at(name, line), name_width, true);
            for (lines, is_text, width) in fields {
                text += &" ".repeat(GAP);
                text += &padded(at(lines, line), *width, *is_text);
            }
            text.trim_end().to_owned()
        })
        .collect()
}

/// Colours take no room.
fn padded(text: String, columns: usize, is_left: bool) -> String {
    let bare = text.split('\u{1b}').enumerate().map(|(index, part)| match index {
        0 => width(part),
        _ => part.split_once('m').map_or(0, |(_, rest)| width(rest)),
    });
    let space = " ".repeat(columns.saturating_sub(bare.sum()));
    if is_left { text + &space } else { space + &text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[&str]) -> Table {
        let row = |name: &&str| Row {
            name: (*name).to_owned(),
            entries: vec![
                Entry::number("1,224 ms", None).with_detail("1,200–1,300"),
                Entry::number("14.2 µs", None),
                Entry::text("a sentence that may be broken anywhere between its words"),
            ],
            ..Row::default()
        };
        Table {
            subject: "contender",
            columns: vec![
                Column::figures("p50"),
                Column::figures("server CPU /delivery"),
                Column::text("what is said"),
            ],
            rows: names.iter().map(row).collect(),
            ..Table::default()
        }
    }

    fn lines(table: &Table, from: usize, columns: usize) -> (Vec<String>, usize) {
        let layout = Layout::of(table, table.rows.len(), from, columns);
        let lines = layout.lines(table, Ink { colour: false });
        for line in &lines {
            assert!(width(line) <= columns, "{} columns: {line}", width(line));
        }
        (lines, layout.end())
    }

    #[test]
    fn prose_is_broken_and_figures_are_not() {
        let (text, end) = lines(&table(&["Long polling"]), 0, 60);
        assert_eq!(end, 3);
        assert_eq!(
            text,
            [
                "                           server CPU",
                "contender             p50   /delivery  what is said",
                "────────────────────────────────────────────────────────────",
                "Long polling     1,224 ms     14.2 µs  a sentence that may",
                "              1,200–1,300              be broken anywhere",
                "                                       between its words",
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_left_out_from_the_right() {
        let (text, end) = lines(&table(&["Long polling"]), 0, 40);
        assert_eq!(end, 2);
        assert!(text[1].ends_with("/delivery"), "{text:#?}");
        let (text, end) = lines(&table(&["Long polling"]), 2, 40);
        assert_eq!(end, 3, "the rest stands below");
        assert!(text[0].starts_with("contender     what is said"), "{text:#?}");
    }

    #[test]
    fn a_long_name_is_abbreviated() {
        let (text, _) = lines(&table(&["payload_bytes={ mix = [[128, 9], [4096, 1]] }"]), 0, 50);
        let name = text.iter().find(|line| line.starts_with("payload_bytes={")).unwrap();
        assert!(name.contains("…  ") && name.ends_with("14.2 µs"), "{text:#?}");
    }

    #[test]
    fn what_is_wrong_is_red_and_takes_no_more_room() {
        let mut table = table(&["SSE"]);
        table.rows[0].entries[0] = Entry::number("47,997 of 48,000, 3 lost", None).alarming(true);
        let layout = Layout::of(&table, 1, 0, 60);
        let coloured = layout.lines(&table, Ink { colour: true });
        let plain = layout.lines(&table, Ink { colour: false });
        let bare = |line: &String| {
            let codes = ["\u{1b}[1m", "\u{1b}[31m", "\u{1b}[0m"];
            codes
                .iter()
                .fold(line.clone(), |line, code| line.replace(code, ""))
                .trim_end()
                .to_owned()
        };
        assert_eq!(coloured.iter().map(bare).collect::<Vec<_>>(), plain);
        assert!(coloured.iter().any(|line| line.contains("\u{1b}[31m3 lost\u{1b}[0m")));
        assert!(plain.iter().any(|line| line.contains("47,997 of 48,000")), "{plain:#?}");
    }
}
