//! The plan of the self-test, which holds the whole instrument against known truth: the server
//! misbehaves by amounts that it is told, and the engine that measures for a run has to find them.
//! Trials are measured alone or in pairs, and again when they cannot be trusted.

mod experiment;
mod findings;
mod judge;
mod tested;
mod truth;

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::{Plan, Setup, Step, ToCome};
use crate::results::{Interval, Outcome, Record, Trial, latency_log};
use crate::scenario::BASE_CELL;
use experiment::{Experiment, Unit};
use findings::Attempted;
use tested::Tested;

pub use experiment::Check;
pub(crate) use judge::{Claim, Finding, Measured, Subject, Trouble, Verdict};

/// How often a trial is tried until it can be trusted: a shared machine is busy now and then.
const ATTEMPTS: u32 = 3;

/// What has been measured.
#[derive(Debug, Default)]
pub(crate) struct Selftest {
    trials: Vec<Tested>,
    /// Whether it was stopped before its end.
    pub(crate) interrupted: bool,
}

impl Record for Selftest {
    type Row = Tested;

    fn enter(&mut self, row: Tested) {
        self.trials.push(row);
    }

    fn interrupted(&mut self) -> &mut bool {
        &mut self.interrupted
    }
}

/// A unit that is being measured.
struct Attempt {
    unit: Unit,
    number: u32,
    /// The sides, in the order in which they are measured.
    order: Vec<usize>,
    done: Vec<Tested>,
}

/// One experiment after the other.
pub(crate) struct SelftestPlan {
    experiments: Vec<Experiment>,
    finding_line: fn(&Finding) -> String,
    coin: ChaCha8Rng,
    /// The experiment that goes on, its units, and what became of them so far.
    current: usize,
    units: Vec<Unit>,
    attempted: Vec<(Unit, Attempted)>,
    attempt: Option<Attempt>,
    /// What was found, check by check.
    pub(crate) findings: Vec<(Check, Finding)>,
}

impl SelftestPlan {
    /// With so many comparisons of a server with itself. The same seed gives the same order.
    ///
    /// # Errors
    /// When the workload of a check is no scenario, which is a mistake in this program.
    pub(crate) fn new(
        checks: &[Check],
        comparisons: u32,
        seed: u64,
        finding_line: fn(&Finding) -> String,
    ) -> anyhow::Result<Self> {
        let experiments = checks.iter().map(|&check| Experiment::of(check, comparisons));
        Ok(Self {
            experiments: experiments.collect::<anyhow::Result<_>>()?,
            finding_line,
            coin: ChaCha8Rng::seed_from_u64(seed),
            current: 0,
            units: Vec::new(),
            attempted: Vec::new(),
            attempt: None,
            findings: Vec::new(),
        })
    }

    /// How many sockets a trial takes at most.
    pub(crate) fn sockets(&self) -> u32 {
        let sockets = self.experiments.iter().map(|of| of.scenario.sockets());
        sockets.max().unwrap_or_default()
    }

    /// Begins with a unit, or begins it again. Which of two sides is first is a coin's choice.
    fn begin(&mut self, unit: Unit, number: u32) {
        let sides = self.experiments[self.current].faults.len();
        let mut order: Vec<_> = (0..sides).collect();
        if sides > 1 && self.coin.random_bool(0.5) {
            order.reverse();
        }
        self.attempt = Some(Attempt { unit, number, order, done: Vec::new() });
    }

    /// Takes in the trial that was asked for. When one cannot be trusted its whole unit is measured
    /// again, with no look at any figure.
    fn take_in(&mut self, mut attempt: Attempt, tested: &Tested) {
        let Attempt { unit, number, .. } = attempt;
        let result = match trouble(&tested.trial, &self.experiments[self.current]) {
            Some(Trouble::Untrusted(_)) if number < ATTEMPTS => {
                return self.begin(unit, number + 1);
            }
            Some(trouble) => Err(trouble),
            None => {
                attempt.done.push(tested.clone());
                if attempt.done.len() < attempt.order.len() {
                    self.attempt = Some(attempt);
                    return;
                }
                attempt.done.sort_by_key(|of| of.side);
                Ok(attempt.done)
            }
        };
        self.attempted.push((unit, result));
    }

    /// What the attempt measures next.
    fn step(&self, attempt: &Attempt) -> Step<Tested> {
        let experiment = &self.experiments[self.current];
        let Unit { contender, block, .. } = attempt.unit;
        let side = attempt.order[attempt.done.len()];
        let setup = Setup {
            scenario: Arc::clone(&experiment.scenario),
            contender: contender.into(),
            server: experiment.server(side),
            copied: false,
            record: experiment.records(side),
            cell: BASE_CELL.into(),
            block,
        };
        let units_left = self.units.len() - self.attempted.len();
        let trials = units_left * attempt.order.len() - attempt.done.len();
        let own = ToCome::of(&experiment.scenario, trials as u32);
        let later = self.experiments[self.current + 1..].iter().map(Experiment::to_come);
        let to_come = later.chain([own]).sum();
        let name = format!("{}, {}", experiment.check, contender.label());
        let interval = experiment.scenario.longest_polling_interval().unwrap_or_default();
        let is_about_uniformity = experiment.check == Check::Uniform;
        let row = Box::new(move |trial, intervals: &[Interval]| {
            let distance = is_about_uniformity.then(|| distance_to_uniform(intervals, interval));
            Tested { side, trial, distance: distance.flatten() }
        });
        Step { setup, name, to_come, row }
    }
}

/// How far latencies are from the uniform law on an interval.
fn distance_to_uniform(latencies: &[Interval], longest: Duration) -> Option<f64> {
    let mut all = latency_log::histogram();
    latencies.iter().try_for_each(|interval| all.add(&interval.histogram)).ok()?;
    truth::distance_to_uniform(&all, longest)
}

/// Why a trial cannot be used.
fn trouble(trial: &Trial, experiment: &Experiment) -> Option<Trouble> {
    match &trial.outcome {
        Outcome::Failed { reason } => Some(Trouble::Failed(reason.clone())),
        Outcome::Invalid if experiment.needs_valid_trials() => {
            let reason = trial.warnings.iter().find(|warning| warning.invalidates());
            Some(Trouble::Untrusted(reason.map_or_else(String::new, ToString::to_string)))
        }
        Outcome::Valid | Outcome::Invalid => None,
    }
}

impl Plan for SelftestPlan {
    type Record = Selftest;

    const INTERRUPTED: &'static str =
        "Interrupted: this check and those that follow it are left out.";

    fn next(
        &mut self,
        so_far: &Selftest,
        say: &mut dyn FnMut(&str),
    ) -> anyhow::Result<Option<Step<Tested>>> {
        if let (Some(attempt), Some(tested)) = (self.attempt.take(), so_far.trials.last()) {
            self.take_in(attempt, tested);
        }
        loop {
            if let Some(attempt) = &self.attempt {
                return Ok(Some(self.step(attempt)));
            }
            let Some(experiment) = self.experiments.get(self.current) else { return Ok(None) };
            if self.units.is_empty() {
                self.units = experiment.units();
                say(&format!(
                    "{}: {} (about {} s)",
                    experiment.check,
                    experiment.check.description(),
                    experiment.to_come().time.as_secs()
                ));
            }
            if let Some(&unit) = self.units.get(self.attempted.len()) {
                self.begin(unit, 1);
                continue;
            }
            for finding in findings::judge(experiment, &self.attempted) {
                say(&(self.finding_line)(&finding));
                self.findings.push((experiment.check, finding));
            }
            self.current += 1;
            self.units.clear();
            self.attempted.clear();
        }
    }
}

#[cfg(test)]
mod tests;
