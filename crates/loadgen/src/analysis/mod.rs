//! What the trials of a run say together: estimates, latency curves and the verdict. It is pure:
//! it reads no file and formats nothing, and renderers decide nothing that it did not.

pub mod advisory;
pub mod capacity;
pub mod change_points;
mod estimate;
pub mod history;
mod interval;
mod latency;
pub mod regression;
pub mod sweep;
mod theory;
pub mod thresholds;
mod verdict;

use std::collections::BTreeMap;

use crate::results::ContenderId;

use crate::results::shortening::Shortening;
use crate::results::{LatencyLog, Metric, Run, Trial};
use crate::scenario::{Phase, Scenario};

pub use crate::scenario::Literature;

pub use estimate::Estimate;
pub use interval::{Interval, Ratio};
pub use latency::{Latency, PhaseLatency, SpectrumPoint, TimePoint};
pub use sweep::Sweep;
pub use theory::{Law, Prediction};
pub use thresholds::Checked;
pub use verdict::{Concern, Group, RANKED, Ranking};

/// Everything that a report shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// One for every cell that was measured, in the order of the scenario.
    pub cells: Vec<Cell>,
    /// What they say together, if the scenario sweeps something.
    pub sweep: Option<Sweep>,
    /// What limits the trust in the figures or the contenders, worst first.
    pub concerns: Vec<Concern>,
    /// Whether the figures keep to the scenario's thresholds, in its order.
    pub thresholds: Vec<Checked>,
    /// What others have published for the scenario, in its order.
    pub published: Vec<Literature>,
}

/// The contenders under one set of parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its name in the scenario.
    pub name: String,
    /// Every contender that was measured, in the table's order.
    pub contenders: Vec<Figures>,
    /// How every two of them compare, for the metrics of [`RANKED`].
    pub ratios: Vec<PairRatio>,
    /// Who is ahead in what, for the metrics of [`RANKED`] that could be measured.
    pub rankings: Vec<Ranking>,
    /// What theory says about the latencies, where it has an answer.
    pub predictions: Vec<Prediction>,
    /// Whether the figures meet the scenario's objectives, in its order.
    pub objectives: Vec<Checked>,
}

/// How two contenders compare in one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct PairRatio {
    /// What is compared.
    pub metric: Metric,
    /// The one that is divided.
    pub contender: ContenderId,
    /// The one that it is divided by, which comes later in the order of contenders.
    pub against: ContenderId,
    /// From the blocks in which both have a valid trial.
    pub ratio: Ratio,
}

impl Cell {
    /// `contender` over `against` in `metric`, if a block has both.
    #[must_use]
    pub fn ratio(
        &self,
        metric: Metric,
        contender: &ContenderId,
        against: &ContenderId,
    ) -> Option<Ratio> {
        self.ratios.iter().filter(|pair| pair.metric == metric).find_map(|pair| {
            match (&pair.contender, &pair.against) {
                ends if ends == (contender, against) => Some(pair.ratio),
                ends if ends == (against, contender) => Some(pair.ratio.inverse()),
                _ => None,
            }
        })
    }

    /// What the others are held against: the last contender, which is a reference if there is one.
    #[must_use]
    pub fn reference(&self) -> Option<&ContenderId> {
        self.contenders.last().map(|figures| &figures.contender)
    }

    /// The figures of a contender, if it was measured.
    #[must_use]
    pub fn figures(&self, contender: &ContenderId) -> Option<&Figures> {
        self.contenders.iter().find(|figures| figures.contender == *contender)
    }
}

/// What the trials of one contender say together.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Which.
    pub contender: ContenderId,
    /// Its trials, as indices into [`Run::trials`].
    pub trials: Vec<usize>,
    /// How many of them are valid: estimates rest on these alone.
    pub valid: usize,
    /// How many ran, but cannot be trusted.
    pub invalid: usize,
    /// How many could not be run to their end.
    pub failed: usize,
    /// Over valid trials. A metric that none of them could measure is not in here.
    pub estimates: BTreeMap<Metric, Estimate>,
    /// Deliveries of all trials that ran to their end, valid or not; empty if none did.
    pub accounts: Option<Accounts>,
    /// Latency over all valid trials pooled: for display, never for inference.
    pub latency: Latency,
}

impl Figures {
    /// The estimate of `metric`, if a valid trial could measure it.
    #[must_use]
    pub fn estimate(&self, metric: Metric) -> Option<Estimate> {
        self.estimates.get(&metric).copied()
    }

    /// Whether several events usually arrive together, so that each bears a part of the cost.
    #[must_use]
    pub fn batches(&self) -> bool {
        self.estimate(Metric::DeliveriesPerRead).is_some_and(|events| events.median >= 1.5)
    }
}

/// What was to be delivered, and what was. A count that no trial has is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Accounts {
    /// Deliveries that the events called for.
    pub expected: Option<f64>,
    /// Deliveries that came.
    pub delivered: Option<f64>,
    /// Expected, but not delivered.
    pub lost: Option<f64>,
    /// Came more than once.
    pub duplicated: Option<f64>,
    /// Came after a later event.
    pub reordered: Option<f64>,
    /// Notices that a subscriber fell behind.
    pub lagged: Option<f64>,
}

impl Accounts {
    pub(crate) fn of(trials: &[&Trial]) -> Self {
        let sum = |metric| {
            let values = trials.iter().filter_map(|trial| trial.value(metric));
            values.filter(|value| value.is_finite()).reduce(|sum, value| sum + value)
        };
        Self {
            expected: sum(Metric::Expected),
            delivered: sum(Metric::Delivered),
            lost: sum(Metric::Lost),
            duplicated: sum(Metric::Duplicated),
            reordered: sum(Metric::Reordered),
            lagged: sum(Metric::Lagged),
        }
    }

    /// Whether everything that was expected came, once and in order.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let none = |count| count == Some(0.0);
        self.expected.is_some()
            && self.delivered == self.expected
            && none(self.lost)
            && none(self.duplicated)
            && none(self.reordered)
    }
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
    let cells: Vec<_> = names.into_iter().map(|name| cell(&measured, scenario, name)).collect();
    let concerns = verdict::concerns(run, &cells);
    let sweep = sweep::of(run, &cells);
    let trials: Vec<_> = run.trials.iter().collect();
    let thresholds =
        scenario.map_or_else(Vec::new, |scenario| thresholds::check_cells(scenario, &trials));
    let published = scenario.map_or_else(Vec::new, |scenario| scenario.published.clone());
    Analysis { cells, sweep, concerns, thresholds, published }
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

fn cell(measured: &Measured<'_>, scenario: Option<&Scenario>, name: &str) -> Cell {
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
    let mut cell = Cell { name, contenders, ratios, rankings, predictions, objectives };
    cell.rankings = verdict::rankings(&cell);
    if let Some(scenario) = scenario {
        let own: Vec<_> = run.trials.iter().filter(|trial| trial.cell == cell.name).collect();
        cell.objectives = thresholds::check(&scenario.objectives, &own);
    }
    cell.predictions = scenario.map_or_else(Vec::new, |of| theory::predictions(run, of, &cell));
    cell
}

/// The contenders of some trials, in their order.
fn contenders<'a>(trials: impl IntoIterator<Item = &'a Trial>) -> Vec<ContenderId> {
    ContenderId::distinct(trials.into_iter().map(|trial| &trial.contender))
}

fn ratios(run: &Run, contenders: &[Figures]) -> Vec<PairRatio> {
    let values = |of: &Figures, metric| -> BTreeMap<u32, f64> {
        let valid =
            of.trials.iter().map(|&index| &run.trials[index]).filter(|trial| trial.is_valid());
        valid.filter_map(|trial| Some((trial.block, trial.value(metric)?))).collect()
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
    let estimates = Metric::ALL.iter().filter_map(|&metric| {
        let values: Vec<f64> =
            valid.iter().filter_map(|&index| run.trials[index].value(metric)).collect();
        Some((metric, Estimate::of(&values)?))
    });
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
        invalid: ran.len() - valid.len(),
        failed: trials.len() - ran.len(),
        estimates: estimates.collect(),
        accounts: (!ran.is_empty()).then(|| Accounts::of(&ran)),
        latency: Latency::of(&latencies, phases),
        trials,
    }
}

#[cfg(test)]
mod tests;
