//! The table of metrics: a new one is one row here, with its name in files, its unit, which way is
//! better, and how people read it. It knows neither how metrics are measured nor where they are kept.

use serde::{Deserialize, Serialize};

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Nanoseconds,
    /// Bytes.
    Bytes,
    /// A number of things.
    Count,
}

impl Unit {
    /// The name in `trials.csv`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Bytes => "bytes",
            Self::Count => "count",
        }
    }
}

/// Which values of a metric are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Small ones: it is a cost or a delay.
    Less,
    /// Large ones.
    More,
    /// It says what was done, not how well.
    Neither,
}

macro_rules! metrics {
    ($($name:literal $([was $old:literal])? $variant:ident $unit:ident $better:ident $label:literal $short:literal $description:literal)+) => {
        /// Something that a trial measures. A trial that could not measure it has no value for it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Metric {
            $(#[doc = $description] #[serde(rename = $name $(, alias = $old)?)] $variant,)+
        }

        impl Metric {
            /// Every metric, in the order in which files list them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in files.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What its value counts.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self { $(Self::$variant => Unit::$unit),+ }
            }

            /// Which values are better.
            #[must_use]
            pub const fn better(self) -> Better {
                match self { $(Self::$variant => Better::$better),+ }
            }

            /// What people call it: "Server CPU per delivery".
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }

            /// The same above a narrow column, which may break at its spaces: "server CPU /delivery".
            #[must_use]
            pub const fn short_label(self) -> &'static str {
                match self { $(Self::$variant => $short),+ }
            }

            /// What it is, in a sentence.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $description),+ }
            }
        }
    };
}

// Name in files, variant, unit, which is better, label, short label, description.
metrics! {
    "latency_p50" LatencyP50 Nanoseconds Less "Latency p50" "p50" "Delivery latency, intended publish time to receipt: half of the deliveries were faster."
    "latency_p75" LatencyP75 Nanoseconds Less "Latency p75" "p75" "Delivery latency: 75 % of the deliveries were faster; empty below 200 deliveries."
    "latency_p90" LatencyP90 Nanoseconds Less "Latency p90" "p90" "Delivery latency: 90 % of the deliveries were faster; empty below 500 deliveries."
    "latency_p95" LatencyP95 Nanoseconds Less "Latency p95" "p95" "Delivery latency: 95 % of the deliveries were faster; empty below 1,000 deliveries."
    "latency_p99" LatencyP99 Nanoseconds Less "Latency p99" "p99" "Delivery latency: 99 % of the deliveries were faster; empty below 5,000 deliveries."
    "latency_p999" LatencyP999 Nanoseconds Less "Latency p99.9" "p99.9" "Delivery latency: 99.9 % of the deliveries were faster; empty below 50,000 deliveries."
    "latency_max" LatencyMax Nanoseconds Less "Slowest delivery" "slowest" "Delivery latency of the slowest delivery."
    "latency_mean" LatencyMean Nanoseconds Less "Mean latency" "mean" "Mean delivery latency."
    "uncorrected_latency_p50" UncorrectedLatencyP50 Nanoseconds Less "Uncorrected latency p50" "uncorrected p50" "Actual publish time to receipt, median: hides a publisher that was late."
    "uncorrected_latency_p99" UncorrectedLatencyP99 Nanoseconds Less "Uncorrected latency p99" "uncorrected p99" "Actual publish time to receipt, 99th percentile; empty below 5,000 deliveries."
    "uncorrected_latency_max" UncorrectedLatencyMax Nanoseconds Less "Slowest delivery, uncorrected" "uncorrected slowest" "Actual publish time to receipt, slowest delivery."
    "echo_latency_p50" EchoLatencyP50 Nanoseconds Less "Latency back to the sender p50" "back to the sender p50" "Delivery latency of events to the subscribers who sent them, median; they are part of no other latency. Empty where subscribers only listen."
    "echo_latency_p99" EchoLatencyP99 Nanoseconds Less "Latency back to the sender p99" "back to the sender p99" "The same, 99th percentile; empty below 5,000 such deliveries."
    "publisher_lateness_p50" PublisherLatenessP50 Nanoseconds Less "Publisher lateness p50" "publisher late p50" "Intended to actual publish time, median over events."
    "publisher_lateness_p99" PublisherLatenessP99 Nanoseconds Less "Publisher lateness p99" "publisher late p99" "Intended to actual publish time, 99th percentile over events (the largest when there are fewer than 100)."
    "publisher_lateness_max" PublisherLatenessMax Nanoseconds Less "Greatest publisher lateness" "publisher late at most" "Intended to actual publish time of the latest event."
    "expected" Expected Count Neither "Expected deliveries" "expected" "Deliveries that the measured events call for: events times subscribers of their channel, a sender among them."
    "delivered" Delivered Count More "Deliveries" "delivered" "Of those, how many came before the drain ended, each counted once."
    "lost" Lost Count Less "Lost deliveries" "lost" "Expected, but not delivered."
    "duplicated" Duplicated Count Less "Duplicated deliveries" "duplicated" "Deliveries of an event that the subscriber already had."
    "reordered" Reordered Count Less "Reordered deliveries" "reordered" "First deliveries of an event after a later one of the same publisher and channel."
    "negative_latency" NegativeLatency Count Less "Deliveries before their publication" "negative latency" "Deliveries that seem to precede their publication: a broken clock or stamp."
    "lagged" Lagged Count Less "Notices of falling behind" "fell behind" "Notices from the server that a subscriber fell behind the log."
    "server_cpu" ServerCpu Nanoseconds Less "Server CPU" "server CPU" "CPU time of the server process in the measured window, all threads, user and system."
    "generator_cpu" GeneratorCpu Nanoseconds Less "Subscriber CPU" "sub CPU" "CPU time of all subscribers in the measured window: the generator's process without its publisher and without the thread that watches."
    "publisher_cpu" PublisherCpu Nanoseconds Less "Publisher CPU" "publisher CPU" "CPU time of the publisher's two threads in the measured window."
    "server_user_cpu" ServerUserCpu Nanoseconds Less "Server user CPU" "server user CPU" "The part of server_cpu spent in user space: the exact total, divided as the kernel's 10 ms ticks are; empty below 50 ticks."
    "server_system_cpu" ServerSystemCpu Nanoseconds Less "Server system CPU" "server system CPU" "The part of server_cpu spent in the kernel, divided likewise. On the loopback interface it includes some of the receiver's TCP."
    "generator_user_cpu" GeneratorUserCpu Nanoseconds Less "Subscriber user CPU" "subs user CPU" "The part of generator_cpu spent in user space: the exact total, divided as the 10 ms ticks of the subscribers' threads are."
    "generator_system_cpu" GeneratorSystemCpu Nanoseconds Less "Subscriber system CPU" "subs system CPU" "The part of generator_cpu spent in the kernel, divided likewise."
    "server_cpu_wait" ServerCpuWait Nanoseconds Less "Time the server waited for a core" "server waited for a core" "Time in the measured window that threads of the server were ready to run but had no core, added up over threads."
    "generator_cpu_wait" GeneratorCpuWait Nanoseconds Less "Time the subscribers waited for a core" "subs waited for a core" "The same of the subscribers' threads."
    "server_context_switches" ServerContextSwitches Count Less "Server context switches" "server context switches" "How often threads of the server left their core in the measured window, by themselves or not."
    "generator_context_switches" GeneratorContextSwitches Count Less "Subscriber context switches" "subs context switches" "The same of the subscribers' threads."
    "window" Window Nanoseconds Neither "Measured window" "window" "Length of the measured window."
    "window_deliveries" WindowDeliveries Count Neither "Deliveries in the window" "deliveries" "Deliveries received within the measured window, whenever they were published: what costs are divided by."
    "server_cpu_per_delivery" ServerCpuPerDelivery Nanoseconds Less "Server CPU per delivery" "server CPU /delivery" "server_cpu / window_deliveries."
    "server_cpu_per_second" ServerCpuPerSecond Nanoseconds Less "Server CPU per second" "server CPU /s" "server_cpu / window: CPU time in a second; a second is a whole core."
    "server_instructions_per_delivery" ServerInstructionsPerDelivery Count Less "Server instructions per delivery" "server instructions /delivery" "Instructions that the server executed in user space in the measured window / window_deliveries; empty where the machine has no counter for them."
    "generator_cpu_per_delivery" GeneratorCpuPerDelivery Nanoseconds Less "Subscriber CPU per delivery" "sub CPU /delivery" "generator_cpu / window_deliveries."
    "idle_phase" [was "idle"] IdlePhase Nanoseconds Neither "Idle phase" "idle phase" "Length of the idle phase: all subscribers are connected and nothing is published."
    "idle_server_cpu" [was "standing_server_cpu"] IdleServerCpu Nanoseconds Less "Server CPU per idle subscriber and minute" "server CPU /sub/min" "CPU time of the server in the idle phase, per subscriber and minute. What it does without subscribers is in it, so it is less with more of them."
    "idle_generator_cpu" [was "standing_generator_cpu"] IdleGeneratorCpu Nanoseconds Less "Subscriber CPU per idle subscriber and minute" "sub CPU /sub/min" "CPU time of all subscribers in the idle phase, per subscriber and minute."
    "idle_bytes" [was "standing_bytes"] IdleBytes Bytes Less "Bytes per idle subscriber and minute" "bytes /sub/min" "Bytes in both directions in the idle phase, per subscriber and minute: heartbeats, and requests that bring nothing."
    "idle_requests" [was "standing_requests"] IdleRequests Count Less "Requests per idle subscriber and minute" "requests /sub/min" "HTTP requests in the idle phase, per subscriber and minute."
    "server_cpu_above_idle_per_delivery" [was "server_cpu_above_standing_per_delivery"] ServerCpuAboveIdlePerDelivery Nanoseconds Less "Server CPU above idle per delivery" "CPU above idle /delivery" "(server_cpu - idle_server_cpu x subscribers x minutes of the window) / window_deliveries. Both are measured, so where the idle cost is most of it, noise may make the difference a little negative."
    "connect_time_p50" ConnectTimeP50 Nanoseconds Less "Time to connect p50" "connect p50" "From the first packet of a connection until its subscriber is subscribed: the handshakes of TCP or QUIC, of TLS and of HTTP; median over subscribers, of whom 32 for each core of the generator connect at the same time. Polls are subscribed when they can ask. Empty where each poll opens a connection."
    "connect_time_p99" ConnectTimeP99 Nanoseconds Less "Time to connect p99" "connect p99" "The same, 99th percentile; empty below 5,000 connections."
    "server_cpu_per_connection" ServerCpuPerConnection Nanoseconds Less "Server CPU per connection" "server CPU /connection" "CPU time of the server from the first connection until all subscribers are connected, per connection."
    "generator_cpu_per_connection" GeneratorCpuPerConnection Nanoseconds Less "Subscriber CPU per connection" "sub CPU /connection" "The same of the subscribers."
    "bytes_per_connection" BytesPerConnection Bytes Less "Bytes per connection" "bytes /connection" "Bytes in both directions until all subscribers are connected, per connection: TLS and the heads of HTTP; TCP and IP headers are not in it."
    "tls_handshakes" TlsHandshakes Count Less "Full TLS handshakes" "full handshakes" "Whole handshakes of TLS on subscribers' connections, from the first to the end of the drain. Empty without TLS."
    "tls_resumptions" TlsResumptions Count Neither "Resumed TLS sessions" "sessions resumed" "Connections of subscribers that resumed the TLS session of one before, likewise."
    "tls_handshake_mean" TlsHandshakeMean Nanoseconds Less "Mean time of a full TLS handshake" "full handshake" "From the first byte of TLS until both sides may send, after the handshake of TCP: mean of full handshakes. What a thread waits for its core is in it."
    "tls_resumption_mean" TlsResumptionMean Nanoseconds Less "Mean time to resume a TLS session" "resuming" "The same, mean of resumed sessions."
    "time_wait_at_server" TimeWaitAtServer Count Less "Sockets in TIME-WAIT at the server" "TIME-WAIT at the server" "Sockets of subscribers' connections that wait in TIME-WAIT at the end of whoever takes them, the server or the proxy before it, when the measured window has ended. Whoever closes a connection first keeps one for a minute. Empty where a relay is between, and where the kernel does not say."
    "time_wait_at_subscribers" TimeWaitAtSubscribers Count Less "Sockets in TIME-WAIT at the subscribers" "TIME-WAIT at subs" "The same at the subscribers' end."
    "ports_at_server" PortsAtServer Count Less "Subscribers' ports that the server remembers" "ports at the server" "Ports of subscribers with which the server, or the proxy before it, has a socket when the measured window has ended: connections that are open, and those in TIME-WAIT."
    "ports_at_subscribers" PortsAtSubscribers Count Less "Local ports of subscribers" "ports at subs" "Local ports that subscribers' connections have when the measured window has ended: those that are open, and those in TIME-WAIT."
    "fallbacks" Fallbacks Count Neither "Subscribers that fell back" "fell back" "Subscribers that were refused their WebSocket and went on with what comes next. Empty where there is nothing next."
    "faults" Faults Count Neither "Faults" "faults" "How many things broke in the measured window, as the scenario wants it; empty where it wants none."
    "server_restarts" ServerRestarts Count Neither "Server restarts" "restarts" "How often the servers were ended on purpose and started again; empty where none was."
    "restart_time_max" RestartTimeMax Nanoseconds Less "Time until the server was ready again" "ready again" "From when the servers were told to end, or killed, until they could be used again, without the time that they were to stay down; the slowest."
    "connections_cut" ConnectionsCut Count Neither "Connections cut" "cut" "Connections of subscribers that were cut on purpose."
    "connections_broken" ConnectionsBroken Count Neither "Connections that broke" "broke" "How often a subscriber lost its connection, whatever the reason, and had to connect again. Several subscriptions may share a connection. A poll over a kept connection that has ended asks again over a new one, and its subscriber loses nothing. Empty where nothing breaks on purpose."
    "connections_silenced" ConnectionsSilenced Count Neither "Connections silenced" "silenced" "Connections of subscribers of which the network carried nothing more from then on, on purpose; empty where there is none."
    "found_dead" FoundDead Count Neither "Connections taken for dead" "taken for dead" "How often a subscriber gave up its connection because nothing had come for `dead_after`, whether that was silenced or not. Empty where nothing is silenced."
    "notice_time_mean" NoticeTimeMean Nanoseconds Less "Mean time to notice a silence" "time to notice" "From when the network carried nothing of a connection any more until its subscriber noticed: mean of those who did, each the first time. Empty where nobody did."
    "notice_time_max" NoticeTimeMax Nanoseconds Less "Longest time to notice a silence" "longest time to notice" "The same of the last one to notice."
    "reconnect_time_p50" ReconnectTimeP50 Nanoseconds Less "Time to reconnect p50" "reconnect p50" "From when a subscriber noticed that its connection was broken until it was subscribed again: its wait, attempts that failed, and the handshakes; median over connections that broke. Polls are subscribed when they can ask."
    "reconnect_time_max" ReconnectTimeMax Nanoseconds Less "Slowest reconnect" "slowest reconnect" "The same of the slowest."
    "recovery_time_p50" RecoveryTimeP50 Nanoseconds Less "Time to the next event p50" "next event p50" "From when a subscriber noticed that its connection was broken until its next event, one that it had missed or a new one; median over connections that broke."
    "recovery_time_max" RecoveryTimeMax Nanoseconds Less "Slowest recovery" "slowest next event" "The same of the slowest."
    "slow_subscribers" SlowSubscribers Count Neither "Slow subscribers" "slow subs" "Subscribers that read slowly, or nothing, until the window had ended. What they received is in no other account and in no latency. Empty without any."
    "slow_expected" SlowExpected Count Neither "Deliveries due to slow subscribers" "due to slow" "Deliveries to them that the measured events call for; empty where not all of these were published."
    "slow_delivered" SlowDelivered Count More "Deliveries to slow subscribers" "came to slow" "Of those, how many came, most of them after the window, when slow subscribers read on."
    "slow_told" SlowTold Count Less "Events that slow subscribers were told they missed" "told missed" "What notices of falling behind the log say that slow subscribers missed, events of the warm-up among them. Empty where the server gives no notice."
    "slow_untold" SlowUntold Count Less "Events that slow subscribers missed without a word" "untold" "Gaps in the ids that slow subscribers received, of which no notice told. Empty where the server gives no notice."
    "server_memory" ServerMemory Bytes Less "Server memory" "server memory" "Anonymous resident memory of the server when the measured window begins: all subscribers are connected and served."
    "server_memory_peak" ServerMemoryPeak Bytes Less "Server memory at its peak" "server peak memory" "Largest resident memory of the server in the trial."
    "server_memory_per_subscriber" ServerMemoryPerSubscriber Bytes Less "Server memory per subscriber" "memory /sub" "server_memory less the same before anyone connected, per subscriber; empty where each request opens a connection of its own."
    "broker_cpu" BrokerCpu Nanoseconds Less "Broker CPU" "broker CPU" "CPU time of the broker between several servers in the measured window, all threads, user and system. Empty without a broker."
    "broker_cpu_per_delivery" BrokerCpuPerDelivery Nanoseconds Less "Broker CPU per delivery" "broker CPU /delivery" "broker_cpu / window_deliveries."
    "broker_memory" BrokerMemory Bytes Less "Broker memory" "broker memory" "Anonymous resident memory of the broker when the measured window begins."
    "proxy_cpu" ProxyCpu Nanoseconds Less "Proxy CPU" "proxy CPU" "CPU time of the proxy's processes in the measured window, all threads, user and system. Empty without a proxy."
    "proxy_cpu_per_delivery" ProxyCpuPerDelivery Nanoseconds Less "Proxy CPU per delivery" "proxy CPU /delivery" "proxy_cpu / window_deliveries."
    "proxy_memory" ProxyMemory Bytes Less "Proxy memory" "proxy memory" "Anonymous resident memory of the proxy's processes when the measured window begins."
    "proxy_memory_per_subscriber" ProxyMemoryPerSubscriber Bytes Less "Proxy memory per subscriber" "proxy memory /sub" "proxy_memory less the same before anyone connected, per subscriber; empty where each request opens a connection of its own."
    "browser_cpu_per_delivery" BrowserCpuPerDelivery Nanoseconds Less "Browser CPU per delivery" "browser CPU /delivery" "CPU time of all processes of the browser that runs the subscribers, in the measured window / window_deliveries; a part of generator_cpu. Empty with pushbench's own client."
    "browser_handler_mean" BrowserHandlerMean Nanoseconds Less "Time of a page's handler" "handler /event" "From when the page took the time of an event until it was done with it, by its own clock: mean over all events of the trial. It is not in the latency of that event, and may be in that of the next. Empty with pushbench's own client."
    "browser_clock_uncertainty" BrowserClockUncertainty Nanoseconds Less "Uncertainty of a browser's clock" "clock uncertainty" "How far each latency may be off because the browser has a clock of its own: what the quickest ways there and back leave open, its resolution, and what it has moved until the end. Empty with pushbench's own client."
    "generator_memory_peak" GeneratorMemoryPeak Bytes Less "Generator memory at its peak" "generator peak memory" "Largest resident memory of the generator's process in the trial, with what it keeps of earlier trials."
    "kernel_socket_memory" KernelSocketMemory Bytes Less "Kernel socket memory" "kernel socket memory" "No longer measured: the kernel counts the buffers of sockets in batches of every core, so the figure was noise."
    "kernel_memory_per_subscriber" KernelMemoryPerSubscriber Bytes Less "Kernel memory per subscriber" "kernel memory /sub" "What the kernel's slab memory of the whole machine grew by, from before anyone connected to the beginning of the measured window, per subscriber: the sockets of both sides, among others. Empty below 1,000 subscribers, where other programs matter more, and where each request opens a connection of its own."
    "bytes_to_server" BytesToServer Bytes Less "Bytes to the server" "bytes up" "Bytes that subscribers wrote to their sockets in the measured window."
    "bytes_to_subscribers" BytesToSubscribers Bytes Less "Bytes to subscribers" "bytes down" "Bytes that subscribers read from their sockets in the measured window, publishing excluded."
    "bytes_per_delivery" BytesPerDelivery Bytes Less "Bytes per delivery" "bytes /delivery" "Both directions / window_deliveries, as the sockets see it: without TCP and IP headers. By HTTP/3 they are whole datagrams, with what QUIC adds, its acknowledgements too."
    "payload_bytes_per_delivery" PayloadBytesPerDelivery Bytes Neither "Payload bytes per delivery" "payload" "Bytes of the delivered payloads / window_deliveries: what the application wanted to send."
    "framing_bytes_per_delivery" FramingBytesPerDelivery Bytes Less "Framing bytes per delivery" "framing" "bytes_per_delivery less payload_bytes_per_delivery: HTTP requests and heads, SSE, WebSocket and JSON framing, heartbeats. Empty where compression makes one of both."
    "tcp_ip_bytes_per_delivery" TcpIpBytesPerDelivery Bytes Less "TCP/IP bytes per delivery" "TCP/IP (estimated)" "Headers of all segments / window_deliveries, estimated: 20 bytes of IPv4, 20 of TCP, 12 of timestamps where they are on, and 16 for each handshake. By HTTP/3, 20 of IPv4 and 8 of UDP for each datagram."
    "wire_bytes_per_delivery" WireBytesPerDelivery Bytes Less "Bytes on the wire per delivery" "all bytes" "bytes_per_delivery and tcp_ip_bytes_per_delivery together: payload, framing and headers, acknowledgements included."
    "segments_to_server" SegmentsToServer Count Less "TCP segments to the server" "segments up" "TCP segments, by HTTP/3 UDP datagrams, that subscribers sent in the measured window, acknowledgements and handshakes included."
    "segments_to_subscribers" SegmentsToSubscribers Count Less "TCP segments to subscribers" "segments down" "TCP segments, by HTTP/3 UDP datagrams, that subscribers received in the measured window, likewise."
    "segments_per_delivery" SegmentsPerDelivery Count Less "TCP segments per delivery" "segments" "Segments in both directions / window_deliveries."
    "publisher_segments" PublisherSegments Count Less "TCP segments of the publisher" "publisher segments" "TCP segments of the publisher's connection in the measured window, both directions; part of no other figure."
    "publisher_wire_bytes" PublisherWireBytes Bytes Less "Publisher bytes on the wire" "publisher bytes" "Bytes of the publisher's connection in the measured window, both directions, with TCP and IP headers estimated; part of no other figure."
    "requests" Requests Count Less "Requests" "requests" "HTTP requests that subscribers sent in the measured window."
    "connections_opened" ConnectionsOpened Count Less "Connections opened" "connections opened" "Connections that subscribers opened, from the first to the end of the drain."
    "reads" Reads Count Neither "Reads that brought events" "reads" "Poll responses, or reads of a stream, that brought at least one event in the measured window."
    "deliveries_per_read" DeliveriesPerRead Count Neither "Events per read" "events /read" "window_deliveries / reads: above 1 where events travel in batches."
    "network_claimed" NetworkClaimed Nanoseconds Neither "Round trip of the network, as the scenario wants it" "round trip wanted" "The round trip of the network that the scenario lays between clients and server; empty over loopback, as all figures of a network are."
    "network_round_trip" NetworkRoundTrip Nanoseconds Neither "Round trip of the network, measured" "round trip measured" "From a byte that was sent through the network to its echo, over TCP, before the trial: median."
    "network_handshake" NetworkHandshake Nanoseconds Neither "TCP handshake through the network" "TCP handshake" "From a connect through the network to its end, before the trial: median. A relay takes no time for it."
    "network_lateness_p50" NetworkLatenessP50 Nanoseconds Less "Lateness of the network p50" "network late p50" "How much later than it should a packet went on, in the measured window: half of them were less late. Empty where the kernel's netem delays packets, which does not say."
    "network_lateness_p99" NetworkLatenessP99 Nanoseconds Less "Lateness of the network p99" "network late p99" "The same, 99th percentile."
    "network_packets" NetworkPackets Count Neither "Packets through the network" "packets" "Packets that the network delayed in the measured window, in both directions; what goes over it as one counts once."
    "network_lost" NetworkLost Count Neither "Packets that the network lost" "packets lost" "Those of them that it lost, as the scenario wants it."
    "network_cpu" NetworkCpu Nanoseconds Neither "Network CPU" "network CPU" "CPU time of the threads that imitate the network, in the measured window; part of no other figure. They do part of the receivers' TCP work."
    "server_deliveries" ServerDeliveries Count Neither "Deliveries by the server's own count" "server deliveries" "What the server itself says it delivered in the whole trial, warm-up included."
}

impl Metric {
    /// The metric that has this name in files.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|metric| metric.name() == name)
    }

    /// Whether it takes an idle phase to be measured.
    #[must_use]
    pub const fn takes_idle_phase(self) -> bool {
        matches!(
            self,
            Self::IdlePhase
                | Self::IdleServerCpu
                | Self::IdleGeneratorCpu
                | Self::IdleBytes
                | Self::IdleRequests
                | Self::ServerCpuAboveIdlePerDelivery
        )
    }

    /// Whether a busy machine changes it: times, and how often threads leave their core. Bytes, counts,
    /// memory and instructions are what they are on any machine.
    #[must_use]
    pub const fn depends_on_others(self) -> bool {
        match self {
            Self::Window | Self::IdlePhase | Self::NetworkClaimed => false,
            Self::ServerContextSwitches | Self::GeneratorContextSwitches => true,
            other => matches!(other.unit(), Unit::Nanoseconds),
        }
    }

    /// Whether it accounts for the events that there were, however many.
    #[must_use]
    pub const fn is_account(self) -> bool {
        matches!(
            self,
            Self::Expected
                | Self::Delivered
                | Self::Lost
                | Self::Duplicated
                | Self::Reordered
                | Self::NegativeLatency
                | Self::Lagged
                | Self::ServerDeliveries
        )
    }

    /// Whether it is about how late deliveries were.
    #[must_use]
    pub const fn is_delivery_latency(self) -> bool {
        matches!(
            self,
            Self::LatencyP50
                | Self::LatencyP75
                | Self::LatencyP90
                | Self::LatencyP95
                | Self::LatencyP99
                | Self::LatencyP999
                | Self::LatencyMax
                | Self::LatencyMean
                | Self::UncorrectedLatencyP50
                | Self::UncorrectedLatencyP99
                | Self::UncorrectedLatencyMax
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_name_is_the_serde_name() {
        for &metric in Metric::ALL {
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.name());
            assert_eq!(Metric::named(metric.name()), Some(metric));
        }
    }

    #[test]
    fn labels_tell_metrics_apart_and_short_ones_fit_a_column() {
        for (index, metric) in Metric::ALL.iter().enumerate() {
            let (label, short) = (metric.label(), metric.short_label());
            assert!(label.starts_with(char::is_uppercase), "{label}");
            let longest = short.split(' ').map(str::len).max().unwrap_or(0);
            assert!(longest <= 12, "{short}: a word of {longest} characters widens its column");
            let before = &Metric::ALL[..index];
            assert!(before.iter().all(|other| other.label() != label), "{label} comes twice");
            assert!(before.iter().all(|other| other.short_label() != short), "{short} comes twice");
        }
    }

    #[test]
    fn what_takes_an_idle_phase_is_told_by_its_name() {
        for &metric in Metric::ALL {
            let name = metric.name();
            let named = name.contains("idle");
            assert_eq!(metric.takes_idle_phase(), named, "{name}");
        }
    }

    #[test]
    fn delivery_latencies_are_told_by_their_names() {
        for &metric in Metric::ALL {
            let name = metric.name();
            let named = name.starts_with("latency_") || name.starts_with("uncorrected_latency_");
            assert_eq!(metric.is_delivery_latency(), named, "{name}");
        }
    }
}
