//! What a trial found, as values of the metrics and warnings.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use pushbench_wire::Transport;

use super::costs::{Costs, CpuTime};
use super::probe::{Cores, Memory};
use super::recorder::Recorder;
use super::snapshot::Snapshot;
use crate::results::latency_log::{self, Interval};
use crate::results::{Metric, Outcome, Trial, Warning};

/// How many deliveries must lie beyond a percentile for it to be a figure: fewer make it the luck
/// of a few.
const BEYOND: f64 = 50.0;

/// A publisher later than this at its 99th percentile is worth a warning.
const LATE: Duration = Duration::from_millis(1);

/// A generator busier than this is worth a warning: queueing grows steeply from here on.
const GENERATOR_BUSY_PERCENT: f64 = 80.0;

/// A server busier than this has no room left.
const SERVER_BUSY_PERCENT: f64 = 90.0;

/// Other processes that use more than this of all cores are worth a warning. What the kernel does
/// for nobody in particular, such as interrupts, came to 10 % under a busy load.
const OTHER_LOAD_PERCENT: f64 = 15.0;

/// Stolen time above this is worth a warning.
const STOLEN_PERCENT: f64 = 1.0;

/// The raw findings of one trial.
pub(crate) struct Measurement {
    pub(super) subscribers: u32,
    /// Whether subscribers stay connected: the memory of one that does not is that of nobody.
    pub(super) keeps_connections: bool,
    pub(super) cores: Cores,
    pub(super) expected: u64,
    pub(super) before: Snapshot,
    pub(super) after: Snapshot,
    pub(super) memory_before: Option<Memory>,
    pub(super) memory_after: Option<Memory>,
    pub(super) costs: Costs,
    pub(super) server_deliveries: Option<f64>,
    pub(super) connections: u64,
    /// Events that subscribers received in the whole trial.
    pub(super) received: u64,
    pub(super) lateness: Histogram<u64>,
    pub(super) interval: Duration,
    pub(super) recorder: Recorder,
}

impl Measurement {
    /// The trial as it is written down, and its latencies over time. `run_start_ns` is the clock
    /// when the run began.
    pub(crate) fn into_trial(
        self,
        transport: Transport,
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
            cell: BASE_CELL.into(),
            transport,
            block,
            outcome,
            warnings,
            measured_from_s: Some(from_s),
            warm_up_s: warm_up.as_secs_f64(),
            values: self.values(),
        };
        let length_s = self.interval.as_secs_f64();
        let intervals = self
            .recorder
            .intervals
            .into_iter()
            .enumerate()
            .map(|(index, histogram)| Interval {
                transport,
                start_s: from_s + index as f64 * length_s,
                length_s,
                histogram,
            })
            .collect();
        (trial, intervals)
    }

    fn values(&self) -> BTreeMap<Metric, f64> {
        let latency = self.recorder.corrected();
        let uncorrected = &self.recorder.uncorrected;
        let account = &self.recorder.account;
        let flow = self.after.totals.since(&self.before.totals);
        let publisher_cpu = self.after.publisher_cpu_ns - self.before.publisher_cpu_ns;
        let server_cpu = self.after.server_cpu_ns - self.before.server_cpu_ns;
        let engine_cpu = self.after.engine_cpu_ns - self.before.engine_cpu_ns;
        let generator_cpu = (self.after.own_cpu_ns - self.before.own_cpu_ns)
            .saturating_sub(publisher_cpu + engine_cpu);
        let flow_bytes = flow.bytes_in + flow.bytes_out;
        let per_delivery = |cost: u64| ratio(cost, flow.deliveries);
        let memory = self.before.memory.map(|memory| memory.anonymous);
        let memory_per_subscriber = memory
            .filter(|_| self.keeps_connections)
            .zip(self.memory_before)
            .and_then(|(now, before)| now.checked_sub(before.anonymous))
            .and_then(|grown| ratio(grown, u64::from(self.subscribers)));
        let count = |n: u64| Some(n as f64);
        let values = [
            (Metric::LatencyP50, percentile(&latency, 0.5)),
            (Metric::LatencyP90, percentile(&latency, 0.9)),
            (Metric::LatencyP99, percentile(&latency, 0.99)),
            (Metric::LatencyP999, percentile(&latency, 0.999)),
            (Metric::LatencyMax, not_empty(&latency, Histogram::max)),
            (Metric::LatencyMean, (!latency.is_empty()).then(|| latency.mean())),
            (Metric::UncorrectedLatencyP50, percentile(uncorrected, 0.5)),
            (Metric::UncorrectedLatencyP99, percentile(uncorrected, 0.99)),
            (Metric::UncorrectedLatencyMax, not_empty(uncorrected, Histogram::max)),
            (Metric::PublisherLatenessP50, not_empty(&self.lateness, |l| l.value_at_quantile(0.5))),
            (
                Metric::PublisherLatenessP99,
                not_empty(&self.lateness, |l| l.value_at_quantile(0.99)),
            ),
            (Metric::PublisherLatenessMax, not_empty(&self.lateness, Histogram::max)),
            (Metric::Expected, count(self.expected)),
            (Metric::Delivered, count(account.delivered)),
            (Metric::Lost, count(self.expected.saturating_sub(account.delivered))),
            (Metric::Duplicated, count(account.duplicated)),
            (Metric::Reordered, count(account.reordered)),
            (Metric::NegativeLatency, count(account.negative)),
            (Metric::Lagged, count(account.lagged)),
            (Metric::ServerCpu, count(server_cpu)),
            (Metric::GeneratorCpu, count(generator_cpu)),
            (Metric::PublisherCpu, count(publisher_cpu)),
            (Metric::Window, count(self.after.at_ns - self.before.at_ns)),
            (Metric::WindowDeliveries, count(flow.deliveries)),
            (Metric::ServerCpuPerDelivery, per_delivery(server_cpu)),
            (Metric::GeneratorCpuPerDelivery, per_delivery(generator_cpu)),
            (Metric::ServerMemory, memory.map(|bytes| bytes as f64)),
            (Metric::ServerMemoryPeak, self.memory_after.map(|memory| memory.peak as f64)),
            (Metric::ServerMemoryPerSubscriber, memory_per_subscriber),
            (Metric::BytesToServer, count(flow.bytes_out)),
            (Metric::BytesToSubscribers, count(flow.bytes_in)),
            (Metric::BytesPerDelivery, per_delivery(flow_bytes)),
            (Metric::Requests, count(flow.requests)),
            (Metric::ConnectionsOpened, count(self.connections)),
            (Metric::Reads, count(flow.reads)),
            (Metric::DeliveriesPerRead, ratio(flow.deliveries, flow.reads)),
            (Metric::ServerDeliveries, self.server_deliveries),
        ];
        let cpu = CpuTime { server_ns: server_cpu, generator_ns: generator_cpu };
        let costs = self.costs.values(&self.before, &self.after, cpu);
        values
            .into_iter()
            .chain(costs)
            .filter_map(|(metric, value)| Some((metric, value?)))
            .collect()
    }

    fn warnings(&self) -> Vec<Warning> {
        let account = &self.recorder.account;
        let mut warnings = Vec::new();
        let late_ns = self.lateness.value_at_quantile(0.99);
        if u128::from(late_ns) > LATE.as_nanos() {
            warnings.push(Warning::PublisherLate { p99_ms: late_ns as f64 / 1e6 });
        }
        let window_ns = self.after.at_ns - self.before.at_ns;
        let busy_percent = |cpu_ns: u64, cores: &[usize]| {
            cpu_ns as f64 / (window_ns as f64 * cores.len() as f64) * 100.0
        };
        let own_cpu = self.after.own_cpu_ns - self.before.own_cpu_ns;
        let server_cpu = self.after.server_cpu_ns - self.before.server_cpu_ns;
        // On a core that is shared, neither side can have all of it.
        let shared_cpu = if self.cores.are_shared() { own_cpu + server_cpu } else { 0 };
        if self.cores.are_shared() {
            warnings.push(Warning::SharedCore);
        }
        let generator_busy = busy_percent(own_cpu.max(shared_cpu), &self.cores.generator);
        if generator_busy > GENERATOR_BUSY_PERCENT {
            warnings.push(Warning::GeneratorSaturated { busy_percent: generator_busy });
        }
        let server_busy = busy_percent(server_cpu.max(shared_cpu), &self.cores.server);
        if server_busy > SERVER_BUSY_PERCENT {
            warnings.push(Warning::ServerSaturated { busy_percent: server_busy });
        }
        let stolen = self.after.machine.zip(self.before.machine);
        if let Some(percent) = stolen.and_then(|(after, before)| after.stolen_percent_since(before))
            && percent > STOLEN_PERCENT
        {
            warnings.push(Warning::CpuStolen { percent });
        }
        let busy = self.after.machine.zip(self.before.machine);
        if let Some(busy_ns) = busy.and_then(|(after, before)| after.busy_ns_since(before)) {
            let percent =
                busy_percent(busy_ns.saturating_sub(own_cpu + server_cpu), &self.cores.all());
            if percent > OTHER_LOAD_PERCENT {
                warnings.push(Warning::OtherLoad { percent });
            }
        }
        if account.negative > 0 {
            warnings.push(Warning::NegativeLatency { count: account.negative });
        }
        let received = self.received;
        if let Some(server) = self.server_deliveries.map(|count| count as u64)
            && server != received
        {
            warnings.push(Warning::CountsDisagree { server, received });
        }
        warnings.extend(self.costs.warning());
        let needed = samples_for(0.99);
        if account.delivered < needed {
            warnings.push(Warning::TooFewSamples { delivered: account.delivered, needed });
        }
        if account.beyond_range > 0 {
            let limit_s = latency_log::HIGHEST.as_secs();
            warnings.push(Warning::BeyondRange { count: account.beyond_range, limit_s });
        }
        let lost = self.expected.saturating_sub(account.delivered);
        if lost > 0 {
            warnings.push(Warning::DeliveriesLost { lost });
        }
        if let Some(reason) = &account.first_reconnect {
            let reason = reason.clone();
            warnings.push(Warning::Reconnected { count: account.reconnects, reason });
        }
        warnings
    }
}

/// The only cell of a scenario without a matrix.
pub(crate) const BASE_CELL: &str = "base";

/// How many deliveries the percentile at `quantile` takes.
pub(crate) fn samples_for(quantile: f64) -> u64 {
    (BEYOND / (1.0 - quantile)).round() as u64
}

/// The value at `quantile`, when there are enough samples for it. The median takes one.
fn percentile(histogram: &Histogram<u64>, quantile: f64) -> Option<f64> {
    let needed = if quantile > 0.5 { samples_for(quantile) } else { 1 };
    (histogram.len() >= needed).then(|| histogram.value_at_quantile(quantile) as f64)
}

fn not_empty(histogram: &Histogram<u64>, value: impl Fn(&Histogram<u64>) -> u64) -> Option<f64> {
    (!histogram.is_empty()).then(|| value(histogram) as f64)
}

fn ratio(amount: u64, by: u64) -> Option<f64> {
    (by > 0).then(|| amount as f64 / by as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_without_enough_samples_is_empty() {
        let mut histogram = latency_log::histogram();
        assert_eq!(percentile(&histogram, 0.5), None);
        histogram.record_n(1_000, 4_999).unwrap();
        assert_eq!(percentile(&histogram, 0.5), Some(1_000.0));
        assert_eq!(percentile(&histogram, 0.99), None);
        histogram.record(1_000).unwrap();
        assert_eq!(percentile(&histogram, 0.99), Some(1_000.0));
        assert_eq!(percentile(&histogram, 0.999), None);
    }

    #[test]
    fn nothing_per_nothing_is_empty() {
        assert_eq!(ratio(3, 0), None);
        assert_eq!(ratio(3, 2), Some(1.5));
    }
}
