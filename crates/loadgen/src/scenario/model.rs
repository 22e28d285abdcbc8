//! What a scenario is: the question, and the cells of its sweep.

use std::time::Duration;

use super::workload::{Arrivals, Timeline, Workload};
use super::{Contender, ContenderId, Gate, Literature, Needs, Network, Start, Threshold};

/// A question about a workload, as one file asks it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Names the results folder: 1 to 64 of `a-z A-Z 0-9 . _ -`, the first a letter or digit.
    pub name: String,
    /// Whose problem it is, in a sentence or more.
    pub description: String,
    /// What is compared; at least one, of different names, references last.
    pub contenders: Vec<Contender>,
    /// How often every contender is measured; at least 1.
    pub blocks: u32,
    /// Decides the order of trials and when each subscriber polls.
    pub seed: u64,
    /// What happens, the same for every contender.
    pub workload: Workload,
    /// What its figures must keep to, in the order of the file; a key that stands for several
    /// contenders gives one for each.
    pub thresholds: Vec<Threshold>,
    /// What a contender has to reach to be of use, likewise. They mark contenders, and are what
    /// `pushbench capacity` searches by.
    pub objectives: Vec<Threshold>,
    /// What a choice must have beside that, which `pushbench guide` decides by.
    pub needs: Needs,
    /// By how much metrics may get worse from one build to the next.
    pub gates: Vec<Gate>,
    /// Every combination of the values that `[sweep]` gives, in the order of the file; none without
    /// one. The other fields are those of the file without it.
    pub sweep: Vec<Cell>,
    /// What others have published for this setup, in the order of the file.
    pub published: Vec<Literature>,
}

/// One combination of the values of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Such as `interval=1s, subscribers=50`.
    pub name: String,
    /// What sets it apart, in the order of the file.
    pub settings: Vec<SweptValue>,
    /// The scenario with these values. It has no cells of its own.
    pub scenario: Scenario,
}

/// A key, and the value that a cell has for it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SweptValue {
    /// The path of the key, such as `workload.subscribers`.
    pub key: String,
    /// The value as TOML; text without its quotes.
    pub value: String,
}

impl Scenario {
    /// How many events of a channel the server has to keep, so that every poll finds those since
    /// the one before, even when it comes late.
    pub(crate) fn log_events(&self) -> u64 {
        /// How late a poll may come, beside a whole interval.
        const SLACK: Duration = Duration::from_secs(10);
        let workload = &self.workload;
        let usual = self.longest_polling_interval().unwrap_or_default() * 2 + SLACK;
        let kept_for = workload.slow.and_then(|slow| slow.kept_for).unwrap_or(usual);
        if let Some(trace) = &workload.trace {
            let recorded = kept_for.mul_f64(trace.speed).as_nanos();
            let span_ns = u64::try_from(recorded).unwrap_or(u64::MAX);
            return trace.rows.most_within(span_ns) + self.upstream_events(kept_for);
        }
        let peak = Timeline::peak(workload);
        let usual = workload.events_per_second * peak * kept_for.as_secs_f64();
        let most = match workload.arrivals {
            Arrivals::Constant => usual,
            // Once in a billion there are more than six deviations above the mean.
            Arrivals::Poisson => usual + 6.0 * usual.sqrt(),
        };
        most.ceil() as u64 + self.upstream_events(kept_for.mul_f64(peak))
    }

    /// The most events per second that are published on all channels together, as the rates have it.
    pub(crate) fn peak_events_per_second(&self) -> f64 {
        let workload = &self.workload;
        match &workload.trace {
            Some(trace) => {
                let second_ns = (trace.speed * 1e9) as u64;
                trace.rows.most_within(second_ns) as f64 * f64::from(workload.channels)
            }
            None => {
                let rate = workload.events_per_second * f64::from(workload.channels);
                rate * Timeline::peak(workload)
            }
        }
    }

    /// How many events the subscribers of any channel may send to it in this time: those of all
    /// together, when many of them are in one.
    fn upstream_events(&self, time: Duration) -> u64 {
        let Some(upstream) = &self.workload.upstream else { return 0 };
        let usual =
            upstream.events_per_second * f64::from(self.workload.subscribers) * time.as_secs_f64();
        (usual + 6.0 * usual.sqrt()).ceil() as u64
    }

    /// The most sockets that a subscriber has with any contender. One that sends may need one more for
    /// each of its subscriptions.
    #[must_use]
    pub fn sockets_per_subscriber(&self) -> u32 {
        let of = |of: &Contender| {
            let subscriptions =
                if of.multiplex { 1 } else { self.workload.channels_per_subscriber };
            let to_send = if self.workload.upstream.is_some() { subscriptions } else { 0 };
            of.connections_per_subscriber(&self.workload).saturating_add(to_send)
        };
        self.contenders.iter().map(of).max().unwrap_or(1)
    }

    /// The most sockets of all subscribers.
    #[must_use]
    pub fn sockets(&self) -> u32 {
        self.workload.subscribers.saturating_mul(self.sockets_per_subscriber())
    }

    /// The keys of what is compared, in its order.
    pub fn contender_ids(&self) -> impl Iterator<Item = &ContenderId> {
        self.contenders.iter().map(|contender| &contender.id)
    }

    /// The contender of this key, if it is one of this scenario's.
    #[must_use]
    pub fn contender(&self, id: &ContenderId) -> Option<&Contender> {
        self.contenders.iter().find(|contender| contender.id == *id)
    }

    /// The networks of all contenders, in all cells.
    pub(crate) fn networks(&self) -> impl Iterator<Item = &Network> {
        let cells = self.cells().into_iter().flat_map(|(_, cell)| &cell.contenders);
        cells.filter_map(|contender| contender.road.network.as_ref())
    }

    /// Whether any contender's server runs already.
    pub(crate) fn has_running_servers(&self) -> bool {
        let mut servers = self.contenders.iter().filter_map(|of| of.server.as_ref());
        servers.any(|server| matches!(server.start, Start::Running { .. }))
    }

    /// The longest interval of any contender that polls; none if nobody does.
    #[must_use]
    pub fn longest_polling_interval(&self) -> Option<Duration> {
        self.contenders.iter().filter_map(|of| of.settings.polling_interval()).max()
    }
}
