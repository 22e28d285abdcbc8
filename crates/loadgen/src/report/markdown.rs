//! `summary.md`: the verdict first, small enough for a comment on a pull request.

use super::sheet::{self, Entry, Sheet};
use super::{published, sweep, thresholds, words};
use crate::analysis::{Analysis, Sweep};
use crate::results::Run;

/// The most that GitHub takes in a comment is 65,536 characters; these keep below it whatever a run
/// holds.
const CONCERNS: usize = 25;
const THRESHOLDS: usize = 20;
const CELLS: usize = 10;
const TEXT: usize = 500;
const FINDINGS: usize = 30;
const ROWS: usize = 12;
const NAME: usize = 60;

/// The file's text.
pub(super) fn summary(run: &Run, analysis: &Analysis) -> String {
    let manifest = &run.manifest;
    let mut text = format!("# {}\n\n", escaped(&manifest.scenario.name));
    let several = analysis.cells.len() > 1;
    if let Some(found) = &analysis.sweep {
        text += &swept(analysis, found);
    }
    // Of a sweep the verdict on a single cell would mislead.
    let cells = if analysis.sweep.is_some() { &[][..] } else { &analysis.cells[..] };
    for cell in cells.iter().take(CELLS) {
        if several {
            text += &format!("## {}\n\n", escaped(&cell.name));
        }
        let mut verdict = words::verdict(cell).into_iter();
        let headline = verdict.next().unwrap_or_default();
        let mut sheets = sheet::shown(cell).into_iter();
        let comparison = sheets.next().map(|sheet| table(&sheet)).unwrap_or_default();
        text += &format!("**{headline}**\n\n{comparison}\n");
        for sentence in verdict {
            text += &format!("- {sentence}\n");
        }
        text.push('\n');
        for sheet in sheets {
            text += &format!("### {}\n\n{}\n", sheet.title, table(&sheet));
        }
    }
    text += &left_out(cells.len(), CELLS, "cells");
    text += &published::section(analysis);

    let lines = thresholds::lines(&analysis.thresholds);
    if !lines.is_empty() {
        text += "## Thresholds\n\n";
        for line in lines.iter().take(THRESHOLDS) {
            let mark = if line.alarming { "**" } else { "" };
            text += &format!("- {} {mark}{}{mark}\n", line.mark, escaped(&line.text));
        }
        text += &left_out(lines.len(), THRESHOLDS, "thresholds");
        text.push('\n');
    }

    let concerns = words::concerns(run, analysis);
    if !concerns.is_empty() {
        text += "## Before you rely on it\n\n";
        for concern in concerns.iter().take(CONCERNS) {
            text += &format!("- {}\n", escaped(concern));
        }
        text += &left_out(concerns.len(), CONCERNS, "notes");
        text.push('\n');
    }
    text += &format!(
        "{}\n\nMeasured at {} with pushbench {}{} on {}, {} cores, seed {}:\n\n{}",
        escaped(&manifest.scenario.description),
        escaped(&manifest.started_at),
        escaped(&manifest.version),
        manifest
            .revision
            .as_ref()
            .map_or_else(String::new, |revision| format!(" ({})", escaped(revision))),
        manifest
            .machine
            .cpu_model
            .as_ref()
            .map_or_else(|| "an unknown CPU".to_owned(), |cpu| escaped(cpu)),
        manifest.machine.cores,
        manifest.seed,
        code(&manifest.command),
    );
    text
}

/// What the cells of a sweep say together, and a table of each metric.
fn swept(analysis: &Analysis, found: &Sweep) -> String {
    let mut text = format!("**{}**\n\n", escaped(&sweep::headline(found)));
    let findings = sweep::findings(analysis, found);
    for sentence in findings.iter().take(FINDINGS) {
        text += &format!("- {}\n", escaped(sentence));
    }
    text += &left_out(findings.len(), FINDINGS, "findings");
    for (_, mut sheet) in sweep::sheets(analysis) {
        let cells = sheet.rows.len();
        sheet.rows.truncate(ROWS);
        for row in &mut sheet.rows {
            row.name = escaped(&row.name.chars().take(NAME).collect::<String>());
        }
        text += &format!("\n### {}\n\n{}", sheet.title, table(&sheet));
        text += &left_out(cells, ROWS, "cells");
    }
    text.push('\n');
    text
}

fn left_out(count: usize, shown: usize, what: &str) -> String {
    match count.saturating_sub(shown) {
        0 => String::new(),
        more => format!("- … and {more} more {what} in report.html\n"),
    }
}

/// A table of GitHub Flavored Markdown (§4.10), and its note below.
pub(crate) fn table(sheet: &Sheet) -> String {
    let title = |title: &String| format!(" {} |", title.replace('\n', " "));
    let header = sheet.columns.iter().map(title).collect::<String>();
    let aligned = "---:|".repeat(sheet.columns.len());
    let mut text = format!("| {} |{header}\n|---|{aligned}\n", sheet.subject);
    for row in &sheet.rows {
        let entries = row.entries.iter().map(field).collect::<String>();
        text += &format!("| {} |{entries}\n", row.name);
    }
    format!("{text}\n{}\n", sheet.note)
}

pub(crate) fn field(entry: &Entry) -> String {
    let mark = if entry.alarming { "**" } else { "" };
    let detail = match &*entry.detail {
        "" => String::new(),
        detail => format!("<br><sub>{detail}</sub>"),
    };
    format!(" {mark}{}{mark}{detail} |", entry.text)
}

/// Text from outside as Markdown that shows it: nothing in it is markup, and it stays on its line.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    let mut chars = text.chars().take(TEXT).peekable();
    while let Some(char) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        match char {
            char if char.is_control() => escaped.push(' '),
            // GitHub looks for mentions, addresses and issues in what is rendered, where an escape
            // has gone. A space without a width stays.
            '@' if !next.is_whitespace() => escaped.push_str("@\u{200b}"),
            '#' if next.is_ascii_digit() => escaped.push_str("\\#\u{200b}"),
            // Links that need no markup are stopped by an entity.
            ':' if next == '/' => escaped.push_str("&#58;"),
            '.' if escaped.ends_with("www") => escaped.push_str("&#46;"),
            // A backslash escapes any ASCII punctuation (CommonMark §2.4).
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '!' | '&' | '$' => {
                escaped.push('\\');
                escaped.push(char);
            }
            char => escaped.push(char),
        }
    }
    if text.chars().nth(TEXT).is_some() {
        escaped.push('…');
    }
    escaped
}

/// A code block that its text cannot end: its fence is longer than any run of backticks within.
pub(crate) fn code(text: &str) -> String {
    let text: String = text.chars().take(4 * TEXT).collect();
    let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}sh\n{text}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::results::{LatencyLog, Outcome, fixture};

    #[test]
    fn the_verdict_comes_first() {
        let (run, log) = fixture::run();
        let text = summary(&run, &analyse(&run, &log));
        let mut lines = text.lines().filter(|line| !line.is_empty());
        assert_eq!(lines.next(), Some("# stock-ticker"));
        assert!(
            lines.next().unwrap().starts_with("**WebSocket and SSE deliver in 400–416 µs"),
            "{text}"
        );
        assert!(text.contains("| SSE | 416 µs<br><sub>410–422</sub> | 1.22 ms<br>"), "{text}");
        assert!(text.contains("- WebSocket in block 2 failed: the server"), "{text}");
        let columns = |line: &str| line.matches('|').count();
        let table: Vec<_> =
            text.lines().filter(|line| line.starts_with('|')).map(columns).collect();
        assert_eq!(table, [[10; 6].to_vec(), [8; 5].to_vec(), [8; 6].to_vec()].concat());
    }

    #[test]
    fn what_comes_from_outside_is_no_markup() {
        let (mut run, log) = fixture::run();
        run.manifest.scenario.name = "a|b\n# c <img src=x>".to_owned();
        run.manifest.scenario.description =
            "[x](http://evil.example) www.evil.example @team `y` ![z](q)".to_owned();
        run.manifest.command = "run ```\n# injected".to_owned();
        let text = summary(&run, &analyse(&run, &log));
        assert!(text.starts_with("# a\\|b \\# c \\<img src=x\\>\n"), "{text}");
        assert!(
            text.contains("\\[x\\](http&#58;//evil.example) www&#46;evil.example @\u{200b}team \\`y\\` \\!\\[z\\](q)"),
            "{text}"
        );
        assert!(text.ends_with("\n````sh\nrun ```\n# injected\n````\n"), "{text}");
    }

    #[test]
    fn a_sweep_is_its_findings_and_a_table_of_each_metric() {
        let run = sweep::tests::swept_run();
        let text = summary(&run, &analyse(&run, &LatencyLog::default()));
        let start =
            "# stock-ticker\n\n**A sweep of events\\_per\\_second (0.2, 1, 5, 20).**\n\n- With ";
        assert!(text.starts_with(start), "{text}");
        let row = "\n| events\\_per\\_second=5 | 500 ms<br><sub>";
        assert!(text.contains(row), "{text}");
        assert!(text.contains("\n### Server CPU per second\n"), "{text}");
        assert!(!text.contains("least with"), "{text}");
    }

    #[test]
    fn thresholds_are_a_list_with_the_crossed_ones_first() {
        let run = thresholds::tests::run();
        let text = summary(&run, &analyse(&run, &LatencyLog::default()));
        let list = "## Thresholds\n\n- ✗ **sse.latency: max\\<1ms is crossed: 4.47 ms**\n- ? **";
        assert!(text.contains(list), "{text}");
        assert!(text.contains("\n- ✓ sse.lost: count==0 is kept: 0\n"), "{text}");
    }

    #[test]
    fn the_largest_sweep_fits_into_a_comment() {
        let value = |index: usize| format!("{{ mix = [{}[{index}, 1]] }}", "[128, 9], ".repeat(40));
        let values: Vec<String> = (0..100).map(value).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let keys = [("workload.payload_bytes", &values[..])];
        let run = crate::analysis::sweep::tests::run(&keys, 1, |_, _| {
            crate::analysis::sweep::SWEPT.map(|metric| (metric, 123_456.0)).to_vec()
        });
        let text = summary(&run, &analyse(&run, &LatencyLog::default()));
        assert!(text.len() < 64 * 1024, "{} bytes", text.len());
        assert!(text.contains("and 88 more cells in report.html"), "{text}");
    }

    #[test]
    fn it_fits_into_a_comment_whatever_happened() {
        let mut run = thresholds::tests::run();
        let figure = format!(
            "[[published]]\ncontender = \"sse\"\nmetric = \"latency_p50\"\nvalue = \"1ms\"\n\
             source = '{0}'\nnote = '{0}'\n",
            "<:/".repeat(1_000)
        );
        run.manifest.scenario.text += &figure.repeat(100);
        let more =
            "[thresholds]\n\"*.lost\" = [".to_owned() + &"\"count==0\",".repeat(9_000) + "]\n";
        run.manifest.scenario.text = run.manifest.scenario.text.replace("[thresholds]", &more);
        let mut trial = run.trials[0].clone();
        trial.outcome = Outcome::Failed { reason: "<".repeat(3_000) };
        trial.cell = "`".repeat(5_000);
        run.trials = vec![trial; 5_000];
        for (index, trial) in run.trials.iter_mut().enumerate() {
            trial.cell += &(index % 50).to_string();
        }
        run.manifest.scenario.description = "*".repeat(100_000);
        run.manifest.command = "`".repeat(100_000);
        let text = summary(&run, &analyse(&run, &LatencyLog::default()));
        assert!(text.len() < 64 * 1024, "{} bytes", text.len());
        for what in ["more notes in report.html", "more cells", "more thresholds"] {
            assert!(text.contains(what), "{what}");
        }
    }
}
