//! By how much a metric may get worse from one build to the next before it counts as a regression.

use crate::metric::Metric;

/// The limit of one metric, the same for every transport. Less is better for each of them.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Gate {
    /// What may not get worse.
    pub metric: Metric,
    /// By which share it may: 0.05 for 5 %.
    pub share: f64,
    /// By how much it may at least, in the unit of the metric: what is less is never a regression.
    pub floor: f64,
}

impl Gate {
    /// The gates of a scenario that names none: what two builds can be told apart by on a shared
    /// machine, with limits that people act on.
    pub const DEFAULTS: [Self; 5] = [
        Self::new(Metric::ServerCpuPerDelivery, 0.05, 0.0),
        Self::new(Metric::BytesPerDelivery, 0.005, 0.0),
        Self::new(Metric::LatencyP50, 0.10, 100e3),
        Self::new(Metric::ServerMemoryPeak, 0.05, 1_048_576.0),
        Self::new(Metric::ServerInstructionsPerDelivery, 0.02, 0.0),
    ];

    /// The gate that a 99th percentile gets when a scenario asks for it: its noise needs more room.
    pub const P99: Self = Self::new(Metric::LatencyP99, 0.25, 500e3);

    const fn new(metric: Metric, share: f64, floor: f64) -> Self {
        Self { metric, share, floor }
    }
}
