//! The comparison on a terminal.

use comfy_table::{
    Attribute, Cell as TableCell, CellAlignment, Color, ContentArrangement, LineStyle, Table,
    TableStyle,
};

use super::sheet::{self, Entry, Sheet};
use super::{published, sweep, thresholds, words};
use crate::analysis::{Analysis, Sweep};
use crate::results::Run;

const RULE: LineStyle = LineStyle::none().fill('─').junction('─');
const STYLE: TableStyle =
    TableStyle::new().top_border(RULE).header_separator(RULE).bottom_border(RULE);

/// The comparison, the verdict and the caveats. `colour` is for terminals whose owner did not set
/// `NO_COLOR`.
#[must_use]
pub fn run_text(run: &Run, analysis: &Analysis, colour: bool) -> String {
    let mut text = String::new();
    if let Some(found) = &analysis.sweep {
        text += &swept(analysis, found, colour);
    }
    // Of a sweep the verdict on a single cell would mislead.
    let cells = if analysis.sweep.is_some() { &[][..] } else { &analysis.cells[..] };
    for cell in cells {
        if analysis.cells.len() > 1 {
            text += &format!("{}\n", printable(&cell.name));
        }
        for (index, sheet) in sheet::shown(cell).iter().enumerate() {
            if index > 0 {
                text += &format!("{}\n", sheet.title);
            }
            text += &format!("{}\n", table(sheet, colour).trim_fmt());
            text += &wrapped("  ", &sheet.note);
            text.push('\n');
        }
        for sentence in words::verdict(cell) {
            text += &wrapped("  ", &sentence);
        }
        text.push('\n');
    }
    text += &published::text(analysis);
    let thresholds = thresholds::lines(&analysis.thresholds);
    if !thresholds.is_empty() {
        text += "Thresholds:\n";
        for line in thresholds {
            text += &wrapped(&format!("  {} ", line.mark), &printable(&line.text));
        }
        text.push('\n');
    }
    let concerns = words::concerns(run, analysis);
    if !concerns.is_empty() {
        text += "Before you rely on it:\n";
    }
    for concern in concerns {
        text += &wrapped("  ! ", &printable(&concern));
    }
    text
}

/// A table of each metric, and what they say together.
fn swept(analysis: &Analysis, found: &Sweep, colour: bool) -> String {
    let mut text = format!("{}\n", wrapped("", &printable(&sweep::headline(found))));
    for (_, mut sheet) in sweep::sheets(analysis) {
        sheet.rows.iter_mut().for_each(|row| row.name = printable(&row.name));
        text += &format!("{}\n{}\n", sheet.title, table(&sheet, colour).trim_fmt());
        text += &wrapped("  ", &sheet.note);
        text.push('\n');
    }
    for sentence in sweep::findings(analysis, found) {
        text += &wrapped("  ", &printable(&sentence));
    }
    text.push('\n');
    text
}

/// A table for a terminal.
pub(crate) fn table(sheet: &Sheet, colour: bool) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    if colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let header = |text: &str| TableCell::new(text).add_attribute(Attribute::Bold);
    let columns = sheet.columns.iter().map(|text| header(text).set_alignment(CellAlignment::Right));
    table.set_header(std::iter::once(header(sheet.subject)).chain(columns));
    for row in &sheet.rows {
        let name = TableCell::new(&row.name).add_attribute(Attribute::Bold);
        let entries = row.entries.iter().map(field);
        table.add_row(std::iter::once(name).chain(entries));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    table
}

/// Rows of text below headings, aligned to the left.
pub(crate) fn aligned<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    left(Table::new(), headings, rows)
}

/// The same, with texts in as many lines as it takes to keep to so many columns.
pub(crate) fn aligned_within<const N: usize>(
    width: u16,
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    left(table, headings, rows)
}

fn left<const N: usize>(
    mut table: Table,
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    table.load_style(STYLE).force_no_tty().set_header(headings);
    for row in rows {
        table.add_row(row.map(|text| printable(&text)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    table.trim_fmt()
}

fn field(entry: &Entry) -> TableCell {
    let text = match (entry.alarming, entry.detail.is_empty()) {
        (true, _) => entry.text.replace(", ", "\n"),
        (false, true) => entry.text.clone(),
        (false, false) => format!("{}\n{}", entry.text, entry.detail),
    };
    let field = TableCell::new(text).set_alignment(CellAlignment::Right);
    if entry.alarming { field.fg(Color::Red) } else { field }
}

/// What came from outside must not move the cursor or change colours.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// The width that text is wrapped to: what fits the narrowest terminal that fits the table.
pub(crate) const TEXT_WIDTH: u16 = 96;

/// Text behind a bullet, in lines that fit.
pub(crate) fn wrapped(bullet: &str, text: &str) -> String {
    let indent = " ".repeat(bullet.chars().count());
    let mut lines = vec![bullet.to_owned()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().map_or(0, |line| line.chars().count());
        if line + word.chars().count() > usize::from(TEXT_WIDTH) {
            lines.push(indent.clone());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(word);
            line.push(' ');
        }
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analysis::analyse;
    use crate::results::{Metric, Outcome, fixture};

    fn rendered(run: &Run, colour: bool) -> String {
        run_text(run, &analyse(run, &fixture::run().1), colour)
    }

    #[test]
    fn it_shows_every_transport_within_a_hundred_columns() {
        let text = rendered(&fixture::run().0, false);
        let row = text.lines().find(|line| line.contains("Long polling")).unwrap();
        for figure in ["610 µs", "1.90 ms", "all 48,000", "14.2 µs", "21.5 µs", "402 B"] {
            assert!(row.contains(figure), "{figure} is missing in {row}");
        }
        assert!(text.contains("WebSocket and SSE deliver in"), "{text}");
        assert!(text.contains("  ! WebSocket in block 2 failed"), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
        }
    }

    #[test]
    fn thresholds_have_a_mark_each() {
        let text = rendered(&thresholds::tests::run(), false);
        assert!(
            text.contains("Thresholds:\n  ✗ sse.latency: max<1ms is crossed: 4.47 ms\n"),
            "{text}"
        );
        assert!(text.contains("\n  ? sse.latency: p(99.9)<2s cannot"), "{text}");
        assert!(text.contains("\n  ✓ sse.lost: count==0 is kept: 0\n"), "{text}");
        assert!(!rendered(&fixture::run().0, false).contains("Thresholds"), "none were asked for");
    }

    #[test]
    fn a_sweep_has_a_table_of_each_metric_and_no_verdict_on_a_cell() {
        let text = rendered(&sweep::tests::swept_run(), false);
        assert!(text.starts_with("A sweep of events_per_second (0.2, 1, 5, 20).\n"), "{text}");
        let row = text.lines().find(|line| line.starts_with("events_per_second=20 ")).unwrap();
        assert_eq!(row.matches("1.00 ms").count() + row.matches("500 ms").count(), 5, "{text}");
        assert!(text.contains("\nServer CPU per second\n"), "{text}");
        let unwrapped = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let crossing = "long polling takes more server CPU per delivery than SSE; below,";
        assert!(unwrapped.contains(crossing), "{text}");
        assert!(!text.contains("Latency p50: least") && !text.contains("(p50, about"), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
        }
    }

    #[test]
    fn only_a_terminal_gets_colours() {
        let (run, _) = fixture::run();
        assert!(!rendered(&run, false).contains('\u{1b}'));
        assert!(rendered(&run, true).contains('\u{1b}'));
    }

    #[test]
    fn losses_stand_in_the_row() {
        let (mut run, _) = fixture::run();
        run.trials[2].values.insert(Metric::Lost, 3.0);
        run.trials[2].values.insert(Metric::Delivered, 23_997.0);
        let text = rendered(&run, false);
        assert!(text.contains("47,997 of 48,000") && text.contains("3 lost"), "{text}");
    }

    #[test]
    fn a_reason_cannot_drive_the_terminal() {
        let (mut run, _) = fixture::run();
        run.trials[0].outcome = Outcome::Failed { reason: "\u{1b}[2Jgone\nnext".to_owned() };
        let text = rendered(&run, false);
        assert!(!text.contains('\u{1b}'));
        assert!(text.contains("[2Jgone next"), "{text}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_values_make_a_table(values in prop::collection::vec(
            (0..8_usize, 0..Metric::ALL.len(), any::<f64>()), 0..60)) {
            let (mut run, _) = fixture::run();
            for (trial, metric, value) in values {
                run.trials[trial].values.insert(Metric::ALL[metric], value);
            }
            let text = rendered(&run, false);
            prop_assert!(!text.contains("NaN") && !text.contains("inf "));
        }
    }
}
