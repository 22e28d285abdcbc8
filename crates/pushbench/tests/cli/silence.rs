//! Connections that go silent: who listens for heartbeats notices in time and loses nothing, and nobody else
//! notices at all. And how long an event stream waits that the server has told.

use std::fs;
use std::process::Output;

use super::network::can_lay;
use super::support::{Bench, text};

/// Twenty subscribers with a channel each, of whom every transport's half goes silent.
fn scenario(compare: &str, reconnect: &str) -> String {
    format!(
        r#"
name = "silence"
description = "Connections go silent."
blocks = 1
compare = [{compare}]
network = {{ round_trip = "4ms" }}

[workload]
subscribers = 20
channels = 20
events_per_second = 2
arrivals = "poisson"
payload_bytes = 64
duration = "4s"
warm_up = "500ms"
idle = "0s"

[[workload.faults]]
at = "500ms"
kind = "silence"
share = 0.5

[workload.reconnect]
most = "200ms"
{reconnect}

[polling]
interval = "200ms"

[long-polling]
timeout = "1s"

[sse]
heartbeat = "1s"

[websocket]
heartbeat = "1s"

[tcp]
heartbeat = "1s"
"#
    )
}

fn run(bench: &Bench, text_of_scenario: &str) -> Output {
    bench.scenario(text_of_scenario);
    bench.output(&["run", "scenario.toml", "--out", "out"])
}

/// The same of a run in which nothing is lost.
fn run_well(bench: &Bench, text_of_scenario: &str) -> Output {
    let output = run(bench, text_of_scenario);
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 3)), "{code:?}: {}", text(&output.stderr));
    output
}

#[test]
fn whoever_listens_for_signs_of_life_notices_in_time_and_loses_nothing() {
    if !can_lay() {
        return;
    }
    let bench = Bench::alone();
    let all = "\"polling\", \"long-polling\", \"sse\", \"websocket\", \"tcp\"";
    let output = run_well(&bench, &scenario(all, "dead_after = \"1500ms\""));
    let trials = bench.trials();
    assert_eq!(trials.len(), 5, "{}", text(&output.stderr));
    for (contender, row) in &trials {
        let value = |metric: &str| {
            *row.values.get(metric).unwrap_or_else(|| panic!("{contender} has no {metric}"))
        };
        let account = ["expected", "delivered", "lost", "duplicated"].map(value);
        assert_eq!(account, [160.0, 160.0, 0.0, 0.0], "{contender}");
        let found = ["connections_silenced", "found_dead", "connections_broken"].map(value);
        assert_eq!(found, [10.0; 3], "{contender}");
        // The last sign of life is a second old at most. A poll may be asked an interval later, and a busy
        // machine notices late.
        let (mean, slowest) = (value("notice_time_mean") / 1e9, value("notice_time_max") / 1e9);
        let least = if contender == "polling" { 1.5 } else { 0.5 };
        assert!(mean >= least && mean <= slowest, "{contender}: {mean} s of {slowest} s");
        assert!(slowest <= 1.5 + 0.2 + 1.0, "{contender}: {slowest} s");
    }
    let summary = fs::read_to_string(bench.path("out/summary.md")).unwrap();
    assert!(summary.contains("### When connections went silent"), "{summary}");
    // On a busy machine, times are not held against anything.
    if ["polling", "sse"].iter().all(|of| trials[*of].valid) {
        let (_, theory) = summary.split_once("### Silence, against theory").unwrap();
        assert!(theory.contains("half an interval until it asks next"), "{theory}");
        assert!(theory.contains("age of the last event or heartbeat"), "{theory}");
    }
}

#[test]
fn subscriptions_that_share_a_connection_give_it_up_together() {
    if !can_lay() {
        return;
    }
    let two_each = scenario("\"sse\", \"long-polling\"", "dead_after = \"1500ms\"")
        .replace("blocks = 1\n", "blocks = 1\ntls = true\nhttp = \"2\"\n")
        .replace("channels = 20\n", "channels = 20\nchannels_per_subscriber = 2\n");
    let bench = Bench::new();
    run_well(&bench, &two_each);
    for (contender, row) in &bench.trials() {
        let account = ["expected", "lost", "duplicated"].map(|metric| row.values[metric]);
        assert_eq!(account, [320.0, 0.0, 0.0], "{contender}");
        assert_eq!(row.values["connections_silenced"], 10.0, "{contender}");
        // Whoever shares it sees it end.
        let found = row.values["found_dead"];
        assert!((10.0..=20.0).contains(&found), "{contender}: {found}");
        assert_eq!(row.values["connections_broken"], 20.0, "{contender}");
    }
}

/// Its event stream resumes by what it had last, which has to be known when the connection is given up.
#[test]
fn a_silent_connection_to_a_server_of_others_is_found_as_well() {
    if !can_lay() {
        return;
    }
    let program = env!("CARGO_BIN_EXE_pushbench");
    let server = format!(
        "[server.mine]\ncommand = \"'{program}' serve --public --heartbeat 1s --listen {{host}}:{{port}}\"\n\
         publish = {{ url = \"{{url}}/channels/{{channel}}/events\" }}\n\
         sse = {{ url = \"{{url}}/channels/{{channel}}/sse\" }}\n"
    );
    let scenario = scenario("\"sse\"", "dead_after = \"1500ms\"")
        .replace("blocks = 1\n", "blocks = 1\nservers = [\"mine\"]\n");
    let bench = Bench::new();
    let output = run_well(&bench, &format!("{scenario}\n{server}"));
    let trials = bench.trials();
    assert_eq!(trials.len(), 1, "{}", text(&output.stderr));
    for (contender, row) in &trials {
        let account = ["expected", "lost", "duplicated", "found_dead"].map(|of| row.values[of]);
        assert_eq!(account, [160.0, 0.0, 0.0, 10.0], "{contender}: {}", text(&output.stderr));
    }
}

#[test]
fn without_a_time_out_nobody_notices() {
    if !can_lay() {
        return;
    }
    let bench = Bench::new();
    let output = run(&bench, &scenario("\"sse\", \"websocket\"", ""));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let trials = bench.trials();
    assert_eq!(trials.len(), 2);
    for (contender, row) in &trials {
        let value = |metric: &str| row.values.get(metric).copied();
        assert_eq!(value("connections_silenced"), Some(10.0), "{contender}");
        assert_eq!(value("found_dead"), Some(0.0), "{contender}");
        assert_eq!(value("notice_time_mean"), None, "{contender}");
        let lost = value("lost").unwrap();
        let delivered = value("delivered").unwrap();
        // Of ten subscribers, whatever came behind the first half second.
        assert!(lost > 30.0 && lost < 80.0, "{contender}: {lost} lost");
        assert_eq!(lost + delivered, 160.0, "{contender}: the loss is exact");
    }
}

/// Full jitter: uniform on nothing to the longest. That the waits are drawn so is tested where they are.
#[test]
fn jittered_waits_are_measured_as_they_are_drawn() {
    let cut = r#"
name = "jitter"
description = "All are cut."
blocks = 1
compare = ["sse", "websocket"]

[workload]
subscribers = 200
events_per_second = 20
payload_bytes = 64
duration = "2s"
warm_up = "100ms"
idle = "0s"

[[workload.faults]]
at = "200ms"
kind = "cut"

[workload.reconnect]
first = "800ms"
jitter = true
"#;
    let bench = Bench::alone();
    run_well(&bench, cut);
    for (contender, row) in &bench.trials() {
        assert_eq!(row.values["lost"], 0.0, "{contender}");
        let ms = |metric: &str| row.values[metric] / 1e6;
        // Of 200 draws, the median is within a seventh of 400 ms but once in a hundred thousand times. What a
        // busy machine adds, it adds to all.
        let (median, slowest) = (ms("reconnect_time_p50"), ms("reconnect_time_max"));
        assert!((275.0..700.0).contains(&median), "{contender}: {median} ms");
        assert!((700.0..1_300.0).contains(&slowest), "{contender}: {slowest} ms");
    }
}

#[test]
fn an_event_stream_waits_as_its_server_says() {
    let cut = r#"
name = "retry"
description = "All are cut."
blocks = 1
compare = ["sse", "websocket"]

[workload]
subscribers = 20
events_per_second = 100
payload_bytes = 64
duration = "1500ms"
warm_up = "100ms"
idle = "0s"

[[workload.faults]]
at = "200ms"
kind = "cut"

[workload.reconnect]
first = "100ms"
by = "server"

[sse]
retry = "600ms"
"#;
    let bench = Bench::alone();
    run_well(&bench, cut);
    let trials = bench.trials();
    for (contender, row) in &trials {
        assert_eq!(row.values["lost"], 0.0, "{contender}");
        assert_eq!(row.values["connections_broken"], 20.0, "{contender}");
    }
    let ms = |contender: &str| trials[contender].values["reconnect_time_p50"] / 1e6;
    let [sse, websocket] = ["sse", "websocket"].map(ms);
    // A handshake comes on top, and on a busy machine a wait for a core.
    assert!((599.0..1_100.0).contains(&sse), "{sse} ms");
    assert!((99.0..599.0).contains(&websocket), "there is no such word there: {websocket} ms");
}
