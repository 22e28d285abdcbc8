use std::path::Path;

use pushbench_wire::Transport;
use pushbench_wire::Transport::{LongPolling, Polling, Sse, WebSocket};

use super::*;
use crate::analysis::analyse;
use crate::results::{ContenderId, LatencyLog, Metric, Outcome as Ended, Trial, fixture};
use crate::scenario::Scenario;

#[test]
fn the_file_says_of_each_claim_who_when_and_how_to_test_it() {
    let Claims { claim: read } = toml::from_str(FILE).unwrap();
    assert_eq!(read, claims());
    assert_eq!(read.len(), 10);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for claim in &read {
        let Claim { name, quote, source, url, date, reads, command, parts, .. } = claim;
        assert!(![quote, source, reads].iter().any(|text| text.trim().is_empty()), "{name}");
        assert!(url.starts_with("https://"), "{name}");
        assert!(source.contains("(mattheworiordan/websocket.org a3e6d55)"), "{name}: {source}");
        assert!(
            date.len() == 10 && date.bytes().all(|c| c == b'-' || c.is_ascii_digit()),
            "{name}"
        );
        let runs = command.starts_with("pushbench run ");
        let file = command.split(' ').next_back().unwrap();
        assert_eq!(runs, !parts.is_empty(), "{name}: a run shows it, or something else does");
        assert!(!runs || root.join(file).is_file(), "{name}: {file} is not there");
        for part in parts {
            assert!(
                part.at_least.is_some() || part.at_most.is_some(),
                "{name}: a part has a limit"
            );
        }
    }
    let mut names: Vec<_> = read.iter().map(|of| &of.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 10);
}

/// The fixture's run, all of it valid, with a scenario that can be read.
fn run() -> Run {
    let (mut run, _) = fixture::run();
    run.manifest.scenario.text = "name = \"stock-ticker\"\ndescription = \"Prices.\"\nblocks = 2\n\
        compare = [\"polling\", \"long-polling\", \"sse\", \"websocket\"]\n\
        [workload]\nsubscribers = 100\nevents_per_second = 20.0\npayload_bytes = 100\n\
        duration = \"12s\"\nwarm_up = \"2s\"\n"
        .to_owned();
    let first: Vec<Trial> = run.trials.iter().filter(|of| of.block == 1).cloned().collect();
    for (trial, first) in run.trials.iter_mut().zip(first.iter().cycle()) {
        *trial = Trial { block: trial.block, ..first.clone() };
        trial.warnings.clear();
    }
    run
}

fn set(run: &mut Run, transport: Transport, metric: Metric, values: [f64; 2]) {
    let own = run.trials.iter_mut().filter(|trial| trial.contender == transport);
    for (trial, value) in own.zip(values) {
        trial.values.insert(metric, value);
    }
}

fn held(name: &str, runs: &[&Run]) -> Held {
    let with = |run: &&Run| ((*run).clone(), analyse(run, &LatencyLog::default()));
    let runs: Vec<_> = runs.iter().map(with).collect();
    hold(&runs).into_iter().find(|of| of.claim.name == name).unwrap()
}

fn outcome_of(name: &str, run: &Run) -> Outcome {
    held(name, &[run]).outcome
}

#[test]
fn verdicts_follow_from_the_figures() {
    let framing = Metric::FramingBytesPerDelivery;
    let mut run = run();
    assert_eq!(outcome_of("overhead-reduction", &run), Outcome::NotMeasured, "no such figure");
    set(&mut run, Polling, framing, [900.0; 2]);
    set(&mut run, WebSocket, framing, [9.0; 2]);
    assert_eq!(outcome_of("overhead-reduction", &run), Outcome::Holds, "9 of 900");
    assert_eq!(outcome_of("eighty-times", &run), Outcome::Holds);
    set(&mut run, Polling, framing, [175.0; 2]);
    assert_eq!(outcome_of("overhead-reduction", &run), Outcome::DoesNotHold);
    assert_eq!(outcome_of("eighty-times", &run), Outcome::DoesNotHold, "19 times");
    set(&mut run, Polling, framing, [700.0, 900.0]);
    let undecided = held("eighty-times", &[&run]);
    assert_eq!(undecided.outcome, Outcome::Undecided, "78 to 100 times");
    assert_eq!(undecided.findings[0].holds, None);
    assert!(undecided.findings[0].interval.is_some_and(|of| of.low < 80.0 && of.high > 80.0));
}

#[test]
fn all_parts_of_a_claim_have_to_hold() {
    let framing = Metric::FramingBytesPerDelivery;
    let mut run = run();
    set(&mut run, WebSocket, framing, [7.0; 2]);
    assert_eq!(
        outcome_of("bytes-per-message", &run),
        Outcome::Undecided,
        "of polling nobody knows"
    );
    set(&mut run, Polling, framing, [600.0; 2]);
    set(&mut run, Sse, framing, [43.0; 2]);
    assert_eq!(outcome_of("bytes-per-message", &run), Outcome::Holds);
    set(&mut run, WebSocket, framing, [15.0; 2]);
    assert_eq!(outcome_of("bytes-per-message", &run), Outcome::DoesNotHold);
}

#[test]
fn who_receives_several_events_at_a_time_says_nothing_of_one() {
    let framing = Metric::FramingBytesPerDelivery;
    let mut run = run();
    set(&mut run, Polling, framing, [90.0; 2]);
    set(&mut run, WebSocket, framing, [9.0; 2]);
    assert_eq!(outcome_of("overhead-reduction", &run), Outcome::DoesNotHold);
    set(&mut run, Polling, Metric::DeliveriesPerRead, [10.0; 2]);
    assert_eq!(outcome_of("overhead-reduction", &run), Outcome::NotMeasured, "ten share a poll");
    assert_eq!(outcome_of("eighty-times", &run), Outcome::DoesNotHold, "it is about all of it");
}

#[test]
fn what_is_counted_is_counted_over_all_trials() {
    let mut run = run();
    let found = held("message-order", &[&run]);
    assert_eq!(found.outcome, Outcome::DoesNotHold);
    assert_eq!((found.findings[0].value, found.findings[0].blocks), (0.0, None));
    set(&mut run, LongPolling, Metric::Reordered, [0.0, 1.0]);
    assert_eq!(outcome_of("message-order", &run), Outcome::Holds);
    let long_polling = run.trials.iter_mut().find(|of| of.contender == LongPolling).unwrap();
    long_polling.values.remove(&Metric::Reordered);
    assert_eq!(outcome_of("message-order", &run), Outcome::NotMeasured, "missing is not 0");
}

#[test]
fn what_else_happens_shows_nothing_of_what_deliveries_take() {
    let mut run = run();
    set(&mut run, Sse, Metric::Requests, [600.0; 2]);
    set(&mut run, LongPolling, Metric::ConnectionsOpened, [200.0; 2]);
    set(&mut run, WebSocket, Metric::ConnectionsOpened, [100.0; 2]);
    let outcomes = |run: &Run| {
        ["repeated-headers", "connection-churn"].map(|name| held(name, &[run]).findings.len())
    };
    assert_eq!(outcomes(&run), [1, 2]);
    let plain = run.manifest.scenario.text.clone();
    for other in [
        "[workload.upstream]\nevents_per_second = 0.1\n",
        "[[workload.faults]]\nat = \"3s\"\nkind = \"cut\"\nhow = \"reset\"\n",
        "[workload.slow]\nshare = 0.1\nreads = \"nothing\"\n",
    ] {
        run.manifest.scenario.text = format!("{plain}{other}");
        let scenario = Scenario::parse(&run.manifest.scenario.text, "");
        assert!(scenario.is_ok(), "{scenario:?}");
        assert_eq!(outcomes(&run), [0, 0], "{other}");
        assert_eq!(held("message-order", &[&run]).findings.len(), 1, "every delivery has an order");
    }
}

#[test]
fn a_claim_that_holds_here_and_not_there_holds_if() {
    let near = run();
    let mut far = run();
    far.manifest.run = "far".to_owned();
    set(&mut far, LongPolling, Metric::LatencyP50, [100e6; 2]);
    assert_eq!(outcome_of("latency-classes", &near), Outcome::DoesNotHold, "0.61 and 0.40 ms");
    assert_eq!(outcome_of("latency-classes", &far), Outcome::Holds);
    let both = held("latency-classes", &[&near, &far]);
    assert_eq!(both.outcome, Outcome::HoldsIf);
    assert_eq!(both.findings.len(), 4);
}

#[test]
fn latencies_of_who_lost_something_decide_nothing() {
    let mut run = run();
    run.trials[1].values.insert(Metric::Lost, 1.0);
    let found = held("latency-classes", &[&run]);
    assert_eq!(found.outcome, Outcome::Undecided, "1.5 times, or more");
    set(&mut run, LongPolling, Metric::LatencyP50, [100e6; 2]);
    assert_eq!(outcome_of("latency-classes", &run), Outcome::Holds, "more would be, too");
    run.trials[2].values.insert(Metric::Lost, 1.0);
    assert_eq!(
        outcome_of("latency-classes", &run),
        Outcome::Undecided,
        "SSE's may be more as well"
    );
}

#[test]
fn only_what_the_claim_is_about_may_differ() {
    let mut run = run();
    run.manifest.scenario.text = run.manifest.scenario.text.replace(
        "compare = [\"polling\", \"long-polling\", \"sse\", \"websocket\"]\n",
        "compare = [\"long-polling\"]\nproxy = [\"none\", \"nginx\"]\n[[contender]]\nname = \"usual\"\n\
         transport = \"sse\"\nsse = { framing = \"chunked\" }\nproxy = [\"none\", \"nginx\"]\n\
         [[contender]]\nname = \"hint\"\ntransport = \"sse\"\nproxy = \"nginx\"\n",
    );
    let scenario = Scenario::parse(&run.manifest.scenario.text, "").unwrap();
    let ids: Vec<ContenderId> = scenario.contender_ids().cloned().collect();
    let trial = run.trials[0].clone();
    run.trials = ids.iter().map(|id| Trial { contender: id.clone(), ..trial.clone() }).collect();
    for trial in &mut run.trials {
        let late = if trial.contender.name() == "usual-nginx" { 500e6 } else { 1e6 };
        trial.values.insert(Metric::LatencyP50, late);
    }
    let found = held("nginx-buffers", &[&run]);
    assert_eq!(found.outcome, Outcome::Holds);
    let pairs: Vec<_> = found
        .findings
        .iter()
        .map(|of| (of.of.name(), of.against.as_ref().unwrap().name()))
        .collect();
    assert_eq!(pairs, [("usual-nginx", "usual")], "`hint` was not measured without");
}

#[test]
fn a_figure_needs_half_of_the_trials() {
    let mut run = run();
    set(&mut run, LongPolling, Metric::LatencyP50, [100e6; 2]);
    run.manifest.planned_trials = 16;
    run.trials.extend(run.trials.clone());
    assert_eq!(outcome_of("latency-classes", &run), Outcome::Holds, "two of four blocks");
    for trial in run.trials.iter_mut().filter(|of| of.block == 2) {
        trial.outcome = Ended::Failed { reason: "it ended".to_owned() };
    }
    assert_eq!(outcome_of("latency-classes", &run), Outcome::NotMeasured, "one of four");
    assert_eq!(outcome_of("message-order", &run), Outcome::DoesNotHold, "two of four trials");
    run.manifest.planned_trials = 24;
    assert_eq!(outcome_of("message-order", &run), Outcome::NotMeasured, "two of six");
}

#[test]
fn nothing_is_found_where_nothing_can_be_trusted() {
    let mut run = run();
    run.trials.iter_mut().for_each(|of| of.outcome = Ended::Invalid);
    let held = hold(&[(run.clone(), analyse(&run, &LatencyLog::default()))]);
    for of in &held {
        assert_eq!(of.outcome, Outcome::NotMeasured, "{}", of.claim.name);
    }
    assert!(
        hold(&[]).iter().all(|of| of.outcome == Outcome::NotMeasured && of.findings.is_empty())
    );
}
