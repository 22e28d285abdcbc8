//! Words in rows and columns, each field in the colour of its tone and with a mark, for those who see no colours.

use plotters::style::text_anchor::{HPos, VPos};

use super::lettering;
use super::look::{Frame, line_across, paint};
use super::scene::{Point, Scene, ink};
use crate::document::prose::shortened;
use crate::document::{Field, Grid, Series, Tone};

/// The height of text in fields, and from one line to the next.
const SIZE: i32 = 27;
const LINE: i32 = 34;

/// The room that names of rows have.
const NAMES: i32 = 236;
/// Between a field's edge and its text.
const PADDING: i32 = 14;
/// The room that a mark has before the first line.
const MARK: i32 = 34;
/// Of the names of columns.
const HEADING: i32 = 56;
/// The margin around all of it.
const MARGIN: i32 = 24;
/// Of title and subtitle.
const ABOVE: i32 = 114;

/// The longest text, in characters: what does not fit stands on the page.
const LONGEST: usize = 260;

/// A grid in lines that fit their fields.
struct Laid {
    rows: Vec<LaidRow>,
    /// The width of a column.
    column: i32,
}

/// The lines of a row.
struct LaidRow {
    name: Vec<String>,
    fields: Vec<Vec<String>>,
    height: i32,
}

/// The height that a grid takes.
pub(super) fn height(grid: &Grid, width: u32) -> u32 {
    let rows: i32 =
        lay(grid, i32::try_from(width).unwrap_or(i32::MAX)).rows.iter().map(|row| row.height).sum();
    u32::try_from(ABOVE + HEADING + rows + MARGIN).unwrap_or(0)
}

fn lay(grid: &Grid, width: i32) -> Laid {
    let columns = i32::try_from(grid.columns.len().max(1)).unwrap_or(i32::MAX);
    let column = (width - NAMES - 2 * MARGIN) / columns;
    let room = column - 2 * PADDING;
    let rows = grid.rows.iter().map(|(name, fields)| {
        let name = wrapped(name, NAMES - PADDING, 0);
        let fields: Vec<Vec<String>> = fields.iter().map(|field| lines(field, room)).collect();
        let most = fields.iter().chain([&name]).map(Vec::len).max().unwrap_or(0);
        let height = i32::try_from(most).unwrap_or(0) * LINE + 2 * PADDING;
        LaidRow { name, fields, height }
    });
    Laid { rows: rows.collect(), column }
}

fn lines(field: &Field, room: i32) -> Vec<String> {
    let mut lines = wrapped(&field.says, room, MARK);
    lines.extend(wrapped(&field.verdict, room, 0));
    lines.extend(wrapped(&field.found, room, 0));
    lines
}

/// Draws a grid below its header.
pub(super) fn draw(scene: &mut Scene, area: Frame, grid: &Grid) {
    let Laid { rows, column } = lay(grid, area.right);
    let left = |index: usize| MARGIN + NAMES + column * i32::try_from(index).unwrap_or(0);
    for (index, (series, name)) in grid.columns.iter().enumerate() {
        let (from, to) = (left(index), left(index + 1));
        let bottom = area.top + HEADING;
        scene.text((from + PADDING, area.top + 8), name, (HPos::Left, VPos::Top));
        scene.rectangle([(from, bottom - 6), (to - 4, bottom)], paint(*series, 1.0));
    }
    let mut top = area.top + HEADING;
    for (LaidRow { name, fields, height }, (_, of)) in rows.iter().zip(&grid.rows) {
        text(scene, (MARGIN, top + PADDING), name);
        for (index, (lines, field)) in fields.iter().zip(of).enumerate() {
            let (from, to) = (left(index), left(index + 1) - 4);
            scene.rectangle(
                [(from, top + 2), (to, top + height - 2)],
                paint(colour(field.tone), 0.13),
            );
            mark(scene, field.tone, (from + PADDING + 10, top + PADDING + LINE / 2 - 2));
            let Some((first, rest)) = lines.split_first() else { continue };
            let at = (from + PADDING, top + PADDING);
            text(scene, (at.0 + MARK, at.1), std::slice::from_ref(first));
            text(scene, (at.0, at.1 + LINE), rest);
        }
        top += height;
        line_across(scene, (MARGIN, top), area.right - MARGIN);
    }
}

fn text(scene: &mut Scene, (x, y): Point, lines: &[String]) {
    for (number, line) in (0..).zip(lines) {
        scene.sized((x, y + number * LINE), line, SIZE, (HPos::Left, VPos::Top));
    }
}

/// The series whose colour a tone has.
const fn colour(tone: Tone) -> Series {
    match tone {
        Tone::Good => Series::Contender(3),
        Tone::Mixed => Series::Contender(4),
        Tone::Bad => Series::Contender(0),
        Tone::Unknown => Series::Reference(0),
    }
}

/// A disc, a triangle, a cross or a ring.
fn mark(scene: &mut Scene, tone: Tone, (x, y): Point) {
    let own = paint(colour(tone), 1.0);
    match tone {
        Tone::Good => scene.circle((x, y), 10, None, own),
        Tone::Mixed => scene.polygon(vec![(x - 11, y + 9), (x + 11, y + 9), (x, y - 11)], own),
        Tone::Bad => {
            scene.line(vec![(x - 9, y - 9), (x + 9, y + 9)], 5, own);
            scene.line(vec![(x - 9, y + 9), (x + 9, y - 9)], 5, own);
        }
        Tone::Unknown => scene.circle((x, y), 10, Some(3), ink(0.5)),
    }
}

/// Text in lines that are no wider than there is room, the first of which begins `indent` later. A word that is
/// wider is broken.
fn wrapped(text: &str, room: i32, indent: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let text = shortened(text, LONGEST);
    let fits = |line: &str, is_first: bool| {
        let room = if is_first { room - indent } else { room };
        lettering::width(line, SIZE, false) <= room
    };
    for word in text.split_whitespace() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if fits(&longer, lines.is_empty()) {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for char in word.chars() {
            line.push(char);
            if !fits(&line, lines.is_empty()) && line.chars().count() > 1 {
                line.pop();
                lines.push(std::mem::replace(&mut line, char.to_string()));
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Of every tone a field.
    pub(in crate::render::charts) fn grid() -> Grid {
        let field = |tone| Field {
            says: "“live feeds, notifications”".to_owned(),
            found:
                "1.11 ms p50 [1.03–1.43 ms] and averyveryveryverylongwordthatnofieldhasroomforatall"
                    .to_owned(),
            verdict: "holds if clients are 100 ms away, not if clients are near".to_owned(),
            tone,
        };
        let columns = ["Polling", "Long polling", "SSE", "WebSocket"].into_iter().enumerate();
        let tones = [Tone::Good, Tone::Mixed, Tone::Bad, Tone::Unknown];
        let row = |name: &str| (name.to_owned(), tones.map(field).to_vec());
        Grid {
            columns: columns.map(|(at, name)| (Series::Contender(at), name.to_owned())).collect(),
            rows: vec![row("Latency"), row("A name of a row that takes two lines")],
        }
    }

    #[test]
    fn no_line_is_wider_than_its_field() {
        let grid = grid();
        let Laid { rows, column } = lay(&grid, 1840);
        assert_eq!(rows.len(), 2);
        for LaidRow { name, fields, height } in &rows {
            for line in name {
                assert!(lettering::width(line, SIZE, false) <= NAMES - PADDING, "{line}");
            }
            for lines in fields {
                for line in lines {
                    assert!(lettering::width(line, SIZE, false) <= column - 2 * PADDING, "{line}");
                }
                assert!(i32::try_from(lines.len()).unwrap() * LINE <= *height);
                let all: String = lines.concat();
                for word in ["live", "notifications", "[1.03–1.43", "100", "near"] {
                    assert!(all.contains(word), "{word} is missing in {lines:?}");
                }
            }
        }
        assert!(rows[1].name.len() > 1, "the name takes two lines");
    }
}
