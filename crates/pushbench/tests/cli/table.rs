//! The usual table, filled from runs.

use std::fs;

use crate::support::{Bench, text};

/// As short as it gets with two blocks, and all transports of the table.
const WORKLOAD: &str = "name = \"mine\"\ndescription = \"As short as it gets.\"\nblocks = 2\n\
    [workload]\nsubscribers = 10\nevents_per_second = 20\npayload_bytes = 64\nduration = \"500ms\"\n\
    warm_up = \"200ms\"\nidle = \"0s\"\n[polling]\ninterval = \"200ms\"\n";

fn rows(bench: &Bench) -> serde_json::Value {
    serde_json::from_slice(&fs::read(bench.path("out/table.json")).unwrap()).unwrap()
}

#[test]
fn alone_a_row_is_measured_once_and_rendered_again() {
    let bench = Bench::alone();
    bench.scenario(WORKLOAD);
    let connection = ["table", "scenario.toml", "--only", "connection", "--out", "out"];
    let output = bench.output(&connection);
    let said = text(&output.stderr);
    // Connections and requests are counted, which no busy machine changes.
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("1 scenarios, about") || said.contains("1 scenario, about"), "{said}");
    let first = rows(&bench);
    assert_eq!(first[0]["row"], "connection");
    let cells = first[0]["cells"].as_array().unwrap();
    let verdicts: Vec<_> = cells.iter().map(|cell| cell["verdict"].as_str().unwrap()).collect();
    // Polls share a connection here, whatever the table says, and streams keep one.
    assert_eq!(verdicts, ["does-not-hold", "holds", "holds", "holds"], "{first:#}");
    for cell in cells {
        let figure = &cell["cases"][0]["figures"][0];
        assert!(figure["value"].is_f64() && figure["low"].is_f64(), "{cell:#}");
    }
    for file in ["table.html", "table.md", "table.png", "workload/report.html"] {
        assert!(fs::metadata(bench.path("out").join(file)).unwrap().len() > 1_000, "{file}");
    }
    let page = fs::read_to_string(bench.path("out/table.html")).unwrap();
    assert!(page.contains("href=\"workload/report.html\""), "{page}");
    assert!(page.contains("pushbench run scenario.toml"), "the command of the cell: {page}");

    let trials = fs::read(bench.path("out/workload/trials.jsonl")).unwrap();
    let again = bench.output(&connection);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert!(text(&again.stderr).contains("workload: it is there already"));
    assert_eq!(trials, fs::read(bench.path("out/workload/trials.jsonl")).unwrap());

    fs::remove_file(bench.path("out/table.html")).unwrap();
    let output = bench.output(&["table", "--results", "out", "--only", "connection,browsers"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(bench.path("out/table.html").exists());
    let both = rows(&bench);
    assert_eq!((&both[0]["row"], &both[1]["row"]), (&"connection".into(), &"browsers".into()));
    assert_eq!(both[1]["cells"][0]["verdict"], "not-measured");
    assert_eq!(both[0], first[0], "the same figures");
}

#[test]
fn what_it_cannot_fill_it_refuses_or_says() {
    let bench = Bench::new();
    bench.scenario(&format!("{WORKLOAD}[sweep]\n\"workload.subscribers\" = [5, 10]\n"));
    let output = bench.output(&["table", "scenario.toml", "--only", "connection", "--out", "out"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("leave out [sweep]"), "{}", text(&output.stderr));
    let wrong = bench.output(&["table", "--only", "speed"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("server-load"), "{}", text(&wrong.stderr));
    let nothing = bench.output(&["table", "--results", "."]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(text(&nothing.stderr).contains("holds no run of a table"));
    let both = bench.output(&["table", "scenario.toml", "--results", "."]);
    assert_eq!(both.status.code(), Some(2));
}
