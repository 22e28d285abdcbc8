//! The schema of `comparison.json`: two builds of a server, measured against each other in one run.

use serde::{Deserialize, Serialize};

use super::{Manifest, Trial};
use crate::scenario::{ContenderId, Gate};

/// The version that this program writes. A change that an older reader would misread raises it.
pub const COMPARISON_VERSION: u32 = 2;

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
    /// Whether its block was measured again, so that it counts no more.
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
