//! Draws from the trials of an experiment the figures that are judged. It measures nothing.

use pushbench_wire::Transport;

use super::experiment::{self, BLOCKS_ALIKE, Check, Experiment, Unit};
use super::judge::{Claim, Finding, Measured, Subject, Trouble};
use super::tested::Tested;
use super::truth;
use crate::analysis::{Accounts, Estimate, Ratio};
use crate::results::Metric;

/// How far the median delay may be from what was injected: a share of that, and a time for the
/// wake-ups of the thread that injects it.
const DELAY_WITHIN: (f64, f64) = (0.05, 200e3);

/// How far the 99th percentile of a standstill may be from theory: a share of that, and a time for
/// the burst at its end.
const STALL_WITHIN: (f64, f64) = (0.10, 1e6);

/// How far CPU time per delivery may be from what was injected.
const CPU_WITHIN: f64 = 0.10;

/// The distance to the uniform law has to be below this.
const UNIFORM_WITHIN: f64 = 0.03;

/// The share of the generator's CPU that recording takes has to be below this.
const RECORDING_BELOW: f64 = 0.05;

/// What must be alike when a server is compared with itself.
const ALIKE: [Metric; 3] =
    [Metric::LatencyP50, Metric::ServerCpuPerDelivery, Metric::BytesPerDelivery];

/// What became of a unit: the trials of its sides, or why there are none.
pub(super) type Attempted = Result<Vec<Tested>, Trouble>;

/// Judges the units of `experiment`, all of them.
pub(super) fn judge(experiment: &Experiment, units: &[(Unit, Attempted)]) -> Vec<Finding> {
    let each = |claim: Claim, figure: fn(&[Tested]) -> Option<f64>| {
        per_contender(experiment, &claim, |contender| {
            let own = units.iter().filter(|(unit, _)| unit.contender == contender);
            let usable = usable(own.map(|(_, attempted)| attempted.clone()))?;
            estimate(usable.iter().map(|sides| figure(sides)))
        })
    };
    match experiment.check {
        Check::Faithful | Check::Drop | Check::Duplicate | Check::Reorder => {
            let disorder = experiment::disorder(experiment.check);
            let claim = Claim::Exactly(truth::account(&experiment.scenario.workload, disorder));
            per_contender(experiment, &claim, |contender| {
                let own = units.iter().filter(|(unit, _)| unit.contender == contender);
                let trials = usable(own.map(|(_, attempted)| attempted.clone()))?;
                let trials: Vec<_> = trials.iter().flatten().map(|of| &of.trial).collect();
                Ok(Measured::Account(Accounts::of(&trials)))
            })
        }
        Check::Delay => {
            let delay = experiment::DELAY.as_nanos() as f64;
            let claim = near(Metric::LatencyP50, delay, DELAY_WITHIN);
            each(claim, |sides| rise(sides, Metric::LatencyP50))
        }
        Check::Cpu => {
            let burn = experiment::BURN.as_nanos() as f64;
            let claim = near(Metric::ServerCpuPerDelivery, burn, (CPU_WITHIN, 0.0));
            each(claim, |sides| rise(sides, Metric::ServerCpuPerDelivery))
        }
        Check::Stall => {
            let p99 = truth::stalled_p99(experiment::STALL, experiment::STALL_PERIOD);
            let claim = near(Metric::LatencyP99, p99.as_nanos() as f64, STALL_WITHIN);
            each(claim, |sides| sides[0].trial.value(Metric::LatencyP99))
        }
        Check::Uniform => each(Claim::Below(UNIFORM_WITHIN), |sides| sides[0].distance),
        Check::Recording => each(Claim::Below(RECORDING_BELOW), |sides| {
            share(sides, Metric::GeneratorCpuPerDelivery)
        }),
        Check::Alike => {
            let comparisons = usable(comparisons(units));
            let planned = experiment.blocks / BLOCKS_ALIKE;
            ALIKE.iter().map(|&metric| misses(&comparisons, planned, metric)).collect()
        }
    }
}

fn near(metric: Metric, value: f64, (share, more): (f64, f64)) -> Claim {
    Claim::Near { metric, value, within: share * value + more }
}

fn per_contender(
    experiment: &Experiment,
    claim: &Claim,
    measured: impl Fn(Transport) -> Result<Measured, Trouble>,
) -> Vec<Finding> {
    let contenders = experiment.contenders.iter();
    contenders.map(|&of| claim.judge(Subject::Contender(of), measured(of))).collect()
}

/// The blocks of each comparison. One of which a block cannot be trusted is left out whole.
fn comparisons(units: &[(Unit, Attempted)]) -> Vec<Result<Vec<Vec<Tested>>, Trouble>> {
    let same = |(one, _): &(Unit, _), (next, _): &(Unit, _)| one.comparison == next.comparison;
    let blocks = units.chunk_by(same);
    blocks.map(|units| units.iter().map(|(_, attempted)| attempted.clone()).collect()).collect()
}

/// What is left of the attempts, if none failed and at least half can be trusted.
fn usable<T>(attempts: impl IntoIterator<Item = Result<T, Trouble>>) -> Result<Vec<T>, Trouble> {
    let mut left = Vec::new();
    let mut first = None;
    let mut all = 0_usize;
    for attempt in attempts {
        all += 1;
        match attempt {
            Ok(one) => left.push(one),
            Err(Trouble::Failed(reason)) => return Err(Trouble::Failed(reason)),
            Err(untrusted) => first = first.or(Some(untrusted)),
        }
    }
    match first {
        Some(untrusted) if left.len() < all.div_ceil(2) => Err(untrusted),
        _ => Ok(left),
    }
}

/// By how much the other side takes more.
fn rise(sides: &[Tested], metric: Metric) -> Option<f64> {
    let [base, other] = sides else { return None };
    Some(other.trial.value(metric)? - base.trial.value(metric)?)
}

/// The same as a share of what it takes.
fn share(sides: &[Tested], metric: Metric) -> Option<f64> {
    Some(rise(sides, metric)? / sides.last()?.trial.value(metric)?)
}

/// In how many of the comparisons that were planned, or are left of them, the interval of `metric`
/// leaves out 1.
fn misses(
    comparisons: &Result<Vec<Vec<Vec<Tested>>>, Trouble>,
    planned: u32,
    metric: Metric,
) -> Finding {
    let ratio = |blocks: &Vec<Vec<Tested>>| {
        let values = |sides: &Vec<Tested>| {
            let [base, other] = &sides[..] else { return None };
            Some((base.trial.value(metric)?, other.trial.value(metric)?))
        };
        Ratio::of(&blocks.iter().map(values).collect::<Option<Vec<_>>>()?)?.interval
    };
    let intervals = comparisons.as_ref().map_err(Trouble::clone).and_then(|comparisons| {
        let all: Option<Vec<_>> = comparisons.iter().map(ratio).collect();
        all.ok_or_else(no_figure)
    });
    let intervals = match intervals {
        Ok(intervals) => intervals,
        Err(trouble) => {
            return Claim::alike(planned, level_of(BLOCKS_ALIKE))
                .judge(Subject::Metric(metric), Err(trouble));
        }
    };
    let misses = intervals.iter().filter(|interval| !interval.holds(1.0)).count();
    let claim = Claim::alike(intervals.len() as u32, level_of(BLOCKS_ALIKE));
    claim.judge(Subject::Metric(metric), Ok(Measured::Misses(misses as u32)))
}

/// The level of intervals from so many blocks, in which their values have no part. If there was
/// none, every miss would count.
fn level_of(blocks: u32) -> f64 {
    let ratio = Ratio::of(&vec![(1.0, 1.0); blocks as usize]);
    ratio.and_then(|ratio| ratio.interval).map_or(1.0, |interval| interval.level)
}

/// The estimate of values, none of which may be missing.
fn estimate(values: impl IntoIterator<Item = Option<f64>>) -> Result<Measured, Trouble> {
    let values: Option<Vec<f64>> = values.into_iter().collect();
    let estimate = values.and_then(|values| Estimate::of(&values));
    estimate.map(Measured::Figure).ok_or_else(no_figure)
}

fn no_figure() -> Trouble {
    Trouble::Failed("a trial has no such figure".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::selftest::judge::Verdict;
    use crate::results::fixture;

    fn tested(side: usize, metric: Metric, value: Option<f64>) -> Tested {
        let (run, _) = fixture::run();
        let mut trial = run.trials[0].clone();
        trial.values.remove(&metric);
        trial.values.extend(value.map(|value| (metric, value)));
        Tested { side, trial, distance: None }
    }

    fn pair(metric: Metric, base: f64, other: f64) -> Vec<Tested> {
        vec![tested(0, metric, Some(base)), tested(1, metric, Some(other))]
    }

    #[test]
    fn a_rise_is_that_of_the_other_side() {
        let metric = Metric::LatencyP50;
        let pair = pair(metric, 2e6, 7e6);
        assert_eq!(rise(&pair, metric), Some(5e6));
        assert_eq!(share(&pair, metric), Some(5.0 / 7.0));
        let unknown = [tested(0, metric, None), tested(1, metric, Some(7e6))];
        assert_eq!(rise(&unknown, metric), None);
        assert_eq!(rise(&pair[..1], metric), None, "one side has no other");
    }

    #[test]
    fn a_figure_that_a_trial_lacks_is_no_figure() {
        assert_eq!(estimate([Some(1.0), None, Some(1.0)]), Err(no_figure()));
        assert_eq!(estimate([]), Err(no_figure()));
        assert!(estimate([Some(1.0)]).is_ok());
    }

    /// Comparisons of five blocks each, in which the other side takes so much more.
    fn compared(ratios: &[[f64; 5]]) -> Result<Vec<Vec<Vec<Tested>>>, Trouble> {
        let pairs = |ratios: &[f64; 5]| {
            ratios.iter().map(|ratio| pair(ALIKE[1], 1_000.0, 1_000.0 * ratio)).collect()
        };
        Ok(ratios.iter().map(pairs).collect())
    }

    #[test]
    fn a_difference_is_a_miss_in_every_comparison() {
        let alike = [0.9, 1.1, 1.05, 0.95, 1.0];
        let differ = [1.1, 1.2, 1.1, 1.3, 1.2];
        let judged = misses(&compared(&[alike; 10]), 10, ALIKE[1]);
        assert_eq!((judged.verdict, judged.measured), (Verdict::Pass, Ok(Measured::Misses(0))));
        assert_eq!(judged.claim, Claim::AtMost { misses: 4, comparisons: 10, level: 0.9375 });
        let judged = misses(&compared(&[differ; 10]), 10, ALIKE[1]);
        assert_eq!((judged.verdict, &judged.measured), (Verdict::Fail, &Ok(Measured::Misses(10))));
        let some = [alike, alike, alike, alike, alike, differ, differ, differ, differ, differ];
        assert_eq!(misses(&compared(&some), 10, ALIKE[1]).verdict, Verdict::Fail, "5 of 10");
        let none = misses(&compared(&[[0.0; 5]; 3]), 3, ALIKE[1]);
        assert_eq!(none.verdict, Verdict::Fail, "what has no ratio proves nothing");
        let busy = misses(&Err(Trouble::Untrusted("busy".to_owned())), 10, ALIKE[1]);
        assert_eq!((busy.verdict, &busy.claim), (Verdict::Untrusted, &judged.claim));
    }

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
}
