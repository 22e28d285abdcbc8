//! Several scenarios in one run.

use std::fs;
use std::process::Output;

use super::support::{Bench, assert_holds_files, assert_ran, run_in, text};

/// What SSE costs, as short as it gets.
fn tiny(name: &str) -> String {
    format!(
        r#"
name = "{name}"
description = "As short as it gets."
compare = ["sse"]
blocks = 1

[workload]
subscribers = 5
events_per_second = 20
payload_bytes = 64
duration = "300ms"
warm_up = "100ms"
idle = "0s"
"#
    )
}

/// A folder with `one.toml` and `two.toml`, beside what is no scenario of it.
fn folder(bench: &Bench, one: &str, two: &str) {
    fs::create_dir_all(bench.path("mine/below")).unwrap();
    fs::write(bench.path("mine/two.toml"), two).unwrap();
    fs::write(bench.path("mine/one.toml"), one).unwrap();
    fs::write(bench.path("mine/below/three.toml"), tiny("three")).unwrap();
    fs::create_dir(bench.path("mine/four.toml")).unwrap();
    fs::write(bench.path("mine/scenario.schema.json"), "{}").unwrap();
}

fn said(output: &Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_folder_runs_whole_and_leaves_an_index() {
    let bench = Bench::new();
    folder(&bench, &tiny("one"), &tiny("two"));
    let output = bench.output(&["run", "mine"]);
    let results: Vec<_> =
        fs::read_dir(bench.path("results")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [top] = &results[..] else { panic!("{results:?}") };
    assert!(top.file_name().unwrap().to_str().unwrap().starts_with("mine-"), "{top:?}");
    let mut names: Vec<_> = fs::read_dir(top)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["one", "summary.md", "two"]);
    assert_ran(&output, &[run_in(&top.join("one")), run_in(&top.join("two"))]);
    let index = fs::read_to_string(top.join("summary.md")).unwrap();
    let [one, two] = ["one", "two"].map(|name| {
        assert_holds_files(&top.join(name));
        let row = format!("\n| [{name}]({name}/report.html) | ");
        index.find(&row).unwrap_or_else(|| panic!("{row} is missing in {index}"))
    });
    assert!(one < two, "{index}");
    let said = said(&output);
    assert!(said.contains("[1/2] one, SSE") && said.contains("[2/2] two, SSE"), "{said}");
    assert!(text(&output.stdout).contains("scenario"), "the table ends it: {said}");
    assert!(said.contains("of 1 trials valid"), "{said}");
}

#[test]
fn all_scenarios_are_checked_before_the_first_trial() {
    let bench = Bench::new();
    folder(&bench, &tiny("one"), &tiny("two").replace("= 20", "= 0"));
    let output = bench.output(&["run", "mine"]);
    assert_eq!(output.status.code(), Some(2));
    let message = "mine/two.toml:9: `events_per_second` must be a number above 0, found 0";
    assert!(said(&output).contains(message), "{}", said(&output));

    fs::write(bench.path("mine/two.toml"), tiny("one")).unwrap();
    let output = bench.output(&["run", "mine"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("have the same name `one`"), "{}", said(&output));
    let bad = bench.output(&["run", "mine", "--max-time", "soon"]);
    assert_eq!(bad.status.code(), Some(2));
    assert!(!bench.path("results").exists());
}
