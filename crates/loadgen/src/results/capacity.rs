//! The schema of a search for capacity, the largest load that meets the objectives: `capacity.json` is
//! its head, and each line of `trials.jsonl` one of its attempts.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::{Manifest, Record, Stored, Trial};
use crate::scenario::ContenderId;
pub use crate::scenario::LoadAxis;

/// The version that this program writes. A change that an older reader would misread raises it. In 1
/// the attempts were in `capacity.json`.
pub const CAPACITY_VERSION: u32 = 2;

/// A search for every contender, one after the other. What was found follows from it alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// [`CAPACITY_VERSION`] when it was written.
    pub schema_version: u32,
    /// How the figures came about. Nobody knew beforehand how many trials it would take, so it counts
    /// those that ended.
    pub manifest: Manifest,
    /// What was varied.
    pub varied: LoadAxis,
    /// In the order in which they ran.
    pub searches: Vec<Search>,
}

/// The search of one contender.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// What was measured.
    #[serde(flatten)]
    pub contender: ContenderId,
    /// The first load: that of the scenario, if it may be tried.
    pub start: f64,
    /// The least load that may be tried.
    pub least: Bound,
    /// The greatest load that may be tried.
    pub most: Bound,
    /// Every trial that ended, in the order in which they ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
}

impl Record for Capacity {
    type Row = Attempt;

    /// An attempt belongs to the search of what it measured.
    fn enter(&mut self, attempt: Attempt) {
        let mut searches = self.searches.iter_mut();
        if let Some(search) = searches.find(|search| search.contender == attempt.trial.contender) {
            search.attempts.push(attempt);
        }
        let ended = self.searches.iter().map(|search| search.attempts.len()).sum::<usize>();
        self.manifest.planned_trials = ended as u32;
    }

    fn interrupted(&mut self) -> &mut bool {
        &mut self.manifest.interrupted
    }
}

impl Stored for Capacity {
    const NAME: &'static str = "a search";
    const FILE: &'static str = "capacity.json";
    const VERSION_KEY: &'static str = "schema_version";
    const VERSION: u32 = CAPACITY_VERSION;

    fn clear(&mut self) {
        self.searches.iter_mut().for_each(|search| search.attempts.clear());
    }

    fn trial(row: &Attempt) -> &Trial {
        &row.trial
    }

    fn resolve(&mut self) {
        let Self { manifest, searches, .. } = self;
        for Search { contender, attempts, .. } in searches {
            *contender = manifest.listed(contender);
            attempts.iter_mut().for_each(|attempt| attempt.trial.contender = contender.clone());
        }
    }

    fn check(&self, row: &Attempt) -> anyhow::Result<()> {
        let measured = &row.trial.contender;
        let is_searched = self.searches.iter().any(|search| search.contender == *measured);
        ensure!(is_searched, "the head names no search of {measured}");
        Ok(())
    }
}

/// An end of what may be tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// The load.
    pub load: f64,
    /// Why there is nothing beyond it to try, in words.
    pub why: String,
}

/// A load that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Subscribers, or events per second on each channel.
    pub load: f64,
    /// What it was tried for.
    pub purpose: Purpose,
    /// Whether it met the objectives.
    pub answer: Answer,
    /// What was measured. Its block counts the trials of the search, from 1.
    pub trial: Trial,
}

/// What a load is tried for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To find the largest that meets the objectives.
    Search,
    /// To see that what was found holds again.
    Confirm,
}

/// What a trial says about its load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Answer {
    /// All objectives were met.
    Met,
    /// The server did not do what is asked of it.
    Missed {
        /// In which way.
        why: Miss,
        /// Whether one such trial is enough to know it: an accident of the machine looks different.
        certain: bool,
    },
    /// Nobody knows: the trial says nothing about the server.
    Unknown {
        /// What stood in the way.
        obstacle: Obstacle,
    },
    /// It could not be run to its end.
    Failed,
}

/// In which way a server missed its objectives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Miss {
    /// A figure is beyond its limit.
    Objective,
    /// Deliveries were lost.
    Lost,
    /// It fell behind: a longer trial would give worse figures.
    Unsustained,
}

/// What may keep a trial from saying anything about the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Obstacle {
    /// The generator had no CPU left.
    Generator,
    /// Something else disturbed the trial.
    Machine,
    /// A figure that an objective needs could not be measured.
    Unmeasured,
}
