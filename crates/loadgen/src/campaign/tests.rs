use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pushbench_wire::Transport;

use super::scripted::{Said, ScriptedRunner, disturbed, failed, not_started, valid};
use super::*;
use crate::analysis::capacity::conclude;
use crate::results::capacity::{Answer, CAPACITY_VERSION, Purpose, Search};
use crate::results::comparison::{ComparedTrial, Role, Stage};
use crate::results::store::{self, ROWS_FILE};
use crate::results::{Capacity, Comparison, Metric, Run, Warning, fixture};
use crate::scenario::template::TEMPLATE;
use crate::scenario::{LoadAxis, Scenario};

mod hopeless;

fn scenario(changes: &[(&str, &str)]) -> Scenario {
    let mut text = TEMPLATE.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    Scenario::parse(&text, "").unwrap_or_else(|error| panic!("{error}"))
}

fn head() -> Run {
    fixture::head(&fixture::run().0)
}

type Script<'a> = &'a mut dyn FnMut(&Setup, usize) -> Result<TrialOutput, Interrupted>;

/// Measures a run by a script into `dir`: the trials that were asked for, the run, and what was said.
fn measure_run(dir: &Path, scenario: &Scenario, script: Script<'_>) -> (Vec<Setup>, Run, String) {
    let mut plan = RunPlan::new(scenario, own_server().into(), false);
    let mut runner = ScriptedRunner::new(script);
    let said = Said::default();
    let mut progress = said.progress(Detail::Phases);
    let (run, _) = measure(dir, &mut runner, &mut plan, head(), &mut progress).unwrap();
    (runner.asked, run, said.text())
}

#[test]
fn a_run_measures_every_contender_of_every_block_and_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = scenario(&[("blocks = 5", "blocks = 2")]);
    let rows = dir.path().join(ROWS_FILE);
    let mut kept_before = Vec::new();
    let (asked, run, said) = measure_run(dir.path(), &scenario, &mut |setup, _| {
        kept_before.push(fs::read_to_string(&rows).unwrap().lines().count());
        Ok(if setup.contender == Transport::Sse { failed(setup) } else { valid(setup) })
    });
    assert_eq!(kept_before, (0..10).collect::<Vec<_>>(), "each is kept before the next begins");
    for block in 1..=2 {
        let of_block = asked.iter().filter(|setup| setup.block == block);
        let contenders: BTreeSet<_> =
            of_block.map(|setup| setup.contender.name().to_owned()).collect();
        assert_eq!(contenders.len(), Transport::ALL.len());
    }
    assert_eq!(store::load::<Run>(dir.path()).unwrap().content, run);
    let failed = run.trials.iter().filter(|trial| trial.has_failed());
    assert_eq!(failed.count(), 2, "a failure is a row, and the others go on");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 10 * 3, "two phases and the end of each: {said}");
    assert!(lines[0].starts_with("[1/10] ") && lines[0].ends_with(": starting the server"));
    assert!(lines[29].starts_with("[10/10] "), "{said}");
}

#[test]
fn a_spoilt_trial_is_measured_once_more_whatever_it_shows() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = scenario(&[("blocks = 5", "blocks = 2")]);
    let (asked, run, said) = measure_run(dir.path(), &scenario, &mut |setup, before| {
        Ok(if matches!(before, 1 | 4 | 5) { disturbed(setup) } else { valid(setup) })
    });
    let name = |at: usize| (asked[at].contender.clone(), asked[at].block);
    assert_eq!(asked.len(), 12, "10 planned, the 2nd and the 4th twice");
    assert_eq!((name(1), name(4)), (name(2), name(5)));
    let repeated: Vec<_> = (0..12).filter(|&at| run.trials[at].repeated).collect();
    assert_eq!(repeated, [1, 4], "the second try counts, spoilt or not");
    assert_eq!(run.measured(), 10);
    assert_eq!(said.matches("It is measured once more.").count(), 2, "{said}");
    assert!(said.contains("[12/12] "), "{said}");
    assert_eq!(store::load::<Run>(dir.path()).unwrap().content, run, "lines need not say it");
}

#[test]
fn repeating_has_a_budget() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = scenario(&[("blocks = 5", "blocks = 2")]);
    let (asked, run, _) = measure_run(dir.path(), &scenario, &mut |setup, before| {
        Ok(if before == 0 { valid(setup) } else { disturbed(setup) })
    });
    assert_eq!((asked.len(), run.measured()), (15, 10), "half as many again");
}

#[test]
fn a_run_of_which_a_whole_block_is_spoilt_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (_, run, said) =
        measure_run(dir.path(), &scenario(&[]), &mut |setup, _| Ok(disturbed(setup)));
    assert_eq!((run.trials.len(), run.measured()), (10, 5), "5 contenders, twice each");
    assert!(said.contains("Every trial so far is spoilt, so the run ends here"), "{said}");
    assert!(!run.manifest.interrupted, "it came to its end");
}

#[test]
fn cells_of_a_sweep_are_measured_as_their_values_say() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = "[sweep]\n\"workload.subscribers\" = [10, 20]\n";
    let scenario = scenario(&[("[sweep]\n", sweep), ("blocks = 5", "blocks = 1")]);
    let (asked, run, said) = measure_run(dir.path(), &scenario, &mut |setup, _| Ok(valid(setup)));
    for (setup, trial) in asked.iter().zip(&run.trials) {
        let subscribers = setup.scenario.workload.subscribers;
        assert_eq!(*setup.cell, format!("subscribers={subscribers}"));
        assert_eq!(trial.cell, *setup.cell);
    }
    assert_eq!(asked.len(), 2 * Transport::ALL.len());
    assert!(said.contains("] SSE, subscribers=10: valid\n"), "{said}");
}

#[test]
fn an_interruption_keeps_what_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (asked, run, said) = measure_run(dir.path(), &scenario(&[]), &mut |setup, before| {
        if before < 3 { Ok(valid(setup)) } else { Err(Interrupted) }
    });
    assert_eq!((asked.len(), run.trials.len(), run.manifest.interrupted), (4, 3, true));
    assert_eq!(store::load::<Run>(dir.path()).unwrap().content, run);
    assert!(said.ends_with("Interrupted: the trials that have ended are kept.\n"), "{said}");
}

#[test]
fn a_trial_that_cannot_be_kept_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut plan = RunPlan::new(&scenario(&[]), own_server().into(), false);
    let mut runner = ScriptedRunner::new(|setup: &Setup, before| {
        let mut output = valid(setup);
        if before == 1 {
            output.trial.values.insert(Metric::Lost, f64::INFINITY);
        }
        Ok(output)
    });
    let mut progress = Said::default().progress(Detail::Plan);
    let error = measure(dir.path(), &mut runner, &mut plan, head(), &mut progress).unwrap_err();
    assert!(format!("{error:#}").contains("lost: lost of a "), "{error:#}");
    assert_eq!(runner.asked.len(), 2);
    let kept = store::load::<Run>(dir.path()).unwrap().content;
    assert_eq!(kept.trials.len(), 1);
    assert!(kept.manifest.interrupted, "it did not come to its end");
}

/// Measures a comparison of `blocks` by a script: roles tell the builds apart.
fn measure_comparison(
    blocks: u32,
    mut script: impl FnMut(&Setup, Role, usize) -> Result<TrialOutput, Interrupted>,
) -> (Comparison, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut comparison = fixture::head(&fixture::comparison());
    comparison.manifests.truncate(1);
    comparison.gates.truncate(1);
    comparison.blocks = [blocks, 8];
    let scenarios = vec![scenario(&[("compare = [", "compare = [\"sse\", \"websocket\"] # ")])];
    let servers = ["old", "new"].map(|name| vec![name.to_owned()]);
    let mut plan = ComparisonPlan::new(
        Builds { scenarios, servers, copied: [false; 2] },
        comparison.blocks,
        7,
    );
    let mut runner = ScriptedRunner::new(|setup: &Setup, before| {
        let role = if setup.server[0] == "old" { Role::Baseline } else { Role::Candidate };
        script(setup, role, before)
    });
    let said = Said::default();
    let mut progress = said.progress(Detail::Trials);
    let (comparison, _) =
        measure(dir.path(), &mut runner, &mut plan, comparison, &mut progress).unwrap();
    assert_eq!(store::load::<Comparison>(dir.path()).unwrap().content, comparison);
    (comparison, said.text())
}

fn with_cpu(setup: &Setup, factor: f64) -> TrialOutput {
    let mut output = valid(setup);
    let values = &mut output.trial.values;
    values.entry(Metric::ServerCpuPerDelivery).and_modify(|value| *value *= factor);
    output
}

#[test]
fn builds_are_measured_back_to_back_in_an_order_that_coins_decide() {
    let (comparison, said) = measure_comparison(5, |setup, _, _| Ok(valid(setup)));
    assert_eq!(comparison.trials.len(), 2 * 2 * 5, "nothing is suspect");
    let mut firsts = BTreeSet::new();
    for pair in comparison.trials.chunks(2) {
        let [one, other] = pair else { panic!() };
        let block = |of: &ComparedTrial| (of.trial.contender.clone(), of.trial.block);
        assert_eq!(block(one), block(other));
        assert_ne!(one.role, other.role);
        firsts.insert(one.role);
    }
    assert_eq!(firsts.len(), 2, "both come first now and then");
    assert!(said.contains("[1/20] ") && said.contains(", block 5, candidate: valid; about "));
}

#[test]
fn what_is_suspect_is_measured_again_on_fresh_blocks() {
    let (comparison, said) = measure_comparison(8, |setup, role, _| {
        let is_slower = setup.contender == Transport::Sse && role == Role::Candidate;
        Ok(with_cpu(setup, if is_slower { 1.2 } else { 1.0 } + 0.001 * f64::from(setup.block)))
    });
    let of_stage =
        |stage| comparison.trials.iter().filter(move |of| of.stage == stage).collect::<Vec<_>>();
    assert_eq!(of_stage(Stage::First).len(), 2 * 2 * 8);
    let confirm = of_stage(Stage::Confirm);
    assert_eq!(confirm.len(), 2 * 8);
    assert!(confirm.iter().all(|of| of.trial.contender == Transport::Sse));
    assert!(said.contains("May be worse: SSE. Measured again on 8 fresh blocks, about "), "{said}");
    assert!(said.contains("[33/48] ") && said.contains("[48/48] "), "{said}");
}

#[test]
fn a_block_that_cannot_be_trusted_is_repeated_as_often_as_the_budget_allows() {
    let (comparison, said) = measure_comparison(8, |setup, role, _| {
        let is_disturbed = setup.contender == Transport::Sse && role == Role::Baseline;
        Ok(if is_disturbed { disturbed(setup) } else { valid(setup) })
    });
    let repeated = "A trial of this block cannot be trusted: both are repeated.\n";
    assert_eq!(said.matches(repeated).count(), 2, "a quarter of eight blocks");
    assert_eq!(comparison.trials.len(), 2 * (8 + 8 + 2));
    let redone: Vec<_> = comparison.trials.iter().filter(|of| of.redone).collect();
    assert_eq!(redone.len(), 2 * 2, "both builds, whichever was disturbed");
    assert!(redone.iter().all(|of| of.trial.contender == Transport::Sse));
    let counted = |role| {
        comparison
            .trials_of(0, &Transport::Sse.into(), Stage::First, role)
            .map(|of| of.block)
            .collect()
    };
    let blocks: [BTreeSet<u32>; 2] = [counted(Role::Baseline), counted(Role::Candidate)];
    assert!(blocks.iter().all(|blocks| *blocks == (1..=8).collect()));
    assert!(said.contains("/36] "), "what is repeated is counted: {said}");
}

#[test]
fn a_build_that_fails_ends_a_comparison_once_the_other_was_tried() {
    for fails in [&[Role::Baseline][..], &[Role::Candidate], &[Role::Baseline, Role::Candidate]] {
        let (comparison, _) = measure_comparison(5, |setup, role, before| {
            Ok(if before >= 2 && fails.contains(&role) { failed(setup) } else { valid(setup) })
        });
        assert_eq!(comparison.trials.len(), 4, "{fails:?}");
        let failed = comparison.trials.iter().filter(|of| of.trial.has_failed());
        assert_eq!(failed.count(), fails.len());
        assert!(!comparison.interrupted);
    }
}

#[test]
fn an_interrupted_comparison_keeps_its_half_pair() {
    let (comparison, said) =
        measure_comparison(
            5,
            |setup, _, before| {
                if before < 3 { Ok(valid(setup)) } else { Err(Interrupted) }
            },
        );
    assert!(comparison.interrupted);
    assert_eq!(comparison.trials.len(), 3);
    assert!(said.ends_with("Interrupted: the trials that have ended are kept.\n"), "{said}");
}

const OBJECTIVES: &str = "[objectives]\n\"latency\" = [\"p(50)<100ms\"]\n";

/// Searches by a script, for SSE and WebSocket.
fn measure_capacity(
    most: f64,
    mut script: impl FnMut(&Setup, usize) -> Result<TrialOutput, Interrupted>,
) -> (Capacity, String) {
    let dir = tempfile::tempdir().unwrap();
    let text = TEMPLATE
        .replace("[objectives]\n", OBJECTIVES)
        .replace("compare = [", "compare = [\"sse\", \"websocket\"] # ");
    let scenario = Scenario::parse(&text, "").unwrap();
    let source = Source { path: "mine.toml".into(), scenario, text };
    let spaces = || {
        let contenders = source.scenario.contender_ids();
        contenders.map(|contender| Space::new(&source, contender, LoadAxis::Subscribers))
    };
    let mut capacity = fixture::head(&fixture::capacity());
    capacity.searches = spaces()
        .zip(source.scenario.contender_ids())
        .map(|(space, contender)| {
            let (start, [least, most]) = space.bounds(Some(most)).unwrap();
            Search { contender: contender.clone(), start, least, most, attempts: Vec::new() }
        })
        .collect();
    assert_eq!(capacity.schema_version, CAPACITY_VERSION);
    capacity.manifest.interrupted = false;
    capacity.manifest.planned_trials = 0;
    capacity.manifest.scenario.text.clone_from(&source.text);
    let words = LoadWords {
        load: |_, load| format!("{load} subscribers"),
        attempt: |attempt, _| format!("{:?}", attempt.answer),
    };
    let mut plan = CapacityPlan::new(spaces().collect(), own_server().into(), words);
    let mut runner = ScriptedRunner::new(&mut script);
    let said = Said::default();
    let mut progress = said.progress(Detail::Plan);
    let (capacity, _) =
        measure(dir.path(), &mut runner, &mut plan, capacity, &mut progress).unwrap();
    assert_eq!(store::load::<Capacity>(dir.path()).unwrap().content, capacity);
    (capacity, said.text())
}

/// A server that keeps to 100 ms up to so many subscribers.
fn bears(setup: &Setup, most: u32) -> TrialOutput {
    let mut output = valid(setup);
    let ms = if setup.scenario.workload.subscribers <= most { 10.0 } else { 500.0 };
    output.trial.values.insert(Metric::LatencyP50, ms * 1e6);
    output
}

#[test]
fn a_search_finds_what_a_server_bears() {
    let (capacity, said) = measure_capacity(1_000.0, |setup, _| {
        Ok(bears(setup, if setup.contender == Transport::Sse { 300 } else { 5_000 }))
    });
    let [sse, websocket] = &capacity.searches[..] else { panic!() };
    let loads: Vec<_> = sse.attempts.iter().map(|of| of.load).collect();
    assert_eq!(&loads[..4], [200.0, 400.0, 400.0, 283.0], "a miss may be an accident");
    let found = sse.attempts.last().unwrap();
    assert_eq!((found.purpose, found.answer), (Purpose::Confirm, Answer::Met));
    assert!((286.0..=300.0).contains(&found.load), "{}", found.load);
    assert_eq!(websocket.attempts.last().unwrap().load, 1_000.0, "--max allows no more");
    let blocks: Vec<_> = sse.attempts.iter().map(|of| of.trial.block).collect();
    assert_eq!(blocks, (1..=sse.attempts.len() as u32).collect::<Vec<_>>());
    let ended = sse.attempts.len() + websocket.attempts.len();
    assert_eq!(capacity.manifest.planned_trials as usize, ended);
    assert!(said.starts_with("SSE, 200 subscribers: Met [so far: at least 200 subscribers]\n"));
    assert!(said.contains(&format!("\nSSE: found: {} subscribers\n", found.load)), "{said}");
    assert!(said.ends_with("\nWebSocket: found: at least 1000 subscribers\n"), "{said}");
}

#[test]
fn a_search_ends_at_the_least_load_or_with_a_server_that_never_runs() {
    let (capacity, said) = measure_capacity(400.0, |setup, _| Ok(bears(setup, 0)));
    assert_eq!(capacity.searches[0].attempts.last().unwrap().load, 1.0);
    assert!(said.contains("SSE: found: not even the least load meets the objectives\n"), "{said}");

    let (capacity, said) = measure_capacity(400.0, |setup, _| Ok(failed(setup)));
    assert!(capacity.searches.iter().all(|search| search.attempts.len() == 3));
    assert!(said.contains("SSE: given up: no trial ran\n"), "{said}");
    assert!(conclude(&capacity).iter().all(|of| of.found.is_some()));

    let (capacity, said) = measure_capacity(400.0, |setup, _| Ok(disturbed(setup)));
    assert!(capacity.searches.iter().all(|search| search.attempts.len() == 3), "{said}");
    assert!(said.contains("SSE: not found: see below\n"), "{said}");
}

#[test]
fn an_interrupted_search_keeps_its_attempts() {
    let (capacity, said) =
        measure_capacity(
            400.0,
            |setup, before| {
                if before < 2 { Ok(bears(setup, 300)) } else { Err(Interrupted) }
            },
        );
    assert!(capacity.manifest.interrupted);
    let attempts: Vec<_> = capacity.searches.iter().map(|of| of.attempts.len()).collect();
    assert_eq!(attempts, [2, 0]);
    assert!(said.ends_with("Interrupted: the trials that have ended are kept.\n"), "{said}");
}

#[test]
fn a_trial_that_failed_has_its_place() {
    let scenario = scenario(&[]);
    let mut plan = RunPlan::new(&scenario, own_server().into(), false);
    let step = plan.next(&head(), &mut |_| {}).unwrap().unwrap();
    let TrialOutput { trial, intervals, .. } = failed(&step.setup);
    assert_eq!((&*trial.cell, trial.block), ("base", 1));
    assert_eq!(trial.contender, step.setup.contender);
    assert!(intervals.is_empty() && trial.warnings.iter().all(|of| !Warning::invalidates(of)));
}
