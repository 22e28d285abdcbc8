//! What a scenario asks: the domain types, valid by construction. Reading them from a file is
//! the `file` module's part, expanding them into trials and times that of [`schedule`]. It owns
//! no I/O beyond that, and must not know how a scenario is run.
//!
//! From text to a scenario, each stage relying on the one before: TOML syntax → `shape` (keys and
//! types, by the JSON Schema) → `file` (the twin) → `values` (ranges and contradictions).

mod arrivals;
mod duration;
mod error;
mod file;
mod gates;
mod quantity;
pub mod schedule;
mod shape;
pub mod template;
pub mod thresholds;
mod values;

#[cfg(test)]
mod bad_scenarios;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use arrivals::Arrivals;
pub use error::{Problem, ScenarioError};
pub use file::json_schema;
pub use gates::Gate;
pub use thresholds::Threshold;

use pushbench_wire::Transport;

/// A question about a workload, as one file asks it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Names the results folder: 1 to 64 of `a-z A-Z 0-9 . _ -`, the first a letter or digit.
    pub name: String,
    /// Whose problem it is, in a sentence or more.
    pub description: String,
    /// The transports to compare, each once, in the table's order.
    pub compare: Vec<Transport>,
    /// How often every transport is measured; at least 1.
    pub blocks: u32,
    /// Decides the order of trials and when each subscriber polls.
    pub seed: u64,
    /// What happens, the same for every transport.
    pub workload: Workload,
    /// How polling asks.
    pub polling: Polling,
    /// How long polling asks.
    pub long_polling: LongPolling,
    /// How SSE is kept alive.
    pub sse: Sse,
    /// How WebSocket is kept alive.
    pub websocket: WebSocket,
    /// How raw TCP is kept alive.
    pub tcp: Tcp,
    /// What its figures must keep to, in the order of the file; a key that stands for several
    /// transports gives one for each.
    pub thresholds: Vec<Threshold>,
    /// By how much metrics may get worse from one build to the next.
    pub gates: Vec<Gate>,
}

impl Scenario {
    /// How many events of a channel the server has to keep, so that every poll finds those since
    /// the one before, even when it comes late.
    pub(crate) fn log_events(&self) -> u64 {
        /// How late a poll may come, beside a whole interval.
        const SLACK: Duration = Duration::from_secs(10);
        let kept_for = self.polling.interval * 2 + SLACK;
        let usual = self.workload.events_per_second * kept_for.as_secs_f64();
        let most = match self.workload.arrivals {
            Arrivals::Constant => usual,
            // Once in a billion there are more than six deviations above the mean.
            Arrivals::Poisson => usual + 6.0 * usual.sqrt(),
        };
        most.ceil() as u64
    }
}

/// Traffic and its duration.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Subscribers in all, spread evenly over the channels; at least 1.
    pub subscribers: u32,
    /// Channels; from 1 to `subscribers`.
    pub channels: u32,
    /// Events per second on each channel; above 0.
    pub events_per_second: f64,
    /// How they are spread over time.
    pub arrivals: Arrivals,
    /// Size of an event as published; at least [`pushbench_wire::stamp::STAMP_LEN`].
    pub payload_bytes: usize,
    /// How long events are measured; holds at least one event, and is at least the interval of
    /// polling, if that is compared.
    pub duration: Duration,
    /// How long events flow before that; at least the interval of polling, if that is compared.
    pub warm_up: Duration,
    /// How long, before the warm-up, all are connected and nothing is published; may be zero.
    pub idle: Duration,
}

impl Workload {
    /// Events published on each channel while it is measured.
    #[must_use]
    pub fn events_per_channel(&self) -> u32 {
        events_within(self.duration, self.events_per_second)
    }

    /// Events published on each channel before that.
    #[must_use]
    pub fn warm_up_events_per_channel(&self) -> u32 {
        events_within(self.warm_up, self.events_per_second)
    }

    /// Deliveries while measuring, over all subscribers: each one has one channel, and receives
    /// all of its events.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        self.deliveries_of(u64::from(self.events_per_channel()) * u64::from(self.channels))
    }

    /// Deliveries that the first `events` of the schedule call for, which come from one channel
    /// after the other. Subscribers are dealt to the channels in turn.
    #[must_use]
    pub fn deliveries_of(&self, events: u64) -> u64 {
        let (subscribers, channels) = (u64::from(self.subscribers), u64::from(self.channels));
        let (rounds, rest) = (events / channels, events % channels);
        rounds * subscribers + subscribers / channels * rest + rest.min(subscribers % channels)
    }
}

/// Rounded up, so that a span of whole gaps between events is never shorter than asked.
fn events_within(span: Duration, per_second: f64) -> u32 {
    // What is whole but for the rounding of floating point is meant to be whole.
    const ROUNDING: f64 = 1e-12;
    (span.as_secs_f64() * per_second * (1.0 - ROUNDING)).ceil() as u32
}

/// Settings of [`Transport::Polling`].
#[derive(Clone, Debug, PartialEq)]
pub struct Polling {
    /// From one request to the next.
    pub interval: Duration,
    /// What carries the requests.
    pub connection: Connection,
}

/// Settings of [`Transport::LongPolling`].
#[derive(Clone, Debug, PartialEq)]
pub struct LongPolling {
    /// The longest that the server holds a request.
    pub timeout: Duration,
    /// What carries the requests.
    pub connection: Connection,
}

/// Settings of [`Transport::Sse`].
#[derive(Clone, Debug, PartialEq)]
pub struct Sse {
    /// From one heartbeat comment to the next.
    pub heartbeat: Duration,
}

/// Settings of [`Transport::WebSocket`].
#[derive(Clone, Debug, PartialEq)]
pub struct WebSocket {
    /// From one ping to the next.
    pub heartbeat: Duration,
}

/// Settings of [`Transport::Tcp`].
#[derive(Clone, Debug, PartialEq)]
pub struct Tcp {
    /// From one empty frame to the next.
    pub heartbeat: Duration,
}

/// Whether requests share a connection.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Connection {
    /// One connection carries all requests of a subscriber.
    KeepAlive,
    /// Every request opens a connection of its own.
    New,
}
