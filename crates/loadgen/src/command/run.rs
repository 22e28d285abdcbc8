//! `pushbench run`: replays a scenario over every transport and leaves a results folder.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::bench::{Bench, Interrupted, Ran, Setup, own_server};
use super::ending::{Ending, shortages};
use super::progress::Progress;
use super::report::show;
use crate::engine::{fairness, probe};
use crate::results::latency_log::{Entry, LatencyLog};
use crate::results::model::{SCHEMA_VERSION, ScenarioText};
use crate::results::{Manifest, Run, folder};
use crate::scenario::Scenario;
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
    let (scenario, text) = Scenario::load(&options.scenario)?;
    let bench = Bench::new(scenario.workload.subscribers)?;
    let started = Timestamp::now();
    let run_name = format!("{}-{}", scenario.name, started.strftime("%Y%m%d-%H%M%S"));
    let dir = options.out.clone().unwrap_or_else(|| free_folder(&run_name));
    ensure!(
        !dir.join(folder::RUN_FILE).exists(),
        "{} already holds a run: name another folder with --out, or remove it",
        dir.display()
    );
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;

    let trials = schedule::trials(&scenario);
    let manifest = Manifest {
        run: run_name,
        command: shell_words::join(&options.command_line),
        seed: scenario.seed,
        started_at: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        started_unix_s: started.as_duration().as_secs_f64(),
        planned_trials: trials.len() as u32,
        interrupted: false,
        version: options.build.version.to_owned(),
        revision: options.build.revision.map(str::to_owned),
        server: options.server.as_ref().map_or("pushbench serve".to_owned(), shell_words::join),
        machine: probe::machine(bench.cores()),
        settings: fairness::settings(bench.cores(), options.server.is_none()),
        scenario: ScenarioText {
            name: scenario.name.clone(),
            description: scenario.description.clone(),
            path: options.scenario.display().to_string(),
            sha256: Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect(),
            text,
        },
    };
    let server = options.server.clone().unwrap_or_else(own_server);
    let mut session = Session {
        bench,
        setup: Setup { scenario: &scenario, server, record: true },
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
    let ending = Ending::of(&run, &trials);
    if ending == Ending::Untrusted {
        for shortage in shortages(&run, &trials) {
            eprintln!("{shortage}");
        }
    }
    Ok(ending)
}

/// The folder that a run gets when none is named: two may start within a second.
fn free_folder(run_name: &str) -> PathBuf {
    let names = (2..).map(|number| format!("{run_name}-{number}"));
    let mut folders = std::iter::once(run_name.to_owned())
        .chain(names)
        .map(|name| Path::new("results").join(name));
    folders.find(|folder| !folder.exists()).unwrap_or_default()
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
