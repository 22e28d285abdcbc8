//! `pushbench selftest`: holds the whole instrument against known truth. The server misbehaves by
//! amounts that it is told, and the engine that measures for `run` has to find them.

use std::io::Write;

use super::ExitStatus;
use super::screen::Screen;
use crate::analysis::Estimate;
use crate::campaign::selftest::{
    Check, Claim, Finding, Measured, Selftest, SelftestPlan, Subject, Trouble, Verdict,
};
use crate::campaign::{Detail, LocalRunner, Progress, TrialRunner, execute};
use crate::document::deliveries::shortfall;
use crate::document::{self, Document, Outcome, claims, format, trial_line};

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

/// Runs the checks one after the other. Each claim is judged as soon as its trials are over.
///
/// # Errors
/// A machine that cannot run it, or a standard output that cannot be written.
pub fn selftest(options: &SelftestOptions, verbose: bool) -> anyhow::Result<ExitStatus> {
    let plan = plan(options)?;
    let mut runner = LocalRunner::new(plan.sockets(), std::iter::empty())?;
    let mut progress = Progress::new(Detail::Plan, trial_line);
    perform(plan, &mut runner, &mut progress, &mut Screen::stdout(verbose))
}

fn plan(options: &SelftestOptions) -> anyhow::Result<SelftestPlan> {
    let SelftestOptions { only, comparisons, seed } = options;
    let is_chosen = |check: &Check| only.is_empty() || only.contains(check);
    let checks: Vec<_> = Check::ALL.iter().copied().filter(is_chosen).collect();
    SelftestPlan::new(&checks, *comparisons, *seed, line)
}

fn perform(
    mut plan: SelftestPlan,
    runner: &mut impl TrialRunner,
    progress: &mut Progress,
    screen: &mut Screen<impl Write>,
) -> anyhow::Result<ExitStatus> {
    let mut selftest = Selftest::default();
    execute(runner, &mut plan, &mut selftest, progress, |_, _| Ok(()))?;
    progress.finish();
    screen.show(&summary(&plan.findings))?;
    Ok(match selftest.interrupted {
        true => ExitStatus::Interrupted,
        false => status(&plan.findings),
    })
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Untrusted => "not measured",
    }
}

fn subject(finding: &Finding) -> &'static str {
    match finding.subject {
        Subject::Contender(transport) => transport.label(),
        Subject::Metric(metric) => metric.label(),
    }
}

fn claimed(claim: &Claim) -> String {
    match claim {
        Claim::Near { metric, value, within } => {
            let show = |value| format::of(*metric, Some(value));
            format!("{} ± {}", show(*value), show(*within))
        }
        Claim::Below(limit) => format!("below {}", percent(*limit)),
        Claim::Exactly(account) => shortfall(*account),
        Claim::AtMost { misses, comparisons, level } => {
            format!("at most {misses} of {comparisons} at {}", percent(*level))
        }
    }
}

fn measured(claim: &Claim, measured: &Measured) -> String {
    match measured {
        Measured::Figure(Estimate { median, interval, .. }) => {
            let (value, low_to_high) = match claim {
                Claim::Near { metric, .. } => (
                    format::of(*metric, Some(*median)),
                    interval.map(|of| format::bare_range(*metric, *median, of.low, of.high)),
                ),
                _ => (
                    percent(*median),
                    interval.map(|of| format!("{}–{}", percent(of.low), percent(of.high))),
                ),
            };
            match low_to_high {
                Some(range) if !range.is_empty() => format!("{value} ({range})"),
                _ => value,
            }
        }
        Measured::Account(account) => shortfall(*account),
        Measured::Misses(misses) => misses.to_string(),
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A finding as it comes.
fn line(finding: &Finding) -> String {
    let Finding { claim, verdict, .. } = finding;
    let found = match &finding.measured {
        Ok(figure) => format!("measured {}", measured(claim, figure)),
        Err(Trouble::Failed(reason) | Trouble::Untrusted(reason)) => reason.clone(),
    };
    let (word, subject) = (word(*verdict), subject(finding));
    format!("  {word:<12}  {subject}: claimed {}; {found}", claimed(claim))
}

fn summary(findings: &[(Check, Finding)]) -> Document {
    let claim = |(check, finding): &(Check, Finding)| document::Claim {
        check: check.name().to_owned(),
        subject: subject(finding).to_owned(),
        claimed: claimed(&finding.claim),
        measured: finding.measured.as_ref().ok().map(|found| measured(&finding.claim, found)),
        outcome: outcome(finding.verdict),
    };
    claims(&findings.iter().map(claim).collect::<Vec<_>>())
}

const fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Pass => Outcome::Holds,
        Verdict::Fail => Outcome::Fails,
        Verdict::Untrusted => Outcome::Untold,
    }
}

fn status(findings: &[(Check, Finding)]) -> ExitStatus {
    let has = |verdict| findings.iter().any(|(_, finding)| finding.verdict == verdict);
    if has(Verdict::Fail) {
        ExitStatus::Failed
    } else if has(Verdict::Untrusted) {
        ExitStatus::Untrusted
    } else {
        ExitStatus::Complete
    }
}

#[cfg(test)]
mod tests;
