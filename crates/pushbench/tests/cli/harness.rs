//! Parts of the harness itself that fail in the middle of a trial: a failed row says which and why, and nothing is
//! left behind.

use std::fs;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pushbench_loadgen::results::Outcome;

use super::compare::mounts_of_its_own;
use super::support::{Bench, cannot_run, run_in, text, wait_gone};

fn scenario(top: &str, seconds: u32, payload_bytes: u32) -> String {
    format!(
        r#"
name = "harness"
description = "A part of it fails."
compare = ["sse"]
blocks = 1
{top}

[workload]
subscribers = 6
events_per_second = 100
payload_bytes = {payload_bytes}
duration = "{seconds}s"
warm_up = "200ms"
idle = "0s"
"#
    )
}

/// Why the only trial failed.
fn reason(bench: &Bench) -> String {
    let run = run_in(&bench.path("out"));
    let Outcome::Failed { reason } = &run.trials[0].outcome else { panic!("it did not fail") };
    reason.clone()
}

fn command_line(process: Pid) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{process}/cmdline")).unwrap()).into_owned()
}

#[test]
fn a_balancer_that_dies_before_three_servers_fails_the_trial_and_leaves_nobody() {
    let bench = Bench::new();
    bench.scenario(&scenario("nodes = 3\nbroker = \"redis\"\nproxy = \"haproxy\"", 20, 64));
    let mut run = bench.start_run();
    run.wait_for("measuring");
    let children = run.children();
    assert_eq!(children.len(), 5, "Redis, three servers, and the balancer");
    let balancer = children.iter().find(|of| command_line(**of).contains("haproxy"));
    kill(*balancer.unwrap(), Signal::SIGKILL).unwrap();
    let (code, said) = run.finish();
    assert_eq!(code, Some(1), "{said}");
    children.into_iter().for_each(wait_gone);
    let reason = reason(&bench);
    assert!(reason.starts_with("the proxy HAProxy was ended by SIGKILL"), "{reason}");
}

#[test]
fn a_server_that_is_killed_by_somebody_else_fails_the_trial_and_leaves_no_log() {
    let bench = Bench::new();
    bench.scenario(&scenario("log = \"disk\"", 20, 64));
    fs::create_dir(bench.path("scratch")).unwrap();
    let mut command = bench.command(&["run", "scenario.toml", "--out", "out"]);
    command.env("TMPDIR", bench.path("scratch"));
    let mut run = Bench::start(command);
    run.wait_for("measuring");
    let server = run.server();
    kill(server, Signal::SIGKILL).unwrap();
    let (code, said) = run.finish();
    assert_eq!(code, Some(1), "{said}");
    wait_gone(server);
    assert!(reason(&bench).starts_with("the server was ended by SIGKILL"), "{}", reason(&bench));
    assert_eq!(fs::read_dir(bench.path("scratch")).unwrap().count(), 0);
}

/// The log goes to a disk that is full after a megabyte; results go to another one.
const ON_A_SMALL_DISK: &str = "mount -t tmpfs -o size=1m tmpfs disk || exit 77
TMPDIR=$PWD/disk \"$@\"
code=$?
find disk -mindepth 1 >left
exit $code";

#[test]
fn a_disk_that_is_full_under_the_log_fails_the_trial_and_leaves_nothing_on_it() {
    let Some(launcher) = mounts_of_its_own() else {
        return cannot_run(
            "`unshare --mount` and `mount -t tmpfs` do not work: install util-linux",
        );
    };
    let bench = Bench::new();
    fs::create_dir(bench.path("disk")).unwrap();
    // Five megabytes.
    bench.scenario(&scenario("log = \"disk-unsynced\"", 3, 16_384));
    let mut command = Command::new(launcher[0]);
    command.args(&launcher[1..]).args(["sh", "-c", ON_A_SMALL_DISK, "sh"]);
    command.arg(env!("CARGO_BIN_EXE_pushbench"));
    command.args(["run", "scenario.toml", "--out", "out", "--max-repeats", "0"]);
    let output = command.current_dir(bench.path(".")).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let reason = reason(&bench);
    assert!(reason.contains("507"), "{reason}");
    assert!(reason.contains("there is no room for the log in "), "{reason}");
    assert_eq!(fs::read_to_string(bench.path("left")).unwrap(), "");
}
