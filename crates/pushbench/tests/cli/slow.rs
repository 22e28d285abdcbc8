//! Subscribers that read slowly or nothing: others get everything, and they learn what they missed.

use std::fs;

use super::support::{Bench, text};

/// Two of ten subscribers are slow. Each is due 13 MB, of which the server keeps the last second.
fn scenario(compare: &str, slow: &str) -> String {
    format!(
        r#"
name = "slow"
description = "Two of ten read slowly."
blocks = 1
compare = [{compare}]

[workload]
subscribers = 10
events_per_second = 100
payload_bytes = 32768
duration = "4s"
warm_up = "200ms"
idle = "0s"

[workload.slow]
share = 0.2
kept_for = "1s"
{slow}

[workload.reconnect]
most = "500ms"

[polling]
interval = "100ms"
"#
    )
}

/// Runs it, and checks that everyone else got everything, and that the slow ones did, or were told.
fn check(compare: &str, slow: &str) {
    let bench = Bench::new();
    bench.scenario(&scenario(compare, slow));
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    let said = text(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
    let trials = bench.trials();
    assert_eq!(trials.len(), compare.split(',').count(), "{said}");
    for (contender, row) in &trials {
        let value = |metric: &str| {
            *row.values.get(metric).unwrap_or_else(|| panic!("{contender} has no {metric}: {said}"))
        };
        let account = ["expected", "delivered", "lost", "duplicated", "lagged"].map(value);
        assert_eq!(account, [3_200.0, 3_200.0, 0.0, 0.0, 0.0], "{contender}, {slow}: {said}");
        let due = ["slow_subscribers", "slow_expected", "slow_untold"].map(value);
        assert_eq!(due, [2.0, 800.0, 0.0], "{contender}, {slow}");
        // What goes to slow readers, some 250 bytes for each delivery to others, is charged to nobody else. An
        // event that is half read at an edge of the window is worth 82 bytes at most.
        if contender == "sse" {
            let framing = value("framing_bytes_per_delivery");
            assert!(framing.abs() < 150.0, "{slow}: {framing} bytes");
        }
        assert!(!row.values.contains_key("server_cpu_per_delivery"), "{contender}");
        let (came, told) = (value("slow_delivered"), value("slow_told"));
        assert!(told > 0.0 && came > 0.0, "{contender}, {slow}: {came} came, {told} told");
        // Each has come or was told; the 20 events of the warm-up may be among those told.
        let both = came + told;
        assert!((800.0..=840.0).contains(&both), "{contender}, {slow}: {came} and {told}");
    }
    let summary = fs::read_to_string(bench.path("out/summary.md")).unwrap();
    assert!(summary.contains("### Slow readers"), "{summary}");
}

#[test]
fn whoever_reads_nothing_learns_what_it_missed_by_every_transport() {
    let all = "\"polling\", \"long-polling\", \"sse\", \"websocket\", \"tcp\"";
    check(all, "reads = \"nothing\"");
}

#[test]
fn every_policy_tells_what_was_missed() {
    check("\"websocket\"", "reads = \"nothing\"\npolicy = \"skip-to-newest\"");
    check("\"sse\"", "reads = \"nothing\"\npolicy = \"disconnect\"");
}

#[test]
fn whoever_reads_slowly_gets_what_it_can() {
    check("\"sse\"", "reads = \"slowly\"\nbytes_per_second = 100000");
}
