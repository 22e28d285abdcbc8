//! The rows of the usual table, what figures have to show for each of its cells, and what they do show.

use std::collections::BTreeMap;

use pushbench_wire::Transport;
use serde::Deserialize;

use crate::analysis::guide::Language;
use crate::analysis::{Analysis, Interval};
use crate::results::{ContenderId, Metric, Run};
use crate::scenario::HttpVersion;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What it is called on the command line.
    pub key: String,
    /// What the table calls it.
    pub name: String,
    /// How its words are read.
    pub means: String,
    /// What of it follows from how pushbench was made, whatever is measured; empty if nothing.
    #[serde(default)]
    pub caveat: String,
    /// What the table says, of every transport once.
    #[serde(rename = "cell")]
    pub cells: Vec<Cell>,
}

/// What the table says of one transport, or the same of several.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Of which.
    pub of: Vec<Transport>,
    /// The word.
    pub says: String,
    /// What may come out otherwise from each other; at least one.
    pub cases: Vec<Case>,
}

/// A case in which it may hold, and what shows that.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The run of the plan whose figures count; none of what stands in the program.
    #[serde(default)]
    pub run: Option<String>,
    /// When it is, behind "if"; empty where there is but one case.
    #[serde(default)]
    pub when: String,
    /// What stands there without being judged.
    #[serde(default)]
    pub shows: Vec<Metric>,
    /// What has to hold, all of it.
    pub parts: Vec<Part>,
    /// The proxies for each of which all parts are held.
    #[serde(default)]
    pub each_proxy: Vec<String>,
    /// What share of those they have to hold for.
    #[serde(default)]
    pub share: Limits,
    /// Whether a workload shows nothing in which more happens than deliveries.
    #[serde(default)]
    pub only_delivers: bool,
    /// Whether a workload shows nothing that has a network.
    #[serde(default)]
    pub only_near: bool,
    /// How many requests each subscription has to make before this can hold.
    #[serde(default)]
    pub least_requests: Option<f64>,
}

/// Something that has to hold.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Part {
    /// A figure of a run keeps within limits.
    Measured(Measured),
    /// So does the length of the smallest client.
    Counted(Counted),
    /// The guide says something of it.
    Guided(Guided),
}

/// A figure of a run, and its limits.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Of what.
    pub metric: Metric,
    /// What it is divided by within each trial.
    #[serde(default)]
    pub per: Option<Metric>,
    /// Whether it is divided by the channels that all subscribers have together.
    #[serde(default)]
    pub per_subscription: bool,
    /// Whose it is divided by within each block.
    #[serde(default)]
    pub against: Option<Transport>,
    /// Whether what the same has without a proxy is taken off within each block.
    #[serde(default)]
    pub more_than_direct: bool,
    /// What the contender speaks; whatever it is where it is not said.
    #[serde(default)]
    pub http: Option<HttpVersion>,
    /// What its name has behind that of the transport.
    #[serde(default)]
    pub suffix: Option<String>,
    /// It must not be below.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// It must not be above.
    #[serde(default)]
    pub at_most: Option<f64>,
}

/// Lines of the smallest client, as a multiple of the fewest of all transports.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// In which language.
    pub lines: Language,
    /// It must not be below.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// It must not be above.
    #[serde(default)]
    pub at_most: Option<f64>,
}

/// What the guide has to say.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guided {
    /// What.
    pub guide: Advice,
    /// How many times what another has that meets everything a cost may be.
    #[serde(default)]
    pub at_most: Option<f64>,
}

/// What the guide can say of a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Advice {
    /// It meets everything that the scenario asks.
    Meets,
    /// No cost of it is far above that of another which does.
    Cheapest,
}

/// Between which values something has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// It must not be below.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// It must not be above.
    #[serde(default)]
    pub at_most: Option<f64>,
}

impl Limits {
    /// Whether a value is within.
    #[must_use]
    pub fn hold(self, value: f64) -> bool {
        self.at_least.is_none_or(|limit| value >= limit)
            && self.at_most.is_none_or(|limit| value <= limit)
    }

    /// Whether all of an interval is within, or nothing of it; nobody knows where a limit is inside.
    pub(super) fn judge(self, value: f64, low: f64, high: f64) -> Option<bool> {
        let limits = [self.at_least, self.at_most].into_iter().flatten();
        let cut = limits.into_iter().any(|limit| low < limit && limit < high);
        let [first, last, middle] = [low, high, value].map(|value| self.hold(value));
        let is_one = first == last && last == middle;
        // A range may lie within the interval.
        (is_one && (middle || !cut)).then_some(middle)
    }
}

/// The transports that have a column.
pub fn columns() -> impl Iterator<Item = Transport> {
    Transport::ALL.iter().copied().filter(|of| !of.is_reference())
}

/// Runs by their names in the plan, and why those that are not there are not.
pub type Runs = BTreeMap<String, Result<(Run, Analysis), String>>;

/// A figure that says something to a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Of what.
    pub what: What,
    /// Whose; nobody's of what is counted in the program.
    pub of: Option<ContenderId>,
    /// The figure: in the unit of its metric, or a number.
    pub value: f64,
    /// Where the truth lies; none of one block, and of what is counted.
    pub interval: Option<Interval>,
    /// How many blocks it rests on; none of what is counted.
    pub blocks: Option<usize>,
    /// Between which values it has to be.
    pub limits: Limits,
    /// Whether it is; nobody knows where a limit is within the interval.
    pub holds: Option<bool>,
    /// Of what is counted over trials: over which.
    pub tally: Option<Tally>,
}

/// The trials over which something was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub trials: usize,
    /// How many of them are valid.
    pub valid: usize,
}

/// What a figure is of.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A metric.
    Metric(Metric),
    /// A metric by another.
    Per(Metric, Metric),
    /// A metric by the subscriptions.
    PerSubscription(Metric),
    /// A metric, as a multiple of another's.
    Ratio(Metric, ContenderId),
    /// A metric, and how much more it is than another's.
    More(Metric, ContenderId),
    /// Lines, of how many, in a language.
    Lines(Language, usize),
    /// Of which proxies it passes which.
    Passed(Passed),
    /// A metric of what meets everything and is not undercut by anybody, as nobody else does.
    Alone(Metric),
}

/// Who passes which proxies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Passed {
    /// Those that it passes.
    pub passed: Vec<String>,
    /// Those that it does not, with the figure that shows it; none where no trial ran to its end.
    pub failed: Vec<(String, Option<Finding>)>,
    /// Those of which nobody knows.
    pub unknown: Vec<String>,
    /// Those whose program is missing, and what would help.
    pub missing: Vec<(String, String)>,
}

/// Why nothing is said.
#[derive(Clone, Debug, PartialEq)]
pub enum Lack {
    /// There is no such run: why.
    NoRun(String),
    /// The run was stopped.
    Interrupted,
    /// It cannot be used: in words of its own.
    Unusable(String),
    /// The run does not compare such a contender.
    NotCompared,
    /// More happens in the workload than deliveries.
    NotAbout,
    /// The workload has a network.
    Network,
    /// Each subscription makes fewer requests than these, or nobody knows.
    FewRequests(f64),
    /// Too few trials ran to their end: why.
    Failed(String),
    /// Too few trials can be trusted: what the first says.
    Spoilt(String),
    /// Too few trials have the figure.
    NoFigure(Metric),
    /// There is no smallest client in the language.
    NoClient(Language),
    /// Figures are there, and a limit is within an interval, or there is none from one block.
    Undecided,
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighed {
    /// The case.
    pub case: Case,
    /// What is shown without being judged.
    pub shown: Vec<Finding>,
    /// What was found, in the order of parts.
    pub findings: Vec<Finding>,
    /// Whether all of it holds, or why nobody knows.
    pub holds: Result<bool, Lack>,
}

/// What follows for a cell. The order is that in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It holds in every case.
    Holds,
    /// It holds in some, and not in others, or nobody knows of others.
    HoldsIf,
    /// It holds in none of those that are known.
    DoesNotHold,
    /// Figures are there, and do not decide it.
    NotDecided,
    /// No figure is there.
    NotMeasured,
}

/// A cell, filled.
#[derive(Clone, Debug, PartialEq)]
pub struct Filled {
    /// Of which transport.
    pub of: Transport,
    /// What the table says.
    pub says: String,
    /// What came of its cases.
    pub cases: Vec<Weighed>,
    /// What follows.
    pub verdict: Verdict,
}

/// A row, filled.
#[derive(Clone, Debug, PartialEq)]
pub struct FilledRow {
    /// The row.
    pub row: Row,
    /// One for each transport, in their order.
    pub cells: Vec<Filled>,
}

impl Filled {
    /// What follows from its cases.
    pub(super) fn verdict(cases: &[Weighed]) -> Verdict {
        let decided = || cases.iter().filter_map(|of| of.holds.as_ref().ok());
        let holding = decided().filter(|holds| **holds).count();
        match (decided().count(), holding) {
            (0, _) if cases.iter().any(|of| of.holds == Err(Lack::Undecided)) => {
                Verdict::NotDecided
            }
            (0, _) => Verdict::NotMeasured,
            (_, 0) => Verdict::DoesNotHold,
            (_, holding) if holding == cases.len() => Verdict::Holds,
            _ => Verdict::HoldsIf,
        }
    }
}
