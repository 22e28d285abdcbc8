//! `pushbench guide` as its users see it.

use std::fs;
use std::path::Path;

use crate::support::{Bench, SAMPLE, text};

/// A copy of the sample, so that nothing is written into the repository.
fn sample(bench: &Bench, name: &str) {
    let to = bench.path(name);
    fs::create_dir(&to).unwrap();
    for file in ["run.json", "trials.jsonl", "latency.hlog"] {
        fs::copy(Path::new(SAMPLE).join(file), to.join(file)).unwrap();
    }
}

#[test]
fn it_answers_from_a_folder_and_leaves_the_answer_there() {
    let bench = Bench::new();
    sample(&bench, "out");
    let output = bench.output(&["guide", "out", "--max", "latency_p99=100ms"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("meet all that is asked"), "{said}");
    // The figures are those of estimates.csv.
    assert!(said.contains("polling latency_p99 "), "{said}");
    let file = fs::read_to_string(bench.path("out/guide.md")).unwrap();
    assert!(file.starts_with("# Guide: "), "{file}");
    assert!(file.contains("100ms"), "{file}");

    let again = bench.output(&["guide", "out", "--max", "latency_p99=100ms"]);
    assert_eq!(text(&again.stdout), said, "the same figures, the same answer");
    assert_eq!(fs::read_to_string(bench.path("out/guide.md")).unwrap(), file);
}

#[test]
fn the_exit_code_says_whether_something_meets_it() {
    let bench = Bench::new();
    sample(&bench, "out");
    let code = |arguments: &[&str]| {
        let output = bench.output(&[&["guide", "out"], arguments].concat());
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        (output.status.code(), said)
    };
    let (missed, said) = code(&["--max", "latency_p99=1ns"]);
    assert_eq!(missed, Some(99), "{said}");
    assert!(said.contains("None of 4 contenders meets all that is asked."), "{said}");
    let (unknown, said) = code(&["--needs-proxy", "nginx:tuned"]);
    assert_eq!(unknown, Some(3), "{said}");
    assert!(said.contains("a way through nginx-tuned"), "{said}");
    let (unknown, said) = code(&["--two-way"]);
    assert_eq!(unknown, Some(3), "nobody sends in it: {said}");
    for (wrong, message) in [
        (&["--max", "latency_p99"][..], "--max: `latency_p99` is no METRIC=AMOUNT"),
        (&["--max", "latency_p98=1s"], "did you mean `latency_p9"),
        (&["--round-trip", "100"], "--round-trip must be a duration"),
        (&["--needs-proxy", "none"], "--needs-proxy: a proxy is named like"),
        (&[], "neither objectives nor needs"),
    ] {
        let (code, said) = code(wrong);
        assert_eq!(code, Some(2), "{wrong:?}: {said}");
        assert!(said.contains(message), "{wrong:?}: {said}");
    }
}

#[test]
fn it_says_nothing_of_a_run_that_cannot_be_trusted() {
    let bench = Bench::new();
    sample(&bench, "out");
    let head = fs::read_to_string(bench.path("out/run.json")).unwrap();
    let stopped = head.replace("\"interrupted\": false", "\"interrupted\": true");
    assert_ne!(head, stopped);
    fs::write(bench.path("out/run.json"), stopped).unwrap();
    let output = bench.output(&["guide", "out", "--max", "latency_p99=100ms"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(text(&output.stdout), "");
    assert!(text(&output.stderr).contains("out: the run ended after"), "{}", text(&output.stderr));
    assert!(!bench.path("out/guide.md").exists());
}

#[test]
fn json_is_for_other_programs() {
    let bench = Bench::new();
    sample(&bench, "out");
    let output = bench.output(&["guide", ".", "--json", "--max", "latency_p99=100ms"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let guides: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let cell = &guides[0]["cells"][0];
    assert_eq!(guides[0]["verdict"], "meets");
    let eligible: Vec<_> =
        cell["eligible"].as_array().unwrap().iter().map(|of| of.as_str().unwrap()).collect();
    assert!(eligible.contains(&"sse") && !eligible.contains(&"polling"), "{eligible:?}");
    let polling = &cell["contenders"][0];
    assert_eq!((&polling["contender"], &polling["verdict"]), (&"polling".into(), &"misses".into()));
    let figure = &polling["checks"][1]["figure"];
    assert_eq!(figure["metric"], "latency_p99");
    assert!(figure["value"].as_f64().unwrap() > 100e6, "{figure}");
}

#[test]
fn alone_a_scenario_is_run_first() {
    let bench = Bench::alone();
    fs::write(
        bench.path("mine.toml"),
        "name = \"mine\"\ndescription = \"As short as it gets.\"\ncompare = [\"polling\", \"sse\"]\nblocks = 1\n\
         [workload]\nsubscribers = 20\nevents_per_second = 50\npayload_bytes = 64\nduration = \"500ms\"\n\
         warm_up = \"100ms\"\nidle = \"0s\"\n[polling]\ninterval = \"50ms\"\n\
         [objectives]\n\"latency\" = [\"p(50)<10s\"]\n[needs]\ntwo_way = true\n",
    )
    .unwrap();
    let output = bench.output(&["guide", "mine.toml", "--out", "out"]);
    // Nobody sends in it, so nobody knows. A machine that is too busy says the same for another reason.
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(bench.path("out/report.html").is_file());
    let both = format!("{}{}", text(&output.stdout), text(&output.stderr));
    let is_told = both.contains("add [workload.upstream]") || both.contains("cannot be trusted");
    assert!(is_told, "{both}");
    let json = bench.output(&["guide", "mine.toml", "--json"]);
    assert_eq!(json.status.code(), Some(2));
}
