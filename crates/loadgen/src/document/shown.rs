//! Which metrics stand in which table of a report. Whatever measures something new is shown by an
//! entry here.

use crate::results::Metric;

/// The comparison, in the order in which a reader asks: a narrow terminal leaves out the last.
pub(super) const COMPARED: [Metric; 7] = [
    Metric::LatencyP50,
    Metric::LatencyP99,
    Metric::ServerCpuPerDelivery,
    Metric::GeneratorCpuPerDelivery,
    Metric::ServerMemoryPerSubscriber,
    Metric::BytesPerDelivery,
    Metric::DeliveriesPerRead,
];

/// What connected but idle subscribers cost, and what a delivery costs above that.
pub(super) const IDLE: [Metric; 6] = [
    Metric::IdleServerCpu,
    Metric::IdleGeneratorCpu,
    Metric::IdleBytes,
    Metric::IdleRequests,
    Metric::ServerCpuAboveIdlePerDelivery,
    Metric::DeliveriesPerRead,
];

/// What a delivery puts on the wire.
pub(super) const WIRE: [Metric; 6] = [
    Metric::PayloadBytesPerDelivery,
    Metric::FramingBytesPerDelivery,
    Metric::TcpIpBytesPerDelivery,
    Metric::WireBytesPerDelivery,
    Metric::SegmentsPerDelivery,
    Metric::ConnectionsOpened,
];

/// What subscribers sent to others, and what came back to themselves.
pub(super) const ECHOES: [Metric; 4] =
    [Metric::LatencyP50, Metric::LatencyP99, Metric::EchoLatencyP50, Metric::EchoLatencyP99];

/// What each side's process and the kernel spent, for those who look closer.
pub(super) const SIDES: [Metric; 12] = [
    Metric::ServerUserCpu,
    Metric::ServerSystemCpu,
    Metric::ServerCpuWait,
    Metric::ServerContextSwitches,
    Metric::ServerInstructionsPerDelivery,
    Metric::ServerMemoryPeak,
    Metric::KernelSocketMemory,
    Metric::GeneratorUserCpu,
    Metric::GeneratorSystemCpu,
    Metric::GeneratorCpuWait,
    Metric::GeneratorContextSwitches,
    Metric::GeneratorMemoryPeak,
];

/// A single trial; the last two say how far lateness of the publisher is in the figures.
pub(super) const OF_TRIAL: [Metric; 11] = [
    Metric::LatencyP50,
    Metric::LatencyP99,
    Metric::LatencyMax,
    Metric::ServerCpuPerDelivery,
    Metric::GeneratorCpuPerDelivery,
    Metric::ServerMemoryPerSubscriber,
    Metric::BytesPerDelivery,
    Metric::DeliveriesPerRead,
    Metric::ConnectionsOpened,
    Metric::UncorrectedLatencyP50,
    Metric::PublisherLatenessP99,
];

/// A chart of bars.
pub(super) struct BarChart {
    /// The name of its file.
    pub(super) name: &'static str,
    /// What it shows.
    pub(super) title: &'static str,
    /// How to read it, in a line.
    pub(super) subtitle: &'static str,
    /// What a reader has to know about the figures, in a sentence.
    pub(super) caption: &'static str,
    /// What each contender has: the name and the metric of each bar.
    pub(super) bars: &'static [(&'static str, Metric)],
}

/// The charts of bars of a cell.
pub(super) const DRAWN_AS_BARS: [BarChart; 3] = [
    BarChart {
        name: "cpu-per-delivery",
        title: "CPU time per delivery",
        subtitle: "Server (full colour) and subscribers (pale); shorter is better",
        caption: "",
        bars: &[
            ("server", Metric::ServerCpuPerDelivery),
            ("subscribers", Metric::GeneratorCpuPerDelivery),
        ],
    },
    BarChart {
        name: "bytes-per-delivery",
        title: "Bytes per delivery",
        subtitle: "Both directions, HTTP headers included; shorter is better",
        caption: "Both directions, HTTP headers included, TCP and IP headers not.",
        bars: &[("", Metric::BytesPerDelivery)],
    },
    BarChart {
        name: "memory-per-subscriber",
        title: "Server memory per subscriber",
        subtitle: "Growth of the server process from no subscriber to the measured window; shorter is better",
        caption: "Taken when the measured window begins.",
        bars: &[("", Metric::ServerMemoryPerSubscriber)],
    },
];
