//! What a trial found, as values of the metrics. Whether they can be trusted is judged in `validity`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::page_account::is_unseen_by_pages;
use super::recorder::Recorder;
use super::slow_account::{SlowDue, is_shared_with_slow};
use super::snapshot::{Snapshot, Usage};
use super::sockets::SocketReadings;
use super::traffic::TrafficReadings;
use crate::deployment::network::RoundTrip;
use crate::deployment::observe::Observation;
use crate::deployment::{Cores, Doubts};
use crate::results::latency_log::Interval;
use crate::results::{Metric, Outcome, PartUse, Trial, Warning};
use crate::scenario::{ContenderId, Network};
use hdrhistogram::Histogram;

/// How many deliveries must lie beyond a percentile for it to be a figure: fewer make it the luck
/// of a few.
const BEYOND: f64 = 50.0;

/// The raw findings of one trial.
pub(crate) struct Measurement {
    pub(super) subscribers: u32,
    /// Whether subscribers stay connected: the memory of one that does not is that of nobody.
    pub(super) keeps_connections: bool,
    /// Whether those that are connected ask already while others connect.
    pub(super) asks_at_once: bool,
    pub(super) cores: Cores,
    /// What makes figures of the server doubtful.
    pub(super) doubts: Doubts,
    /// Whether the server is one that the scenario describes: what it wraps around payloads is not known,
    /// and nobody asks it what it has done.
    pub(super) is_described: bool,
    /// Whether subscribers reach it by UDP, of which the kernel keeps no account for each connection.
    pub(super) is_by_udp: bool,
    /// Whether what its subscribers receive is compressed.
    pub(super) is_compressed: bool,
    /// Whether subscribers go on with something else where they are refused.
    pub(super) falls_back: bool,
    /// Events of the window that were to be published, on all channels.
    pub(super) planned: u64,
    /// Deliveries that these call for; empty when deliveries were not recorded.
    pub(super) expected: Option<u64>,
    /// Before anyone connected.
    pub(super) start: Snapshot,
    /// When all were connected.
    pub(super) connected: Snapshot,
    /// The ends of the idle phase; empty when there was none.
    pub(super) idle: Option<(Snapshot, Snapshot)>,
    /// The beginning of the measured window, and its end.
    pub(super) before: Snapshot,
    pub(super) after: Snapshot,
    /// When the drain has ended.
    pub(super) end: Snapshot,
    pub(super) traffic: TrafficReadings,
    pub(super) sockets: SocketReadings,
    /// Events that the servers say they delivered in the whole trial.
    pub(super) server_deliveries: Option<f64>,
    pub(super) lateness: Histogram<u64>,
    /// The network as it was to be, and its round trip as it was before the trial; none over loopback.
    pub(super) network: Option<(Network, RoundTrip)>,
    /// Whether the load is the same all along, so that latencies should be, too.
    pub(super) is_steady: bool,
    /// SHA-256 over the schedule as it was followed; empty when not to its end.
    pub(super) schedule_sha256: Option<String>,
    /// How many things broke in the window, as the scenario wants it.
    pub(super) faults: u64,
    /// How long each restart of the servers took, without the time that they were to stay down.
    pub(super) restarts: Vec<Duration>,
    /// What slow subscribers are due, if there are any.
    pub(super) slow: Option<SlowDue>,
    pub(super) recorder: Recorder,
}

impl Measurement {
    /// The trial as it is written down, and its latencies over time. `run_start_ns` is the clock
    /// when the run began.
    pub(crate) fn into_trial(
        self,
        cell: &str,
        contender: ContenderId,
        block: u32,
        warm_up: Duration,
        run_start_ns: u64,
    ) -> (Trial, Vec<Interval>) {
        let warnings = self.warnings();
        let outcome = if warnings.iter().any(Warning::invalidates) {
            Outcome::Invalid
        } else {
            Outcome::Valid
        };
        let from_s = (self.before.at_ns - run_start_ns) as f64 / 1e9;
        let trial = Trial {
            cell: cell.to_owned(),
            contender,
            block,
            outcome,
            warnings,
            measured_from_s: Some(from_s),
            warm_up_s: warm_up.as_secs_f64(),
            values: self.values(),
            parts: self.parts(),
            repeated: false,
            schedule_sha256: self.schedule_sha256,
        };
        let recorded = if self.expected.is_some() { self.recorder.intervals } else { Vec::new() };
        let intervals = recorded
            .into_iter()
            .zip(self.recorder.window.intervals())
            .map(|(histogram, (start, length))| Interval {
                start_s: from_s + start.as_secs_f64(),
                length_s: length.as_secs_f64(),
                histogram,
            })
            .collect();
        (trial, intervals)
    }

    fn values(&self) -> BTreeMap<Metric, f64> {
        let latency = self.recorder.corrected();
        let uncorrected = &self.recorder.uncorrected;
        let account = &self.recorder.account;
        let window = self.after.since(&self.before);
        let Usage { length_ns, publisher_cpu_ns, flow, .. } = window;
        let (server_cpu, generator_cpu) = (window.server.cpu_ns, window.generator.cpu_ns);
        let flow_bytes = flow.bytes_in + flow.bytes_out;
        let per_delivery = |cost: Option<u64>| ratio(cost?, flow.deliveries);
        let idle = self.idle_cost();
        let above_idle = idle.zip(server_cpu).and_then(|(idle, server_cpu)| {
            let idle_ns = idle.server_cpu_ns? * self.subscriber_minutes(length_ns);
            let above_ns = server_cpu as f64 - idle_ns;
            (flow.deliveries > 0).then(|| above_ns / flow.deliveries as f64)
        });
        // No process lives without memory: 0 says that it is not known.
        let memory_of = |at: &Snapshot, figure: fn(&Observation) -> Option<u64>| {
            at.of_servers(figure).filter(|bytes| *bytes > 0)
        };
        let memory = memory_of(&self.before, |part| part.memory_bytes);
        let memory_peak = memory_of(&self.end, |part| part.memory_peak_bytes);
        let memory_per_subscriber = memory
            .filter(|_| self.keeps_connections)
            .zip(memory_of(&self.start, |part| part.memory_bytes))
            .and_then(|(now, before)| now.checked_sub(before))
            .and_then(|grown| ratio(grown, u64::from(self.subscribers)));
        let number = |n: Option<u64>| n.map(|n| n as f64);
        let count = |n: u64| Some(n as f64);
        let server_cpu_per_second =
            server_cpu.and_then(|cpu_ns| ratio(cpu_ns, length_ns)).map(|share| share * 1e9);
        // Nobody counted what was not recorded.
        let recorded = |n: u64| self.expected.map(|_| n as f64);
        let values = [
            (Metric::LatencyP50, percentile(&latency, 0.5)),
            (Metric::LatencyP75, percentile(&latency, 0.75)),
            (Metric::LatencyP90, percentile(&latency, 0.9)),
            (Metric::LatencyP95, percentile(&latency, 0.95)),
            (Metric::LatencyP99, percentile(&latency, 0.99)),
            (Metric::LatencyP999, percentile(&latency, 0.999)),
            (Metric::LatencyMax, not_empty(&latency, Histogram::max)),
            (Metric::LatencyMean, (!latency.is_empty()).then(|| latency.mean())),
            (Metric::UncorrectedLatencyP50, percentile(uncorrected, 0.5)),
            (Metric::UncorrectedLatencyP99, percentile(uncorrected, 0.99)),
            (Metric::UncorrectedLatencyMax, not_empty(uncorrected, Histogram::max)),
            (Metric::EchoLatencyP50, percentile(&self.recorder.echoes, 0.5)),
            (Metric::EchoLatencyP99, percentile(&self.recorder.echoes, 0.99)),
            (Metric::PublisherLatenessP50, not_empty(&self.lateness, |l| l.value_at_quantile(0.5))),
            (
                Metric::PublisherLatenessP99,
                not_empty(&self.lateness, |l| l.value_at_quantile(0.99)),
            ),
            (Metric::PublisherLatenessMax, not_empty(&self.lateness, Histogram::max)),
            (Metric::Expected, number(self.expected)),
            (Metric::Delivered, recorded(account.delivered)),
            (Metric::Lost, number(self.lost())),
            (Metric::Duplicated, recorded(account.duplicated)),
            (Metric::Reordered, recorded(account.reordered)),
            (Metric::NegativeLatency, recorded(account.negative)),
            (Metric::Lagged, count(account.lagged).filter(|_| !self.is_described)),
            (Metric::ServerCpu, number(server_cpu)),
            (Metric::GeneratorCpu, number(generator_cpu)),
            (Metric::PublisherCpu, count(publisher_cpu_ns)),
            (Metric::Window, count(length_ns)),
            (Metric::WindowDeliveries, count(flow.deliveries)),
            (Metric::ServerCpuPerDelivery, per_delivery(server_cpu)),
            (Metric::ServerCpuPerSecond, server_cpu_per_second),
            (Metric::GeneratorCpuPerDelivery, per_delivery(generator_cpu)),
            (Metric::IdlePhase, idle.map(|idle| idle.length_ns as f64)),
            (Metric::IdleServerCpu, idle.and_then(|idle| idle.server_cpu_ns)),
            (Metric::IdleGeneratorCpu, idle.and_then(|idle| idle.generator_cpu_ns)),
            (Metric::IdleBytes, idle.map(|idle| idle.bytes)),
            (Metric::IdleRequests, idle.map(|idle| idle.requests)),
            (Metric::ServerCpuAboveIdlePerDelivery, above_idle),
            (Metric::ServerMemory, number(memory)),
            (Metric::ServerMemoryPeak, number(memory_peak)),
            (Metric::ServerMemoryPerSubscriber, memory_per_subscriber),
            (Metric::BytesToServer, count(flow.bytes_out)),
            (Metric::BytesToSubscribers, count(flow.bytes_in)),
            (Metric::BytesPerDelivery, per_delivery(Some(flow_bytes))),
            (Metric::Requests, count(flow.requests)),
            (Metric::ConnectionsOpened, count(self.end.totals.connections)),
            (Metric::Reads, count(flow.reads)),
            (Metric::DeliveriesPerRead, ratio(flow.deliveries, flow.reads)),
            (Metric::ServerDeliveries, self.server_deliveries),
        ];
        values
            .into_iter()
            .chain(self.network_values(&window))
            .chain(self.costs(&window))
            .chain(self.sockets.values())
            // Nobody can tell which part of it went to the slow.
            .filter(|(metric, _)| self.slow.is_none() || !is_shared_with_slow(*metric))
            .filter(|(metric, _)| self.recorder.page.is_none() || !is_unseen_by_pages(*metric))
            .filter_map(|(metric, value)| Some((metric, value?)))
            .collect()
    }

    /// What each part used.
    fn parts(&self) -> Vec<PartUse> {
        let window = self.after.since(&self.before);
        let both = window.parts.into_iter().zip(&self.end.parts);
        let network = window.network.map(|network| PartUse {
            name: "network".to_owned(),
            cpu_ns: Some(network.cpu_ns),
            memory_peak_bytes: None,
            context_switches: None,
        });
        let part = both.map(|((role, used), end)| PartUse {
            name: role.to_string(),
            cpu_ns: used.cpu_ns,
            memory_peak_bytes: end.observation.memory_peak_bytes,
            context_switches: used.context_switches,
        });
        part.chain(network).collect()
    }

    /// Deliveries that did not come; empty when they were not recorded.
    pub(super) fn lost(&self) -> Option<u64> {
        Some(self.expected?.saturating_sub(self.recorder.account.delivered))
    }

    fn idle_cost(&self) -> Option<IdleCost> {
        let (from, to) = self.idle.as_ref()?;
        let Usage { length_ns, server, generator, flow, .. } = to.since(from);
        let rate = |cost: u64| cost as f64 / self.subscriber_minutes(length_ns);
        Some(IdleCost {
            length_ns,
            server_cpu_ns: server.cpu_ns.map(rate),
            generator_cpu_ns: generator.cpu_ns.map(rate),
            bytes: rate(flow.bytes_in + flow.bytes_out),
            requests: rate(flow.requests),
        })
    }

    fn subscriber_minutes(&self, length_ns: u64) -> f64 {
        // What goes to slow ones is counted apart.
        let slow = self.slow.map_or(0, |slow| slow.subscribers);
        length_ns as f64 / 60e9 * (f64::from(self.subscribers) - slow as f64)
    }
}

/// What it costs that subscribers are there while nothing is published: each one, per minute.
#[derive(Clone, Copy, Debug)]
struct IdleCost {
    /// How long it was measured.
    length_ns: u64,
    server_cpu_ns: Option<f64>,
    generator_cpu_ns: Option<f64>,
    bytes: f64,
    requests: f64,
}

/// How many deliveries the percentile at `quantile` takes.
pub(crate) fn samples_for(quantile: f64) -> u64 {
    (BEYOND / (1.0 - quantile)).round() as u64
}

/// The value at `quantile`, when there are enough samples for it. The median takes one.
pub(super) fn percentile(histogram: &Histogram<u64>, quantile: f64) -> Option<f64> {
    let needed = if quantile > 0.5 { samples_for(quantile) } else { 1 };
    (histogram.len() >= needed).then(|| histogram.value_at_quantile(quantile) as f64)
}

fn not_empty(histogram: &Histogram<u64>, value: impl Fn(&Histogram<u64>) -> u64) -> Option<f64> {
    (!histogram.is_empty()).then(|| value(histogram) as f64)
}

pub(super) fn ratio(amount: u64, by: u64) -> Option<f64> {
    (by > 0).then(|| amount as f64 / by as f64)
}

#[cfg(test)]
mod tests;
