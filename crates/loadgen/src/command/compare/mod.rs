//! `pushbench compare`: measures two builds of a server against each other, in blocks whose order
//! coins decide, and says whether the second is worse. What that takes is decided by
//! [`crate::analysis::regression`].

mod build;
mod outcome;
mod stored;

use std::hash::{BuildHasher as _, RandomState};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use humantime::format_duration;
use jiff::Timestamp;

use super::screen::Screen;
use super::{ExitStatus, Unusable};
use crate::campaign::{
    Builds, ComparisonPlan, Detail, Interrupted, Invocation, LocalRunner, Progress, Source, ToCome,
    TrialRunner, first_stage_trials, measure, roughly, shortenings, trials_to_fit,
};
use crate::document::trial_line;
use crate::results::comparison::COMPARISON_VERSION;
use crate::results::shortening::Shortening;
use crate::results::{Comparison, Manifest};
use crate::scenario::Scenario;
use crate::text::say;
use build::{Kind, Resolved};
pub use stored::compare_stored;

/// Blocks of the second stage.
const CONFIRM_BLOCKS: u32 = 8;

/// The share of the time allowed that is planned for trials: the rest is for starting and rendering,
/// and for what a trial takes beyond its plan.
const PLANNED_SHARE: f64 = 0.98;

/// What `pushbench compare` was asked.
#[derive(Clone, Debug)]
pub struct CompareOptions {
    /// What the candidate is held against: a pushbench, a command, or a git revision.
    pub baseline: String,
    /// What may have become worse, likewise.
    pub candidate: String,
    /// Scenario files, or folders of them.
    pub scenarios: Vec<PathBuf>,
    /// Blocks of the first stage, from 5 to 10.
    pub blocks: u32,
    /// Decides the order of everything; by default a new one each time.
    pub seed: Option<u64>,
    /// How long the first stage of each scenario may take.
    pub max_time: Duration,
    /// How it was called. Its server is not used.
    pub invocation: Invocation,
}

/// Why a scenario is not compared.
const ONE_CELL: &str = "compare does not support a [sweep]: compare a copy of the scenario without \
                        it, with the values that matter";

/// Why a scenario with servers of its own is not compared.
const ONE_SERVER: &str = "compare holds two builds of one server against each other, and the scenario \
                          describes servers of its own: compare them with `run`, in one table";

/// Measures both builds. What has been measured is on disk after each trial.
///
/// # Errors
/// A bad scenario ([`crate::scenario::ScenarioError`]), an [`Unusable`] build, one that does not build, a machine
/// that cannot run it, or files that cannot be written. A trial that fails is no error but a row of
/// the results.
pub fn compare(options: &CompareOptions, verbose: bool) -> anyhow::Result<ExitStatus> {
    let session = Session::new(options)?;
    let texts = [&options.baseline[..], &options.candidate];
    let builds = match build::resolve(texts, Path::new(".")) {
        Err(error) if error.is::<Interrupted>() => return Ok(ExitStatus::Interrupted),
        resolved => resolved?,
    };
    let sockets = session.scenarios.iter().map(Scenario::sockets).max();
    let mut runner = LocalRunner::new(sockets.unwrap_or_default(), session.scenarios.iter())?;
    let mut progress = Progress::new(Detail::Trials, trial_line);
    session.run(builds, &mut runner, &mut progress, &mut Screen::stdout(verbose))
}

/// The scenarios of `paths`, each of one cell. One with a sweep is left out of a folder, and refused
/// where it is named.
fn load(paths: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let mut sources = Source::load_all(paths)?;
    for source in sources.iter().filter(|source| !source.scenario.sweep.is_empty()) {
        let message = format!("{}: {ONE_CELL}", source.path.display());
        if paths.contains(&source.path) {
            return Err(Unusable(message).into());
        }
        say(&format!("{message}; skipped"));
    }
    sources.retain(|source| source.scenario.sweep.is_empty());
    if sources.is_empty() {
        return Err(Unusable(
            "every scenario has a [sweep], which compare does not support".to_owned(),
        )
        .into());
    }
    Ok(sources)
}

/// A seed that nothing about the machine or the time of day predicts: the coins have to be fair
/// over many comparisons, too. It is short enough for every reader of JSON.
fn new_seed() -> u64 {
    // The standard library keys its hash tables from the operating system's randomness.
    RandomState::new().hash_one(()) >> 32
}

/// A comparison, as far as it is known before anything is measured.
struct Session<'a> {
    options: &'a CompareOptions,
    started: Timestamp,
    dir: PathBuf,
    sources: Vec<Source>,
    /// As they are measured.
    scenarios: Vec<Scenario>,
}

impl<'a> Session<'a> {
    fn new(options: &'a CompareOptions) -> anyhow::Result<Self> {
        let sources = load(&options.scenarios)?;
        let described = |source: &&Source| {
            source.scenario.contenders.iter().any(|contender| contender.server.is_some())
        };
        if let Some(source) = sources.iter().find(described) {
            let message = format!("{}: {ONE_SERVER}", source.path.display());
            return Err(Unusable(message).into());
        }
        let started = Timestamp::now();
        let name = match &sources[..] {
            [only] => format!("compare-{}", only.scenario.name),
            _ => "compare".to_owned(),
        };
        let dir = options.invocation.folder(&name, started)?;
        let fitted = |source: &Source| {
            let trials = first_stage_trials(&source.scenario, options.blocks);
            trials_to_fit(&source.scenario, trials, options.max_time.mul_f64(PLANNED_SHARE))
        };
        let scenarios = sources.iter().map(fitted).collect();
        Ok(Self { options, started, dir, sources, scenarios })
    }

    fn run(
        &self,
        builds: [Resolved; 2],
        runner: &mut impl TrialRunner,
        progress: &mut Progress,
        screen: &mut Screen<impl Write>,
    ) -> anyhow::Result<ExitStatus> {
        let [baseline, candidate] = builds;
        progress
            .line(&format!("baseline:  {}, interpreted as {}", baseline.build.name, baseline.kind));
        progress.line(&format!(
            "candidate: {}, interpreted as {}",
            candidate.build.name, candidate.kind
        ));
        let seed = self.options.seed.unwrap_or_else(new_seed);
        let blocks = [self.options.blocks, CONFIRM_BLOCKS];
        let ours = [&baseline, &candidate].iter().all(|build| build.kind != Kind::Command);
        let comparison = Comparison {
            comparison_version: COMPARISON_VERSION,
            manifests: self.manifests(seed, ours, runner),
            baseline: baseline.build,
            candidate: candidate.build,
            gates: self.scenarios.iter().map(|scenario| scenario.gates.clone()).collect(),
            blocks,
            trials: Vec::new(),
            interrupted: false,
        };
        let builds = Builds {
            scenarios: self.scenarios.clone(),
            servers: [baseline.server, candidate.server],
            copied: [baseline.copied, candidate.copied],
        };
        let mut plan = ComparisonPlan::new(builds, blocks, seed);
        self.announce(progress);
        let (comparison, _) = measure(&self.dir, runner, &mut plan, comparison, progress)?;
        progress.finish();
        outcome::show(&self.dir, &comparison, progress, screen)
    }

    /// One for every scenario. Settings of servers are known when both are `ours`.
    fn manifests(&self, seed: u64, ours: bool, runner: &impl TrialRunner) -> Vec<Manifest> {
        let CompareOptions { invocation, blocks, .. } = self.options;
        let manifest = |(source, scenario): (&Source, &Scenario)| {
            let trials = first_stage_trials(scenario, *blocks);
            let mut manifest =
                invocation.manifest(source, self.started, trials, runner.cores(), ours);
            let shortenings = shortenings(&source.scenario, scenario);
            manifest.settings.extend(shortenings.iter().map(Shortening::setting));
            Manifest { seed, server: String::new(), ..manifest }
        };
        self.sources.iter().zip(&self.scenarios).map(manifest).collect()
    }

    /// Says what will be done, and how long that takes.
    fn announce(&self, progress: &mut Progress) {
        let CompareOptions { blocks, max_time, .. } = *self.options;
        for (source, scenario) in self.sources.iter().zip(&self.scenarios) {
            let ToCome { trials, time } =
                ToCome::of(scenario, first_stage_trials(scenario, blocks));
            let mut line = format!(
                "{}: {trials} trials in {blocks} blocks, about {}",
                scenario.name,
                roughly(time)
            );
            let [asked, fitted] =
                [&source.scenario, scenario].map(|scenario| scenario.workload.duration);
            if fitted != asked {
                let [asked, fitted] = [asked, fitted].map(format_duration);
                line += &format!("; each measures {fitted} instead of {asked}");
            }
            if time > max_time {
                line += &format!(
                    ": longer than {}, but shorter trials would tell too little",
                    format_duration(max_time)
                );
            }
            progress.line(&line);
        }
    }
}

#[cfg(test)]
mod tests;
