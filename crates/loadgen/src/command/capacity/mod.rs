//! `pushbench capacity`: searches, for every contender, the largest load that still meets the
//! objectives. Which load comes next is decided by [`crate::analysis::capacity`]; here it is only
//! measured.

mod space;

use std::path::{Path, PathBuf};

use crate::results::ContenderId;
use anyhow::ensure;
use jiff::Timestamp;

use super::Unusable;
use super::bench::{Bench, Interrupted, Setup, own_server};
use super::ending::Ending;
use super::manifest::{Invocation, Source, free_folder, run_name};
use super::progress::Progress;
use super::report::print_capacity;
use super::run::Build;
use crate::analysis::capacity::{
    Found, Limit, Step, answer, conclude, next, of_search, remaining, so_far,
};
use crate::analysis::thresholds::check;
use crate::document::{attempt_line, load as load_text};
use crate::results::Capacity;
use crate::results::capacity::{Attempt, CAPACITY_VERSION, Search};
use crate::results::folder::{self, CAPACITY_FILE};
use crate::scenario::schedule::PlannedTrial;
use crate::scenario::{LoadAxis, Workload};
use space::Space;

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
    /// The results folder; by default `results/capacity-<scenario>-<time>`.
    pub out: Option<PathBuf>,
    /// The program that serves, with its first arguments; by default the `serve` of this program.
    pub server: Option<Vec<String>>,
    /// The command line, for the manifest.
    pub command_line: Vec<String>,
    /// What is running.
    pub build: Build,
}

/// Searches. What has been measured is on disk after each trial.
///
/// # Errors
/// A bad scenario (a [`crate::scenario::ScenarioError`]), one that cannot be searched
/// ([`Unusable`]), a machine that cannot run it, or files that cannot be written. A trial that fails
/// is no error but a row of the results.
pub fn capacity(options: &CapacityOptions) -> anyhow::Result<Ending> {
    let source = Source::load(&options.scenario)?;
    if source.scenario.workload.trace.is_some() {
        let path = source.path.display();
        let message = format!(
            "{path}: a trace has one load: to vary it, write `events_per_second` instead of `trace`"
        );
        return Err(Unusable(message).into());
    }
    let contenders = contenders(&source, &options.contenders)?;
    let searches = contenders
        .iter()
        .map(|contender| {
            let space = Space::new(&source, contender, options.varied);
            let (start, [least, most]) = space.bounds(options.max).map_err(Unusable)?;
            Ok(Search { contender: contender.clone(), start, least, most, attempts: Vec::new() })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let started = Timestamp::now();
    let name = format!("capacity-{}", source.scenario.name);
    let dir = options.out.clone().unwrap_or_else(|| free_folder(&run_name(&name, started)));
    ensure!(
        !dir.join(CAPACITY_FILE).exists(),
        "{} already holds a search: name another folder with --out, or remove it",
        dir.display()
    );
    let workload = source.scenario.workload.clone();
    let most = searches.iter().map(|search| search.most.load).fold(1.0, f64::max);
    let bench = Bench::new(match options.varied {
        LoadAxis::Subscribers => Workload { subscribers: most as u32, ..workload }.sockets(),
        LoadAxis::Rate => workload.sockets(),
    })?;
    let (command_line, build) = (&options.command_line[..], &options.build);
    let invocation = Invocation { command_line, build, started, cores: bench.cores() };
    let manifest = invocation.manifest(&source, 0, options.server.as_deref());
    let capacity =
        Capacity { schema_version: CAPACITY_VERSION, manifest, varied: options.varied, searches };
    // Before the first trial, so that a folder which cannot be written costs none.
    folder::save_capacity(&dir, &capacity)?;
    let server = options.server.clone().unwrap_or_else(own_server);
    let mut session = Session {
        bench,
        server,
        source: &source,
        dir: &dir,
        capacity,
        progress: Progress::without_trials(),
    };
    session.run()?;
    let Session { capacity, progress, .. } = session;
    progress.finish();
    print_capacity(&dir, &capacity)?;
    Ok(ending(&capacity))
}

/// Those that are asked for, if all of them can be judged.
fn contenders(source: &Source, asked: &[String]) -> Result<Vec<ContenderId>, Unusable> {
    const EXAMPLE: &str = "[objectives]\n\"latency\" = [\"p(99)<100ms\"]";
    let scenario = &source.scenario;
    let has_objectives = |contender: &ContenderId| {
        scenario.objectives.iter().any(|objective| objective.contender == *contender)
    };
    if scenario.objectives.is_empty() {
        return Err(Unusable(format!(
            "{}: capacity is the largest load that meets the scenario's objectives, and it has none: \
             add, for example,\n\n{EXAMPLE}",
            source.path.display()
        )));
    }
    if asked.is_empty() {
        return Ok(scenario.contender_ids().filter(|id| has_objectives(id)).cloned().collect());
    }
    let mut contenders = Vec::new();
    for name in asked {
        let Some(contender) = scenario.contender_ids().find(|id| id.name() == name) else {
            let known: Vec<_> = scenario.contender_ids().map(ContenderId::name).collect();
            return Err(Unusable(format!(
                "{}: unknown contender `{name}`; expected one of {}",
                source.path.display(),
                known.join(", ")
            )));
        };
        if !has_objectives(contender) {
            return Err(Unusable(format!(
                "{}: {name} has no objective: add, for example,\n\n[objectives]\n\
                 \"{name}.latency\" = [\"p(99)<100ms\"]",
                source.path.display()
            )));
        }
        contenders.push(contender);
    }
    Ok(ContenderId::distinct(contenders))
}

/// How it ended: 0 when every capacity was found, were it only a bound from below.
fn ending(capacity: &Capacity) -> Ending {
    let conclusions = conclude(capacity);
    let has = |wanted: fn(&Found) -> bool| {
        conclusions.iter().any(|of| of.found.as_ref().is_some_and(wanted))
    };
    if capacity.manifest.interrupted {
        Ending::Interrupted
    } else if has(|found| *found == Found::Failed) {
        Ending::SomeFailed
    } else if has(|found| matches!(found, Found::Untrusted { .. })) {
        Ending::Untrusted
    } else {
        Ending::Complete
    }
}

/// A search in the making.
struct Session<'a> {
    bench: Bench,
    server: Vec<String>,
    source: &'a Source,
    dir: &'a Path,
    capacity: Capacity,
    progress: Progress,
}

impl Session<'_> {
    fn run(&mut self) -> anyhow::Result<()> {
        for index in 0..self.capacity.searches.len() {
            if let Err(Interrupted) = self.search(index)? {
                self.capacity.manifest.interrupted = true;
                self.progress.line("Interrupted: the trials that have ended are kept.");
                return folder::save_capacity(self.dir, &self.capacity);
            }
        }
        Ok(())
    }

    fn search(&mut self, index: usize) -> anyhow::Result<Result<(), Interrupted>> {
        let varied = self.capacity.varied;
        let contender = self.capacity.searches[index].contender.clone();
        let space = Space::new(self.source, &contender, varied);
        loop {
            let search = &self.capacity.searches[index];
            let (question, tried) = of_search(search, varied);
            let (load, purpose) = match next(&question, &tried) {
                Step::Measure { load, purpose } => (load, purpose),
                Step::Done(found) => {
                    let line = format!("{}: {}", contender.label(), conclusion(&found, varied));
                    self.progress.line(&line);
                    return Ok(Ok(()));
                }
            };
            // Every load within the bounds passes; a scenario that does not is no panic but the end.
            let scenario = space.at(load).map_err(|refused| Unusable(refused.to_string()))?;
            let block = tried.len() as u32 + 1;
            let left = self.left(index);
            let setup = Setup { scenario: &scenario, server: self.server.clone(), record: true };
            let Self { bench, progress, .. } = self;
            let place = format!("{}, {}", contender.label(), load_text(varied, load));
            progress.expect(&scenario.workload, left);
            progress.begin(place.clone(), &scenario.workload);
            let planned = PlannedTrial { block, contender: contender.clone() };
            let ran = match bench.trial(&setup, planned, |phase| progress.step(phase)) {
                Ok(ran) => ran,
                Err(interrupted) => return Ok(Err(interrupted)),
            };
            progress.end(&ran.trial);
            let attempt = Attempt {
                load,
                purpose,
                answer: answer(&ran.trial, space.objectives()),
                trial: ran.trial,
            };
            let line = attempt_line(&attempt, &check(space.objectives(), &[&attempt.trial]));
            let capacity = &mut self.capacity;
            capacity.searches[index].attempts.push(attempt);
            capacity.manifest.planned_trials += 1;
            let (_, tried) = of_search(&capacity.searches[index], varied);
            self.progress.line(&format!("{place}: {line}{}", known(so_far(&tried), varied)));
            folder::save_capacity(self.dir, &self.capacity)?;
        }
    }

    /// Roughly how many trials are still to come.
    fn left(&self, from: usize) -> u32 {
        let searches = self.capacity.searches[from..].iter();
        let of = searches.map(|search| {
            let (question, tried) = of_search(search, self.capacity.varied);
            remaining(&question, &tried)
        });
        of.sum()
    }
}

/// What was found, for whoever watches.
fn conclusion(found: &Found, varied: LoadAxis) -> String {
    match found {
        Found::Capacity { load, limit: Limit::Missed { .. } } => {
            format!("found: {}", load_text(varied, *load))
        }
        Found::Capacity { load, .. } => format!("found: at least {}", load_text(varied, *load)),
        Found::Nothing => "found: not even the least load meets the objectives".to_owned(),
        Found::Untrusted { .. } => "not found: see below".to_owned(),
        Found::Failed => "given up: no trial ran".to_owned(),
    }
}

/// What is known so far, as the end of a line.
fn known((low, high): (Option<f64>, Option<f64>), varied: LoadAxis) -> String {
    match (low, high) {
        (Some(low), Some(high)) => {
            format!(" [so far: {low} to {}]", load_text(varied, high))
        }
        (Some(low), None) => format!(" [so far: at least {}]", load_text(varied, low)),
        (None, Some(high)) => format!(" [so far: less than {}]", load_text(varied, high)),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use pushbench_wire::Transport;

    use super::*;
    use crate::results::fixture;
    use crate::scenario::Scenario;
    use crate::scenario::template::TEMPLATE;

    fn source(objectives: &str) -> Source {
        let text = TEMPLATE.replace("[objectives]\n", &format!("[objectives]\n{objectives}\n"));
        let scenario = Scenario::parse(&text, "").unwrap();
        Source { path: "mine.toml".into(), scenario, text }
    }

    #[test]
    fn who_has_objectives_is_searched() {
        use pushbench_wire::Transport::{LongPolling, Polling, Sse, WebSocket};
        let all = source("\"latency\" = [\"p(99)<100ms\"]");
        assert_eq!(contenders(&all, &[]).unwrap(), [Polling, LongPolling, Sse, WebSocket]);
        assert_eq!(
            contenders(&all, &["websocket".into(), "polling".into()]).unwrap(),
            [Polling, WebSocket]
        );
        let tcp = contenders(&all, &["tcp".into()]).unwrap_err().to_string();
        assert!(tcp.contains("\"tcp.latency\" = ["), "{tcp}");
        let one = source("\"sse.latency\" = [\"p(99)<100ms\"]");
        assert_eq!(contenders(&one, &[]).unwrap(), [Sse]);
    }

    #[test]
    fn without_objectives_an_example_is_shown() {
        let error = contenders(&source(""), &[]).unwrap_err().to_string();
        assert!(error.starts_with("mine.toml: capacity is the largest load"), "{error}");
        assert!(error.ends_with("[objectives]\n\"latency\" = [\"p(99)<100ms\"]"), "{error}");
    }

    #[test]
    fn the_ending_is_that_of_the_worst_search() {
        let mut capacity = fixture::capacity();
        assert_eq!(ending(&capacity), Ending::Interrupted);
        capacity.manifest.interrupted = false;
        capacity.searches.retain(|of| of.contender != Transport::LongPolling);
        assert_eq!(ending(&capacity), Ending::Complete, "bounds from below are found, too");
        let spoiled = capacity.searches[2].attempts[2].answer;
        for attempt in &mut capacity.searches[1].attempts {
            attempt.answer = spoiled;
        }
        capacity.searches[1].attempts.iter_mut().for_each(|of| of.load = 50.0);
        assert_eq!(ending(&capacity), Ending::Untrusted);
        for attempt in &mut capacity.searches[0].attempts {
            attempt.answer = crate::results::capacity::Answer::Failed;
        }
        let again = capacity.searches[0].attempts[0].clone();
        capacity.searches[0].attempts.push(again);
        assert_eq!(ending(&capacity), Ending::SomeFailed);
    }
}
