use super::*;
use crate::campaign::scripted::{self, Said, ScriptedRunner, disturbed, failed, valid};
use crate::campaign::{Interrupted, Setup, TrialOutput};
use crate::results::Metric;
use crate::results::comparison::{Build, Role};

#[test]
fn seeds_are_new_and_every_reader_of_json_holds_them() {
    let seeds = [(); 4].map(|()| new_seed());
    assert!(seeds.iter().any(|seed| *seed != seeds[0]), "{seeds:?}");
    assert!(seeds.iter().all(|seed| *seed < 1 << 53), "{seeds:?}");
}

fn build(name: &str, kind: Kind) -> Resolved {
    let server = vec![name.to_owned()];
    let build = Build { name: name.to_owned(), command: name.to_owned() };
    Resolved { build, server, copied: false, kind }
}

/// Compares two builds of a server by a script: the status, and what was said last.
fn compare_with(
    mut script: impl FnMut(&Setup, Role) -> Result<TrialOutput, Interrupted>,
) -> (ExitStatus, String) {
    let dir = tempfile::tempdir().unwrap();
    let scenario = dir.path().join("tiny.toml");
    let text = "name = \"tiny\"\ndescription = \"As short as it gets.\"\ncompare = [\"sse\"]\n\
                [workload]\nsubscribers = 10\nevents_per_second = 50\npayload_bytes = 64\n\
                duration = \"300ms\"\nwarm_up = \"100ms\"\n";
    std::fs::write(&scenario, text).unwrap();
    let options = CompareOptions {
        baseline: "old".to_owned(),
        candidate: "new".to_owned(),
        scenarios: vec![scenario],
        blocks: 5,
        seed: Some(1),
        max_time: Duration::from_secs(60),
        invocation: scripted::invocation(dir.path().join("out")),
    };
    let session = Session::new(&options).unwrap();
    let (said, mut out) = (Said::default(), Vec::new());
    let mut progress = said.progress(Detail::Trials);
    let mut runner = ScriptedRunner::new(|setup: &Setup, _| {
        script(setup, if setup.server[0] == "old" { Role::Baseline } else { Role::Candidate })
    });
    let builds = [build("old", Kind::Command), build("new", Kind::Pushbench("new".into()))];
    let status =
        session.run(builds, &mut runner, &mut progress, &mut Screen::kept(&mut out)).unwrap();
    let said = said.text();
    assert!(said.starts_with("baseline:  old, interpreted as a server command\n"), "{said}");
    assert!(said.contains("\ntiny: 10 trials in 5 blocks, about "), "{said}");
    assert!(!out.is_empty() && dir.path().join("out/comparison.md").is_file());
    let error = Session::new(&options).err().unwrap().to_string();
    assert!(error.contains("out already holds a comparison"), "{error}");
    (status, said.lines().last().unwrap().to_owned())
}

#[test]
fn the_status_is_that_of_the_verdict() {
    let (status, last) = compare_with(|setup, _| Ok(valid(setup)));
    assert_eq!(status, ExitStatus::Complete);
    assert!(last.contains(": valid"), "nothing more to say: {last}");
    let (status, last) = compare_with(|setup, _| Ok(disturbed(setup)));
    assert_eq!(status, ExitStatus::Untrusted);
    let expected = "tiny, SSE: 5 of 5 blocks cannot be trusted, and all are needed: ";
    assert!(last.starts_with(expected), "{last}");
    let (status, _) = compare_with(|setup, role| {
        let mut output = valid(setup);
        let lost = if role == Role::Candidate { 1.0 } else { 0.0 };
        output.trial.values.insert(Metric::Lost, lost);
        Ok(output)
    });
    assert_eq!(status, ExitStatus::Exceeded, "it loses events");
    let (status, last) = compare_with(|_, _| Err(Interrupted));
    assert_eq!(status, ExitStatus::Interrupted);
    assert_eq!(last, "Interrupted: the trials that have ended are kept.");
}

#[test]
fn a_build_that_fails_is_told_from_one_that_measures() {
    for (fails, status, said) in [
        (
            &[Role::Candidate][..],
            ExitStatus::Exceeded,
            "The candidate failed at SSE in block 1: the server ended with exit code 7",
        ),
        (
            &[Role::Baseline],
            ExitStatus::Untrusted,
            "The baseline failed at SSE in block 1, so there is nothing to compare with",
        ),
        (
            &[Role::Baseline, Role::Candidate],
            ExitStatus::Untrusted,
            "Both builds failed at SSE in block 1",
        ),
    ] {
        let (found, last) = compare_with(|setup, role| {
            Ok(if fails.contains(&role) { failed(setup) } else { valid(setup) })
        });
        assert_eq!(found, status, "{fails:?}");
        assert!(last.starts_with(said) && last.ends_with("no room"), "{last}");
    }
}
