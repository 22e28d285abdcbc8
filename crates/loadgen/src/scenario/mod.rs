//! What a scenario asks: the domain types, valid by construction. Reading them from a file is
//! the `file` module's part, expanding them into trials and times that of [`schedule`]. It owns
//! no I/O beyond that, and must not know how a scenario is run.
//!
//! From text to a scenario, each stage relying on the one before: TOML syntax → `shape` (keys and
//! types, by the JSON Schema) → `file` (the twin) → `values` (ranges and contradictions) → `sweep` (the same again for every
//! cell).

mod duration;
mod error;
mod file;
mod gates;
mod load;
mod published;
mod quantity;
pub mod schedule;
mod shape;
mod sweep;
pub mod template;
pub mod thresholds;
mod values;
mod workload;

#[cfg(test)]
mod bad_scenarios;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use error::{Problem, ScenarioError};
pub(crate) use file::MAX_LOG_BYTES;
pub use file::json_schema;
pub use gates::Gate;
pub use load::{UnknownVaried, Varied};
pub use published::Published;
pub use sweep::{Amount, BASE_CELL, Cell, SweptValue, labels_of};
pub use thresholds::Threshold;
pub use workload::{
    Arrivals, Bursts, Content, Membership, PayloadBytes, Phase, Popularity, Rows, Trace, Upstream,
    Workload,
};

use pushbench_wire::Transport;

use workload::Timeline;

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
    /// What a transport has to reach to be of use, likewise. They mark transports, and are what
    /// `pushbench capacity` searches by.
    pub objectives: Vec<Threshold>,
    /// By how much metrics may get worse from one build to the next.
    pub gates: Vec<Gate>,
    /// Every combination of the values that `[sweep]` gives, in the order of the file; none without
    /// one. The other fields are those of the file without it.
    pub sweep: Vec<Cell>,
    /// What others have published for this setup, in the order of the file.
    pub published: Vec<Published>,
}

impl Scenario {
    /// How many events of a channel the server has to keep, so that every poll finds those since
    /// the one before, even when it comes late.
    pub(crate) fn log_events(&self) -> u64 {
        /// How late a poll may come, beside a whole interval.
        const SLACK: Duration = Duration::from_secs(10);
        let workload = &self.workload;
        let kept_for = self.polling.interval * 2 + SLACK;
        if let Some(trace) = &workload.trace {
            let recorded = kept_for.mul_f64(trace.speed).as_nanos();
            let span_ns = u64::try_from(recorded).unwrap_or(u64::MAX);
            return trace.rows.most_within(span_ns) + self.upstream_events(kept_for);
        }
        let peak = Timeline::peak(workload);
        let usual = workload.events_per_second * peak * kept_for.as_secs_f64();
        let most = match workload.arrivals {
            Arrivals::Constant => usual,
            // Once in a billion there are more than six deviations above the mean.
            Arrivals::Poisson => usual + 6.0 * usual.sqrt(),
        };
        most.ceil() as u64 + self.upstream_events(kept_for.mul_f64(peak))
    }

    /// How many events the subscribers of any channel may send to it in this time: those of all
    /// together, when many of them are in one.
    fn upstream_events(&self, time: Duration) -> u64 {
        let Some(upstream) = &self.workload.upstream else { return 0 };
        let usual =
            upstream.events_per_second * f64::from(self.workload.subscribers) * time.as_secs_f64();
        (usual + 6.0 * usual.sqrt()).ceil() as u64
    }

    /// Deliveries while measuring, over all subscribers and their channels.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        schedule::Schedule::new(&self.workload, self.seed).planned().deliveries
    }
}

/// A digest in hexadecimal, as results name the files and schedules that they rest on.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
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
