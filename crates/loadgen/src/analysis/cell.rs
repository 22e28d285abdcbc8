//! What is found of one cell: the figures of its contenders, and how they compare.

use std::collections::BTreeMap;

use super::estimate::Estimate;
use super::interval::Ratio;
use super::latency::Latency;
use super::thresholds::Checked;
use crate::results::{ContenderId, Metric, Run, Trial};

/// What the verdict compares, in the order in which it says so. Less is better for each of them.
pub const RANKED: [Metric; 6] = [
    Metric::LatencyP50,
    Metric::LatencyP99,
    Metric::ServerCpuPerDelivery,
    Metric::GeneratorCpuPerDelivery,
    Metric::BytesPerDelivery,
    Metric::ServerMemoryPerSubscriber,
];

/// Deliveries in a trial below which neither their cost nor their median is compared.
const LEAST_DELIVERIES: f64 = 100.0;

/// The contenders under one set of parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its name in the scenario.
    pub name: String,
    /// How many subscribers there were; empty when the scenario cannot be read.
    pub subscribers: Option<u32>,
    /// Who says that it is there, or asks again, less often than an idle phase lasts: that is not in the
    /// idle cost.
    pub longer_than_idle: Vec<ContenderId>,
    /// Every contender that was measured, in the table's order.
    pub contenders: Vec<Figures>,
    /// How every two of them compare, for the metrics of [`RANKED`].
    pub ratios: Vec<PairRatio>,
    /// Who is ahead in what, for the metrics of [`RANKED`] that could be measured.
    pub rankings: Vec<Ranking>,
    /// What theory says about the latencies, where it has an answer.
    pub predictions: Vec<Prediction>,
    /// What theory says about how soon a silence is noticed, likewise.
    pub notices: Vec<Notice>,
    /// Whether the figures meet the scenario's objectives, in its order.
    pub objectives: Vec<Checked>,
}

/// How two contenders compare in one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct PairRatio {
    /// What is compared.
    pub metric: Metric,
    /// The one that is divided.
    pub contender: ContenderId,
    /// The one that it is divided by, which comes later in the order of contenders.
    pub against: ContenderId,
    /// From the blocks in which both have a value that can be trusted.
    pub ratio: Ratio,
}

impl Cell {
    /// `contender` over `against` in `metric`, if a block has both.
    #[must_use]
    pub fn ratio(
        &self,
        metric: Metric,
        contender: &ContenderId,
        against: &ContenderId,
    ) -> Option<Ratio> {
        self.ratios.iter().filter(|pair| pair.metric == metric).find_map(|pair| {
            match (&pair.contender, &pair.against) {
                ends if ends == (contender, against) => Some(pair.ratio),
                ends if ends == (against, contender) => Some(pair.ratio.inverse()),
                _ => None,
            }
        })
    }

    /// What the others are held against: the last contender, which is a reference if there is one.
    #[must_use]
    pub fn reference(&self) -> Option<&ContenderId> {
        self.contenders.last().map(|figures| &figures.contender)
    }

    /// The figures of a contender, if it was measured.
    #[must_use]
    pub fn figures(&self, contender: &ContenderId) -> Option<&Figures> {
        self.contenders.iter().find(|figures| figures.contender == *contender)
    }
}

/// What the trials of one contender say together.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Which.
    pub contender: ContenderId,
    /// Its trials, as indices into [`Run::trials`].
    pub trials: Vec<usize>,
    /// How many of them are valid, so that estimates may use all of their values.
    pub valid: usize,
    /// How many ran, but cannot be trusted in everything.
    pub invalid: usize,
    /// How many were spoilt, too, and measured once more.
    pub repeated: usize,
    /// How many could not be run to their end.
    pub failed: usize,
    /// Over the values that can be trusted. A metric that has none is not in here.
    pub estimates: BTreeMap<Metric, Estimate>,
    /// Of the other metrics, over what was measured: to be shown as such, and never compared.
    pub untrusted: BTreeMap<Metric, Estimate>,
    /// Deliveries of all trials that ran to their end, valid or not; empty if none did. Of those that were
    /// measured once more, only if something is wrong with them: contenders have different numbers of such
    /// trials.
    pub accounts: Option<Accounts>,
    /// Latency over all valid trials pooled: for display, never for inference.
    pub latency: Latency,
}

impl Figures {
    /// The estimate of `metric`, if a value of it can be trusted.
    #[must_use]
    pub fn estimate(&self, metric: Metric) -> Option<Estimate> {
        self.estimates.get(&metric).copied()
    }

    /// What was counted over all of its trials in `run`; nothing if one that ran did not count: it may be the one
    /// in which it happened.
    #[must_use]
    pub fn counted(&self, run: &Run, metric: Metric) -> Option<f64> {
        let mut ran = self.trials.iter().filter_map(|&index| run.trials.get(index));
        if ran.any(|trial| !trial.has_failed() && trial.value(metric).is_none()) {
            return None;
        }
        let accounts = self.accounts?;
        match metric {
            Metric::Expected => accounts.expected,
            Metric::Delivered => accounts.delivered,
            Metric::Lost => accounts.lost,
            Metric::Duplicated => accounts.duplicated,
            Metric::Reordered => accounts.reordered,
            Metric::Lagged => accounts.lagged,
            _ => None,
        }
    }

    /// Whether there were deliveries enough to compare it: what a delivery costs is no figure of five.
    #[must_use]
    pub fn carries(&self, metric: Metric) -> bool {
        let deliveries = self.estimate(Metric::WindowDeliveries).map(|of| of.median);
        metric == Metric::ServerMemoryPerSubscriber
            || deliveries.is_none_or(|deliveries| deliveries >= LEAST_DELIVERIES)
    }

    /// Whether several events usually arrive together, so that each bears a part of the cost.
    #[must_use]
    pub fn batches(&self) -> bool {
        self.estimate(Metric::DeliveriesPerRead).is_some_and(|events| events.median >= 1.5)
    }
}

/// What was to be delivered, and what was. A count that no trial has is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Accounts {
    /// Deliveries that the events called for.
    pub expected: Option<f64>,
    /// Deliveries that came.
    pub delivered: Option<f64>,
    /// Expected, but not delivered.
    pub lost: Option<f64>,
    /// Came more than once.
    pub duplicated: Option<f64>,
    /// Came after a later event.
    pub reordered: Option<f64>,
    /// Notices that a subscriber fell behind.
    pub lagged: Option<f64>,
}

impl Accounts {
    pub(crate) fn of(trials: &[&Trial]) -> Self {
        let sum = |metric| {
            let values = trials.iter().filter_map(|trial| trial.value(metric));
            values.filter(|value| value.is_finite()).reduce(|sum, value| sum + value)
        };
        Self {
            expected: sum(Metric::Expected),
            delivered: sum(Metric::Delivered),
            lost: sum(Metric::Lost),
            duplicated: sum(Metric::Duplicated),
            reordered: sum(Metric::Reordered),
            lagged: sum(Metric::Lagged),
        }
    }

    /// Whether everything that was expected came, once and in order.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let none = |count| count == Some(0.0);
        self.expected.is_some()
            && self.delivered == self.expected
            && none(self.lost)
            && none(self.duplicated)
            && none(self.reordered)
    }
}

/// The contenders by one metric, the least first.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// What is compared.
    pub metric: Metric,
    /// At least one.
    pub groups: Vec<Group>,
}

/// Contenders without an order: none of them differs from all others of the group by more than the
/// noise.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The least first.
    pub contenders: Vec<ContenderId>,
    /// The least of their medians.
    pub low: f64,
    /// The greatest of their medians.
    pub high: f64,
    /// Whether no two of them differ by more than the noise; else only the ends of a chain do.
    pub alike: bool,
}

/// A figure of one contender as theory has it, beside the measured one.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Which.
    pub contender: ContenderId,
    /// The figure.
    pub metric: Metric,
    /// Why it should be so.
    pub law: Law,
    /// Whether half a round trip r of a network comes on top.
    pub is_away: bool,
    /// What theory says, in the unit of the metric.
    pub theory: f64,
    /// The median over trials.
    pub measured: f64,
}

impl Prediction {
    /// Why it should be so, in a line.
    #[must_use]
    pub fn words(&self) -> String {
        match (self.is_away, self.law) {
            (false, law) => law.words().to_owned(),
            (true, Law::FanOutWithGaps) => {
                "r/2; the k-th of N waits k·c, for earlier events and in gaps of r, or 2 r with a new \
                 connection"
                    .to_owned()
            }
            (true, law) => format!("r/2; {}", law.words()),
        }
    }

    /// How far the measured figure is from theory, as a share of that.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        self.measured / self.theory - 1.0
    }
}

/// How soon subscribers notice that a connection has gone silent, on average.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Whose subscribers.
    pub contender: ContenderId,
    /// What theory says, in nanoseconds.
    pub theory: f64,
    /// Why it should be so, in a line.
    pub law: &'static str,
    /// The median over trials.
    pub measured: f64,
}

/// Why a latency should be what it is. A fan-out writes an event to N subscribers one after the
/// other, each at cost c, so that the k-th waits for k·c, and all of them take S = N·c. Waking up,
/// and the way through both processes, come on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// An event comes at a random moment between two polls, T apart: its wait is uniform on [0, T].
    UniformWait,
    /// Events at equal distances, each fanned out before the next one comes.
    FanOut,
    /// The same of held requests: the next one of every subscriber is back before the next event, so
    /// that none finds a gap. It would, with a round trip longer than the time between events.
    FanOutWithoutGap,
    /// Events at random, so that some wait until those before are fanned out: a queue with service
    /// time S, in which the mean wait is that of Pollaczek and Khinchine.
    FanOutInAQueue,
    /// The same of held requests. Besides, an event that comes within g of the one before finds no request
    /// waiting: at a mean distance I of events, that adds (g/2)·g / (g + I·exp(-g/I)). Here g is S, and on
    /// top of it a round trip of the network, and one more for each handshake that a request begins with.
    FanOutWithGaps,
}

impl Law {
    /// The law in a line.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::UniformWait => "uniform on [0, interval]",
            Self::FanOut => "the k-th of N waits k·c",
            Self::FanOutWithoutGap => "the k-th of N waits k·c; no event finds a gap",
            Self::FanOutInAQueue => "the k-th of N waits k·c, and for earlier events",
            Self::FanOutWithGaps => "the k-th of N waits k·c, for earlier events and in gaps",
        }
    }
}
