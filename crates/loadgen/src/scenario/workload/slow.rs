//! Subscribers that read slowly or not at all, and what the server does about them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A share of the subscribers reads slowly. What they receive is accounted apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slow {
    /// The share, from 0 to 1, and not all of them.
    pub share: f64,
    /// How they read until the window has ended. Then they catch up.
    pub reads: SlowReads,
    /// What the server does about those who fall behind its log.
    pub policy: SlowPolicy,
    /// For how long at least the server keeps events; as long as usual if it is none.
    pub kept_for: Option<Duration>,
}

/// How a slow subscriber reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowReads {
    /// Not at all, once it is subscribed.
    Nothing,
    /// So many bytes per second; above 0.
    BytesPerSecond(u32),
}

/// What the server does about a subscriber that has fallen behind its log. Whichever it is, the subscriber
/// is told how many events it missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SlowPolicy {
    /// It goes on with the oldest event that is kept.
    DropOldest,
    /// It goes on with the newest event.
    SkipToNewest,
    /// Its stream ends.
    Disconnect,
}

impl SlowPolicy {
    /// The name in files, and on the server's command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DropOldest => "drop-oldest",
            Self::SkipToNewest => "skip-to-newest",
            Self::Disconnect => "disconnect",
        }
    }
}

impl Slow {
    /// Whether the subscriber with this number is one of them; they are spread evenly.
    #[must_use]
    pub fn includes(&self, subscriber: u32) -> bool {
        is_of_share(subscriber, self.share)
    }
}

/// Whether a subscriber is one of this share of all, spread evenly.
#[must_use]
pub fn is_of_share(subscriber: u32, share: f64) -> bool {
    let hit_before = |subscriber: u32| (f64::from(subscriber) * share + ROUNDING).floor();
    hit_before(subscriber + 1) > hit_before(subscriber)
}

/// What is whole but for the rounding of floating point is meant to be whole.
const ROUNDING: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_spread_evenly() {
        let hit = |share: f64| (0..10).filter(|&of| is_of_share(of, share)).collect::<Vec<_>>();
        assert_eq!(hit(1.0), (0..10).collect::<Vec<_>>());
        assert_eq!(hit(0.5), [1, 3, 5, 7, 9]);
        assert_eq!(hit(0.3), [3, 6, 9]);
        assert_eq!(hit(0.05), [0; 0], "half a subscriber");
        assert_eq!(hit(0.0), [0; 0]);
        assert_eq!((0..1_000).filter(|&of| is_of_share(of, 0.123)).count(), 123);
    }

    #[test]
    fn the_file_name_is_the_serde_name() {
        for policy in [SlowPolicy::DropOldest, SlowPolicy::SkipToNewest, SlowPolicy::Disconnect] {
            assert_eq!(serde_json::to_value(policy).unwrap(), policy.name());
        }
    }
}
