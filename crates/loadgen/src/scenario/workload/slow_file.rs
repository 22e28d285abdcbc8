//! The twin of [`Slow`](super::Slow) in the file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::SlowPolicy;
use crate::scenario::duration;

/// Subscribers that read slowly, or not at all.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct SlowFile {
    /// The share of subscribers that do, spread evenly; 0 for none. What they receive is accounted apart.
    #[schemars(with = "f64", range(min = 0), example = 0.1)]
    #[schemars(extend("exclusiveMaximum" = 1))]
    pub(in crate::scenario) share: Spanned<f64>,
    /// How they read from when they are subscribed until the window has ended: "nothing", or "slowly" with
    /// `bytes_per_second`.
    #[schemars(with = "Reads")]
    pub(in crate::scenario) reads: Spanned<Reads>,
    /// How much each of them reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = MOST_BYTES_PER_SECOND), example = 2000)]
    pub(in crate::scenario) bytes_per_second: Option<Spanned<i64>>,
    /// What the server does about those who fall behind its log: "drop-oldest", they go on with the oldest
    /// event that it keeps; "skip-to-newest", they go on with the newest; or "disconnect".
    #[serde(default = "drop_oldest")]
    pub(in crate::scenario) policy: SlowPolicy,
    /// For how long at least the server keeps events; as long as usual when left out, more than 10 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = duration::PATTERN), example = "2s")]
    pub(in crate::scenario) kept_for: Option<Spanned<String>>,
}

/// How somebody reads.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::scenario) enum Reads {
    Nothing,
    Slowly,
}

/// Faster is not slow.
pub(in crate::scenario) const MOST_BYTES_PER_SECOND: u32 = 100_000_000;

fn drop_oldest() -> SlowPolicy {
    SlowPolicy::DropOldest
}
