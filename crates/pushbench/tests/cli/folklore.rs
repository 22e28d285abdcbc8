//! `pushbench folklore` as its users see it.

use std::fs;
use std::path::Path;

use crate::support::{Bench, SAMPLE, text};

#[test]
fn without_runs_it_says_how_to_test_each_claim() {
    let bench = Bench::new();
    let output = bench.output(&["folklore"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("Of 10 published claims, 10 were not measured."), "{said}");
    // Lines break where they are full.
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("Test: pushbench run scenarios/distance.toml"), "{said}");
}

#[test]
fn it_holds_claims_against_a_run() {
    let bench = Bench::new();
    let output = bench.output(&["folklore", SAMPLE, "--format", "csv"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let mut reader = csv::Reader::from_reader(&output.stdout[..]);
    let columns = reader.headers().unwrap().clone();
    let at = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let of = |claim: &str| {
        let own: Vec<_> = rows.iter().filter(|row| &row[0] == claim).collect();
        assert!(!own.is_empty(), "{claim}");
        own
    };
    // Loopback has no proxy and no browser, and everything came in order.
    assert_eq!(&of("nginx-buffers")[0][at("verdict")], "not-measured");
    assert_eq!(&of("six-connections")[0][at("verdict")], "not-measured");
    assert_eq!(&of("message-order")[0][at("verdict")], "does-not-hold");
    assert_eq!(&of("message-order")[0][at("value")], "0");
    // The figure is that of the table for other programs.
    let ratios = fs::read_to_string(Path::new(SAMPLE).join("ratios.csv")).unwrap();
    let churn = of("connection-churn");
    let cpu = churn.iter().find(|row| &row[at("metric")] == "server_cpu_per_delivery").unwrap();
    assert!(
        ratios.lines().any(|line| line.contains(&format!(
            ",server_cpu_per_delivery,long-polling,websocket,{},",
            &cpu[at("value")]
        ))),
        "{cpu:?}"
    );
    let markdown = bench.output(&["folklore", SAMPLE, "--format", "markdown"]);
    let said = text(&markdown.stdout);
    assert!(said.starts_with("# Folklore") && said.contains("| claim |"), "{said}");
}

#[test]
fn a_run_that_cannot_be_trusted_is_left_out() {
    let bench = Bench::new();
    fs::create_dir(bench.path("out")).unwrap();
    for file in ["run.json", "trials.jsonl", "latency.hlog"] {
        fs::copy(Path::new(SAMPLE).join(file), bench.path("out").join(file)).unwrap();
    }
    let head = fs::read_to_string(bench.path("out/run.json")).unwrap();
    let stopped = head.replace("\"interrupted\": false", "\"interrupted\": true");
    fs::write(bench.path("out/run.json"), stopped).unwrap();
    let output = bench.output(&["folklore", "out"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stdout).contains("10 were not measured"), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("its figures are left out"), "{}", text(&output.stderr));
    let nothing = bench.output(&["folklore", "."]);
    assert_eq!(nothing.status.code(), Some(3), "a folder of runs");
    let wrong = bench.output(&["folklore", "nowhere"]);
    assert_eq!(wrong.status.code(), Some(1));
}
