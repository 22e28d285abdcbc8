//! The schema of a run: `run.json` is its head, and each line of `trials.jsonl` one of its trials.

use serde::{Deserialize, Serialize};

use super::browser::UsedBrowser;
use super::proxy::UsedProxy;
use super::shortening::Shortening;
use super::{Record, Stored, listed};
use crate::scenario::ContenderId;

pub use super::setting::Setting;
pub use super::trial::{Outcome, PartUse, Trial};
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

impl Run {
    /// How many of the planned trials have ended. One that was measured again is one.
    #[must_use]
    pub fn measured(&self) -> usize {
        self.trials.iter().filter(|trial| !trial.repeated).count()
    }
}

impl Record for Run {
    type Row = Trial;

    fn enter(&mut self, trial: Trial) {
        let same = self.trials.iter_mut().filter(|of| of.is_same(&trial));
        same.for_each(|of| of.repeated = true);
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
        let of_networks = manifest.networks.iter().map(|laid| manifest.listed(&laid.contender));
        let of_networks: Vec<_> = of_networks.collect();
        for (laid, contender) in manifest.networks.iter_mut().zip(of_networks) {
            laid.contender = contender;
        }
        trials.iter_mut().for_each(|trial| trial.contender = manifest.listed(&trial.contender));
    }

    fn latencies_since(&self) -> Option<f64> {
        Some(self.manifest.started_unix_s)
    }
}

/// A server that the scenario describes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescribedServer {
    /// What reports call it.
    pub label: String,
    /// What it promises a subscriber, in a few words, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promises: Option<String>,
    /// Whether it was started for each trial.
    pub started: bool,
    /// Whether its process was seen.
    pub seen: bool,
    /// Whether nobody checked who it is.
    #[serde(default)]
    pub insecure: bool,
}

/// A network between the clients and the server of a contender, in one cell or more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaidNetwork {
    /// Whose.
    pub contender: ContenderId,
    /// What it is, in words: "50ms, loss 1 %".
    pub network: String,
    /// Whether a relay imitated it, which delays no handshake.
    pub is_relayed: bool,
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
    /// Servers that the scenario describes, beside or instead of that one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<DescribedServer>,
    /// Proxies between subscribers and servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proxies: Vec<UsedProxy>,
    /// Browsers that ran subscribers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub browsers: Vec<UsedBrowser>,
    /// The networks that lay between clients and servers; none over loopback.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<LaidNetwork>,
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
    /// How many cores' time a container's limit leaves; empty without a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit_cores: Option<f64>,
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

impl Manifest {
    /// The contender of this key as the manifest lists it. A file from before there were contenders
    /// lists none: then it is as the key says.
    #[must_use]
    pub fn listed(&self, id: &ContenderId) -> ContenderId {
        self.contenders.iter().find(|listed| *listed == id).unwrap_or(id).clone()
    }
}
