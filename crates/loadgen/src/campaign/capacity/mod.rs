//! The plan of a search for capacity: which load comes next is decided by
//! [`crate::analysis::capacity`].

mod space;

use std::sync::Arc;

use super::{Plan, Setup, Step, ToCome, Unusable};
use crate::analysis::Checked;
use crate::analysis::capacity::{
    self as search, Found, Limit, answer, of_search, remaining, so_far as known_so_far,
};
use crate::analysis::thresholds::check;
use crate::results::capacity::Attempt;
use crate::results::{Capacity, Interval};
use crate::scenario::{BASE_CELL, LoadAxis};
pub(crate) use space::Space;

/// How loads and attempts are told.
#[derive(Clone, Copy)]
pub(crate) struct LoadWords {
    /// "50 subscribers".
    pub(crate) load: fn(LoadAxis, f64) -> String,
    /// What an attempt showed.
    pub(crate) attempt: fn(&Attempt, &[Checked]) -> String,
}

/// One search after the other.
pub(crate) struct CapacityPlan<'a> {
    /// Of each search, in the order of the record.
    spaces: Vec<Space<'a>>,
    server: Arc<[String]>,
    words: LoadWords,
    /// The search that goes on, and how many of its attempts have been told.
    current: usize,
    told: usize,
}

impl<'a> CapacityPlan<'a> {
    /// In the order in which the record has its searches.
    pub(crate) fn new(spaces: Vec<Space<'a>>, server: Arc<[String]>, words: LoadWords) -> Self {
        Self { spaces, server, words, current: 0, told: 0 }
    }

    fn name(&self, so_far: &Capacity, load: f64) -> String {
        let label = so_far.searches[self.current].contender.label();
        format!("{label}, {}", (self.words.load)(so_far.varied, load))
    }

    /// What the last attempt showed, and what is known by now.
    fn attempt_line(&self, so_far: &Capacity, attempt: &Attempt) -> String {
        let (varied, words) = (so_far.varied, self.words);
        let objectives = self.spaces[self.current].objectives();
        let line = (words.attempt)(attempt, &check(objectives, &[&attempt.trial]));
        let (_, tried) = of_search(&so_far.searches[self.current], varied);
        let load = |load| (words.load)(varied, load);
        let known = match known_so_far(&tried) {
            (Some(low), Some(high)) => format!(" [so far: {low} to {}]", load(high)),
            (Some(low), None) => format!(" [so far: at least {}]", load(low)),
            (None, Some(high)) => format!(" [so far: less than {}]", load(high)),
            (None, None) => String::new(),
        };
        format!("{}: {line}{known}", self.name(so_far, attempt.load))
    }

    fn found(&self, so_far: &Capacity, found: Found) -> String {
        let load = |load| (self.words.load)(so_far.varied, load);
        let found = match found {
            Found::Capacity { load: at, limit: Limit::Missed { .. } } => {
                format!("found: {}", load(at))
            }
            Found::Capacity { load: at, .. } => format!("found: at least {}", load(at)),
            Found::Nothing => "found: not even the least load meets the objectives".to_owned(),
            Found::Untrusted { .. } => "not found: see below".to_owned(),
            Found::Failed => "given up: no trial ran".to_owned(),
        };
        format!("{}: {found}", so_far.searches[self.current].contender.label())
    }

    /// Roughly how many trials are still to come.
    fn left(&self, so_far: &Capacity) -> u32 {
        let searches = so_far.searches[self.current..].iter();
        let left = searches.map(|search| {
            let (question, tried) = of_search(search, so_far.varied);
            remaining(&question, &tried)
        });
        left.sum()
    }
}

impl Plan for CapacityPlan<'_> {
    type Record = Capacity;

    fn next(
        &mut self,
        so_far: &Capacity,
        say: &mut dyn FnMut(&str),
    ) -> anyhow::Result<Option<Step<Attempt>>> {
        while let Some(search) = so_far.searches.get(self.current) {
            if let Some(attempt) = search.attempts.get(self.told) {
                say(&self.attempt_line(so_far, attempt));
                self.told += 1;
            }
            let (question, tried) = of_search(search, so_far.varied);
            let (load, purpose) = match search::next(&question, &tried) {
                search::Step::Measure { load, purpose } => (load, purpose),
                search::Step::Done(found) => {
                    say(&self.found(so_far, found));
                    self.current += 1;
                    self.told = 0;
                    continue;
                }
            };
            // Every load within the bounds passes; a scenario that does not is no panic but the end.
            let space = &self.spaces[self.current];
            let scenario = space.at(load);
            let scenario = scenario.map_err(|refused| Unusable(refused.to_string()))?;
            let to_come = ToCome::of(&scenario, self.left(so_far));
            let setup = Setup {
                scenario: Arc::new(scenario),
                contender: search.contender.clone(),
                server: Arc::clone(&self.server),
                copied: false,
                record: true,
                cell: BASE_CELL.into(),
                block: tried.len() as u32 + 1,
            };
            let name = self.name(so_far, load);
            let objectives = space.objectives().to_vec();
            let row = Box::new(move |trial, _: &[Interval]| Attempt {
                load,
                purpose,
                answer: answer(&trial, &objectives),
                trial,
            });
            return Ok(Some(Step { setup, name, to_come, row }));
        }
        Ok(None)
    }
}
