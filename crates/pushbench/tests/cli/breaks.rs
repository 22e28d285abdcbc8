//! What breaks while events are measured: nothing is lost, and what followed is counted.

use std::fs;

use nix::sys::signal::Signal;

use super::network::can_lay;
use super::support::{Bench, text, wait_gone};

/// Twenty subscribers of every transport that a test names, with ten milliseconds between events.
fn scenario(top: &str, faults: &str) -> String {
    format!(
        r#"
name = "faults"
description = "Something breaks."
blocks = 1
{top}

[workload]
subscribers = 20
events_per_second = 100
payload_bytes = 64
duration = "1200ms"
warm_up = "200ms"
idle = "0s"
{faults}
[polling]
interval = "50ms"
"#
    )
}

/// Runs it, and hands over each contender with what it reports.
fn each(bench: &Bench, text_of_scenario: &str, check: impl Fn(&str, &dyn Fn(&str) -> f64)) {
    bench.scenario(text_of_scenario);
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    let said = text(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
    let trials = bench.trials();
    assert!(!trials.is_empty(), "{said}");
    for (contender, row) in &trials {
        let value = |metric: &str| {
            *row.values.get(metric).unwrap_or_else(|| panic!("{contender} has no {metric}: {said}"))
        };
        let account = ["expected", "delivered", "lost", "duplicated", "reordered"].map(value);
        assert_eq!(account, [2_400.0, 2_400.0, 0.0, 0.0, 0.0], "{contender}: {said}");
        check(contender, &value);
    }
    let summary = fs::read_to_string(bench.path("out/summary.md")).unwrap();
    assert!(summary.contains("### When things broke"), "{summary}");
}

#[test]
fn whoever_is_cut_off_comes_back_with_nothing_lost() {
    for (how, share, hit, road) in [
        (
            "close",
            0.5,
            10.0,
            "tls = true\nhttp = \"3\"\ncompression = true\ncompare = [\"sse\", \"polling\", \"long-polling\"]",
        ),
        ("close", 1.0, 20.0, ""),
        ("reset", 0.5, 10.0, "tls = true"),
        (
            "close",
            1.0,
            20.0,
            "tls = true\nhttp = \"2\"\ncompare = [\"sse\", \"long-polling\", \"websocket\"]",
        ),
    ] {
        let cut = format!(
            "[[workload.faults]]\nat = \"300ms\"\nkind = \"cut\"\nhow = \"{how}\"\nshare = {share}\n\
             [workload.reconnect]\nfirst = \"200ms\"\n"
        );
        each(&Bench::new(), &scenario(road, &cut), |contender, value| {
            let cut = ["faults", "connections_cut", "connections_opened"].map(value);
            assert_eq!(cut, [1.0, hit, 20.0 + hit], "{contender}, {how} {share} {road}");
            let broken = value("connections_broken");
            // Polls ask again at once, over a new connection, if the old one has answered nothing.
            let may_be_fewer = contender.ends_with("polling") && broken < hit;
            assert!(broken == hit || may_be_fewer, "{contender}, {how} {share} {road}: {broken}");
            if broken == 0.0 {
                return;
            }
            for metric in ["reconnect_time_p50", "recovery_time_p50"] {
                let ms = value(metric) / 1e6;
                assert!(ms >= 199.0, "{contender} waits for 200 ms first: {metric} is {ms} ms");
            }
        });
    }
}

#[test]
fn a_server_that_stands_still_is_late_and_loses_nothing() {
    let pause = "[[workload.faults]]\nat = \"300ms\"\nkind = \"pause\"\nfor = \"600ms\"\n";
    each(&Bench::new(), &scenario("", pause), |contender, value| {
        // What was published at its beginning waits for its end; a busy machine may begin it later.
        let slowest_ms = value("latency_max") / 1e6;
        assert!(slowest_ms > 400.0, "{contender}: {slowest_ms} ms");
        assert_eq!(value("connections_broken"), 0.0, "{contender}");
    });
}

#[test]
fn a_network_that_carries_nothing_is_late_and_loses_nothing() {
    if !can_lay() {
        return;
    }
    let outage = "[[workload.faults]]\nat = \"300ms\"\nkind = \"outage\"\nfor = \"600ms\"\n";
    let network = "network = { round_trip = \"4ms\" }";
    each(&Bench::new(), &scenario(network, outage), |contender, value| {
        // As above.
        let slowest_ms = value("latency_max") / 1e6;
        assert!(slowest_ms > 400.0, "{contender}: {slowest_ms} ms");
        assert_eq!(value("connections_broken"), 0.0, "{contender}: TCP repeats what was lost");
    });
}

#[test]
fn a_server_that_stands_still_is_ended_with_its_run() {
    let pause = "[[workload.faults]]\nat = \"0s\"\nkind = \"pause\"\nfor = \"1100ms\"\n";
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let bench = Bench::new();
        bench.scenario(&scenario("compare = [\"sse\"]", pause));
        let mut run = bench.start_run();
        run.wait_for("measuring");
        let server = run.server();
        while !fs::read_to_string(format!("/proc/{server}/stat")).unwrap().contains(") T ") {
            std::thread::yield_now();
        }
        run.signal(signal);
        run.finish();
        wait_gone(server);
    }
}
