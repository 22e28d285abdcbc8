//! The table that courses and blogs repeat about these transports, filled from runs. What it says, and what figures
//! have to show for that, stands in `cells.toml`, which anybody can check; every figure and every verdict comes from the
//! runs, but for the lines of the smallest clients, which are counted.

mod advice;
mod figure;
mod judge;
mod model;
mod proxies;

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod truth;

use std::sync::LazyLock;

use pushbench_wire::Transport;
use serde::Deserialize;

use crate::results::{Outcome, Run, Trial};

pub use model::{
    Advice, Case, Cell, Counted, Filled, FilledRow, Finding, Guided, Lack, Limits, Measured, Part,
    Passed, Row, Runs, Tally, Verdict, Weighed, What, columns,
};

/// The file with all rows.
const FILE: &str = include_str!("cells.toml");

/// The run of the user's workload.
pub const WORKLOAD: &str = "workload";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    row: Vec<Row>,
}

/// Every row, in the order of its file.
#[must_use]
pub fn rows() -> &'static [Row] {
    static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
        // It is part of the program, and a test reads it.
        toml::from_str::<Rows>(FILE).map(|of| of.row).unwrap_or_default()
    });
    &ROWS
}

impl Row {
    /// The runs that it takes, each once.
    pub fn runs(&self) -> impl Iterator<Item = &str> {
        let cases = self.cells.iter().flat_map(|cell| &cell.cases);
        let mut runs: Vec<&str> = cases.filter_map(|case| case.run.as_deref()).collect();
        runs.sort_unstable();
        runs.dedup();
        runs.into_iter()
    }
}

/// Whether a cell is empty because of what a busy machine did, so that another try may fill it.
#[must_use]
pub fn is_spoilt(filled: &[FilledRow]) -> bool {
    let mut cases = filled.iter().flat_map(|row| &row.cells).flat_map(|cell| &cell.cases);
    cases.any(|of| matches!(of.holds, Err(Lack::Spoilt(_))))
}

/// Whether no trial of a run came to its end, and not for want of a program that is not installed.
#[must_use]
pub fn has_failed_whole(runs: &Runs) -> bool {
    let is_whole = |run: &Run| {
        let mut reasons = run.trials.iter().filter_map(|trial| match &trial.outcome {
            Outcome::Failed { reason } => Some(reason),
            Outcome::Valid | Outcome::Invalid => None,
        });
        !run.trials.is_empty()
            && run.trials.iter().all(Trial::has_failed)
            && reasons.any(|reason| !says_what_to_install(reason))
    };
    runs.values().flatten().any(|(run, _)| is_whole(run))
}

/// Whether a trial failed because a program is not installed: trials keep their reasons in words alone.
fn says_what_to_install(reason: &str) -> bool {
    reason.contains("there is no ") && reason.contains(" on this machine")
}

/// Fills these rows from runs. Of those that are not there, it says so.
#[must_use]
pub fn fill(rows: &[Row], runs: &Runs) -> Vec<FilledRow> {
    let cell = |row: &Row, of: Transport| {
        let cell = row.cells.iter().find(|cell| cell.of.contains(&of))?;
        let weighed = cell.cases.iter().map(|case| judge::weigh(case, of, runs));
        let cases: Vec<_> = weighed.collect();
        let verdict = Filled::verdict(&cases);
        Some(Filled { of, says: cell.says.clone(), cases, verdict })
    };
    let filled = |row: &Row| {
        let cells = columns().filter_map(|of| cell(row, of)).collect();
        FilledRow { row: row.clone(), cells }
    };
    rows.iter().map(filled).collect()
}
