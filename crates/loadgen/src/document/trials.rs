//! Single trials: as a line while a run goes on, and all of them as a table.

use super::block::{Column, Entry, Row, Table};
use super::shown::OF_TRIAL;
use super::{contender, deliveries, format};
use crate::analysis::Accounts;
use crate::results::{Metric, Outcome, Run, Trial};

/// What became of a trial, in a line.
#[must_use]
pub fn trial_line(trial: &Trial) -> String {
    if let Outcome::Failed { reason } = &trial.outcome {
        return format!("failed: {reason}");
    }
    let of = |metric| value(trial, metric);
    let mut line = format!(
        "p50 {}, p99 {}, {}, server CPU {} per delivery",
        of(Metric::LatencyP50),
        of(Metric::LatencyP99),
        deliveries::shortfall(Accounts::of(&[trial])),
        of(Metric::ServerCpuPerDelivery),
    );
    if let Some(warning) = trial.warnings.iter().find(|warning| warning.invalidates()) {
        line += &format!("; not trusted: {warning}");
    }
    line
}

/// A value of one trial.
pub(super) fn value(trial: &Trial, metric: Metric) -> String {
    let at_least = if trial.is_lower_bound(metric) { "≥ " } else { "" };
    format!("{at_least}{}", format::of(metric, trial.value(metric)))
}

/// Every trial as it went.
pub(super) fn table(run: &Run, several_cells: bool) -> Table {
    let metrics = OF_TRIAL.map(|metric| Column::figures(metric.short_label()));
    let cell = several_cells.then(|| Column::text("cell"));
    let columns = [Column::figures("block"), Column::text("outcome"), Column::text("notes")];
    let columns = columns.into_iter().chain(cell).chain(metrics);
    let columns = columns.chain([Column::figures("delivered")]).collect();
    let rows = run.trials.iter().map(|trial| row(trial, several_cells)).collect();
    let table = Table::new("contender", columns, rows);
    Table { file: Some("trials.csv"), ..table }
}

fn row(trial: &Trial, several_cells: bool) -> Row {
    let (outcome, reason) = match &trial.outcome {
        Outcome::Valid => ("valid", None),
        Outcome::Invalid if trial.repeated => ("repeated", None),
        Outcome::Invalid => ("invalid", None),
        Outcome::Failed { reason } => ("failed", Some(reason.clone())),
    };
    let notes = reason.into_iter().chain(trial.warnings.iter().map(ToString::to_string));
    let notes = notes.collect::<Vec<_>>().join("; ");
    let values = OF_TRIAL.map(|metric| Entry::number(value(trial, metric), trial.value(metric)));
    let block = Entry::number(trial.block.to_string(), Some(f64::from(trial.block)));
    let first = [block, Entry::text(outcome).alarming(!trial.is_valid()), Entry::text(notes)];
    let cell = several_cells.then(|| Entry::text(&*trial.cell));
    let delivered = deliveries::entry(Some(Accounts::of(&[trial])));
    let entries = first.into_iter().chain(cell).chain(values).chain([delivered]).collect();
    Row { alarming: !trial.is_valid(), ..contender::row(&trial.contender, entries) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::fixture;

    #[test]
    fn a_line_says_how_a_trial_went() {
        let (run, _) = fixture::run();
        let said: Vec<_> = run.trials.iter().map(trial_line).collect();
        assert_eq!(
            said[2],
            "p50 410 µs, p99 1.20 ms, 24,000 of 24,000, server CPU 3.10 µs per delivery"
        );
        assert!(said[5].contains("; not trusted: 14.2 %"), "{}", said[5]);
        assert_eq!(said[7], "failed: the server was killed by signal 9");
    }

    #[test]
    fn every_trial_is_a_row_with_its_notes() {
        let (run, _) = fixture::run();
        let table = table(&run, false);
        assert_eq!(table.rows.len(), run.trials.len());
        for row in &table.rows {
            assert_eq!(row.entries.len(), table.columns.len());
        }
        let failed = &table.rows[7];
        assert!(failed.alarming && failed.entries[1].text == "failed");
        assert_eq!(failed.entries[2].text, "the server was killed by signal 9");
        assert_eq!(failed.entries[3].text, "–", "missing is not zero");
        assert_eq!(super::table(&run, true).columns.len(), table.columns.len() + 1);
    }
}
