//! What the server counts, and its Prometheus text. It knows no request.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pushbench_wire::Transport;

use crate::hub::Totals;
use crate::inject::FaultKind;

/// The counters of one server. They are independent of each other, so relaxed ordering is enough.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) published: AtomicU64,
    connections: PerTransport,
    deliveries: PerTransport,
    requests: PerTransport,
    lagged: PerTransport,
    rejected: PerTransport,
    too_slow: PerTransport,
    injected: [AtomicU64; FaultKind::ALL.len()],
}

#[derive(Debug, Default)]
struct PerTransport([AtomicU64; Transport::ALL.len()]);

impl PerTransport {
    fn get(&self, transport: Transport) -> &AtomicU64 {
        &self.0[transport as usize]
    }
}

impl Metrics {
    /// Adds `count` to one of the counters.
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Relaxed);
    }

    /// Counts `events` written to the socket of one subscriber, of which `notices` say that it lagged.
    pub(crate) fn delivered(&self, transport: Transport, events: usize, notices: usize) {
        Self::add(self.deliveries.get(transport), events - notices);
        if notices > 0 {
            Self::add(self.lagged.get(transport), notices);
        }
    }

    /// Counts a fault that was injected `count` times.
    pub(crate) fn injected(&self, fault: FaultKind, count: usize) {
        Self::add(&self.injected[fault as usize], count);
    }

    /// Counts a stream that ends because of what its client sent.
    pub(crate) fn rejected(&self, transport: Transport) {
        Self::add(self.rejected.get(transport), 1);
    }

    /// Counts a stream that ends because its client has fallen behind the log.
    pub(crate) fn too_slow(&self, transport: Transport) {
        Self::add(self.too_slow.get(transport), 1);
    }

    /// Counts a valid request for events.
    pub(crate) fn requested(&self, transport: Transport) {
        Self::add(self.requests.get(transport), 1);
    }

    /// The metrics in Prometheus' text exposition format 0.0.4.
    pub(crate) fn render(&self, totals: &Totals) -> String {
        let mut text = String::with_capacity(2_048);
        // Writing to a `String` cannot fail.
        let _ = self.write_to(&mut text, totals);
        text
    }

    fn write_to(&self, text: &mut String, totals: &Totals) -> fmt::Result {
        let per_transport = [
            (
                "pushbench_connections",
                "gauge",
                "Open connections, by the transport last used.",
                &self.connections,
            ),
            (
                "pushbench_deliveries_total",
                "counter",
                "Events written to a subscriber's socket.",
                &self.deliveries,
            ),
            (
                "pushbench_requests_total",
                "counter",
                "Valid requests for events: polls and opened streams.",
                &self.requests,
            ),
            (
                "pushbench_lagged_total",
                "counter",
                "Notices to subscribers that missed events which the log no longer holds.",
                &self.lagged,
            ),
            (
                "pushbench_streams_rejected_total",
                "counter",
                "Streams ended because their client sent something that cannot be published.",
                &self.rejected,
            ),
            (
                "pushbench_slow_disconnects_total",
                "counter",
                "Streams ended because their client had fallen behind the log.",
                &self.too_slow,
            ),
        ];
        for (name, kind, help, values) in per_transport {
            write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n")?;
            for &transport in Transport::ALL {
                let value = values.get(transport).load(Relaxed);
                writeln!(text, "{name}{{transport=\"{transport}\"}} {value}")?;
            }
        }
        text.push_str(
            "# HELP pushbench_injected_total Faults injected on purpose.\n\
             # TYPE pushbench_injected_total counter\n",
        );
        for fault in FaultKind::ALL {
            let (name, value) = (fault.name(), self.injected[fault as usize].load(Relaxed));
            writeln!(text, "pushbench_injected_total{{fault=\"{name}\"}} {value}")?;
        }
        let plain = [
            (
                "pushbench_connections_accepted_total",
                "counter",
                "Connections accepted.",
                self.accepted.load(Relaxed),
            ),
            (
                "pushbench_connections_refused_total",
                "counter",
                "Connections refused because the limit was reached.",
                self.refused.load(Relaxed),
            ),
            (
                "pushbench_published_total",
                "counter",
                "Events published.",
                self.published.load(Relaxed),
            ),
            ("pushbench_channels", "gauge", "Channels that exist.", totals.channels as u64),
            ("pushbench_log_events", "gauge", "Events in the logs.", totals.log_events as u64),
            (
                "pushbench_log_bytes",
                "gauge",
                "Bytes of names and payloads in the logs.",
                totals.log_bytes as u64,
            ),
            (
                "pushbench_memory_bytes",
                "gauge",
                "Bytes that clients make the server hold.",
                totals.memory_bytes as u64,
            ),
            (
                "pushbench_memory_limit_bytes",
                "gauge",
                "Bytes that clients may make the server hold.",
                totals.memory_limit_bytes as u64,
            ),
        ];
        for (name, kind, help, value) in plain {
            write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n")?;
        }
        Ok(())
    }
}

/// Counts one connection under the transport that it used last, until it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionGauge {
    metrics: Arc<Metrics>,
    transport: Option<Transport>,
}

impl ConnectionGauge {
    /// A connection that has not used a transport yet.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, transport: None }
    }

    /// Counts the connection under `transport` from now on.
    pub(crate) fn set(&mut self, transport: Transport) {
        if self.transport != Some(transport) {
            self.decrement();
            self.metrics.connections.get(transport).fetch_add(1, Relaxed);
            self.transport = Some(transport);
        }
    }

    fn decrement(&mut self) {
        if let Some(transport) = self.transport.take() {
            self.metrics.connections.get(transport).fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for ConnectionGauge {
    fn drop(&mut self) {
        self.decrement();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_counted_under_its_last_transport() {
        let metrics = Arc::new(Metrics::default());
        let count = |transport| metrics.connections.get(transport).load(Relaxed);
        let mut gauge = ConnectionGauge::new(Arc::clone(&metrics));
        gauge.set(Transport::Polling);
        gauge.set(Transport::Polling);
        assert_eq!((count(Transport::Polling), count(Transport::Sse)), (1, 0));
        gauge.set(Transport::Sse);
        assert_eq!((count(Transport::Polling), count(Transport::Sse)), (0, 1));
        drop(gauge);
        assert_eq!(count(Transport::Sse), 0);
    }

    #[test]
    fn every_metric_has_its_help_and_type() {
        let metrics = Metrics::default();
        metrics.delivered(Transport::Sse, 5, 1);
        metrics.injected(FaultKind::Drop, 2);
        let text = metrics.render(&Totals {
            channels: 2,
            log_events: 3,
            log_bytes: 4,
            ..Totals::default()
        });
        assert!(text.contains("pushbench_deliveries_total{transport=\"sse\"} 4\n"), "{text}");
        assert!(text.contains("pushbench_lagged_total{transport=\"sse\"} 1\n"), "{text}");
        assert!(text.contains("pushbench_injected_total{fault=\"drop\"} 2\n"), "{text}");
        assert!(text.contains("\npushbench_log_bytes 4\n"), "{text}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            assert!(text.contains(&format!("# HELP {name} ")), "{line}");
            assert!(text.contains(&format!("# TYPE {name} ")), "{line}");
        }
    }
}
