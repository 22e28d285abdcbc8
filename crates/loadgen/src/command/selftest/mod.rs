//! `pushbench selftest`: holds the whole instrument against known truth. The server misbehaves by
//! amounts that it is told, and the engine that measures for `run` has to find them.

mod checks;
mod judge;
mod lab;
mod plan;
mod truth;

use std::io::Write as _;

use super::bench::{Bench, Interrupted};
use super::progress::Progress;
use super::report::terminal_on_stdout;
use crate::document::{Claim, Document, Outcome, claims};
use crate::render::terminal;
use judge::{Finding, Verdict};
use lab::Lab;
use plan::Experiment;
pub use plan::{Check, UnknownCheck};

/// What `pushbench selftest` was asked.
#[derive(Clone, Debug)]
pub struct SelftestOptions {
    /// The checks to run; all of them if there is none.
    pub only: Vec<Check>,
    /// How often a server is compared with itself; at least 1.
    pub comparisons: u32,
    /// Decides which of two sides goes first.
    pub seed: u64,
}

/// How a self-test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelftestResult {
    /// Every claim held.
    Passed,
    /// At least one did not.
    Failed,
    /// None failed, but the machine was too busy to tell of all.
    Untrusted,
    /// It was interrupted.
    Interrupted,
}

/// Runs the checks one after the other. Each claim is judged as soon as its trials are over.
///
/// # Errors
/// A machine that cannot run it, or a standard output that cannot be written.
pub fn selftest(options: &SelftestOptions) -> anyhow::Result<SelftestResult> {
    let is_chosen = |check: &&Check| options.only.is_empty() || options.only.contains(check);
    let experiments = Check::ALL
        .iter()
        .filter(is_chosen)
        .map(|&check| Experiment::of(check, options.comparisons))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let sockets = experiments.iter().map(|of| of.scenario.workload.sockets()).max();
    let mut progress = Progress::without_trials();
    for experiment in &experiments {
        progress.plan(&experiment.scenario.workload, experiment.trials());
    }
    let mut lab = Lab::new(Bench::new(sockets.unwrap_or_default())?, progress, options.seed);
    let mut rows = Vec::new();
    let mut is_interrupted = false;
    for experiment in &experiments {
        lab.progress.line(&format!(
            "{}: {} (about {} s)",
            experiment.check,
            experiment.check.description(),
            experiment.planned_length().as_secs()
        ));
        match checks::perform(experiment, &mut lab) {
            Ok(findings) => {
                for finding in findings {
                    lab.progress.line(&line(&finding));
                    rows.push((experiment.check, finding));
                }
            }
            Err(Interrupted) => {
                lab.progress.line("Interrupted: this check and those behind it are left out.");
                is_interrupted = true;
                break;
            }
        }
    }
    lab.progress.finish();
    let shown = terminal(&summary(&rows), terminal_on_stdout());
    write!(std::io::stdout().lock(), "{shown}")?;
    Ok(if is_interrupted { SelftestResult::Interrupted } else { result(&rows) })
}

/// A finding as it comes.
fn line(finding: &Finding) -> String {
    let Finding { subject, claimed, measured, verdict, reason } = finding;
    let found = match (measured, reason) {
        (Some(measured), _) => format!("measured {measured}"),
        (None, Some(reason)) => reason.clone(),
        (None, None) => String::new(),
    };
    format!("  {:<12}  {subject}: claimed {claimed}; {found}", verdict.word())
}

fn summary(rows: &[(Check, Finding)]) -> Document {
    let claim = |(check, finding): &(Check, Finding)| Claim {
        check: check.name().to_owned(),
        subject: finding.subject.clone(),
        claimed: finding.claimed.clone(),
        measured: finding.measured.clone(),
        outcome: match finding.verdict {
            Verdict::Pass => Outcome::Holds,
            Verdict::Fail => Outcome::Fails,
            Verdict::Untrusted => Outcome::Untold,
        },
    };
    claims(&rows.iter().map(claim).collect::<Vec<_>>())
}

fn result(rows: &[(Check, Finding)]) -> SelftestResult {
    let has = |verdict| rows.iter().any(|(_, of)| of.verdict == verdict);
    if has(Verdict::Fail) {
        SelftestResult::Failed
    } else if has(Verdict::Untrusted) {
        SelftestResult::Untrusted
    } else {
        SelftestResult::Passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(verdict: Verdict) -> (Check, Finding) {
        let text = |text: &str| text.to_owned();
        let finding = Finding {
            subject: text("SSE"),
            claimed: text("5.00 ms ± 450 µs"),
            measured: Some(text("5.06 ms")),
            verdict,
            reason: None,
        };
        (Check::Delay, finding)
    }

    #[test]
    fn the_worst_verdict_decides() {
        use Verdict::{Fail, Pass, Untrusted};
        let result_of = |verdicts: &[Verdict]| {
            result(&verdicts.iter().map(|verdict| row(*verdict)).collect::<Vec<_>>())
        };
        assert_eq!(result_of(&[Pass, Pass]), SelftestResult::Passed);
        assert_eq!(result_of(&[Pass, Untrusted]), SelftestResult::Untrusted);
        assert_eq!(result_of(&[Untrusted, Fail, Pass]), SelftestResult::Failed);
    }
}
