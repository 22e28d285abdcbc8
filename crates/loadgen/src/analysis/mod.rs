//! What the trials of a run say together: estimates, latency curves and the verdict. It is pure:
//! it reads no file and formats nothing, and renderers decide nothing that it did not.

pub mod advisory;
pub mod capacity;
mod cell;
pub mod change_points;
mod estimate;
pub mod folklore;
pub mod guide;
pub mod history;
mod interval;
mod latency;
mod notice;
pub mod regression;
pub mod sweep;
pub mod table;
mod theory;
pub mod thresholds;
mod verdict;

use std::collections::BTreeMap;

use crate::results::ContenderId;

use crate::results::shortening::Shortening;
use crate::results::{LatencyLog, Metric, Run, Trial};
use crate::scenario::{Contender, Phase, Scenario};

pub use crate::scenario::Literature;

pub use cell::{
    Accounts, Cell, Figures, Group, Law, Notice, PairRatio, Prediction, RANKED, Ranking,
};
pub use estimate::Estimate;
pub use interval::{Interval, Ratio};
pub use latency::{Latency, PhaseLatency, SpectrumPoint, TimePoint};
pub use sweep::Sweep;
pub use thresholds::Checked;
pub use verdict::Caveat;

/// Everything that a report shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// One for every cell that was measured, in the order of the scenario.
    pub cells: Vec<Cell>,
    /// What they say together, if the scenario sweeps something.
    pub sweep: Option<Sweep>,
    /// What limits the trust in the figures or the contenders, worst first.
    pub caveats: Vec<Caveat>,
    /// Whether the figures keep to the scenario's thresholds, in its order.
    pub thresholds: Vec<Checked>,
    /// What others have published for the scenario, in its order.
    pub published: Vec<Literature>,
}

/// What `run` and its latencies say together.
#[must_use]
pub fn analyse(run: &Run, log: &LatencyLog) -> Analysis {
    let mut names: Vec<&str> = Vec::new();
    for trial in &run.trials {
        if !names.contains(&trial.cell.as_str()) {
            names.push(&trial.cell);
        }
    }
    names.sort_by_key(|name| run.manifest.cells.iter().position(|cell| cell.name == **name));
    let text = &run.manifest.scenario;
    let scenario = Scenario::parse(&text.text, &text.path).ok();
    let scenario = scenario.as_ref();
    let measured = Measured { run, log, intervals: latency::by_trial(run, log) };
    let cells: Vec<_> =
        names.into_iter().map(|name| analyse_cell(&measured, scenario, name)).collect();
    let caveats = verdict::caveats(run, &cells);
    let sweep = sweep::of(run, &cells);
    let trials: Vec<_> = run.trials.iter().collect();
    let thresholds =
        scenario.map_or_else(Vec::new, |scenario| thresholds::check_cells(scenario, &trials));
    let published = scenario.map_or_else(Vec::new, |scenario| scenario.published.clone());
    Analysis { cells, sweep, caveats, thresholds, published }
}

/// The phases as they were measured, which may have been shortened.
fn phases(run: &Run, scenario: &Scenario) -> Vec<Phase> {
    let mut workload = scenario.workload.clone();
    if let Some(share) = run.manifest.shortenings.iter().find_map(Shortening::share_of_duration) {
        workload.set_duration(workload.duration.mul_f64(share));
    }
    workload.phases
}

/// What an analysis starts from.
struct Measured<'a> {
    run: &'a Run,
    log: &'a LatencyLog,
    /// Of every trial, as indices into the log.
    intervals: Vec<Vec<usize>>,
}

fn analyse_cell(measured: &Measured<'_>, scenario: Option<&Scenario>, name: &str) -> Cell {
    let run = measured.run;
    let scenario = scenario.and_then(|scenario| scenario.cell(name));
    let phases = scenario.map_or_else(Vec::new, |of| phases(run, of));
    let own = |index: &usize| run.trials[*index].cell == name;
    let contenders = contenders(run.trials.iter().filter(|trial| trial.cell == name));
    let contenders: Vec<_> = contenders
        .into_iter()
        .map(|contender| {
            let trials = (0..run.trials.len()).filter(own);
            let trials = trials.filter(|&index| run.trials[index].contender == contender).collect();
            figures(measured, &phases, contender, trials)
        })
        .collect();
    let ratios = ratios(run, &contenders);
    let name = name.to_owned();
    let (rankings, predictions, objectives) = (Vec::new(), Vec::new(), Vec::new());
    let subscribers = scenario.map(|scenario| scenario.workload.subscribers);
    let longer_than_idle = scenario.map_or_else(Vec::new, longer_than_idle);
    let mut cell = Cell {
        name,
        subscribers,
        longer_than_idle,
        contenders,
        ratios,
        rankings,
        predictions,
        notices: Vec::new(),
        objectives,
    };
    cell.rankings = verdict::rankings(&cell);
    if let Some(scenario) = scenario {
        let own: Vec<_> = run.trials.iter().filter(|trial| trial.cell == cell.name).collect();
        cell.objectives = thresholds::check(&scenario.objectives, &own);
    }
    cell.predictions = scenario.map_or_else(Vec::new, |of| theory::predictions(run, of, &cell));
    cell.notices = scenario.map_or_else(Vec::new, |of| notice::notices(of, &cell));
    // Theory is of how our server sends.
    let described = scenario.map_or_else(Vec::new, described);
    cell.predictions.retain(|of| !described.contains(&of.contender));
    cell
}

/// The contenders on servers that are not ours.
fn described(scenario: &Scenario) -> Vec<ContenderId> {
    let contenders = scenario.contenders.iter().filter(|of| of.server.is_some());
    contenders.map(|of| of.id.clone()).collect()
}

/// The contenders of which a heartbeat or a held request takes longer than the idle phase. Of a server that is not
/// ours nobody knows.
fn longer_than_idle(scenario: &Scenario) -> Vec<ContenderId> {
    let idle = scenario.workload.idle;
    let is_longer = |of: &&Contender| {
        let settings = &of.settings;
        settings.heartbeat().or(settings.long_poll_timeout()).is_some_and(|period| period > idle)
    };
    let ours = scenario.contenders.iter().filter(|of| of.server.is_none());
    ours.filter(is_longer).map(|of| of.id.clone()).collect()
}

/// The contenders of some trials, in their order.
fn contenders<'a>(trials: impl IntoIterator<Item = &'a Trial>) -> Vec<ContenderId> {
    ContenderId::distinct(trials.into_iter().map(|trial| &trial.contender))
}

fn ratios(run: &Run, contenders: &[Figures]) -> Vec<PairRatio> {
    let values = |of: &Figures, metric| -> BTreeMap<u32, f64> {
        let trials = of.trials.iter().map(|&index| &run.trials[index]);
        trials.filter_map(|trial| Some((trial.block, trial.trusted(metric)?))).collect()
    };
    let pair = |metric, one: &Figures, other: &Figures| {
        let others = values(other, metric);
        let pairs: Vec<_> = values(one, metric)
            .into_iter()
            .filter_map(|(block, value)| Some((value, *others.get(&block)?)))
            .collect();
        let (contender, against) = (one.contender.clone(), other.contender.clone());
        Some(PairRatio { metric, contender, against, ratio: Ratio::of(&pairs)? })
    };
    RANKED
        .iter()
        .flat_map(|&metric| {
            contenders.iter().enumerate().flat_map(move |(index, one)| {
                contenders[index + 1..].iter().filter_map(move |other| pair(metric, one, other))
            })
        })
        .collect()
}

fn figures(
    measured: &Measured<'_>,
    phases: &[Phase],
    contender: ContenderId,
    trials: Vec<usize>,
) -> Figures {
    let Measured { run, log, intervals } = measured;
    let valid: Vec<usize> =
        trials.iter().copied().filter(|&index| run.trials[index].is_valid()).collect();
    let ran: Vec<&Trial> = trials
        .iter()
        .map(|&index| &run.trials[index])
        .filter(|trial| !trial.has_failed())
        .collect();
    let repeated = ran.iter().filter(|trial| trial.repeated).count();
    let counts = |trial: &&&Trial| !trial.repeated || trial.is_unfaithful();
    let counted: Vec<&Trial> = ran.iter().filter(counts).copied().collect();
    let estimates = |value: fn(&Trial, Metric) -> Option<f64>| -> BTreeMap<Metric, Estimate> {
        let of_metric = |&metric: &Metric| {
            let values: Vec<f64> = ran.iter().filter_map(|trial| value(trial, metric)).collect();
            Some((metric, Estimate::of(&values)?))
        };
        Metric::ALL.iter().filter_map(of_metric).collect()
    };
    let trusted = estimates(Trial::trusted);
    let untrusted = estimates(Trial::value).into_iter();
    let untrusted = untrusted.filter(|(metric, _)| !trusted.contains_key(metric)).collect();
    let latencies: Vec<_> = valid
        .iter()
        .flat_map(|&index| {
            // Only a trial that was measured from some time has intervals.
            let from_s = run.trials[index].measured_from_s.unwrap_or_default();
            intervals[index].iter().map(move |&interval| (from_s, &log.entries[interval]))
        })
        .collect();
    Figures {
        contender,
        valid: valid.len(),
        invalid: ran.len() - valid.len() - repeated,
        repeated,
        failed: trials.len() - ran.len(),
        estimates: trusted,
        untrusted,
        accounts: (!counted.is_empty()).then(|| Accounts::of(&counted)),
        latency: Latency::of(&latencies, phases),
        trials,
    }
}

#[cfg(test)]
mod tests;
