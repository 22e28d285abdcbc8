//! The program as its users see it: files, exit codes and words.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "what a test says is shown when it fails")]

mod bad_servers;
mod breaks;
mod browsers;
mod capacity;
mod compare;
mod faults;
mod folklore;
mod foreign;
mod guide;
mod harness;
mod history;
mod network;
mod nodes;
mod outputs;
mod proxies;
mod restarts;
mod road;
mod selftest;
mod several;
mod silence;
mod slow;
mod support;
mod sweep;
mod table;
mod thresholds;
mod traffic;
mod validity;
mod witness;

use std::fs;

use nix::sys::signal::{Signal, kill};
use support::{Bench, assert_holds_files, assert_ran, run_in, shortages, text, wait_gone};

const SHORT: &str = r#"
name = "short"
description = "As short as it gets."
blocks = 1

[workload]
subscribers = 20
events_per_second = 50
payload_bytes = 64
duration = "500ms"
warm_up = "100ms"
idle = "500ms"

[polling]
interval = "50ms"
"#;

/// Long enough to be interrupted.
const LONG: &str = r#"
name = "long"
description = "Goes on until it is interrupted."
compare = ["sse", "websocket"]
blocks = 1

[workload]
subscribers = 5
events_per_second = 20
payload_bytes = 64
duration = "3s"
warm_up = "100ms"
idle = "0s"
"#;

#[test]
fn a_run_accounts_for_every_event_and_leaves_its_folder() {
    let bench = Bench::new();
    bench.scenario(SHORT);
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    assert_ran(&output, &[run_in(&bench.path("out"))]);
    assert_holds_files(&bench.path("out"));
    let trials = bench.trials();
    assert_eq!(trials.len(), 5);
    for (transport, row) in &trials {
        let value = |metric: &str| row.values.get(metric).copied();
        // A machine that is too busy to publish all of it in time says so.
        let is_whole = value("expected") == Some(20.0 * 25.0);
        assert!(is_whole || bench.rows().contains("fewer-events-than-planned"), "{transport}");
        assert_eq!(value("delivered"), value("expected"), "{transport}");
        for metric in ["lost", "duplicated", "reordered", "negative_latency", "lagged"] {
            assert_eq!(value(metric), Some(0.0), "{transport}: {metric}");
        }
        // The server's own count has the warm-up's events too.
        let counted = value("server_deliveries");
        assert!(counted == Some(20.0 * 30.0) || !is_whole, "{transport}: {counted:?}");
        assert!(value("server_cpu_per_delivery").is_some_and(|ns| ns > 0.0), "{transport}");
        assert_eq!(value("latency_p999"), None, "{transport}: too few samples are no figure");
        // Nothing but polls goes over an idle connection: one every 50 ms from each subscriber.
        let requests = value("idle_requests").unwrap();
        match transport.as_str() {
            // A busy machine may keep polls waiting, but none comes early: each subscriber has at
            // most eleven in half a second.
            "polling" => assert!(requests > 0.0 && requests <= 1_320.0, "{requests} a minute"),
            _ => assert_eq!(requests, 0.0, "{transport}"),
        }
    }
    for label in ["Polling", "Long polling", "SSE", "WebSocket", "Raw TCP"] {
        assert!(text(&output.stdout).contains(label), "the table has a row for {label}");
    }

    let again = bench.output(&["run", "scenario.toml", "--out", "out"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("out already holds a run"), "{}", text(&again.stderr));
    renders_again(&bench);
}

/// From what was kept of the trials alone.
fn renders_again(bench: &Bench) {
    let page = fs::read(bench.path("out/report.html")).unwrap();
    for name in ["trials.csv", "report.html", "summary.md"] {
        fs::remove_file(bench.path("out").join(name)).unwrap();
    }
    fs::remove_dir_all(bench.path("out/charts")).unwrap();
    let output = bench.output(&["report", "out"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_holds_files(&bench.path("out"));
    assert!(fs::read(bench.path("out/report.html")).unwrap() == page, "the page is the same");
}

#[test]
fn a_report_of_nothing_is_refused() {
    let bench = Bench::new();
    let nothing = bench.output(&["report", "nowhere"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(text(&nothing.stderr).contains("nowhere/run.json is missing"));
}

#[test]
fn a_killed_server_is_a_failed_row_and_the_others_go_on() {
    let bench = Bench::new();
    bench.scenario(LONG);
    let mut run = bench.start_run();
    let first = run.wait_for("[1/2]").split(']').nth(1).unwrap().to_owned();
    run.wait_for("measuring");
    kill(run.server(), Signal::SIGKILL).unwrap();
    let (code, _) = run.finish();
    assert_eq!(code, Some(1));
    let rows = bench.rows();
    assert!(rows.contains("the server was ended by SIGKILL"), "{rows}");
    assert_holds_files(&bench.path("out"));
    let trials = bench.trials();
    let (failed, other) =
        if first.contains("SSE") { ("sse", "websocket") } else { ("websocket", "sse") };
    assert!(!trials[failed].valid && trials[failed].values.is_empty());
    assert_eq!(trials[other].values["lost"], 0.0);
}

#[test]
fn ctrl_c_keeps_what_is_finished_and_leaves_no_server() {
    let bench = Bench::new();
    bench.scenario(LONG);
    let mut run = bench.start_run();
    run.wait_for("[2/2]");
    run.wait_for("measuring");
    let server = run.server();
    run.signal(Signal::SIGINT);
    let (code, _) = run.finish();
    assert_eq!(code, Some(130));
    wait_gone(server);
    assert_holds_files(&bench.path("out"));
    assert_eq!(bench.trials().len(), 1);
}

#[test]
fn a_killed_run_leaves_no_server_and_the_trials_that_had_ended() {
    let bench = Bench::new();
    bench.scenario(LONG);
    let mut run = bench.start_run();
    run.wait_for("[2/2]");
    run.wait_for("measuring");
    let server = run.server();
    run.signal(Signal::SIGKILL);
    run.finish();
    wait_gone(server);
    let output = bench.output(&["report", "out"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_holds_files(&bench.path("out"));
    assert_eq!(bench.trials().len(), 1);

    // As if it had been killed while it wrote the row.
    let rows = bench.rows();
    fs::write(bench.path("out/trials.jsonl"), format!("{rows}{{\"cell\":\"ba")).unwrap();
    let output = bench.output(&["report", "out"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stderr);
    assert!(said.contains("trials.jsonl: the last line is cut off and left out"), "{said}");
    fs::write(bench.path("out/trials.jsonl"), format!("{{\n{rows}")).unwrap();
    let output = bench.output(&["report", "out"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("trials.jsonl: line 1: "), "{}", text(&output.stderr));
}

#[test]
fn a_bad_scenario_exits_with_2_and_leaves_nothing() {
    let bench = Bench::new();
    bench.scenario(&SHORT.replace("subscribers = 20", "subscribers = 0"));
    for command in [&["run", "scenario.toml"][..], &["check", "scenario.toml"]] {
        let output = bench.output(command);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let message = "scenario.toml:7: `subscribers` must be at least 1, found 0";
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(said.contains(message), "{said}");
    }
    assert!(!bench.path("results").exists());
    assert_eq!(bench.output(&["run"]).status.code(), Some(2), "usage");
    assert_eq!(bench.output(&["run", "missing.toml"]).status.code(), Some(2), "no scenario");
}

#[test]
fn init_writes_a_scenario_that_checks() {
    let bench = Bench::new();
    assert!(bench.output(&["init", "mine.toml"]).status.success());
    assert!(bench.output(&["check", "mine.toml"]).status.success());
    let before = fs::read(bench.path("mine.toml")).unwrap();
    assert_eq!(bench.output(&["init", "mine.toml"]).status.code(), Some(2), "never overwrites");
    assert_eq!(fs::read(bench.path("mine.toml")).unwrap(), before);
    assert!(bench.output(&["init", "mine.toml", "--force"]).status.success());
    let schema = bench.output(&["schema"]);
    assert!(text(&schema.stdout).contains("json-schema.org"), "{}", text(&schema.stdout));
}

/// Polling at interval T delays an event that comes at a random time by a uniform share of T.
#[test]
fn alone_polling_agrees_with_theory() {
    let bench = Bench::alone();
    bench.scenario(
        r#"
        name = "theory"
        description = "Delays are uniform on [0, 400 ms]."
        compare = ["polling"]
        blocks = 1
        [workload]
        idle = "0s"
        subscribers = 150
        events_per_second = 20
        payload_bytes = 64
        duration = "3s"
        warm_up = "400ms"
        [polling]
        interval = "400ms"
        "#,
    );
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    let run = run_in(&bench.path("out"));
    assert_ran(&output, std::slice::from_ref(&run));
    let values = &bench.trials()["polling"].values;
    for (metric, predicted_ms, share) in
        [("latency_p50", 200.0, 0.05), ("latency_p99", 396.0, 0.03)]
    {
        let measured_ms = values[metric] / 1e6;
        let off = measured_ms / predicted_ms - 1.0;
        assert!(off > -share, "{metric} is {measured_ms} ms: no poll is early ({predicted_ms} ms)");
        // A busy machine adds to every delay, and the run has said that it was one.
        let is_disturbed = !shortages(&run).is_empty();
        assert!(is_disturbed || off < share, "{metric} is {measured_ms} ms, not {predicted_ms} ms");
    }
}
