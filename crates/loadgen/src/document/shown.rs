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

/// A table that looks closer.
pub(super) struct Closer {
    /// Its heading.
    pub(super) heading: &'static str,
    /// How to read it.
    pub(super) note: &'static str,
    /// Its columns.
    pub(super) metrics: &'static [Metric],
    /// What somebody must have measured for it to be shown, if anything.
    pub(super) needs: Option<Metric>,
    /// Whether it is only for those who want all of it.
    pub(super) is_folded: bool,
}

/// The network of each contender. A sweep shows it too.
pub(super) const NETWORK: Closer = Closer {
    heading: "The network",
    note: "What the scenario wants, and what TCP found before each trial: a byte and its echo, and a handshake. \
           Packets went on later than they should by this much at the 99th percentile; where it is more than 5 % \
           of the way, the trial is left out. The CPU time is that of the threads that imitate the network, in \
           the window; it is part of no other figure.",
    metrics: &[
        Metric::NetworkClaimed,
        Metric::NetworkRoundTrip,
        Metric::NetworkHandshake,
        Metric::NetworkLatenessP99,
        Metric::NetworkPackets,
        Metric::NetworkLost,
        Metric::NetworkCpu,
    ],
    needs: Some(Metric::NetworkClaimed),
    is_folded: false,
};

/// Those who read slowly. A sweep shows it too.
pub(super) const SLOW: Closer = Closer {
    heading: "Slow readers",
    note: "They read slowly, or nothing, until the window had ended, and then caught up. What they are due is in \
           no other account, and their latencies are nobody's: p99 is that of all others. Every event has come \
           to them, or they were told that they missed it, unless some are untold. The peak of the server's \
           memory is that of its process; what the kernel holds for sockets is not in it.",
    metrics: &[
        Metric::SlowSubscribers,
        Metric::SlowExpected,
        Metric::SlowDelivered,
        Metric::SlowTold,
        Metric::SlowUntold,
        Metric::LatencyP99,
        Metric::ServerMemoryPeak,
    ],
    needs: Some(Metric::SlowSubscribers),
    is_folded: false,
};

/// The tables that look closer, in order.
pub(super) const CLOSER: [Closer; 15] = [
    Closer {
        heading: "Percentiles of latency",
        note: "A percentile takes at least 50 deliveries beyond it.",
        metrics: &[
            Metric::LatencyP50,
            Metric::LatencyP75,
            Metric::LatencyP90,
            Metric::LatencyP95,
            Metric::LatencyP99,
            Metric::LatencyP999,
            Metric::LatencyMax,
        ],
        needs: Some(Metric::LatencyP95),
        is_folded: true,
    },
    Closer {
        heading: "Browsers",
        note: "Their clock is not ours, so each latency may be off by this much, in either direction. The handler is what the \
               page does with an event behind taking its time. CPU is that of all processes of the browser, and a part of \
               the subscribers' CPU.",
        metrics: &[
            Metric::LatencyP50,
            Metric::BrowserClockUncertainty,
            Metric::BrowserHandlerMean,
            Metric::BrowserCpuPerDelivery,
            Metric::GeneratorCpuPerDelivery,
        ],
        needs: Some(Metric::BrowserClockUncertainty),
        is_folded: false,
    },
    Closer {
        heading: "What subscribers sent",
        note: "To others, and back to the sender, from the time at which a sender meant to send. WebSocket and \
               raw TCP send in-band, the others by POST on a second connection.",
        metrics: &[
            Metric::LatencyP50,
            Metric::LatencyP99,
            Metric::EchoLatencyP50,
            Metric::EchoLatencyP99,
        ],
        needs: Some(Metric::EchoLatencyP50),
        is_folded: false,
    },
    Closer {
        heading: "When things broke",
        note: "Times count from when a subscriber noticed that its connection was broken. What it missed meanwhile it \
               gets from the log, late, so that is in its latency; what it did not get is lost. The slowest delivery \
               says how long the whole of it took. Deliveries and bytes are not held against the server's own count \
               here: what it sent over a connection that broke is in nobody's hands.",
        metrics: &[
            Metric::ServerRestarts,
            Metric::RestartTimeMax,
            Metric::ConnectionsCut,
            Metric::ConnectionsBroken,
            Metric::ReconnectTimeP50,
            Metric::ReconnectTimeMax,
            Metric::RecoveryTimeP50,
            Metric::RecoveryTimeMax,
            Metric::LatencyMax,
            Metric::Lost,
            Metric::Duplicated,
        ],
        needs: Some(Metric::Faults),
        is_folded: false,
    },
    Closer {
        heading: "When connections went silent",
        note: "The network carried nothing more of these connections, and told nobody. A subscriber that waits for \
               something and hears nothing for `dead_after` takes its connection for dead; without that, nobody \
               notices. The time to notice counts from the silence, and theory has it below: `dead_after`, less \
               the time for which nothing had come by then, and for polls longer by the time until the next one. The \
               next event counts from when it was noticed.",
        metrics: &[
            Metric::ConnectionsSilenced,
            Metric::FoundDead,
            Metric::NoticeTimeMean,
            Metric::NoticeTimeMax,
            Metric::RecoveryTimeP50,
            Metric::Lost,
        ],
        needs: Some(Metric::ConnectionsSilenced),
        is_folded: false,
    },
    Closer {
        heading: SLOW.heading,
        note: SLOW.note,
        metrics: SLOW.metrics,
        needs: SLOW.needs,
        is_folded: false,
    },
    Closer {
        heading: "Idle cost",
        note: "Of a connected but idle subscriber per minute, before anything is published: heartbeats, and \
               requests that bring nothing. Then what a delivery costs the server above that.",
        metrics: &[
            Metric::IdleServerCpu,
            Metric::IdleGeneratorCpu,
            Metric::IdleBytes,
            Metric::IdleRequests,
            Metric::ServerCpuAboveIdlePerDelivery,
            Metric::DeliveriesPerRead,
        ],
        needs: Some(Metric::IdlePhase),
        is_folded: false,
    },
    Closer {
        heading: "Connecting",
        note: "From the first packet until a subscriber is subscribed: the handshakes of TCP, TLS and HTTP, which \
               are in no delivery unless each poll has its own.",
        metrics: &[
            Metric::ConnectTimeP50,
            Metric::ConnectTimeP99,
            Metric::ServerCpuPerConnection,
            Metric::GeneratorCpuPerConnection,
            Metric::BytesPerConnection,
            Metric::ConnectionsOpened,
            Metric::Fallbacks,
        ],
        needs: Some(Metric::BytesPerConnection),
        is_folded: true,
    },
    Closer {
        heading: "TLS handshakes",
        note: "Of a whole trial, behind the handshake of TCP. A full one has the certificate and its signature; who \
               resumes a session proves with a ticket that he had one. Costs per connection are those of the \
               first connections, which are full.",
        metrics: &[
            Metric::TlsHandshakes,
            Metric::TlsHandshakeMean,
            Metric::TlsResumptions,
            Metric::TlsResumptionMean,
            Metric::ServerCpuPerConnection,
            Metric::ServerCpuPerDelivery,
            Metric::GeneratorCpuPerDelivery,
        ],
        needs: Some(Metric::TlsHandshakes),
        is_folded: true,
    },
    Closer {
        heading: "Ports and TIME-WAIT",
        note: "Of subscribers' connections, when the window has ended. Whoever closes one first keeps a socket of it \
               for a minute (TIME-WAIT). At the subscribers' end it has a local port as long, of which there are \
               not many.",
        metrics: &[
            Metric::ConnectionsOpened,
            Metric::TimeWaitAtServer,
            Metric::TimeWaitAtSubscribers,
            Metric::PortsAtServer,
            Metric::PortsAtSubscribers,
        ],
        needs: Some(Metric::PortsAtSubscribers),
        is_folded: true,
    },
    Closer {
        heading: "Several servers",
        note: "With what is between them: each event goes from the server that it is published on to the broker, and from \
               there to all. CPU and memory of the servers are those of all together, which the trials have one by one.",
        metrics: &[
            Metric::LatencyP50,
            Metric::LatencyP99,
            Metric::BrokerCpuPerDelivery,
            Metric::ServerCpuPerDelivery,
            Metric::BrokerMemory,
            Metric::ServerMemory,
        ],
        needs: Some(Metric::BrokerCpu),
        is_folded: false,
    },
    Closer {
        heading: "Proxies",
        note: "Of the processes of a proxy, which run on the server's cores, beside the server's own. Without a \
               proxy it is empty.",
        metrics: &[
            Metric::LatencyP50,
            Metric::ProxyCpuPerDelivery,
            Metric::ServerCpuPerDelivery,
            Metric::ProxyMemory,
            Metric::ProxyMemoryPerSubscriber,
            Metric::ConnectionsOpened,
        ],
        needs: Some(Metric::ProxyCpu),
        is_folded: false,
    },
    Closer {
        heading: NETWORK.heading,
        note: NETWORK.note,
        metrics: NETWORK.metrics,
        needs: NETWORK.needs,
        is_folded: false,
    },
    Closer {
        heading: "On the wire",
        note: "Per delivery, both ways, with everything else that is sent, acknowledgements too. TCP counts the \
               segments, and QUIC the datagrams of HTTP/3; the size of their headers is estimated. Connections are those of a whole trial.",
        metrics: &[
            Metric::PayloadBytesPerDelivery,
            Metric::FramingBytesPerDelivery,
            Metric::TcpIpBytesPerDelivery,
            Metric::WireBytesPerDelivery,
            Metric::SegmentsPerDelivery,
            Metric::ConnectionsOpened,
        ],
        needs: None,
        is_folded: false,
    },
    Closer {
        heading: "Each side",
        note: "In the measured time. User and system time divide the exact total as the kernel's 10 ms ticks do. \
               Kernel memory is of both sides.",
        metrics: &[
            Metric::ServerUserCpu,
            Metric::ServerSystemCpu,
            Metric::ServerCpuWait,
            Metric::ServerContextSwitches,
            Metric::ServerInstructionsPerDelivery,
            Metric::ServerMemoryPeak,
            Metric::KernelMemoryPerSubscriber,
            Metric::GeneratorUserCpu,
            Metric::GeneratorSystemCpu,
            Metric::GeneratorCpuWait,
            Metric::GeneratorContextSwitches,
            Metric::GeneratorMemoryPeak,
        ],
        needs: None,
        is_folded: true,
    },
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
