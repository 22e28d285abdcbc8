//! A search for capacity from the command line to its files.

use std::fs;
use std::process::Output;

use pushbench_loadgen::results::capacity::{Answer, Purpose};
use pushbench_loadgen::results::{Capacity, store};

use super::support::{Bench, text};

/// As short as it gets.
const SCENARIO: &str = r#"
name = "tiny"
description = "How many can there be?"
compare = ["sse", "websocket"]
blocks = 1
[workload]
subscribers = 4
events_per_second = 50
payload_bytes = 64
duration = "300ms"
warm_up = "100ms"
[objectives]
"#;

const NEVER_LOST: &str = "\"sse.lost\" = [\"count==0\"]";

const SEARCH: [&str; 6] = ["capacity", "scenario.toml", "--vary", "subscribers", "--out", "out"];

fn search(bench: &Bench, objectives: &str, more: &[&str]) -> Output {
    bench.scenario(&format!("{SCENARIO}{objectives}\n"));
    bench.output(&[&SEARCH, more].concat())
}

/// Whether there are trials that say nothing of the server, each with a warning that says why, as there
/// must be when others keep the machine busy. Only then may the search give up: exit code 3.
fn was_disturbed(output: &Output, capacity: &Capacity) -> bool {
    let attempts = capacity.searches[0].attempts.iter();
    let spoiled = attempts.filter(|of| matches!(of.answer, Answer::Unknown { .. }));
    let spoiled: Vec<_> = spoiled.map(|of| &of.trial.warnings).collect();
    assert!(spoiled.iter().all(|warnings| !warnings.is_empty()));
    assert!(output.status.code() != Some(3) || !spoiled.is_empty(), "it gave up for nothing");
    !spoiled.is_empty()
}

#[test]
fn alone_what_the_user_allows_is_found_and_rendered_again() {
    let bench = Bench::alone();
    let output = search(&bench, NEVER_LOST, &["--max", "6"]);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    let capacity = store::load::<Capacity>(&bench.path("out")).unwrap().content;
    let [sse] = &capacity.searches[..] else { panic!("websocket has no objective") };
    assert_eq!((sse.start, sse.most.load), (4.0, 6.0));
    if !was_disturbed(&output, &capacity) {
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains("at least 6 subscribers"), "{said}");
        let confirmed = sse.attempts.iter().filter(|of| of.purpose == Purpose::Confirm);
        assert!(confirmed.filter(|of| of.answer == Answer::Met).count() >= 2, "{said}");
    }
    let files = ["capacity.csv", "capacity.html", "capacity.md", "charts/capacity-latency.png"];
    let read = || files.map(|file| fs::read(bench.path("out").join(file)).unwrap());
    let before = read();
    for file in files {
        fs::remove_file(bench.path("out").join(file)).unwrap();
    }
    let again = bench.output(&["report", "out"]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert!(read() == before, "the same bytes");

    let taken = search(&bench, NEVER_LOST, &[]);
    assert_eq!(taken.status.code(), Some(1));
    assert!(text(&taken.stderr).contains("out already holds a search"));
}

#[test]
fn wrong_usage_exits_with_2_and_leaves_nothing() {
    let bench = Bench::new();
    for (objectives, more, said) in [
        ("", &[][..], "[objectives]\n\"latency\" = [\"p(99)<100ms\"]"),
        (NEVER_LOST, &["--transport", "websocket"], "websocket has no objective"),
        (NEVER_LOST, &["--transport", "polling"], "unknown contender `polling`"),
        (NEVER_LOST, &["--contender", "pigeon"], "expected one of sse, websocket"),
        (NEVER_LOST, &["--max", "0"], "above 0"),
        ("\"sse.latency\" = [\"p(99)<1s\"]", &["--max", "1"], "need 5000 deliveries"),
        ("\"sse.latancy\" = [\"p(99)<1s\"]", &[], "did you mean `latency`?"),
    ] {
        let output = search(&bench, objectives, more);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(said), "{said}: {stderr}");
    }
    let what = bench.output(&["capacity", "scenario.toml", "--vary", "payload"]);
    assert_eq!(what.status.code(), Some(2));
    assert!(text(&what.stderr).contains("rate"), "{}", text(&what.stderr));
    assert!(!bench.path("out").exists() && !bench.path("results").exists());
}
