//! `pushbench compare`: measures two builds of a server against each other, in blocks whose order
//! coins decide, and says whether the second is worse. What that takes is decided by
//! [`crate::analysis::regression`]; here it is only carried out.

mod build;
mod plan;
mod stored;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use humantime::format_duration;
use jiff::Timestamp;
use pushbench_wire::Transport;

use super::bench::{Bench, Interrupted, Ran, Setup};
use super::check::scenarios_at;
use super::manifest::{Invocation, Source, free_folder, run_name};
use super::progress::Progress;
use super::run::Build;
use crate::analysis::regression::{self, Decision, Verdict};
use crate::engine::planned_length;
use crate::report::{aligned, title};
use crate::results::comparison::{COMPARISON_VERSION, ComparedTrial, Role, Stage};
use crate::results::folder::{self, COMPARISON_FILE};
use crate::results::model::Setting;
use crate::results::{Comparison, Manifest, Outcome, Warning};
use crate::scenario::schedule::PlannedTrial;
use crate::scenario::{Scenario, ScenarioError};
use build::{Kind, Resolved};
use plan::{Dice, PlannedPair, Redos};
pub use stored::compare_stored;

/// Blocks of the second stage.
const CONFIRM_BLOCKS: u32 = 8;

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

/// Something that cannot be compared, and what to name instead.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

/// Measures both builds. What has been measured is on disk after each trial.
///
/// # Errors
/// A bad scenario ([`ScenarioError`]), an [`Unusable`] build, one that does not build, a machine
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
    let fitted = |source: &Source| plan::fitted(&source.scenario, blocks, max_time);
    let scenarios: Vec<Scenario> = sources.iter().map(fitted).collect();
    let subscribers = scenarios.iter().map(|scenario| scenario.workload.subscribers).max();
    let bench = Bench::new(subscribers.unwrap_or_default())?;

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
        manifest.settings.extend(changes(&source.scenario, scenario));
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
    show(&dir, &comparison)
}

/// Every scenario of `paths`, of different names.
fn load(paths: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let mut sources: Vec<Source> = Vec::new();
    for path in paths {
        let unreadable = |reason| ScenarioError::Unreadable { path: path.clone(), reason };
        for file in scenarios_at(path).map_err(unreadable)? {
            let source = Source::load(&file)?;
            let name = &source.scenario.name;
            if let Some(other) = sources.iter().find(|other| other.scenario.name == *name) {
                let [one, two] = [&other.path, &file].map(|path| path.display());
                let message = format!("{one} and {two} are both called `{name}`: rename one");
                return Err(Unusable(message).into());
            }
            sources.push(source);
        }
    }
    Ok(sources)
}

/// A seed that nothing about the machine or the time of day predicts: the coins have to be fair
/// over many comparisons, too. It is short enough for every reader of JSON.
fn new_seed() -> u64 {
    // The standard library keys its hash tables from the operating system's randomness.
    RandomState::new().hash_one(()) >> 32
}

/// What a comparison measures otherwise than a run of the scenario does, as the manifest says it.
fn changes(asked: &Scenario, fitted: &Scenario) -> Vec<Setting> {
    let same = |name: &str, both: String| Setting {
        name: name.to_owned(),
        server: Some(both.clone()),
        subscribers: both,
    };
    let mut settings = Vec::new();
    let [asked, fitted] = [asked, fitted].map(|scenario| &scenario.workload);
    if fitted.idle != asked.idle {
        settings
            .push(same("Idle phase", "left out: nothing that is judged is about it".to_owned()));
    }
    let [asked, fitted] = [asked, fitted].map(|workload| workload.duration);
    if fitted != asked {
        let [asked, fitted] = [asked, fitted].map(format_duration);
        settings.push(same("Measured time of a trial", format!("{fitted} instead of {asked}")));
    }
    settings
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
        let all = self.scenarios.iter().map(|scenario| scenario.compare.clone());
        let [first, confirm] = self.comparison.blocks;
        let pairs = self.dice.stage(Stage::First, &all.enumerate().collect(), first);
        self.measure(&pairs, first)?;
        let mut suspects = BTreeMap::<usize, Vec<Transport>>::new();
        let mut names = Vec::new();
        for (scenario, transport) in regression::suspects(&self.comparison) {
            self.progress.plan(&self.scenarios[scenario].workload, confirm * 2);
            names.push(self.cell(scenario, transport));
            suspects.entry(scenario).or_default().push(transport);
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
        for &pair in pairs {
            let mut pair = pair;
            loop {
                let before = self.comparison.trials.len();
                self.pair(pair)?;
                let found = &mut self.comparison.trials[before..];
                if found.iter().any(|of| of.trial.has_failed()) {
                    return Err(Stopped::Failed);
                }
                if !self.redos.grant(pair, found, blocks) {
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
    fn pair(&mut self, pair: PlannedPair) -> Result<(), Stopped> {
        let PlannedPair { scenario, transport, stage, block, .. } = pair;
        for role in pair.order() {
            let setup = Setup {
                scenario: &self.scenarios[scenario],
                server: self.servers[role as usize].clone(),
                record: true,
            };
            let name = format!("{}, block {block}, {}", self.cell(scenario, transport), word(role));
            let Self { bench, progress, .. } = self;
            progress.begin(name, &setup.scenario.workload);
            let planned = PlannedTrial { block, transport };
            let found = bench.trial(&setup, planned, |phase| progress.step(phase));
            let Ran { trial, .. } = found.map_err(|Interrupted| Stopped::Interrupted)?;
            progress.end(&trial);
            let found = ComparedTrial { scenario, stage, role, redone: false, trial };
            self.comparison.trials.push(found);
            folder::save_comparison(self.dir, &self.comparison)?;
        }
        Ok(())
    }

    fn cell(&self, scenario: usize, transport: Transport) -> String {
        match self.scenarios {
            [_] => transport.label().to_owned(),
            several => format!("{}, {}", several[scenario].name, transport.label()),
        }
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Baseline => "baseline",
        Role::Candidate => "candidate",
    }
}

/// A time that nobody takes for exact.
fn roughly(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match seconds {
        0..120 => format!("{seconds} s"),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// Prints the outcome, and says how it ended.
fn show(dir: &Path, comparison: &Comparison) -> anyhow::Result<Compared> {
    let decision = regression::decide(comparison);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", table(&decision))?;
    writeln!(out, "{}", dir.join(COMPARISON_FILE).display())?;
    match failure(comparison) {
        Some(sentence) => eprintln!("{sentence}"),
        None => shortages(comparison).iter().for_each(|sentence| eprintln!("{sentence}")),
    }
    Ok(match decision.verdict {
        _ if comparison.interrupted => Compared::Interrupted,
        Verdict::Pass | Verdict::Improved | Verdict::Inconclusive => Compared::Passed,
        Verdict::Invalid => Compared::Invalid,
        Verdict::Regressed => Compared::Regressed,
    })
}

/// The failure that ended it, in a sentence.
fn failure(comparison: &Comparison) -> Option<String> {
    let failed = comparison.trials.iter().filter_map(|of| match &of.trial.outcome {
        Outcome::Failed { reason } => Some((of, reason.trim())),
        Outcome::Valid | Outcome::Invalid => None,
    });
    let failed: Vec<_> = failed.collect();
    let (first, reason) = failed.first()?;
    let place = format!("{} in block {}", first.trial.transport.label(), first.trial.block);
    Some(match (failed.len(), first.role) {
        (1, Role::Candidate) => format!("The candidate failed at {place}: {reason}"),
        (1, Role::Baseline) => {
            format!("The baseline failed at {place}, so there is nothing to compare with: {reason}")
        }
        _ => format!("Both builds failed at {place}, so there is nothing to compare: {reason}"),
    })
}

/// A sentence for every transport and stage of which too many blocks cannot be trusted.
fn shortages(comparison: &Comparison) -> Vec<String> {
    let mut cells = BTreeMap::<_, BTreeMap<u32, Option<&Warning>>>::new();
    for of in comparison.trials.iter().filter(|of| !of.redone) {
        let cell = (of.scenario, of.trial.transport, of.stage);
        let first = cells.entry(cell).or_default().entry(of.trial.block).or_default();
        *first = first.or(of.trial.warnings.iter().find(|warning| warning.invalidates()));
    }
    let shortage = |((scenario, transport, _), blocks): (_, BTreeMap<u32, Option<&Warning>>)| {
        let all = blocks.len();
        let reasons: Vec<_> = blocks.into_values().flatten().collect();
        let scenario: &Manifest = &comparison.manifests[scenario];
        let transport: Transport = transport;
        Some(format!(
            "{}, {}: {} of {all} blocks cannot be trusted, and none may be left out: {}",
            scenario.scenario.name,
            transport.label(),
            reasons.len(),
            reasons.first()?
        ))
    };
    cells.into_iter().filter_map(shortage).collect()
}

fn table(decision: &Decision) -> String {
    let rows = decision.cells.iter().map(|cell| {
        let evidence = cell.confirm.as_ref().unwrap_or(&cell.first);
        let change = |ratio: Option<f64>| {
            ratio.map_or_else(String::new, |ratio| format!("{:+.1} %", (ratio - 1.0) * 100.0))
        };
        [
            cell.transport.label().to_owned(),
            title(cell.gate.metric).to_owned(),
            change(evidence.ratio),
            change(evidence.upper),
            change(Some(evidence.limit)),
            format!("{} of {}", evidence.worse(), evidence.blocks.len()),
            format!("{:?}", cell.verdict).to_lowercase(),
        ]
    });
    let headings =
        ["transport", "metric", "change", "at most", "gate", "worse in blocks", "verdict"];
    let text = aligned(headings, rows);
    let bound = decision.false_alarm_bound * 100.0;
    format!(
        "{text}\nVerdict: {:?}. Identical builds are called worse in {bound:.2} % of comparisons at most.",
        decision.verdict
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Trial, fixture};

    fn failed(roles: &[Role]) -> Comparison {
        let (run, _) = fixture::run();
        let build = |name: &str| crate::results::comparison::Build {
            name: name.to_owned(),
            command: name.to_owned(),
        };
        let trial = |&role: &Role| {
            let outcome = Outcome::Failed { reason: "it ended\n".to_owned() };
            let trial = Trial { outcome, ..run.trials[0].clone() };
            ComparedTrial { scenario: 0, stage: Stage::First, role, redone: false, trial }
        };
        Comparison {
            comparison_version: COMPARISON_VERSION,
            manifests: vec![run.manifest.clone()],
            baseline: build("old"),
            candidate: build("new"),
            gates: vec![crate::scenario::Gate::DEFAULTS.to_vec()],
            blocks: [8, 8],
            trials: roles.iter().map(trial).collect(),
            interrupted: false,
        }
    }

    #[test]
    fn a_failure_is_the_candidates_only_when_the_baseline_runs() {
        use Role::{Baseline, Candidate};
        for (roles, verdict, words) in [
            (
                &[Candidate][..],
                Verdict::Regressed,
                "The candidate failed at Polling in block 1: it",
            ),
            (&[Baseline], Verdict::Invalid, "The baseline failed at Polling in block 1, so there"),
            (&[Candidate, Baseline], Verdict::Invalid, "Both builds failed"),
            (&[Baseline, Candidate], Verdict::Invalid, "Both builds failed"),
        ] {
            let comparison = failed(roles);
            assert_eq!(regression::decide(&comparison).verdict, verdict, "{roles:?}");
            let sentence = failure(&comparison).unwrap();
            assert!(sentence.starts_with(words) && sentence.ends_with("it ended"), "{sentence}");
        }
        assert_eq!(failure(&failed(&[])), None);
    }

    #[test]
    fn a_shortage_names_the_transport_and_the_reason() {
        let mut comparison = failed(&[Role::Baseline, Role::Candidate]);
        for of in &mut comparison.trials {
            of.trial.outcome = Outcome::Valid;
            of.trial.warnings.clear();
        }
        assert_eq!(shortages(&comparison), [""; 0]);
        comparison.trials[1].trial.warnings.push(Warning::CpuStolen { percent: 12.0 });
        let [sentence] = &shortages(&comparison)[..] else { panic!() };
        assert!(
            sentence.starts_with("stock-ticker, Polling: 1 of 1 blocks cannot be trusted"),
            "{sentence}"
        );
        assert!(sentence.contains("12.0 % of the CPU time was stolen"), "{sentence}");
        comparison.trials[1].redone = true;
        assert_eq!(shortages(&comparison), [""; 0], "it was measured again");
    }

    #[test]
    fn seeds_are_new_and_every_reader_of_json_holds_them() {
        let seeds = [(); 4].map(|()| new_seed());
        assert!(seeds.iter().any(|seed| *seed != seeds[0]), "{seeds:?}");
        assert!(seeds.iter().all(|seed| *seed < 1 << 53), "{seeds:?}");
    }

    #[test]
    fn scenarios_of_one_name_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let text = crate::scenario::template::TEMPLATE;
        for name in ["a.toml", "b.toml"] {
            std::fs::write(path(name), text).unwrap();
        }
        assert_eq!(load(&[path("a.toml")]).unwrap().len(), 1);
        let error = load(&[dir.path().to_owned()]).unwrap_err();
        assert!(error.is::<Unusable>(), "{error}");
        assert!(error.to_string().contains("b.toml are both called"), "{error}");
        assert!(load(&[path("c.toml")]).unwrap_err().is::<ScenarioError>());
    }
}
