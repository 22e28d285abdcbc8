//! What the tests of the program share: scenarios, running it, and reading what it left.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pushbench_loadgen::results::{Run, Trial, Warning, store};
use tempfile::TempDir;

/// Who uses the machine. Each run pins its server and its generator to cores, so two at once measure
/// each other. That does not matter to a test of what is counted, written or said.
static MACHINE: RwLock<()> = RwLock::new(());

/// A run that is kept in the repository.
pub(crate) const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../results/sample");

/// What a watched run is asked to do.
const RUN: [&str; 4] = ["run", "scenario.toml", "--out", "out"];

/// Trials are as many as planned, however busy the machine is.
const NO_REPEATS: [&str; 2] = ["--max-repeats", "0"];

/// A folder of its own for one test.
pub(crate) struct Bench {
    dir: TempDir,
    _machine: Machine,
}

/// Kept until the test ends.
#[expect(dead_code, reason = "what counts is that it is held")]
enum Machine {
    Shared(RwLockReadGuard<'static, ()>),
    Own(RwLockWriteGuard<'static, ()>),
}

/// One trial, as `trials.csv` has it.
pub(crate) struct Row {
    pub(crate) valid: bool,
    pub(crate) values: BTreeMap<String, f64>,
}

impl Bench {
    /// For a test that holds whatever else runs meanwhile. A test has one at a time: a second one
    /// would wait for ever behind a test that wants to be alone.
    pub(crate) fn new() -> Self {
        // A test that failed leaves nothing that the next one minds.
        Self::on(Machine::Shared(MACHINE.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// For a test about times that are not longer than theory has them, about CPU, or about what nobody else
    /// has: no other test of this program runs meanwhile. It is called `alone_…`, so that scripts/check can run
    /// it behind the others: whoever waits for them to end lets nobody begin.
    pub(crate) fn alone() -> Self {
        let current = std::thread::current();
        let is_said = current.name().is_some_and(|name| name.contains("alone_"));
        assert!(is_said, "call this test alone_…: {:?}", current.name());
        Self::on(Machine::Own(MACHINE.write().unwrap_or_else(PoisonError::into_inner)))
    }

    fn on(machine: Machine) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), _machine: machine }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes `text` as the scenario that `run` uses.
    pub(crate) fn scenario(&self, text: &str) {
        fs::write(self.path("scenario.toml"), text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushbench"));
        command.current_dir(self.dir.path()).args(arguments).stdin(Stdio::null());
        if arguments.first() == Some(&"run") {
            command.args(NO_REPEATS);
        }
        // A server under test must be started without it: those that measure it do not send it.
        command.env("PUSHBENCH_SERVE_TOKEN", "of-another-server");
        command
    }

    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts a run of the scenario, to be watched.
    pub(crate) fn start_run(&self) -> Watched {
        Self::start(self.command(&RUN))
    }

    /// The same, started by `launcher`, which becomes the program that its arguments name.
    pub(crate) fn start_run_by(&self, launcher: &[&str]) -> Watched {
        let mut command = Command::new(launcher[0]);
        command
            .args(&launcher[1..])
            .arg(env!("CARGO_BIN_EXE_pushbench"))
            .args(RUN)
            .args(NO_REPEATS);
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        Self::start(command)
    }

    /// Starts a command, to be watched.
    pub(crate) fn start(mut command: Command) -> Watched {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        Watched { child, lines }
    }

    /// The trials in the folder `out`, as they are kept.
    pub(crate) fn rows(&self) -> String {
        fs::read_to_string(self.path("out/trials.jsonl")).unwrap()
    }

    /// The trials in the folder `out`, by contender.
    pub(crate) fn trials(&self) -> BTreeMap<String, Row> {
        let mut trials = BTreeMap::new();
        let mut csv = csv::Reader::from_path(self.path("out/trials.csv")).unwrap();
        let headers = csv.headers().unwrap().iter().collect::<Vec<_>>().join(",");
        assert_eq!(headers, "run,scenario,cell,contender,transport,block,valid,metric,unit,value");
        for record in csv.records() {
            let record = record.unwrap();
            let row = trials
                .entry(record[3].to_owned())
                .or_insert_with(|| Row { valid: &record[6] == "true", values: BTreeMap::new() });
            if let Ok(value) = record[9].parse() {
                row.values.insert(record[7].to_owned(), value);
            }
        }
        trials
    }
}

/// A run that goes on.
pub(crate) struct Watched {
    child: Child,
    lines: BufReader<ChildStderr>,
}

impl Watched {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Reads its progress up to a line that contains `text`.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let length = self.lines.read_line(&mut line).unwrap();
            assert!(length > 0, "no line with {text:?} in:\n{seen}");
            if line.contains(text) {
                return line;
            }
            seen.push_str(&line);
        }
    }

    /// The server that it has started.
    pub(crate) fn server(&self) -> Pid {
        let children = self.children();
        assert_eq!(children.len(), 1, "one server at a time");
        children[0]
    }

    /// The processes that it has started, but for those that only wait for its end.
    pub(crate) fn children(&self) -> Vec<Pid> {
        let parent = self.pid().to_string();
        let children = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let after_name = stat.rsplit_once(')')?.1;
            let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let is_guard = command.split(|&byte| byte == 0).any(|word| word == b"pushbench-guard");
            (!is_guard && after_name.split_whitespace().nth(1)? == parent)
                .then(|| Pid::from_raw(pid))
        });
        children.collect()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits for its end, and returns its exit code and what it still said on standard error.
    pub(crate) fn finish(mut self) -> (Option<i32>, String) {
        // A pipe that nobody reads would block it.
        let mut said = String::new();
        self.lines.read_to_string(&mut said).unwrap();
        (self.child.wait_with_output().unwrap().status.code(), said)
    }
}

/// Waits until `process` has gone.
pub(crate) fn wait_gone(process: Pid) {
    for _ in 0..1_000 {
        if !is_running(process) {
            return;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
    panic!("process {process} is still there");
}

fn is_running(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // A zombie has ended; whoever inherited it has not noticed yet.
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The run in a results folder.
pub(crate) fn run_in(dir: &Path) -> Run {
    store::load_run(dir).unwrap().content.0
}

/// The first reason why a trial is invalid.
pub(crate) fn disturbance(trial: &Trial) -> Option<&Warning> {
    trial.warnings.iter().find(|warning| warning.invalidates())
}

/// Why a run is not trusted: a reason for each contender, in each cell, of which fewer than half of
/// the trials are valid. None on a quiet machine.
pub(crate) fn shortages(run: &Run) -> Vec<String> {
    let mut groups = HashMap::<_, Vec<&Trial>>::new();
    for trial in &run.trials {
        groups.entry((&trial.cell, &trial.contender)).or_default().push(trial);
    }
    let shortage = |trials: Vec<&Trial>| {
        let invalid: Vec<_> = trials.iter().filter(|trial| !trial.is_valid()).collect();
        (trials.len() - invalid.len() < trials.len().div_ceil(2)).then(|| {
            let mut reasons = invalid.iter().filter_map(|trial| disturbance(trial));
            reasons.next().expect("an invalid trial has a reason").to_string()
        })
    };
    groups.into_values().filter_map(shortage).collect()
}

/// Whether these runs ran to their end, and the exit code says what their trials say: 0 when they can
/// be trusted; else, on a busy machine, 3, and the last lines say why. What is counted is exact either
/// way.
pub(crate) fn assert_ran(output: &Output, runs: &[Run]) {
    let said = text(&output.stderr);
    for run in runs {
        assert_eq!(run.trials.len(), run.manifest.planned_trials as usize, "{said}");
        assert!(!run.trials.iter().any(Trial::has_failed), "{said}");
    }
    let shortages: Vec<_> = runs.iter().flat_map(shortages).collect();
    let code = if shortages.is_empty() { 0 } else { 3 };
    assert_eq!(output.status.code(), Some(code), "{said}");
    let last: Vec<_> = said.lines().rev().take(shortages.len()).collect();
    for reason in shortages {
        assert!(last.iter().any(|line| line.contains(&reason)), "{reason}: {last:?}");
    }
}

/// Ends a test that needs what this machine lacks. That is a failure, unless whoever runs the tests
/// says that it is not.
pub(crate) fn cannot_run(reason: &str) {
    const ALLOWED: &str = "PUSHBENCH_ALLOW_SKIPS";
    assert!(
        std::env::var_os(ALLOWED).is_some(),
        "this test cannot run here: {reason}; set {ALLOWED}=1 to leave such tests out"
    );
    println!("skipped: {reason}");
}

pub(crate) fn assert_holds_files(dir: &Path) {
    for file in [
        "run.json",
        "trials.jsonl",
        "latency.hlog",
        "trials.csv",
        "summary.md",
        "report.html",
        "charts/latency-spectrum.png",
        "charts/latency-over-time.png",
        "charts/cpu-per-delivery.png",
        "charts/bytes-per-delivery.png",
        "charts/memory-per-subscriber.png",
    ] {
        let length = fs::metadata(dir.join(file)).unwrap_or_else(|_| panic!("{file}")).len();
        assert!(length > 0, "{file} is empty");
    }
}
