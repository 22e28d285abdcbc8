//! What a trial cost beyond the CPU time and the bytes of its sockets: how both divide, what the
//! kernel's scheduler and TCP added, and memory. What could not be measured has no value.

use super::measurement::Measurement;
use super::pool::Traffic;
use super::snapshot::Usage;
use crate::results::{Metric, Warning};

/// Sockets and TCP may differ by this share of the bytes.
const DISAGREEMENT: f64 = 0.001;

/// What may be on its way between TCP and a socket when both are asked, in bytes.
const ON_ITS_WAY_BYTES: u64 = 4 << 10;

/// What has gone over the subscribers' connections, by the kernel's account too.
#[derive(Default)]
pub(super) struct TrafficReadings {
    /// Just before the window.
    pub(super) before: Option<Traffic>,
    /// Just after it.
    pub(super) after: Option<Traffic>,
    /// When the drain has ended, and hardly anything is on its way.
    pub(super) at_end: Option<Traffic>,
}

impl Measurement {
    /// The costs of the window, in which so much was used.
    pub(super) fn costs(&self, window: &Usage) -> impl Iterator<Item = (Metric, Option<f64>)> {
        let Usage { server, generator, .. } = *window;
        let number = |value: Option<u64>| value.map(|value| value as f64);
        let growth = self.start.socket_memory_bytes.zip(self.before.socket_memory_bytes);
        let generator_peak = self.end.of_generators(|part| part.memory_peak_bytes);
        let mine = [
            (Metric::ServerUserCpu, server.user_ns),
            (Metric::ServerSystemCpu, server.system_ns),
            (Metric::GeneratorUserCpu, generator.user_ns),
            (Metric::GeneratorSystemCpu, generator.system_ns),
            (Metric::ServerCpuWait, number(server.cpu_wait_ns)),
            (Metric::GeneratorCpuWait, number(generator.cpu_wait_ns)),
            (Metric::ServerContextSwitches, number(server.context_switches)),
            (Metric::GeneratorContextSwitches, number(generator.context_switches)),
            (Metric::GeneratorMemoryPeak, number(generator_peak)),
            (Metric::KernelSocketMemory, growth.map(|(from, to)| to as f64 - from as f64)),
        ];
        mine.into_iter().chain(self.traffic_values(window))
    }

    fn traffic_values(&self, window: &Usage) -> impl Iterator<Item = (Metric, Option<f64>)> {
        let flow = window.flow;
        let tcp = self.traffic.after.zip(self.traffic.before);
        let tcp = tcp.map(|(after, before)| after.tcp.since(before.tcp));
        let publisher = self.after.publisher_tcp.zip(self.before.publisher_tcp);
        let publisher = publisher.map(|(after, before)| after.since(before));
        let per_delivery =
            |amount: f64| (flow.deliveries > 0).then(|| amount / flow.deliveries as f64);
        let stream_bytes = (flow.bytes_in + flow.bytes_out) as f64;
        let payload_bytes = flow.payload_bytes as f64;
        let header_bytes = tcp.map(|tcp| tcp.header_bytes as f64);
        let segments = tcp.map(|tcp| tcp.segments() as f64);
        [
            (Metric::SegmentsToServer, tcp.map(|tcp| tcp.segments_out as f64)),
            (Metric::SegmentsToSubscribers, tcp.map(|tcp| tcp.segments_in as f64)),
            (Metric::SegmentsPerDelivery, segments.and_then(per_delivery)),
            (Metric::PayloadBytesPerDelivery, per_delivery(payload_bytes)),
            (Metric::FramingBytesPerDelivery, per_delivery(stream_bytes - payload_bytes)),
            (Metric::TcpIpBytesPerDelivery, header_bytes.and_then(per_delivery)),
            (
                Metric::WireBytesPerDelivery,
                header_bytes.and_then(|header_bytes| per_delivery(stream_bytes + header_bytes)),
            ),
            (Metric::PublisherSegments, publisher.map(|tcp| tcp.segments() as f64)),
            (
                Metric::PublisherWireBytes,
                publisher.map(|tcp| (tcp.bytes() + tcp.header_bytes) as f64),
            ),
            (
                Metric::ServerInstructionsPerDelivery,
                window.server.instructions.map(|count| count as f64).and_then(per_delivery),
            ),
        ]
        .into_iter()
    }
}

impl TrafficReadings {
    /// Whether the sockets and TCP tell the same of the whole trial.
    pub(super) fn warning(&self) -> Option<Warning> {
        let Traffic { tcp, stream_bytes_before, stream_bytes_after } = self.at_end?;
        let allowed = ON_ITS_WAY_BYTES.max((stream_bytes_after as f64 * DISAGREEMENT) as u64);
        let agreed = stream_bytes_before.saturating_sub(allowed)..=stream_bytes_after + allowed;
        (!agreed.contains(&tcp.bytes()))
            .then(|| Warning::BytesDisagree { sockets: stream_bytes_after, tcp: tcp.bytes() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::TcpTotals;

    /// What the warning says when the sockets saw so much before and after TCP saw ten million.
    fn warning(stream_bytes_before: u64, stream_bytes_after: u64) -> Option<Warning> {
        let tcp = TcpTotals { bytes_in: 900_000, bytes_out: 9_100_000, ..TcpTotals::default() };
        let traffic = Traffic { tcp, stream_bytes_before, stream_bytes_after };
        TrafficReadings { at_end: Some(traffic), ..TrafficReadings::default() }.warning()
    }

    #[test]
    fn sockets_and_tcp_must_agree() {
        for sockets in [10_000_000, 10_009_000, 9_991_000] {
            assert_eq!(warning(sockets, sockets), None);
        }
        for sockets in [10_011_000, 9_989_000, 0] {
            let expected = Warning::BytesDisagree { sockets, tcp: 10_000_000 };
            assert_eq!(warning(sockets, sockets), Some(expected));
        }
        assert_eq!(warning(9_000_000, 11_000_000), None, "they went on while TCP was asked");
        assert!(warning(9_000_000, 9_100_000).is_some());
    }
}
