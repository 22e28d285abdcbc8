//! Browsers as clients: what one cannot do is said before anything runs, one that does not come is a failed row, nothing is
//! left of it, and subscribers in Chromium have the account that those of pushbench's own client have.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use pushbench_loadgen::results::{Outcome, Run};

use super::support::{Bench, cannot_run, run_in, text, wait_gone};

/// Six subscribers, of which each contender of `contenders` has those of a page.
fn scenario(top: &str, contenders: &[(&str, &str)], workload: &str) -> String {
    let contenders: String = contenders
        .iter()
        .map(|(name, keys)| format!("[[contender]]\nname = \"{name}\"\n{keys}\n"))
        .collect();
    format!(
        r#"
name = "browsers"
description = "Pages of browsers."
blocks = 1
{top}

{contenders}
[workload]
subscribers = 6
events_per_second = 100
payload_bytes = 64
duration = "2s"
warm_up = "200ms"
idle = "0s"
{workload}

[polling]
interval = "50ms"
"#
    )
}

/// A program that stands in for Chromium.
fn fake(bench: &Bench, script: &str) -> PathBuf {
    let path = bench.path("browser");
    let asked = "[ \"$1\" != --version ] || { echo Fake 1.0; exit; }";
    fs::write(&path, format!("#!/bin/sh\n{asked}\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

const SSE: (&str, &str) = ("sse", "transport = \"sse\"");

/// Runs the scenario with these variables, and gives why its only trial failed.
fn failure(bench: &Bench, variables: &[(&str, &Path)]) -> String {
    let mut command = bench.command(&["run", "scenario.toml", "--out", "out"]);
    let output = command.envs(variables.iter().copied()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let run = run_in(&bench.path("out"));
    fs::remove_dir_all(bench.path("out")).unwrap();
    match &run.trials[..] {
        [only] => match &only.outcome {
            Outcome::Failed { reason } => reason.clone(),
            other => panic!("{other:?}"),
        },
        several => panic!("{} trials", several.len()),
    }
}

#[test]
fn a_browser_that_is_missing_or_ends_is_a_failed_row_that_says_so() {
    let bench = Bench::new();
    bench.scenario(&scenario("client = \"firefox\"", &[SSE], ""));
    let nowhere = [("PATH", Path::new("/no/such")), ("FIREFOX", Path::new(""))];
    assert_eq!(
        failure(&bench, &nowhere),
        "there is no Firefox on this machine (firefox, firefox-esr): apt-get install firefox-esr, or name its \
         program in FIREFOX"
    );
    bench.scenario(&scenario("client = \"chromium\"", &[SSE], ""));
    assert_eq!(
        failure(&bench, &[("CHROMIUM", Path::new("/no/such"))]),
        "there is no program /no/such, which CHROMIUM names"
    );
    let ends = fake(&bench, "echo no display >&2; exit 3");
    let reason = failure(&bench, &[("CHROMIUM", &ends)]);
    assert_eq!(reason, "the browser Chromium ended with exit code 3; it said: no display");
}

/// Waits until there is something in a file, and gives it.
fn written(path: &Path) -> String {
    for _ in 0..2_000 {
        let said = fs::read_to_string(path).unwrap_or_default();
        if said.ends_with('\n') {
            return said.trim().to_owned();
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("nothing is in {}", path.display());
}

fn wait_removed(folder: &str) {
    for _ in 0..1_000 {
        if !fs::exists(folder).unwrap() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("{folder} is still there");
}

#[test]
fn nothing_is_left_of_a_browser_whose_pushbench_was_ended() {
    for signal in [Signal::SIGKILL, Signal::SIGINT] {
        let bench = Bench::new();
        // One of its processes has left its group, and another one has lost its environment. All write to the end.
        let browser = fake(
            &bench,
            "write() { while :; do echo x >\"$HOME/$1\" || exit; done; }\n\
             setsid sh -c 'echo $$ >away; while :; do echo x >\"$HOME/away\" || exit; done' &\n\
             env -i HOME=\"$HOME\" sh -c 'echo $$ >bare; while :; do echo x >\"$HOME/bare\" || exit; done' &\n\
             echo $$ >own; echo \"$HOME\" >folder; write own",
        );
        bench.scenario(&scenario("client = \"chromium\"", &[SSE], ""));
        let mut command = bench.command(&["run", "scenario.toml", "--out", "out"]);
        command.env("CHROMIUM", browser);
        let run = Bench::start(command);
        let [folder, own, away, bare] =
            ["folder", "own", "away", "bare"].map(|name| written(&bench.path(name)));
        assert!(fs::exists(&folder).unwrap());
        run.signal(signal);
        run.finish();
        for process in [own, away, bare] {
            wait_gone(Pid::from_raw(process.parse().unwrap()));
        }
        wait_removed(&folder);
    }
}

/// Whether there is a Chromium for a test, which says so otherwise.
fn has_chromium() -> bool {
    let named = std::env::var_os("CHROMIUM").filter(|named| !named.is_empty());
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let is_there = named.is_some()
        || std::env::split_paths(&paths).any(|folder| folder.join("chromium").is_file());
    if !is_there {
        cannot_run("there is no chromium: apt-get install chromium");
    }
    is_there
}

/// Runs it in Chromium; what is counted is exact on a busy machine, too.
fn run(bench: &Bench, text_of_scenario: &str) -> Run {
    bench.scenario(text_of_scenario);
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    let said = text(&output.stderr);
    let run = run_in(&bench.path("out"));
    assert!(run.trials.iter().all(|trial| !trial.has_failed()), "{said}");
    run
}

const ALL: [(&str, &str); 4] = [
    ("polls", "transport = \"polling\""),
    ("long-polls", "transport = \"long-polling\""),
    SSE,
    ("websocket", "transport = \"websocket\""),
];

#[test]
fn subscribers_in_chromium_are_accounted_for_like_others() {
    if !has_chromium() {
        return;
    }
    let bench = Bench::new();
    run(&bench, &scenario("client = \"chromium\"", &ALL, ""));
    let trials = bench.trials();
    assert_eq!(trials.len(), 4);
    for (contender, row) in &trials {
        let value = |metric: &str| row.values.get(metric).copied();
        assert_eq!(value("expected"), Some(6.0 * 200.0), "{contender}");
        for (metric, count) in
            [("delivered", 1_200.0), ("lost", 0.0), ("duplicated", 0.0), ("reordered", 0.0)]
        {
            assert_eq!(value(metric), Some(count), "{contender} {metric}");
        }
        assert_eq!(value("server_deliveries"), Some(6.0 * 220.0), "{contender}, and the warm-up");
        for unseen in ["bytes_per_delivery", "requests", "connections_opened", "reads"] {
            assert_eq!(value(unseen), None, "{contender}: nobody sees {unseen}");
        }
        let uncertainty = value("browser_clock_uncertainty").unwrap();
        assert!(uncertainty > 0.0 && uncertainty < 20e6, "{contender} {uncertainty}");
        for known in ["latency_p50", "browser_handler_mean", "browser_cpu_per_delivery"] {
            assert!(value(known).is_some_and(|value| value > 0.0), "{contender} {known}");
        }
    }
    let summary = fs::read_to_string(bench.path("out/summary.md")).unwrap();
    assert!(
        summary.contains("ran the subscribers of polls, long-polls, sse and websocket."),
        "{summary}"
    );
}

#[test]
fn chromium_speaks_what_it_is_told_to() {
    if !has_chromium() {
        return;
    }
    let bench = Bench::new();
    // By HTTP/1.1 there would be six connections for event streams and long polls.
    let contenders = [
        ("h2", "transport = \"sse\"\nhttp = \"2\""),
        ("h2-long-polls", "transport = \"long-polling\"\nhttp = \"2\""),
        ("h3", "transport = \"long-polling\"\nhttp = \"3\""),
        ("session", "transport = \"sse\"\nhttp = \"webtransport-draft\""),
        ("wss", "transport = \"websocket\""),
    ];
    let eight = scenario("client = \"chromium\"\ntls = true", &contenders, "")
        .replace("subscribers = 6", "subscribers = 8");
    run(&bench, &eight);
    for (contender, row) in &bench.trials() {
        assert_eq!(row.values.get("delivered"), Some(&1_600.0), "{contender}");
        // QUIC has no ports that TCP knows.
        let is_by_tcp = row.values.contains_key("ports_at_server");
        assert_eq!(is_by_tcp, !["h3", "session"].contains(&&contender[..]), "{contender}");
    }
}

#[test]
fn who_loses_its_server_comes_back_in_chromium_too() {
    if !has_chromium() {
        return;
    }
    let bench = Bench::new();
    let restart = "[[workload.faults]]\nat = \"400ms\"\nkind = \"restart\"\nfor = \"200ms\"";
    let text_of_scenario =
        scenario("client = \"chromium\"\nlog = \"disk-unsynced\"", &ALL, restart)
            .replace("\"2s\"", "\"4s\"");
    run(&bench, &text_of_scenario);
    for (contender, row) in &bench.trials() {
        let value = |metric: &str| row.values.get(metric).copied().unwrap_or_default();
        for (metric, count) in
            [("delivered", 2_400.0), ("lost", 0.0), ("duplicated", 0.0), ("reordered", 0.0)]
        {
            assert_eq!(row.values.get(metric), Some(&count), "{contender} {metric}");
        }
        // A poll that meets nobody asks again; whether one does is a matter of luck.
        if contender != "polls" {
            assert!(value("connections_broken") >= 6.0, "{contender}");
            assert!(value("reconnect_time_p50") > 0.0, "{contender}");
        }
        if contender == "sse" {
            // What the server asks for, of which Chromium keeps the second.
            assert!(value("reconnect_time_p50") >= 0.9e9, "{}", value("reconnect_time_p50"));
        }
    }
}

#[test]
fn nothing_is_left_of_chromium() {
    if !has_chromium() {
        return;
    }
    for signal in [Signal::SIGKILL, Signal::SIGINT] {
        let bench = Bench::new();
        bench.scenario(&scenario("client = \"chromium\"", &[SSE], "").replace("\"2s\"", "\"30s\""));
        let mut run = bench.start_run();
        run.wait_for("measuring");
        let (mut processes, mut folder) = (Vec::new(), None);
        for entry in fs::read_dir("/proc").unwrap() {
            let path = entry.unwrap().path();
            let command = fs::read(path.join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).into_owned();
            let profile =
                command.split('\0').find_map(|word| word.strip_prefix("--user-data-dir="));
            let process = path.file_name().unwrap().to_str().unwrap().parse();
            if let (Some(profile), Ok(process)) = (profile, process)
                && is_below(process, run.pid())
            {
                folder = Path::new(profile).parent().map(Path::to_owned);
                processes.push(Pid::from_raw(process));
            }
        }
        assert!(!processes.is_empty());
        let folder = folder.unwrap();
        assert!(folder.is_dir());
        run.signal(signal);
        run.finish();
        processes.into_iter().for_each(wait_gone);
        wait_removed(folder.to_str().unwrap());
    }
}

/// Whether a process descends from another.
fn is_below(process: i32, ancestor: Pid) -> bool {
    let mut process = process;
    while process > 1 {
        if process == ancestor.as_raw() {
            return true;
        }
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let rest = stat.rsplit_once(')').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        process = rest.split_whitespace().nth(1).and_then(|of| of.parse().ok()).unwrap_or_default();
    }
    false
}
