//! Runs an experiment and draws from its trials the figures that are judged.

use pushbench_wire::Transport;

use super::judge::{Claim, Finding, Measured, Trouble};
use super::lab::{Lab, Pair, usable};
use super::plan::{self, BLOCKS_ALIKE, Check, Experiment, Sides};
use super::truth;
use crate::analysis::{Accounts, Estimate, Ratio};
use crate::command::bench::{Interrupted, Ran, Setup, own_server};
use crate::results::{Metric, latency_log};
use crate::scenario::schedule::PlannedTrial;

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

/// Runs the trials of `experiment` and judges them.
pub(super) fn perform(experiment: &Experiment, lab: &mut Lab) -> Result<Vec<Finding>, Interrupted> {
    match experiment.check {
        Check::Faithful | Check::Drop | Check::Duplicate | Check::Reorder => {
            counts(experiment, lab)
        }
        Check::Delay => {
            let claim = near(Metric::LatencyP50, plan::DELAY.as_nanos() as f64, DELAY_WITHIN);
            paired(experiment, lab, &claim, |pair| rise(pair, Metric::LatencyP50))
        }
        Check::Cpu => {
            let metric = Metric::ServerCpuPerDelivery;
            let claim = near(metric, plan::BURN.as_nanos() as f64, (CPU_WITHIN, 0.0));
            paired(experiment, lab, &claim, |pair| rise(pair, metric))
        }
        Check::Stall => {
            let p99 = truth::stalled_p99(plan::STALL, plan::STALL_PERIOD);
            let claim = near(Metric::LatencyP99, p99.as_nanos() as f64, STALL_WITHIN);
            single(experiment, lab, &claim, |ran| ran.trial.value(Metric::LatencyP99))
        }
        Check::Uniform => {
            let interval = experiment.scenario.longest_polling_interval().unwrap_or_default();
            single(experiment, lab, &Claim::Below(UNIFORM_WITHIN), |ran| {
                let mut all = latency_log::histogram();
                for interval in &ran.intervals {
                    all.add(&interval.histogram).ok()?;
                }
                truth::distance_to_uniform(&all, interval)
            })
        }
        Check::Recording => {
            let metric = Metric::GeneratorCpuPerDelivery;
            paired(experiment, lab, &Claim::Below(RECORDING_BELOW), |pair| share(pair, metric))
        }
        Check::Alike => alike(experiment, lab),
    }
}

fn near(metric: Metric, value: f64, (share, more): (f64, f64)) -> Claim {
    Claim::Near { metric, value, within: share * value + more }
}

/// The first side and the one that is held against it; the same where there is one. What recording
/// costs is what the first side goes without.
fn sides(experiment: &Experiment) -> (Setup<'_>, Setup<'_>) {
    let setup = |fault: &Option<String>| {
        let mut server = own_server();
        server.extend(fault.iter().flat_map(|fault| ["--inject".to_owned(), fault.clone()]));
        Setup { scenario: &experiment.scenario, server, record: true }
    };
    let (mut base, other) = match &experiment.sides {
        Sides::One(fault) => (setup(fault), setup(fault)),
        Sides::Two(base, other) => (setup(base), setup(other)),
    };
    base.record = experiment.check != Check::Recording;
    (base, other)
}

/// What is counted is exact however busy the machine is, so that no trial is left out.
fn counts(experiment: &Experiment, lab: &mut Lab) -> Result<Vec<Finding>, Interrupted> {
    let (setup, _) = sides(experiment);
    let disorder = plan::disorder(experiment.check);
    let claim = Claim::Exactly(truth::account(&experiment.scenario.workload, disorder));
    let mut findings = Vec::new();
    for contender in &experiment.contenders {
        let ran = lab.trial(&setup, &PlannedTrial { block: 1, contender: (*contender).into() })?;
        let account = ran.map(|ran| Measured::Account(Accounts::of(&[&ran.trial])));
        findings.push(claim.judge(contender.label(), account));
    }
    Ok(findings)
}

/// One figure of one trial of every contender.
fn single(
    experiment: &Experiment,
    lab: &mut Lab,
    claim: &Claim,
    figure: impl Fn(&Ran) -> Option<f64>,
) -> Result<Vec<Finding>, Interrupted> {
    let (setup, _) = sides(experiment);
    let mut findings = Vec::new();
    for contender in &experiment.contenders {
        let ran =
            lab.valid_trial(&setup, &PlannedTrial { block: 1, contender: (*contender).into() })?;
        let measured = ran.and_then(|ran| estimate([figure(&ran)]));
        findings.push(claim.judge(contender.label(), measured));
    }
    Ok(findings)
}

/// One figure of every pair, over the blocks of every contender. These take turns, so that a
/// machine that gets slower does so for all of them.
fn paired(
    experiment: &Experiment,
    lab: &mut Lab,
    claim: &Claim,
    figure: impl Fn(&Pair) -> Option<f64>,
) -> Result<Vec<Finding>, Interrupted> {
    let (base, other) = sides(experiment);
    let mut attempts: Vec<(Transport, Vec<_>)> =
        experiment.contenders.iter().map(|&contender| (contender, Vec::new())).collect();
    for block in 1..=experiment.blocks {
        for (contender, attempts) in &mut attempts {
            attempts.push(lab.pair(
                &base,
                &other,
                &PlannedTrial { block, contender: (*contender).into() },
            )?);
        }
    }
    let findings = attempts.into_iter().map(|(contender, attempts)| {
        let measured = usable(attempts).and_then(|pairs| estimate(pairs.iter().map(&figure)));
        claim.judge(contender.label(), measured)
    });
    Ok(findings.collect())
}

/// By how much the other side takes more.
fn rise(pair: &Pair, metric: Metric) -> Option<f64> {
    Some(pair.other.value(metric)? - pair.base.value(metric)?)
}

/// The same as a share of what it takes.
fn share(pair: &Pair, metric: Metric) -> Option<f64> {
    Some(rise(pair, metric)? / pair.other.value(metric)?)
}

/// How often the intervals of comparisons of a server with itself leave out the truth. A comparison
/// of which a block cannot be trusted is left out whole.
fn alike(experiment: &Experiment, lab: &mut Lab) -> Result<Vec<Finding>, Interrupted> {
    let (one, other) = sides(experiment);
    let mut attempts = Vec::new();
    for contender in &experiment.contenders {
        for _ in 0..experiment.blocks / BLOCKS_ALIKE {
            let blocks = (1..=BLOCKS_ALIKE)
                .map(|block| {
                    lab.pair(&one, &other, &PlannedTrial { block, contender: (*contender).into() })
                })
                .collect::<Result<Vec<_>, _>>()?;
            attempts.push(blocks.into_iter().collect::<Result<Vec<Pair>, Trouble>>());
        }
    }
    let comparisons = usable(attempts);
    let planned = experiment.blocks / BLOCKS_ALIKE;
    Ok(ALIKE.iter().map(|&metric| misses(&comparisons, planned, metric)).collect())
}

/// In how many of the comparisons that were planned, or are left of them, the interval of `metric`
/// leaves out 1.
fn misses(comparisons: &Result<Vec<Vec<Pair>>, Trouble>, planned: u32, metric: Metric) -> Finding {
    let ratio = |pairs: &Vec<Pair>| {
        let values: Option<Vec<_>> = pairs
            .iter()
            .map(|pair| Some((pair.base.value(metric)?, pair.other.value(metric)?)))
            .collect();
        Ratio::of(&values?)?.interval
    };
    let intervals = comparisons.as_ref().map_err(Trouble::clone).and_then(|comparisons| {
        let all: Option<Vec<_>> = comparisons.iter().map(ratio).collect();
        all.ok_or_else(no_figure)
    });
    let intervals = match intervals {
        Ok(intervals) => intervals,
        Err(trouble) => {
            return Claim::alike(planned, level_of(BLOCKS_ALIKE))
                .judge(metric.label(), Err(trouble));
        }
    };
    let misses = intervals.iter().filter(|interval| !interval.holds(1.0)).count();
    let claim = Claim::alike(intervals.len() as u32, level_of(BLOCKS_ALIKE));
    claim.judge(metric.label(), Ok(Measured::Misses(misses as u32)))
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
    use crate::command::selftest::judge::Verdict;
    use crate::results::{Trial, fixture};

    fn trial(metric: Metric, value: Option<f64>) -> Trial {
        let (run, _) = fixture::run();
        let mut trial = run.trials[0].clone();
        trial.values.remove(&metric);
        trial.values.extend(value.map(|value| (metric, value)));
        trial
    }

    fn pair(metric: Metric, base: f64, other: f64) -> Pair {
        Pair { base: trial(metric, Some(base)), other: trial(metric, Some(other)) }
    }

    #[test]
    fn a_rise_is_that_of_the_other_side() {
        let metric = Metric::LatencyP50;
        let pair = pair(metric, 2e6, 7e6);
        assert_eq!(rise(&pair, metric), Some(5e6));
        assert_eq!(share(&pair, metric), Some(5.0 / 7.0));
        let unknown = Pair { base: trial(metric, None), ..pair };
        assert_eq!(rise(&unknown, metric), None);
    }

    #[test]
    fn a_figure_that_a_trial_lacks_is_no_figure() {
        assert_eq!(estimate([Some(1.0), None, Some(1.0)]), Err(no_figure()));
        assert_eq!(estimate([]), Err(no_figure()));
        assert!(estimate([Some(1.0)]).is_ok());
    }

    /// Comparisons of five blocks each, in which the other side takes so much more.
    fn comparisons(ratios: &[[f64; 5]]) -> Result<Vec<Vec<Pair>>, Trouble> {
        let pairs = |ratios: &[f64; 5]| {
            ratios.iter().map(|ratio| pair(ALIKE[1], 1_000.0, 1_000.0 * ratio)).collect()
        };
        Ok(ratios.iter().map(pairs).collect())
    }

    #[test]
    fn a_difference_is_a_miss_in_every_comparison() {
        let alike = [0.9, 1.1, 1.05, 0.95, 1.0];
        let differ = [1.1, 1.2, 1.1, 1.3, 1.2];
        let judged = misses(&comparisons(&[alike; 10]), 10, ALIKE[1]);
        assert_eq!((judged.verdict, judged.measured.as_deref()), (Verdict::Pass, Some("0")));
        assert_eq!(judged.claimed, "at most 4 of 10 at 93.75 %");
        let judged = misses(&comparisons(&[differ; 10]), 10, ALIKE[1]);
        assert_eq!((judged.verdict, judged.measured.as_deref()), (Verdict::Fail, Some("10")));
        let some = [alike, alike, alike, alike, alike, differ, differ, differ, differ, differ];
        assert_eq!(misses(&comparisons(&some), 10, ALIKE[1]).verdict, Verdict::Fail, "5 of 10");
        let none = misses(&comparisons(&[[0.0; 5]; 3]), 3, ALIKE[1]);
        assert_eq!(none.verdict, Verdict::Fail, "what has no ratio proves nothing");
        let busy = misses(&Err(Trouble::Untrusted("busy".to_owned())), 10, ALIKE[1]);
        assert_eq!((busy.verdict, &busy.claimed), (Verdict::Untrusted, &judged.claimed));
    }
}
