//! The plan of a comparison: two stages of blocks, in each the two builds back to back, in an order
//! that a coin decides. What is suspect after the first stage is measured again in the second, which
//! [`crate::analysis::regression`] decides.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::random_order::{PlannedPair, RandomOrder, RetryBudget};
use super::{Plan, Setup, Step, ToCome, roughly};
use crate::analysis::regression;
use crate::results::comparison::{ComparedTrial, Role, Stage};
use crate::results::{Comparison, ContenderId};
use crate::scenario::{BASE_CELL, Scenario};

/// What two builds are measured with, and their command lines in the order of [`Role`].
pub(crate) struct Builds {
    /// The scenarios, in the order of the comparison's manifests.
    pub(crate) scenarios: Vec<Scenario>,
    /// How each build is started.
    pub(crate) servers: [Vec<String>; 2],
    /// Whether every trial starts a copy of a build's program of its own.
    pub(crate) copied: [bool; 2],
}

/// Pairs of trials of two builds.
pub(crate) struct ComparisonPlan {
    scenarios: Vec<Arc<Scenario>>,
    servers: [Arc<[String]>; 2],
    copied: [bool; 2],
    /// Of the first stage, and of the second.
    blocks: [u32; 2],
    order: RandomOrder,
    retries: RetryBudget,
    stage: Stage,
    /// Those of the stage that are left. The first is being measured.
    pairs: VecDeque<PlannedPair>,
    /// How many trials of the first pair have been asked for.
    asked: usize,
}

impl ComparisonPlan {
    /// The same seed gives the same plan.
    pub(crate) fn new(builds: Builds, blocks: [u32; 2], seed: u64) -> Self {
        let Builds { scenarios, servers, copied } = builds;
        let mut order = RandomOrder::new(seed);
        let all = scenarios.iter().map(|scenario| scenario.contender_ids().cloned().collect());
        let pairs = order.stage(Stage::First, &all.enumerate().collect(), blocks[0]);
        Self {
            scenarios: scenarios.into_iter().map(Arc::new).collect(),
            servers: servers.map(Into::into),
            copied,
            blocks,
            order,
            retries: RetryBudget::default(),
            stage: Stage::First,
            pairs: pairs.into(),
            asked: 0,
        }
    }

    fn step(&self, pair: &PlannedPair, role: Role) -> Step<ComparedTrial> {
        let PlannedPair { scenario, ref contender, stage, block, .. } = *pair;
        let word = match role {
            Role::Baseline => "baseline",
            Role::Candidate => "candidate",
        };
        let setup = Setup {
            scenario: Arc::clone(&self.scenarios[scenario]),
            contender: contender.clone(),
            server: Arc::clone(&self.servers[role as usize]),
            copied: self.copied[role as usize],
            record: true,
            cell: BASE_CELL.into(),
            block,
        };
        Step {
            setup,
            name: format!("{}, block {block}, {word}", self.name(scenario, contender)),
            to_come: self.to_come(),
            row: Box::new(move |trial, _| ComparedTrial {
                scenario,
                stage,
                role,
                redone: false,
                trial,
            }),
        }
    }

    /// The trial that is asked for next, and those behind it.
    fn to_come(&self) -> ToCome {
        let scenario = |pair: &PlannedPair| &self.scenarios[pair.scenario];
        let mut sum: ToCome = self.pairs.iter().map(|pair| ToCome::of(scenario(pair), 2)).sum();
        if let (1, Some(first)) = (self.asked, self.pairs.front()) {
            let asked = ToCome::of(scenario(first), 1);
            sum = ToCome { trials: sum.trials - 1, time: sum.time.saturating_sub(asked.time) };
        }
        sum
    }

    fn name(&self, scenario: usize, contender: &ContenderId) -> String {
        match &self.scenarios[..] {
            [_] => contender.label().to_owned(),
            several => format!("{}, {}", several[scenario].name, contender.label()),
        }
    }

    /// Plans the second stage, unless nothing is suspect.
    fn confirm(&mut self, so_far: &Comparison, say: &mut dyn FnMut(&str)) {
        self.stage = Stage::Confirm;
        let [_, blocks] = self.blocks;
        let mut suspects = BTreeMap::<usize, Vec<ContenderId>>::new();
        let mut names = Vec::new();
        for (scenario, contender) in regression::suspects(so_far) {
            names.push(self.name(scenario, &contender));
            suspects.entry(scenario).or_default().push(contender);
        }
        self.pairs = self.order.stage(Stage::Confirm, &suspects, blocks).into();
        if !names.is_empty() {
            say(&format!(
                "May be worse: {}. Measured again on {blocks} fresh blocks, about {}.",
                names.join("; "),
                roughly(self.to_come().time)
            ));
        }
    }
}

impl Plan for ComparisonPlan {
    type Record = Comparison;

    fn next(
        &mut self,
        so_far: &Comparison,
        say: &mut dyn FnMut(&str),
    ) -> anyhow::Result<Option<Step<ComparedTrial>>> {
        loop {
            let Some(pair) = self.pairs.front() else {
                if self.stage == Stage::Confirm {
                    return Ok(None);
                }
                self.confirm(so_far, say);
                continue;
            };
            // When the first build fails, the second shows whether anything can run.
            if let Some(&role) = pair.order().get(self.asked) {
                let step = self.step(pair, role);
                self.asked += 1;
                return Ok(Some(step));
            }
            self.asked = 0;
            let found = &so_far.trials[so_far.trials.len().saturating_sub(2)..];
            if found.iter().any(|of| of.trial.has_failed()) {
                // The verdict is known.
                self.pairs.clear();
                return Ok(None);
            }
            if self.retries.grant(pair, found, self.blocks[self.stage as usize]) {
                let again = self.order.again(pair.clone());
                self.pairs[0] = again;
                say("A trial of this block cannot be trusted: both are repeated.");
            } else {
                self.pairs.pop_front();
            }
        }
    }
}
