//! The account of slow subscribers: what they are due, what they received and what they were told. It is
//! apart from that of all others.

use crate::results::Metric;
use crate::scenario::Workload;
use crate::scenario::schedule::{MeasuredRange, Schedule};

/// What slow subscribers received, and what they were told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SlowAccount {
    /// Measured events, each counted once per subscriber.
    pub(super) delivered: u64,
    /// Events that came again.
    pub(super) duplicated: u64,
    /// Notices of having fallen behind the log.
    pub(super) notices: u64,
    /// How many events these said were missed, those of the warm-up among them.
    pub(super) told: u64,
    /// Events of which they neither got nor were told anything, by gaps in their ids and by the last one.
    pub(super) untold: u64,
}

impl SlowAccount {
    /// Adds that of another worker.
    pub(super) fn merge(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.duplicated += other.duplicated;
        self.notices += other.notices;
        self.told += other.told;
        self.untold += other.untold;
    }
}

/// What slow subscribers are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlowDue {
    /// Their number.
    pub(super) subscribers: u64,
    /// Deliveries that the measured events call for.
    pub(super) deliveries: u64,
}

impl SlowDue {
    /// That of a workload; none of one without slow subscribers.
    pub(super) fn of(workload: &Workload, schedule: &Schedule) -> Option<Self> {
        let subscribers = slow_subscribers(workload);
        let events = schedule.measured_ranges().into_iter().map(|ranges| {
            let measured = |of: &MeasuredRange| of.measured.len() as u64;
            ranges.iter().map(measured).sum::<u64>()
        });
        let due = (0..).zip(events).map(|(channel, events)| {
            let members = schedule.membership().of_channel(channel);
            events * members.iter().filter(|&&of| is_slow(workload, of)).count() as u64
        });
        let due = Self { subscribers, deliveries: due.sum() };
        (due.subscribers > 0).then_some(due)
    }
}

/// Whether this is a cost for each delivery, connection or subscriber that does not say which part of it went
/// to slow subscribers: divided by what the others received, it would charge them for the slow.
pub(super) const fn is_shared_with_slow(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::ServerCpuPerDelivery
            | Metric::ServerCpuAboveIdlePerDelivery
            | Metric::ServerInstructionsPerDelivery
            | Metric::GeneratorCpuPerDelivery
            | Metric::BrokerCpuPerDelivery
            | Metric::ProxyCpuPerDelivery
            | Metric::ServerCpuPerConnection
            | Metric::GeneratorCpuPerConnection
            | Metric::IdleServerCpu
            | Metric::IdleGeneratorCpu
    )
}

/// How many read slowly.
pub(super) fn slow_subscribers(workload: &Workload) -> u64 {
    (0..workload.subscribers).filter(|&of| is_slow(workload, of)).count() as u64
}

/// Whether the subscriber with this number reads slowly.
pub(super) fn is_slow(workload: &Workload, subscriber: u32) -> bool {
    workload.slow.is_some_and(|slow| slow.includes(subscriber))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::scenario::template::TEMPLATE;

    #[test]
    fn slow_subscribers_are_due_their_part() {
        let with = |table: &str| Scenario::parse(&format!("{TEMPLATE}\n{table}"), "").unwrap();
        let due = |scenario: &Scenario| {
            let schedule = Schedule::new(&scenario.workload, 1);
            (SlowDue::of(&scenario.workload, &schedule), schedule.planned().deliveries)
        };
        assert_eq!(due(&with("")).0, None);
        let none = with("[workload.slow]\nshare = 0\nreads = \"nothing\"\n");
        assert_eq!(due(&none).0, None);
        let (some, all) = due(&with("[workload.slow]\nshare = 0.25\nreads = \"nothing\"\n"));
        assert_eq!(some, Some(SlowDue { subscribers: 50, deliveries: all / 4 }));
    }
}
