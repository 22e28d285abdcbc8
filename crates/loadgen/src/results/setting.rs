//! What contenders had alike.

use serde::{Deserialize, Serialize};

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
