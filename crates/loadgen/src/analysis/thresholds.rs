//! Whether figures keep to the thresholds of their scenario, or meet its objectives. What cannot be
//! judged is neither kept nor crossed. A threshold of that kind makes the measurement invalid.

use crate::results::ContenderId;

use super::estimate::Estimate;
use crate::results::comparison::Role;
use crate::results::{Comparison, Manifest, Trial};
use crate::scenario::thresholds::Operator;
use crate::scenario::{Cell, Scenario, Threshold};

pub use crate::scenario::thresholds::OverTrials;

/// A threshold, and what the trials say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The cell of the scenario's sweep; none without one.
    pub cell: Option<String>,
    /// What was asked for.
    pub threshold: Threshold,
    /// The figure, in the unit of the metric; empty when too few trials could measure it.
    pub value: Option<f64>,
    /// Whether it keeps to the limit.
    pub judgement: Judgement,
}

/// Whether a figure keeps to its limit. The order is from worst to best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judgement {
    /// It does not.
    Crossed,
    /// Nobody knows.
    Unknown(Doubt),
    /// It does.
    Kept,
}

/// Why nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// Fewer than half of the trials have a figure that can be used; of a count, all that ran to
    /// their end must have it.
    Unmeasured {
        /// Trials that have one.
        measured: usize,
        /// Trials of the contender.
        trials: usize,
    },
    /// Deliveries were lost: latencies are those of the others, and would be greater with them.
    LowerBound,
}

/// Holds the figures of `trials`, each contender by itself, against the thresholds or objectives of
/// their scenario, in its order. These may be all trials of a run, or those of one of two builds.
#[must_use]
pub fn check(limits: &[Threshold], trials: &[&Trial]) -> Vec<Checked> {
    limits.iter().map(|limit| checked(limit, trials)).collect()
}

/// Holds them against the thresholds of `scenario`, and so in every cell of its sweep.
#[must_use]
pub fn check_cells(scenario: &Scenario, trials: &[&Trial]) -> Vec<Checked> {
    if scenario.sweep.is_empty() {
        return check(&scenario.thresholds, trials);
    }
    let of_cell = |cell: &Cell| {
        let own: Vec<_> = trials.iter().copied().filter(|trial| trial.cell == cell.name).collect();
        let checked = check(&scenario.thresholds, &own).into_iter();
        let name = cell.name.clone();
        checked.map(move |checked| Checked { cell: Some(name.clone()), ..checked })
    };
    scenario.sweep.iter().flat_map(of_cell).collect()
}

/// Whether `contender` meets all of its objectives; none, when it has none.
#[must_use]
pub fn standing(objectives: &[Checked], contender: &ContenderId) -> Option<Judgement> {
    let own = objectives.iter().filter(|of| of.threshold.contender == *contender);
    own.map(|of| of.judgement).min()
}

/// The thresholds of every scenario of `comparison`, by its index, held against the candidate. None,
/// when it did not come to an end.
#[must_use]
pub fn of_comparison(comparison: &Comparison) -> Vec<(usize, Checked)> {
    if comparison.interrupted || comparison.trials.iter().any(|of| of.trial.has_failed()) {
        return Vec::new();
    }
    let of_scenario = |(index, manifest): (usize, &Manifest)| {
        let of = comparison.trials.iter().filter(|of| of.scenario == index);
        let candidates = of.filter(|of| of.role == Role::Candidate).map(|of| &of.trial);
        let candidates: Vec<_> = candidates.collect();
        let text = &manifest.scenario;
        let scenario = Scenario::parse(&text.text, &text.path);
        let checked = scenario.map_or_else(|_| Vec::new(), |of| check(&of.thresholds, &candidates));
        checked.into_iter().map(|checked| (index, checked)).collect::<Vec<_>>()
    };
    comparison.manifests.iter().enumerate().flat_map(of_scenario).collect()
}

fn checked(threshold: &Threshold, trials: &[&Trial]) -> Checked {
    let trials: Vec<&Trial> =
        trials.iter().copied().filter(|trial| trial.contender == threshold.contender).collect();
    let value = figure(threshold, &trials);
    let judgement = match value {
        Ok(value) => judge(threshold, value, &trials),
        Err(doubt) => Judgement::Unknown(doubt),
    };
    Checked { cell: None, threshold: threshold.clone(), value: value.ok(), judgement }
}

/// The figure that is held against the limit.
fn figure(threshold: &Threshold, trials: &[&Trial]) -> Result<f64, Doubt> {
    let (values, needed) = of_trials(threshold, trials);
    let figure = match threshold.over_trials {
        OverTrials::Median => Estimate::of(&values).map(|estimate| estimate.median),
        OverTrials::Total => values.iter().copied().reduce(|sum, value| sum + value),
    };
    figure
        .filter(|_| values.len() >= needed)
        .ok_or(Doubt::Unmeasured { measured: values.len(), trials: trials.len() })
}

/// The values that count, and how many it takes.
fn of_trials(threshold: &Threshold, trials: &[&Trial]) -> (Vec<f64>, usize) {
    let metric = threshold.metric;
    let finite = |value: &f64| value.is_finite();
    match threshold.over_trials {
        OverTrials::Median => {
            let values = trials.iter().filter_map(|trial| trial.trusted(metric)).filter(finite);
            // One that was measured again is asked for no second time.
            let asked = trials.iter().filter(|trial| !trial.repeated).count();
            (values.collect(), asked.div_ceil(2))
        }
        OverTrials::Total => {
            let ran: Vec<_> = trials.iter().filter(|trial| !trial.has_failed()).collect();
            let values = ran.iter().filter_map(|trial| trial.value(metric)).filter(finite);
            // A trial that did not count may be the one that lost something.
            (values.collect(), ran.len().max(trials.len().div_ceil(2)))
        }
    }
}

fn judge(threshold: &Threshold, value: f64, trials: &[&Trial]) -> Judgement {
    let Threshold { metric, operator, limit, .. } = *threshold;
    let holds = operator.holds(value, limit);
    // What would hold, or fail, for every greater figure too.
    let stays = match operator {
        Operator::Below | Operator::AtMost => !holds,
        Operator::Above | Operator::AtLeast => holds,
        Operator::Equal | Operator::Unequal => value > limit,
    };
    let is_bound = || {
        trials.iter().any(|trial| trial.trusted(metric).is_some() && trial.is_lower_bound(metric))
    };
    match holds {
        _ if !stays && is_bound() => Judgement::Unknown(Doubt::LowerBound),
        true => Judgement::Kept,
        false => Judgement::Crossed,
    }
}

#[cfg(test)]
mod tests {
    use pushbench_wire::Transport;

    use proptest::prelude::*;

    use super::*;
    use crate::analysis::analyse;
    use crate::results::{LatencyLog, Metric, Outcome, fixture};
    use crate::scenario::template::TEMPLATE;

    fn scenario(lines: &str) -> Scenario {
        let text = TEMPLATE.replace("[thresholds]\n", &format!("[thresholds]\n{lines}\n"));
        Scenario::parse(&text, "").unwrap_or_else(|error| panic!("{error}"))
    }

    /// A trial of SSE for each value of `metric`.
    fn trials(metric: Metric, values: &[Option<f64>]) -> Vec<Trial> {
        let (run, _) = fixture::run();
        let is_sse = |trial: &&Trial| trial.contender == Transport::Sse;
        let trial = run.trials.iter().find(is_sse).unwrap();
        let with = |value: &Option<f64>| {
            let mut trial = trial.clone();
            trial.values.remove(&metric);
            trial.values.extend(value.map(|value| (metric, value)));
            trial
        };
        values.iter().map(with).collect()
    }

    fn judged(line: &str, trials: &[Trial]) -> (Option<f64>, Judgement) {
        let trials: Vec<_> = trials.iter().collect();
        let checked = check(&scenario(line).thresholds, &trials);
        assert_eq!(checked.len(), 1);
        (checked[0].value, checked[0].judgement)
    }

    const P99: &str = r#""sse.latency" = ["p(99)<25ms"]"#;

    #[test]
    fn the_median_over_valid_trials_decides() {
        let mut trials = trials(Metric::LatencyP99, &[Some(24e6), Some(90e6), Some(20e6)]);
        assert_eq!(judged(P99, &trials), (Some(24e6), Judgement::Kept));
        trials[2].outcome = Outcome::Invalid;
        assert_eq!(judged(P99, &trials), (Some(57e6), Judgement::Crossed));
    }

    #[test]
    fn the_limit_itself_is_judged_by_the_operator() {
        let trials = trials(Metric::LatencyP99, &[Some(25e6)]);
        assert_eq!(judged(P99, &trials).1, Judgement::Crossed);
        let at_most = P99.replace('<', "<=");
        assert_eq!(judged(&at_most, &trials).1, Judgement::Kept);
    }

    #[test]
    fn what_is_missing_is_never_kept() {
        for (values, measured) in
            [(vec![None], 0), (vec![None, None, Some(1e6)], 1), (vec![Some(f64::NAN)], 0)]
        {
            let doubt = Doubt::Unmeasured { measured, trials: values.len() };
            let trials = trials(Metric::LatencyP99, &values);
            assert_eq!(judged(P99, &trials), (None, Judgement::Unknown(doubt)));
        }
        let nothing = Doubt::Unmeasured { measured: 0, trials: 0 };
        assert_eq!(judged(P99, &[]), (None, Judgement::Unknown(nothing)));
        let half = trials(Metric::LatencyP99, &[None, Some(1e6)]);
        assert_eq!(judged(P99, &half).1, Judgement::Kept, "half of them are enough");
    }

    #[test]
    fn one_trial_that_lost_something_is_enough_for_a_count() {
        const LOST: &str = r#""sse.lost" = ["count==0"]"#;
        let mut of_three = trials(Metric::Lost, &[Some(0.0), Some(3.0), Some(0.0)]);
        assert_eq!(judged(LOST, &of_three), (Some(3.0), Judgement::Crossed));
        of_three[1].outcome = Outcome::Invalid;
        assert_eq!(
            judged(LOST, &of_three),
            (Some(3.0), Judgement::Crossed),
            "counted all the same"
        );
        let median = LOST.replace("count", "med");
        assert_eq!(judged(&median, &of_three).1, Judgement::Kept);
        let doubt = Doubt::Unmeasured { measured: 2, trials: 3 };
        let uncounted = trials(Metric::Lost, &[Some(0.0), None, Some(0.0)]);
        assert_eq!(judged(LOST, &uncounted).1, Judgement::Unknown(doubt));
    }

    #[test]
    fn losses_leave_open_what_a_greater_latency_would_change() {
        let mut trials = trials(Metric::LatencyP99, &[Some(20e6)]);
        trials[0].values.insert(Metric::Lost, 1.0);
        let open = Judgement::Unknown(Doubt::LowerBound);
        for (comparison, judgement) in [
            ("<25ms", open),
            ("<=25ms", open),
            ("<15ms", Judgement::Crossed),
            (">15ms", Judgement::Kept),
            (">25ms", open),
            ("==25ms", open),
            ("!=25ms", open),
            ("!=15ms", Judgement::Kept),
            ("==15ms", Judgement::Crossed),
        ] {
            let line = P99.replace("<25ms", comparison);
            assert_eq!(judged(&line, &trials), (Some(20e6), judgement), "{comparison}");
        }
        let bytes = r#""sse.bytes_per_delivery" = ["<1MB"]"#;
        assert_eq!(judged(bytes, &trials).1, Judgement::Kept, "no latency");
    }

    #[test]
    fn the_worst_objective_is_the_standing() {
        let trials = [
            trials(Metric::LatencyP99, &[Some(20e6)]),
            trials(Metric::LatencyP99, &[Some(30e6)]),
            trials(Metric::LatencyP99, &[None]),
        ];
        let lines = "\"sse.latency\" = [\"p(99)<25ms\"]\n\"sse.lost\" = [\"count==0\"]";
        let text = TEMPLATE.replace("[objectives]\n", &format!("[objectives]\n{lines}\n"));
        let objectives = Scenario::parse(&text, "").unwrap().objectives;
        let [met, missed, open] = trials.map(|trials| {
            let checked = check(&objectives, &trials.iter().collect::<Vec<_>>());
            assert_eq!(standing(&checked, &Transport::Polling.into()), None, "it has no objective");
            standing(&checked, &Transport::Sse.into()).unwrap()
        });
        assert_eq!((met, missed), (Judgement::Kept, Judgement::Crossed));
        assert!(matches!(open, Judgement::Unknown(_)));
    }

    #[test]
    fn each_transport_is_judged_by_its_own_trials() {
        let (mut run, _) = fixture::run();
        let lines = r#""latency" = ["p(99)<1.5ms"]"#;
        run.manifest.scenario.text =
            TEMPLATE.replace("[thresholds]\n", &format!("[thresholds]\n{lines}\n"));
        let judgements: Vec<_> = analyse(&run, &LatencyLog::default())
            .thresholds
            .into_iter()
            .map(|of| (of.threshold.contender.transport(), of.judgement))
            .collect();
        assert_eq!(
            judgements,
            [
                (Transport::Polling, Judgement::Crossed),
                (Transport::LongPolling, Judgement::Crossed),
                (Transport::Sse, Judgement::Kept),
                (Transport::WebSocket, Judgement::Kept),
            ]
        );
        run.manifest.scenario.text = "of another version".to_owned();
        assert_eq!(analyse(&run, &LatencyLog::default()).thresholds, []);
    }

    #[test]
    fn every_cell_is_judged_by_its_own_trials() {
        let sweep = "[sweep]\n\"workload.subscribers\" = [50, 100]\n";
        let text = TEMPLATE
            .replace("[sweep]\n", sweep)
            .replace("[thresholds]\n", &format!("[thresholds]\n{P99}\n"));
        let mut trials = trials(Metric::LatencyP99, &[Some(20e6), Some(30e6)]);
        for (trial, cell) in trials.iter_mut().zip(["subscribers=100", "subscribers=50"]) {
            trial.cell = cell.to_owned();
        }
        let trials: Vec<_> = trials.iter().collect();
        let checked = check_cells(&Scenario::parse(&text, "").unwrap(), &trials);
        let found: Vec<_> =
            checked.iter().map(|of| (of.cell.as_deref().unwrap(), of.judgement)).collect();
        assert_eq!(
            found,
            [("subscribers=50", Judgement::Crossed), ("subscribers=100", Judgement::Kept)]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn only_what_holds_is_kept(
            values in prop::collection::vec(prop::option::of(any::<f64>()), 0..6),
            outcomes in prop::collection::vec(0..3, 6),
        ) {
            let mut trials = trials(Metric::LatencyP99, &values);
            for (trial, outcome) in trials.iter_mut().zip(outcomes) {
                trial.outcome = match outcome {
                    0 => Outcome::Valid,
                    1 => Outcome::Invalid,
                    _ => Outcome::Failed { reason: String::new() },
                };
            }
            let (value, judgement) = judged(P99, &trials);
            match judgement {
                Judgement::Kept => prop_assert!(value.is_some_and(|value| value < 25e6)),
                Judgement::Crossed => prop_assert!(value.is_some_and(|value| value >= 25e6)),
                Judgement::Unknown(_) => prop_assert_eq!(value, None),
            }
        }
    }
}
