//! The proxies of a run, as they were started.

use serde::{Deserialize, Serialize};

/// A proxy, and who was measured through it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedProxy {
    /// What reports call it.
    pub label: String,
    /// What the program says of its version, if it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The command, with the placeholders that each trial has other values for.
    pub command: String,
    /// The configuration, likewise; none that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Names of contenders.
    pub contenders: Vec<String>,
}
