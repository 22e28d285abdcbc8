//! Whether a candidate has become worse than its baseline.
//!
//! Both are measured in the same blocks, in an order that a coin decides. If they are the same build,
//! the sign of every block's difference is a fair coin, whatever the machine does: so the chance of
//! a false alarm is known, without any assumption about noise. Randomised interleaving is what makes
//! it so (Abedi & Brecht, ICPE 2017); a stored baseline cannot.
//!
//! A metric becomes suspect when a signed-rank test over the blocks and the size of the change say
//! so. It has regressed only when the same is true again of fresh blocks alone: the two chances
//! multiply, and they are never pooled.

use crate::results::ContenderId;

use super::contenders;
use super::interval::{counts_of_subsets, median, walsh_averages};
use crate::results::comparison::{Comparison, Role, Stage};
use crate::results::{Metric, Trial};
use crate::scenario::Gate;

/// The fewest blocks that can decide anything.
pub const MIN_BLOCKS: usize = 5;

/// How probable it may be that identical builds make a metric suspect, where there are blocks enough
/// for a choice: with eight, it is 3 in 256.
const SUSPICION: f64 = 1.0 / 64.0;

/// The verdict on everything that was compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What follows from all of it.
    pub verdict: Verdict,
    /// One for every scenario, contender and gate that could be measured, in that order.
    pub cells: Vec<GatedCell>,
    /// What went wrong whatever the gates say, worst first.
    pub failures: Vec<Failure>,
    /// The greatest chance that identical builds are called a regression anywhere in this.
    pub false_alarm_bound: f64,
}

/// What is said of a cell, or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It did not get worse by as much as the gate allows.
    Pass,
    /// It got better by as much as the gate allows it to get worse, on the first blocks alone.
    Improved,
    /// It may have got worse by more than the gate allows, or not: the noise is too large to tell.
    Inconclusive,
    /// Too few blocks can be trusted.
    Invalid,
    /// It got worse, in both stages.
    Regressed,
}

/// One metric of one contender.
#[derive(Clone, Debug, PartialEq)]
pub struct GatedCell {
    /// The scenario, as an index into [`Comparison::manifests`].
    pub scenario: usize,
    /// The contender.
    pub contender: ContenderId,
    /// What it may not exceed.
    pub gate: Gate,
    /// The first stage.
    pub first: Evidence,
    /// The second, if the contender was suspected.
    pub confirm: Option<Evidence>,
    /// What follows.
    pub verdict: Verdict,
}

/// What the blocks of one stage say.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Baseline and candidate of each block that counts.
    pub blocks: Vec<(f64, f64)>,
    /// How many times as much the candidate takes: the Hodges–Lehmann estimate; empty without a
    /// block.
    pub ratio: Option<f64>,
    /// What that ratio may be at most, at the level of the test; empty with too few blocks.
    pub upper: Option<f64>,
    /// The ratio from which on the gate is passed: its share or its floor, whichever is more.
    pub limit: f64,
    /// Walsh averages that speak for no change or a better one.
    pub against: usize,
    /// How many of these a suspicion may have; empty with too few blocks.
    pub critical: Option<usize>,
}

/// What is wrong whatever the figures are.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The candidate lost, doubled or swapped deliveries.
    DeliveryErrors {
        /// The scenario, as an index into [`Comparison::manifests`].
        scenario: usize,
        /// The contender.
        contender: ContenderId,
        /// Lost, duplicated and reordered, in all of its trials.
        counts: [f64; 3],
        /// The same of the baseline.
        baseline: [f64; 3],
    },
    /// A trial of either could not be run to its end.
    Failed {
        /// Whose.
        role: Role,
        /// The scenario, as an index into [`Comparison::manifests`].
        scenario: usize,
        /// The contender.
        contender: ContenderId,
        /// Why.
        reason: String,
    },
}

/// How many Walsh averages of so many blocks may speak against a suspicion: the most at which
/// identical builds raise one in at most 1 of 64 comparisons. Five blocks cannot be that sure: there
/// it is none at all, 1 in 32.
#[must_use]
pub fn critical_count(blocks: usize) -> Option<usize> {
    let cases = 2_f64.powi(i32::try_from(blocks).ok()?);
    let counts = counts_of_subsets(blocks, |rank| rank);
    let mut sum = 0.0;
    let within = counts.iter().take_while(|count| {
        sum += **count;
        sum / cases <= SUSPICION
    });
    (blocks >= MIN_BLOCKS).then(|| within.count().saturating_sub(1))
}

/// The chance that so many blocks of identical builds make a metric suspect.
#[must_use]
pub fn false_suspicion(blocks: usize) -> Option<f64> {
    let counts = counts_of_subsets(blocks, |rank| rank);
    let critical = critical_count(blocks)?;
    Some(counts[..=critical].iter().sum::<f64>() / 2_f64.powi(i32::try_from(blocks).ok()?))
}

impl Evidence {
    /// What the pairs of baseline and candidate say about `gate`.
    #[must_use]
    pub fn of(blocks: Vec<(f64, f64)>, gate: Gate) -> Self {
        let mut baselines: Vec<f64> = blocks.iter().map(|(baseline, _)| *baseline).collect();
        baselines.sort_by(f64::total_cmp);
        let floor = median(&baselines).filter(|of| *of > 0.0).map_or(0.0, |of| gate.floor / of);
        let limit = 1.0 + gate.share.max(floor);
        let pairs: Vec<_> =
            blocks.iter().map(|(baseline, candidate)| (*candidate, *baseline)).collect();
        let walsh = walsh_averages(&pairs).unwrap_or_default();
        let critical = critical_count(blocks.len()).filter(|_| !walsh.is_empty());
        let upper = critical.and_then(|critical| walsh.get(walsh.len() - 1 - critical));
        Self {
            ratio: median(&walsh).map(f64::exp),
            upper: upper.copied().map(f64::exp),
            limit,
            against: walsh.iter().filter(|average| **average <= 0.0).count(),
            critical,
            blocks,
        }
    }

    /// The same, if so many blocks were to be measured: fewer decide nothing. The bound on false
    /// alarms is that of the number which was fixed in advance.
    fn out_of(self, planned: u32) -> Self {
        if self.blocks.len() < planned as usize {
            return Self { upper: None, critical: None, ..self };
        }
        self
    }

    /// Whether these blocks alone say that the metric got worse.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.critical.is_some_and(|critical| self.against <= critical)
            && self.ratio.is_some_and(|ratio| ratio >= self.limit)
    }

    /// In how many blocks the candidate takes more.
    #[must_use]
    pub fn worse(&self) -> usize {
        self.blocks.iter().filter(|(baseline, candidate)| candidate > baseline).count()
    }

    fn is_improvement(&self) -> bool {
        let other_way = self.blocks.iter().map(|(baseline, candidate)| (*baseline, *candidate));
        let walsh = walsh_averages(&other_way.collect::<Vec<_>>()).unwrap_or_default();
        let against = walsh.iter().filter(|average| **average <= 0.0).count();
        self.critical.is_some_and(|critical| against <= critical)
            && self.ratio.is_some_and(|ratio| ratio <= self.limit.recip())
    }

    /// What is said when nothing is suspected.
    fn unsuspicious(&self) -> Verdict {
        match self.upper {
            None => Verdict::Invalid,
            Some(_) if self.is_improvement() => Verdict::Improved,
            Some(upper) if upper < self.limit => Verdict::Pass,
            Some(_) => Verdict::Inconclusive,
        }
    }
}

/// The contenders of a scenario that the first stage suspects, each once: their blocks are to be
/// measured afresh.
#[must_use]
pub fn suspects(comparison: &Comparison) -> Vec<(usize, ContenderId)> {
    let mut suspects = Vec::new();
    for cell in decide(comparison).cells.iter().filter(|cell| cell.first.is_suspect()) {
        let of = (cell.scenario, cell.contender.clone());
        if !suspects.contains(&of) {
            suspects.push(of);
        }
    }
    suspects
}

/// What follows from the trials that ran so far.
#[must_use]
pub fn decide(comparison: &Comparison) -> Decision {
    let mut cells = Vec::new();
    let mut failures = Vec::new();
    for (scenario, gates) in comparison.gates.iter().enumerate() {
        let own = comparison.trials.iter().filter(|compared| compared.scenario == scenario);
        for contender in &contenders(own.map(|compared| &compared.trial)) {
            failures.extend(failure(comparison, scenario, contender));
            let of = gates.iter().filter_map(|gate| cell(comparison, scenario, contender, *gate));
            cells.extend(of);
        }
    }
    let chance = |stage: usize| false_suspicion(comparison.blocks[stage] as usize).unwrap_or(1.0);
    let false_alarm_bound = (cells.len() as f64 * chance(0) * chance(1)).min(1.0);
    let is_candidates =
        |failure: &Failure| !matches!(failure, Failure::Failed { role: Role::Baseline, .. });
    let verdict = if failures.iter().any(is_candidates) {
        Verdict::Regressed
    } else if !failures.is_empty() || cells.is_empty() {
        Verdict::Invalid
    } else {
        cells.iter().map(|cell| cell.verdict).max().unwrap_or(Verdict::Invalid)
    };
    Decision { verdict, cells, failures, false_alarm_bound }
}

fn cell(
    comparison: &Comparison,
    scenario: usize,
    contender: &ContenderId,
    gate: Gate,
) -> Option<GatedCell> {
    let evidence = |stage: Stage| {
        let pairs = pairs(comparison, scenario, contender, stage, gate.metric);
        Evidence::of(pairs, gate).out_of(comparison.blocks[stage as usize])
    };
    let first = evidence(Stage::First);
    let ran =
        |stage| comparison.trials_of(scenario, contender, stage, Role::Candidate).next().is_some();
    // What this machine cannot measure at all is no cell; what should have been there is an invalid
    // one.
    let is_measured = |trial: &Trial| trial.value(gate.metric).is_some();
    let mut all = comparison.trials.iter().filter(|of| of.scenario == scenario);
    if !all.any(|of| of.trial.contender == *contender && is_measured(&of.trial)) {
        return None;
    }
    let confirm = (first.is_suspect() && ran(Stage::Confirm)).then(|| evidence(Stage::Confirm));
    let verdict = match &confirm {
        Some(confirm) if confirm.is_suspect() => Verdict::Regressed,
        Some(confirm) => confirm.unsuspicious(),
        // Not confirmed yet, or never: a suspicion alone convicts nobody.
        None if first.is_suspect() => Verdict::Inconclusive,
        None => first.unsuspicious(),
    };
    let contender = contender.clone();
    Some(GatedCell { scenario, contender, gate, first, confirm, verdict })
}

/// Baseline and candidate of every block in which both can be trusted.
fn pairs(
    comparison: &Comparison,
    scenario: usize,
    contender: &ContenderId,
    stage: Stage,
    metric: Metric,
) -> Vec<(f64, f64)> {
    let of = |role| comparison.trials_of(scenario, contender, stage, role);
    let value = |trial: &Trial| trial.trusted(metric);
    of(Role::Baseline)
        .filter_map(|baseline| {
            let candidate = of(Role::Candidate).find(|trial| trial.block == baseline.block)?;
            Some((value(baseline)?, value(candidate)?))
        })
        .collect()
}

fn failure(comparison: &Comparison, scenario: usize, contender: &ContenderId) -> Vec<Failure> {
    let of = |role| {
        comparison.trials.iter().filter(move |of| {
            (of.scenario, &of.trial.contender, of.role) == (scenario, contender, role)
        })
    };
    let counts = |role| {
        [Metric::Lost, Metric::Duplicated, Metric::Reordered]
            .map(|metric| of(role).filter_map(|of| of.trial.value(metric)).sum::<f64>())
    };
    let mut failures = Vec::new();
    let candidate = counts(Role::Candidate);
    if candidate.iter().any(|count| *count > 0.0) {
        let baseline = counts(Role::Baseline);
        let contender = contender.clone();
        failures.push(Failure::DeliveryErrors { scenario, contender, counts: candidate, baseline });
    }
    // What the baseline cannot do either says nothing about the candidate.
    let failed = [Role::Baseline, Role::Candidate].into_iter().find_map(|role| {
        let reason = of(role).find_map(|of| match &of.trial.outcome {
            crate::results::Outcome::Failed { reason } => Some(reason.clone()),
            _ => None,
        })?;
        Some(Failure::Failed { role, scenario, contender: contender.clone(), reason })
    });
    failures.extend(failed);
    failures
}

#[cfg(test)]
mod tests;
