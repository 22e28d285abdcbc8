//! What a scenario asks: the domain types, valid by construction. Reading them from a file is
//! the `file` module's part. It owns no I/O beyond that, and must not know how a scenario is run.

use std::time::Duration;

use pushbench_wire::Transport;

/// A question about a workload, as one file asks it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Names the results folder: 1 to 64 of `a-z A-Z 0-9 . _ -`.
    pub name: String,
    /// Whose problem it is, in a sentence or more.
    pub description: String,
    /// The transports to compare, each once, in the table's order.
    pub compare: Vec<Transport>,
    /// How often every transport is measured; at least 1.
    pub blocks: u32,
    /// Decides the order of trials and the phases of polling.
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
    /// Size of an event as published; at least [`pushbench_wire::stamp::STAMP_LEN`].
    pub payload_bytes: usize,
    /// How long events are measured; holds at least one event.
    pub duration: Duration,
    /// How long events flow before that; at least the interval of polling, if that is compared.
    pub warm_up: Duration,
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
}

fn events_within(span: Duration, per_second: f64) -> u32 {
    // Saturates: a scenario with more than 2^32 events is refused when it is read.
    (span.as_secs_f64() * per_second).round() as u32
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
