//! What a guide says, before it is put into words.

use std::cmp::Reverse;
use std::time::Duration;

use pushbench_wire::Transport;
use serde::Deserialize;

use crate::analysis::thresholds::Doubt;
use crate::analysis::{Estimate, Figures, Interval, Ranking, Ratio};
use crate::results::{ContenderId, Metric};
use crate::scenario::thresholds::Operator;
use crate::scenario::{Needs, Threshold};

/// What a run says to who has to choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Guide {
    /// What is needed beside objectives: the scenario's, and the user's.
    pub needs: Needs,
    /// Whether the scenario has objectives.
    pub has_objectives: bool,
    /// One for every cell that is as far away as is needed, in their order.
    pub cells: Vec<Answer>,
    /// Where two that are eligible in some cell change sides in a cost: indices into the findings of the sweep.
    pub crossovers: Vec<usize>,
}

/// What a cell says.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its name in the scenario.
    pub cell: String,
    /// What can be chosen, in the order of contenders; none of them is a reference.
    pub candidates: Vec<Candidate>,
    /// Those that meet everything, by each of [`COSTS`] that was measured, the least first.
    pub cheapest: Vec<Ranking>,
    /// How simple those are, by each fact that is known.
    pub simplicity: Vec<Simplicity>,
    /// What the usual table would have chosen, and what the figures say to that.
    pub textbook: Textbook,
}

/// Something that can be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Which: where proxies are needed, as it was measured through the first of them.
    pub contender: ContenderId,
    /// Everything that is asked of it, at least one.
    pub checks: Vec<Check>,
    /// What it costs, as far as that can be trusted.
    pub costs: Vec<Figure>,
}

/// Something that is asked of a candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What.
    pub asked: Asked,
    /// Whose figures show it: the candidate's, or those through another proxy.
    pub contender: ContenderId,
    /// Whether it does.
    pub reached: Reached,
    /// The figure that shows it, if there is one.
    pub figure: Option<Figure>,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// That everything comes, once and in order.
    Delivery,
    /// An objective, or a limit of the budget.
    Limit(Threshold),
    /// That clients send as well.
    TwoWay,
    /// Bytes that are no text.
    Binary,
    /// That it passes a proxy.
    Proxy(String),
    /// That it was measured from so far away.
    RoundTrip(Duration),
}

/// Whether what was asked is met. The order is from worst to best.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    /// It is not.
    Missed,
    /// Nobody knows.
    Unknown(Lack),
    /// It is.
    Met,
}

/// What it would take to know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// A figure.
    Doubt(Doubt),
    /// Trials that run to their end: why too few do.
    Failed(String),
    /// An account of its deliveries.
    Uncounted,
    /// Subscribers that send.
    NobodySends,
    /// Events that are no text.
    OnlyText,
    /// A contender through the proxy.
    NotThrough,
    /// A network that is as long: how long the contender's is.
    TooNear(Duration),
}

/// Whether a candidate may be recommended. The order is from worst to best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It misses something.
    Misses,
    /// Of something nobody knows.
    Unknown,
    /// It meets all that is asked.
    Meets,
}

/// A figure, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Whose.
    pub contender: ContenderId,
    /// Of what.
    pub metric: Metric,
    /// In the unit of the metric.
    pub value: f64,
    /// Where the median of many such trials lies; none of one trial, or of what is counted.
    pub interval: Option<Interval>,
    /// How many trials it rests on; none of what is counted over all of them.
    pub trials: Option<usize>,
}

impl Figure {
    /// The estimate of a metric, if it can be trusted.
    pub(super) fn estimated(of: &Figures, metric: Metric) -> Option<Self> {
        let Estimate { median, interval, trials, .. } = of.estimate(metric)?;
        let contender = of.contender.clone();
        Some(Self { contender, metric, value: median, interval, trials: Some(trials) })
    }

    /// What was counted.
    pub(super) fn counted(of: &Figures, metric: Metric, value: f64) -> Self {
        Self { contender: of.contender.clone(), metric, value, interval: None, trials: None }
    }
}

impl Check {
    /// How many times the limit the figure is; none of what has no limit, or none above 0.
    #[must_use]
    pub fn excess(&self) -> Option<f64> {
        let (Asked::Limit(limit), Some(figure)) = (&self.asked, &self.figure) else { return None };
        let is_upper = matches!(limit.operator, Operator::Below | Operator::AtMost);
        (is_upper && limit.limit > 0.0).then(|| figure.value / limit.limit)
    }

    /// Whether the interval of the figure has both sides of the limit in it, so that another run may say
    /// otherwise.
    #[must_use]
    pub fn is_close(&self) -> bool {
        let (Asked::Limit(limit), Some(figure)) = (&self.asked, &self.figure) else { return false };
        let holds = |value| limit.operator.holds(value, limit.limit);
        figure.interval.is_some_and(|of| holds(of.low) != holds(of.high))
    }
}

impl Candidate {
    /// Whether it may be recommended.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let worst = self.checks.iter().map(|of| &of.reached).min();
        match worst {
            Some(Reached::Met) => Verdict::Meets,
            Some(Reached::Missed) => Verdict::Misses,
            Some(Reached::Unknown(_)) | None => Verdict::Unknown,
        }
    }

    /// By how much it misses what it misses: first how often by more than a number tells, then how many
    /// times the limit.
    pub(super) fn distance(&self) -> (usize, f64) {
        let not_met = self.checks.iter().filter(|of| of.reached != Reached::Met);
        not_met.fold((0, 1.0), |(untold, most), check| match check.excess() {
            Some(excess) if check.reached == Reached::Missed => (untold, most.max(excess)),
            _ => (untold + 1, most),
        })
    }
}

impl Answer {
    /// Those that may be recommended, in their order.
    pub fn eligible(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|of| of.verdict() == Verdict::Meets)
    }

    /// The best verdict of all.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.candidates.iter().map(Candidate::verdict).max().unwrap_or(Verdict::Unknown)
    }

    /// Those that nobody undercuts in any cost, as far as it was measured; none if each is undercut in
    /// something.
    #[must_use]
    pub fn cheapest_in_all(&self) -> Vec<&ContenderId> {
        let is_first = |id: &&ContenderId| {
            let mut first = self.cheapest.iter().filter_map(|of| of.groups.first());
            !self.cheapest.is_empty() && first.all(|of| of.contenders.contains(id))
        };
        self.eligible().map(|of| &of.contender).filter(is_first).collect()
    }

    /// Of each transport the candidate that comes nearest; those that cannot be judged come last.
    #[must_use]
    pub fn nearest(&self) -> Vec<&Candidate> {
        let mut transports: Vec<Transport> =
            self.candidates.iter().map(|of| of.contender.transport()).collect();
        transports.dedup();
        let mut nearest: Vec<&Candidate> = Vec::new();
        for transport in transports {
            let own = self.candidates.iter().filter(|of| of.contender.transport() == transport);
            let best = own.min_by(|one, other| {
                let ((untold, most), (others, at_most)) = (one.distance(), other.distance());
                untold.cmp(&others).then(most.total_cmp(&at_most))
            });
            let is_new =
                |of: &&Candidate| nearest.iter().all(|other| other.contender != of.contender);
            nearest.extend(best.filter(is_new));
        }
        nearest.sort_by_key(|of| Reverse(of.verdict() == Verdict::Misses));
        nearest
    }
}

impl Guide {
    /// The worst of its answers: that of a sweep is as good as its worst cell.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.cells.iter().map(Answer::verdict).min().unwrap_or(Verdict::Unknown)
    }
}

/// How simple those are that may be recommended, by something that was shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Simplicity {
    /// By what.
    pub fact: Fact,
    /// Of whom it is known, the least first.
    pub known: Vec<(ContenderId, f64)>,
    /// The figure behind each of them, where it was measured.
    pub figures: Vec<Figure>,
    /// Of whom it is not.
    pub unknown: Vec<ContenderId>,
}

/// Something that shows how simple a choice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Bytes until a connection is subscribed.
    BytesToConnect,
    /// Round trips until then.
    RoundTrips,
    /// Lines of the smallest client.
    Lines(Language),
}

/// A language that there are smallest clients in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// In a browser and in Node.
    JavaScript,
    /// CPython.
    Python,
    /// With the crates that it takes.
    Rust,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::JavaScript, Self::Python, Self::Rust];
}

impl Simplicity {
    /// Who has least; nobody where it is not known of all.
    #[must_use]
    pub fn least(&self) -> Vec<&ContenderId> {
        let Some((_, least)) = self.known.first() else { return Vec::new() };
        let is_least = |(_, value): &&(ContenderId, f64)| value <= least;
        let all = self.known.iter().filter(is_least).map(|(id, _)| id);
        if self.unknown.is_empty() { all.collect() } else { Vec::new() }
    }
}

/// What the usual decision table chooses, and what the figures say to that.
#[derive(Clone, Debug, PartialEq)]
pub struct Textbook {
    /// What it chooses.
    pub choice: Transport,
    /// Why.
    pub rule: Rule,
    /// What the figures say.
    pub stands: Stands,
}

/// The line of the table that a workload falls under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The scenario names it.
    Named,
    /// Clients send, too.
    TwoWay,
    /// Delays of minutes are all right.
    Minutes,
    /// It has to pass proxies.
    Proxies,
    /// The server sends, and clients listen.
    Feed,
}

/// How the table's choice does.
#[derive(Clone, Debug, PartialEq)]
pub enum Stands {
    /// It meets everything, and nobody who does costs less.
    Best(ContenderId),
    /// It meets everything, but others who do cost less in something.
    Undercut {
        /// The choice.
        choice: ContenderId,
        /// In what, by whom, and by how much.
        by: Vec<Beaten>,
    },
    /// It meets everything, but of some costs nobody knows whether others have less.
    Untold {
        /// The choice.
        choice: ContenderId,
        /// In what it cannot be compared, and others who meet everything can, or nobody can.
        of: Vec<Metric>,
    },
    /// It misses something, or nobody knows: its nearest contender.
    NotEligible(ContenderId),
    /// It is not among what can be chosen.
    Absent,
}

/// A cost in which another has less.
#[derive(Clone, Debug, PartialEq)]
pub struct Beaten {
    /// What it costs.
    pub metric: Metric,
    /// Who has least.
    pub by: ContenderId,
    /// What the choice has.
    pub own: Figure,
    /// What the other has.
    pub other: Figure,
    /// How many times as much the choice has, block by block.
    pub ratio: Option<Ratio>,
}
