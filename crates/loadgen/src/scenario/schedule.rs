//! What a scenario expands to: the order of its trials, the intended time of every event, and when
//! every polling subscriber asks. All of it follows from the scenario alone, on every machine.

use std::ops::Range;
use std::time::Duration;

use pushbench_wire::Transport;
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::arrivals::{PoissonEvents, Span};
use super::{Arrivals, Scenario, Workload};

/// One trial to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlannedTrial {
    /// The block that it belongs to, counted from 1.
    pub block: u32,
    /// What it measures.
    pub transport: Transport,
}

/// The trials of a run in their order: block after block, in each block every compared transport
/// once, shuffled from the seed. More blocks lengthen the list and leave its beginning as it was.
///
/// Interleaving is what keeps a machine that gets slower from being read as a slower transport
/// (Abedi & Brecht, ICPE 2017).
#[must_use]
pub fn trials(scenario: &Scenario) -> Vec<PlannedTrial> {
    let mut rng = generator(scenario.seed, Stream::TrialOrder);
    (1..=scenario.blocks)
        .flat_map(|block| {
            let mut order = scenario.compare.clone();
            order.shuffle(&mut rng);
            order.into_iter().map(move |transport| PlannedTrial { block, transport })
        })
        .collect()
}

/// When each subscriber sends its first poll, as an offset within one `interval`.
#[must_use]
pub fn polling_phases(seed: u64, subscribers: u32, interval: Duration) -> Vec<Duration> {
    phases(seed, Stream::PollingPhases, subscribers, interval)
}

/// How long the first long poll of each subscriber is held at most, within one `timeout`. So their
/// timeouts are spread as if they had arrived at random times: in a trial all of them arrive
/// together, and without this no request would time out in its first `timeout`, and then all at
/// once.
#[must_use]
pub fn first_long_poll_timeouts(seed: u64, subscribers: u32, timeout: Duration) -> Vec<Duration> {
    phases(seed, Stream::FirstLongPollTimeouts, subscribers, timeout)
}

/// One point within `interval` for each subscriber.
///
/// Stratified: the interval is cut into one slice per subscriber, each slice holds one random
/// point, and the points are dealt to the subscribers in random order. So the phases are uniform
/// on [0, `interval`), as the theory of polling wants them, with far less scatter than independent
/// draws, and no two runs of neighbours share a slice.
fn phases(seed: u64, stream: Stream, subscribers: u32, interval: Duration) -> Vec<Duration> {
    let mut rng = generator(seed, stream);
    let edge = |slice: u32| {
        let ns = interval.as_nanos() * u128::from(slice) / u128::from(subscribers);
        u64::try_from(ns).unwrap_or(u64::MAX)
    };
    let mut phases: Vec<Duration> = (0..subscribers)
        .map(|slice| {
            let (start, end) = (edge(slice), edge(slice + 1));
            // An interval of fewer nanoseconds than subscribers has slices without a point.
            Duration::from_nanos(if start < end { rng.random_range(start..end) } else { start })
        })
        .collect();
    phases.shuffle(&mut rng);
    phases
}

/// What a seed is used for: each use draws from a stream of its own, so that a change in one
/// leaves the others as they were.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    TrialOrder,
    PollingPhases,
    FirstLongPollTimeouts,
    Arrivals { channel: u32 },
}

pub(super) fn generator(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(match stream {
        Stream::TrialOrder => 0,
        Stream::PollingPhases => 1,
        Stream::FirstLongPollTimeouts => 2,
        Stream::Arrivals { channel } => (1 << 32) + u64::from(channel),
    });
    rng
}

/// The open-loop plan of one trial: when each event is meant to be published.
///
/// Every channel has the same rate, so time is cut into gaps of 1/rate, and warm-up and window hold
/// whole gaps. With constant arrivals, event k of a channel falls into gap k: in its middle where there is one channel, and otherwise where the
/// channels divide the gap evenly, so that publishing is not bunched. No event ever falls on the
/// edge of a gap, so the window, which starts and ends on edges, never cuts through one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    arrivals: Arrivals,
    seed: u64,
    channels: u32,
    events_per_second: f64,
    warm_up_events: u32,
    measured_events: u32,
}

/// One event that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When, in nanoseconds from the start of the schedule.
    pub offset_ns: u64,
    /// On which channel, from 0.
    pub channel: u32,
    /// Which event of that channel, from 0, warm-up included.
    pub sequence: u32,
}

impl Schedule {
    /// The schedule of a workload; `seed` decides what is left to chance.
    #[must_use]
    pub fn new(workload: &Workload, seed: u64) -> Self {
        Self {
            arrivals: workload.arrivals,
            seed,
            channels: workload.channels,
            events_per_second: workload.events_per_second,
            warm_up_events: workload.warm_up_events_per_channel(),
            measured_events: workload.events_per_channel(),
        }
    }

    /// Every event in the order of its time, warm-up first.
    pub fn events(&self) -> impl Iterator<Item = Due> + Clone + use<> {
        let schedule = *self;
        let constant = (self.arrivals == Arrivals::Constant).then(|| schedule.constant());
        let poisson = (self.arrivals == Arrivals::Poisson).then(|| schedule.poisson());
        constant.into_iter().flatten().chain(poisson.into_iter().flatten())
    }

    fn constant(self) -> impl Iterator<Item = Due> + Clone + use<> {
        (0..self.sequences().end).flat_map(move |sequence| {
            (0..self.channels).map(move |channel| {
                let within_gap = (f64::from(channel) + 0.5) / f64::from(self.channels);
                let offset_ns = self.gaps_ns(f64::from(sequence) + within_gap);
                Due { offset_ns, channel, sequence }
            })
        })
    }

    fn poisson(self) -> PoissonEvents {
        let window = self.window();
        let warm_up = Span { end: window.start, events: self.warm_up_events };
        let measured = Span { end: window.end, events: self.measured_events };
        PoissonEvents::new(self.seed, self.channels, [warm_up, measured])
    }

    /// The sequences that every channel publishes within the window.
    #[must_use]
    pub fn measured(&self) -> Range<u32> {
        let end = self.warm_up_events.saturating_add(self.measured_events);
        self.warm_up_events..end
    }

    /// From the end of the warm-up to the end of measuring, from the start of the schedule: whole
    /// gaps, so warm-up and window may be a little longer than the scenario asks.
    #[must_use]
    pub fn window(&self) -> Range<Duration> {
        let Range { start, end } = self.measured();
        let edge = |gaps| Duration::from_nanos(self.gaps_ns(f64::from(gaps)));
        edge(start)..edge(end)
    }

    fn sequences(&self) -> Range<u32> {
        0..self.measured().end
    }

    /// The length of so many gaps. Each time is computed afresh from its index: adding up gaps
    /// would add up their rounding.
    fn gaps_ns(&self, gaps: f64) -> u64 {
        (gaps * 1e9 / self.events_per_second).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::scenario::tests::any_scenario;

    fn workload(
        channels: u32,
        events_per_second: f64,
        warm_up_s: f64,
        duration_s: f64,
    ) -> Workload {
        Workload {
            subscribers: channels,
            channels,
            events_per_second,
            arrivals: Arrivals::Constant,
            payload_bytes: 128,
            duration: Duration::from_secs_f64(duration_s),
            warm_up: Duration::from_secs_f64(warm_up_s),
            idle: Duration::ZERO,
        }
    }

    /// A change here changes what a recorded seed means: it must never happen unnoticed.
    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut rng = generator(7, Stream::TrialOrder);
        use Transport::{LongPolling, Polling, Sse, WebSocket};
        let mut order = [Polling, LongPolling, Sse, WebSocket];
        order.shuffle(&mut rng);
        assert_eq!(order, [Polling, WebSocket, LongPolling, Sse]);
        let phases = polling_phases(7, 4, Duration::from_secs(1));
        let pinned = [680_402_932, 882_026_436, 248_027_193, 252_262_852];
        assert_eq!(phases, pinned.map(Duration::from_nanos));
        let timeouts = first_long_poll_timeouts(7, 4, Duration::from_secs(1));
        let pinned = [828_937_219, 344_386_229, 562_285_995, 75_032_095];
        assert_eq!(timeouts, pinned.map(Duration::from_nanos));
    }

    #[test]
    fn one_channel_publishes_in_the_middle_of_each_gap() {
        let schedule = Schedule::new(&workload(1, 10.0, 0.2, 0.3), 1);
        let due: Vec<_> = schedule.events().map(|due| (due.offset_ns, due.sequence)).collect();
        let ms = 1_000_000;
        assert_eq!(due, [(50 * ms, 0), (150 * ms, 1), (250 * ms, 2), (350 * ms, 3), (450 * ms, 4)]);
        assert_eq!(schedule.measured(), 2..5);
        assert_eq!(schedule.window(), Duration::from_millis(200)..Duration::from_millis(500));
    }

    #[test]
    fn channels_share_a_gap_evenly() {
        let schedule = Schedule::new(&workload(4, 1.0, 0.0, 1.0), 1);
        let due: Vec<_> = schedule.events().map(|due| (due.offset_ns, due.channel)).collect();
        assert_eq!(due, [(125_000_000, 0), (375_000_000, 1), (625_000_000, 2), (875_000_000, 3)]);
    }

    #[test]
    fn a_warm_up_of_part_of_a_gap_lasts_the_whole_gap() {
        let schedule = Schedule::new(&workload(1, 0.1, 2.0, 20.0), 1);
        assert_eq!(schedule.window(), Duration::from_secs(10)..Duration::from_secs(30));
    }

    #[test]
    fn a_third_of_a_second_does_not_drift() {
        let schedule = Schedule::new(&workload(1, 3.0, 0.0, 3_000_000.0), 1);
        let last = schedule.events().last().unwrap();
        assert_eq!(last.sequence, 8_999_999);
        assert!(last.offset_ns.abs_diff(2_999_999_833_333_333) <= 1, "{}", last.offset_ns);
    }

    proptest! {
        #[test]
        fn every_block_holds_every_transport_once(scenario in any_scenario()) {
            let planned = trials(&scenario);
            prop_assert_eq!(planned.len(), scenario.compare.len() * scenario.blocks as usize);
            for (block, trials) in (1..).zip(planned.chunks(scenario.compare.len())) {
                prop_assert!(trials.iter().all(|trial| trial.block == block));
                let transports: BTreeSet<_> = trials.iter().map(|trial| trial.transport).collect();
                prop_assert_eq!(transports, scenario.compare.iter().copied().collect());
            }
            prop_assert_eq!(&planned, &trials(&scenario));
            let longer = Scenario { blocks: scenario.blocks + 1, ..scenario };
            prop_assert_eq!(&planned[..], &trials(&longer)[..planned.len()]);
        }

        #[test]
        fn every_order_comes_up(first in 0_u64..1_000) {
            let orders: BTreeSet<_> = (first..first + 3_000)
                .map(|seed| {
                    let mut order = Transport::ALL.to_vec();
                    order.shuffle(&mut generator(seed, Stream::TrialOrder));
                    order
                })
                .collect();
            prop_assert_eq!(orders.len(), (1..=Transport::ALL.len()).product::<usize>());
        }

        #[test]
        fn every_slice_of_the_interval_has_one_phase(
            seed: u64, subscribers in 1_u32..3_000, interval_ms in 1_u64..100_000,
        ) {
            let interval = Duration::from_millis(interval_ms);
            let mut phases = polling_phases(seed, subscribers, interval);
            prop_assert_eq!(&phases, &polling_phases(seed, subscribers, interval));
            let others = first_long_poll_timeouts(seed, subscribers, interval);
            prop_assert!(subscribers < 10 || phases != others, "a stream of their own");
            phases.sort_unstable();
            prop_assert_eq!(phases.len(), subscribers as usize);
            for (slice, phase) in (0_u128..).zip(phases) {
                let edge = |slice| interval.as_nanos() * slice / u128::from(subscribers);
                prop_assert!((edge(slice)..edge(slice + 1)).contains(&phase.as_nanos()));
            }
        }

        #[test]
        fn every_gap_has_one_event_of_each_channel(
            channels in 1_u32..50, events_per_second in 0.01_f64..20_000.0,
            warm_up_gaps in 0.0_f64..5.0, gaps in 1.0_f64..40.0,
        ) {
            let gap_s = events_per_second.recip();
            let schedule =
                Schedule::new(&workload(channels, events_per_second, warm_up_gaps * gap_s, gaps * gap_s), 1);
            let due: Vec<_> = schedule.events().collect();
            prop_assert!(due.is_sorted_by(|one, next| one.offset_ns < next.offset_ns));

            let window = schedule.window();
            for (k, events) in (0..).zip(due.chunks(channels as usize)) {
                let gap = schedule.gaps_ns(f64::from(k))..schedule.gaps_ns(f64::from(k + 1));
                for (channel, due) in (0..).zip(events) {
                    prop_assert_eq!((due.channel, due.sequence), (channel, k));
                    prop_assert!(gap.start < due.offset_ns && due.offset_ns < gap.end);
                    let at = Duration::from_nanos(due.offset_ns);
                    prop_assert_eq!(window.contains(&at), schedule.measured().contains(&k));
                }
            }
            prop_assert_eq!(due.len(), channels as usize * schedule.measured().end as usize);
        }

        #[test]
        fn the_warm_up_is_never_shorter_than_asked(
            events_per_second in 0.01_f64..20_000.0, warm_up_ms in 0_u32..100_000,
        ) {
            let workload = workload(1, events_per_second, f64::from(warm_up_ms) / 1e3, 1e5);
            let start = Schedule::new(&workload, 1).window().start;
            prop_assert!(start + Duration::from_micros(1) >= workload.warm_up);
        }
    }

    #[test]
    fn random_arrivals_keep_to_warm_up_and_window() {
        let workload = Workload { arrivals: Arrivals::Poisson, ..workload(4, 25.0, 2.0, 8.0) };
        let schedule = Schedule::new(&workload, 1);
        let window = schedule.window();
        let mut count = 0;
        for due in schedule.events() {
            let at = Duration::from_nanos(due.offset_ns);
            assert_eq!(
                window.contains(&at),
                schedule.measured().contains(&due.sequence),
                "{due:?}"
            );
            count += 1;
        }
        assert_eq!(count, 4 * 250);
    }
}
