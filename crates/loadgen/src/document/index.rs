//! The index of several scenarios that one command has run: a row for each.

use super::block::{Block, Code, Column, Depth, Document, Entry, Row, Table};
use super::{deliveries, format, run};
use crate::analysis::thresholds::Judgement;
use crate::analysis::{Accounts, Analysis};
use crate::results::{Run, Trial};

/// What became of one scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRow {
    /// Its name, which is that of its folder as well.
    scenario: String,
    /// The verdict's first sentence; empty if it has not run.
    verdict: String,
    /// How many of its trials are valid, and what went wrong.
    validity: String,
    /// Whether there is a report of it.
    has_run: bool,
}

impl IndexRow {
    /// A scenario that has not been run yet.
    #[must_use]
    pub fn not_run(scenario: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            verdict: format::MISSING.to_owned(),
            validity: "not run".to_owned(),
            has_run: false,
        }
    }

    /// What a run came to.
    #[must_use]
    pub fn of(run: &Run, analysis: &Analysis) -> Self {
        let verdict = run::headline(analysis).unwrap_or_else(|| format::MISSING.to_owned());
        let scenario = run.manifest.scenario.name.clone();
        Self { scenario, verdict, validity: validity(run, analysis), has_run: true }
    }
}

/// How many trials are valid, and what is wrong with the others.
fn validity(run: &Run, analysis: &Analysis) -> String {
    let planned = run.manifest.planned_trials as usize;
    let count =
        |is_meant: fn(&Trial) -> bool| run.trials.iter().filter(|trial| is_meant(trial)).count();
    let crossed = analysis.thresholds.iter().filter(|of| of.judgement == Judgement::Crossed);
    let shortcomings = [
        ("failed", count(Trial::has_failed)),
        ("not run", planned.saturating_sub(run.trials.len())),
        ("thresholds crossed", crossed.count()),
    ];
    let mut parts = vec![format!("{} of {planned} trials valid", count(Trial::is_valid))];
    for (what, count) in shortcomings.into_iter().filter(|(_, count)| *count > 0) {
        parts.push(format!("{what}: {count}"));
    }
    let ran: Vec<&Trial> = run.trials.iter().filter(|trial| !trial.has_failed()).collect();
    let accounts = Accounts::of(&ran);
    if !ran.is_empty() && !accounts.is_complete() {
        parts.push(format!("delivered {}", deliveries::shortfall(accounts)));
    }
    parts.join("; ")
}

/// The index of scenarios that are called `name` together and were run by `command`.
#[must_use]
pub fn index(name: &str, command: &str, rows: &[IndexRow]) -> Document {
    let row = |row: &IndexRow| {
        let entries = vec![Entry::text(&*row.verdict), Entry::text(&*row.validity)];
        let link = row.has_run.then(|| format!("{}/report.html", row.scenario));
        Row { link, ..Row::new(&*row.scenario, entries) }
    };
    let columns = ["verdict", "trials"].map(Column::text).to_vec();
    let table = Table::new("scenario", columns, rows.iter().map(row).collect());
    let folders = "Every scenario has a folder of its own, with its page (report.html), its summary.md and all \
                   of its figures.";
    let command = Code { language: "sh", text: command.to_owned(), is_command: true };
    let ending = vec![Block::Prose(folders.to_owned()), Block::Code(command)];
    let blocks = vec![Block::Table(table), Block::section(Depth::Detail, "", ending)];
    Document { blocks, ..Document::new("", name, ["summary.md", "the folders"]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::document::limits;
    use crate::results::{LatencyLog, Metric, Outcome, fixture};

    fn row(run: &Run) -> IndexRow {
        IndexRow::of(run, &analyse(run, &LatencyLog::default()))
    }

    #[test]
    fn a_row_says_who_is_ahead_and_what_is_valid() {
        let (mut run, _) = fixture::run();
        let of = row(&run);
        assert_eq!(of.scenario, "stock-ticker");
        assert!(of.verdict.starts_with("WebSocket and SSE deliver in 400–416 µs"), "{of:?}");
        assert_eq!(of.validity, "6 of 8 trials valid; failed: 1");
        run.trials.iter_mut().for_each(|trial| trial.outcome = Outcome::Valid);
        run.trials[7] = run.trials[6].clone();
        assert_eq!(row(&run).validity, "8 of 8 trials valid");
        run.trials.truncate(3);
        assert_eq!(row(&run).validity, "3 of 8 trials valid; not run: 5");
        run.trials.clear();
        assert_eq!(row(&run).verdict, "–");
    }

    #[test]
    fn losses_and_thresholds_are_named() {
        let mut run = limits::tests::run();
        run.trials[2].values.insert(Metric::Lost, 3.0);
        run.trials[2].values.insert(Metric::Delivered, 23_997.0);
        let validity = row(&run).validity;
        assert!(validity.contains("; thresholds crossed: 2; delivered "), "{validity}");
        assert!(validity.ends_with(", 3 lost"), "{validity}");
    }

    #[test]
    fn the_index_links_what_has_run() {
        let rows = [row(&fixture::run().0), IndexRow::not_run("chat")];
        let document = index("my folder", "pushbench run x", &rows);
        let Block::Table(table) = &document.blocks[0] else { panic!("a table") };
        let links: Vec<_> = table.rows.iter().map(|row| row.link.as_deref()).collect();
        assert_eq!(links, [Some("stock-ticker/report.html"), None]);
    }
}
