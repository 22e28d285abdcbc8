use super::*;
use crate::campaign::scripted::{ScriptedRunner, disturbed, failed, valid};
use crate::campaign::{Detail, Progress, TrialOutput, TrialRunner as _, execute};

/// Measures checks by a script: the sides that were asked for, and the findings.
fn measured(
    checks: &[Check],
    comparisons: u32,
    seed: u64,
    mut script: impl FnMut(&Setup, usize) -> TrialOutput,
) -> (Vec<Setup>, Vec<(Check, Finding)>) {
    let mut plan = SelftestPlan::new(checks, comparisons, seed, |_| String::new()).unwrap();
    let mut runner = ScriptedRunner::new(|setup: &Setup, before| Ok(script(setup, before)));
    let mut progress = Progress::lines(std::io::sink(), Detail::Plan, |_| String::new());
    let mut selftest = Selftest::default();
    execute(&mut runner, &mut plan, &mut selftest, &mut progress, |_, _| Ok(())).unwrap();
    assert!(!runner.cores().server.is_empty());
    (runner.asked, plan.findings)
}

/// Whether the second side of the check of recording is measured.
fn records(asked: &[Setup]) -> Vec<bool> {
    asked.iter().map(|setup| setup.record).collect()
}

#[test]
fn every_unit_has_each_side_once_in_an_order_that_the_seed_decides() {
    let (asked, findings) = measured(&[Check::Recording], 1, 1, |setup, _| valid(setup));
    assert_eq!((asked.len(), findings.len()), (18, 1));
    let pairs: Vec<_> = records(&asked).chunks(2).map(<[bool]>::to_vec).collect();
    assert!(pairs.iter().all(|pair| pair[0] != pair[1]), "{pairs:?}");
    assert!(pairs.iter().any(|pair| *pair != pairs[0]), "a coin decides");
    let again = measured(&[Check::Recording], 1, 1, |setup, _| valid(setup)).0;
    assert_eq!(records(&asked), records(&again));
    let other = measured(&[Check::Recording], 1, 2, |setup, _| valid(setup)).0;
    assert_ne!(records(&asked), records(&other));
    let blocks: Vec<_> = asked.iter().map(|setup| setup.block).collect();
    assert_eq!(blocks, (1..=9).flat_map(|block| [block, block]).collect::<Vec<_>>());
}

#[test]
fn a_pair_of_which_one_cannot_be_trusted_is_measured_again_whole() {
    // The first side of the first pair, then the second side of its second attempt.
    let (asked, findings) = measured(&[Check::Recording], 1, 1, |setup, before| match before {
        0 | 2 => disturbed(setup),
        _ => valid(setup),
    });
    assert_eq!(asked.len(), 1 + 2 + 2 + 16);
    assert!(asked[..5].iter().all(|setup| setup.block == 1));
    let pair = records(&asked[3..5]);
    assert_ne!(pair[0], pair[1]);
    assert_eq!(findings[0].1.verdict, Verdict::Pass);
}

#[test]
fn a_unit_is_given_up_after_three_attempts_and_the_others_go_on() {
    let of_block = |block| {
        measured(&[Check::Recording], 1, 1, move |setup, _| match setup.block <= block {
            true => disturbed(setup),
            false => valid(setup),
        })
    };
    let (asked, findings) = of_block(4);
    assert_eq!(asked.len(), 4 * 3 + 5 * 2);
    assert_eq!(findings[0].1.verdict, Verdict::Pass, "half of the blocks are enough");
    let (_, findings) = of_block(5);
    assert_eq!(findings[0].1.verdict, Verdict::Untrusted);
    let Err(Trouble::Untrusted(reason)) = &findings[0].1.measured else { panic!("{findings:?}") };
    assert!(reason.contains("12.0 % of the CPU time was stolen"), "{reason}");
}

#[test]
fn a_failure_is_not_tried_again_and_fails_the_claim() {
    let (asked, findings) = measured(&[Check::Stall], 1, 1, |setup, _| failed(setup));
    assert_eq!((asked.len(), findings[0].1.verdict), (1, Verdict::Fail));
}

#[test]
fn what_is_counted_needs_no_quiet_machine() {
    let (asked, findings) = measured(&[Check::Faithful], 1, 1, |setup, _| disturbed(setup));
    assert_eq!((asked.len(), findings.len()), (5, 5), "each contender once");
    assert!(findings.iter().all(|(_, finding)| finding.measured.is_ok()), "{findings:?}");
}

#[test]
fn servers_have_the_faults_of_their_side() {
    let (asked, _) = measured(&[Check::Delay, Check::Drop], 1, 1, |setup, _| valid(setup));
    let faults: Vec<_> = asked.iter().map(|setup| setup.server[2..].join(" ")).collect();
    let count = |fault: &str| faults.iter().filter(|of| *of == fault).count();
    assert_eq!((count(""), count("--inject delay=5ms"), count("--inject drop=1/7")), (15, 15, 5));
}

#[test]
fn what_is_to_come_is_what_is_measured() {
    let mut plan =
        SelftestPlan::new(&[Check::Delay, Check::Alike], 2, 1, |_| String::new()).unwrap();
    let mut selftest = Selftest::default();
    let mut expected = 15 * 2 + 10 * 2;
    let say = &mut |_: &str| {};
    while let Some(step) = plan.next(&selftest, say).unwrap() {
        assert_eq!(step.to_come.trials, expected);
        expected -= 1;
        selftest.enter((step.row)(valid(&step.setup).trial, &[]));
    }
    assert_eq!(expected, 0);
}
