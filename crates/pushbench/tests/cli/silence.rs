//! Connections that go silent: who listens for heartbeats notices in time and loses nothing, and nobody else
//! notices at all. And how long an event stream waits that the server has told.

use std::fs;
use std::process::Output;

use super::network::can_lay;
use super::support::{Bench, text};

/// Something happens to subscribers that have no idle time before.
fn scenario(top: &str, workload: &str, rest: &str) -> String {
    format!(
        "name = \"silence\"\ndescription = \"Connections go silent, or are cut.\"\nblocks = 1\n{top}\n\
         [workload]\npayload_bytes = 64\nwarm_up = \"500ms\"\nidle = \"0s\"\n{workload}\n{rest}\n"
    )
}

/// What each of the twenty gets, of two events a second.
const EVENTS: f64 = 10.0;

/// How long nothing may come: a sign of life that a busy machine brings two seconds late is not too late.
const DEAD_AFTER_S: f64 = 3.0;
const DEAD_AFTER: &str = "dead_after = \"3s\"";

/// Twenty subscribers with a channel each, of whom every transport's half goes silent.
fn silent(top: &str, reconnect: &str) -> String {
    scenario(
        &format!("{top}\nnetwork = {{ round_trip = \"4ms\" }}"),
        "subscribers = 20\nchannels = 20\nevents_per_second = 2\narrivals = \"poisson\"\nduration = \"5s\"",
        &format!(
            r#"
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
        ),
    )
}

/// Connections are cut, and come back by `reconnect`.
fn cut(workload: &str, reconnect: &str) -> String {
    let fault = "[[workload.faults]]\nat = \"200ms\"\nkind = \"cut\"\n[workload.reconnect]\n";
    scenario("compare = [\"sse\", \"websocket\"]", workload, &format!("{fault}{reconnect}"))
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
    let bench = Bench::new();
    let output = run_well(&bench, &silent("", DEAD_AFTER));
    let trials = bench.trials();
    assert_eq!(trials.len(), 5, "{}", text(&output.stderr));
    for (contender, row) in &trials {
        let value = |metric: &str| {
            *row.values.get(metric).unwrap_or_else(|| panic!("{contender} has no {metric}"))
        };
        let account = ["expected", "delivered", "lost", "duplicated"].map(value);
        let all = 20.0 * EVENTS;
        assert_eq!(account, [all, all, 0.0, 0.0], "{contender}");
        let found = ["connections_silenced", "found_dead", "connections_broken"].map(value);
        assert_eq!(found, [10.0; 3], "{contender}");
        // Nobody notices too soon: the last sign of life is a second old at most, a little more on a busy machine;
        // and a poll is asked later. Whoever noticed too late would have lost something.
        let (mean, slowest) = (value("notice_time_mean") / 1e9, value("notice_time_max") / 1e9);
        let least = DEAD_AFTER_S - if contender == "polling" { 0.0 } else { 1.5 };
        assert!(mean >= least && mean <= slowest, "{contender}: {mean} s of {slowest} s");
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
    let top = "compare = [\"sse\", \"long-polling\"]\ntls = true\nhttp = \"2\"";
    let two_each = silent(top, DEAD_AFTER)
        .replace("channels = 20\n", "channels = 20\nchannels_per_subscriber = 2\n");
    let bench = Bench::new();
    run_well(&bench, &two_each);
    for (contender, row) in &bench.trials() {
        let account = ["expected", "lost", "duplicated"].map(|metric| row.values[metric]);
        assert_eq!(account, [2.0 * 20.0 * EVENTS, 0.0, 0.0], "{contender}");
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
    let scenario = silent("compare = [\"sse\"]\nservers = [\"mine\"]", DEAD_AFTER);
    let bench = Bench::new();
    let output = run_well(&bench, &format!("{scenario}\n{server}"));
    let trials = bench.trials();
    assert_eq!(trials.len(), 1, "{}", text(&output.stderr));
    for (contender, row) in &trials {
        let account = ["expected", "lost", "duplicated", "found_dead"].map(|of| row.values[of]);
        let expected = [20.0 * EVENTS, 0.0, 0.0, 10.0];
        assert_eq!(account, expected, "{contender}: {}", text(&output.stderr));
    }
}

#[test]
fn without_a_time_out_nobody_notices() {
    if !can_lay() {
        return;
    }
    let bench = Bench::new();
    let output = run(&bench, &silent("compare = [\"sse\", \"websocket\"]", ""));
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
        // Of ten subscribers, whatever came behind the first half second or a little later.
        assert!(lost > 0.0 && lost <= 10.0 * EVENTS, "{contender}: {lost} lost");
        assert_eq!(lost + delivered, 20.0 * EVENTS, "{contender}: the loss is exact");
    }
}

/// Full jitter: uniform on nothing to the longest. That the waits are drawn so is tested where they are.
#[test]
fn jittered_waits_are_measured_as_they_are_drawn() {
    let workload = "subscribers = 200\nevents_per_second = 20\nduration = \"2s\"";
    let bench = Bench::new();
    run_well(&bench, &cut(workload, "first = \"800ms\"\njitter = true"));
    for (contender, row) in &bench.trials() {
        assert_eq!(row.values["lost"], 0.0, "{contender}");
        let ms = |metric: &str| row.values[metric] / 1e6;
        // So are 200 draws but once in a hundred thousand times, and what a busy machine adds, it adds to all.
        let (median, slowest) = (ms("reconnect_time_p50"), ms("reconnect_time_max"));
        assert!(median >= 275.0 && slowest >= 700.0, "{contender}: {median} ms, {slowest} ms");
        assert!(
            slowest - median >= 150.0,
            "not all wait as long: {contender}: {median} ms, {slowest} ms"
        );
    }
}

#[test]
fn an_event_stream_waits_as_its_server_says() {
    let workload = "subscribers = 20\nevents_per_second = 100\nduration = \"2500ms\"";
    let reconnect = "first = \"100ms\"\nby = \"server\"\n[sse]\nretry = \"1400ms\"";
    let bench = Bench::new();
    run_well(&bench, &cut(workload, reconnect));
    let trials = bench.trials();
    for (contender, row) in &trials {
        assert_eq!(row.values["lost"], 0.0, "{contender}");
        assert_eq!(row.values["connections_broken"], 20.0, "{contender}");
    }
    let ms = |contender: &str| trials[contender].values["reconnect_time_p50"] / 1e6;
    let [sse, websocket] = ["sse", "websocket"].map(ms);
    // A handshake comes on top, and on a busy machine a wait for a core.
    assert!(sse >= 1_399.0, "{sse} ms");
    assert!(websocket >= 99.0, "{websocket} ms");
    assert!(websocket < sse, "there is no such word there: {websocket} ms, {sse} ms");
}
