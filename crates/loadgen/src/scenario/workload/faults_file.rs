//! The twins of faults and of how subscribers come back, in the file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::ReconnectBy;
use crate::scenario::defaults::unwritten;
use crate::scenario::duration;

/// Something that breaks while events are measured.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct FaultFile {
    /// When, from the beginning of the measured window: "2s".
    #[schemars(with = "String", regex(pattern = duration::PATTERN), example = "2s")]
    pub(in crate::scenario) at: Spanned<String>,
    /// "cut" ends connections, "pause" stops the server's processes for a while, "outage" has the
    /// network carry nothing for a while, "silence" nothing more of the connections that there are, "restart"
    /// ends the server and starts it again, and "kill-node" kills one of several servers. An outage and a
    /// silence need a [network].
    #[schemars(with = "Kind")]
    pub(in crate::scenario) kind: Spanned<Kind>,
    /// How a cut ends connections: "close" by FIN, "reset" by RST. How a restart ends the server:
    /// "terminate" by SIGTERM, "kill" by SIGKILL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "How")]
    pub(in crate::scenario) how: Option<Spanned<How>>,
    /// The share of subscribers that a cut or a silence hits, spread evenly; all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(max = 1))]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(in crate::scenario) share: Option<Spanned<f64>>,
    /// How long a pause or an outage lasts, and how long a server stays down at least: "1s".
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = duration::PATTERN), example = "1s")]
    pub(in crate::scenario) length: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::scenario) enum Kind {
    Cut,
    Pause,
    Outage,
    Restart,
    Silence,
    KillNode,
}

/// The first of them that a fault can have is what it has where nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::scenario) enum How {
    Close,
    Reset,
    Terminate,
    Kill,
}

/// How subscribers come back whose connection broke.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct ReconnectFile {
    /// How long each waits before it connects again; twice as long after each attempt that failed.
    #[serde(default = "first")]
    #[schemars(with = "String", regex(pattern = duration::PATTERN))]
    pub(in crate::scenario) first: Spanned<String>,
    /// The longest wait.
    #[serde(default = "most")]
    #[schemars(with = "String", regex(pattern = duration::PATTERN))]
    pub(in crate::scenario) most: Spanned<String>,
    /// Whether a wait is drawn evenly between nothing and that, so that not all come at once.
    #[serde(default)]
    pub(in crate::scenario) jitter: bool,
    /// Who says how long an event stream waits: "subscriber", by the keys above, or "server", by its
    /// `retry`, as browsers do it.
    #[serde(default = "by_subscriber")]
    pub(in crate::scenario) by: ReconnectBy,
    /// How long nothing may come, no heartbeat and no event, before a subscriber takes its connection for
    /// dead, or a poll for unanswered: "2500ms". It never does when this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = duration::PATTERN), example = "2500ms")]
    pub(in crate::scenario) dead_after: Option<Spanned<String>>,
}

fn by_subscriber() -> ReconnectBy {
    ReconnectBy::Subscriber
}

fn first() -> Spanned<String> {
    unwritten("100ms".to_owned())
}

fn most() -> Spanned<String> {
    unwritten("5s".to_owned())
}
