//! `pushbench run`: replays scenarios for every contender and leaves a results folder of each.

mod outcome;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use humantime::format_duration;
use jiff::Timestamp;

use super::ExitStatus;
use super::report::show_run;
use super::screen::{Screen, Stdout};
use crate::analysis::analyse;
use crate::campaign::{
    Detail, Invocation, LocalRunner, Progress, RunPlan, Source, ToCome, TrialRunner, measure,
    remote, roughly, run_to_fit, shortenings,
};
use crate::document::prose::count;
use crate::document::{IndexRow, index, trial_line};
use crate::render::{markdown, write_run};
use crate::results::folder::{write_new, write_whole};
use crate::results::model::SCHEMA_VERSION;
use crate::results::shortening::Shortening;
use crate::results::store::ensure_free;
use crate::results::{LatencyLog, Run};
use crate::scenario::Scenario;
use crate::text::plain;
use outcome::{Assessment, in_a_line};

/// The share of the time allowed that is planned for trials: the rest is for rendering, and for what
/// a trial takes beyond its plan.
const PLANNED_SHARE: f64 = 0.9;

/// The index of several scenarios, in the folder that holds those of each.
const INDEX_FILE: &str = "summary.md";

/// What `pushbench run` was asked.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Scenario files, or folders of them. Several scenarios, or a folder of them, have a folder each
    /// in the results folder, which has the name of their folder by default.
    pub scenarios: Vec<PathBuf>,
    /// How long all of it may take: what would take longer is shortened, as far as its figures allow.
    pub max_time: Option<Duration>,
    /// How many spoilt trials of a scenario may be measured again; half of those planned by default.
    pub max_repeats: Option<u32>,
    /// Whether to say only what would be sent where.
    pub dry_run: bool,
    /// How it was called.
    pub invocation: Invocation,
}

/// Runs every trial of every scenario, one after the other. All scenarios are read before the first
/// trial. What has been measured is on disk after each trial; the other files of a scenario's folder
/// are rendered at its end, however it comes. Of several, the worst status is that of all.
///
/// # Errors
/// A bad scenario (a [`crate::scenario::ScenarioError`]), two of one name
/// ([`crate::command::Unusable`]), a machine that cannot run them, or files that cannot be written. A trial
/// that fails is no error but a row of the results.
pub fn run(options: &RunOptions, verbose: bool) -> anyhow::Result<ExitStatus> {
    let session = Session::new(options, write_run)?;
    if options.dry_run {
        return session.dry_run();
    }
    let detail = if session.is_several() { Detail::Trials } else { Detail::Phases };
    let scenarios = session.jobs.iter().map(|job| &job.source.scenario);
    let mut runner = LocalRunner::new(session.sockets(), scenarios)?;
    session.run(&mut runner, &mut Progress::new(detail, trial_line), &mut Screen::stdout(verbose))
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
pub(super) struct Job {
    pub(super) source: Source,
    /// What its file asks beyond that.
    pub(super) shortenings: Vec<Shortening>,
    /// Its results folder.
    pub(super) dir: PathBuf,
}

/// Each scenario has its folder in `top`, or is the only one, whose folder that is.
pub(super) fn jobs(
    sources: Vec<Source>,
    several: bool,
    top: &Path,
    max_time: Option<Duration>,
) -> Vec<Job> {
    let asked: Vec<Scenario> = sources.iter().map(|source| source.scenario.clone()).collect();
    let fitted = match max_time {
        Some(max_time) => run_to_fit(&asked, max_time.mul_f64(PLANNED_SHARE)),
        None => asked.clone(),
    };
    let jobs = sources.into_iter().zip(asked).zip(fitted).map(|((source, asked), scenario)| Job {
        shortenings: shortenings(&asked, &scenario),
        dir: if several { top.join(&scenario.name) } else { top.to_owned() },
        source: Source { scenario, ..source },
    });
    jobs.collect()
}

/// An invocation, as far as it is known before anything is measured.
pub(super) struct Session<'a> {
    options: &'a RunOptions,
    started: Timestamp,
    pub(super) jobs: Vec<Job>,
    /// What several scenarios are called, and the folder that holds theirs.
    together: Option<(String, PathBuf)>,
    render: Render,
}

/// Renders a run into its folder, and says which files that makes.
pub(super) type Render = fn(&Path, &Run, &LatencyLog) -> anyhow::Result<Vec<PathBuf>>;

/// What came of a scenario.
pub(super) struct Done {
    run: Run,
    log: LatencyLog,
    assessment: Assessment,
}

impl<'a> Session<'a> {
    fn new(options: &'a RunOptions, render: Render) -> anyhow::Result<Self> {
        let sources = Source::load_all(&options.scenarios)?;
        for source in &sources {
            remote::check(&source.scenario, &options.invocation.allow_remote)?;
        }
        let started = Timestamp::now();
        let together = name_together(&options.scenarios);
        let name = together.as_ref().unwrap_or(&sources[0].scenario.name);
        let top = options.invocation.folder(name, started)?;
        let jobs = jobs(sources, together.is_some(), &top, options.max_time);
        jobs.iter().try_for_each(|job| ensure_free(&job.dir))?;
        let together = together.map(|name| (name, top));
        Ok(Self { options, started, jobs, together, render })
    }

    /// One of these jobs, which have their folders in `top`.
    pub(super) fn of_jobs(
        options: &'a RunOptions,
        jobs: Vec<Job>,
        (name, top): (&str, &Path),
        render: Render,
    ) -> Self {
        let together = Some((name.to_owned(), top.to_owned()));
        Self { options, started: Timestamp::now(), jobs, together, render }
    }

    /// Says what would be done, and sends nothing.
    fn dry_run(&self) -> anyhow::Result<ExitStatus> {
        let mut out = Stdout::new();
        for job in &self.jobs {
            let Scenario { ref name, blocks, .. } = job.source.scenario;
            let time = roughly(self.plan(job).to_come(0).time);
            let contenders = count(job.source.scenario.contenders.len(), "contender");
            let blocks = count(blocks as usize, "block");
            writeln!(out, "{name}: {contenders} in {blocks}, about {time}")?;
            let intentions = remote::intentions(&job.source.scenario);
            if intentions.is_empty() {
                writeln!(out, "  nothing leaves this machine")?;
            }
            for line in intentions {
                writeln!(out, "  {}", plain(&line))?;
            }
        }
        out.end()?;
        Ok(ExitStatus::Complete)
    }

    fn is_several(&self) -> bool {
        self.together.is_some()
    }

    pub(super) fn sockets(&self) -> u32 {
        let cells = self.jobs.iter().flat_map(|job| job.source.scenario.cells());
        cells.map(|(_, cell)| cell.sockets()).max().unwrap_or_default()
    }

    fn plan(&self, job: &Job) -> RunPlan {
        let server = self.options.invocation.server();
        RunPlan::new(&job.source.scenario, server, self.is_several())
            .repeating(self.options.max_repeats)
    }

    fn run(
        &self,
        runner: &mut impl TrialRunner,
        progress: &mut Progress,
        screen: &mut Screen<impl Write>,
    ) -> anyhow::Result<ExitStatus> {
        self.announce(progress);
        let Some((name, top)) = &self.together else {
            let job = &self.jobs[0];
            let done = self.measure(job, self.started, runner, progress)?;
            progress.finish();
            let files = (self.render)(&job.dir, &done.run, &done.log)?;
            show_run(&job.dir, &done.run, &done.log, &files, screen)?;
            done.assessment.reasons.iter().for_each(|reason| progress.line(reason));
            return Ok(done.assessment.status);
        };
        self.run_several(name, top, runner, progress, screen)
    }

    /// Says what will be done and what is left out, and how long that takes.
    pub(super) fn announce(&self, progress: &mut Progress) {
        for job in &self.jobs {
            remote::intentions(&job.source.scenario).iter().for_each(|line| progress.line(line));
        }
        for job in self.jobs.iter().filter(|job| !job.shortenings.is_empty()) {
            let parts: Vec<_> = job.shortenings.iter().map(Shortening::to_string).collect();
            progress.line(&format!("{}: {}", job.source.scenario.name, parts.join(", ")));
        }
        let ToCome { time, .. } = self.jobs.iter().map(|job| self.plan(job).to_come(0)).sum();
        if self.is_several() {
            progress.line(&format!("{} scenarios, about {}", self.jobs.len(), roughly(time)));
        }
        if let Some(max_time) = self.options.max_time.filter(|max_time| time > *max_time) {
            progress.line(&format!(
                "This takes about {}, longer than {}: shorter trials would tell too little.",
                roughly(time),
                format_duration(max_time)
            ));
        }
    }

    /// Runs scenarios one after the other, with an index of them in `top`. An interruption ends all.
    fn run_several(
        &self,
        name: &str,
        top: &Path,
        runner: &mut impl TrialRunner,
        progress: &mut Progress,
        screen: &mut Screen<impl Write>,
    ) -> anyhow::Result<ExitStatus> {
        let jobs = self.jobs.iter();
        let mut rows: Vec<_> =
            jobs.map(|job| IndexRow::not_run(&job.source.scenario.name)).collect();
        let command = shell_words::join(&self.options.invocation.command_line);
        let save = |rows: &[IndexRow]| {
            let index = markdown(&index(name, &command, rows));
            write_whole(&top.join(INDEX_FILE), index.as_bytes())
        };
        // Before the first trial, so that a folder which cannot be written costs none.
        let first = markdown(&index(name, &command, &rows));
        let is_free = write_new(&top.join(INDEX_FILE), first.as_bytes())?;
        ensure!(
            is_free,
            "{} already holds an index: name another folder with --out",
            top.display()
        );
        for Job { dir, .. } in &self.jobs {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("cannot make {}", dir.display()))?;
        }
        let mut reasons = Vec::new();
        let worst = self.each(runner, progress, |number, Done { run, log, assessment }| {
            rows[number] = IndexRow::of(&run, &analyse(&run, &log));
            let name = &self.jobs[number].source.scenario.name;
            let line = in_a_line(name, &assessment.reasons);
            reasons.extend(line.map(|line| (assessment.status, line)));
            save(&rows)
        })?;
        screen.show(&index(name, &command, &rows))?;
        writeln!(screen.out, "\nOpen {}", top.join(INDEX_FILE).display())?;
        // Those of the status that is that of all come last, where people look first.
        reasons.sort_by_key(|(status, _)| *status);
        reasons.iter().for_each(|(_, reason)| progress.line(reason));
        Ok(worst)
    }

    /// Runs scenarios one after the other, and gives what came of each to `done`. An interruption ends all. The worst
    /// status is that of all.
    pub(super) fn each(
        &self,
        runner: &mut impl TrialRunner,
        progress: &mut Progress,
        mut done: impl FnMut(usize, Done) -> anyhow::Result<()>,
    ) -> anyhow::Result<ExitStatus> {
        let mut worst = ExitStatus::Complete;
        for (number, job) in self.jobs.iter().enumerate() {
            let later = self.jobs[number + 1..].iter();
            progress.set_later(later.map(|job| self.plan(job).to_come(0)).sum());
            let one = self.measure(job, Timestamp::now(), runner, progress)?;
            (self.render)(&job.dir, &one.run, &one.log)?;
            worst = worst.max(one.assessment.status);
            let is_interrupted = one.run.manifest.interrupted;
            done(number, one)?;
            if is_interrupted {
                break;
            }
        }
        progress.finish();
        Ok(worst)
    }

    /// Runs all trials of a scenario.
    fn measure(
        &self,
        job: &Job,
        started: Timestamp,
        runner: &mut impl TrialRunner,
        progress: &mut Progress,
    ) -> anyhow::Result<Done> {
        let Job { source, shortenings, dir } = job;
        let mut plan = self.plan(job);
        let invocation = &self.options.invocation;
        let ours = invocation.server.is_none();
        let mut manifest =
            invocation.manifest(source, started, plan.trials(), runner.cores(), ours);
        manifest.settings.extend(shortenings.iter().map(Shortening::setting));
        manifest.shortenings.clone_from(shortenings);
        let run = Run { schema_version: SCHEMA_VERSION, manifest, trials: Vec::new() };
        let (run, log) = measure(dir, runner, &mut plan, run, progress)?;
        let assessment = Assessment::of(&run, &source.scenario, &source.path);
        Ok(Done { run, log, assessment })
    }
}

#[cfg(test)]
mod tests;
