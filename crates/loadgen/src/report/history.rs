//! `history.md` and its charts: how figures went on over revisions, and where they changed.

use std::path::{Path, PathBuf};

use super::markdown::escaped;
use super::{charts, quantity, words};
use crate::analysis::change_points::{ChangePoint, LEVEL};
use crate::analysis::history::{History, PastRun, Series};
use crate::results::folder::write_all;

/// Renders `histories` into `dir`, and says which files that makes. Each is written whole or not at
/// all, and none before all could be rendered.
///
/// # Errors
/// A file that cannot be written, by its path.
pub fn render_history(dir: &Path, histories: &[History]) -> anyhow::Result<Vec<PathBuf>> {
    let mut text = "# History\n\n".to_owned();
    text += &format!(
        "Each figure is the median over the blocks of a run. A change is what E-divisive (Matteson & \
         James 2014) finds at a level of {} %: so often, a series in which nothing changed is said to \
         have changed. There are many series here; look whether a change goes on before you act on it.\n",
        100.0 * LEVEL
    );
    let mut files = Vec::new();
    for (index, history) in histories.iter().enumerate() {
        text += &format!("\n## {}\n\n{}\n", escaped(&history.scenario), origin(history));
        text += &changes(history);
        for metric in history.metrics() {
            // What is in names of scenarios and cells may be no name of a file.
            let name = match histories.len() {
                1 => format!("charts/{}.png", metric.name()),
                _ => format!("charts/{}-{}.png", metric.name(), index + 1),
            };
            text += &format!("\n![{} over revisions]({name})\n", words::title(metric));
            files.push((name, charts::history::chart(history, metric)?));
        }
    }
    files.push(("history.md".to_owned(), text.into_bytes()));
    write_all(dir, files)
}

fn origin(history: &History) -> String {
    let hash: String = history.scenario_sha256.chars().take(12).collect();
    let span = match &history.runs[..] {
        [] => String::new(),
        [only] => format!("one run, of {}", only.time),
        [first, .., last] => {
            format!("{} runs from {} to {}", history.runs.len(), first.time, last.time)
        }
    };
    let older = match history.older {
        0 => String::new(),
        older => format!(" ({older} older ones are left out)"),
    };
    format!(
        "{}; scenario {}, cell {}; {span}{older}.",
        escaped(&history.machine),
        escaped(&hash),
        escaped(&history.cell)
    )
}

fn changes(history: &History) -> String {
    let rows: String = each_change(history)
        .map(|(series, change, run)| {
            format!(
                "| {} | {} | {} | {} | {} | {} | {} | {:.3} |\n",
                words::title(series.metric),
                series.contender.label(),
                run.revision.as_deref().map_or(quantity::MISSING.to_owned(), escaped),
                run.time,
                quantity::of(series.metric, Some(change.before)),
                quantity::of(series.metric, Some(change.after)),
                quantity::change(change.before, change.after),
                change.p_value,
            )
        })
        .collect();
    if rows.is_empty() {
        return "\nNo change was found.\n".to_owned();
    }
    format!(
        "\n| metric | contender | from revision | run of | before | after | change | p |\n\
         |---|---|---|---|---:|---:|---:|---:|\n{rows}"
    )
}

fn each_change(history: &History) -> impl Iterator<Item = (&Series, &ChangePoint, &PastRun)> {
    history.series.iter().flat_map(move |series| {
        series.changes.iter().filter_map(move |change| {
            Some((series, change, history.runs.get(series.run_of(change)?)?))
        })
    })
}

/// Every change of a history in a line of its own, for a terminal.
#[must_use]
pub fn change_lines(history: &History) -> Vec<String> {
    let line = |(series, change, run): (&Series, &ChangePoint, &PastRun)| {
        format!(
            "{} of {}: {} → {} ({}) from {} on, {}",
            words::title(series.metric),
            words::inline(&series.contender),
            quantity::of(series.metric, Some(change.before)),
            quantity::of(series.metric, Some(change.after)),
            quantity::change(change.before, change.after),
            run.revision.as_deref().unwrap_or("an unknown revision"),
            run.time,
        )
    };
    each_change(history).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::history::{histories, tests::days};
    use crate::results::history::Row;

    fn render(rows: &[Row]) -> (String, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let paths = render_history(dir.path(), &histories(rows)).unwrap();
        let names = paths.iter().map(|path| {
            assert!(std::fs::metadata(path).unwrap().len() > 0);
            path.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned()
        });
        (std::fs::read_to_string(dir.path().join("history.md")).unwrap(), names.collect())
    }

    #[test]
    fn a_change_is_a_row_with_its_revision() {
        let (text, names) = render(&days());
        let row = "| Server CPU per delivery | SSE | 000000d | 2025-01-13T03:04:05Z | 3.16 µs | 3.48 µs | +10 % | 0.001 |\n";
        assert!(text.contains(row), "{text}");
        assert_eq!(text.matches("| SSE |").count() + text.matches("| WebSocket |").count(), 1);
        let charts = ["charts/latency_p50.png", "charts/server_cpu_per_delivery.png"];
        assert_eq!(names, [charts[0], charts[1], "history.md"]);
        assert!(charts.iter().all(|chart| text.contains(chart)), "{text}");
        let lines = change_lines(&histories(&days())[0]);
        let line = "Server CPU per delivery of SSE: 3.16 µs → 3.48 µs (+10 %) from 000000d on, 2025-01-13T03:04:05Z";
        assert_eq!(lines, [line]);
    }

    #[test]
    fn several_histories_have_charts_of_their_own() {
        let mut rows = days();
        rows[0].machine = "<b>|".to_owned();
        let (text, names) = render(&rows);
        assert!(text.contains("\\<b\\>\\|"), "{text}");
        assert!(text.contains("No change was found.") && text.contains("one run, of"), "{text}");
        assert!(names.contains(&"charts/latency_p50-2.png".to_owned()), "{names:?}");
    }
}
