//! Several servers with a broker between them: they deliver what one does, a killed one costs what can be told, and what
//! is wrong with the broker is said.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pushbench_loadgen::results::{Outcome, Warning};

use super::support::{Bench, run_in, text, wait_gone};

/// Thirty subscribers, ten milliseconds between events.
fn scenario(top: &str, workload: &str) -> String {
    format!(
        r#"
name = "nodes"
description = "Several servers."
blocks = 1
{top}

[workload]
subscribers = 30
events_per_second = 100
payload_bytes = 64
duration = "1200ms"
warm_up = "200ms"
idle = "0s"
{workload}

[polling]
interval = "50ms"
"#
    )
}

/// Runs it with this exit code or, on a busy machine, 3; and hands over each contender with what it reports.
fn each(
    bench: &Bench,
    text_of_scenario: &str,
    code: i32,
    check: impl Fn(&str, &dyn Fn(&str) -> Option<f64>),
) {
    bench.scenario(text_of_scenario);
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    let said = text(&output.stderr);
    let ended = output.status.code();
    assert!(ended == Some(code) || ended == Some(3), "{said}");
    for trial in &run_in(&bench.path("out")).trials {
        assert!(!trial.has_failed(), "{said}");
    }
    let trials = bench.trials();
    assert!(!trials.is_empty(), "{said}");
    for (contender, row) in &trials {
        check(contender, &|metric| row.values.get(metric).copied());
    }
}

const ALL: f64 = 30.0 * 120.0;

fn assert_whole(contender: &str, value: &dyn Fn(&str) -> Option<f64>) {
    let account = ["expected", "delivered", "lost", "duplicated", "reordered", "lagged"].map(value);
    assert_eq!(account, [ALL, ALL, 0.0, 0.0, 0.0, 0.0].map(Some), "{contender}");
}

#[test]
fn three_servers_deliver_everything_by_redis() {
    three_servers_deliver_everything("redis");
}

#[test]
fn three_servers_deliver_everything_by_streams() {
    three_servers_deliver_everything("redis-streams");
}

#[test]
fn three_servers_deliver_everything_by_sharded_channels() {
    three_servers_deliver_everything("redis-sharded");
}

/// Over every transport.
fn three_servers_deliver_everything(broker: &str) {
    let bench = Bench::new();
    let top = format!("nodes = 3\nbroker = \"{broker}\"");
    each(
        &bench,
        &scenario(&top, "channels = 2\nchannels_per_subscriber = 2\nmultiplex = true"),
        0,
        |contender, value| {
            let account = ["expected", "delivered", "lost", "duplicated"].map(value);
            assert_eq!(
                account,
                [2.0 * ALL, 2.0 * ALL, 0.0, 0.0].map(Some),
                "{contender}, {broker}"
            );
        },
    );
    drop(bench);
    let bench = Bench::new();
    each(&bench, &scenario(&top, ""), 0, |contender, value| {
        assert_whole(contender, value);
        // The warm-up's events too, of all servers together.
        assert_eq!(value("server_deliveries"), Some(30.0 * 140.0), "{contender}, {broker}");
        assert!(value("broker_cpu").is_some_and(|ns| ns > 0.0), "{contender}, {broker}");
        assert!(value("broker_memory").is_some_and(|bytes| bytes > 1e5), "{contender}");
    });
    for trial in &run_in(&bench.path("out")).trials {
        let parts: Vec<_> = trial.parts.iter().map(|part| &part.name[..]).collect();
        assert_eq!(parts, ["broker", "server", "server-2", "server-3", "generator"]);
    }
    let summary = fs::read_to_string(bench.path("out/summary.md")).unwrap();
    // Costs that cannot be trusted are in no table.
    let are_valid = bench.trials().values().all(|row| row.valid);
    assert!(!are_valid || summary.contains("### Several servers"), "{summary}");
}

#[test]
fn one_server_and_several_are_compared_and_only_these_have_a_broker() {
    let bench = Bench::new();
    let top = r#"
compare = ["sse"]

[[contender]]
name = "one"
transport = "sse"
nodes = 1
broker = "redis"

[[contender]]
name = "three"
transport = "sse"
nodes = 3
broker = "redis-streams"
"#;
    each(&bench, &scenario(top, ""), 0, |contender, value| {
        assert_whole(contender, value);
        assert_eq!(value("broker_cpu").is_some(), contender != "sse", "{contender}");
    });
}

#[test]
fn a_balancer_stands_before_all_of_them() {
    let bench = Bench::new();
    let top = "nodes = 3\nbroker = \"redis\"\nproxy = [\"haproxy\", { preset = \"nginx\", profile = \"tuned\" }]\n\
               compare = [\"websocket\", \"sse\", \"polling\"]";
    each(&bench, &scenario(top, ""), 0, |contender, value| {
        assert_whole(contender, value);
        assert!(value("proxy_cpu").is_some_and(|ns| ns > 0.0), "{contender}");
    });
    for trial in &run_in(&bench.path("out")).trials {
        // Each of them does its share.
        for server in ["server", "server-2", "server-3"] {
            let part = trial.parts.iter().find(|part| part.name == server).unwrap();
            let has_worked = part.cpu_ns.is_some_and(|ns| ns > 0);
            assert!(has_worked, "{}: {server}: {:?}", trial.contender.name(), trial.parts);
        }
    }
}

const KILL: &str = "[[workload.faults]]\nat = \"300ms\"\nkind = \"kill-node\"\n\
                    [workload.reconnect]\nmost = \"500ms\"\n";

/// As many events in a longer time: on a busy machine a server may be killed late, and some have to follow.
fn with_a_kill(top: &str, workload: &str) -> String {
    scenario(top, &format!("{workload}\n{KILL}"))
        .replace("events_per_second = 100", "events_per_second = 40")
        .replace("1200ms", "3s")
}

#[test]
fn with_streams_a_killed_server_costs_its_subscribers_nothing() {
    let bench = Bench::new();
    // Each channel has subscribers on one server only: the one that they go to does not know it.
    let top = "nodes = 3\nbroker = \"redis-streams\"";
    each(&bench, &with_a_kill(top, "channels = 3"), 0, |contender, value| {
        assert_whole(contender, value);
        let broken = value("connections_broken").unwrap();
        assert!(broken >= 10.0, "{contender}: those of one server came back: {broken}");
        for figure in
            ["server_cpu", "server_memory", "server_memory_peak", "server_context_switches"]
        {
            assert!(value(figure).is_some_and(|found| found > 0.0), "{contender} has no {figure}");
        }
        assert_eq!(value("server_deliveries"), None, "{contender}: of one that has gone, too?");
    });
    for trial in &run_in(&bench.path("out")).trials {
        let is_unchecked = |warning: &&Warning| matches!(warning, Warning::Unchecked { checks } if checks[0].contains("server counts"));
        assert_eq!(trial.warnings.iter().find(is_unchecked), None);
    }
}

#[test]
fn with_pubsub_what_a_killed_server_costs_is_counted_and_told() {
    for broker in ["redis", "redis-sharded"] {
        let bench = Bench::new();
        let top = format!(
            "nodes = 3\nbroker = \"{broker}\"\ncompare = [\"sse\", \"websocket\", \"tcp\", \"long-polling\"]"
        );
        each(&bench, &with_a_kill(&top, "channels = 3"), 1, |contender, value| {
            let number = |metric: &str| value(metric).unwrap();
            assert_eq!(number("expected"), ALL, "{contender}");
            assert_eq!(number("delivered") + number("lost"), ALL, "{contender}");
            let broken = number("connections_broken");
            assert!(broken >= 10.0, "{contender}: those of one server came back: {broken}");
            assert!(number("lost") > 0.0, "{contender}: nobody keeps what nobody gets");
            // Ten of them had one notice each, of what was missed while they were away.
            assert_eq!(number("lagged"), 10.0, "{contender}");
            assert_eq!((number("duplicated"), number("reordered")), (0.0, 0.0), "{contender}");
        });
    }
}

#[test]
fn subscribers_of_a_killed_server_come_back_through_the_balancer() {
    let bench = Bench::new();
    let top = "nodes = 3\nbroker = \"redis-streams\"\nproxy = \"haproxy\"\ncompare = [\"websocket\", \"sse\"]";
    each(&bench, &with_a_kill(top, ""), 0, |contender, value| {
        assert_whole(contender, value);
        assert!(value("connections_broken").unwrap() > 0.0, "{contender}");
    });
}

/// Puts a program in front of everything that is called `redis-server`.
fn redis_is(bench: &Bench, script: &str) -> String {
    fs::create_dir(bench.path("bin")).unwrap();
    let program = bench.path("bin/redis-server");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", bench.path("bin").display(), std::env::var("PATH").unwrap())
}

/// Why the trial failed, where a program of this `path` is used.
fn failure(bench: &Bench, broker: &str, path: &str) -> String {
    bench
        .scenario(&scenario(&format!("compare = [\"sse\"]\nnodes = 3\nbroker = \"{broker}\""), ""));
    let mut command = bench.command(&["run", "scenario.toml", "--out", "out"]);
    let output = command.env("PATH", path).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    reason(bench)
}

fn reason(bench: &Bench) -> String {
    let run = run_in(&bench.path("out"));
    let Outcome::Failed { reason } = &run.trials[0].outcome else { panic!("it did not fail") };
    reason.clone()
}

#[test]
fn a_redis_that_is_missing_is_named_with_its_package() {
    let bench = Bench::new();
    fs::create_dir(bench.path("empty")).unwrap();
    let path = bench.path("empty").display().to_string();
    assert_eq!(
        failure(&bench, "redis", &path),
        "there is no program `redis-server` on this machine: apt-get install redis-server"
    );
}

#[test]
fn a_redis_that_is_too_old_is_named_with_its_version() {
    for (broker, version, least) in [("redis-sharded", "6.2.14", 7), ("redis-streams", "4.0.9", 6)]
    {
        let bench = Bench::new();
        let path = redis_is(&bench, &format!("echo 'Redis server v={version} sha=0:0'"));
        let reason = failure(&bench, broker, &path);
        let expected = format!(
            "`redis-server` is Redis {version}, and `broker = \"{broker}\"` needs Redis {least}: install a newer one"
        );
        assert_eq!(reason, expected);
    }
}

#[test]
fn a_redis_that_does_not_start_says_why() {
    let bench = Bench::new();
    let script = "case $1 in --version) echo 'Redis server v=7.0.15';; *) echo 'no memory' >&2; exit 4;; esac";
    let path = redis_is(&bench, script);
    assert_eq!(
        failure(&bench, "redis", &path),
        "the broker Redis ended with exit code 4 before it was ready; it said: no memory"
    );
}

#[test]
fn a_port_that_is_taken_is_named() {
    let bench = Bench::new();
    // Somebody else was quicker: a server in a session of its own, that does not know whose it is.
    let program = env!("CARGO_BIN_EXE_pushbench");
    let script = format!(
        "case $1 in --version) exec /usr/bin/redis-server --version;; esac\n\
         port=$(sed -n 's/^port //p' \"$1\")\n\
         env -i '{program}' serve --listen 127.0.0.1:$port >'{folder}/squatter' 2>&1 </dev/null &\n\
         echo $! >'{folder}/pid'\n\
         until grep -q listening '{folder}/squatter'; do :; done\n\
         exec /usr/bin/redis-server \"$1\"",
        folder = bench.path("").display()
    );
    let path = redis_is(&bench, &script);
    let reason = failure(&bench, "redis", &path);
    let squatter: i32 = fs::read_to_string(bench.path("pid")).unwrap().trim().parse().unwrap();
    // It is one of the family here, so it has gone with the trial.
    wait_gone(Pid::from_raw(squatter));
    assert!(
        reason.starts_with("the broker Redis ") || reason.starts_with("server 1 of 3: "),
        "{reason}"
    );
    assert!(
        reason.contains("ddress already in use")
            || reason.contains("it does not speak the protocol of Redis"),
        "{reason}"
    );
}

#[test]
fn a_redis_that_dies_fails_the_trial_and_leaves_nobody() {
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let bench = Bench::new();
        bench.scenario(
            &scenario("compare = [\"sse\"]\nnodes = 3\nbroker = \"redis-streams\"", "")
                .replace("1200ms", "20s"),
        );
        let mut run = bench.start_run();
        run.wait_for("measuring");
        let children = run.children();
        assert_eq!(children.len(), 4, "Redis and three servers");
        let is_redis = |process: &&Pid| {
            fs::read(format!("/proc/{process}/cmdline"))
                .unwrap()
                .windows(12)
                .any(|part| part == b"redis-server")
        };
        kill(*children.iter().find(is_redis).unwrap(), signal).unwrap();
        let (code, said) = run.finish();
        assert_eq!(code, Some(1), "{said}");
        children.into_iter().for_each(wait_gone);
        let reason = reason(&bench);
        let how = if signal == Signal::SIGKILL {
            "was ended by SIGKILL"
        } else {
            "ended with exit code 0"
        };
        assert!(reason.starts_with(&format!("the broker Redis {how}")), "{reason}");
    }
}

#[test]
fn a_killed_run_leaves_no_redis_and_no_server() {
    let bench = Bench::new();
    bench.scenario(
        &scenario("compare = [\"sse\"]\nnodes = 3\nbroker = \"redis\"", "")
            .replace("1200ms", "20s"),
    );
    for signal in [Signal::SIGKILL, Signal::SIGINT] {
        let _ = fs::remove_dir_all(bench.path("out"));
        let mut run = bench.start_run();
        run.wait_for("measuring");
        let children = run.children();
        run.signal(signal);
        run.finish();
        children.into_iter().for_each(wait_gone);
    }
}

#[test]
fn what_cannot_be_is_said_before_anything_starts() {
    for (top, words) in [
        ("nodes = 3", "3 servers need something between them"),
        ("nodes = 0", "`nodes` must be"),
        ("nodes = 2\nbroker = \"redis\"\ntls = true", "a certificate of its own"),
        ("nodes = 2\nbroker = \"redis\"\nproxy = \"nginx\"", "leads to fewer than 2 servers"),
        ("nodes = 31\nbroker = \"redis\"", "`nodes` must be"),
        ("nodes = 2\nbroker = \"rabbit\"", "redis-sharded"),
    ] {
        let bench = Bench::new();
        bench.scenario(&scenario(top, ""));
        let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(said.matches(words).count(), 1, "{said}");
    }
}
