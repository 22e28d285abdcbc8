//! `pushbench capacity`: searches, for every contender, the largest load that still meets the
//! objectives.

use std::io::Write;
use std::path::PathBuf;

use jiff::Timestamp;

use super::report::show_capacity;
use super::screen::Screen;
use super::{ExitStatus, Unusable};
use crate::analysis::capacity::{Found, conclude};
use crate::campaign::{
    CapacityPlan, Detail, Invocation, LoadWords, LocalRunner, Progress, Source, Space, TrialRunner,
    measure, remote,
};
use crate::document::{attempt_line, load, trial_line};
use crate::results::capacity::{CAPACITY_VERSION, Search};
use crate::results::{Capacity, ContenderId};
use crate::scenario::LoadAxis;

/// What `pushbench capacity` was asked.
#[derive(Clone, Debug)]
pub struct CapacityOptions {
    /// The scenario's file.
    pub scenario: PathBuf,
    /// What to vary.
    pub varied: LoadAxis,
    /// The most that is tried; by default what the scenario and this machine allow.
    pub max: Option<f64>,
    /// The contenders to search; by default those of the scenario that have objectives.
    pub contenders: Vec<String>,
    /// How it was called.
    pub invocation: Invocation,
}

/// Searches. What has been measured is on disk after each trial.
///
/// # Errors
/// A bad scenario (a [`crate::scenario::ScenarioError`]), one that cannot be searched
/// ([`Unusable`]), a machine that cannot run it, or files that cannot be written. A trial that fails
/// is no error but a row of the results.
pub fn capacity(options: &CapacityOptions, verbose: bool) -> anyhow::Result<ExitStatus> {
    let source = Source::load(&options.scenario)?;
    let session = Session::new(options, &source)?;
    let mut runner = LocalRunner::new(session.sockets(), std::iter::once(&source.scenario))?;
    let mut progress = Progress::new(Detail::Plan, trial_line);
    session.run(&mut runner, &mut progress, &mut Screen::stdout(verbose))
}

/// A search, as far as it is known before anything is measured.
struct Session<'a> {
    options: &'a CapacityOptions,
    source: &'a Source,
    started: Timestamp,
    dir: PathBuf,
    searches: Vec<Search>,
}

impl<'a> Session<'a> {
    fn new(options: &'a CapacityOptions, source: &'a Source) -> anyhow::Result<Self> {
        if source.scenario.workload.trace.is_some() {
            let path = source.path.display();
            let message = format!(
                "{path}: the load of a `trace` cannot be varied: use `events_per_second` instead"
            );
            return Err(Unusable(message).into());
        }
        let search = |contender| {
            let space = Space::new(source, &contender, options.varied);
            let (start, [least, most]) = space.bounds(options.max).map_err(Unusable)?;
            if let Ok(scenario) = space.at(most.load) {
                remote::check(&scenario, &options.invocation.allow_remote)?;
            }
            Ok(Search { contender, start, least, most, attempts: Vec::new() })
        };
        let contenders = contenders(source, &options.contenders)?.into_iter();
        let searches = contenders.map(search).collect::<Result<Vec<_>, Unusable>>()?;
        let started = Timestamp::now();
        let name = format!("capacity-{}", source.scenario.name);
        let dir = options.invocation.folder(&name, started)?;
        Ok(Self { options, source, started, dir, searches })
    }

    /// How many sockets a trial takes at most.
    fn sockets(&self) -> u32 {
        let scenario = &self.source.scenario;
        match self.options.varied {
            LoadAxis::Subscribers => {
                let most = self.searches.iter().map(|search| search.most.load).fold(1.0, f64::max);
                (most as u32).saturating_mul(scenario.sockets_per_subscriber())
            }
            LoadAxis::Rate => scenario.sockets(),
        }
    }

    fn run(
        self,
        runner: &mut impl TrialRunner,
        progress: &mut Progress,
        screen: &mut Screen<impl Write>,
    ) -> anyhow::Result<ExitStatus> {
        let Self { options, source, started, dir, searches } = self;
        let CapacityOptions { varied, ref invocation, .. } = *options;
        let ours = invocation.server.is_none();
        let manifest = invocation.manifest(source, started, 0, runner.cores(), ours);
        let spaces = searches.iter().map(|search| Space::new(source, &search.contender, varied));
        let words = LoadWords { load, attempt: attempt_line };
        let mut plan = CapacityPlan::new(spaces.collect(), invocation.server(), words);
        let capacity = Capacity { schema_version: CAPACITY_VERSION, manifest, varied, searches };
        let (capacity, _) = measure(&dir, runner, &mut plan, capacity, progress)?;
        progress.finish();
        show_capacity(&dir, &capacity, screen)?;
        Ok(status(&capacity))
    }
}

/// Those that are asked for, if all of them can be judged.
fn contenders(source: &Source, asked: &[String]) -> Result<Vec<ContenderId>, Unusable> {
    let (path, scenario) = (source.path.display(), &source.scenario);
    let has_objectives = |contender: &ContenderId| {
        scenario.objectives.iter().any(|objective| objective.contender == *contender)
    };
    let example =
        |key: &str| format!("add, for example,\n\n[objectives]\n\"{key}\" = [\"p(99)<100ms\"]");
    if scenario.objectives.is_empty() {
        return Err(Unusable(format!(
            "{path}: capacity is the largest load that meets the scenario's objectives, but it has \
             none: {}",
            example("latency")
        )));
    }
    if asked.is_empty() {
        return Ok(scenario.contender_ids().filter(|id| has_objectives(id)).cloned().collect());
    }
    let mut contenders = Vec::new();
    for name in asked {
        let Some(contender) = scenario.contender_ids().find(|id| id.name() == name) else {
            let known: Vec<_> = scenario.contender_ids().map(ContenderId::name).collect();
            let known = known.join(", ");
            let message = format!("{path}: unknown contender `{name}`; expected one of {known}");
            return Err(Unusable(message));
        };
        if !has_objectives(contender) {
            let example = example(&format!("{name}.latency"));
            return Err(Unusable(format!("{path}: {name} has no objective: {example}")));
        }
        contenders.push(contender);
    }
    Ok(ContenderId::distinct(contenders))
}

/// How it ended: well if every capacity was found, even if it is only a lower bound or zero.
fn status(capacity: &Capacity) -> ExitStatus {
    let conclusions = conclude(capacity);
    let has = |wanted: fn(&Found) -> bool| {
        conclusions.iter().any(|search| search.found.as_ref().is_some_and(wanted))
    };
    if capacity.manifest.interrupted {
        ExitStatus::Interrupted
    } else if has(|found| *found == Found::Failed) {
        ExitStatus::Failed
    } else if has(|found| matches!(found, Found::Untrusted { .. })) {
        ExitStatus::Untrusted
    } else {
        ExitStatus::Complete
    }
}

#[cfg(test)]
mod tests;
