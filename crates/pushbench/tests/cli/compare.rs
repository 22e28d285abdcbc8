//! A comparison from the command line to its files. What it costs to be sure of a verdict is not for a
//! busy machine: none of these needs a quiet one.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use pushbench_loadgen::results::{Comparison, store};

use super::support::{Bench, SAMPLE, cannot_run, text};

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

fn kept(dir: &Path) -> Comparison {
    store::load(dir).unwrap().content
}

#[test]
fn a_candidate_that_loses_events_has_regressed() {
    let bench = Bench::new();
    let output = compare(&bench, OWN, &format!("{OWN} serve --inject drop=1/10"));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(99), "{said}");
    assert!(said.contains(&format!("baseline:  {OWN}, interpreted as the pushbench {OWN}")));
    assert!(said.contains("interpreted as a server command"), "{said}");
    let comparison = kept(&bench.path("out"));
    assert!(comparison.trials.len() >= 10 && !comparison.interrupted);
    assert!(comparison.trials.iter().all(|of| !of.trial.has_failed()));
    let again = compare(&bench, OWN, OWN);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("out already holds a comparison"));
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
    let output = bench.output(&["compare", SAMPLE, SAMPLE]);
    assert!(text(&output.stdout).contains("Advisory: "), "{}", text(&output.stderr));
    fs::create_dir(bench.path("other")).unwrap();
    for file in ["run.json", "trials.jsonl", "latency.hlog"] {
        let Ok(bytes) = fs::read_to_string(Path::new(SAMPLE).join(file)) else { continue };
        let other = bytes.replacen("\"sha256\": \"", "\"sha256\": \"0", 1);
        fs::write(bench.path("other").join(file), other).unwrap();
    }
    let output = bench.output(&["compare", SAMPLE, "other"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("the runs differ in their scenarios"));
}

/// What lets a command mount something that nobody else sees, where that may be done.
pub(super) fn mounts_of_its_own() -> Option<&'static [&'static str]> {
    const AS_ROOT: &[&str] = &["unshare", "--mount"];
    // It needs no privilege where the kernel lets users make namespaces.
    const AS_USER: &[&str] = &["unshare", "--user", "--map-root-user", "--mount"];
    [AS_ROOT, AS_USER].into_iter().find(|launcher| {
        let mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", "/tmp"];
        let tried = Command::new(launcher[0]).args(&launcher[1..]).args(mount).output();
        tried.is_ok_and(|output| output.status.success())
    })
}

/// Where programs may not be run in the folder for temporary files, and in the one that would do instead if $1
/// says so.
const WHERE_NOTHING_RUNS: &str = "mount -t tmpfs -o noexec tmpfs tmp || exit 77
if [ $1 = nowhere ]; then mount -t tmpfs -o noexec tmpfs /var/tmp || exit 77; fi
shift
TMPDIR=$PWD/tmp exec \"$@\"";

#[test]
fn a_copy_is_made_where_it_may_run() {
    let bench = Bench::new();
    bench.scenario(TINY);
    fs::create_dir(bench.path("tmp")).unwrap();
    // Another build: the same file would be started without a copy.
    fs::copy(OWN, bench.path("other")).unwrap();
    let Some(launcher) = mounts_of_its_own() else {
        return cannot_run(
            "`unshare --mount` and `mount -t tmpfs` do not work: install util-linux and mount, or run \
             it where mount namespaces may be made",
        );
    };
    let run = |elsewhere: &str, out: &str| {
        let mut command = Command::new(launcher[0]);
        command.args(&launcher[1..]).args(["sh", "-c", WHERE_NOTHING_RUNS, "sh", elsewhere, OWN]);
        let mut arguments = arguments(OWN, "./other");
        arguments.pop();
        command.args(arguments).arg(out).current_dir(bench.path(".")).output().unwrap()
    };
    let output = run("elsewhere", "out");
    let said = text(&output.stderr);
    let comparison = kept(&bench.path("out"));
    assert!(comparison.trials.len() >= 10, "{said}");
    assert!(comparison.trials.iter().all(|of| !of.trial.has_failed()), "{said}");

    let output = run("nowhere", "failed");
    let said = text(&output.stderr);
    assert_ne!(output.status.code(), Some(0), "{said}");
    let tmp = bench.path("tmp");
    let why = format!("programs may not be run in {} or in /var/tmp", tmp.display());
    assert!(said.contains(&why) && said.contains("TMPDIR=$HOME"), "{said}");
}

/// In a folder that holds only so much, and nothing more when the first trial has been kept.
const ON_A_SMALL_DISK: &str = "size=$1
shift
mount -t tmpfs -o size=$size tmpfs disk || exit 77
\"$@\" &
while [ ! -s disk/out/trials.jsonl ] && kill -0 $! 2>/dev/null; do sleep 0.05; done
cat /dev/zero >disk/rest 2>/dev/null
wait $!
code=$?
cp -r disk/out kept
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
    let on_a_disk = |size: &str| {
        let mut command = Command::new(launcher[0]);
        command.args(&launcher[1..]).args(["sh", "-c", ON_A_SMALL_DISK, "sh", size, OWN]);
        let mut arguments = arguments(OWN, OWN);
        arguments.pop();
        command.args(arguments).arg("disk/out").current_dir(bench.path("."));
        command.output().unwrap()
    };
    let output = on_a_disk("1m");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("disk/out has no room for 4 MiB of results"), "{said}");
    assert!(!said.contains("[1/"), "it is noticed before the first trial: {said}");
    fs::remove_dir_all(bench.path("kept")).unwrap();

    let output = on_a_disk("5m");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap();
    let expected =
        "the trial that has just ended is lost: cannot write disk/out/trials.jsonl: No space left";
    assert!(last.starts_with(expected), "{said}");
    let kept = kept(&bench.path("kept"));
    assert!(!kept.trials.is_empty() && kept.interrupted, "every row that had room is whole");
}
