//! The browsers of a run.

use serde::{Deserialize, Serialize};

/// A browser, and whose subscribers it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedBrowser {
    /// What reports call it.
    pub label: String,
    /// What the program says of its version, if it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Labels of contenders.
    pub contenders: Vec<String>,
}
