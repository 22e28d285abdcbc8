//! Trials for the self-test: alone or in pairs, repeated when they cannot be trusted.

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::judge::Trouble;
use crate::command::bench::{Bench, Interrupted, Ran, Setup};
use crate::command::progress::Progress;
use crate::results::{Outcome, Trial};
use crate::scenario::schedule::PlannedTrial;

/// How often a trial is tried until it can be trusted: a shared machine is busy now and then.
const ATTEMPTS: u32 = 3;

/// The two sides of a pair of trials that belong together, in whatever order they ran.
pub(super) struct Pair {
    /// The first side's.
    pub(super) base: Trial,
    /// The other's.
    pub(super) other: Trial,
}

/// Runs trials and shows how far it is.
pub(super) struct Lab {
    bench: Bench,
    pub(super) progress: Progress,
    coin: ChaCha8Rng,
}

impl Lab {
    pub(super) fn new(bench: Bench, progress: Progress, seed: u64) -> Self {
        Self { bench, progress, coin: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Runs a trial, whether it can be trusted or not.
    pub(super) fn trial(
        &mut self,
        setup: &Setup<'_>,
        planned: &PlannedTrial,
    ) -> Result<Result<Ran, Trouble>, Interrupted> {
        let Self { bench, progress, .. } = self;
        let name = format!("{}, {}", setup.scenario.name, planned.contender.label());
        progress.begin(name, &setup.scenario.workload);
        let ran = bench.trial(setup, planned.clone(), |phase| progress.step(phase))?;
        progress.end(&ran.trial);
        Ok(match &ran.trial.outcome {
            Outcome::Failed { reason } => Err(Trouble::Failed(reason.clone())),
            Outcome::Valid | Outcome::Invalid => Ok(ran),
        })
    }

    /// Runs a trial that can be trusted, if the machine lets it.
    pub(super) fn valid_trial(
        &mut self,
        setup: &Setup<'_>,
        planned: &PlannedTrial,
    ) -> Result<Result<Ran, Trouble>, Interrupted> {
        self.repeated(setup, 1, |lab| Ok(lab.trial(setup, planned)?.and_then(valid)))
    }

    /// Runs both sides one after the other, which of them first is a coin's choice. When one cannot
    /// be trusted both are repeated, with a new coin, and no look at any figure.
    pub(super) fn pair(
        &mut self,
        base: &Setup<'_>,
        other: &Setup<'_>,
        planned: &PlannedTrial,
    ) -> Result<Result<Pair, Trouble>, Interrupted> {
        self.repeated(base, 2, |lab| {
            let base_first = lab.coin.random_bool(0.5);
            let (first, second) = if base_first { (base, other) } else { (other, base) };
            let first = match lab.trial(first, planned)?.and_then(valid) {
                Ok(Ran { trial, .. }) => trial,
                Err(trouble) => return Ok(Err(trouble)),
            };
            let second = lab.trial(second, planned)?.and_then(valid);
            Ok(second.map(|Ran { trial: second, .. }| match base_first {
                true => Pair { base: first, other: second },
                false => Pair { base: second, other: first },
            }))
        })
    }

    fn repeated<T>(
        &mut self,
        setup: &Setup<'_>,
        trials: u32,
        mut attempt: impl FnMut(&mut Self) -> Result<Result<T, Trouble>, Interrupted>,
    ) -> Result<Result<T, Trouble>, Interrupted> {
        let mut outcome = attempt(self)?;
        for _ in 1..ATTEMPTS {
            if !matches!(outcome, Err(Trouble::Untrusted(_))) {
                break;
            }
            self.progress.plan(&setup.scenario.workload, trials);
            outcome = attempt(self)?;
        }
        Ok(outcome)
    }
}

/// What ran, if its figures may be used.
fn valid(ran: Ran) -> Result<Ran, Trouble> {
    if ran.trial.is_valid() {
        return Ok(ran);
    }
    let reason = ran.trial.warnings.iter().find(|warning| warning.invalidates());
    Err(Trouble::Untrusted(reason.map_or_else(String::new, ToString::to_string)))
}

/// What is left of the attempts, if none failed and at least half can be trusted.
pub(super) fn usable<T>(attempts: Vec<Result<T, Trouble>>) -> Result<Vec<T>, Trouble> {
    let needed = attempts.len().div_ceil(2);
    let mut left = Vec::new();
    let mut first = None;
    for attempt in attempts {
        match attempt {
            Ok(one) => left.push(one),
            Err(Trouble::Failed(reason)) => return Err(Trouble::Failed(reason)),
            Err(untrusted) => first = first.or(Some(untrusted)),
        }
    }
    match first {
        Some(untrusted) if left.len() < needed => Err(untrusted),
        _ => Ok(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::fixture;

    #[test]
    fn half_of_the_attempts_are_enough_unless_one_failed() {
        let untrusted = |reason: &str| Err(Trouble::Untrusted(reason.to_owned()));
        let failed = || Err::<u32, _>(Trouble::Failed("it died".to_owned()));
        assert_eq!(usable(vec![Ok(1), Ok(2), untrusted("late")]), Ok(vec![1, 2]));
        assert_eq!(usable(vec![Ok(1), untrusted("late")]), Ok(vec![1]));
        let few = usable(vec![Ok(1), untrusted("late"), untrusted("stolen")]);
        assert_eq!(few, Err(Trouble::Untrusted("late".to_owned())), "the first reason");
        assert_eq!(
            usable(vec![untrusted("late"), Ok(1), Ok(2), failed()]).unwrap_err(),
            failed().unwrap_err()
        );
        assert_eq!(usable::<u32>(vec![]), Ok(vec![]));
    }

    #[test]
    fn what_is_not_valid_says_why() {
        let (run, _) = fixture::run();
        let judge =
            |index: usize| valid(Ran { trial: run.trials[index].clone(), intervals: vec![] });
        assert!(judge(0).is_ok(), "a warning alone is no reason");
        let reason = run.trials[5].warnings.iter().find(|of| of.invalidates()).unwrap().to_string();
        assert_eq!(judge(5).unwrap_err(), Trouble::Untrusted(reason));
    }
}
