//! Outputs that cannot be written, or that nobody reads any more: no print panics, and how a command
//! ended is what its exit code says.

use std::fs::{File, OpenOptions};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use crate::SHORT;
use crate::support::{Bench, SAMPLE, assert_holds_files, text};

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// A pipe that nobody reads.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A copy of the sample, which a report may render again.
fn sample(bench: &Bench) {
    std::fs::create_dir(bench.path("sample")).unwrap();
    for entry in std::fs::read_dir(SAMPLE).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), bench.path("sample").join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn who_reads_no_further_ends_nothing() {
    let bench = Bench::new();
    sample(&bench);
    for (arguments, code) in
        [(&["schema"][..], 0), (&["report", "sample"], 0), (&["check", "nowhere.toml"], 2)]
    {
        let mut command = bench.command(arguments);
        let output = command.stdout(unread()).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {:?}", output.status.signal());
        assert_eq!(text(&output.stderr), "", "{arguments:?}: it ends quietly");
    }
}

#[test]
fn a_run_goes_on_when_nobody_reads() {
    let bench = Bench::new();
    bench.scenario(SHORT);
    for stderr in [full().into(), unread()] {
        let mut command = bench.command(&["run", "scenario.toml", "--out", "out"]);
        let status = command.stdout(unread()).stderr(stderr).status().unwrap();
        // 3 says that the machine was busy.
        assert!(matches!(status.code(), Some(0 | 3)), "{status}");
        assert_holds_files(&bench.path("out"));
        std::fs::remove_dir_all(bench.path("out")).unwrap();
    }
}

#[test]
fn a_full_output_is_an_error_only_of_what_has_no_other() {
    let bench = Bench::new();
    sample(&bench);
    for (arguments, code) in
        [(&["schema"][..], 1), (&["check", SAMPLE], 1), (&["report", "sample"], 0)]
    {
        let mut command = bench.command(arguments);
        let output = command.stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains("cannot write to the standard output"), "{arguments:?}: {said}");
    }
}

#[test]
fn errors_that_nobody_reads_have_their_exit_codes() {
    let bench = Bench::new();
    for (arguments, code) in [
        (&["run", "nowhere.toml"][..], 2),
        (&["report", "nowhere"], 1),
        (&["compare", "a", "b"], 2),
        (&["serve", "--inject", "delay=1ms@0%"], 2),
    ] {
        for stderr in [full().into(), unread()] {
            let mut command = bench.command(arguments);
            let status = command.stdout(Stdio::null()).stderr(stderr).status().unwrap();
            assert_eq!(status.code(), Some(code), "{arguments:?}");
        }
    }
}

#[test]
fn what_a_file_says_drives_no_terminal_and_no_workflow() {
    let bench = Bench::new();
    std::fs::write(bench.path("\u{1b}[31m.toml"), "name = 1").unwrap();
    bench.scenario("\"\\u001b[2J\" = 1\n\"x\\n::error::y\" = 2\n");
    let output = bench.output(&["check", ".", "\n::error::z"]);
    let said = text(&output.stdout);
    assert!(!said.contains('\u{1b}'), "{said}");
    assert!(!said.lines().any(|line| line.trim_start().starts_with("::")), "{said}");
}
