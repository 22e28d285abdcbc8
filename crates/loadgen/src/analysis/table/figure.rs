//! A figure of a run, held against the limits of a part, or why there is none.

use std::collections::BTreeMap;

use pushbench_wire::Transport;

use super::model::{Finding, Lack, Limits, Measured, Tally, What};
use crate::analysis::guide::{blocks, needed};
use crate::analysis::{Analysis, Cell, Estimate, Figures, Interval, Ratio};
use crate::results::{ContenderId, Metric, Outcome, Run, Trial, Warning};
use crate::scenario::{Contender, Scenario};

/// A run whose scenario has been read. Of a sweep, its first cell.
pub(super) struct Place<'a> {
    pub(super) run: &'a Run,
    pub(super) scenario: &'a Scenario,
    pub(super) cell: &'a Cell,
}

/// A figure before it is judged.
struct Found {
    what: What,
    value: f64,
    interval: Option<Interval>,
    /// None of what is counted.
    blocks: Option<usize>,
    tally: Option<Tally>,
}

impl<'a> Place<'a> {
    /// The run's first cell; none if no trial ran.
    pub(super) fn new(
        run: &'a Run,
        analysis: &'a Analysis,
        scenario: &'a Scenario,
    ) -> Option<Self> {
        let cell = analysis.cells.first()?;
        Some(Self { run, scenario: scenario.cell(&cell.name)?, cell })
    }

    /// The first contender of a transport that is such, through this proxy or none.
    pub(super) fn contender(
        &self,
        of: Transport,
        part: Option<&Measured>,
        proxy: Option<&str>,
    ) -> Option<&'a Contender> {
        let is_meant = |one: &&Contender| {
            let through = one.road.proxy.as_ref().map(|proxy| &proxy.name[..]);
            let http = part.and_then(|part| part.http);
            let suffix = part.and_then(|part| part.suffix.as_deref());
            let is_named = match suffix {
                Some(suffix) => one.id.name() == format!("{}-{suffix}", of.name()),
                None => true,
            };
            one.id.transport() == of
                && !one.id.is_reference()
                && through == proxy
                && http.is_none_or(|http| one.http() == http)
                && is_named
        };
        self.scenario.contenders.iter().find(is_meant)
    }

    /// The figure of a part, of this contender.
    pub(super) fn find(&self, part: &Measured, of: &Contender) -> Result<Finding, Lack> {
        let limits = Limits { at_least: part.at_least, at_most: part.at_most };
        let other = match part.against {
            Some(other) => Some(self.contender(other, None, None).ok_or(Lack::NotCompared)?),
            None if part.more_than_direct => {
                let direct = self.contender(of.id.transport(), None, None);
                Some(direct.ok_or(Lack::NotCompared)?)
            }
            None => None,
        };
        let found = match other {
            None if part.metric.is_account() => self.counted(part.metric, &of.id),
            None => self.alone(part, &of.id),
            Some(other) => self.beside(part, &of.id, &other.id),
        };
        let Some(found) = found.filter(|of| of.blocks.is_none_or(|blocks| self.are_enough(blocks)))
        else {
            // Of a pair it may be the other that has no figure.
            let ids: Vec<_> = std::iter::once(of).chain(other).map(|of| &of.id).collect();
            return Err(self.lack(part.metric, &ids));
        };
        let holds = self.judge(part, &found, limits, &of.id, other.map(|other| &other.id));
        // A trial that failed may have lost what nobody counted.
        if let (Some(_), Some(true), Some(why)) = (found.tally, holds, self.any_failure(&of.id)) {
            return Err(Lack::Failed(why));
        }
        let Found { what, value, interval, blocks, tally } = found;
        let of = Some(of.id.clone());
        Ok(Finding { what, of, value, interval, blocks, limits, holds, tally })
    }

    /// A figure that is shown without being judged, if it is there.
    pub(super) fn shown(&self, metric: Metric, of: &Contender) -> Option<Finding> {
        let Estimate { median: value, interval, trials, .. } =
            self.cell.figures(&of.id)?.estimate(metric)?;
        Some(Finding {
            what: What::Metric(metric),
            of: Some(of.id.clone()),
            value,
            interval,
            blocks: Some(trials),
            limits: Limits::default(),
            holds: None,
            tally: None,
        })
    }

    /// Whether as many trials have a figure that can be trusted as a run needs.
    pub(super) fn are_enough(&self, trials: usize) -> bool {
        trials >= needed(blocks(self.run))
    }

    /// What was counted over all trials, of which enough can be trusted.
    fn counted(&self, metric: Metric, id: &ContenderId) -> Option<Found> {
        let figures = self.cell.figures(id)?;
        let enough = figures.estimate(metric).is_some_and(|of| self.are_enough(of.trials));
        // Where nothing was to come, nothing can be lost.
        let was_expected = figures.counted(self.run, Metric::Expected).is_some_and(|of| of > 0.0);
        let value = figures.counted(self.run, metric).filter(|_| enough && was_expected)?;
        let trials = figures.trials.len() - figures.failed;
        let tally = Some(Tally { trials, valid: figures.valid });
        Some(Found { what: What::Metric(metric), value, interval: None, blocks: None, tally })
    }

    fn alone(&self, part: &Measured, id: &ContenderId) -> Option<Found> {
        let values: Vec<f64> = self.values(part, id).into_values().collect();
        let what = match (part.per, part.per_subscription) {
            (Some(per), _) => What::Per(part.metric, per),
            (None, true) => What::PerSubscription(part.metric),
            (None, false) => What::Metric(part.metric),
        };
        Some(Found::of(what, Estimate::of(&values)?))
    }

    fn beside(&self, part: &Measured, id: &ContenderId, other: &ContenderId) -> Option<Found> {
        let others = self.values(part, other);
        let pairs: Vec<(f64, f64)> = self
            .values(part, id)
            .into_iter()
            .filter_map(|(block, value)| Some((value, *others.get(&block)?)))
            .collect();
        if part.more_than_direct {
            let more: Vec<f64> = pairs.iter().map(|(one, other)| one - other).collect();
            return Some(Found::of(What::More(part.metric, other.clone()), Estimate::of(&more)?));
        }
        let Ratio { estimate: value, interval, blocks } = Ratio::of(&pairs)?;
        let what = What::Ratio(part.metric, other.clone());
        Some(Found { what, value, interval, blocks: Some(blocks), tally: None })
    }

    /// What each block has that can be trusted.
    fn values(&self, part: &Measured, id: &ContenderId) -> BTreeMap<u32, f64> {
        let subscriptions = f64::from(self.scenario.workload.memberships());
        let value = |trial: &Trial| {
            let value = trial.trusted(part.metric)?;
            let by = match part.per {
                Some(per) => trial.trusted(per)?,
                None if part.per_subscription => subscriptions,
                None => return Some(value),
            };
            (by > 0.0).then(|| value / by)
        };
        let own = self.trials(id);
        own.filter_map(|trial| Some((trial.block, value(trial)?))).collect()
    }

    /// The trials of a contender.
    pub(super) fn trials(&self, id: &ContenderId) -> impl Iterator<Item = &'a Trial> {
        let (run, cell) = (self.run, self.cell);
        run.trials.iter().filter(move |trial| trial.cell == cell.name && trial.contender == *id)
    }

    fn judge(
        &self,
        part: &Measured,
        found: &Found,
        limits: Limits,
        of: &ContenderId,
        other: Option<&ContenderId>,
    ) -> Option<bool> {
        let holds = found.judge(limits)?;
        // What was lost would have been later than all that came, so latencies are bounds from below.
        if !part.metric.is_delivery_latency() {
            return Some(holds);
        }
        if other.is_some_and(|id| self.has_lost(id)) {
            return None;
        }
        let greater_says_the_same = match (limits.at_least, limits.at_most) {
            (_, Some(_)) => !holds && limits.at_least.is_none_or(|limit| found.value >= limit),
            (Some(_), None) => holds,
            (None, None) => true,
        };
        (greater_says_the_same || !self.has_lost(of)).then_some(holds)
    }

    /// Whether deliveries of it were lost, or nobody knows.
    fn has_lost(&self, id: &ContenderId) -> bool {
        let accounts = self.cell.figures(id).and_then(|of| of.accounts);
        accounts.and_then(|of| of.lost).is_none_or(|lost| lost > 0.0)
    }

    /// Why there is no figure: what is wrong with the first of these that has none.
    pub(super) fn lack(&self, metric: Metric, ids: &[&ContenderId]) -> Lack {
        let has = |id: &ContenderId| {
            let estimate = self.cell.figures(id).and_then(|of| of.estimate(metric));
            estimate.is_some_and(|of| self.are_enough(of.trials))
        };
        let without = ids.iter().find(|id| !has(id)).or_else(|| ids.first());
        let Some(id) = without else { return Lack::NotCompared };
        let Some(figures) = self.cell.figures(id) else { return Lack::NotCompared };
        if let Some(reason) = self.failure(figures) {
            return Lack::Failed(reason);
        }
        let touches = |warning: &&Warning| warning.invalidates() && warning.touches(metric);
        let spoilt = self.trials(id).find_map(|trial| trial.warnings.iter().find(touches));
        spoilt.map_or(Lack::NoFigure(metric), |warning| Lack::Spoilt(warning.to_string()))
    }

    /// Why too few trials ran to their end, if so.
    fn failure(&self, of: &Figures) -> Option<String> {
        if self.are_enough(of.trials.len() - of.failed) {
            return None;
        }
        self.any_failure(&of.contender)
    }

    /// Why the first trial of a contender failed that did.
    pub(super) fn any_failure(&self, id: &ContenderId) -> Option<String> {
        self.trials(id).find_map(|trial| match &trial.outcome {
            Outcome::Failed { reason } => Some(reason.clone()),
            Outcome::Valid | Outcome::Invalid => None,
        })
    }

    /// Whether each subscription makes as many requests, in every trial.
    pub(super) fn has_requests(&self, least: f64, of: &Contender) -> bool {
        let subscriptions = f64::from(self.scenario.workload.memberships());
        let requests = |trial: &Trial| trial.trusted(Metric::Requests);
        let mut all = self.trials(&of.id).filter_map(requests).peekable();
        all.peek().is_some() && all.all(|requests| requests >= least * subscriptions)
    }
}

impl Found {
    fn of(what: What, estimate: Estimate) -> Self {
        let Estimate { median: value, interval, trials, .. } = estimate;
        Self { what, value, interval, blocks: Some(trials), tally: None }
    }

    /// A figure of one block has no interval, and decides nothing.
    fn judge(&self, limits: Limits) -> Option<bool> {
        let (low, high) = match (self.interval, self.blocks) {
            (Some(of), _) => (of.low, of.high),
            (None, None) => (self.value, self.value),
            (None, Some(_)) => return None,
        };
        limits.judge(self.value, low, high)
    }
}
