//! Whether a run keeps to what its scenario asks for, as its exit code says it.

use std::fs;

use super::support::{Bench, text};

/// What SSE costs, as short as it gets.
const SCENARIO: &str = r#"
name = "limits"
description = "Has limits."
compare = ["sse"]
blocks = 1
[workload]
subscribers = 20
events_per_second = 50
payload_bytes = 64
duration = "500ms"
warm_up = "100ms"
idle = "0s"
[thresholds]
"#;

/// Runs it with one threshold.
fn run(threshold: &str) -> (Bench, Option<i32>, String) {
    let bench = Bench::new();
    bench.scenario(&format!("{SCENARIO}{threshold}\n"));
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    (bench, output.status.code(), said)
}

fn assert_shown(bench: &Bench, line: &str) {
    for file in ["summary.md", "report.html"] {
        let text = fs::read_to_string(bench.path("out").join(file)).unwrap();
        assert!(text.contains(line), "{file} lacks {line}");
    }
}

#[test]
fn a_crossed_threshold_exits_with_99_and_is_the_last_word() {
    let (bench, code, said) = run(r#""sse.delivered" = ["count<500"]"#);
    assert!(said.contains("  ✗ sse.delivered: count<500 is crossed (500)\n"), "{said}");
    assert_eq!(said.lines().last(), Some("sse.delivered: count<500 is crossed (500)"), "{said}");
    assert_eq!(code, Some(99), "{said}");
    assert_shown(&bench, "500 is crossed (500)");
}

#[test]
fn an_unknown_metric_exits_with_2_and_leaves_nothing() {
    let bench = Bench::new();
    bench.scenario(&format!("{SCENARIO}\"sse.latancy\" = [\"p(99)<25ms\"]\n"));
    for command in [&["run", "scenario.toml", "--out", "out"][..], &["check", "scenario.toml"]] {
        let output = bench.output(command);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        let message = "scenario.toml:14: there is no metric `latancy`: did you mean `latency`?";
        assert!(said.contains(message), "{said}");
    }
    assert!(!bench.path("out").exists());
}
