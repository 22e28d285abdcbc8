//! Whether a run may be used at all. The rules are those by which `run` ends with 3 or 130; that a contender
//! does not work is no reason to refuse what the others show.

use crate::analysis::{Analysis, Figures};
use crate::results::{ContenderId, Outcome, Run, Warning};
use crate::scenario::Scenario;

/// Why a run says nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Its scenario cannot be read, so nobody knows what was asked: what is wrong with it.
    Unreadable(String),
    /// It was stopped.
    Interrupted {
        /// Trials that ended.
        ran: usize,
        /// Trials that were planned.
        planned: usize,
    },
    /// No trial ran.
    Empty,
    /// Too few trials of a contender are valid.
    Untrusted {
        /// The cell.
        cell: String,
        /// The contender.
        contender: ContenderId,
        /// Trials that are valid.
        valid: usize,
        /// Trials that were planned.
        planned: usize,
        /// What made the first of the others invalid.
        reason: Option<Warning>,
    },
    /// There are neither objectives nor needs, so everything would do.
    NothingAsked,
}

/// Why `run` may not be used, if so.
#[must_use]
pub fn refusal(run: &Run, analysis: &Analysis) -> Option<Refusal> {
    let planned = run.manifest.planned_trials as usize;
    if run.trials.is_empty() {
        return Some(Refusal::Empty);
    }
    if run.manifest.interrupted || run.measured() < planned {
        return Some(Refusal::Interrupted { ran: run.measured(), planned });
    }
    let planned = blocks(run);
    let figures = analysis
        .cells
        .iter()
        .flat_map(|cell| cell.contenders.iter().map(move |of| (&cell.name, of)));
    let mut untrusted = figures.filter(|(_, of)| is_untrusted(of, planned));
    untrusted.next().map(|(cell, of)| Refusal::Untrusted {
        cell: cell.clone(),
        contender: of.contender.clone(),
        valid: of.valid,
        planned,
        reason: reason(run, of),
    })
}

/// How many trials of each contender were planned in each cell: a run may have been shortened.
pub(in crate::analysis) fn blocks(run: &Run) -> usize {
    let text = &run.manifest.scenario;
    let contenders = match run.manifest.contenders.len() {
        // Files from before there were contenders list none.
        0 => Scenario::parse(&text.text, &text.path).map_or(0, |of| of.contenders.len()),
        listed => listed,
    };
    let each = contenders.max(1) * run.manifest.cells.len().max(1);
    (run.manifest.planned_trials as usize).div_ceil(each).max(1)
}

/// How many valid trials it takes.
pub(in crate::analysis) fn needed(planned: usize) -> usize {
    planned.div_ceil(2)
}

/// Whether trials that ran, and cannot be trusted, leave too few.
fn is_untrusted(of: &Figures, planned: usize) -> bool {
    of.valid + of.failed < needed(planned)
}

fn reason(run: &Run, of: &Figures) -> Option<Warning> {
    let trials = of.trials.iter().filter_map(|&index| run.trials.get(index));
    let mut invalid = trials.filter(|trial| trial.outcome == Outcome::Invalid);
    invalid.find_map(|trial| trial.warnings.iter().find(|of| of.invalidates()).cloned())
}
