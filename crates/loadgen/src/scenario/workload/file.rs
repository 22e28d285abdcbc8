//! The twin of [`Workload`](super::Workload) in the file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::{Spanned, Value};

use super::faults_file::{FaultFile, ReconnectFile};
use super::payload::PayloadSchema;
use super::slow_file::SlowFile;
use super::{Arrivals, Content};
use crate::scenario::defaults::{not, one, unwritten};
use crate::scenario::duration;
use crate::scenario::limits::{
    MAX_CHANNELS_PER_SUBSCRIBER, MAX_EVENTS_PER_SECOND, MAX_SUBSCRIBERS,
};

/// Traffic and its duration, the same for every transport.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct WorkloadFile {
    /// Subscribers in all. Every one receives each event of its channels.
    #[schemars(with = "u32", range(min = 1, max = MAX_SUBSCRIBERS), example = 500)]
    pub(in crate::scenario) subscribers: Spanned<i64>,
    /// Channels, each with events of its own; not more than subscribers have in all.
    #[serde(default = "one")]
    #[schemars(with = "u32", range(min = 1, max = MAX_SUBSCRIBERS))]
    pub(in crate::scenario) channels: Spanned<i64>,
    /// Channels of each subscriber, which has a connection for each of them unless it is to `multiplex`.
    #[serde(default = "one")]
    #[schemars(with = "u32", range(min = 1, max = MAX_CHANNELS_PER_SUBSCRIBER))]
    pub(in crate::scenario) channels_per_subscriber: Spanned<i64>,
    /// Whether a subscriber has one connection for all of its channels.
    #[serde(default = "not")]
    #[schemars(with = "bool")]
    pub(in crate::scenario) multiplex: Spanned<bool>,
    /// How subscribers spread over the channels: "even", or { zipf = 1.1 } for shares of 1/n to
    /// this power.
    #[serde(default = "even")]
    #[schemars(with = "PopularitySchema")]
    pub(in crate::scenario) popularity: Spanned<Value>,
    /// Events per second on each channel. It may be left out where subscribers send, or with a
    /// trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(max = MAX_EVENTS_PER_SECOND), example = 10.0)]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(in crate::scenario) events_per_second: Option<Spanned<f64>>,
    /// How they are spread over time: "constant", at equal distances, or "poisson", at random and
    /// independently of each other. Equal distances flatter long polling.
    #[serde(default = "constant")]
    pub(in crate::scenario) arrivals: Arrivals,
    /// Events come in bursts, with nothing in between; `events_per_second` stays their mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "BurstsFile")]
    pub(in crate::scenario) bursts: Option<BurstsFile>,
    /// Size of an event as published, with the stamp that carries its sequence and times: bytes, or
    /// { uniform = [64, 1024] }, { lognormal = { median = 300, p99 = 4000 } }, { mix = [[128, 9],
    /// [4096, 1]] }.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PayloadSchema", example = 128)]
    pub(in crate::scenario) payload_bytes: Option<Spanned<Value>>,
    /// "text", "json": records such as an exchange sends, other ones in each event; or "binary": random bytes,
    /// which SSE and JSON carry in base64.
    #[serde(default = "text")]
    pub(in crate::scenario) content: Content,
    /// A recorded trace, replayed instead of `events_per_second`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TraceFile")]
    pub(in crate::scenario) trace: Option<TraceFile>,
    /// What subscribers send themselves, each to its own channels: all members of a channel receive
    /// it, the sender too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "UpstreamFile")]
    pub(in crate::scenario) upstream: Option<UpstreamFile>,
    /// Parts of the measured window with rates of their own, one after the other, instead of
    /// `duration`.
    #[serde(default)]
    pub(in crate::scenario) phases: Vec<PhaseFile>,
    /// What breaks while events are measured.
    #[serde(default)]
    pub(in crate::scenario) faults: Vec<FaultFile>,
    /// How subscribers come back whose connection broke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ReconnectFile")]
    pub(in crate::scenario) reconnect: Option<ReconnectFile>,
    /// Subscribers that read slowly, or not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SlowFile")]
    pub(in crate::scenario) slow: Option<SlowFile>,
    /// How long events are measured, rounded up to whole gaps between events: "10s", "2m". It is
    /// left out when there are phases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = duration::PATTERN), example = "10s")]
    pub(in crate::scenario) duration: Option<Spanned<String>>,
    /// How long events flow before that, unmeasured, rounded up to whole gaps between events. At
    /// least the interval of polling, if that is compared.
    #[schemars(with = "String", regex(pattern = duration::PATTERN), example = "2s")]
    pub(in crate::scenario) warm_up: Spanned<String>,
    /// How long all are connected and nothing is published, before the warm-up: what standing idle
    /// costs is measured here. At most an hour; "0s" leaves it out.
    #[serde(default = "two_seconds")]
    #[schemars(with = "String", regex(pattern = duration::PATTERN))]
    pub(in crate::scenario) idle: Spanned<String>,
}

/// Events come only while a burst is on.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct BurstsFile {
    /// How long events come: "200ms".
    #[schemars(with = "String", regex(pattern = duration::PATTERN), example = "200ms")]
    pub(in crate::scenario) on: Spanned<String>,
    /// How long none comes after that: "1800ms".
    #[schemars(with = "String", regex(pattern = duration::PATTERN), example = "1800ms")]
    pub(in crate::scenario) off: Spanned<String>,
}

/// A recorded trace.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct TraceFile {
    /// A CSV file, relative to this one, with the columns offset_s, channel and bytes.
    #[schemars(with = "String", example = "ticks.csv")]
    pub(in crate::scenario) file: Spanned<String>,
    /// How many times as fast as it was recorded it is replayed.
    #[serde(default = "one_f64")]
    #[schemars(with = "f64")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(in crate::scenario) speed: Spanned<f64>,
}

/// What every subscriber sends.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct UpstreamFile {
    /// Events per second of each subscriber.
    #[schemars(with = "f64", range(max = MAX_EVENTS_PER_SECOND), example = 0.5)]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(in crate::scenario) events_per_second: Spanned<f64>,
    /// Their size; that of the workload when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PayloadSchema")]
    pub(in crate::scenario) payload_bytes: Option<Spanned<Value>>,
}

/// A part of the measured window.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct PhaseFile {
    /// What reports call it.
    #[schemars(with = "String", example = &"goal")]
    pub(in crate::scenario) name: Spanned<String>,
    /// How long it lasts: "5s".
    #[schemars(with = "String", regex(pattern = duration::PATTERN), example = "5s")]
    pub(in crate::scenario) duration: Spanned<String>,
    /// By what the rates are multiplied: 10 for ten times as many events, 0 for none, [1, 10] for a
    /// ramp.
    #[schemars(with = "RateSchema", example = 10.0)]
    pub(in crate::scenario) rate: Spanned<Value>,
}

/// What the rate of a phase may be, for the JSON Schema.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(in crate::scenario) enum RateSchema {
    /// The same all along.
    Steady(f64),
    /// From the first to the second.
    Ramp([f64; 2]),
}

/// What popularity may be, for the JSON Schema.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(in crate::scenario) enum PopularitySchema {
    /// "even".
    Named(String),
    /// Zipf's law.
    Zipf(ZipfSchema),
}

/// Zipf's law.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(in crate::scenario) struct ZipfSchema {
    /// Its exponent.
    zipf: f64,
}

fn constant() -> Arrivals {
    Arrivals::Constant
}

fn text() -> Content {
    Content::Text
}

fn even() -> Spanned<Value> {
    unwritten(Value::String("even".to_owned()))
}

fn one_f64() -> Spanned<f64> {
    unwritten(1.0)
}

fn two_seconds() -> Spanned<String> {
    unwritten("2s".to_owned())
}
