//! What others have published beside what was measured. Both stand as they are: nothing is computed
//! from a published figure.

use super::sheet::{self, Entry};
use super::table::{aligned, printable, wrapped};
use super::words::title;
use super::{html, markdown, quantity};
use crate::analysis::Analysis;

/// The heading.
pub(super) const TITLE: &str = "Published and measured";

/// How to read it.
pub(super) const NOTE: &str = "The published figures are those of other machines and other servers, so it is \
                               orders of magnitude that can be compared.";

/// The longest text from outside, in characters: files may hold more.
const LONGEST: usize = 100;

/// The most rows on the page and on a terminal, and in the summary, which has to fit into a comment.
pub(super) const LIMIT: usize = 60;
const LIMIT_OF_SUMMARY: usize = 10;

/// One published figure.
#[derive(Debug)]
pub(super) struct Row {
    /// The contender, and its cell where there are several.
    pub(super) contender: String,
    pub(super) metric: &'static str,
    pub(super) published: String,
    /// The estimate, with its interval as the detail.
    pub(super) measured: Entry,
    pub(super) source: String,
    pub(super) note: String,
}

/// At most so many rows, and how many are left out; none where the scenario has no published
/// figures.
pub(super) fn rows(analysis: &Analysis, limit: usize) -> (Vec<Row>, usize) {
    let several = analysis.cells.len() > 1;
    let mut rows = Vec::new();
    for cell in &analysis.cells {
        for of in &analysis.published {
            let label = of.contender.label();
            let figures = cell.contenders.iter().find(|figures| figures.contender == of.contender);
            rows.push(Row {
                contender: match several {
                    true => html::shortened(&format!("{label}, {}", cell.name), LONGEST),
                    false => label.to_owned(),
                },
                metric: title(of.metric),
                published: quantity::of(of.metric, Some(of.value)),
                measured: figures
                    .map_or_else(sheet::missing, |figures| sheet::value(figures, of.metric)),
                source: html::shortened(&of.source, LONGEST),
                note: html::shortened(&of.note, LONGEST),
            });
        }
    }
    let left_out = rows.len().saturating_sub(limit);
    rows.truncate(limit);
    (rows, left_out)
}

/// For a terminal: a table, and below it the sources by their number. Nothing when there is none.
pub(super) fn text(analysis: &Analysis) -> String {
    let (rows, left_out) = rows(analysis, LIMIT);
    if rows.is_empty() {
        return String::new();
    }
    let mut sources: Vec<String> = Vec::new();
    let numbered = rows.into_iter().map(|row| {
        let source = match row.note.as_str() {
            "" => row.source,
            note => format!("{}: {note}", row.source),
        };
        let known = sources.iter().position(|other| *other == source);
        let index = known.unwrap_or_else(|| {
            sources.push(source);
            sources.len() - 1
        });
        let measured = match row.measured.detail.as_str() {
            "" => row.measured.text,
            interval => format!("{} ({interval})", row.measured.text),
        };
        let metric = row.metric.to_owned();
        [row.contender, metric, row.published, measured, format!("[{}]", index + 1)]
    });
    let table = aligned(["contender", "metric", "published", "measured", "source"], numbered);
    let mut text = format!("{TITLE}\n{table}\n");
    text += &wrapped("  ", NOTE);
    for (index, source) in sources.iter().enumerate() {
        text += &wrapped(&format!("  [{}] ", index + 1), &printable(source));
    }
    if left_out > 0 {
        text += &format!("  … and {left_out} more figures in run.json\n");
    }
    text + "\n"
}

/// A section of `summary.md`. Nothing when there is none.
pub(super) fn section(analysis: &Analysis) -> String {
    let (rows, left_out) = rows(analysis, LIMIT_OF_SUMMARY);
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!("## {TITLE}\n\n");
    text += "| contender | metric | published | measured | source | note |\n";
    text += "|---|---|---:|---:|---|---|\n";
    for row in &rows {
        text += &format!(
            "| {} | {} | {} |{} {} | {} |\n",
            markdown::escaped(&row.contender),
            row.metric,
            row.published,
            markdown::field(&row.measured),
            markdown::escaped(&row.source),
            markdown::escaped(&row.note),
        );
    }
    text += &format!("\n{NOTE}\n\n");
    if left_out > 0 {
        text += &format!("- … and {left_out} more figures in run.json\n\n");
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::report::thresholds;
    use crate::results::{LatencyLog, Run, fixture};

    /// What breaks out of tables and markup, if anything does.
    const HOSTILE: &str = "a|b <script>alert(1)</script> [x](http://evil.example)";

    /// The fixture's run, with figures published for two of its contenders, of which one is not among
    /// them.
    pub(in crate::report) fn run(source: &str) -> Run {
        let (mut run, _) = fixture::run();
        let figures = format!(
            "[[published]]\ncontender = [\"sse\", \"tcp\"]\nmetric = \"latency_p50\"\n\
             value = \"22.3ms\"\nsource = '{source}'\nnote = '{source} note'\n\
             [[published]]\ncontender = \"polling\"\nmetric = \"framing_bytes_per_delivery\"\n\
             value = \"871B\"\nsource = 'Other'\n"
        );
        run.manifest.scenario.text = format!("{}{figures}", thresholds::tests::SCENARIO);
        run
    }

    fn analysis(source: &str) -> Analysis {
        analyse(&run(source), &LatencyLog::default())
    }

    #[test]
    fn a_published_figure_stands_beside_the_measured_one() {
        let analysis = analysis("A paper");
        let (rows, left_out) = rows(&analysis, LIMIT);
        assert_eq!(left_out, 0);
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let measured = (&*row.measured.text, &*row.measured.detail);
                (&*row.contender, row.metric, &*row.published, measured, &*row.source, &*row.note)
            })
            .collect();
        let missing = (quantity::MISSING, "");
        let paper = ("A paper", "A paper note");
        assert_eq!(
            rows,
            [
                ("SSE", "Latency p50", "22.3 ms", ("416 µs", "410–422"), paper.0, paper.1),
                ("Raw TCP", "Latency p50", "22.3 ms", missing, paper.0, paper.1),
                ("Polling", "framing_bytes_per_delivery", "871 B", missing, "Other", ""),
            ]
        );
    }

    #[test]
    fn a_terminal_names_each_source_once() {
        let text = text(&analysis("A paper"));
        assert!(text.starts_with("Literature and measured\n"), "{text}");
        let row = text.lines().find(|line| line.starts_with("SSE")).unwrap();
        assert!(row.contains("22.3 ms") && row.contains("416 µs (410–422)"), "{row}");
        assert!(row.trim_end().ends_with("[1]"), "{row}");
        assert!(text.contains("\n  [1] A paper: A paper note\n  [2] Other\n"), "{text}");
        assert!(text.contains("other servers"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }

    #[test]
    fn markdown_shows_what_came_from_outside_as_it_is() {
        let text = section(&analysis(HOSTILE));
        let columns = |line: &str| line.replace("\\|", "").matches('|').count();
        let table: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(table.iter().map(|line| columns(line)).collect::<Vec<_>>(), [7; 5], "{text}");
        assert!(table[2].contains("a\\|b \\<script\\>"), "{text}");
        assert!(table[2].contains("\\[x\\](http&#58;//evil.example)"), "{text}");
        assert!(table[2].contains("| 22.3 ms | 416 µs<br><sub>410–422</sub> |"), "{text}");
    }

    #[test]
    fn a_control_character_drives_no_terminal() {
        let analysis = analysis("A paper");
        let mut hostile = analysis.clone();
        hostile.published[0].source = "\u{1b}[2Jgone".to_owned();
        assert!(!text(&hostile).contains('\u{1b}'));
    }

    #[test]
    fn without_published_figures_there_is_no_section() {
        let (run, log) = fixture::run();
        let analysis = analyse(&run, &log);
        assert_eq!((text(&analysis), section(&analysis)), (String::new(), String::new()));
    }

    #[test]
    fn what_is_too_long_is_cut_and_what_is_too_much_left_out() {
        let mut analysis = analysis(&"long ".repeat(200));
        analysis.published = analysis.published.iter().cycle().take(70).cloned().collect();
        let (rows, left_out) = rows(&analysis, LIMIT);
        assert_eq!((rows.len(), left_out), (60, 10));
        assert!(rows[0].source.chars().count() <= LONGEST + 1);
        assert!(section(&analysis).contains("and 60 more figures in run.json"));
        assert!(text(&analysis).contains("and 10 more figures in run.json"));
    }
}
