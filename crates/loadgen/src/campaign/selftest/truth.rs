//! What is known beforehand: what theory says of a workload whose faults are known, and of
//! intervals whose level is known.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::analysis::Accounts;
use crate::scenario::Workload;

/// The faults that leave their mark on the account, each of every `N`-th event of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disorder {
    Drop,
    Duplicate,
    Reorder,
}

/// The account of a workload whose channels have this disorder at every `every`-th event, counted
/// from the first of the warm-up. One publisher sends them in order.
pub(super) fn account(workload: &Workload, disorder: Option<(Disorder, u32)>) -> Accounts {
    let first = workload.warm_up_events_per_channel();
    let end = first + workload.events_per_channel();
    // Every subscriber has one channel, and so its share of that channel's faults.
    let deliveries = |events: u32| u64::from(events) * u64::from(workload.subscribers);
    let hit = |kind| match disorder {
        Some((found, every)) if found == kind => match kind {
            Disorder::Drop | Disorder::Duplicate => deliveries(end / every - first / every),
            // The last event of the window cannot be late: what would overtake it is not measured.
            Disorder::Reorder => deliveries((end - 1) / every - first / every),
        },
        _ => 0,
    };
    let expected = deliveries(end - first);
    let lost = hit(Disorder::Drop);
    let some = |count: u64| Some(count as f64);
    Accounts {
        expected: some(expected),
        delivered: some(expected - lost),
        lost: some(lost),
        duplicated: some(hit(Disorder::Duplicate)),
        reordered: some(hit(Disorder::Reorder)),
        lagged: some(0),
    }
}

/// The 99th percentile of latency, when each `period` ends with a standstill of `length` and takes
/// no time otherwise. Of all events `length / period` wait, uniformly from nothing to `length`.
pub(super) fn stalled_p99(length: Duration, period: Duration) -> Duration {
    length.saturating_sub(period / 100)
}

/// The Kolmogorov–Smirnov distance of what `latencies` holds to the uniform law on [0, `longest`]:
/// the largest difference of the two distribution functions, at the edges of the histogram's bins,
/// between which nothing is known. None of no latency.
pub(super) fn distance_to_uniform(latencies: &Histogram<u64>, longest: Duration) -> Option<f64> {
    let all = latencies.len();
    let law = |ns: u64| (ns as f64 / longest.as_nanos() as f64).min(1.0);
    let mut below = 0;
    let mut distance: f64 = 0.0;
    for bin in latencies.iter_recorded() {
        let value = bin.value_iterated_to();
        let before = below as f64 / all as f64;
        below += bin.count_at_value();
        let after = below as f64 / all as f64;
        let (from, to) = (latencies.lowest_equivalent(value), latencies.highest_equivalent(value));
        distance = distance.max((law(from) - before).abs()).max((after - law(to)).abs());
    }
    (all > 0).then_some(distance)
}

/// What luck may do at most once in a thousand self-tests.
const RARE: f64 = 0.001;

/// How many of `comparisons` intervals of this level may leave the truth out, so that more of them
/// would be rarer than once in a thousand: from the binomial distribution, exactly.
pub(super) fn most_misses(comparisons: u32, level: f64) -> u32 {
    let miss = 1.0 - level;
    // The probability of exactly `misses`, each from the one before.
    let mut probability = level.powi(comparisons.cast_signed());
    let mut at_most = probability;
    let mut misses = 0;
    while misses < comparisons && 1.0 - at_most >= RARE {
        probability *= f64::from(comparisons - misses) / f64::from(misses + 1) * miss / level;
        misses += 1;
        at_most += probability;
    }
    misses
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::results::latency_log;
    use crate::scenario::Scenario;

    /// 2 channels of 10 subscribers; 20 events each are warm-up, 100 are measured.
    fn workload() -> Workload {
        let text = "name = \"x\"\ndescription = \"x\"\n[workload]\nsubscribers = 20\nchannels = 2\n\
                    events_per_second = 100.0\npayload_bytes = 64\nduration = \"1s\"\n\
                    warm_up = \"200ms\"\n[polling]\ninterval = \"50ms\"\n";
        Scenario::parse(text, "x").unwrap().workload
    }

    #[test]
    fn the_account_of_every_disorder() {
        let counts = |disorder| {
            let of = account(&workload(), disorder);
            assert_eq!((of.expected, of.lagged), (Some(2_000.0), Some(0.0)));
            assert_eq!(of.delivered, Some(2_000.0 - of.lost.unwrap()));
            [of.lost, of.duplicated, of.reordered].map(Option::unwrap)
        };
        assert_eq!(counts(None), [0.0, 0.0, 0.0]);
        // Of 120 events, those at 7, 14, … 119; of the first 20, 7 and 14.
        assert_eq!(counts(Some((Disorder::Drop, 7))), [300.0, 0.0, 0.0]);
        assert_eq!(counts(Some((Disorder::Duplicate, 7))), [0.0, 300.0, 0.0]);
        assert_eq!(counts(Some((Disorder::Reorder, 7))), [0.0, 0.0, 300.0]);
        // 20 changes places with 21, which is the first that is measured; 120 would with 121.
        assert_eq!(counts(Some((Disorder::Reorder, 20))), [0.0, 0.0, 80.0]);
    }

    /// The same, counted event by event.
    #[test]
    fn the_account_is_that_of_a_ledger() {
        let workload = workload();
        for every in 2..40 {
            let measured = 20..120;
            let is_hit = |sequence: &u32| (sequence + 1).is_multiple_of(every);
            let hits = measured.clone().filter(is_hit).count() as f64 * 20.0;
            assert_eq!(account(&workload, Some((Disorder::Drop, every))).lost, Some(hits));
            let late = measured.filter(|sequence| is_hit(sequence) && *sequence < 119).count();
            let reordered = account(&workload, Some((Disorder::Reorder, every))).reordered;
            assert_eq!(reordered, Some(late as f64 * 20.0), "every {every}");
        }
    }

    /// Against 200,000 latencies spaced evenly over ten periods.
    #[test]
    fn the_percentile_of_a_standstill() {
        let (length, period) = (100_000_u64, 1_000_000);
        let mut waits: Vec<u64> = (0..10 * period)
            .step_by(50)
            .map(|at| {
                let left = period - at % period;
                if left <= length { left } else { 0 }
            })
            .collect();
        waits.sort_unstable();
        let p99 = waits[waits.len() * 99 / 100];
        let theory =
            stalled_p99(Duration::from_nanos(length), Duration::from_nanos(period)).as_nanos();
        assert_eq!(theory, 90_000);
        assert!(u128::from(p99).abs_diff(theory) <= 50, "{p99}");
        let short = stalled_p99(Duration::from_millis(5), Duration::from_secs(1));
        assert_eq!(short, Duration::ZERO, "fewer than 1 % wait");
    }

    fn distance(latencies: impl IntoIterator<Item = u64>) -> f64 {
        let mut histogram = latency_log::histogram();
        latencies.into_iter().for_each(|ns| histogram.record(ns).unwrap());
        distance_to_uniform(&histogram, Duration::from_nanos(1_000_000)).unwrap()
    }

    #[test]
    fn the_distance_to_the_uniform_law() {
        let uniform = || (0..10_000).map(|k| k * 100 + 50);
        assert!(distance(uniform()) < 0.002, "{}", distance(uniform()));
        let later = distance(uniform().map(|ns| ns + 40_000));
        assert!((later - 0.04).abs() < 0.002, "{later}");
        let narrower = distance(uniform().map(|ns| ns / 2));
        assert!((narrower - 0.5).abs() < 0.002, "{narrower}");
        let point = distance([500_000; 100]);
        assert!((point - 0.5).abs() < 0.002, "{point}");
        assert_eq!(distance([30_000_000; 3]), 1.0, "all beyond the law");
        assert_eq!(distance_to_uniform(&latency_log::histogram(), Duration::from_secs(1)), None);
    }

    /// Tables of the binomial distribution with n = 10, p = 1/16, and so on.
    #[test]
    fn luck_is_allowed_for_but_no_more() {
        assert_eq!(most_misses(10, 0.9375), 4);
        assert_eq!(most_misses(1, 0.9375), 1, "one miss in one comparison is no proof");
        assert_eq!(most_misses(100, 0.9375), 15);
        assert_eq!(most_misses(100, 1.0), 0);
        assert_eq!(most_misses(0, 0.95), 0);
    }

    proptest! {
        /// The sum over the tail, with factorials.
        #[test]
        fn more_misses_are_rare_and_fewer_are_not(comparisons in 1_u32..120, level in 0.5_f64..0.99) {
            let ln_factorial = |n: u32| (1..=n).map(|k| f64::from(k).ln()).sum::<f64>();
            let more_than = |misses: u32| {
                (misses + 1..=comparisons)
                    .map(|k| {
                        (ln_factorial(comparisons) - ln_factorial(k) - ln_factorial(comparisons - k)
                            + f64::from(k) * (1.0 - level).ln()
                            + f64::from(comparisons - k) * level.ln())
                        .exp()
                    })
                    .sum::<f64>()
            };
            let most = most_misses(comparisons, level);
            prop_assert!(more_than(most) < RARE * 1.000_001);
            prop_assert!(most == 0 || more_than(most - 1) > RARE * 0.999_999);
        }
    }
}
