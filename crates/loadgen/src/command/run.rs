//! `pushbench run`: replays a scenario over every transport and leaves a results folder.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use jiff::Timestamp;

use super::bench::{Bench, Interrupted, Ran, Setup, own_server};
use super::ending::{Ending, reasons};
use super::manifest::{Invocation, Source, free_folder, run_name};
use super::progress::Progress;
use super::report::show;
use crate::analysis::thresholds::check;
use crate::results::latency_log::{Entry, LatencyLog};
use crate::results::model::SCHEMA_VERSION;
use crate::results::{Run, folder};
use crate::scenario::schedule::{self, PlannedTrial};

/// What `pushbench run` was asked.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The scenario's file.
    pub scenario: PathBuf,
    /// The results folder; by default `results/<scenario>-<time>`.
    pub out: Option<PathBuf>,
    /// The program that serves, with its first arguments; by default the `serve` of this program.
    pub server: Option<Vec<String>>,
    /// The command line, for the manifest.
    pub command_line: Vec<String>,
    /// What is running.
    pub build: Build,
}

/// What this program was built from.
#[derive(Clone, Debug)]
pub struct Build {
    /// Version of pushbench.
    pub version: &'static str,
    /// Source revision, if it is known.
    pub revision: Option<&'static str>,
}

/// Runs every trial of a scenario, one after the other. What has been measured is on disk after
/// each trial; the folder's other files are rendered at the end, however it comes.
///
/// # Errors
/// A bad scenario (a [`crate::scenario::ScenarioError`]), a machine that cannot run it, or files
/// that cannot be written. A trial that fails is no error but a row of the results.
pub fn run(options: &RunOptions) -> anyhow::Result<Ending> {
    let source = Source::load(&options.scenario)?;
    let scenario = &source.scenario;
    let bench = Bench::new(scenario.workload.subscribers)?;
    let started = Timestamp::now();
    let dir =
        options.out.clone().unwrap_or_else(|| free_folder(&run_name(&scenario.name, started)));
    ensure!(
        !dir.join(folder::RUN_FILE).exists(),
        "{} already holds a run: name another folder with --out, or remove it",
        dir.display()
    );
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;

    let trials = schedule::trials(scenario);
    let (command_line, build) = (&options.command_line[..], &options.build);
    let invocation = Invocation { command_line, build, started, cores: bench.cores() };
    let manifest = invocation.manifest(&source, trials.len() as u32, options.server.as_deref());
    let server = options.server.clone().unwrap_or_else(own_server);
    let mut session = Session {
        bench,
        setup: Setup { scenario, server, record: true },
        dir: &dir,
        run: Run { schema_version: SCHEMA_VERSION, manifest, trials: Vec::new() },
        log: LatencyLog::default(),
        progress: Progress::new(),
    };
    session.progress.plan(&scenario.workload, trials.len() as u32);
    session.run_all(&trials)?;
    let Session { run, log, progress, .. } = session;
    progress.finish();
    show(&dir, &run, &log)?;
    let thresholds = check(scenario, &run.trials.iter().collect::<Vec<_>>());
    let ending = Ending::of(&run, &trials, &thresholds);
    for reason in reasons(ending, &run, &trials, &thresholds) {
        eprintln!("{reason}");
    }
    Ok(ending)
}

/// A run in the making.
struct Session<'a> {
    bench: Bench,
    setup: Setup<'a>,
    dir: &'a Path,
    run: Run,
    log: LatencyLog,
    progress: Progress,
}

impl Session<'_> {
    fn run_all(&mut self, trials: &[PlannedTrial]) -> anyhow::Result<()> {
        for &planned in trials {
            let Self { bench, setup, progress, .. } = self;
            progress.begin(planned.transport.label().to_owned(), &setup.scenario.workload);
            match bench.trial(setup, planned, |phase| progress.step(phase)) {
                Ok(Ran { trial, intervals }) => {
                    self.progress.end(&trial);
                    self.run.trials.push(trial);
                    for interval in &intervals {
                        let entry = Entry::new(interval).context("cannot write latencies")?;
                        self.log.entries.push(entry);
                    }
                }
                Err(Interrupted) => self.run.manifest.interrupted = true,
            }
            folder::save(self.dir, &self.run, &self.log)?;
            if self.run.manifest.interrupted {
                self.progress.line("Interrupted: the trials that have ended are kept.");
                break;
            }
        }
        Ok(())
    }
}
