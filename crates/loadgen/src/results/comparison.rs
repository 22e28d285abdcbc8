//! The schema of a comparison, of two builds of a server that were measured against each other in one
//! run: `comparison.json` is its head, and each line of `trials.jsonl` one of its trials.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::{Manifest, Record, Stored, Trial};
use crate::scenario::{ContenderId, Gate};

/// The version that this program writes. A change that an older reader would misread raises it. In 1
/// the trials were in `comparison.json`.
pub const COMPARISON_VERSION: u32 = 2;

/// No stage has more. What a verdict takes grows with their square.
const MAX_BLOCKS: u32 = 100;

/// One comparison: how it came about, and its trials in the order in which they ran. The verdict
/// follows from it alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`COMPARISON_VERSION`] when it was written.
    pub comparison_version: u32,
    /// How the figures came about, once for every scenario. Its `server` is empty of meaning here.
    pub manifests: Vec<Manifest>,
    /// What the candidate is held against.
    pub baseline: Build,
    /// What may have become worse.
    pub candidate: Build,
    /// The gates of each scenario, in the order of `manifests`.
    pub gates: Vec<Vec<Gate>>,
    /// Blocks of the first stage, and of the second.
    pub blocks: [u32; 2],
    /// Every trial that ended, valid or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<ComparedTrial>,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
}

/// One of the two servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// What people call it: a revision, a path, a command.
    pub name: String,
    /// Its command line.
    pub command: String,
}

/// A trial of one of the two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparedTrial {
    /// The scenario, as an index into [`Comparison::manifests`].
    pub scenario: usize,
    /// Which stage it belongs to.
    pub stage: Stage,
    /// Which of the two.
    pub role: Role,
    /// Whether its block was measured again, so that it counts no more. Lines do not say so: the
    /// trials of the same block that follow do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redone: bool,
    /// What was found. Its block counts within the stage, from 1.
    pub trial: Trial,
}

/// Which of the two builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// What the candidate is held against.
    Baseline,
    /// What may have become worse.
    Candidate,
}

/// The two stages of a comparison. They are never pooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Every contender; it can raise a suspicion.
    First,
    /// Suspected contenders, on fresh blocks; it can confirm one.
    Confirm,
}

impl Record for Comparison {
    type Row = ComparedTrial;

    /// A second trial of the same build in a block begins the block again: those before it count no
    /// more.
    fn enter(&mut self, row: ComparedTrial) {
        let is_same = |of: &&mut ComparedTrial| {
            let (one, other) = (&of.trial, &row.trial);
            (of.scenario, of.stage, one.block) == (row.scenario, row.stage, other.block)
                && one.contender == other.contender
                && !of.redone
        };
        let mut same: Vec<_> = self.trials.iter_mut().filter(is_same).collect();
        if same.iter().any(|of| of.role == row.role) {
            same.iter_mut().for_each(|of| of.redone = true);
        }
        self.trials.push(row);
    }

    fn interrupted(&mut self) -> &mut bool {
        &mut self.interrupted
    }
}

impl Stored for Comparison {
    const NAME: &'static str = "a comparison";
    const FILE: &'static str = "comparison.json";
    const VERSION_KEY: &'static str = "comparison_version";
    const VERSION: u32 = COMPARISON_VERSION;

    fn clear(&mut self) {
        self.trials.clear();
    }

    fn trial(row: &ComparedTrial) -> &Trial {
        &row.trial
    }

    fn resolve(&mut self) {
        for ComparedTrial { scenario, trial, .. } in &mut self.trials {
            if let Some(manifest) = self.manifests.get(*scenario) {
                trial.contender = manifest.listed(&trial.contender);
            }
        }
    }

    fn check_head(&self) -> anyhow::Result<()> {
        let is_possible = self.blocks.iter().all(|blocks| (1..=MAX_BLOCKS).contains(blocks));
        ensure!(is_possible, "`blocks` must be from 1 to {MAX_BLOCKS}, found {:?}", self.blocks);
        // The version before had them here.
        self.trials.iter().try_for_each(|row| self.check(row))
    }

    fn check(&self, row: &ComparedTrial) -> anyhow::Result<()> {
        let (scenario, scenarios) = (row.scenario, self.manifests.len());
        ensure!(scenario < scenarios, "there is no scenario {scenario}: the head has {scenarios}");
        let (block, blocks) = (row.trial.block, self.blocks[row.stage as usize]);
        ensure!((1..=blocks).contains(&block), "there is no block {block}: its stage has {blocks}");
        Ok(())
    }
}

impl Comparison {
    /// The trials of one contender, stage and build that count, by block.
    pub fn trials_of(
        &self,
        scenario: usize,
        contender: &ContenderId,
        stage: Stage,
        role: Role,
    ) -> impl Iterator<Item = &Trial> {
        self.trials
            .iter()
            .filter(move |of| {
                (of.scenario, &of.trial.contender, of.stage, of.role)
                    == (scenario, contender, stage, role)
                    && !of.redone
            })
            .map(|of| &of.trial)
    }
}
