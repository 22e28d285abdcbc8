//! Where pushbench's own server keeps its log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the log is, and when it is certainly there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Log {
    /// In memory: it ends with the server.
    #[default]
    Memory,
    /// On disk, synced before a publisher is answered.
    Disk,
    /// On disk, synced once a second.
    DiskEachSecond,
    /// On disk, synced when the operating system likes.
    DiskUnsynced,
}

impl Log {
    /// When it is synced, as the server's flag has it; none in memory.
    #[must_use]
    pub fn sync(self) -> Option<&'static str> {
        match self {
            Self::Memory => None,
            Self::Disk => Some("always"),
            Self::DiskEachSecond => Some("1s"),
            Self::DiskUnsynced => Some("never"),
        }
    }
}
