//! The schema of a run: `run.json` is its head, and each line of `trials.jsonl` one of its trials.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::shortening::Shortening;
use super::{Metric, Record, Stored, Warning, listed};
use crate::scenario::ContenderId;

pub use crate::scenario::SweptValue;

/// The version that this program writes. A change that an older reader would misread raises it. In 2
/// the trials were in `run.json`.
pub const SCHEMA_VERSION: u32 = 3;

/// One invocation: how it came about, and its trials in the order in which they ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// [`SCHEMA_VERSION`] when it was written.
    pub schema_version: u32,
    /// How the figures came about.
    pub manifest: Manifest,
    /// Every trial that ended, valid or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<Trial>,
}

impl Record for Run {
    type Row = Trial;

    fn enter(&mut self, trial: Trial) {
        self.trials.push(trial);
    }

    fn interrupted(&mut self) -> &mut bool {
        &mut self.manifest.interrupted
    }
}

impl Stored for Run {
    const NAME: &'static str = "a run";
    const FILE: &'static str = "run.json";
    const VERSION_KEY: &'static str = "schema_version";
    const VERSION: u32 = SCHEMA_VERSION;

    fn clear(&mut self) {
        self.trials.clear();
    }

    fn trial(row: &Trial) -> &Trial {
        row
    }

    fn resolve(&mut self) {
        let Self { manifest, trials, .. } = self;
        trials.iter_mut().for_each(|trial| trial.contender = manifest.listed(&trial.contender));
    }

    fn latencies_since(&self) -> Option<f64> {
        Some(self.manifest.started_unix_s)
    }
}

/// How the figures came about: enough to run it again and to know what it may be compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The name of the run, `<scenario>-<time>`.
    pub run: String,
    /// The command line, quoted for a shell.
    pub command: String,
    /// The seed that was used.
    pub seed: u64,
    /// When it started, RFC 3339 in UTC.
    pub started_at: String,
    /// The same as seconds since 1970, to which the times of `latency.hlog` are relative.
    pub started_unix_s: f64,
    /// Trials that were planned.
    pub planned_trials: u32,
    /// Whether it was stopped before all of them had run.
    pub interrupted: bool,
    /// Version of pushbench.
    pub version: String,
    /// The source revision that pushbench was built from, if it was built from one.
    pub revision: Option<String>,
    /// The server that was measured: its command line.
    pub server: String,
    /// The machine.
    pub machine: Machine,
    /// What is compared, in the order of the scenario, references last.
    #[serde(default, with = "listed")]
    pub contenders: Vec<ContenderId>,
    /// What was equal for every contender although it could have favoured one.
    pub settings: Vec<Setting>,
    /// What was measured less than the scenario asks, so that it ended in time; mostly nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortenings: Vec<Shortening>,
    /// The scenario, whole.
    pub scenario: ScenarioText,
    /// The cells of its sweep, in its order; none without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<SweptCell>,
}

/// A cell of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweptCell {
    /// What [`Trial::cell`] calls it.
    pub name: String,
    /// What sets it apart from the others, the same keys for each.
    pub settings: Vec<SweptValue>,
}

/// A setting that every contender had alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// What is set.
    pub name: String,
    /// How the server had it; empty when it is another server than ours.
    pub server: Option<String>,
    /// How the subscribers had it.
    pub subscribers: String,
}

/// The machine that a run ran on. What it does not say is empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Release of the Linux kernel.
    pub kernel: String,
    /// CPU model.
    pub cpu_model: Option<String>,
    /// Frequency governor of the first core.
    pub cpu_governor: Option<String>,
    /// Cores that this process may use.
    pub cores: u32,
    /// The cores that the server had.
    pub server_cores: Vec<u32>,
    /// The cores that the generator had.
    pub generator_cores: Vec<u32>,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// TCP congestion control.
    pub congestion_control: Option<String>,
}

/// The scenario as its file had it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenarioText {
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// The path that was given.
    pub path: String,
    /// The file's text.
    pub text: String,
    /// SHA-256 of the text, in hexadecimal.
    pub sha256: String,
}

/// One contender, measured once, on a fresh server process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The cell of the scenario's sweep; `base` without one.
    pub cell: String,
    /// What was measured.
    #[serde(flatten)]
    pub contender: ContenderId,
    /// The block, from 1.
    pub block: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// What limits the trust in its figures, and what to do about it.
    pub warnings: Vec<Warning>,
    /// When the measured window began, in seconds since the run started; empty when it never did.
    pub measured_from_s: Option<f64>,
    /// Length of the warm-up before that, in seconds.
    pub warm_up_s: f64,
    /// Every value that could be measured, in the unit of its metric.
    pub values: BTreeMap<Metric, f64>,
    /// What each part of the deployment used; none of a trial that failed, and in files of earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartUse>,
    /// SHA-256, in hexadecimal, over the schedule as it was followed: the intended time, channel,
    /// source, sequence and size of every event. Alike in all trials of a scenario. Empty when the
    /// schedule was not followed to its end, and in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_sha256: Option<String>,
}

impl Manifest {
    /// The contender of this key as the manifest lists it. A file from before there were contenders
    /// lists none: then it is as the key says.
    #[must_use]
    pub fn listed(&self, id: &ContenderId) -> ContenderId {
        self.contenders.iter().find(|listed| *listed == id).unwrap_or(id).clone()
    }
}

impl Trial {
    /// The value of `metric`, if it could be measured.
    #[must_use]
    pub fn value(&self, metric: Metric) -> Option<f64> {
        self.values.get(&metric).copied()
    }

    /// Whether the value of `metric` is only a bound from below: deliveries that did not come are
    /// left out of latencies, and are later than any that came.
    #[must_use]
    pub fn is_lower_bound(&self, metric: Metric) -> bool {
        let is_lost = self.value(Metric::Lost).is_some_and(|lost| lost > 0.0);
        is_lost && metric.is_delivery_latency()
    }

    /// Whether estimates may use it.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.outcome == Outcome::Valid
    }

    /// Whether it could not be run to its end.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed { .. })
    }

    /// Whether the account of its deliveries does not come out even.
    #[must_use]
    pub fn is_unfaithful(&self) -> bool {
        [Metric::Lost, Metric::Duplicated, Metric::Reordered]
            .into_iter()
            .any(|metric| self.value(metric).is_some_and(|count| count > 0.0))
    }
}

/// What one part of a deployment used. What could not be observed is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartUse {
    /// `server`, `generator`, and `server-2` where there are several.
    pub name: String,
    /// CPU time in the measured window, of all its processes. That of the generator is all of it:
    /// subscribers, publisher and the thread that watches.
    pub cpu_ns: Option<u64>,
    /// Its largest resident memory in the trial; of several processes together the largest that was
    /// seen.
    pub memory_peak_bytes: Option<u64>,
    /// How often its threads left their core in the measured window. Those of the generator are the
    /// threads of subscribers.
    pub context_switches: Option<u64>,
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Outcome {
    /// It ran, and its figures can be used.
    Valid,
    /// It ran, but its figures must not be used: the first warning that [invalidates] says why.
    ///
    /// [invalidates]: Warning::invalidates
    Invalid,
    /// It could not be run to its end.
    Failed {
        /// Why, in a sentence.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use crate::results::{Metric, fixture};

    #[test]
    fn what_was_lost_leaves_latencies_a_lower_bound() {
        let (mut run, _) = fixture::run();
        let trial = &mut run.trials[0];
        assert!(!trial.is_lower_bound(Metric::LatencyP99), "all were delivered");
        trial.values.insert(Metric::Lost, 1.0);
        assert!(trial.is_lower_bound(Metric::LatencyP99));
        assert!(!trial.is_lower_bound(Metric::PublisherLatenessP99), "events were published");
        assert!(!trial.is_lower_bound(Metric::ServerCpuPerDelivery));
        trial.values.remove(&Metric::Lost);
        assert!(!trial.is_lower_bound(Metric::LatencyP99), "nobody counted");
    }
}
