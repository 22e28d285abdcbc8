//! What one worker's subscribers receive: latency histograms, and the account of every event.
//! Workers share nothing; their recorders are merged when the trial is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use pushbench_wire::Stamp;

use super::delivery_tracker::{DeliveryTracker, Receipt};
use super::page_account::PageAccount;
use super::slow_account::SlowAccount;
use crate::results::latency_log;
use crate::scenario::Workload;
use crate::scenario::schedule::window;

/// The most intervals that latency over time is kept in: each is a histogram of some 200 KB.
const MAX_INTERVALS: u32 = 60;

/// The beginning of a window that has not begun.
const NEVER: u64 = u64::MAX;

/// The measured window of a trial, and the intervals that latency over time is kept in. When it
/// begins is known once everyone is connected.
#[derive(Clone, Debug)]
pub(super) struct Window {
    start_ns: Arc<AtomicU64>,
    /// Where each interval begins, and where the last one ends, from the beginning.
    edges_ns: Arc<[u64]>,
}

impl Window {
    /// That of a workload: with a part for each of its phases.
    pub(super) fn of(workload: &Workload) -> Self {
        let phases: Vec<_> = workload.phases.iter().map(|phase| phase.duration).collect();
        let span = window(workload);
        match &phases[..] {
            [] => Self::new(&[span.end - span.start]),
            phases => Self::new(phases),
        }
    }

    /// One of parts that follow each other; one part, where there are no phases. Each part is cut
    /// into intervals of about a second, unless that is too many; a single one into thirds of whole
    /// intervals.
    pub(super) fn new(parts: &[Duration]) -> Self {
        let length: Duration = parts.iter().sum();
        let least = Duration::from_secs(1).max(length / MAX_INTERVALS);
        let (mut edges_ns, mut start_ns) = (vec![0], 0);
        for part in parts {
            let part_ns = part.as_nanos() as u64;
            let whole = (part.as_nanos() / least.as_nanos()).max(1) as u64;
            let intervals = if parts.len() == 1 { whole.next_multiple_of(3) } else { whole };
            edges_ns.extend((1..=intervals).map(|edge| start_ns + part_ns * edge / intervals));
            start_ns += part_ns;
        }
        Self { start_ns: Arc::new(NEVER.into()), edges_ns: edges_ns.into() }
    }

    /// Says when it begins, on [`pushbench_wire::clock`].
    pub(super) fn begins_at(&self, start_ns: u64) {
        self.start_ns.store(start_ns, Ordering::Relaxed);
    }

    /// Where each interval begins from the beginning of the window, and how long it is.
    pub(super) fn intervals(&self) -> impl Iterator<Item = (Duration, Duration)> {
        self.edges_ns.windows(2).map(|edges| {
            (Duration::from_nanos(edges[0]), Duration::from_nanos(edges[1] - edges[0]))
        })
    }

    /// Whether it begins after an event was meant to be published.
    fn begins_after(&self, intended_ns: u64) -> bool {
        intended_ns < self.start_ns.load(Ordering::Relaxed)
    }

    /// The one in which an event was meant to be published.
    fn interval_of(&self, intended_ns: u64) -> usize {
        let since_ns = intended_ns.saturating_sub(self.start_ns.load(Ordering::Relaxed));
        let last = self.edges_ns.len().saturating_sub(2);
        self.edges_ns.partition_point(|edge| *edge <= since_ns).saturating_sub(1).min(last)
    }
}

/// The latencies and the account of one worker's subscribers.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) window: Window,
    /// Delivery latency by the interval in which the event was meant to be published.
    pub(super) intervals: Vec<Histogram<u64>>,
    /// The same deliveries counted from the actual publish time.
    pub(super) uncorrected: Histogram<u64>,
    /// Delivery latency of events to those who sent them, who are not among the others.
    pub(super) echoes: Histogram<u64>,
    /// How long subscribers took to connect, the first time that each did.
    pub(super) connects: Histogram<u64>,
    /// How long it took from a broken connection until the next one.
    pub(super) reconnects: Histogram<u64>,
    /// How long it took from a broken connection until the next event.
    pub(super) recoveries: Histogram<u64>,
    /// How long it took from when the network carried nothing of a connection any more until its subscriber
    /// noticed.
    pub(super) notices: Histogram<u64>,
    /// The account of every event.
    pub(super) account: Account,
    /// What the page of a browser says of itself, where subscribers are in one.
    pub(super) page: Option<PageAccount>,
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
    pub(super) unknown: u64,
    /// Connections that broke.
    pub(super) reconnects: u64,
    /// Of those, which were taken for dead because nothing came.
    pub(super) found_dead: u64,
    /// Why the first of them did.
    pub(super) first_reconnect: Option<String>,
    /// What slow subscribers received, which is in nothing above.
    pub(super) slow: SlowAccount,
    /// How the first message begins that was no event, and which the recipe of a foreign server does not
    /// know.
    pub(super) first_other: Option<String>,
}

impl Recorder {
    pub(super) fn new(window: Window) -> Self {
        Self {
            intervals: window.intervals().map(|_| latency_log::histogram()).collect(),
            window,
            uncorrected: latency_log::histogram(),
            echoes: latency_log::histogram(),
            connects: latency_log::histogram(),
            reconnects: latency_log::histogram(),
            recoveries: latency_log::histogram(),
            notices: latency_log::histogram(),
            account: Account::default(),
            page: None,
        }
    }

    /// Enters a delivery to `receiver` that was read at `at_ns`. Says whether it is a measured event
    /// that it had not got before.
    pub(super) fn enter(
        &mut self,
        tracker: &mut DeliveryTracker,
        receiver: u16,
        stamp: &Stamp,
        at_ns: u64,
    ) -> bool {
        if self.window.begins_after(stamp.intended_ns)
            && tracker.measures(stamp.publisher, stamp.sequence)
        {
            // An event of that number of another trial, which the server has kept.
            self.account.unknown += 1;
            return false;
        }
        match tracker.enter(stamp.publisher, stamp.sequence) {
            Receipt::InOrder => {}
            Receipt::Reordered => self.account.reordered += 1,
            Receipt::Duplicate => {
                self.account.duplicated += 1;
                return false;
            }
            Receipt::Unmeasured => return false,
            Receipt::Unknown => {
                self.account.unknown += 1;
                return false;
            }
        }
        self.account.delivered += 1;
        match (at_ns.checked_sub(stamp.intended_ns), at_ns.checked_sub(stamp.published_ns)) {
            (Some(corrected), Some(uncorrected)) => {
                let limit = latency_log::HIGHEST.as_nanos() as u64;
                self.account.beyond_range += u64::from(corrected > limit);
                if stamp.publisher == receiver {
                    self.echoes.saturating_record(corrected);
                } else {
                    let interval = self.window.interval_of(stamp.intended_ns);
                    self.intervals[interval].saturating_record(corrected);
                    self.uncorrected.saturating_record(uncorrected);
                }
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
        add(&mut self.echoes, &other.echoes);
        add(&mut self.connects, &other.connects);
        add(&mut self.reconnects, &other.reconnects);
        add(&mut self.recoveries, &other.recoveries);
        add(&mut self.notices, &other.notices);
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
        self.unknown += other.unknown;
        self.reconnects += other.reconnects;
        self.found_dead += other.found_dead;
        self.slow.merge(&other.slow);
        if self.first_other.is_none() {
            self.first_other.clone_from(&other.first_other);
        }
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
    use crate::engine::delivery_tracker::ExpectedEvents;
    use crate::scenario::schedule::MeasuredRange;

    /// Nobody's events are echoes to it.
    const SILENT: u16 = u16::MAX;

    fn recorder() -> Recorder {
        let window = Window::new(&[Duration::from_secs(2)]);
        window.begins_at(1_000);
        Recorder::new(window)
    }

    /// Twenty events behind a warm-up of ten, from each of two publishers.
    fn tracker() -> DeliveryTracker {
        let range = |publisher| MeasuredRange { publisher, measured: 10..30 };
        DeliveryTracker::new(ExpectedEvents::new(&[range(0), range(5)]).into())
    }

    fn stamp(sequence: u32) -> Stamp {
        Stamp { publisher: 0, sequence, intended_ns: 1_000, published_ns: 1_500 }
    }

    #[test]
    fn every_event_is_accounted_for() {
        let (mut recorder, mut tracker) = (recorder(), tracker());
        let mut enter =
            |sequence, at_ns| recorder.enter(&mut tracker, SILENT, &stamp(sequence), at_ns);
        assert!(!enter(9, 2_000), "warm-up");
        assert!(enter(10, 2_000));
        assert!(enter(12, 2_000));
        assert!(enter(11, 2_000), "late, but delivered");
        assert!(!enter(12, 2_000), "again");
        assert!(enter(29, 1_200), "before it was published");
        assert!(!enter(30, 2_000), "never published");
        let expected = Account {
            delivered: 4,
            duplicated: 1,
            reordered: 1,
            negative: 1,
            unknown: 1,
            ..Account::default()
        };
        assert_eq!(recorder.account, expected);
        assert_eq!(recorder.corrected().len(), 3);
        assert_eq!(recorder.corrected().max(), 1_000);
        assert_eq!(recorder.uncorrected.max(), 500);
    }

    #[test]
    fn what_an_earlier_trial_published_is_none_of_this_one() {
        let (mut recorder, mut tracker) = (recorder(), tracker());
        let early = Stamp { intended_ns: 999, ..stamp(10) };
        assert!(!recorder.enter(&mut tracker, SILENT, &early, 2_000));
        assert!(!recorder.enter(&mut tracker, SILENT, &Stamp { sequence: 9, ..early }, 2_000));
        assert_eq!((recorder.account.unknown, recorder.account.delivered), (1, 0));
        assert!(recorder.enter(&mut tracker, SILENT, &stamp(10), 2_000), "its own is no duplicate");
    }

    #[test]
    fn intervals_keep_to_phases() {
        let seconds = |parts: &[u64]| {
            let parts: Vec<_> = parts.iter().map(|part| Duration::from_secs(*part)).collect();
            let window = Window::new(&parts);
            let lengths: Vec<_> =
                window.intervals().map(|(_, length)| length.as_secs_f64()).collect();
            (lengths, window)
        };
        let single = seconds(&[4]).0;
        assert_eq!(single.len(), 6, "thirds are whole intervals");
        assert!(single.iter().all(|length| (length - 4.0 / 6.0).abs() < 1e-8));
        let (lengths, window) = seconds(&[2, 1, 3]);
        assert_eq!(lengths, [1.0; 6]);
        window.begins_at(500);
        let at = |seconds: f64| window.interval_of(500 + (seconds * 1e9) as u64);
        assert_eq!([at(0.0), at(0.99), at(1.0), at(2.5), at(5.99), at(9.0)], [0, 0, 1, 2, 5, 5]);
        assert_eq!(seconds(&[60, 600]).0.len(), 5 + 54, "not more than can be kept");
    }

    #[test]
    fn what_one_sent_oneself_is_delivered_but_no_latency_of_others() {
        let (mut recorder, mut tracker) = (recorder(), tracker());
        let own = Stamp { publisher: 5, ..stamp(10) };
        assert!(recorder.enter(&mut tracker, 5, &own, 1_700));
        assert!(recorder.enter(&mut tracker, 5, &stamp(10), 2_000));
        assert_eq!(recorder.account.delivered, 2);
        assert_eq!((recorder.echoes.len(), recorder.echoes.max()), (1, 700));
        assert_eq!((recorder.corrected().len(), recorder.corrected().max()), (1, 1_000));
    }

    #[test]
    fn intervals_share_the_window_and_merge() {
        let (mut one, mut own) = (recorder(), tracker());
        for index in 0..20 {
            let intended_ns = 1_000 + u64::from(index) * 100_000_000;
            let stamp = Stamp { intended_ns, published_ns: intended_ns, ..stamp(10 + index) };
            one.enter(&mut own, SILENT, &stamp, intended_ns + 5);
        }
        assert_eq!(one.intervals.iter().map(Histogram::len).collect::<Vec<_>>(), [7, 7, 6]);
        assert_eq!(one.first_and_last_third().map(|third| third.len()), [7, 6]);
        let mut other = recorder();
        other.enter(&mut tracker(), SILENT, &stamp(10), u64::MAX);
        one.merge(&other);
        assert_eq!(one.account.delivered, 21);
        assert_eq!(one.account.beyond_range, 1);
        assert_eq!(one.intervals[0].len(), 8, "a latency out of range still counts");
    }
}
