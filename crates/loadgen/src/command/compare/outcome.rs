//! What a comparison came to: its reports, its last words and its exit status. It decides nothing that
//! [`crate::analysis`] did not.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use crate::analysis::regression::{Verdict, decide};
use crate::analysis::thresholds::{Judgement, of_comparison};
use crate::campaign::Progress;
use crate::command::ExitStatus;
use crate::command::report::show_comparison;
use crate::command::screen::Screen;
use crate::render::announce;
use crate::results::comparison::{Role, Stage};
use crate::results::{Comparison, ContenderId, Outcome, Warning};

/// Renders the reports, prints the verdict, and says how it ended.
pub(super) fn show(
    dir: &Path,
    comparison: &Comparison,
    progress: &mut Progress,
    screen: &mut Screen<impl Write>,
) -> anyhow::Result<ExitStatus> {
    show_comparison(dir, comparison, screen)?;
    // What others are told does not decide how the comparison ended.
    if let Err(error) = announce(comparison, |name| std::env::var_os(name), &mut screen.out) {
        progress.line(&format!("{error:#}"));
    }
    match failure(comparison) {
        Some(sentence) => progress.line(&sentence),
        None => shortages(comparison).iter().for_each(|sentence| progress.line(sentence)),
    }
    Ok(status(comparison))
}

fn status(comparison: &Comparison) -> ExitStatus {
    let thresholds = of_comparison(comparison);
    let has_any = |judged: fn(&Judgement) -> bool| {
        thresholds.iter().any(|(_, checked)| judged(&checked.judgement))
    };
    let verdict = decide(comparison).verdict;
    if comparison.interrupted {
        ExitStatus::Interrupted
    } else if verdict == Verdict::Regressed || has_any(|judgement| *judgement == Judgement::Crossed)
    {
        ExitStatus::Exceeded
    } else if verdict == Verdict::Invalid
        || has_any(|judgement| matches!(judgement, Judgement::Unknown(_)))
    {
        ExitStatus::Untrusted
    } else {
        ExitStatus::Complete
    }
}

/// The failure that ended it, in a sentence.
fn failure(comparison: &Comparison) -> Option<String> {
    let failed = comparison.trials.iter().filter_map(|of| match &of.trial.outcome {
        Outcome::Failed { reason } => Some((of, reason.trim())),
        Outcome::Valid | Outcome::Invalid => None,
    });
    let failed: Vec<_> = failed.collect();
    let (first, reason) = failed.first()?;
    let place = format!("{} in block {}", first.trial.contender.label(), first.trial.block);
    Some(match (failed.len(), first.role) {
        (1, Role::Candidate) => format!("The candidate failed at {place}: {reason}"),
        (1, Role::Baseline) => {
            format!("The baseline failed at {place}, so there is nothing to compare with: {reason}")
        }
        _ => format!("Both builds failed at {place}, so there is nothing to compare: {reason}"),
    })
}

/// A sentence for every contender and stage of which too many blocks cannot be trusted.
fn shortages(comparison: &Comparison) -> Vec<String> {
    /// The blocks of a contender in one stage, each with what speaks against it.
    type Blocks<'a> = (&'a ContenderId, BTreeMap<u32, Option<&'a Warning>>);
    let mut cells = BTreeMap::<(usize, usize, Stage), Blocks<'_>>::new();
    for compared in comparison.trials.iter().filter(|compared| !compared.redone) {
        let trial = &compared.trial;
        let cell = (compared.scenario, trial.contender.position(), compared.stage);
        let (_, blocks) = cells.entry(cell).or_insert((&trial.contender, BTreeMap::new()));
        let first = blocks.entry(trial.block).or_default();
        *first = first.or(trial.warnings.iter().find(|warning| warning.invalidates()));
    }
    let shortage = |((scenario, ..), (contender, blocks)): ((usize, usize, Stage), Blocks<'_>)| {
        let all = blocks.len();
        let reasons: Vec<_> = blocks.into_values().flatten().collect();
        Some(format!(
            "{}, {}: {} of {all} blocks cannot be trusted, and all are needed: {}",
            comparison.manifests[scenario].scenario.name,
            contender.label(),
            reasons.len(),
            reasons.first()?
        ))
    };
    cells.into_iter().filter_map(shortage).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::comparison::{COMPARISON_VERSION, ComparedTrial};
    use crate::results::{Trial, fixture};

    fn failed(roles: &[Role]) -> Comparison {
        let (run, _) = fixture::run();
        let build = |name: &str| crate::results::comparison::Build {
            name: name.to_owned(),
            command: name.to_owned(),
        };
        let trial = |&role: &Role| {
            let outcome = Outcome::Failed { reason: "it ended\n".to_owned() };
            let trial = Trial { outcome, ..run.trials[0].clone() };
            ComparedTrial { scenario: 0, stage: Stage::First, role, redone: false, trial }
        };
        Comparison {
            comparison_version: COMPARISON_VERSION,
            manifests: vec![run.manifest.clone()],
            baseline: build("old"),
            candidate: build("new"),
            gates: vec![crate::scenario::Gate::DEFAULTS.to_vec()],
            blocks: [8, 8],
            trials: roles.iter().map(trial).collect(),
            interrupted: false,
        }
    }

    #[test]
    fn a_failure_is_the_candidates_only_when_the_baseline_runs() {
        use Role::{Baseline, Candidate};
        for (roles, verdict, words) in [
            (
                &[Candidate][..],
                Verdict::Regressed,
                "The candidate failed at Polling in block 1: it",
            ),
            (&[Baseline], Verdict::Invalid, "The baseline failed at Polling in block 1, so there"),
            (&[Candidate, Baseline], Verdict::Invalid, "Both builds failed"),
            (&[Baseline, Candidate], Verdict::Invalid, "Both builds failed"),
        ] {
            let comparison = failed(roles);
            assert_eq!(decide(&comparison).verdict, verdict, "{roles:?}");
            let sentence = failure(&comparison).unwrap();
            assert!(sentence.starts_with(words) && sentence.ends_with("it ended"), "{sentence}");
        }
        assert_eq!(failure(&failed(&[])), None);
    }

    #[test]
    fn a_shortage_names_the_transport_and_the_reason() {
        let mut comparison = failed(&[Role::Baseline, Role::Candidate]);
        for of in &mut comparison.trials {
            of.trial.outcome = Outcome::Valid;
            of.trial.warnings.clear();
        }
        assert_eq!(shortages(&comparison), [""; 0]);
        comparison.trials[1].trial.warnings.push(Warning::CpuStolen { percent: 12.0 });
        let [sentence] = &shortages(&comparison)[..] else { panic!() };
        assert!(
            sentence.starts_with("stock-ticker, Polling: 1 of 1 blocks cannot be trusted"),
            "{sentence}"
        );
        assert!(sentence.contains("12.0 % of the CPU time was stolen"), "{sentence}");
        comparison.trials[1].redone = true;
        assert_eq!(shortages(&comparison), [""; 0], "it was measured again");
    }

    #[test]
    fn a_threshold_is_held_against_the_candidate_alone() {
        let mut comparison = failed(&[Role::Baseline, Role::Candidate]);
        let ends = |comparison: &mut Comparison, thresholds: &str| {
            let workload = "name = \"s\"\ndescription = \"d\"\n[workload]\nsubscribers = 1\n\
                            events_per_second = 10\npayload_bytes = 64\nduration = \"2s\"\nwarm_up = \"1s\"\n";
            comparison.manifests[0].scenario.text = format!("{workload}{thresholds}");
            status(comparison)
        };
        for of in &mut comparison.trials {
            of.trial.outcome = Outcome::Valid;
        }
        // One block decides nothing, and there is no threshold.
        assert_eq!(ends(&mut comparison, ""), ExitStatus::Untrusted);
        let limit = |ms: u32| format!("[thresholds]\n\"polling.latency\" = [\"max<{ms}ms\"]\n");
        assert_eq!(ends(&mut comparison, &limit(1_000)), ExitStatus::Exceeded, "1,004 ms are more");
        assert_eq!(ends(&mut comparison, &limit(1_100)), ExitStatus::Untrusted);
        comparison.trials.retain(|of| of.role == Role::Baseline);
        assert_eq!(
            ends(&mut comparison, &limit(1_000)),
            ExitStatus::Untrusted,
            "the baseline's may be"
        );
        comparison.interrupted = true;
        assert_eq!(ends(&mut comparison, &limit(1_000)), ExitStatus::Interrupted);
    }
}
