//! Two runs that are stored, held against each other. They ran at different times, so only what the
//! machine of the moment does not move is judged: bytes, losses and instructions. It advises; only
//! measuring both builds in one go can tell about time ([`super::regression`]).

use crate::results::ContenderId;

use super::contenders;
use super::interval::median;
use crate::results::model::Machine;
use crate::results::{Metric, Run, Trial};
use crate::scenario::Gate;

/// What a stored figure can be judged by.
const STEADY: [Metric; 2] = [Metric::BytesPerDelivery, Metric::ServerInstructionsPerDelivery];

/// Why two runs cannot be compared: what differs, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the runs differ in {what} ({baseline} and {candidate}), so their figures cannot be compared"
)]
pub struct Incomparable {
    /// What differs.
    pub what: &'static str,
    /// What the baseline has.
    pub baseline: String,
    /// What the candidate has.
    pub candidate: String,
}

/// One metric of one contender in both runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// The contender.
    pub contender: ContenderId,
    /// The metric.
    pub metric: Metric,
    /// Baseline and candidate: medians over the valid trials, or sums over all trials of what may
    /// not happen at all; empty where no trial has a value.
    pub values: [Option<f64>; 2],
    /// By which share it may get worse; none at all is 0.
    pub share: f64,
    /// Whether it got worse by more; empty where one of the values is.
    pub is_worse: Option<bool>,
}

/// What can be said of every contender that both runs have.
///
/// # Errors
/// [`Incomparable`] runs.
pub fn advise(baseline: &Run, candidate: &Run) -> Result<Vec<Advice>, Incomparable> {
    let runs = [baseline, candidate];
    check(runs)?;
    let mut advice = Vec::new();
    for contender in contenders(&baseline.trials) {
        let trials = runs.map(|run| -> Vec<&Trial> {
            run.trials.iter().filter(|trial| trial.contender == contender).collect()
        });
        if trials.iter().any(Vec::is_empty) {
            continue;
        }
        for metric in [Metric::Lost, Metric::Duplicated, Metric::Reordered] {
            let values = trials.each_ref().map(|trials| sum(trials, metric));
            let is_worse = values[1].map(|count| count > 0.0);
            let contender = contender.clone();
            advice.push(Advice { contender, metric, values, share: 0.0, is_worse });
        }
        for Gate { metric, share, .. } in Gate::DEFAULTS {
            if STEADY.contains(&metric) {
                advice.extend(steady(&trials, &contender, metric, share));
            }
        }
    }
    Ok(advice)
}

fn sum(trials: &[&Trial], metric: Metric) -> Option<f64> {
    trials.iter().filter_map(|trial| trial.value(metric)).reduce(|sum, value| sum + value)
}

/// Worse is what is worse by the median, and in every trial of the one than in any of the other.
fn steady(
    trials: &[Vec<&Trial>; 2],
    contender: &ContenderId,
    metric: Metric,
    share: f64,
) -> Option<Advice> {
    let sorted = trials.each_ref().map(|trials| {
        let trusted = trials.iter().filter_map(|trial| trial.trusted(metric));
        let mut values: Vec<f64> = trusted.collect();
        values.sort_by(f64::total_cmp);
        values
    });
    let values = sorted.each_ref().map(|values| median(values));
    // What neither could measure is no figure of this machine.
    if values == [None, None] {
        return None;
    }
    let [baseline, candidate] = &sorted;
    let is_apart = baseline.last().zip(candidate.first()).map(|(most, least)| least > most);
    let is_worse = values[0]
        .zip(values[1])
        .zip(is_apart)
        .map(|((old, new), is_apart)| is_apart && new > old * (1.0 + share));
    let contender = contender.clone();
    Some(Advice { contender, metric, values, share, is_worse })
}

/// Whether both runs asked the same on the same machine.
fn check(runs: [&Run; 2]) -> Result<(), Incomparable> {
    let same = |what, of: &dyn Fn(&Run) -> String| {
        let [baseline, candidate] = runs.map(of);
        if baseline == candidate { Ok(()) } else { Err(Incomparable { what, baseline, candidate }) }
    };
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
    let machine = |of: &dyn Fn(&Machine) -> String, run: &Run| of(&run.manifest.machine);
    same("their scenarios", &|run| {
        let scenario = &run.manifest.scenario;
        // The first digits are enough to see that they differ.
        let digits = scenario.sha256.get(..12).unwrap_or(&scenario.sha256);
        format!("{} {digits}", scenario.name)
    })?;
    same("what was shortened", &|run| {
        let parts: Vec<_> = run.manifest.shortenings.iter().map(ToString::to_string).collect();
        if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
    })?;
    same("the machine's CPU", &|run| machine(&|of| known(&of.cpu_model), run))?;
    same("the machine's cores", &|run| machine(&|of| of.cores.to_string(), run))?;
    same("the cores of the server", &|run| machine(&|of| format!("{:?}", of.server_cores), run))?;
    same("the machine's kernel", &|run| machine(&|of| of.kernel.clone(), run))?;
    same("the machine's congestion control", &|run| {
        machine(&|of| known(&of.congestion_control), run)
    })
}

#[cfg(test)]
mod tests {
    use pushbench_wire::Transport;

    use super::*;
    use crate::results::fixture;
    use crate::results::shortening::{Part, Shortening};

    fn run() -> Run {
        fixture::run().0
    }

    /// What is worse when every trial of the candidate is changed like this.
    fn worse(change: impl Fn(&mut Trial)) -> Vec<(Transport, Metric)> {
        let mut candidate = run();
        candidate.trials.iter_mut().filter(|trial| trial.is_valid()).for_each(change);
        let advice = advise(&run(), &candidate).unwrap();
        let is_worse = |of: &&Advice| of.is_worse == Some(true);
        advice.iter().filter(is_worse).map(|of| (of.contender.transport(), of.metric)).collect()
    }

    #[test]
    fn the_same_run_is_no_worse_than_itself() {
        assert_eq!(worse(|_| {}), []);
    }

    #[test]
    fn more_bytes_and_losses_are_worse() {
        let bytes = Metric::BytesPerDelivery;
        let times = |trial: &mut Trial, metric, factor: f64| {
            if trial.contender == Transport::Sse {
                trial.values.entry(metric).and_modify(|value| *value *= factor);
            }
        };
        assert_eq!(worse(|trial| times(trial, bytes, 1.01)), [(Transport::Sse, bytes)]);
        assert_eq!(worse(|trial| times(trial, bytes, 1.004)), [], "less than the gate");
        assert_eq!(worse(|trial| times(trial, Metric::ServerCpuPerDelivery, 9.0)), []);
        let lose = |trial: &mut Trial| {
            if (trial.contender.transport(), trial.block) == (Transport::Sse, 1) {
                trial.values.insert(Metric::Lost, 1.0);
            }
        };
        assert_eq!(worse(lose), [(Transport::Sse, Metric::Lost)], "one is too many");
    }

    #[test]
    fn trials_that_overlap_tell_nothing() {
        let bytes = Metric::BytesPerDelivery;
        let mut candidate = run();
        for trial in &mut candidate.trials {
            if (trial.contender.transport(), trial.block) == (Transport::Sse, 2) {
                trial.values.entry(bytes).and_modify(|value| *value *= 1.1);
            }
        }
        let advice = advise(&run(), &candidate).unwrap();
        let of = |of: &&Advice| (of.contender.transport(), of.metric) == (Transport::Sse, bytes);
        let sse = advice.iter().find(of).unwrap();
        assert!(sse.values[1] > sse.values[0].map(|old| old * 1.005), "{sse:?}");
        assert_eq!(sse.is_worse, Some(false));
    }

    #[test]
    fn what_differs_is_named() {
        let differing = |change: fn(&mut Run)| {
            let mut candidate = run();
            change(&mut candidate);
            advise(&run(), &candidate).unwrap_err().to_string()
        };
        let scenario = differing(|run| run.manifest.scenario.sha256 = "00".repeat(32));
        assert!(
            scenario.contains(
                "their scenarios (stock-ticker 9f86d081884c and stock-ticker 000000000000)"
            ),
            "{scenario}"
        );
        let shortened = differing(|run| {
            run.manifest.shortenings = vec![Shortening {
                part: Part::Blocks,
                asked: "5".to_owned(),
                measured: Some("1".to_owned()),
            }];
        });
        assert!(shortened.contains("shortened (nothing and 1 instead of 5 blocks)"), "{shortened}");
        assert!(differing(|run| run.manifest.machine.cores = 4).contains("cores (2 and 4)"));
        assert!(differing(|run| run.manifest.machine.kernel = "Linux 7".into()).contains("kernel"));
        assert!(differing(|run| run.manifest.machine.cpu_model = None).contains("unknown"));
    }
}
