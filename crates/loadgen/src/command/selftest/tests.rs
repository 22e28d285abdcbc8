use super::*;
use crate::analysis::Accounts;
use crate::campaign::Interrupted;
use crate::campaign::scripted::{ScriptedRunner, disturbed, failed, valid};
use crate::render::{Terminal, terminal};
use crate::results::Metric;
use pushbench_wire::Transport;

fn near() -> Claim {
    Claim::Near { metric: Metric::LatencyP50, value: 5e6, within: 450e3 }
}

fn finding(claim: Claim, measured: Result<Measured, Trouble>, verdict: Verdict) -> Finding {
    Finding { subject: Subject::Contender(Transport::Sse), claim, measured, verdict }
}

fn figure(values: &[f64]) -> Result<Measured, Trouble> {
    Ok(Measured::Figure(Estimate::of(values).unwrap()))
}

fn found(verdict: Verdict) -> (Check, Finding) {
    (Check::Delay, finding(near(), figure(&[5.06e6]), verdict))
}

#[test]
fn a_finding_shows_claim_and_figure() {
    let three = finding(near(), figure(&[5.05e6, 5.1e6, 5.02e6]), Verdict::Pass);
    let expected = "  pass          SSE: claimed 5.00 ms ± 450 µs; measured 5.05 ms (5.02–5.10)";
    assert_eq!(line(&three), expected);
    let share = finding(Claim::Below(0.03), figure(&[0.0123]), Verdict::Pass);
    assert!(line(&share).ends_with("claimed below 3.00 %; measured 1.23 %"), "{}", line(&share));
    let luck = Claim::AtMost { misses: 15, comparisons: 100, level: 0.9375 };
    let misses = Finding {
        subject: Subject::Metric(Metric::LatencyP50),
        ..finding(luck, Ok(Measured::Misses(16)), Verdict::Fail)
    };
    let expected = "claimed at most 15 of 100 at 93.75 %; measured 16";
    assert!(line(&misses).starts_with("  FAIL "), "{}", line(&misses));
    assert!(line(&misses).ends_with(expected), "{}", line(&misses));
    let account = Claim::Exactly(Accounts::default());
    let busy = Err(Trouble::Untrusted("it was busy".to_owned()));
    let busy = finding(account, busy, Verdict::Untrusted);
    assert!(line(&busy).ends_with("; it was busy"), "{}", line(&busy));
}

#[test]
fn the_worst_verdict_decides() {
    use Verdict::{Fail, Pass, Untrusted};
    let status_of = |verdicts: &[Verdict]| {
        status(&verdicts.iter().map(|verdict| found(*verdict)).collect::<Vec<_>>())
    };
    assert_eq!(status_of(&[Pass, Pass]), ExitStatus::Complete);
    assert_eq!(status_of(&[Pass, Untrusted]), ExitStatus::Untrusted);
    assert_eq!(status_of(&[Untrusted, Fail, Pass]), ExitStatus::Failed);
}

#[test]
fn the_summary_has_every_claim() {
    let shown = |findings: &[_]| {
        terminal(&summary(findings), Terminal { columns: 100, colour: false, verbose: false })
    };
    let text = shown(&[found(Verdict::Pass), found(Verdict::Fail), found(Verdict::Untrusted)]);
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with("delay")).collect();
    assert_eq!(rows.len(), 3, "{text}");
    assert!(rows.iter().all(|row| row.contains("5.00 ms ± 450 µs")), "{text}");
    assert!(rows[0].contains(" pass ") && rows[1].contains(" FAIL "), "{text}");
    let headline =
        "1 of 3 claims hold; 1 failed; 1 could not be measured: the machine was too busy";
    assert!(text.contains(headline), "{text}");
    assert!(shown(&[found(Verdict::Pass)]).contains("1 of 1 claims hold"), "{text}");
}

/// Runs checks against a script, and gives the status and what was printed.
fn perform_with(
    only: &[Check],
    script: impl FnMut(
        &crate::campaign::Setup,
        usize,
    ) -> Result<crate::campaign::TrialOutput, Interrupted>,
) -> (ExitStatus, String, usize) {
    let options = SelftestOptions { only: only.to_vec(), comparisons: 1, seed: 1 };
    let mut runner = ScriptedRunner::new(script);
    let mut progress = Progress::lines(std::io::sink(), Detail::Plan, trial_line);
    let mut out = Vec::new();
    let plan = plan(&options).unwrap();
    let status = perform(plan, &mut runner, &mut progress, &mut Screen::kept(&mut out)).unwrap();
    (status, String::from_utf8(out).unwrap(), runner.asked.len())
}

#[test]
fn checks_end_as_their_trials_do() {
    // The fixture counts other deliveries than the workload of the check has.
    let (status, summary, trials) = perform_with(&[Check::Drop], |setup, _| Ok(valid(setup)));
    assert_eq!((status, trials), (ExitStatus::Failed, Transport::ALL.len()));
    assert!(summary.contains("0 of 5 claims hold; 5 failed"), "{summary}");

    let (status, _, trials) = perform_with(&[Check::Stall], |setup, _| Ok(disturbed(setup)));
    assert_eq!((status, trials), (ExitStatus::Untrusted, 3), "it is tried three times");
    let (status, _, trials) = perform_with(&[Check::Stall], |setup, _| Ok(failed(setup)));
    assert_eq!((status, trials), (ExitStatus::Failed, 1), "once is enough");
    let (status, summary, _) = perform_with(&[Check::Recording], |setup, _| Ok(valid(setup)));
    assert_eq!(status, ExitStatus::Complete, "both sides are alike: {summary}");
}

#[test]
fn an_interruption_leaves_out_what_follows() {
    let (status, summary, trials) =
        perform_with(&[Check::Recording, Check::Alike], |setup, before| {
            if before < 20 { Ok(valid(setup)) } else { Err(Interrupted) }
        });
    assert_eq!((status, trials), (ExitStatus::Interrupted, 21));
    assert!(summary.contains("recording") && !summary.contains("alike"), "{summary}");
}
