//! The schema of a run: `run.json` is its head, and each line of `trials.jsonl` one of its trials.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::shortening::Shortening;
use super::{Metric, Record, Stored};
use crate::scenario::{ContenderId, Identity};

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

/// Contenders with all that makes them recognisable; elsewhere only their names stand.
mod listed {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::{ContenderId, Identity};

    pub(super) fn serialize<S: Serializer>(ids: &[ContenderId], to: S) -> Result<S::Ok, S::Error> {
        ids.iter().map(ContenderId::identity).collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<ContenderId>, D::Error> {
        Ok(ContenderId::all(Vec::<Identity>::deserialize(from)?))
    }
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

/// One of the two sides of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The server under test.
    Server,
    /// Publisher and subscribers.
    Generator,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Generator => "generator",
        })
    }
}

/// What limits the trust in a trial. `Display` says it in words, with a way out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Warning {
    /// Events were published later than the schedule wanted.
    #[error(
        "the publisher was {p99_ms:.1} ms late at its 99th percentile (limit 10 ms): latencies include that; leave the machine alone or lower the event rate"
    )]
    PublisherLate {
        /// 99th percentile of the lateness.
        p99_ms: f64,
    },
    /// Not all events that were planned for the window had been published at its end.
    #[error(
        "only {published} of the {planned} events of the window were published by its end (at least 99 % are needed): the load was lower than requested; lower `events_per_second`"
    )]
    FewerEventsThanPlanned {
        /// Published by the end of the window.
        published: u64,
        /// Planned.
        planned: u64,
    },
    /// Latencies were others at the end of the window than at its start. `Display` tells a load
    /// that is not sustained from a trial that had not warmed up.
    #[error("{}", drift(*first_ms, *last_ms))]
    Drift {
        /// Median of the first third of the window.
        first_ms: f64,
        /// Median of its last third.
        last_ms: f64,
    },
    /// The generator used its cores nearly whole.
    #[error(
        "the generator was {}saturated: it used {busy_percent:.0} % of its CPU (limit 95 %), so latencies may be its own; give it more cores, or lower `subscribers` or `events_per_second`",
        if self.invalidates() { "" } else { "nearly " }
    )]
    GeneratorSaturated {
        /// CPU time over the time that its cores offered.
        busy_percent: f64,
    },
    /// The server used its cores nearly whole.
    #[error(
        "the server was saturated: it used {busy_percent:.0} % of its CPU, so latencies are those of a queue; lower `subscribers` or `events_per_second`"
    )]
    ServerSaturated {
        /// CPU time over the time that its cores offered.
        busy_percent: f64,
    },
    /// The hypervisor gave CPU time to others.
    #[error(
        "{percent:.1} % of the CPU time was stolen by other machines on this host (limit 10 %): repeat at a quieter time"
    )]
    CpuStolen {
        /// Stolen time over the time of all cores.
        percent: f64,
    },
    /// Too few deliveries for a percentile that the report would show.
    #[error(
        "{delivered} deliveries are too few for a 99th percentile, which needs {needed}: lengthen `duration`"
    )]
    TooFewSamples {
        /// Deliveries measured.
        delivered: u64,
        /// Deliveries that the percentile takes.
        needed: u64,
    },
    /// A latency outside the histogram's range.
    #[error("{count} latencies exceeded the histogram's range of {limit_s} s and count as that")]
    BeyondRange {
        /// How many.
        count: u64,
        /// The range.
        limit_s: u64,
    },
    /// Both sides ran on the same core.
    #[error(
        "server and generator shared a core, so each waited for the other: use a machine with at least two cores, or compare only bytes and losses"
    )]
    SharedCore,
    /// Something else ran on the machine.
    #[error(
        "other processes used {percent:.0} % of the {side}'s cores (limit 25 %): costs and latencies may be theirs; stop them and repeat"
    )]
    OtherLoad {
        /// Whose cores.
        side: Side,
        /// CPU time that was not the side's own over the time of its cores.
        percent: f64,
    },
    /// Deliveries that seem to precede their publication.
    #[error(
        "{count} deliveries arrived before they were published: a clock or the server is broken, so latencies mean nothing"
    )]
    NegativeLatency {
        /// How many.
        count: u64,
    },
    /// Server and subscribers disagree.
    #[error("the server reports {server} deliveries, but subscribers received {received}")]
    CountsDisagree {
        /// By the server's own account.
        server: u64,
        /// By the subscribers' account.
        received: u64,
    },
    /// The generator's sockets and the kernel's TCP disagree.
    #[error(
        "the sockets carried {sockets} bytes by the generator's count, but {tcp} by the kernel's (limit 0.1 % apart): do not use this trial's bytes; if it happens again, report it as a bug"
    )]
    BytesDisagree {
        /// Read from sockets and written to them.
        sockets: u64,
        /// The same by TCP_INFO.
        tcp: u64,
    },
    /// Events did not come although they were expected, so percentiles lack the worst.
    #[error(
        "{lost} deliveries had not arrived when the drain ended: percentiles do not include them, and would be worse with them"
    )]
    DeliveriesLost {
        /// How many.
        lost: u64,
    },
    /// Connections broke and were opened again.
    #[error("subscribers had to reconnect {count} times: the first reason was {reason}")]
    Reconnected {
        /// How often.
        count: u64,
        /// The first reason.
        reason: String,
    },
}

impl Warning {
    /// Whether the trial's figures must not be used.
    #[must_use]
    pub fn invalidates(&self) -> bool {
        match self {
            Self::PublisherLate { p99_ms } => *p99_ms > 10.0,
            Self::FewerEventsThanPlanned { published, planned } => {
                (*published as f64) < 0.99 * *planned as f64
            }
            Self::GeneratorSaturated { busy_percent } => *busy_percent > 95.0,
            Self::CpuStolen { percent } => *percent > 10.0,
            Self::OtherLoad { percent, .. } => *percent > 25.0,
            Self::BeyondRange { .. } | Self::NegativeLatency { .. } => true,
            Self::ServerSaturated { .. }
            | Self::Drift { .. }
            | Self::SharedCore
            | Self::TooFewSamples { .. }
            | Self::CountsDisagree { .. }
            | Self::BytesDisagree { .. }
            | Self::DeliveriesLost { .. }
            | Self::Reconnected { .. } => false,
        }
    }
}

fn drift(first_ms: f64, last_ms: f64) -> String {
    let (verb, meaning) = if last_ms > first_ms {
        ("grew", "the load is not sustained, so a longer window would give other figures; lower it")
    } else {
        ("fell", "the trial was not warmed up; lengthen `warm_up`")
    };
    format!(
        "median latency {verb} from {first_ms:.1} ms in the first third of the window to \
         {last_ms:.1} ms in the last: {meaning}"
    )
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
