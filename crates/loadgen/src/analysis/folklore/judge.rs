//! What a run says to a claim, and what follows from all of them.

use std::collections::BTreeMap;

use super::model::{Claim, Finding, Outcome, Part, Who};
use crate::analysis::guide::{blocks, needed};
use crate::analysis::{Analysis, Cell, Figures, Interval, Ratio};
use crate::results::{ContenderId, Run};
use crate::scenario::{Contender, Scenario, Workload};

/// What each cell of `run` says to each part of the claim.
pub(super) fn findings(claim: &Claim, run: &Run, analysis: &Analysis) -> Vec<Finding> {
    let text = &run.manifest.scenario;
    let Ok(scenario) = Scenario::parse(&text.text, &text.path) else { return Vec::new() };
    let mut found = Vec::new();
    for cell in &analysis.cells {
        let Some(scenario) = scenario.cell(&cell.name) else { continue };
        if !is_about(claim, &scenario.workload) {
            continue;
        }
        for (index, part) in claim.parts.iter().enumerate() {
            let judge = Judge { run, scenario, cell, claim, part, index };
            found.extend(judge.findings());
        }
    }
    found
}

/// Whether a workload can show it: requests of clients that send, and connections that come back, are none that a
/// mechanism needs to deliver.
fn is_about(claim: &Claim, workload: &Workload) -> bool {
    workload.channels_per_subscriber >= claim.least_channels_per_subscriber
        && (claim.whatever_else_happens || workload.only_delivers())
}

struct Judge<'a> {
    run: &'a Run,
    scenario: &'a Scenario,
    cell: &'a Cell,
    claim: &'a Claim,
    part: &'a Part,
    index: usize,
}

impl Judge<'_> {
    fn findings(&self) -> Vec<Finding> {
        let contenders = || {
            let choices = self.scenario.contenders.iter().filter(|of| !of.id.is_reference());
            choices.filter(|of| self.is_shown_by(&of.id))
        };
        let own = contenders().filter(|of| is(&self.part.of, of));
        own.flat_map(|one| match &self.part.against {
            None => self.alone(one).into_iter().collect::<Vec<_>>(),
            Some(who) => {
                let others = contenders().filter(|of| is(who, of));
                let alike = others.filter(|other| self.are_alike(one, other, who));
                alike.filter_map(|other| self.ratio(&one.id, &other.id)).collect()
            }
        })
        .collect()
    }

    /// Whether what a contender received is such as the claim is about.
    fn is_shown_by(&self, id: &ContenderId) -> bool {
        let batches = self.cell.figures(id).is_some_and(Figures::batches);
        !(self.claim.one_event_at_a_time && batches)
    }

    /// Whether two contenders differ in nothing but what the claim is about.
    fn are_alike(&self, one: &Contender, other: &Contender, who: &Who) -> bool {
        let pinned = |of: fn(&Who) -> bool| of(&self.part.of) || of(who);
        let mut road = other.road.clone();
        if pinned(|of| of.http.is_some()) {
            road.http = one.road.http;
        }
        if pinned(|of| of.proxy.is_some()) {
            road.proxy.clone_from(&one.road.proxy);
        }
        let is_same_transport = one.id.transport() == other.id.transport();
        one.id != other.id
            && one.server == other.server
            && one.id.client() == other.id.client()
            && road == one.road
            && (!is_same_transport
                || (&one.settings, one.multiplex) == (&other.settings, other.multiplex))
    }

    fn alone(&self, of: &Contender) -> Option<Finding> {
        let (metric, figures) = (self.part.metric, self.cell.figures(&of.id)?);
        let estimate = figures.estimate(metric).filter(|of| self.are_enough(of.trials))?;
        if metric.is_account() {
            let count = figures.counted(self.run, metric)?;
            return Some(self.found(&of.id, None, count, None, None));
        }
        Some(self.found(&of.id, None, estimate.median, estimate.interval, Some(estimate.trials)))
    }

    fn ratio(&self, one: &ContenderId, other: &ContenderId) -> Option<Finding> {
        let values = |id: &ContenderId| -> BTreeMap<u32, f64> {
            let own = self.run.trials.iter().filter(|trial| trial.cell == self.cell.name);
            let own = own.filter(|trial| trial.contender == *id);
            own.filter_map(|trial| Some((trial.block, trial.trusted(self.part.metric)?))).collect()
        };
        let others = values(other);
        let pairs: Vec<_> = values(one)
            .into_iter()
            .filter_map(|(block, value)| Some((value, *others.get(&block)?)))
            .collect();
        let ratio = Ratio::of(&pairs).filter(|of| self.are_enough(of.blocks))?;
        let (value, blocks) = (ratio.estimate, Some(ratio.blocks));
        Some(self.found(one, Some(other), value, ratio.interval, blocks))
    }

    fn found(
        &self,
        of: &ContenderId,
        against: Option<&ContenderId>,
        value: f64,
        interval: Option<Interval>,
        blocks: Option<usize>,
    ) -> Finding {
        let (low, high) = interval.map_or((value, value), |of| (of.low, of.high));
        let within = |value: f64| self.part.is_within(value);
        let holds =
            (within(low) == within(high) && within(value) == within(low)).then(|| within(value));
        // A range may lie within the interval.
        let straddles =
            !within(value) && self.part.limits().any(|limit| low < limit && limit < high);
        // What was lost would have been later than all that came: the figure is a bound from below.
        let is_latency = self.part.metric.is_delivery_latency();
        let is_bound = is_latency && self.has_lost(of);
        let is_open = is_latency && against.is_some_and(|id| self.has_lost(id))
            || is_bound && !self.part.stays(low);
        Finding {
            part: self.index,
            run: self.run.manifest.run.clone(),
            scenario: self.run.manifest.scenario.name.clone(),
            cell: self.cell.name.clone(),
            of: of.clone(),
            against: against.cloned(),
            value,
            interval,
            blocks,
            holds: holds.filter(|_| !straddles && !is_open),
        }
    }

    /// Whether as many trials have a figure that can be trusted as a run needs.
    fn are_enough(&self, trials: usize) -> bool {
        trials >= needed(blocks(self.run))
    }

    /// Whether deliveries of it were lost, so that its latencies are bounds from below.
    fn has_lost(&self, id: &ContenderId) -> bool {
        let accounts = self.cell.figures(id).and_then(|of| of.accounts);
        accounts.and_then(|of| of.lost).is_some_and(|lost| lost > 0.0)
    }
}

impl Part {
    fn limits(&self) -> impl Iterator<Item = f64> {
        self.at_least.into_iter().chain(self.at_most)
    }

    /// Whether every greater figure would say the same as this one.
    fn stays(&self, value: f64) -> bool {
        match (self.at_least, self.at_most) {
            (_, Some(most)) => value > most,
            (Some(least), None) => value >= least,
            (None, None) => true,
        }
    }

    fn is_within(&self, value: f64) -> bool {
        self.at_least.is_none_or(|limit| value >= limit)
            && self.at_most.is_none_or(|limit| value <= limit)
    }
}

fn is(who: &Who, of: &Contender) -> bool {
    let proxy = of.road.proxy.as_ref().map_or("none", |proxy| &proxy.name);
    let is_proxy = who.proxy.as_deref().is_none_or(|name| match name.strip_suffix('*') {
        Some(start) => proxy.starts_with(start),
        None => proxy == name,
    });
    of.id.transport() == who.transport && who.http.is_none_or(|http| of.http() == http) && is_proxy
}

/// What follows: a claim holds in a cell when all of its parts do.
pub(super) fn outcome(claim: &Claim, findings: &[Finding]) -> Outcome {
    if findings.is_empty() {
        return Outcome::NotMeasured;
    }
    let mut cells: Vec<(&str, &str)> =
        findings.iter().map(|of| (of.run.as_str(), of.cell.as_str())).collect();
    cells.dedup();
    let of_cell = |(run, cell): &(&str, &str)| {
        let own = findings.iter().filter(|of| (&*of.run, &*of.cell) == (*run, *cell));
        in_one(claim, &own.collect::<Vec<_>>())
    };
    let decided: Vec<Outcome> = cells.iter().filter_map(of_cell).collect();
    match &decided[..] {
        [] => Outcome::Undecided,
        [first, rest @ ..] if rest.iter().all(|of| of == first) => *first,
        _ => Outcome::HoldsIf,
    }
}

/// What one cell says; nothing where it does not decide.
fn in_one(claim: &Claim, findings: &[&Finding]) -> Option<Outcome> {
    let part = |index: usize| -> Option<Outcome> {
        let mut own = findings.iter().filter(|of| of.part == index).map(|of| of.holds);
        let first = own.next()??;
        let mut all_same = true;
        for holds in own {
            all_same &= holds? == first;
        }
        Some(match (all_same, first) {
            (false, _) => Outcome::HoldsIf,
            (true, true) => Outcome::Holds,
            (true, false) => Outcome::DoesNotHold,
        })
    };
    let parts: Vec<_> = (0..claim.parts.len()).map(part).collect();
    if parts.contains(&Some(Outcome::DoesNotHold)) {
        return Some(Outcome::DoesNotHold);
    }
    let all: Vec<Outcome> = parts.into_iter().collect::<Option<_>>()?;
    let holds = all.iter().all(|of| *of == Outcome::Holds);
    Some(if holds { Outcome::Holds } else { Outcome::HoldsIf })
}
