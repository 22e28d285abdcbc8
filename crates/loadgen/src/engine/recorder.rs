//! What one worker's subscribers receive: latency histograms, and the account of every event.
//! Workers share nothing; their recorders are merged when the trial is over.

use std::time::Duration;

use hdrhistogram::Histogram;
use pushbench_wire::Stamp;

use super::ledger::{Ledger, Receipt};
use crate::results::latency_log;

/// The most intervals that latency over time is kept in: each is a histogram of some 200 KB.
const MAX_INTERVALS: u64 = 60;

/// Which events of a channel are measured, by their sequence numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct MeasuredEvents {
    /// Those before this one belong to the warm-up.
    pub(super) first: u32,
    /// How many are measured.
    pub(super) count: u32,
    /// How long they take.
    pub(super) duration: Duration,
}

impl MeasuredEvents {
    /// The place of `sequence` among the measured events; `None` in the warm-up, and for a number
    /// that the trial does not publish.
    pub(super) fn index(&self, sequence: u32) -> Option<u32> {
        sequence.checked_sub(self.first).filter(|index| *index < self.count)
    }

    /// How many intervals latency over time is cut into: about one a second, unless that is too
    /// many. Each third of the window is whole intervals.
    fn intervals(&self) -> u64 {
        self.duration.as_secs().clamp(1, MAX_INTERVALS).next_multiple_of(3)
    }

    /// Length of each interval.
    pub(super) fn interval(&self) -> Duration {
        self.duration.div_f64(self.intervals() as f64)
    }

    fn interval_of(&self, index: u32) -> usize {
        (u64::from(index) * self.intervals() / u64::from(self.count)) as usize
    }
}

/// The latencies and the account of one worker's subscribers.
#[derive(Debug)]
pub(super) struct Recorder {
    measured: MeasuredEvents,
    /// Delivery latency by the interval in which the event was meant to be published.
    pub(super) intervals: Vec<Histogram<u64>>,
    /// The same deliveries counted from the actual publish time.
    pub(super) uncorrected: Histogram<u64>,
    /// The account of every event.
    pub(super) account: Account,
}

/// How many deliveries there were of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    /// Measured events that reached a subscriber, each counted once per subscriber.
    pub(super) delivered: u64,
    /// Events that came again.
    pub(super) duplicated: u64,
    /// Events that came after a later one.
    pub(super) reordered: u64,
    /// Events that seem to have come before they were published.
    pub(super) negative: u64,
    /// Latencies beyond the histogram.
    pub(super) beyond_range: u64,
    /// Notices of having fallen behind the log.
    pub(super) lagged: u64,
    /// Events that this trial has not published.
    pub(super) foreign: u64,
    /// Connections that broke.
    pub(super) reconnects: u64,
    /// Why the first of them did.
    pub(super) first_reconnect: Option<String>,
}

impl Recorder {
    pub(super) fn new(measured: MeasuredEvents) -> Self {
        Self {
            measured,
            intervals: (0..measured.intervals()).map(|_| latency_log::histogram()).collect(),
            uncorrected: latency_log::histogram(),
            account: Account::default(),
        }
    }

    /// Enters a delivery that was read at `at_ns`. Says whether it is a measured event that the
    /// subscriber had not got before.
    pub(super) fn enter(&mut self, ledger: &mut Ledger, stamp: &Stamp, at_ns: u64) -> bool {
        let Some(index) = self.measured.index(stamp.sequence) else {
            self.account.foreign += u64::from(stamp.sequence >= self.measured.first);
            return false;
        };
        match ledger.enter(index) {
            Receipt::Again => {
                self.account.duplicated += 1;
                return false;
            }
            Receipt::Late => self.account.reordered += 1,
            Receipt::InOrder => {}
        }
        self.account.delivered += 1;
        match (at_ns.checked_sub(stamp.intended_ns), at_ns.checked_sub(stamp.published_ns)) {
            (Some(corrected), Some(uncorrected)) => {
                let limit = latency_log::HIGHEST.as_nanos() as u64;
                self.account.beyond_range += u64::from(corrected > limit);
                let interval = self.measured.interval_of(index);
                self.intervals[interval].saturating_record(corrected);
                self.uncorrected.saturating_record(uncorrected);
            }
            _ => self.account.negative += 1,
        }
        true
    }

    /// All delivery latencies in one histogram.
    pub(super) fn corrected(&self) -> Histogram<u64> {
        sum(&self.intervals)
    }

    /// Those of the first and of the last third of the window.
    pub(super) fn first_and_last_third(&self) -> [Histogram<u64>; 2] {
        let third = self.intervals.len() / 3;
        let last = self.intervals.len() - third;
        [sum(&self.intervals[..third]), sum(&self.intervals[last..])]
    }

    /// Adds what another worker recorded in the same trial.
    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.intervals.iter_mut().zip(&other.intervals) {
            add(mine, theirs);
        }
        add(&mut self.uncorrected, &other.uncorrected);
        self.account.merge(&other.account);
    }
}

impl Account {
    fn merge(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.negative += other.negative;
        self.beyond_range += other.beyond_range;
        self.lagged += other.lagged;
        self.foreign += other.foreign;
        self.reconnects += other.reconnects;
        if self.first_reconnect.is_none() {
            self.first_reconnect.clone_from(&other.first_reconnect);
        }
    }
}

fn sum(histograms: &[Histogram<u64>]) -> Histogram<u64> {
    let mut sum = latency_log::histogram();
    for histogram in histograms {
        add(&mut sum, histogram);
    }
    sum
}

fn add(sum: &mut Histogram<u64>, other: &Histogram<u64>) {
    // Fails only for a value beyond the range of `sum`; all histograms here have the same.
    let _ = sum.add(other);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURED: MeasuredEvents =
        MeasuredEvents { first: 10, count: 20, duration: Duration::from_secs(2) };

    fn stamp(sequence: u32) -> Stamp {
        Stamp { publisher: 0, sequence, intended_ns: 1_000, published_ns: 1_500 }
    }

    #[test]
    fn every_event_is_accounted_for() {
        let mut recorder = Recorder::new(MEASURED);
        let mut ledger = Ledger::new(MEASURED.count);
        assert!(!recorder.enter(&mut ledger, &stamp(9), 2_000), "warm-up");
        assert!(recorder.enter(&mut ledger, &stamp(10), 2_000));
        assert!(recorder.enter(&mut ledger, &stamp(12), 2_000));
        assert!(recorder.enter(&mut ledger, &stamp(11), 2_000), "late, but delivered");
        assert!(!recorder.enter(&mut ledger, &stamp(12), 2_000), "again");
        assert!(recorder.enter(&mut ledger, &stamp(29), 1_200), "before it was published");
        assert!(!recorder.enter(&mut ledger, &stamp(30), 2_000), "never published");
        let expected = Account {
            delivered: 4,
            duplicated: 1,
            reordered: 1,
            negative: 1,
            foreign: 1,
            ..Account::default()
        };
        assert_eq!(recorder.account, expected);
        assert_eq!(recorder.corrected().len(), 3);
        assert_eq!(recorder.corrected().max(), 1_000);
        assert_eq!(recorder.uncorrected.max(), 500);
    }

    #[test]
    fn intervals_share_the_events_and_merge() {
        let mut one = Recorder::new(MEASURED);
        let mut ledger = Ledger::new(MEASURED.count);
        for sequence in 10..30 {
            one.enter(&mut ledger, &stamp(sequence), 2_000);
        }
        assert_eq!(one.intervals.iter().map(Histogram::len).collect::<Vec<_>>(), [7, 7, 6]);
        assert_eq!(one.first_and_last_third().map(|third| third.len()), [7, 6]);
        let mut other = Recorder::new(MEASURED);
        other.enter(&mut Ledger::new(MEASURED.count), &stamp(10), u64::MAX);
        one.merge(&other);
        assert_eq!(one.account.delivered, 21);
        assert_eq!(one.account.beyond_range, 1);
        assert_eq!(one.intervals[0].len(), 8, "a latency out of range still counts");
    }
}
