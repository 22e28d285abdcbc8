//! Servers that are not ours: how they are started, observed and stopped, however they behave.

use std::fs;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::support::{Bench, run_in, text, wait_gone};

const SHORT: &str = r#"
name = "foreign"
description = "Long enough to be watched."
compare = ["sse", "polling"]
blocks = 1

[workload]
subscribers = 5
events_per_second = 20
payload_bytes = 64
duration = "1s"
warm_up = "100ms"
idle = "0s"

[polling]
interval = "50ms"
"#;

#[test]
fn a_plan_counts_in_the_right_number() {
    let bench = Bench::new();
    bench.scenario(SHORT);
    let plan = |arguments: &[&str]| {
        let output = bench.output(arguments);
        text(&output.stdout).lines().next().unwrap_or_default().to_owned()
    };
    let two = plan(&["run", "scenario.toml", "--dry-run"]);
    assert!(two.starts_with("foreign: 2 contenders in 1 block, about "), "{two}");
    bench.scenario(
        &SHORT.replace("[\"sse\", \"polling\"]", "[\"sse\"]").replace("blocks = 1", "blocks = 5"),
    );
    let one = plan(&["run", "scenario.toml", "--dry-run"]);
    assert!(one.starts_with("foreign: 1 contender in 5 blocks, about "), "{one}");
}

/// `pushbench serve` as a shell has it started.
const SERVE: &str = concat!("'", env!("CARGO_BIN_EXE_pushbench"), "' serve \"$@\"");

/// A shell script as the server's command.
fn server(bench: &Bench, script: &str) -> String {
    fs::write(bench.path("server.sh"), script).unwrap();
    format!("sh {}", bench.path("server.sh").display())
}

fn run(bench: &Bench, script: &str) -> (Option<i32>, String) {
    let server = server(bench, script);
    let output = bench.output(&["run", "scenario.toml", "--out", "out", "--server", &server]);
    (output.status.code(), text(&output.stderr).to_owned())
}

/// Every trial came to its end, and measured a server that used CPU and memory.
fn assert_measured(bench: &Bench, said: &str) {
    let rows = bench.rows();
    assert!(!rows.contains("\"failed\""), "{said}\n{rows}");
    for (contender, row) in bench.trials() {
        assert_eq!(row.values["lost"], 0.0, "{contender}");
        for metric in ["server_cpu", "server_memory"] {
            assert!(
                row.values.get(metric).is_some_and(|value| *value > 0.0),
                "{contender}: {metric}"
            );
        }
    }
}

#[test]
fn a_server_that_cannot_start_is_started_once() {
    let bench = Bench::new();
    bench.scenario(SHORT);
    let (code, said) = run(&bench, "echo 'no room' >&2; exit 7");
    assert_eq!(code, Some(1));
    let reason = "the server ended with exit code 7 before it was ready; it said: no room";
    assert!(said.contains("Nothing can be measured with the server `sh "), "{said}");
    assert!(said.contains(reason), "{said}");
    assert_eq!(bench.rows().matches(reason).count(), 1, "{}", bench.rows());
}

#[test]
fn a_wrapper_is_measured_and_stopped_with_all_that_it_has_started() {
    let bench = Bench::new();
    bench.scenario(SHORT);
    // Two processes that ignore every polite signal, one of them in a session of its own.
    let (code, said) = run(
        &bench,
        &format!(
            "(trap '' TERM; exec sleep 1000) & echo $! >>survivors\n\
             setsid sh -c 'echo $$ >>survivors; exec sleep 1000' &\n\
             while test \"$(wc -l <survivors)\" -lt 2; do sleep 0.01; done\n{SERVE}\n"
        ),
    );
    assert!(matches!(code, Some(0 | 3)), "{said}");
    assert_measured(&bench, &said);
    let survivors = fs::read_to_string(bench.path("survivors")).unwrap();
    assert_eq!(survivors.lines().count(), 4, "two in each trial");
    for process in survivors.lines() {
        wait_gone(Pid::from_raw(process.parse().unwrap()));
    }
}

/// It has no environment either, so that it is known only by who has adopted it.
#[test]
fn a_server_in_the_background_of_a_launcher_that_has_ended_is_measured() {
    let bench = Bench::new();
    bench.scenario(SHORT);
    let script = format!("exec 3<&0\nsetsid env -i {SERVE} <&3 &\necho $! >>servers");
    let (code, said) = run(&bench, &script);
    assert!(matches!(code, Some(0 | 3)), "{said}");
    assert_measured(&bench, &said);
    for process in fs::read_to_string(bench.path("servers")).unwrap().lines() {
        wait_gone(Pid::from_raw(process.parse().unwrap()));
    }
}

#[test]
fn children_that_nobody_waits_for_may_be_missing() {
    let bench = Bench::new();
    bench.scenario(SHORT);
    let (_, said) = run(&bench, &format!("exec env --ignore-signal=CHLD {SERVE}"));
    assert_measured(&bench, &said);
    assert_eq!(bench.rows().matches("server-children-unseen").count(), 2, "{said}");
}

/// It need not know `--cpus`.
#[test]
fn a_server_has_the_cores_that_the_run_says() {
    let bench = Bench::new();
    bench.scenario(SHORT);
    let script = format!("grep Cpus_allowed_list: /proc/self/status >>allowed\n{SERVE}");
    let (_, said) = run(&bench, &script);
    let machine = run_in(&bench.path("out")).manifest.machine;
    let allowed = fs::read_to_string(bench.path("allowed")).unwrap();
    let allowed = allowed.lines().map(|line| line.split_whitespace().nth(1).unwrap());
    let first = machine.server_cores[0].to_string();
    let first_of = |list: &str| list.split([',', '-']).next().unwrap().to_owned();
    let allowed: Vec<_> = allowed.map(first_of).collect();
    assert_eq!(allowed, [&first[..], &first], "{said}");
    assert!(machine.server_cores != machine.generator_cores || machine.cores == 1);
}

/// As Node and Python do, which do not catch it.
#[test]
fn a_server_that_dies_of_the_signal_to_stop_is_measured() {
    let bench = Bench::new();
    bench.scenario(SHORT);
    let (code, said) =
        run(&bench, &format!("exec 3<&0\ntrap 'kill -9 $$' TERM\n{SERVE} <&3 &\nwait"));
    assert!(matches!(code, Some(0 | 3)), "{said}");
    assert_measured(&bench, &said);
}

#[test]
fn what_a_server_writes_need_not_be_text() {
    let bench = Bench::new();
    bench.scenario(SHORT);
    // Two hundred times what a pipe holds, without one line end, on both.
    let noise = "head -c 13000000 /dev/zero | tr '\\0' '\\377'";
    let (code, said) = run(
        &bench,
        &format!(
            "printf '\\377\\n'; {noise} >&2; echo; (sleep 0.2; {noise}; {noise} >&2) & {SERVE}"
        ),
    );
    assert!(matches!(code, Some(0 | 3)), "{said}");
    assert_measured(&bench, &said);
}

#[test]
fn an_address_of_somebody_else_is_refused() {
    let bench = Bench::new();
    bench.scenario(SHORT);
    let mut other = bench.command(&["serve", "--listen", "127.0.0.1:0"]);
    let mut other = other.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(other.stdout.take().unwrap()),
        &mut line,
    )
    .unwrap();
    let (code, said) = run(&bench, &format!("echo '{}'; sleep 1000", line.trim()));
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("process {} (pushbench) listens there", other.id())), "{said}");
}

#[test]
fn a_name_is_an_address() {
    let bench = Bench::new();
    bench.scenario(SHORT);
    let (code, said) = run(&bench, &format!("{SERVE} | sed -u s/127.0.0.1/localhost/"));
    assert!(matches!(code, Some(0 | 3)), "{said}");
    assert_measured(&bench, &said);
}

#[test]
fn a_killed_run_leaves_nobody_behind() {
    let bench = Bench::new();
    bench.scenario(SHORT);
    let script = format!(
        "echo $$ >started\nsleep 1000 & echo $! >>started\n\
         setsid sleep 1000 & echo $! >>started\nexec 3<&0\n\
         {SERVE} <&3 & echo $! >>started\nwait"
    );
    let server = server(&bench, &script);
    let arguments = ["run", "scenario.toml", "--out", "out", "--server", &server];
    let mut run = Bench::start(bench.command(&arguments));
    run.wait_for("measuring");
    run.signal(Signal::SIGKILL);
    run.finish();
    let started = fs::read_to_string(bench.path("started")).unwrap();
    assert_eq!(started.lines().count(), 4);
    for process in started.lines() {
        wait_gone(Pid::from_raw(process.parse().unwrap()));
    }
}

/// Ctrl-Z, or a debugger: what was late is invalid, and nobody has failed.
#[test]
fn a_generator_that_is_stopped_goes_on() {
    let bench = Bench::new();
    bench.scenario(&SHORT.replace("\"1s\"", "\"3s\""));
    let mut run = bench.start_run();
    for trial in ["[1/2]", "[2/2]"] {
        run.wait_for(trial);
        run.wait_for("measuring");
        for _ in 0..3 {
            run.signal(Signal::SIGSTOP);
            thread::park_timeout(Duration::from_millis(150));
            run.signal(Signal::SIGCONT);
            thread::park_timeout(Duration::from_millis(20));
        }
    }
    let (code, said) = run.finish();
    assert_eq!(code, Some(3), "{said}");
    let rows = bench.rows();
    assert!(!rows.contains("\"failed\""), "{rows}");
    assert_eq!(rows.matches("publisher-late").count(), 2, "{rows}");
    for (contender, row) in bench.trials() {
        assert_eq!(row.values["lost"], 0.0, "{contender}");
    }
}

#[test]
fn a_report_needs_no_preset_of_ones_own() {
    let bench = Bench::new();
    let preset = "label = \"Ours\"\npublish.url = \"{url}/channels/{channel}/events\"\n\
                  sse.url = \"{url}/channels/{channel}/sse\"\n";
    fs::write(bench.path("ours.toml"), preset).unwrap();
    let command = concat!(env!("CARGO_BIN_EXE_pushbench"), " serve --listen 127.0.0.1:{port}");
    let scenario = SHORT.replace("compare = [\"sse\", \"polling\"]", "servers = [\"ours\"]");
    bench.scenario(&format!(
        "{scenario}[server.ours]\npreset = \"./ours.toml\"\ncommand = \"{command}\"\n"
    ));
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    let said = text(&output.stderr).to_owned();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
    assert_measured(&bench, &said);
    fs::write(bench.path("ours.toml"), "label = 1").unwrap();
    let again = bench.output(&["run", "scenario.toml", "--out", "again"]);
    let wrong = "scenario.toml:18: ./ours.toml:1: `label` must be text in quotes, found 1\n";
    assert!(text(&again.stderr).ends_with(wrong), "{}", text(&again.stderr));
    fs::remove_file(bench.path("ours.toml")).unwrap();
    let report = bench.output(&["report", "out"]);
    assert_eq!(report.status.code(), Some(0), "{}", text(&report.stderr));
    assert!(text(&report.stdout).contains("SSE · Ours"), "{}", text(&report.stdout));
}
