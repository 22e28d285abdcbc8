//! What a trial cost beyond the CPU time and the bytes of its sockets: how both divide, what the
//! kernel's scheduler and TCP added, and memory. What could not be measured has no value.

use super::probe::Threads;
use super::snapshot::Snapshot;
use super::subscriber_pool::Traffic;
use crate::results::{Metric, Warning};

/// Sockets and TCP may differ by this share of the bytes.
const DISAGREEMENT: f64 = 0.001;

/// What may be on its way between TCP and a socket when both are asked, in bytes.
const ON_ITS_WAY_BYTES: u64 = 4 << 10;

/// What was found besides the two snapshots that bound the window.
#[derive(Default)]
pub(super) struct Costs {
    /// Just before the window.
    pub(super) traffic_before: Option<Traffic>,
    /// Just after it.
    pub(super) traffic_after: Option<Traffic>,
    /// When the drain has ended, and hardly anything is on its way.
    pub(super) traffic_at_end: Option<Traffic>,
    /// Before anyone connected.
    pub(super) socket_memory_before: Option<u64>,
    /// In this trial.
    pub(super) generator_memory_peak: Option<u64>,
    /// In the window.
    pub(super) server_instructions: Option<u64>,
}

/// CPU time of both sides in the window.
#[derive(Clone, Copy)]
pub(super) struct CpuTime {
    pub(super) server_ns: u64,
    pub(super) generator_ns: u64,
}

impl Costs {
    /// The values of the window between `before` and `after`.
    pub(super) fn values(
        &self,
        before: &Snapshot,
        after: &Snapshot,
        cpu: CpuTime,
    ) -> impl Iterator<Item = (Metric, Option<f64>)> {
        let used_between = |before: &Option<Threads>, after: &Option<Threads>| {
            after.as_ref()?.since(before.as_ref()?)
        };
        let server = used_between(&before.server_threads, &after.server_threads);
        let generator = used_between(&before.generator_threads, &after.generator_threads);
        let server_ticks = after.server_ticks.zip(before.server_ticks);
        let server_cpu =
            server_ticks.and_then(|(now, before)| now.since(before)?.divide(cpu.server_ns));
        let generator_cpu = generator.and_then(|used| used.ticks.divide(cpu.generator_ns));
        let number = |value: u64| value as f64;
        let growth = self.socket_memory_before.zip(before.socket_memory_bytes);
        let mine = [
            (Metric::ServerUserCpu, server_cpu.map(|(user, _)| user)),
            (Metric::ServerSystemCpu, server_cpu.map(|(_, system)| system)),
            (Metric::GeneratorUserCpu, generator_cpu.map(|(user, _)| user)),
            (Metric::GeneratorSystemCpu, generator_cpu.map(|(_, system)| system)),
            (Metric::ServerCpuWait, server.and_then(|used| used.wait_ns).map(number)),
            (Metric::GeneratorCpuWait, generator.and_then(|used| used.wait_ns).map(number)),
            (Metric::ServerContextSwitches, server.map(|used| used.context_switches as f64)),
            (Metric::GeneratorContextSwitches, generator.map(|used| used.context_switches as f64)),
            (Metric::GeneratorMemoryPeak, self.generator_memory_peak.map(number)),
            (Metric::KernelSocketMemory, growth.map(|(from, to)| to as f64 - from as f64)),
        ];
        mine.into_iter().chain(self.traffic_values(before, after))
    }

    fn traffic_values(
        &self,
        before: &Snapshot,
        after: &Snapshot,
    ) -> impl Iterator<Item = (Metric, Option<f64>)> {
        let flow = after.totals.since(&before.totals);
        let tcp = self.traffic_after.zip(self.traffic_before);
        let tcp = tcp.map(|(after, before)| after.tcp.since(before.tcp));
        let publisher = after.publisher_tcp.zip(before.publisher_tcp);
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
                self.server_instructions.map(|count| count as f64).and_then(per_delivery),
            ),
        ]
        .into_iter()
    }

    /// Whether the sockets and TCP tell the same of the whole trial.
    pub(super) fn warning(&self) -> Option<Warning> {
        let Traffic { tcp, stream_bytes_before, stream_bytes_after } = self.traffic_at_end?;
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
        let costs = Costs { traffic_at_end: Some(traffic), ..Costs::default() };
        costs.warning()
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
