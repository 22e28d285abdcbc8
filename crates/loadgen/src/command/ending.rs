//! How a run ended, and in words what speaks against trusting it.

use pushbench_wire::Transport;

use crate::analysis::Checked;
use crate::analysis::thresholds::Judgement;
use crate::report::threshold_line;
use crate::results::{Run, Trial};
use crate::scenario::schedule::PlannedTrial;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every transport has enough valid trials, and none failed.
    Complete,
    /// At least one trial failed; the others are kept.
    SomeFailed,
    /// A threshold of the scenario is crossed.
    Crossed,
    /// Deliveries were lost, duplicated or out of order.
    Unfaithful,
    /// Fewer than half of a transport's trials can be trusted, or a threshold cannot be judged.
    Untrusted,
    /// It was interrupted; finished trials are kept.
    Interrupted,
}

impl Ending {
    /// Of a run with these trials planned and these thresholds checked.
    pub(super) fn of(run: &Run, planned: &[PlannedTrial], thresholds: &[Checked]) -> Self {
        let has_any = |judged: fn(&Judgement) -> bool| {
            thresholds.iter().any(|checked| judged(&checked.judgement))
        };
        if run.manifest.interrupted {
            Self::Interrupted
        } else if run.trials.iter().any(Trial::has_failed) {
            Self::SomeFailed
        } else if has_any(|judgement| *judgement == Judgement::Crossed) {
            Self::Crossed
        } else if run.trials.iter().any(Trial::is_unfaithful) {
            Self::Unfaithful
        } else if has_any(|judgement| matches!(judgement, Judgement::Unknown(_)))
            || !shortages(run, planned).is_empty()
        {
            Self::Untrusted
        } else {
            Self::Complete
        }
    }
}

/// What speaks for the ending, for the last lines of a run: who is short of trials, and every
/// threshold that is not kept.
pub(super) fn reasons(
    ending: Ending,
    run: &Run,
    planned: &[PlannedTrial],
    thresholds: &[Checked],
) -> Vec<String> {
    let lines = |of: fn(&Judgement) -> bool| {
        thresholds.iter().filter(move |checked| of(&checked.judgement)).map(threshold_line)
    };
    match ending {
        Ending::Crossed => lines(|judgement| *judgement == Judgement::Crossed).collect(),
        Ending::Untrusted => {
            let mut reasons = shortages(run, planned);
            reasons.extend(lines(|judgement| matches!(judgement, Judgement::Unknown(_))));
            reasons
        }
        _ => Vec::new(),
    }
}

/// A sentence for every transport of which fewer than half of the planned trials are valid.
fn shortages(run: &Run, planned: &[PlannedTrial]) -> Vec<String> {
    let mut transports: Vec<Transport> = planned.iter().map(|trial| trial.transport).collect();
    transports.sort_unstable();
    transports.dedup();
    transports.into_iter().filter_map(|transport| shortage(run, planned, transport)).collect()
}

fn shortage(run: &Run, planned: &[PlannedTrial], transport: Transport) -> Option<String> {
    let planned = planned.iter().filter(|trial| trial.transport == transport).count();
    let trials = || run.trials.iter().filter(|trial| trial.transport == transport);
    let (valid, needed) = (trials().filter(|trial| trial.is_valid()).count(), planned.div_ceil(2));
    if valid >= needed {
        return None;
    }
    let mut reasons = trials()
        .filter(|trial| !trial.is_valid())
        .filter_map(|trial| trial.warnings.iter().find(|warning| warning.invalidates()));
    let first = reasons.next().map_or_else(String::new, |reason| format!(": {reason}"));
    let more = match reasons.count() {
        0 => String::new(),
        more => format!(" (and {more} more, in the report)"),
    };
    Some(format!(
        "{}: {valid} of {planned} trials can be trusted, and it takes {needed}{first}{more}",
        transport.label()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::thresholds::check;
    use crate::results::{Metric, Outcome, Warning, fixture};
    use crate::scenario::Scenario;
    use crate::scenario::template::TEMPLATE;

    /// The fixture's run, whose trials are given these outcomes, and its plan.
    fn run(blocks: u32, outcome: impl Fn(Transport, u32) -> Outcome) -> (Run, Vec<PlannedTrial>) {
        let (mut run, _) = fixture::run();
        let mut trial = run.trials[0].clone();
        trial.warnings = vec![
            Warning::SharedCore,
            Warning::CpuStolen { percent: 12.0 },
            Warning::GeneratorSaturated { busy_percent: 99.0 },
        ];
        let planned: Vec<PlannedTrial> = (1..=blocks)
            .flat_map(|block| {
                Transport::ALL.iter().map(move |&transport| PlannedTrial { block, transport })
            })
            .collect();
        run.trials = planned
            .iter()
            .map(|&PlannedTrial { block, transport }| Trial {
                block,
                transport,
                outcome: outcome(transport, block),
                ..trial.clone()
            })
            .collect();
        (run, planned)
    }

    /// What the run's trials say about thresholds: the first is kept without losses and crossed with
    /// some, the second rests on what the fixture has not measured.
    fn checked(run: &Run) -> Vec<Checked> {
        let lines =
            "[thresholds]\n\"*.lost\" = [\"count==0\"]\n\"sse.latency\" = [\"p(99.9)<1s\"]\n";
        let text = TEMPLATE.replace("[thresholds]\n", lines);
        let trials: Vec<_> = run.trials.iter().collect();
        check(&Scenario::parse(&text, "").unwrap(), &trials)
    }

    #[test]
    fn a_threshold_that_nobody_can_judge_makes_a_run_untrusted() {
        let (run, planned) = run(1, |_, _| Outcome::Valid);
        let thresholds = checked(&run);
        let ending = Ending::of(&run, &planned, &thresholds);
        assert_eq!(ending, Ending::Untrusted);
        let reasons = reasons(ending, &run, &planned, &thresholds);
        assert_eq!(reasons.len(), 1, "only those that are not kept");
        assert!(reasons[0].starts_with("sse.latency: p(99.9)<1s cannot be judged"), "{reasons:?}");
        let kept = &thresholds[..thresholds.len() - 1];
        assert_eq!(Ending::of(&run, &planned, kept), Ending::Complete);
    }

    #[test]
    fn half_of_the_trials_are_enough() {
        for (blocks, invalid, ending) in [
            (1, 0, Ending::Complete),
            (1, 1, Ending::Untrusted),
            (2, 1, Ending::Complete),
            (3, 1, Ending::Complete),
            (3, 2, Ending::Untrusted),
            (5, 2, Ending::Complete),
            (5, 3, Ending::Untrusted),
        ] {
            let (run, planned) = run(blocks, |transport, block| {
                let is_invalid = transport == Transport::Sse && block <= invalid;
                if is_invalid { Outcome::Invalid } else { Outcome::Valid }
            });
            assert_eq!(
                Ending::of(&run, &planned, &[]),
                ending,
                "{invalid} of {blocks} are invalid"
            );
        }
    }

    #[test]
    fn a_shortage_names_the_transport_and_the_reason() {
        let (run, planned) = run(3, |transport, block| match (transport, block) {
            (Transport::Sse, 1..=2) => Outcome::Invalid,
            _ => Outcome::Valid,
        });
        assert_eq!(
            shortages(&run, &planned),
            [
                "SSE: 1 of 3 trials can be trusted, and it takes 2: 12.0 % of the CPU time was stolen by \
                 other machines on this host (10 % are too many): repeat at a quieter time (and 1 more, \
                 in the report)",
            ]
        );
    }

    #[test]
    fn what_is_worse_goes_first() {
        let invalid = |_, _| Outcome::Invalid;
        let (mut untrusted, planned) = run(1, invalid);
        let mut thresholds = Vec::new();
        assert_eq!(Ending::of(&untrusted, &planned, &thresholds), Ending::Untrusted);
        untrusted.trials[0].values.insert(Metric::Lost, 1.0);
        assert_eq!(Ending::of(&untrusted, &planned, &thresholds), Ending::Unfaithful);
        thresholds = checked(&untrusted);
        assert_eq!(thresholds[0].judgement, Judgement::Crossed);
        assert_eq!(Ending::of(&untrusted, &planned, &thresholds), Ending::Crossed);
        untrusted.trials[1].outcome = Outcome::Failed { reason: String::new() };
        assert_eq!(Ending::of(&untrusted, &planned, &thresholds), Ending::SomeFailed);
        untrusted.manifest.interrupted = true;
        assert_eq!(Ending::of(&untrusted, &planned, &thresholds), Ending::Interrupted);
    }
}
