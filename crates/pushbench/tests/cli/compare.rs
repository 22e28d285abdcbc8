//! Whether a comparison ends as it should, whatever becomes of the builds, the machine or the disk.
//! What it costs to be sure of a verdict is not for a busy machine: none of these needs a quiet one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pushbench_loadgen::results::comparison::{Comparison, Role, Stage};

use super::support::{Bench, Watched, cannot_run, disturbance, run_in, shortages, text, wait_gone};

/// This program, as a build.
const OWN: &str = env!("CARGO_BIN_EXE_pushbench");

const TINY: &str = r#"
name = "tiny"
description = "As short as it gets."
compare = ["sse"]

[workload]
subscribers = 10
events_per_second = 50
payload_bytes = 64
duration = "300ms"
warm_up = "100ms"
"#;

fn arguments<'a>(baseline: &'a str, candidate: &'a str) -> Vec<&'a str> {
    let builds = ["compare", "--baseline", baseline, "--candidate", candidate];
    [&builds[..], &["scenario.toml", "--blocks", "5", "--out", "out"]].concat()
}

fn compare(bench: &Bench, baseline: &str, candidate: &str) -> Output {
    bench.scenario(TINY);
    bench.output(&arguments(baseline, candidate))
}

fn comparison(file: &Path) -> Comparison {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn kept(bench: &Bench) -> Comparison {
    comparison(&bench.path("out/comparison.json"))
}

#[test]
fn a_build_is_compared_with_itself() {
    let bench = Bench::alone();
    let output = compare(&bench, OWN, OWN);
    let said = text(&output.stderr);
    assert!(said.contains(&format!("baseline:  {OWN}, taken for the pushbench")), "{said}");
    let comparison = kept(&bench);
    // On a busy machine some blocks cannot be trusted, and the last line says why.
    let mut kept = comparison.trials.iter().filter(|of| !of.redone);
    match kept.find_map(|of| disturbance(&of.trial)) {
        None => assert_eq!(output.status.code(), Some(0), "{said}"),
        Some(reason) => {
            assert_eq!(output.status.code(), Some(3), "{said}");
            assert!(said.lines().last().unwrap().contains(&reason.to_string()), "{said}");
        }
    }
    assert_eq!(comparison.blocks, [5, 8]);
    assert!(!comparison.interrupted);
    let mut first = BTreeMap::<_, Vec<Role>>::new();
    for of in comparison.trials.iter().filter(|of| of.stage == Stage::First && !of.redone) {
        first.entry(of.trial.block).or_default().push(of.role);
    }
    assert_eq!(first.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    for roles in first.values() {
        assert_eq!(roles.len(), 2);
        assert_ne!(roles[0], roles[1], "one trial of each build");
    }
    let again = compare(&bench, OWN, OWN);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("out already holds a comparison"));
}

#[test]
fn a_candidate_that_loses_events_has_regressed() {
    let bench = Bench::new();
    let output = compare(&bench, OWN, &format!("{OWN} serve --inject drop=1/10"));
    assert_eq!(output.status.code(), Some(99), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("taken for a server command"));
    assert!(kept(&bench).trials.iter().all(|of| !of.trial.has_failed()));
}

#[test]
fn a_build_that_ends_at_once_is_told_from_one_that_measures() {
    let ends = "sh -c 'echo no room >&2; exit 7'";
    for (baseline, candidate, code, said) in [
        (
            OWN,
            ends,
            99,
            "The candidate failed at SSE in block 1: the server ended with exit code 7",
        ),
        (
            ends,
            OWN,
            3,
            "The baseline failed at SSE in block 1, so there is nothing to compare with",
        ),
        (ends, ends, 3, "Both builds failed at SSE in block 1"),
    ] {
        let bench = Bench::new();
        let output = compare(&bench, baseline, candidate);
        let last = text(&output.stderr).lines().last().unwrap();
        assert!(last.starts_with(said) && last.ends_with("no room"), "{last}");
        assert_eq!(output.status.code(), Some(code), "{last}");
        assert_eq!(kept(&bench).trials.len(), 2, "nothing more is measured");
    }
}

/// The server of the candidate, which is the one that has `--inject`, once all are connected.
fn candidates_server(compare: &Watched) -> Pid {
    const SUBSCRIBERS: usize = 10;
    loop {
        for child in compare.children() {
            let command = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
            let files = fs::read_dir(format!("/proc/{child}/fd")).map_or(0, Iterator::count);
            if String::from_utf8_lossy(&command).contains("--inject") && files > SUBSCRIBERS + 10 {
                return child;
            }
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn a_candidate_that_is_killed_has_regressed() {
    let bench = Bench::new();
    bench.scenario(TINY);
    let harmless = format!("{OWN} serve --inject delay=1us");
    let mut compare = Bench::start(bench.command(&arguments(OWN, &harmless)));
    compare.wait_for("[2/10]");
    kill(candidates_server(&compare), Signal::SIGKILL).unwrap();
    let (code, said) = compare.finish();
    assert_eq!(code, Some(99), "{said}");
    assert!(said.contains("The candidate failed at SSE in block"), "{said}");
    assert!(said.contains("was ended by SIGKILL"), "{said}");
    let comparison = kept(&bench);
    assert!(comparison.trials.len() > 2);
    assert_eq!(comparison.trials.iter().filter(|of| of.trial.has_failed()).count(), 1);
}

#[test]
fn ctrl_c_keeps_what_is_finished_and_leaves_no_server() {
    let bench = Bench::new();
    bench.scenario(TINY);
    let mut compare = Bench::start(bench.command(&arguments(OWN, OWN)));
    compare.wait_for("[1/10]");
    compare.signal(Signal::SIGINT);
    let children = compare.children();
    let (code, said) = compare.finish();
    assert_eq!(code, Some(130), "{said}");
    children.into_iter().for_each(wait_gone);
    let comparison = kept(&bench);
    assert!(comparison.interrupted && !comparison.trials.is_empty());
}

#[test]
fn wrong_usage_leaves_nothing() {
    let bench = Bench::new();
    bench.scenario(TINY);
    let own = &["compare", "--baseline", OWN, "--candidate"][..];
    for (arguments, said) in [
        (&["compare", "scenario.toml"][..], "two results folders"),
        (&["compare", "--baseline", OWN, "scenario.toml"], "--candidate"),
        (&[own, &[OWN, "scenario.toml", "--blocks", "4"]].concat(), "5..=10"),
        (&[own, &["no-such-build", "scenario.toml"]].concat(), "neither an executable file"),
        (&[own, &[OWN, "missing.toml"]].concat(), "missing.toml"),
        (&["compare", "nowhere", "nowhere"], "nowhere/run.json is missing"),
    ] {
        let output = bench.output(arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
    bench.scenario(&TINY.replace("10", "ten"));
    let output = bench.output(&arguments(OWN, OWN));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("scenario.toml:7:"), "{}", text(&output.stderr));
    assert!(!bench.path("out").exists() && !bench.path("results").exists());
}

#[test]
fn stored_runs_are_compared_in_what_can_be_compared() {
    let bench = Bench::new();
    let run = |out: &str, scenario: &str| {
        bench.scenario(scenario);
        bench.output(&["run", "scenario.toml", "--out", out]);
    };
    let short = format!("blocks = 1\n{TINY}").replace("[workload]", "[workload]\nidle = \"0s\"");
    run("a", &short);
    run("b", &short);
    run("c", &short.replace("payload_bytes = 64", "payload_bytes = 65"));
    let output = bench.output(&["compare", "a", "b"]);
    // Without a trial that counts on each side there is nothing to judge.
    let counts = ["a", "b"].iter().all(|name| shortages(&run_in(&bench.path(name))).is_empty());
    let code = if counts { 0 } else { 3 };
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stdout));
    assert_eq!(text(&output.stdout).contains("not measured"), !counts);
    assert!(text(&output.stdout).contains("Advisory: "), "{}", text(&output.stdout));
    let output = bench.output(&["compare", "a", "c"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("the runs differ in their scenarios"));
}

/// How a program is started that may mount what only it sees.
fn mounts_of_its_own() -> Option<&'static [&'static str]> {
    const AS_ROOT: &[&str] = &["unshare", "--mount"];
    // It needs no privilege where the kernel lets users make namespaces.
    const AS_USER: &[&str] = &["unshare", "--user", "--map-root-user", "--mount"];
    [AS_ROOT, AS_USER].into_iter().find(|launcher| {
        let mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", "/tmp"];
        let tried = Command::new(launcher[0]).args(&launcher[1..]).args(mount).output();
        tried.is_ok_and(|output| output.status.success())
    })
}

/// In a folder that holds only so much.
const ON_A_SMALL_DISK: &str = "mount -t tmpfs -o size=32k tmpfs disk || exit 77
\"$@\"
code=$?
cp disk/out/comparison.json kept.json
exit $code";

#[test]
fn a_full_disk_ends_it_and_keeps_what_is_finished() {
    let bench = Bench::new();
    bench.scenario(TINY);
    fs::create_dir(bench.path("disk")).unwrap();
    let Some(launcher) = mounts_of_its_own() else {
        return cannot_run(
            "`unshare --mount` and `mount -t tmpfs` do not work: install util-linux and mount, or run \
             it where mount namespaces may be made",
        );
    };
    let mut command = Command::new(launcher[0]);
    command.args(&launcher[1..]).args(["sh", "-c", ON_A_SMALL_DISK, "sh", OWN]);
    let mut arguments = arguments(OWN, OWN);
    arguments.pop();
    command.args(arguments).arg("disk/out").current_dir(bench.path("."));
    let output = command.output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("cannot write disk/out/comparison.json: No space left"), "{said}");
    let kept = comparison(&bench.path("kept.json"));
    assert!(!kept.trials.is_empty(), "the last file that had room is whole");
}
