//! What is kept of one trial, whatever it was measured for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Metric, Warning};
use crate::scenario::ContenderId;

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
    /// Whether it was measured again, so that its figures count no more. Lines do not say so: the trials
    /// of the same block that follow do.
    #[serde(skip)]
    pub repeated: bool,
    /// SHA-256, in hexadecimal, over the schedule as it was followed: the intended time, channel,
    /// source, sequence and size of every event. Alike in all trials of a scenario. Empty when the
    /// schedule was not followed to its end, and in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_sha256: Option<String>,
}

impl Trial {
    /// The value of `metric`, if it could be measured.
    #[must_use]
    pub fn value(&self, metric: Metric) -> Option<f64> {
        self.values.get(&metric).copied()
    }

    /// Whether the other is of the same contender in the same block.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.cell, self.block, &self.contender) == (&other.cell, other.block, &other.contender)
    }

    /// The value of `metric`, if estimates may use it: nothing that went wrong touches it.
    #[must_use]
    pub fn trusted(&self, metric: Metric) -> Option<f64> {
        self.value(metric).filter(|_| !self.repeated && self.trusts(metric))
    }

    fn trusts(&self, metric: Metric) -> bool {
        let mut causes = self.warnings.iter().filter(|warning| warning.invalidates()).peekable();
        match self.outcome {
            Outcome::Valid => true,
            Outcome::Invalid => {
                causes.peek().is_some() && causes.all(|warning| !warning.touches(metric))
            }
            Outcome::Failed { .. } => false,
        }
    }

    /// Whether the value of `metric` is only a bound from below: deliveries that did not come are
    /// left out of latencies, and are later than any that came.
    #[must_use]
    pub fn is_lower_bound(&self, metric: Metric) -> bool {
        let is_lost = self.value(Metric::Lost).is_some_and(|lost| lost > 0.0);
        is_lost && metric.is_delivery_latency()
    }

    /// Whether estimates may use all of its values.
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
    /// `server`, `generator`, and `server-2` where there are several; `network` is the threads of the
    /// generator's process that imitate one.
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
    /// It ran, but not all of its figures may be used: each warning that [invalidates] says why, and which
    /// it [touches].
    ///
    /// [invalidates]: Warning::invalidates
    /// [touches]: Warning::touches
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
