//! A sweep from the scenario to its report.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::support::{Bench, assert_ran, text};

const SWEEP: &str = r#"
name = "tiny"
description = "Two transports over two numbers of subscribers."
compare = ["sse", "websocket"]
blocks = 1

[workload]
subscribers = 5
events_per_second = 50
payload_bytes = 64
duration = "300ms"
warm_up = "100ms"
idle = "0s"

[sweep]
"workload.subscribers" = [10, 20]

[thresholds]
"*.lost" = ["count==0"]
"#;

/// Every file below `dir` with its content.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_str().unwrap();
            found.extend(
                files(&path).into_iter().map(|(of, bytes)| (format!("{name}/{of}"), bytes)),
            );
        } else {
            found.insert(
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                fs::read(&path).unwrap(),
            );
        }
    }
    found
}

#[test]
fn every_cell_is_measured_as_its_values_say_and_renders_again() {
    let bench = Bench::alone();
    bench.scenario(SWEEP);
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    assert_ran(&output);
    let (said, progress) = (text(&output.stdout), text(&output.stderr));
    assert!(progress.contains("[4/4] "), "{progress}");
    assert!(progress.contains("] SSE, subscribers=10: "), "{progress}");
    assert!(said.contains("A sweep of subscribers (10, 20).\n"), "{said}");
    assert!(said.contains("takes five blocks with valid trials: raise `blocks`."), "{said}");
    assert!(said.contains("  ✓ subscribers=20: sse.lost: count==0 is kept: 0\n"), "{said}");

    let mut expected = BTreeMap::new();
    let mut csv = csv::Reader::from_path(bench.path("out/trials.csv")).unwrap();
    for record in csv.records() {
        let record = record.unwrap();
        if &record[7] == "delivered" {
            let of = (record[2].to_owned(), record[3].to_owned(), record[5].to_owned());
            expected.insert(of, record[9].to_owned());
        }
    }
    let cells: BTreeSet<_> =
        expected.iter().map(|((cell, ..), count)| (&**cell, &**count)).collect();
    assert_eq!(expected.len(), 4, "two cells, two transports");
    let of_15_events = [("subscribers=10", "150"), ("subscribers=20", "300")];
    assert_eq!(cells, of_15_events.into_iter().collect());

    let json = fs::read_to_string(bench.path("out/run.json")).unwrap();
    assert!(json.contains("\"key\": \"workload.subscribers\",\n"), "{json}");

    let first = files(&bench.path("out"));
    // On a busy machine no trial may be valid, and then there is nothing to draw.
    let has_chart = first.contains_key("charts/sweep-server_cpu_per_second.png");
    let is_any_valid = bench.rows().contains("\"status\":\"valid\"");
    assert!(has_chart || !is_any_valid, "{:?}", first.keys());
    assert!(!first.contains_key("charts/latency-spectrum.png"), "{:?}", first.keys());
    for name in first
        .keys()
        .filter(|name| !["run.json", "trials.jsonl", "latency.hlog"].contains(&name.as_str()))
    {
        fs::remove_file(bench.path("out").join(name)).unwrap();
    }
    assert!(bench.output(&["report", "out"]).status.success());
    let again = files(&bench.path("out"));
    assert!(first == again, "other files or bytes: {:?}", again.keys());
}

#[test]
fn check_says_what_every_cell_is() {
    let bench = Bench::new();
    bench.scenario(SWEEP);
    let output = bench.output(&["check", "scenario.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let said = text(&output.stdout);
    assert!(said.contains("ok: 4 trials in about "), "{said}");
    assert!(said.contains("\n  subscribers=10: 15 events and 150 deliveries over 10 "), "{said}");
    assert!(said.contains("\n  subscribers=20: 15 events and 300 deliveries over 20 "), "{said}");
}

#[test]
fn a_bad_cell_exits_with_2_and_leaves_nothing() {
    let bench = Bench::new();
    bench.scenario(&SWEEP.replace("[10, 20]", "[10, 0]"));
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    assert_eq!(output.status.code(), Some(2));
    let message =
        "scenario.toml:16: in the cell subscribers=0: `subscribers` must be at least 1, found 0";
    assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
    assert!(!bench.path("out").exists());
}

#[test]
fn a_sweep_is_not_compared() {
    let bench = Bench::new();
    bench.scenario(SWEEP);
    let builds = ["--baseline", "true", "--candidate", "true"];
    for scenario in ["scenario.toml", "."] {
        let output = bench.output(&[&["compare", scenario][..], &builds].concat());
        assert_eq!(output.status.code(), Some(2), "{scenario}");
        let said = text(&output.stderr);
        assert!(said.contains("scenario.toml: compare does not support a [sweep]"), "{said}");
    }
}
