//! Traffic that is more than a rate: what subscribers send, rooms, bursts, phases, traces. On every
//! transport everything comes, and all of them follow the same schedule.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::support::{Bench, assert_ran, run_in, text};

/// The head of each scenario; what is in [workload] follows.
const HEAD: &str = r#"
name = "traffic"
description = "More than a rate."
blocks = 1

[polling]
interval = "50ms"

[workload]
warm_up = "200ms"
idle = "0s"
"#;

/// Runs it on all transports, and finds everything delivered once and in order. Gives the schedule
/// that they followed, and the bench with the results.
fn run(workload: &str, expected: f64) -> (String, Bench) {
    run_with(workload, expected, |_| {})
}

fn run_with(workload: &str, expected: f64, prepare: impl Fn(&Bench)) -> (String, Bench) {
    let bench = Bench::new();
    bench.scenario(&format!("{HEAD}{workload}"));
    prepare(&bench);
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    assert_ran(&output, &[run_in(&bench.path("out"))]);
    let trials = bench.trials();
    assert_eq!(trials.len(), 5, "{}", text(&output.stderr));
    for (transport, row) in &trials {
        let value = |metric: &str| row.values.get(metric).copied();
        assert_eq!(value("expected"), Some(expected), "{transport}");
        assert_eq!(value("delivered"), Some(expected), "{transport}");
        for metric in ["lost", "duplicated", "reordered", "negative_latency", "lagged"] {
            assert_eq!(value(metric), Some(0.0), "{transport}: {metric}");
        }
    }
    (schedule(&bench), bench)
}

/// The one schedule of all trials.
fn schedule(bench: &Bench) -> String {
    let rows = bench.rows();
    let trials = rows.lines().map(|row| serde_json::from_str::<Value>(row).unwrap());
    let followed: BTreeSet<_> =
        trials.map(|trial| trial["schedule_sha256"].as_str().unwrap().to_owned()).collect();
    assert_eq!(followed.len(), 1, "all transports follow the same schedule");
    followed.into_iter().next().unwrap()
}

#[test]
fn members_of_rooms_hear_each_other_on_every_transport() {
    // 40 members send 5 events a second for a second; each event is heard by the ten of a room.
    let chat = "subscribers = 40\nchannels = 4\npayload_bytes = 64\nduration = \"1s\"\n\
                [workload.upstream]\nevents_per_second = 5\n";
    let (schedule, bench) = run(chat, 2_000.0);
    for (transport, row) in bench.trials() {
        let echo = row.values.get("echo_latency_p50");
        assert!(echo.is_some_and(|ns| *ns > 0.0), "{transport}: each sender hears itself");
    }
    let summary = fs::read_to_string(bench.path("out/summary.md")).unwrap();
    // On a busy machine there may be no valid trial, and then there are no figures.
    if bench.trials()["sse"].valid {
        assert!(summary.contains("### What subscribers sent\n"), "{summary}");
    }

    drop(bench);
    assert_eq!(run(chat, 2_000.0).0, schedule, "the same seed, the same schedule");
}

#[test]
fn all_of_it_together_is_accounted_for() {
    // Ten bursts of 5 events on each of 5 channels with 12 connections each, and 30 subscribers who
    // send, at random: 3 a second each, on the channels in which they are.
    let mixed = "subscribers = 30\nchannels = 5\nchannels_per_subscriber = 2\n\
                 events_per_second = 50\narrivals = \"poisson\"\ncontent = \"binary\"\n\
                 payload_bytes = { lognormal = { median = 200, p99 = 2000 } }\n\
                 bursts = { on = \"20ms\", off = \"80ms\" }\nduration = \"1s\"\n\
                 [workload.upstream]\nevents_per_second = 3\npayload_bytes = 60\n";
    let published = 50.0 * 60.0;
    let sent = 30.0 * 3.0 * 12.0;
    run(mixed, published + sent);
}

#[test]
fn phases_have_figures_of_their_own() {
    let phases = "subscribers = 10\nevents_per_second = 100\npayload_bytes = 64\n\
                  [[workload.phases]]\nname = \"quiet\"\nduration = \"500ms\"\nrate = 1\n\
                  [[workload.phases]]\nname = \"idle\"\nduration = \"200ms\"\nrate = 0\n\
                  [[workload.phases]]\nname = \"goal\"\nduration = \"500ms\"\nrate = [1, 9]\n";
    let (_, bench) = run(phases, 10.0 * (50.0 + 250.0));
    let summary = fs::read_to_string(bench.path("out/summary.md")).unwrap();
    let (_, by_phase) = summary.split_once("### By phase\n").expect("a table");
    let is_valid = bench.trials()["sse"].valid;
    for (phase, deliveries) in [("quiet", "500"), ("goal", "2,500")] {
        let deliveries = if is_valid { deliveries } else { "0" };
        let row = by_phase.lines().find(|line| line.starts_with(&format!("| {phase}, SSE |")));
        let row = row.unwrap_or_else(|| panic!("no {phase} in {by_phase}"));
        assert!(row.ends_with(&format!(" {deliveries} |")), "{row}");
    }
}

#[test]
fn a_trace_is_replayed_row_by_row() {
    let trace = |bench: &Bench| {
        let row = |n: u32| format!("{},c{},{}\n", f64::from(n) * 0.004, n % 3, 46 + n % 100);
        let rows: String = (0..600).map(row).collect();
        fs::write(bench.path("ticks.csv"), format!("offset_s,channel,bytes\n{rows}")).unwrap();
    };
    // Twice as fast: a row every 2 ms, so 500 in the second behind the warm-up, each to the five
    // subscribers of its channel.
    let replay =
        "subscribers = 15\ntrace = { file = \"ticks.csv\", speed = 2 }\nduration = \"1s\"\n";
    run_with(replay, 500.0 * 5.0, trace);
}
