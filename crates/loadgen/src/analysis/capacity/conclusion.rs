//! What searches came to, read from what is on disk.

use super::{Found, Question, Step, Tried, next};
use crate::analysis::thresholds::check;
use crate::analysis::{Checked, Estimate};
use crate::results::capacity::{Answer, Capacity, Search};
use crate::results::{Metric, Trial};
use crate::scenario::{LoadAxis, Scenario};

/// What a search came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Conclusion<'a> {
    /// The search.
    pub search: &'a Search,
    /// What was found; none when it was interrupted.
    pub found: Option<Found>,
    /// Its objectives held against each of its trials.
    pub checked: Vec<Vec<Checked>>,
}

impl Conclusion<'_> {
    /// How many cores the server kept busy at the load that was found, as the median over its trials.
    #[must_use]
    pub fn server_cores(&self) -> Option<f64> {
        let Some(Found::Capacity { load, .. }) = self.found else { return None };
        let here = self.search.attempts.iter();
        let here = here.filter(|of| of.load == load && of.answer == Answer::Met);
        let busy: Vec<f64> = here.filter_map(|of| server_cores(&of.trial)).collect();
        Estimate::of(&busy).map(|estimate| estimate.median)
    }
}

/// How many cores the server kept busy in the measured window of a trial.
#[must_use]
pub fn server_cores(trial: &Trial) -> Option<f64> {
    let window = trial.value(Metric::Window).filter(|window| *window > 0.0)?;
    Some(trial.value(Metric::ServerCpu)? / window)
}

/// What a search is about, and what was tried of it so far.
#[must_use]
pub fn of_search(search: &Search, varied: LoadAxis) -> (Question, Vec<Tried>) {
    let Search { start, least, most, attempts, .. } = search;
    let tried = attempts.iter();
    let tried = tried.map(|of| Tried { load: of.load, purpose: of.purpose, answer: of.answer });
    (Question { varied, start: *start, least: least.load, most: most.load }, tried.collect())
}

/// The latency that the objectives limit: the figure that shows how a load is borne.
#[must_use]
pub fn latency(conclusions: &[Conclusion<'_>]) -> Metric {
    let checked = conclusions.iter().flat_map(|of| of.checked.iter().flatten());
    let mut metrics = checked.map(|of| of.threshold.metric);
    metrics.find(|metric| metric.is_delivery_latency()).unwrap_or(Metric::LatencyP99)
}

/// What each search came to, in the order of contenders. Without the objectives, as in a
/// file of another version, no figure is held against them; what was found stands all the same.
#[must_use]
pub fn conclude(capacity: &Capacity) -> Vec<Conclusion<'_>> {
    let text = &capacity.manifest.scenario;
    let objectives = Scenario::parse(&text.text, &text.path)
        .map_or_else(|_| Vec::new(), |scenario| scenario.objectives);
    let checked = |search: &Search| {
        let own = objectives.iter().filter(|of| of.contender == search.contender);
        let own: Vec<_> = own.cloned().collect();
        search.attempts.iter().map(|of| check(&own, &[&of.trial])).collect()
    };
    let conclude = |search| {
        let (question, tried) = of_search(search, capacity.varied);
        let found = match next(&question, &tried) {
            Step::Done(found) => Some(found),
            Step::Measure { .. } => None,
        };
        Conclusion { search, found, checked: checked(search) }
    };
    let mut searches: Vec<&Search> = capacity.searches.iter().collect();
    searches.sort_by_key(|search| search.contender.position());
    searches.into_iter().map(conclude).collect()
}
