//! What the tests of the program share: scenarios, running it, and reading what it left.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Held by the test that measures: each run pins its server and its generator to cores, and two at
/// once would measure each other.
static MACHINE: Mutex<()> = Mutex::new(());

/// A run that is kept in the repository.
pub(crate) const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../results/sample");

/// What a watched run is asked to do.
const RUN: [&str; 4] = ["run", "scenario.toml", "--out", "out"];

/// A folder of its own for one test.
pub(crate) struct Bench {
    dir: TempDir,
    _machine: Option<MutexGuard<'static, ()>>,
}

/// One trial, as `trials.csv` has it.
pub(crate) struct Row {
    pub(crate) valid: bool,
    pub(crate) values: BTreeMap<String, f64>,
}

impl Bench {
    /// For what takes no measurement.
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), _machine: None }
    }

    /// For what does: no other test measures meanwhile.
    pub(crate) fn alone() -> Self {
        // A test that failed leaves nothing that the next one minds.
        let machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        Self { _machine: Some(machine), ..Self::new() }
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
        command.args(&launcher[1..]).arg(env!("CARGO_BIN_EXE_pushbench")).args(RUN);
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

    /// The contenders in the folder `out`, in the order in which they were measured.
    pub(crate) fn contenders(&self) -> Vec<String> {
        let mut csv = csv::Reader::from_path(self.path("out/trials.csv")).unwrap();
        let mut names: Vec<_> = csv.records().map(|record| record.unwrap()[3].to_owned()).collect();
        names.dedup();
        names
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

    /// The processes that it has started.
    pub(crate) fn children(&self) -> Vec<Pid> {
        let parent = self.pid().to_string();
        let children = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let after_name = stat.rsplit_once(')')?.1;
            (after_name.split_whitespace().nth(1)? == parent).then(|| Pid::from_raw(pid))
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

/// Every trial ran to its end. On a busy machine some are not trusted (exit code 3), but what they
/// count is exact all the same.
pub(crate) fn assert_ran(output: &Output) {
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", text(&output.stderr));
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
