//! The plan of a run: every contender in every cell, in shuffled blocks.

use std::sync::Arc;

use super::{Plan, Setup, Step, ToCome};
use crate::engine::planned_length;
use crate::results::{Run, Trial};
use crate::scenario::Scenario;
use crate::scenario::schedule::{self, CellTrial, PlannedTrial};

/// All trials of one scenario. Nothing that is found changes them.
pub(crate) struct RunPlan {
    cells: Vec<(Arc<str>, Arc<Scenario>)>,
    trials: Vec<CellTrial>,
    server: Arc<[String]>,
    /// What names of trials begin with, to tell them from those of other scenarios.
    prefix: String,
}

impl RunPlan {
    /// Those of `scenario`, on `server`. Of several, each has its name in the names of its trials.
    pub(crate) fn new(scenario: &Scenario, server: Arc<[String]>, is_one_of_several: bool) -> Self {
        let cells = scenario.cells().into_iter();
        Self {
            cells: cells.map(|(name, cell)| (name.into(), Arc::new(cell.clone()))).collect(),
            trials: schedule::trials(scenario),
            server,
            prefix: if is_one_of_several { format!("{}, ", scenario.name) } else { String::new() },
        }
    }

    /// How many trials there are.
    pub(crate) fn trials(&self) -> u32 {
        self.trials.len() as u32
    }

    /// What is left behind so many trials.
    pub(crate) fn to_come(&self, ended: usize) -> ToCome {
        let left = self.trials.iter().skip(ended);
        let length = |of: &CellTrial| planned_length(&self.cells[of.cell].1.workload).1;
        left.map(|trial| ToCome { trials: 1, time: length(trial) }).sum()
    }
}

impl Plan for RunPlan {
    type Record = Run;

    fn next(
        &mut self,
        so_far: &Run,
        _: &mut dyn FnMut(&str),
    ) -> anyhow::Result<Option<Step<Trial>>> {
        let ended = so_far.trials.len();
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
            record: true,
            cell: Arc::clone(cell),
            block: *block,
        };
        let to_come = self.to_come(ended);
        Ok(Some(Step { setup, name, to_come, row: Box::new(|trial, _| trial) }))
    }
}
