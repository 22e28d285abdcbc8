//! The table of metrics: a new one is one row here.

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

macro_rules! metrics {
    ($($name:literal $variant:ident $unit:ident $description:literal)+) => {
        /// Something that a trial measures. A trial that could not measure it has no value for it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Metric {
            $(#[doc = $description] #[serde(rename = $name)] $variant,)+
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

            /// Whether it is a percentile of latencies, and so says too little when some never came.
            #[must_use]
            pub const fn is_latency_percentile(self) -> bool {
                matches!(
                    self,
                    Self::LatencyP50 | Self::LatencyP90 | Self::LatencyP99 | Self::LatencyP999
                        | Self::UncorrectedLatencyP50 | Self::UncorrectedLatencyP99
                )
            }

            /// What it is, in a sentence.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $description),+ }
            }
        }
    };
}

metrics! {
    "latency_p50" LatencyP50 Nanoseconds "Delivery latency, intended publish time to receipt: half of the deliveries were faster."
    "latency_p90" LatencyP90 Nanoseconds "Delivery latency: 90 % of the deliveries were faster."
    "latency_p99" LatencyP99 Nanoseconds "Delivery latency: 99 % of the deliveries were faster; empty below 5,000 deliveries."
    "latency_p999" LatencyP999 Nanoseconds "Delivery latency: 99.9 % of the deliveries were faster; empty below 50,000 deliveries."
    "latency_max" LatencyMax Nanoseconds "Delivery latency of the slowest delivery."
    "latency_mean" LatencyMean Nanoseconds "Mean delivery latency."
    "uncorrected_latency_p50" UncorrectedLatencyP50 Nanoseconds "Actual publish time to receipt, median: hides a publisher that was late."
    "uncorrected_latency_p99" UncorrectedLatencyP99 Nanoseconds "Actual publish time to receipt, 99th percentile; empty below 5,000 deliveries."
    "uncorrected_latency_max" UncorrectedLatencyMax Nanoseconds "Actual publish time to receipt, slowest delivery."
    "publisher_lateness_p50" PublisherLatenessP50 Nanoseconds "Intended to actual publish time, median over events."
    "publisher_lateness_p99" PublisherLatenessP99 Nanoseconds "Intended to actual publish time, 99th percentile over events (the largest when there are fewer than 100)."
    "publisher_lateness_max" PublisherLatenessMax Nanoseconds "Intended to actual publish time of the latest event."
    "expected" Expected Count "Deliveries that the measured events call for: events times subscribers of their channel."
    "delivered" Delivered Count "Of those, how many came before the drain ended, each counted once."
    "lost" Lost Count "Expected, but not delivered."
    "duplicated" Duplicated Count "Deliveries of an event that the subscriber already had."
    "reordered" Reordered Count "First deliveries of an event after a later one of the same channel."
    "negative_latency" NegativeLatency Count "Deliveries that seem to precede their publication: a broken clock or stamp."
    "lagged" Lagged Count "Notices from the server that a subscriber fell behind the log."
    "server_cpu" ServerCpu Nanoseconds "CPU time of the server process in the measured window, all threads, user and system."
    "generator_cpu" GeneratorCpu Nanoseconds "CPU time of all subscribers in the measured window: the generator's process without its publisher and without the thread that watches."
    "publisher_cpu" PublisherCpu Nanoseconds "CPU time of the publisher's two threads in the measured window."
    "window" Window Nanoseconds "Length of the measured window."
    "window_deliveries" WindowDeliveries Count "Deliveries received within the measured window, whenever they were published: what costs are divided by."
    "server_cpu_per_delivery" ServerCpuPerDelivery Nanoseconds "server_cpu / window_deliveries."
    "generator_cpu_per_delivery" GeneratorCpuPerDelivery Nanoseconds "generator_cpu / window_deliveries."
    "server_memory" ServerMemory Bytes "Anonymous resident memory of the server when the measured window begins: all subscribers are connected and served."
    "server_memory_peak" ServerMemoryPeak Bytes "Largest resident memory of the server in the trial."
    "server_memory_per_subscriber" ServerMemoryPerSubscriber Bytes "server_memory less the same before anyone connected, per subscriber; empty where each request opens a connection of its own."
    "bytes_to_server" BytesToServer Bytes "Bytes that subscribers wrote to their sockets in the measured window."
    "bytes_to_subscribers" BytesToSubscribers Bytes "Bytes that subscribers read from their sockets in the measured window, publishing excluded."
    "bytes_per_delivery" BytesPerDelivery Bytes "Both directions / window_deliveries, as the sockets see it: without TCP and IP headers."
    "requests" Requests Count "HTTP requests that subscribers sent in the measured window."
    "connections_opened" ConnectionsOpened Count "Connections that subscribers opened, from the first to the end of the drain."
    "reads" Reads Count "Poll responses, or reads of a stream, that brought at least one event in the measured window."
    "deliveries_per_read" DeliveriesPerRead Count "window_deliveries / reads: above 1 where events travel in batches."
    "server_deliveries" ServerDeliveries Count "What the server itself says it delivered in the whole trial, warm-up included."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_name_is_the_serde_name() {
        for &metric in Metric::ALL {
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.name());
        }
    }
}
