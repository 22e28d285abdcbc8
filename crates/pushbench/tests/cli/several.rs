//! Several scenarios in one run, and a run that has only so much time.

use std::fs;
use std::process::Output;

use nix::sys::signal::Signal;

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

fn read(bench: &Bench, name: &str) -> String {
    fs::read_to_string(bench.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
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
fn the_worst_of_several_is_the_exit_code_and_the_last_word() {
    let bench = Bench::new();
    let crossed = tiny("two") + "[thresholds]\n\"sse.delivered\" = [\"count<1\"]\n";
    folder(&bench, &tiny("one"), &crossed);
    let output = bench.output(&["run", "mine/one.toml", "mine/two.toml", "--out", "out"]);
    assert_eq!(output.status.code(), Some(99), "{}", said(&output));
    let last = text(&output.stderr).lines().last().unwrap();
    assert_eq!(last, "two: sse.delivered: count<1 is crossed (30)");
    assert!(read(&bench, "out/summary.md").contains("; thresholds crossed: 1 |"));

    let again = bench.output(&["run", "mine", "--out", "out"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("out/one already holds a run"), "{}", said(&again));
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
    assert!(said(&output).contains("are both called `one`"), "{}", said(&output));
    assert!(!bench.path("results").exists());
}

#[test]
fn ctrl_c_keeps_what_is_there_and_says_what_is_not() {
    let bench = Bench::new();
    folder(&bench, &tiny("one"), &tiny("two").replace("300ms", "20s"));
    let mut run = Bench::start(bench.command(&["run", "mine", "--out", "out"]));
    run.wait_for("[1/2]");
    run.signal(Signal::SIGINT);
    let (code, said) = run.finish();
    assert_eq!(code, Some(130), "{said}");
    let index = read(&bench, "out/summary.md");
    assert!(index.contains("| [one](one/report.html) | "), "{index}");
    assert!(
        index.contains("| [two](two/report.html) | – | 0 of 1 trials valid; not run: 1 |"),
        "{index}"
    );
    assert_holds_files(&bench.path("out/one"));
}

#[test]
fn a_run_with_little_time_is_shortened_and_says_so() {
    let bench = Bench::new();
    bench.scenario(&tiny("short").replace("blocks = 1", "blocks = 4").replace("300ms", "60s"));
    let output = bench.output(&["run", "scenario.toml", "--out", "out", "--max-time", "3s"]);
    assert_ran(&output, &[run_in(&bench.path("out"))]);
    let said = said(&output);
    assert!(said.contains("short: 1 instead of 4 blocks, "), "{said}");
    assert!(said.contains(" instead of 1m of measured time"), "{said}");
    let run: serde_json::Value = serde_json::from_str(&read(&bench, "out/run.json")).unwrap();
    let manifest = &run["manifest"];
    assert_eq!(manifest["planned_trials"], 1);
    assert_eq!(manifest["shortenings"][0]["part"], "blocks");
    let settings = manifest["settings"].as_array().unwrap();
    assert!(settings.iter().any(|setting| setting["subscribers"] == "1 instead of 4"));
    let window_ns = bench.trials()["sse"].values["window"];
    assert!(window_ns < 3e9, "{window_ns}");
    assert!(read(&bench, "out/summary.md").contains("The run was shortened to end in time"));
    let bad = bench.output(&["run", "scenario.toml", "--max-time", "soon"]);
    assert_eq!(bad.status.code(), Some(2));
}

#[test]
fn published_figures_stand_beside_the_measured_ones() {
    let bench = Bench::new();
    let figure = "[[published]]\ntransport = \"sse\"\nmetric = \"bytes_per_delivery\"\nvalue = \"871B\"\n\
                  source = \"Somebody\"\nnote = \"calculated\"\n";
    bench.scenario(&(tiny("published") + figure));
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    assert_ran(&output, &[run_in(&bench.path("out"))]);
    let summary = read(&bench, "out/summary.md");
    assert!(summary.contains("## Published and measured\n"), "{summary}");
    assert!(summary.contains("| SSE | Bytes per delivery | 871 B | "), "{summary}");
    assert!(summary.contains(" | Somebody | calculated |\n"), "{summary}");
    assert!(read(&bench, "out/report.html").contains("<span class=\"value\">Somebody</span>"));
}
