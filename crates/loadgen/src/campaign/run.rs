//! The plan of a run: every contender in every cell, in shuffled blocks. A trial that is spoilt is
//! measured once more, whatever its figures are, as long as the time for that lasts; a run in which a
//! whole block is spoilt ends there.

use std::sync::Arc;

use super::{Plan, Setup, Step, ToCome};
use crate::engine::planned_length;
use crate::results::{Outcome, Run, Trial};
use crate::scenario::Scenario;
use crate::scenario::schedule::{self, CellTrial, PlannedTrial};

/// How many trials may be measured again, of those that are planned, unless the user says so: a run takes
/// at most half as long again.
const REPEATED_SHARE: f64 = 0.5;

/// All trials of one scenario.
pub(crate) struct RunPlan {
    cells: Vec<(Arc<str>, Arc<Scenario>)>,
    trials: Vec<CellTrial>,
    server: Arc<[String]>,
    /// How many trials may be measured again.
    max_repeats: usize,
    /// What names of trials begin with, to tell them from those of other scenarios.
    prefix: String,
}

impl RunPlan {
    /// Those of `scenario`, on `server`. Of several, each has its name in the names of its trials.
    pub(crate) fn new(scenario: &Scenario, server: Arc<[String]>, is_one_of_several: bool) -> Self {
        let cells = scenario.cells().into_iter();
        let trials = schedule::trials(scenario);
        Self {
            cells: cells.map(|(name, cell)| (name.into(), Arc::new(cell.clone()))).collect(),
            max_repeats: (trials.len() as f64 * REPEATED_SHARE).ceil() as usize,
            trials,
            server,
            prefix: if is_one_of_several { format!("{}, ", scenario.name) } else { String::new() },
        }
    }

    /// With as many repetitions of spoilt trials as the user allows.
    pub(crate) fn repeating(self, at_most: Option<u32>) -> Self {
        let max_repeats = at_most.map_or(self.max_repeats, |allowed| allowed as usize);
        Self { max_repeats, ..self }
    }

    /// How many trials there are.
    pub(crate) fn trials(&self) -> u32 {
        self.trials.len() as u32
    }

    /// What is left behind so many trials.
    pub(crate) fn to_come(&self, ended: usize) -> ToCome {
        let left = self.trials.iter().skip(ended);
        let length = |of: &CellTrial| planned_length(&self.cells[of.cell].1).1;
        left.map(|trial| ToCome { trials: 1, time: length(trial) }).sum()
    }
}

impl RunPlan {
    /// Only whether the last trial is valid decides, so that no figure can.
    fn is_worth_repeating(&self, so_far: &Run) -> bool {
        let Some((last, before)) = so_far.trials.split_last() else { return false };
        let is_second = before.last().is_some_and(|before| before.repeated && before.is_same(last));
        let repeated = so_far.trials.len() - so_far.measured();
        last.outcome == Outcome::Invalid && !is_second && repeated < self.max_repeats
    }

    /// A whole block has been measured, and nothing of it is valid.
    fn is_hopeless(&self, so_far: &Run) -> bool {
        let first = self.trials.iter().take_while(|of| of.trial.block == 1).count();
        let is_measured = so_far.measured() >= first && !self.is_worth_repeating(so_far);
        let is_cut = so_far.measured() < self.trials.len();
        is_measured && is_cut && so_far.trials.iter().all(|of| of.outcome == Outcome::Invalid)
    }
}

impl Plan for RunPlan {
    type Record = Run;

    fn next(
        &mut self,
        so_far: &Run,
        say: &mut dyn FnMut(&str),
    ) -> anyhow::Result<Option<Step<Trial>>> {
        if self.is_hopeless(so_far) {
            say("Every trial so far is spoilt, so the run ends here: see the notes on its trials.");
            return Ok(None);
        }
        let mut ended = so_far.measured();
        if self.is_worth_repeating(so_far) {
            say("It is measured once more.");
            ended -= 1;
        }
        let Some(CellTrial { cell, trial: PlannedTrial { block, contender } }) =
            self.trials.get(ended)
        else {
            return Ok(None);
        };
        let (cell, scenario) = &self.cells[*cell];
        let mut name = format!("{}{}", self.prefix, contender.label());
        if self.cells.len() > 1 {
            name = format!("{name}, {cell}");
        }
        let setup = Setup {
            scenario: Arc::clone(scenario),
            contender: contender.clone(),
            server: Arc::clone(&self.server),
            copied: false,
            record: true,
            cell: Arc::clone(cell),
            block: *block,
        };
        let to_come = self.to_come(ended);
        Ok(Some(Step { setup, name, to_come, row: Box::new(|trial, _| trial) }))
    }
}
