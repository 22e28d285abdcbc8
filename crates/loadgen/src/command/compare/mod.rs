//! `pushbench compare`: measures two builds of a server against each other, in blocks whose order
//! coins decide, and says whether the second is worse. What that takes is decided by
//! [`crate::analysis::regression`]; here it is only carried out.

mod build;
mod outcome;
mod plan;
mod stored;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::results::ContenderId;
use anyhow::ensure;
use humantime::format_duration;
use jiff::Timestamp;

use super::Unusable;
use super::bench::{Bench, Interrupted, Ran, Setup};
use super::manifest::{Invocation, Source, free_folder, run_name};
use super::progress::{Progress, roughly};
use super::run::Build;
use super::shorten::{shortenings, trials_to_fit};
use crate::analysis::regression;
use crate::engine::planned_length;
use crate::results::comparison::{COMPARISON_VERSION, ComparedTrial, Role, Stage};
use crate::results::folder::{self, COMPARISON_FILE};
use crate::results::shortening::Shortening;
use crate::results::{Comparison, Manifest};
use crate::scenario::Scenario;
use crate::scenario::schedule::PlannedTrial;
use build::{Kind, Resolved};
use plan::{Dice, PlannedPair, Redos};
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
    /// The results folder; by default `results/compare-<scenario>-<time>`.
    pub out: Option<PathBuf>,
    /// Blocks of the first stage, from 5 to 10.
    pub blocks: u32,
    /// Decides the order of everything; by default a new one each time.
    pub seed: Option<u64>,
    /// How long the first stage of each scenario may take.
    pub max_time: Duration,
    /// The command line, for the manifest.
    pub command_line: Vec<String>,
    /// What is running.
    pub build: Build,
}

/// Why a scenario is not compared.
const ONE_CELL: &str = "compare measures one cell, and this scenario has a [sweep]: compare a copy \
                        without it, with the values that matter";

/// How a comparison ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Nothing was found to be worse.
    Passed,
    /// The measurement cannot be trusted, or there is nothing to compare with.
    Invalid,
    /// The candidate is worse, or it failed.
    Regressed,
    /// It was interrupted; finished trials are kept.
    Interrupted,
}

/// Measures both builds. What has been measured is on disk after each trial.
///
/// # Errors
/// A bad scenario ([`crate::scenario::ScenarioError`]), an [`Unusable`] build, one that does not build, a machine
/// that cannot run it, or files that cannot be written. A trial that fails is no error but a row of
/// the results.
pub fn compare(options: &CompareOptions) -> anyhow::Result<Compared> {
    let sources = load(&options.scenarios)?;
    let started = Timestamp::now();
    let name = match &sources[..] {
        [only] => format!("compare-{}", only.scenario.name),
        _ => "compare".to_owned(),
    };
    let dir = options.out.clone().unwrap_or_else(|| free_folder(&run_name(&name, started)));
    ensure!(
        !dir.join(COMPARISON_FILE).exists(),
        "{} already holds a comparison: name another folder with --out, or remove it",
        dir.display()
    );
    let texts = [&options.baseline[..], &options.candidate];
    let [baseline, candidate] = match build::resolve(texts, Path::new(".")) {
        Err(error) if error.is::<Interrupted>() => return Ok(Compared::Interrupted),
        resolved => resolved?,
    };
    eprintln!("baseline:  {}, taken for {}", baseline.build.name, baseline.kind);
    eprintln!("candidate: {}, taken for {}", candidate.build.name, candidate.kind);
    let CompareOptions { blocks, max_time, .. } = *options;
    let fitted = |source: &Source| {
        let trials = plan::trials(&source.scenario, blocks);
        trials_to_fit(&source.scenario, trials, max_time.mul_f64(PLANNED_SHARE))
    };
    let scenarios: Vec<Scenario> = sources.iter().map(fitted).collect();
    let sockets = scenarios.iter().map(|scenario| scenario.workload.sockets()).max();
    let bench = Bench::new(sockets.unwrap_or_default())?;

    let seed = options.seed.unwrap_or_else(new_seed);
    let invocation = Invocation {
        command_line: &options.command_line,
        build: &options.build,
        started,
        cores: bench.cores(),
    };
    let is_ours = |of: &Resolved| of.kind != Kind::Command;
    let ours = is_ours(&baseline) && is_ours(&candidate);
    let manifests = sources.iter().zip(&scenarios).map(|(source, scenario)| {
        let trials = plan::trials(scenario, blocks);
        let server = (!ours).then_some(&[][..]);
        let mut manifest = invocation.manifest(source, trials, server);
        let shortenings = shortenings(&source.scenario, scenario);
        manifest.settings.extend(shortenings.iter().map(Shortening::setting));
        Manifest { seed, server: String::new(), ..manifest }
    });
    let comparison = Comparison {
        comparison_version: COMPARISON_VERSION,
        manifests: manifests.collect(),
        baseline: baseline.build,
        candidate: candidate.build,
        gates: scenarios.iter().map(|scenario| scenario.gates.clone()).collect(),
        blocks: [blocks, CONFIRM_BLOCKS],
        trials: Vec::new(),
        interrupted: false,
    };
    // Before the first trial, so that a folder which cannot be written costs none.
    folder::save_comparison(&dir, &comparison)?;
    let mut session = Session {
        bench,
        progress: Progress::without_phases(),
        dir: &dir,
        scenarios: &scenarios,
        servers: [baseline.server, candidate.server],
        comparison,
        dice: Dice::new(seed),
        redos: Redos::default(),
    };
    session.announce(&sources, max_time);
    session.run()?;
    let Session { comparison, progress, .. } = session;
    progress.finish();
    outcome::show(&dir, &comparison)
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
        eprintln!("{message}; left out");
    }
    sources.retain(|source| source.scenario.sweep.is_empty());
    if sources.is_empty() {
        return Err(Unusable("there is no scenario without a [sweep] to compare".to_owned()).into());
    }
    Ok(sources)
}

/// A seed that nothing about the machine or the time of day predicts: the coins have to be fair
/// over many comparisons, too. It is short enough for every reader of JSON.
fn new_seed() -> u64 {
    // The standard library keys its hash tables from the operating system's randomness.
    RandomState::new().hash_one(()) >> 32
}

/// A comparison in the making.
struct Session<'a> {
    bench: Bench,
    progress: Progress,
    dir: &'a Path,
    scenarios: &'a [Scenario],
    /// Command lines, in the order of [`Role`].
    servers: [Vec<String>; 2],
    comparison: Comparison,
    dice: Dice,
    redos: Redos,
}

/// Why nothing more is measured.
enum Stopped {
    /// The user wanted it.
    Interrupted,
    /// A build failed: the verdict is known.
    Failed,
    /// Results could not be written, or the like.
    Error(anyhow::Error),
}

impl From<anyhow::Error> for Stopped {
    fn from(error: anyhow::Error) -> Self {
        Self::Error(error)
    }
}

impl Session<'_> {
    /// Says what will be done, and how long that takes.
    fn announce(&mut self, sources: &[Source], max_time: Duration) {
        let [blocks, _] = self.comparison.blocks;
        for (source, scenario) in sources.iter().zip(self.scenarios) {
            let trials = plan::trials(scenario, blocks);
            self.progress.plan(&scenario.workload, trials);
            let (_, trial) = planned_length(&scenario.workload);
            let mut line = format!(
                "{}: {trials} trials in {blocks} blocks, about {}",
                scenario.name,
                roughly(trial * trials)
            );
            let [asked, fitted] =
                [&source.scenario, scenario].map(|scenario| scenario.workload.duration);
            if fitted != asked {
                let [asked, fitted] = [asked, fitted].map(format_duration);
                line += &format!("; each measures {fitted} instead of {asked}");
            }
            if trial * trials > max_time {
                line += &format!(
                    ": that is more than {}, but shorter trials would tell too little",
                    format_duration(max_time)
                );
            }
            self.progress.line(&line);
        }
    }

    fn run(&mut self) -> anyhow::Result<()> {
        match self.stages() {
            Ok(()) | Err(Stopped::Failed) => Ok(()),
            Err(Stopped::Error(error)) => Err(error),
            Err(Stopped::Interrupted) => {
                self.comparison.interrupted = true;
                self.progress.line("Interrupted: the trials that have ended are kept.");
                folder::save_comparison(self.dir, &self.comparison)
            }
        }
    }

    fn stages(&mut self) -> Result<(), Stopped> {
        let all = self.scenarios.iter().map(|scenario| scenario.contender_ids().cloned().collect());
        let [first, confirm] = self.comparison.blocks;
        let pairs = self.dice.stage(Stage::First, &all.enumerate().collect(), first);
        self.measure(&pairs, first)?;
        let mut suspects = BTreeMap::<usize, Vec<ContenderId>>::new();
        let mut names = Vec::new();
        for (scenario, contender) in regression::suspects(&self.comparison) {
            self.progress.plan(&self.scenarios[scenario].workload, confirm * 2);
            names.push(self.cell(scenario, &contender));
            suspects.entry(scenario).or_default().push(contender);
        }
        if suspects.is_empty() {
            return Ok(());
        }
        let line = format!(
            "May be worse: {}. Measured again on {confirm} fresh blocks, about {}.",
            names.join("; "),
            roughly(self.progress.left())
        );
        self.progress.line(&line);
        let pairs = self.dice.stage(Stage::Confirm, &suspects, confirm);
        self.measure(&pairs, confirm)
    }

    /// Measures the pairs of one stage, which has so many blocks.
    fn measure(&mut self, pairs: &[PlannedPair], blocks: u32) -> Result<(), Stopped> {
        for pair in pairs {
            let mut pair = pair.clone();
            loop {
                let before = self.comparison.trials.len();
                self.pair(&pair)?;
                let found = &mut self.comparison.trials[before..];
                if found.iter().any(|of| of.trial.has_failed()) {
                    return Err(Stopped::Failed);
                }
                if !self.redos.grant(&pair, found, blocks) {
                    break;
                }
                found.iter_mut().for_each(|of| of.redone = true);
                folder::save_comparison(self.dir, &self.comparison)?;
                pair = self.dice.again(pair);
                self.progress.plan(&self.scenarios[pair.scenario].workload, 2);
                self.progress.line("A trial of this block cannot be trusted: both are repeated.");
            }
        }
        Ok(())
    }

    /// Measures both builds. When the first one fails, the second shows whether anything can run.
    fn pair(&mut self, pair: &PlannedPair) -> Result<(), Stopped> {
        let PlannedPair { scenario, ref contender, stage, block, .. } = *pair;
        for role in pair.order() {
            let setup = Setup {
                scenario: &self.scenarios[scenario],
                server: self.servers[role as usize].clone(),
                record: true,
            };
            let name = format!("{}, block {block}, {}", self.cell(scenario, contender), word(role));
            let Self { bench, progress, .. } = self;
            progress.begin(name, &setup.scenario.workload);
            let planned = PlannedTrial { block, contender: contender.clone() };
            let found = bench.trial(&setup, planned, |phase| progress.step(phase));
            let Ran { trial, .. } = found.map_err(|Interrupted| Stopped::Interrupted)?;
            progress.end(&trial);
            let found = ComparedTrial { scenario, stage, role, redone: false, trial };
            self.comparison.trials.push(found);
            folder::save_comparison(self.dir, &self.comparison)?;
        }
        Ok(())
    }

    fn cell(&self, scenario: usize, contender: &ContenderId) -> String {
        match self.scenarios {
            [_] => contender.label().to_owned(),
            several => format!("{}, {}", several[scenario].name, contender.label()),
        }
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Baseline => "baseline",
        Role::Candidate => "candidate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_new_and_every_reader_of_json_holds_them() {
        let seeds = [(); 4].map(|()| new_seed());
        assert!(seeds.iter().any(|seed| *seed != seeds[0]), "{seeds:?}");
        assert!(seeds.iter().all(|seed| *seed < 1 << 53), "{seeds:?}");
    }
}
