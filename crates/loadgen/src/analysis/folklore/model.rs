//! What is claimed, what was found, and what follows.

use pushbench_wire::Transport;
use serde::Deserialize;

use crate::analysis::Interval;
use crate::results::{ContenderId, Metric};
use crate::scenario::HttpVersion;

/// Something that others have published.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// What it is called here.
    pub name: String,
    /// What stands there.
    pub quote: String,
    /// Who published it, and where in it.
    pub source: String,
    /// Where it can be read.
    pub url: String,
    /// When it was as it is quoted.
    pub date: String,
    /// What figures have to show for it to hold.
    pub reads: String,
    /// What anybody can run to test it.
    pub command: String,
    /// Only workloads whose subscribers have so many channels show it.
    #[serde(default)]
    pub least_channels_per_subscriber: u32,
    /// It is about messages one by one: who receives several at a time shares the cost, and shows nothing.
    #[serde(default)]
    pub one_event_at_a_time: bool,
    /// It is about every delivery. Other claims are about what deliveries take, and nothing shows that where clients
    /// send as well, something breaks, or some read slowly.
    #[serde(default)]
    pub whatever_else_happens: bool,
    /// What has to hold, all of it; nothing where no run can show it.
    #[serde(default, rename = "part")]
    pub parts: Vec<Part>,
}

/// A figure, and within which limits it has to be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Of what.
    pub metric: Metric,
    /// Of whom.
    pub of: Who,
    /// Whose figure it is divided by, within blocks; nobody's if it stands for itself.
    #[serde(default)]
    pub against: Option<Who>,
    /// It must not be below.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// It must not be above.
    #[serde(default)]
    pub at_most: Option<f64>,
}

/// Contenders that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// The mechanism of their client.
    pub transport: Transport,
    /// What they speak; the same as the other side when it is not said.
    #[serde(default)]
    pub http: Option<HttpVersion>,
    /// The proxy between: `none`, a name, or how names begin and `*`; likewise.
    #[serde(default)]
    pub proxy: Option<String>,
}

/// What a cell of a run says to a part of a claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The part, as an index.
    pub part: usize,
    /// The run.
    pub run: String,
    /// Its scenario.
    pub scenario: String,
    /// The cell.
    pub cell: String,
    /// Whose figure.
    pub of: ContenderId,
    /// Whose figure it was divided by.
    pub against: Option<ContenderId>,
    /// The figure, in the unit of its metric, or a ratio.
    pub value: f64,
    /// Where the truth lies; none from one block, and of what is counted.
    pub interval: Option<Interval>,
    /// How many blocks it rests on; none of what is counted over all of them.
    pub blocks: Option<usize>,
    /// Whether it keeps within the limits; nobody knows where one is within the interval.
    pub holds: Option<bool>,
}

/// What follows from all findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds wherever it was measured.
    Holds,
    /// It holds in some cells or for some contenders, and not in others.
    HoldsIf,
    /// It holds nowhere where it was measured.
    DoesNotHold,
    /// Some figures are there, and do not decide it.
    Undecided,
    /// No figure is there.
    NotMeasured,
}

/// A claim, and what the runs say to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// What is claimed.
    pub claim: Claim,
    /// Everything that was found, in the order of runs, cells and parts.
    pub findings: Vec<Finding>,
    /// What follows.
    pub outcome: Outcome,
}
