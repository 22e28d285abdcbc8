//! `pushbench run`: replays scenarios over every contender and leaves a results folder of each.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use humantime::format_duration;
use jiff::Timestamp;

use super::bench::{Bench, Interrupted, Ran, Setup, own_server};
use super::ending::{Ending, reasons};
use super::manifest::{Invocation, Source, free_folder, run_name};
use super::progress::{Progress, roughly};
use super::report::{show, terminal_on_stdout};
use super::shorten;
use crate::analysis::analyse;
use crate::analysis::thresholds::check_cells;
use crate::document::{IndexRow, index};
use crate::render::{markdown, terminal, write_run};
use crate::results::latency_log::{Entry, LatencyLog};
use crate::results::model::SCHEMA_VERSION;
use crate::results::shortening::Shortening;
use crate::results::{Manifest, Run, Trial, folder};
use crate::scenario::Scenario;
use crate::scenario::schedule::{self, CellTrial};

/// The share of the time allowed that is planned for trials: the rest is for rendering, and for what
/// a trial takes beyond its plan.
const PLANNED_SHARE: f64 = 0.9;

/// The index of several scenarios, in the folder that holds those of each.
const INDEX_FILE: &str = "summary.md";

/// What `pushbench run` was asked.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Scenario files, or folders of them.
    pub scenarios: Vec<PathBuf>,
    /// The results folder; by default `results/<scenario>-<time>`. Several scenarios, or a folder of
    /// them, have a folder each within it; by default it has the name of the folder then.
    pub out: Option<PathBuf>,
    /// The program that serves, with its first arguments; by default the `serve` of this program.
    pub server: Option<Vec<String>>,
    /// How long all of it may take: what would take longer is shortened, as far as its figures allow.
    pub max_time: Option<Duration>,
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

/// Runs every trial of every scenario, one after the other. All scenarios are read before the first
/// trial. What has been measured is on disk after each trial; the other files of a scenario's folder
/// are rendered at its end, however it comes. Of several, the worst ending is that of all.
///
/// # Errors
/// A bad scenario (a [`crate::scenario::ScenarioError`]), two of one name
/// ([`crate::command::Unusable`]), a machine that cannot run them, or files that cannot be written. A trial
/// that fails is no error but a row of the results.
pub fn run(options: &RunOptions) -> anyhow::Result<Ending> {
    let sources = Source::load_all(&options.scenarios)?;
    let cells = sources.iter().flat_map(|source| source.scenario.cells());
    let sockets = cells.map(|(_, cell)| cell.workload.sockets()).max();
    let bench = Bench::new(sockets.unwrap_or_default())?;
    let started = Timestamp::now();
    let together = name_together(&options.scenarios);
    let several = together.is_some();
    let name = together.unwrap_or_else(|| sources[0].scenario.name.clone());
    let top = options.out.clone().unwrap_or_else(|| free_folder(&run_name(&name, started)));
    let jobs = jobs(sources, several, &top, options.max_time);
    let folders = || jobs.iter().map(|job| &job.dir).chain([&top]);
    for dir in folders() {
        ensure!(
            !dir.join(folder::RUN_FILE).exists(),
            "{} already holds a run: name another folder with --out, or remove it",
            dir.display()
        );
    }
    for dir in folders() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    let progress = if several { Progress::without_phases() } else { Progress::new() };
    let server = options.server.clone().unwrap_or_else(own_server);
    let mut session = Session { bench, progress, options, server, several };
    session.announce(&jobs);
    match &jobs[..] {
        [only] if !several => {
            let done = session.run(only, started)?;
            session.progress.finish();
            show(&only.dir, &done.run, &done.log)?;
            done.reasons.iter().for_each(|reason| eprintln!("{reason}"));
            Ok(done.ending)
        }
        jobs => session.run_several(jobs, &name, &top),
    }
}

/// What scenarios are called together, if each has a folder of its own: several, or those of a folder.
fn name_together(paths: &[PathBuf]) -> Option<String> {
    match paths {
        [only] if !only.is_dir() => None,
        [folder] => {
            // `.` and `..` have a name, too.
            let name = folder
                .canonicalize()
                .ok()
                .and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
            Some(name.unwrap_or_else(|| "scenarios".to_owned()))
        }
        _ => Some("scenarios".to_owned()),
    }
}

/// A scenario as it will be measured.
struct Job {
    source: Source,
    /// What its file asks beyond that.
    shortenings: Vec<Shortening>,
    /// Its results folder.
    dir: PathBuf,
}

/// Each scenario has its folder in `top`, or is the only one, whose folder that is.
fn jobs(sources: Vec<Source>, several: bool, top: &Path, max_time: Option<Duration>) -> Vec<Job> {
    let asked: Vec<Scenario> = sources.iter().map(|source| source.scenario.clone()).collect();
    let fitted = match max_time {
        Some(max_time) => shorten::run_to_fit(&asked, max_time.mul_f64(PLANNED_SHARE)),
        None => asked.clone(),
    };
    let jobs = sources.into_iter().zip(asked).zip(fitted).map(|((source, asked), scenario)| Job {
        shortenings: shorten::shortenings(&asked, &scenario),
        dir: if several { top.join(&scenario.name) } else { top.to_owned() },
        source: Source { scenario, ..source },
    });
    jobs.collect()
}

/// The first of a scenario's reasons, where it stands among those of others.
fn in_a_line(scenario: &str, reasons: &[String]) -> Option<String> {
    let (first, others) = reasons.split_first()?;
    let more = match others.len() {
        0 => String::new(),
        more => format!(" (and {more} more, in its report)"),
    };
    Some(format!("{scenario}: {first}{more}"))
}

/// An invocation in the making.
struct Session<'a> {
    bench: Bench,
    progress: Progress,
    options: &'a RunOptions,
    server: Vec<String>,
    /// Whether lines have to say which scenario they are about.
    several: bool,
}

/// What came of a scenario.
struct Done {
    run: Run,
    log: LatencyLog,
    ending: Ending,
    /// What speaks for the ending, in sentences.
    reasons: Vec<String>,
}

impl Session<'_> {
    /// Says what will be done and what is left out, and how long that takes.
    fn announce(&mut self, jobs: &[Job]) {
        for job in jobs {
            let Scenario { blocks, ref contenders, .. } = job.source.scenario;
            for (_, cell) in job.source.scenario.cells() {
                self.progress.plan(&cell.workload, blocks * contenders.len() as u32);
            }
            if !job.shortenings.is_empty() {
                let parts = job.shortenings.iter().map(Shortening::to_string);
                let parts = parts.collect::<Vec<_>>().join(", ");
                self.progress.line(&format!("{}: {parts}", job.source.scenario.name));
            }
        }
        let time = roughly(self.progress.left());
        if self.several {
            self.progress.line(&format!("{} scenarios, about {time}", jobs.len()));
        }
        if let Some(max_time) = self.options.max_time
            && self.progress.left() > max_time
        {
            self.progress.line(&format!(
                "That takes about {time}: more than {}, but shorter trials would tell too little.",
                format_duration(max_time)
            ));
        }
    }

    /// Runs scenarios one after the other, with an index of them in `top`. An interruption ends all.
    fn run_several(mut self, jobs: &[Job], name: &str, top: &Path) -> anyhow::Result<Ending> {
        let mut rows: Vec<_> =
            jobs.iter().map(|job| IndexRow::not_run(&job.source.scenario.name)).collect();
        let command = shell_words::join(&self.options.command_line);
        let save = |rows: &[IndexRow]| {
            let index = markdown(&index(name, &command, rows));
            folder::write_whole(&top.join(INDEX_FILE), index.as_bytes())
        };
        // Before the first trial, so that a folder which cannot be written costs none.
        save(&rows)?;
        let mut worst = Ending::Complete;
        let mut reasons = Vec::new();
        for (number, job) in jobs.iter().enumerate() {
            let Done { run, log, ending, reasons: own } = self.run(job, Timestamp::now())?;
            write_run(&job.dir, &run, &log)?;
            rows[number] = IndexRow::of(&run, &analyse(&run, &log));
            save(&rows)?;
            reasons.extend(in_a_line(&job.source.scenario.name, &own).map(|line| (ending, line)));
            worst = worst.max(ending);
            if run.manifest.interrupted {
                break;
            }
        }
        self.progress.finish();
        let mut out = std::io::stdout().lock();
        let shown = terminal(&index(name, &command, &rows), terminal_on_stdout());
        writeln!(out, "{shown}\nOpen {}", top.join(INDEX_FILE).display())?;
        // Those of the ending that is that of all come last, where people look first.
        reasons.sort_by_key(|(ending, _)| *ending);
        reasons.iter().for_each(|(_, reason)| eprintln!("{reason}"));
        Ok(worst)
    }

    /// Runs all trials of a scenario.
    fn run(&mut self, job: &Job, started: Timestamp) -> anyhow::Result<Done> {
        let Job { source, shortenings, dir } = job;
        let scenario = &source.scenario;
        let trials = schedule::trials(scenario);
        self.bench.begin_run();
        let RunOptions { command_line, build, server, .. } = self.options;
        let invocation = Invocation { command_line, build, started, cores: self.bench.cores() };
        let manifest = invocation.manifest(source, trials.len() as u32, server.as_deref());
        let manifest = Manifest {
            settings: manifest
                .settings
                .into_iter()
                .chain(shortenings.iter().map(Shortening::setting))
                .collect(),
            shortenings: shortenings.clone(),
            ..manifest
        };
        let mut run = Run { schema_version: SCHEMA_VERSION, manifest, trials: Vec::new() };
        let mut log = LatencyLog::default();
        let cells = scenario.cells();
        for CellTrial { cell, trial: planned } in trials {
            let (cell, of_cell) = cells[cell];
            let setup = Setup { scenario: of_cell, server: self.server.clone(), record: true };
            let mut name = planned.contender.label().to_owned();
            if self.several {
                name = format!("{}, {name}", scenario.name);
            }
            if cells.len() > 1 {
                name = format!("{name}, {cell}");
            }
            let Self { bench, progress, .. } = self;
            progress.begin(name, &of_cell.workload);
            match bench.trial(&setup, planned, |phase| progress.step(phase)) {
                Ok(Ran { trial, intervals }) => {
                    let trial = Trial { cell: cell.to_owned(), ..trial };
                    progress.end(&trial);
                    run.trials.push(trial);
                    for interval in &intervals {
                        let number = run.trials.len() - 1;
                        let entry = Entry::new(&run.trials[number].contender, number, interval)
                            .context("cannot write latencies")?;
                        log.entries.push(entry);
                    }
                }
                Err(Interrupted) => run.manifest.interrupted = true,
            }
            folder::save(dir, &run, &log)?;
            if run.manifest.interrupted {
                progress.line("Interrupted: the trials that have ended are kept.");
                break;
            }
        }
        let thresholds = check_cells(scenario, &run.trials.iter().collect::<Vec<_>>());
        let ending = Ending::of(&run, scenario, &thresholds);
        let reasons = reasons(ending, &run, scenario, &thresholds);
        Ok(Done { run, log, ending, reasons })
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    #[test]
    fn reasons_of_a_scenario_take_one_line() {
        let reasons = ["one", "two", "three"].map(str::to_owned);
        assert_eq!(in_a_line("chat", &[]), None);
        assert_eq!(in_a_line("chat", &reasons[..1]).as_deref(), Some("chat: one"));
        let all = in_a_line("chat", &reasons);
        assert_eq!(all.as_deref(), Some("chat: one (and 2 more, in its report)"));
    }

    #[test]
    fn a_folder_gives_its_name_and_one_file_none() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("mine");
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("a.toml");
        std::fs::write(&file, "").unwrap();
        assert_eq!(name_together(from_ref(&folder)).as_deref(), Some("mine"));
        assert_eq!(name_together(&[folder.join(".")]).as_deref(), Some("mine"));
        assert_eq!(name_together(from_ref(&file)), None);
        assert_eq!(name_together(&[file, folder]).as_deref(), Some("scenarios"));
    }
}
