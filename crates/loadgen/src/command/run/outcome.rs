//! How a run ended, and in words what speaks against trusting it.

use std::path::Path;

use crate::analysis::Checked;
use crate::analysis::thresholds::{Judgement, check_cells};
use crate::command::ExitStatus;
use crate::document::threshold;
use crate::results::{ContenderId, Run, Trial};
use crate::scenario::Scenario;

/// How a run ended.
#[derive(Debug)]
pub(super) struct Assessment {
    /// What the process says.
    pub(super) status: ExitStatus,
    /// What speaks for that, in sentences: who is short of trials, and every threshold that is not
    /// kept.
    pub(super) reasons: Vec<String>,
}

impl Assessment {
    /// Of a run of `scenario`.
    pub(super) fn of(run: &Run, scenario: &Scenario, path: &Path) -> Self {
        let thresholds = check_cells(scenario, &run.trials.iter().collect::<Vec<_>>());
        let mut assessment = Self::with(run, scenario, &thresholds);
        if assessment.status == ExitStatus::Failed
            && has_failed_on_a_described_server(run, scenario)
        {
            let probe = ["pushbench", "probe", &path.to_string_lossy()];
            let line = format!("`{}` shows what was said", shell_words::join(probe));
            assessment.reasons.push(line);
        }
        assessment
    }

    fn with(run: &Run, scenario: &Scenario, thresholds: &[Checked]) -> Self {
        let lines = |judged: fn(&Judgement) -> bool| -> Vec<String> {
            let judged = thresholds.iter().filter(|checked| judged(&checked.judgement));
            judged.map(threshold).collect()
        };
        let crossed = lines(|judgement| *judgement == Judgement::Crossed);
        let mut unknown = shortages(run, scenario);
        unknown.extend(lines(|judgement| matches!(judgement, Judgement::Unknown(_))));
        let (status, reasons) = if run.manifest.interrupted {
            (ExitStatus::Interrupted, Vec::new())
        } else if run.trials.iter().any(Trial::has_failed) {
            (ExitStatus::Failed, Vec::new())
        } else if !crossed.is_empty() {
            (ExitStatus::Exceeded, crossed)
        } else if run.trials.iter().any(Trial::is_unfaithful) {
            (ExitStatus::DeliveryErrors, Vec::new())
        } else if !unknown.is_empty() {
            (ExitStatus::Untrusted, unknown)
        } else {
            (ExitStatus::Complete, Vec::new())
        };
        Self { status, reasons }
    }
}

/// Whether its description is likely to be wrong, which another command tells more about.
fn has_failed_on_a_described_server(run: &Run, scenario: &Scenario) -> bool {
    let cells = scenario.cells().into_iter().flat_map(|(_, cell)| &cell.contenders);
    let described: Vec<_> = cells.filter(|of| of.server.is_some()).map(|of| &of.id).collect();
    let mut failed = run.trials.iter().filter(|trial| trial.has_failed());
    failed.any(|trial| described.contains(&&trial.contender))
}

/// The first of a scenario's reasons, where it stands among those of others.
pub(super) fn in_a_line(scenario: &str, reasons: &[String]) -> Option<String> {
    let (first, others) = reasons.split_first()?;
    let more = match others.len() {
        0 => String::new(),
        more => format!(" (and {more} more, in its report)"),
    };
    Some(format!("{scenario}: {first}{more}"))
}

/// A sentence for every contender of which fewer than half of the planned trials of a cell are valid.
fn shortages(run: &Run, scenario: &Scenario) -> Vec<String> {
    let of_cell = |(cell, _)| {
        let contenders = scenario.contender_ids();
        contenders.filter_map(move |contender| shortage(run, scenario, cell, contender))
    };
    scenario.cells().into_iter().flat_map(of_cell).collect()
}

fn shortage(run: &Run, scenario: &Scenario, cell: &str, contender: &ContenderId) -> Option<String> {
    let planned = scenario.blocks as usize;
    let is_own = |trial: &&Trial| trial.cell == cell && trial.contender == *contender;
    let trials = || run.trials.iter().filter(is_own);
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
    let within = if scenario.sweep.is_empty() { String::new() } else { format!(" in {cell}") };
    Some(format!(
        "{}{within}: only {valid} of {planned} trials are valid; at least {needed} {are} needed{first}{more}",
        contender.label(),
        are = if needed == 1 { "is" } else { "are" },
    ))
}

#[cfg(test)]
mod tests {
    use pushbench_wire::Transport;

    use super::*;
    use crate::analysis::thresholds::check;
    use crate::results::{Metric, Outcome, Warning, fixture};
    use crate::scenario::Cell;
    use crate::scenario::schedule::{CellTrial, PlannedTrial, trials};
    use crate::scenario::template::TEMPLATE;

    /// A run of all contenders, whose trials are given these outcomes, and its scenario.
    fn run(blocks: u32, outcome: impl Fn(ContenderId, u32) -> Outcome) -> (Run, Scenario) {
        let (mut run, _) = fixture::run();
        let mut trial = run.trials[0].clone();
        trial.warnings = vec![
            Warning::SharedCore,
            Warning::CpuStolen { percent: 12.0 },
            Warning::GeneratorSaturated { busy_percent: 99.0 },
        ];
        let text = TEMPLATE.replace("blocks = 5", &format!("blocks = {blocks}"));
        let scenario = Scenario::parse(&text, "").unwrap();
        let mut planned = trials(&scenario);
        planned.sort_by_key(|of| (of.trial.block, of.trial.contender.position()));
        run.trials = planned
            .into_iter()
            .map(|CellTrial { trial: PlannedTrial { block, contender }, .. }| Trial {
                block,
                outcome: outcome(contender.clone(), block),
                contender,
                ..trial.clone()
            })
            .collect();
        (run, scenario)
    }

    fn status(run: &Run, scenario: &Scenario, thresholds: &[Checked]) -> ExitStatus {
        Assessment::with(run, scenario, thresholds).status
    }

    /// What the run's trials say about thresholds: the first is kept without losses and crossed with
    /// some, the second rests on what the fixture has not measured.
    fn checked(run: &Run) -> Vec<Checked> {
        let lines =
            "[thresholds]\n\"*.lost\" = [\"count==0\"]\n\"sse.latency\" = [\"p(99.9)<1s\"]\n";
        let text = TEMPLATE.replace("[thresholds]\n", lines);
        let trials: Vec<_> = run.trials.iter().collect();
        check(&Scenario::parse(&text, "").unwrap().thresholds, &trials)
    }

    #[test]
    fn a_threshold_that_nobody_can_judge_makes_a_run_untrusted() {
        let (run, scenario) = run(1, |_, _| Outcome::Valid);
        let thresholds = checked(&run);
        let Assessment { status: found, reasons } = Assessment::with(&run, &scenario, &thresholds);
        assert_eq!(found, ExitStatus::Untrusted);
        assert_eq!(reasons.len(), 1, "only those that are not kept");
        assert!(reasons[0].starts_with("sse.latency: p(99.9)<1s cannot be judged"), "{reasons:?}");
        let kept = &thresholds[..thresholds.len() - 1];
        assert_eq!(status(&run, &scenario, kept), ExitStatus::Complete);
    }

    #[test]
    fn half_of_the_trials_are_enough() {
        for (blocks, invalid, expected) in [
            (1, 0, ExitStatus::Complete),
            (1, 1, ExitStatus::Untrusted),
            (2, 1, ExitStatus::Complete),
            (3, 1, ExitStatus::Complete),
            (3, 2, ExitStatus::Untrusted),
            (5, 2, ExitStatus::Complete),
            (5, 3, ExitStatus::Untrusted),
        ] {
            let (run, scenario) = run(blocks, |contender, block| {
                let is_invalid = contender == Transport::Sse && block <= invalid;
                if is_invalid { Outcome::Invalid } else { Outcome::Valid }
            });
            assert_eq!(status(&run, &scenario, &[]), expected, "{invalid} of {blocks} are invalid");
        }
    }

    #[test]
    fn a_shortage_names_the_transport_and_the_reason() {
        let (run, scenario) = run(3, |contender, block| match (contender.transport(), block) {
            (Transport::Sse, 1..=2) => Outcome::Invalid,
            _ => Outcome::Valid,
        });
        assert_eq!(
            shortages(&run, &scenario),
            [
                "SSE: only 1 of 3 trials are valid; at least 2 are needed: 12.0 % of the CPU time was stolen by \
                 other machines on this host (limit 10 %): repeat at a quieter time (and 1 more, \
                 in the report)",
            ]
        );
    }

    #[test]
    fn every_cell_of_a_sweep_needs_its_own_trials() {
        let (mut run, scenario) = run(3, |contender, block| match (contender.transport(), block) {
            (Transport::Sse, 1) => Outcome::Invalid,
            _ => Outcome::Valid,
        });
        let cell = |name: &str| Cell {
            name: name.to_owned(),
            settings: Vec::new(),
            scenario: scenario.clone(),
        };
        let sweep = vec![cell("subscribers=50"), cell("subscribers=100")];
        let scenario = Scenario { sweep, ..scenario };
        for trial in &mut run.trials {
            let is_sse = trial.contender == Transport::Sse;
            let name = if is_sse && trial.block < 3 { "subscribers=50" } else { "subscribers=100" };
            trial.cell = name.to_owned();
        }
        let shortages = shortages(&run, &scenario);
        let of_sse: Vec<_> = shortages.iter().filter(|text| text.starts_with("SSE")).collect();
        assert!(of_sse[0].starts_with("SSE in subscribers=50: only 1 of 3 trials"), "{of_sse:?}");
        assert!(of_sse[1].starts_with("SSE in subscribers=100: only 1 of 3 trials"), "{of_sse:?}");
        assert!(
            shortages.iter().any(|text| text.starts_with("Polling in subscribers=50: only 0 of 3"))
        );
        assert!(!shortages.iter().any(|text| text.starts_with("Polling in subscribers=100")));
    }

    #[test]
    fn what_is_worse_goes_first() {
        let invalid = |_, _| Outcome::Invalid;
        let (mut untrusted, scenario) = run(1, invalid);
        let mut thresholds = Vec::new();
        assert_eq!(status(&untrusted, &scenario, &thresholds), ExitStatus::Untrusted);
        untrusted.trials[0].values.insert(Metric::Lost, 1.0);
        assert_eq!(status(&untrusted, &scenario, &thresholds), ExitStatus::DeliveryErrors);
        thresholds = checked(&untrusted);
        assert_eq!(thresholds[0].judgement, Judgement::Crossed);
        assert_eq!(status(&untrusted, &scenario, &thresholds), ExitStatus::Exceeded);
        untrusted.trials[1].outcome = Outcome::Failed { reason: String::new() };
        assert_eq!(status(&untrusted, &scenario, &thresholds), ExitStatus::Failed);
        untrusted.manifest.interrupted = true;
        assert_eq!(status(&untrusted, &scenario, &thresholds), ExitStatus::Interrupted);
    }

    #[test]
    fn reasons_of_a_scenario_take_one_line() {
        let reasons = ["one", "two", "three"].map(str::to_owned);
        assert_eq!(in_a_line("chat", &[]), None);
        assert_eq!(in_a_line("chat", &reasons[..1]).as_deref(), Some("chat: one"));
        let all = in_a_line("chat", &reasons);
        assert_eq!(all.as_deref(), Some("chat: one (and 2 more, in its report)"));
    }
}
