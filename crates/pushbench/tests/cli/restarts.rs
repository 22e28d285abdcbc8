//! The server is restarted while events are measured: what was acknowledged is delivered once, or is counted as
//! lost where the log was in memory, and nothing is left behind.

use std::fs;

use nix::sys::signal::Signal;

use super::support::{Bench, text, wait_gone};

/// Twenty subscribers of every transport, with five milliseconds between events.
fn scenario(top: &str, fault: &str) -> String {
    format!(
        r#"
name = "restarts"
description = "The server is restarted."
blocks = 1
{top}

[workload]
subscribers = 20
events_per_second = 200
payload_bytes = 64
duration = "2s"
warm_up = "200ms"
idle = "0s"

[[workload.faults]]
at = "500ms"
kind = "restart"
{fault}

[workload.reconnect]
first = "50ms"

[polling]
interval = "50ms"
"#
    )
}

/// What every contender is to get.
const EXPECTED: f64 = 400.0 * 20.0;

/// Runs it, and hands over each contender with what it reports.
fn each(bench: &Bench, text_of_scenario: &str, check: impl Fn(&str, &dyn Fn(&str) -> f64)) {
    // Where something is lost, a gate of the scenario fails.
    bench.scenario(text_of_scenario);
    let mut command = bench.command(&["run", "scenario.toml", "--out", "out"]);
    let scratch = bench.path("scratch");
    fs::create_dir(&scratch).unwrap();
    let output = command.env("TMPDIR", &scratch).output().unwrap();
    let said = text(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{:?}: {said}", output.status.code());
    let left: Vec<_> = fs::read_dir(&scratch).unwrap().map(|of| of.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
    let trials = bench.trials();
    assert_eq!(trials.len(), 5, "{said}");
    for (contender, row) in &trials {
        let value = |metric: &str| {
            *row.values.get(metric).unwrap_or_else(|| panic!("{contender} has no {metric}: {said}"))
        };
        assert_eq!(["expected", "server_restarts"].map(value), [EXPECTED, 1.0], "{contender}");
        let ready_ms = value("restart_time_max") / 1e6;
        assert!(ready_ms > 0.0 && ready_ms < 30_000.0, "{contender}: {ready_ms} ms");
        // The old one's CPU and the new one's: both did something.
        for metric in ["server_cpu", "server_memory_peak", "server_context_switches"] {
            assert!(value(metric) > 0.0, "{contender} has no {metric}");
        }
        check(contender, &value);
    }
    let summary = fs::read_to_string(bench.path("out/summary.md")).unwrap();
    assert!(summary.contains("### When things broke"), "{summary}");
}

#[test]
fn with_a_log_on_disk_nothing_is_lost_and_nothing_comes_twice() {
    for (top, fault) in [
        ("log = \"disk\"", ""),
        ("log = \"disk\"", "how = \"kill\""),
        ("log = \"disk-unsynced\"\ntls = true", "how = \"kill\"\nfor = \"300ms\""),
    ] {
        let bench = Bench::new();
        each(&bench, &scenario(top, fault), |contender, value| {
            let account = ["delivered", "lost", "duplicated", "reordered", "lagged"].map(value);
            assert_eq!(account, [EXPECTED, 0.0, 0.0, 0.0, 0.0], "{contender}, {top}, {fault}");
        });
    }
}

#[test]
fn with_a_log_in_memory_what_is_lost_is_counted() {
    let bench = Bench::new();
    each(&bench, &scenario("", "how = \"kill\""), |contender, value| {
        let [delivered, lost] = ["delivered", "lost"].map(value);
        assert_eq!(delivered + lost, EXPECTED, "{contender}");
        assert!(delivered > EXPECTED / 2.0, "{contender}: it goes on after the restart");
        // Whoever had an event of the log before is told that this is another one.
        let told = value("lagged");
        assert_eq!(told, 20.0, "{contender}");
    });
}

#[test]
fn a_server_that_is_not_ours_is_restarted_too() {
    let bench = Bench::new();
    let server = format!(
        r#"compare = ["sse", "long-polling", "polling"]
servers = ["other"]

[server.other]
command = "{} serve --listen {{host}}:{{port}} --stop-on-stdin-eof --log-dir {}-{{port}}"
url = "http://{{host}}:{{port}}"
publish = {{ url = "{{url}}/channels/{{channel}}/events", body = "{{payload}}" }}
sse = {{ url = "{{url}}/channels/{{channel}}/sse?after=0" }}
polling = {{ url = "{{url}}/channels/{{channel}}/poll", headers = {{ Last-Event-ID = "{{last}}" }}, cursor = {{ last = "/last_event_id" }} }}
long-polling = {{ url = "{{url}}/channels/{{channel}}/long-poll", headers = {{ Last-Event-ID = "{{last}}" }}, cursor = {{ last = "/last_event_id" }} }}
"#,
        env!("CARGO_BIN_EXE_pushbench"),
        bench.path("log").display(),
    );
    // Keys of the file come before its tables.
    let (server, table) = server.split_once("\n\n").unwrap();
    let text_of_scenario = format!("{}\n{table}", scenario(server, "how = \"kill\""));
    bench.scenario(&text_of_scenario);
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    let said = text(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{:?}: {said}", output.status.code());
    let trials = bench.trials();
    for contender in ["other-sse", "other-long-polling", "other-polling"] {
        let values = &trials[contender].values;
        let account = ["expected", "delivered", "lost", "server_restarts"].map(|of| values[of]);
        assert_eq!(account, [EXPECTED, EXPECTED, 0.0, 1.0], "{contender}: {said}");
        // It is not told the numbers of requests: what it had taken but not answered, all subscribers get twice.
        assert_eq!(values["duplicated"] % 20.0, 0.0, "{contender}: {said}");
    }
}

#[test]
fn a_server_that_runs_already_cannot_be_restarted() {
    let bench = Bench::new();
    let top = "compare = [\"sse\"]\nservers = [\"other\"]";
    let table = r#"
[server.other]
url = "http://127.0.0.1:9"
publish = { url = "{url}/publish", body = "{payload}" }
sse = { url = "{url}/sse" }
"#;
    let text_of_scenario = format!("{}{table}", scenario(top, ""));
    bench.scenario(&text_of_scenario);
    let output = bench.output(&["check", "scenario.toml"]);
    let said = text(&output.stderr).to_owned() + text(&output.stdout);
    let line = text_of_scenario.lines().position(|line| line.contains("\"restart\"")).unwrap() + 1;
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("scenario.toml:{line}:")), "{said}");
    assert!(said.contains("a restart needs a server that is started for the trial"), "{said}");
}

#[test]
fn a_run_that_ends_in_the_middle_of_a_restart_leaves_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let bench = Bench::new();
        let fault = "how = \"kill\"\nfor = \"1400ms\"";
        bench.scenario(&scenario("compare = [\"sse\"]\nlog = \"disk\"", fault));
        let scratch = bench.path("scratch");
        fs::create_dir(&scratch).unwrap();
        let mut command = bench.command(&["run", "scenario.toml", "--out", "out"]);
        command.env("TMPDIR", &scratch);
        let mut run = Bench::start(command);
        run.wait_for("measuring");
        let server = run.server();
        wait_gone(server);
        run.signal(signal);
        run.finish();
        // The guard of a server that is killed with its run needs a moment.
        for _ in 0..1_000 {
            if fs::read_dir(&scratch).unwrap().next().is_none() {
                break;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
        let left: Vec<_> = fs::read_dir(&scratch).unwrap().map(|of| of.unwrap().path()).collect();
        assert!(left.is_empty(), "{signal}: {left:?}");
    }
}
