//! Who runs a contender's subscribers: pushbench's own client, or a browser.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What runs subscribers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// pushbench's own client, in its own process.
    #[default]
    Pushbench,
    /// A page in a headless Chromium.
    Chromium,
    /// A page in a headless Firefox.
    Firefox,
}

/// A browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Browser {
    /// Chromium, or what is made of it.
    Chromium,
    /// Firefox.
    Firefox,
}

impl Client {
    /// The browser, if it is one.
    #[must_use]
    pub fn browser(self) -> Option<Browser> {
        match self {
            Self::Pushbench => None,
            Self::Chromium => Some(Browser::Chromium),
            Self::Firefox => Some(Browser::Firefox),
        }
    }

    /// Whether it is pushbench's own.
    pub(super) fn is_own(&self) -> bool {
        *self == Self::Pushbench
    }
}

impl Browser {
    /// What people call it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Chromium => "Chromium",
            Self::Firefox => "Firefox",
        }
    }
}
