//! Schedules are what they say, whatever the traffic.

use std::collections::BTreeSet;

use proptest::prelude::*;

use pushbench_wire::Transport;

use super::*;
use crate::scenario::template::TEMPLATE;
use crate::scenario::tests::{any_scenario, any_workload, plain};
use crate::scenario::{Phase, Upstream};

fn workload(channels: u32, events_per_second: f64, warm_up_s: f64, duration_s: f64) -> Workload {
    Workload {
        subscribers: channels,
        channels,
        events_per_second,
        duration: Duration::from_secs_f64(duration_s),
        warm_up: Duration::from_secs_f64(warm_up_s),
        ..plain()
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
    let workload = workload(1, 10.0, 0.2, 0.3);
    let schedule = Schedule::new(&workload, 1);
    let due: Vec<_> = schedule.events().map(|due| (due.offset_ns, due.sequence)).collect();
    let ms = 1_000_000;
    assert_eq!(due, [(50 * ms, 0), (150 * ms, 1), (250 * ms, 2), (350 * ms, 3), (450 * ms, 4)]);
    assert_eq!(schedule.measured_ranges(), [[MeasuredRange { publisher: 0, measured: 2..5 }]]);
    assert_eq!(window(&workload), Duration::from_millis(200)..Duration::from_millis(500));
}

#[test]
fn channels_share_a_gap_evenly() {
    let schedule = Schedule::new(&workload(4, 1.0, 0.0, 1.0), 1);
    let due: Vec<_> = schedule.events().map(|due| (due.offset_ns, due.channel)).collect();
    assert_eq!(due, [(125_000_000, 0), (375_000_000, 1), (625_000_000, 2), (875_000_000, 3)]);
}

#[test]
fn a_warm_up_of_part_of_a_gap_lasts_the_whole_gap() {
    let workload = workload(1, 0.1, 2.0, 20.0);
    assert_eq!(window(&workload), Duration::from_secs(10)..Duration::from_secs(30));
}

#[test]
fn a_third_of_a_second_does_not_drift() {
    let schedule = Schedule::new(&workload(1, 3.0, 0.0, 3_000_000.0), 1);
    let last = schedule.events().last().unwrap();
    assert_eq!(last.sequence, 8_999_999);
    assert!(last.offset_ns.abs_diff(2_999_999_833_333_333) <= 1, "{}", last.offset_ns);
}

#[test]
fn every_block_holds_every_contender_of_every_cell_once_in_mixed_order() {
    let sweep = "[sweep]\n\"workload.subscribers\" = [50, 100, 200]\n";
    let scenario = Scenario::parse(&TEMPLATE.replace("[sweep]\n", sweep), "").unwrap();
    let planned = trials(&scenario);
    assert_eq!(planned.len(), 5 * 3 * 5);
    let mut orders = BTreeSet::new();
    for (block, trials) in (1..).zip(planned.chunks(15)) {
        assert!(trials.iter().all(|of| of.trial.block == block));
        let order: Vec<_> =
            trials.iter().map(|of| (of.cell, of.trial.contender.position())).collect();
        let each: BTreeSet<_> = order.iter().copied().collect();
        assert_eq!(each.len(), 15);
        let changes = order.windows(2).filter(|two| two[0].0 != two[1].0).count();
        assert!(changes > 4, "cells are not measured one after the other: {order:?}");
        orders.insert(order);
    }
    assert_eq!(orders.len(), 5, "every block has an order of its own");
}

#[test]
fn every_order_comes_up() {
    // That as many seeds leave out one of 120 orders has a chance of 1 in a thousand million.
    let orders: BTreeSet<_> = (0..3_000)
        .map(|seed| {
            let mut order = Transport::ALL.to_vec();
            order.shuffle(&mut generator(seed, Stream::TrialOrder));
            order
        })
        .collect();
    assert_eq!(orders.len(), (1..=Transport::ALL.len()).product::<usize>());
}

proptest! {
    #[test]
    fn every_block_holds_every_contender_once(scenario in any_scenario()) {
        let planned = trials(&scenario);
        prop_assert_eq!(planned.len(), scenario.contenders.len() * scenario.blocks as usize);
        for (block, trials) in (1..).zip(planned.chunks(scenario.contenders.len())) {
            prop_assert!(trials.iter().all(|of| of.cell == 0 && of.trial.block == block));
            let mut contenders: Vec<_> = trials.iter().map(|of| &of.trial.contender).collect();
            contenders.sort_by_key(|contender| contender.position());
            prop_assert!(contenders.into_iter().eq(scenario.contender_ids()));
        }
        prop_assert_eq!(&planned, &trials(&scenario));
        let longer = Scenario { blocks: scenario.blocks + 1, ..scenario };
        prop_assert_eq!(&planned[..], &trials(&longer)[..planned.len()]);
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
        let workload = workload(channels, events_per_second, warm_up_gaps * gap_s, gaps * gap_s);
        let schedule =
            Schedule::new(&workload, 1);
        let due: Vec<_> = schedule.events().collect();
        prop_assert!(due.is_sorted_by(|one, next| one.offset_ns < next.offset_ns));

        let window = window(&workload);
        for (k, events) in (0..).zip(due.chunks(channels as usize)) {
            let edge = |gaps: u32| (f64::from(gaps) * 1e9 / events_per_second).round() as u64;
            let gap = edge(k)..edge(k + 1);
            for (channel, due) in (0..).zip(events) {
                prop_assert_eq!((due.channel, due.sequence), (channel, k));
                prop_assert!(gap.start < due.offset_ns && due.offset_ns < gap.end);
                let at = Duration::from_nanos(due.offset_ns);
                prop_assert_eq!(window.contains(&at), due.is_measured);
            }
        }
        prop_assert!(due.iter().filter(|due| due.is_measured).count() as u64 == schedule.planned().events);
    }

    #[test]
    fn the_warm_up_is_never_shorter_than_asked(
        events_per_second in 0.01_f64..20_000.0, warm_up_ms in 0_u32..100_000,
    ) {
        let workload = workload(1, events_per_second, f64::from(warm_up_ms) / 1e3, 1e5);
        let start = window(&workload).start;
        prop_assert!(start + Duration::from_micros(1) >= workload.warm_up);
    }
}

#[test]
fn random_arrivals_keep_to_warm_up_and_window() {
    let workload = Workload { arrivals: Arrivals::Poisson, ..workload(4, 25.0, 2.0, 8.0) };
    let schedule = Schedule::new(&workload, 1);
    let window = window(&workload);
    let mut count = 0;
    for due in schedule.events() {
        let at = Duration::from_nanos(due.offset_ns);
        assert_eq!(window.contains(&at), due.is_measured, "{due:?}");
        count += 1;
    }
    assert_eq!(count, 4 * 250);
}
proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the traffic: times ascend, the window holds what is measured, sequences count up
    /// for each source, sizes are allowed, and what is said beforehand is what comes.
    #[test]
    fn every_schedule_is_what_it_says(workload in any_workload(), seed in 0_u64..1_000) {
        let schedule = Schedule::new(&workload, seed);
        let due: Vec<_> = schedule.events().collect();
        prop_assert!(due.is_sorted_by_key(|due| due.offset_ns));
        let window = window(&workload);
        let membership = schedule.membership();
        let announced = schedule.measured_ranges();
        let mut planned = Planned::default();
        let mut next = BTreeMap::new();
        for of in &due {
            let at = Duration::from_nanos(of.offset_ns);
            prop_assert!(!of.is_measured || window.contains(&at), "{of:?} {window:?}");
            prop_assert!(of.is_measured || at <= window.start, "{of:?} {window:?}");
            prop_assert!((46..=65_536).contains(&of.payload_bytes));
            let publisher = match of.source {
                Source::Backend => 0,
                Source::Connection(connection) => {
                    let channel = membership.connections()[connection as usize];
                    prop_assert_eq!(channel, of.channel);
                    publisher_of(connection / workload.channels_per_subscriber)
                }
            };
            let next = next.entry((of.channel, publisher)).or_insert(0);
            prop_assert_eq!(of.sequence, *next);
            *next += 1;
            if of.is_measured {
                planned.events += 1;
                planned.deliveries += membership.of_channel(of.channel).len() as u64;
                let ranges = &announced[of.channel as usize];
                let range = ranges.iter().find(|range| range.publisher == publisher).unwrap();
                prop_assert!(range.measured.contains(&of.sequence));
            }
        }
        prop_assert_eq!(schedule.planned(), planned);
        let announced: u64 = announced.iter().flatten()
            .map(|range| u64::from(range.measured.end - range.measured.start)).sum();
        prop_assert_eq!(announced, planned.events);
        prop_assert_eq!(due, Schedule::new(&workload, seed).events().collect::<Vec<_>>());
    }
}

#[test]
fn the_window_lasts_as_long_as_its_phases() {
    let phase = |seconds, rate| Phase {
        name: format!("{seconds} s"),
        duration: Duration::from_secs(seconds),
        rate: [rate; 2],
    };
    let phases = vec![phase(3, 0.3), phase(5, 0.0)];
    let duration = Duration::from_secs(8);
    let workload = Workload { events_per_second: 7.3, phases, duration, ..plain() };
    let Range { start, end } = window(&workload);
    assert_eq!(end - start, Duration::from_secs(8), "an idle end is part of it");
    assert_eq!(Schedule::new(&workload, 1).planned().events, 6, "3 s at 0.3 of 7.3 a second");
}

#[test]
fn subscribers_send_at_equal_distances_or_at_random() {
    let upstream = Upstream { events_per_second: 2.0, payload_bytes: PayloadBytes::Fixed(64) };
    let workload =
        Workload { subscribers: 50, events_per_second: 0.0, upstream: Some(upstream), ..plain() };
    let of_one = |arrivals| {
        let schedule = Schedule::new(&Workload { arrivals, ..workload.clone() }, 1);
        assert_eq!(schedule.planned(), Planned { events: 1_000, deliveries: 50_000 });
        let sent = schedule.events().filter(|due| due.source == Source::Connection(7));
        sent.map(|due| due.offset_ns).collect::<Vec<_>>()
    };
    let constant = of_one(Arrivals::Constant);
    assert_eq!(constant.len(), 24);
    assert!(constant.windows(2).all(|pair| (pair[1] - pair[0]).abs_diff(500_000_000) < 2));
    let random = of_one(Arrivals::Poisson);
    assert!(
        random.len().abs_diff(24) < 20
            && random.windows(2).any(|pair| pair[1] - pair[0] < 250_000_000)
    );
}
