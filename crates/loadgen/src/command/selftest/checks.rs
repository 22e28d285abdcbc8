//! Runs an experiment and draws from its trials the figures that are judged.

use pushbench_wire::Transport;

use super::judge::{self, Claim, Finding, Measured, Trouble};
use super::lab::{Lab, Pair, usable};
use super::plan::{self, BLOCKS_ALIKE, Check, Experiment, Fault, Sides};
use crate::analysis::{Accounts, Estimate, Ratio};
use crate::command::bench::{Interrupted, Outcomes, Setup, own_server};
use crate::report::title;
use crate::results::{Metric, Trial, latency_log};
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
            differences(experiment, lab, &claim, Metric::LatencyP50)
        }
        Check::Cpu => {
            let metric = Metric::ServerCpuPerDelivery;
            let claim = near(metric, plan::BURN.as_nanos() as f64, (CPU_WITHIN, 0.0));
            differences(experiment, lab, &claim, metric)
        }
        Check::Stall => {
            let p99 = judge::stalled_p99(plan::STALL, plan::STALL_PERIOD);
            let claim = near(Metric::LatencyP99, p99.as_nanos() as f64, STALL_WITHIN);
            single(experiment, lab, &claim, |(trial, _)| trial.value(Metric::LatencyP99))
        }
        Check::Uniform => {
            let interval = experiment.scenario.polling.interval;
            single(experiment, lab, &Claim::Below(UNIFORM_WITHIN), |(_, intervals)| {
                let mut all = latency_log::histogram();
                for interval in intervals {
                    all.add(&interval.histogram).ok()?;
                }
                judge::distance_to_uniform(&all, interval)
            })
        }
        Check::Recording => recording(experiment, lab),
        Check::Alike => alike(experiment, lab),
    }
}

fn near(metric: Metric, value: f64, (share, more): (f64, f64)) -> Claim {
    Claim::Near { metric, value, within: share * value + more }
}

/// The first side and the one that is held against it; the same where there is one.
fn sides(experiment: &Experiment) -> (Setup<'_>, Setup<'_>) {
    let setup = |fault: &Fault| {
        let mut server = own_server();
        server.extend(fault.iter().flat_map(|fault| ["--inject".to_owned(), fault.clone()]));
        Setup { scenario: &experiment.scenario, server, record: true }
    };
    match &experiment.sides {
        Sides::One(fault) => (setup(fault), setup(fault)),
        Sides::Two(base, other) => (setup(base), setup(other)),
    }
}

/// What is counted is exact however busy the machine is, so that no trial is left out.
fn counts(experiment: &Experiment, lab: &mut Lab) -> Result<Vec<Finding>, Interrupted> {
    let (setup, _) = sides(experiment);
    let disorder = plan::disorder(experiment.check);
    let claim = Claim::Exactly(judge::account(&experiment.scenario.workload, disorder));
    let mut findings = Vec::new();
    for &transport in &experiment.transports {
        let ran = lab.trial(&setup, PlannedTrial { block: 1, transport })?;
        let account = ran.map(|(trial, _)| Measured::Account(Accounts::of(&[&trial])));
        findings.push(claim.judge(transport.label(), account));
    }
    Ok(findings)
}

/// One figure of one trial of every transport.
fn single(
    experiment: &Experiment,
    lab: &mut Lab,
    claim: &Claim,
    figure: impl Fn(&Outcomes) -> Option<f64>,
) -> Result<Vec<Finding>, Interrupted> {
    let (setup, _) = sides(experiment);
    let mut findings = Vec::new();
    for &transport in &experiment.transports {
        let ran = lab.valid_trial(&setup, PlannedTrial { block: 1, transport })?;
        let measured = ran.and_then(|outcomes| estimate([figure(&outcomes)]));
        findings.push(claim.judge(transport.label(), measured));
    }
    Ok(findings)
}

/// By how much what is injected raises `metric`, over the blocks of every transport.
fn differences(
    experiment: &Experiment,
    lab: &mut Lab,
    claim: &Claim,
    metric: Metric,
) -> Result<Vec<Finding>, Interrupted> {
    let (base, other) = sides(experiment);
    let pairs = pairs(experiment, lab, &base, &other)?;
    Ok(pairs
        .into_iter()
        .map(|(transport, pairs)| {
            let measured = pairs.and_then(|pairs| {
                estimate(
                    pairs
                        .iter()
                        .map(|pair| Some(pair.other.value(metric)? - pair.base.value(metric)?)),
                )
            });
            claim.judge(transport.label(), measured)
        })
        .collect())
}

type Pairs = (Transport, Result<Vec<Pair>, Trouble>);

/// The pairs of every transport, block after block, so that a machine that gets slower does so for
/// all of them.
fn pairs(
    experiment: &Experiment,
    lab: &mut Lab,
    base: &Setup<'_>,
    other: &Setup<'_>,
) -> Result<Vec<Pairs>, Interrupted> {
    let mut attempts: Vec<(Transport, Vec<_>)> =
        experiment.transports.iter().map(|&transport| (transport, Vec::new())).collect();
    for block in 1..=experiment.blocks {
        for (transport, attempts) in &mut attempts {
            attempts.push(lab.pair(base, other, PlannedTrial { block, transport: *transport })?);
        }
    }
    Ok(attempts.into_iter().map(|(transport, attempts)| (transport, usable(attempts))).collect())
}

/// What recording adds to the generator's CPU per delivery, as a share of it.
fn recording(experiment: &Experiment, lab: &mut Lab) -> Result<Vec<Finding>, Interrupted> {
    let (with, _) = sides(experiment);
    let without = Setup { record: false, ..with.clone() };
    let cost = |trial: &Trial| trial.value(Metric::GeneratorCpuPerDelivery);
    let pairs = pairs(experiment, lab, &without, &with)?;
    Ok(pairs
        .into_iter()
        .map(|(transport, pairs)| {
            let measured = pairs.and_then(|pairs| {
                estimate(pairs.iter().map(|pair| {
                    Some((cost(&pair.other)? - cost(&pair.base)?) / cost(&pair.other)?)
                }))
            });
            Claim::Below(RECORDING_BELOW).judge(transport.label(), measured)
        })
        .collect())
}

/// How often the intervals of comparisons of a server with itself leave out the truth. A comparison
/// of which a block cannot be trusted is left out whole.
fn alike(experiment: &Experiment, lab: &mut Lab) -> Result<Vec<Finding>, Interrupted> {
    let (one, other) = sides(experiment);
    let mut attempts = Vec::new();
    for &transport in &experiment.transports {
        for _ in 0..experiment.blocks / BLOCKS_ALIKE {
            let blocks = (1..=BLOCKS_ALIKE)
                .map(|block| lab.pair(&one, &other, PlannedTrial { block, transport }))
                .collect::<Result<Vec<_>, _>>()?;
            attempts.push(blocks.into_iter().collect::<Result<Vec<Pair>, Trouble>>());
        }
    }
    let comparisons = usable(attempts);
    Ok(ALIKE.iter().map(|&metric| misses(&comparisons, metric)).collect())
}

fn misses(comparisons: &Result<Vec<Vec<Pair>>, Trouble>, metric: Metric) -> Finding {
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
        Err(trouble) => return Claim::alike(0, 1.0).judge(title(metric), Err(trouble)),
    };
    let level = intervals.iter().map(|interval| interval.level).fold(1.0, f64::min);
    let misses = intervals.iter().filter(|interval| !interval.holds(1.0)).count();
    let claim = Claim::alike(intervals.len() as u32, level);
    claim.judge(title(metric), Ok(Measured::Misses(misses as u32)))
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
