//! `pushbench history` as its users see it.

use std::fs;

use crate::support::{Bench, sample, text};

/// A history of so many days: from half of them on, a delivery takes a fifth more CPU.
fn history(days: usize) -> String {
    let mut text = "run,revision,time,machine,scenario,scenario_sha256,cell,transport,metric,unit,\
                    estimate,low,high,level,blocks\n"
        .to_owned();
    for day in 1..=days {
        let estimate = 5_000 + 10 * (day * 7 % 5) + if 2 * day > days { 1_000 } else { 0 };
        text += &format!(
            "daily-{day},rev{day},2025-01-{day:02}T00:00:00Z,A CPU,daily,9f86,base,sse,server_cpu_per_delivery,ns,\
             {estimate},,,,1\n"
        );
    }
    text
}

#[test]
fn a_run_is_added_once_and_shown() {
    let bench = Bench::new();
    let sample = sample();
    let out = sample.to_str().unwrap();
    let added = bench.output(&["history", "add", out, "--revision", "v1.2"]);
    assert_eq!(added.status.code(), Some(0), "{}", text(&added.stderr));
    assert!(text(&added.stdout).ends_with("history.csv holds 1 runs\n"), "{}", text(&added.stdout));
    let before = fs::read_to_string(bench.path("history.csv")).unwrap();
    assert!(before.contains(",v1.2,"), "{before}");
    assert!(before.contains(",sse,bytes_per_delivery,bytes,"), "{before}");

    let again = bench.output(&["history", "add", out]);
    assert!(text(&again.stdout).contains("is there already"), "{}", text(&again.stdout));
    assert_eq!(fs::read_to_string(bench.path("history.csv")).unwrap(), before);

    // Unless it is said, what was measured is the program that measured, if it knew its revision.
    assert!(bench.output(&["history", "add", out, "--file", "own.csv"]).status.success());
    let own = fs::read_to_string(bench.path("own.csv")).unwrap();
    let run = fs::read_to_string(sample.join("run.json")).unwrap();
    let revision = own.lines().nth(1).unwrap().split(',').nth(1).unwrap();
    let expected = match revision {
        "" => "\"revision\": null".to_owned(),
        _ => format!("\"revision\": \"{revision}\""),
    };
    assert!(run.contains(&expected), "{revision} is not in {run}");

    let shown = bench.output(&["history", "show", "--out", "page"]);
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    assert!(text(&shown.stdout).contains("No change was found"), "{}", text(&shown.stdout));
    for file in ["page/history.md", "page/charts/server_cpu_per_delivery.png"] {
        assert!(bench.path(file).is_file(), "{file}");
    }
}

#[test]
fn a_change_is_named_with_its_revision() {
    let bench = Bench::new();
    fs::write(bench.path("mine.csv"), history(20)).unwrap();
    let shown = bench.output(&["history", "show", "--file", "mine.csv"]);
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    let said = text(&shown.stdout);
    let row =
        said.lines().find(|line| line.starts_with("Server CPU per delivery of SSE ")).unwrap();
    for value in [" +20 %", " 5.02 µs", " 6.02 µs", " rev11", " 2025-01-11T00:00:00Z"] {
        assert!(row.contains(value), "{value} is missing: {said}");
    }
    assert!(bench.path("mine/history.md").is_file(), "beside the file by default");
}

#[test]
fn a_damaged_history_is_refused_and_stays_as_it_is() {
    let bench = Bench::new();
    let sample = sample();
    let damaged = format!("{}daily-3,rev3,2025-01-0", history(2));
    fs::write(bench.path("history.csv"), &damaged).unwrap();
    for command in [&["history", "add", sample.to_str().unwrap()][..], &["history", "show"]] {
        let output = bench.output(command);
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert!(said.contains("history.csv is damaged: mend it, restore a copy"), "{said}");
    }
    assert_eq!(fs::read_to_string(bench.path("history.csv")).unwrap(), damaged);
    assert!(!bench.path("history").exists());
}

#[test]
fn what_is_missing_is_named() {
    let bench = Bench::new();
    let output = bench.output(&["history", "show"]);
    assert_eq!(output.status.code(), Some(1));
    let way_out = "history.csv is missing: pushbench history add DIR --file history.csv makes it";
    assert!(text(&output.stderr).contains(way_out), "{}", text(&output.stderr));
    let output = bench.output(&["history", "add", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("nowhere/run.json is missing"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(bench.output(&["history", "add"]).status.code(), Some(2), "usage");
    assert!(!bench.path("history.csv").exists());
}
