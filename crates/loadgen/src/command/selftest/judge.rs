//! Whether what was measured is what was claimed. It is pure: it knows no server and no clock, and
//! it is what a wrong figure must not get past.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::analysis::{Accounts, Estimate};
use crate::report::{quantity, shortfall};
use crate::results::Metric;
use crate::scenario::Workload;

/// A claim, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// Of what: a transport or a metric.
    pub(super) subject: String,
    /// What should have been measured.
    pub(super) claimed: String,
    /// What was, if there is a figure.
    pub(super) measured: Option<String>,
    /// Whether that agrees.
    pub(super) verdict: Verdict,
    /// Why there is no figure.
    pub(super) reason: Option<String>,
}

/// Whether a claim holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does.
    Pass,
    /// It does not.
    Fail,
    /// The machine was too busy to tell.
    Untrusted,
}

impl Verdict {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Untrusted => "not measured",
        }
    }
}

/// Why there is no figure to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A trial could not be run to its end, or has no such figure.
    Failed(String),
    /// Trials were not valid, not even when they were repeated.
    Untrusted(String),
}

/// What is claimed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Claim {
    /// A value of `metric`, and how far the measured one may be from it.
    Near { metric: Metric, value: f64, within: f64 },
    /// A share of 1 that is less than this.
    Below(f64),
    /// This very account of all deliveries.
    Exactly(Accounts),
    /// At most so many of the comparisons call two alike things different, by intervals of this
    /// level.
    AtMost { misses: u32, comparisons: u32, level: f64 },
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Measured {
    /// A figure over blocks, for [`Claim::Near`] and [`Claim::Below`].
    Figure(Estimate),
    /// For [`Claim::Exactly`].
    Account(Accounts),
    /// For [`Claim::AtMost`].
    Misses(u32),
}

impl Claim {
    /// Judges what was measured of `subject`.
    pub(super) fn judge(
        &self,
        subject: impl Into<String>,
        measured: Result<Measured, Trouble>,
    ) -> Finding {
        let verdict = match &measured {
            Ok(measured) if self.agrees_with(measured) => Verdict::Pass,
            Ok(_) | Err(Trouble::Failed(_)) => Verdict::Fail,
            Err(Trouble::Untrusted(_)) => Verdict::Untrusted,
        };
        let (measured, reason) = match measured {
            Ok(measured) => (Some(self.show(&measured)), None),
            Err(Trouble::Failed(reason) | Trouble::Untrusted(reason)) => (None, Some(reason)),
        };
        Finding { subject: subject.into(), claimed: self.to_string(), measured, verdict, reason }
    }

    fn agrees_with(&self, measured: &Measured) -> bool {
        match (self, measured) {
            (Self::Near { value, within, .. }, Measured::Figure(figure)) => {
                (figure.median - value).abs() <= *within
            }
            (Self::Below(limit), Measured::Figure(figure)) => figure.median < *limit,
            (Self::Exactly(account), Measured::Account(found)) => account == found,
            (Self::AtMost { misses, .. }, Measured::Misses(found)) => found <= misses,
            _ => false,
        }
    }

    fn show(&self, measured: &Measured) -> String {
        match measured {
            Measured::Figure(Estimate { median, interval, .. }) => {
                let (value, low_to_high) = match self {
                    Self::Near { metric, .. } => (
                        quantity::of(*metric, Some(*median)),
                        interval.map(|of| quantity::bare_range(*metric, *median, of.low, of.high)),
                    ),
                    _ => (
                        percent(*median),
                        interval.map(|of| format!("{}–{}", percent(of.low), percent(of.high))),
                    ),
                };
                match low_to_high {
                    Some(range) if !range.is_empty() => format!("{value} ({range})"),
                    _ => value,
                }
            }
            Measured::Account(account) => shortfall(*account),
            Measured::Misses(misses) => misses.to_string(),
        }
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Near { metric, value, within } => {
                let show = |value| quantity::of(*metric, Some(value));
                write!(f, "{} ± {}", show(*value), show(*within))
            }
            Self::Below(limit) => write!(f, "below {}", percent(*limit)),
            Self::Exactly(account) => f.write_str(&shortfall(*account)),
            Self::AtMost { misses, comparisons, level } => {
                write!(f, "at most {misses} of {comparisons} at {}", percent(*level))
            }
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

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

impl Claim {
    /// That a thing compared with itself is rarely called different.
    pub(super) fn alike(comparisons: u32, level: f64) -> Self {
        Self::AtMost { misses: most_misses(comparisons, level), comparisons, level }
    }
}

/// How many of `comparisons` intervals of this level may leave the truth out, so that more of them
/// would be rarer than once in a thousand: from the binomial distribution, exactly.
fn most_misses(comparisons: u32, level: f64) -> u32 {
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

    fn verdict(claim: &Claim, measured: Measured) -> Verdict {
        claim.judge("x", Ok(measured)).verdict
    }

    fn figure(values: &[f64]) -> Measured {
        Measured::Figure(Estimate::of(values).unwrap())
    }

    #[test]
    fn a_figure_passes_only_within_its_tolerance() {
        let claim = Claim::Near { metric: Metric::LatencyP50, value: 5e6, within: 450e3 };
        for (measured, expected) in [
            (5e6, Verdict::Pass),
            (5.45e6, Verdict::Pass),
            (4.55e6, Verdict::Pass),
            (5.46e6, Verdict::Fail),
            (4.54e6, Verdict::Fail),
            (0.0, Verdict::Fail),
            (-5e6, Verdict::Fail),
        ] {
            assert_eq!(verdict(&claim, figure(&[measured])), expected, "{measured}");
        }
        assert_eq!(verdict(&claim, Measured::Misses(5)), Verdict::Fail, "not even a time");
    }

    #[test]
    fn a_finding_shows_claim_and_figure() {
        let claim = Claim::Near { metric: Metric::LatencyP50, value: 5e6, within: 450e3 };
        let finding = claim.judge("SSE", Ok(figure(&[5.05e6, 5.1e6, 5.02e6])));
        assert_eq!((&finding.claimed[..], &finding.subject[..]), ("5.00 ms ± 450 µs", "SSE"));
        assert_eq!(finding.measured.as_deref(), Some("5.05 ms (5.02–5.10)"));
        let share = Claim::Below(0.03).judge("x", Ok(figure(&[0.0123])));
        assert_eq!(share.claimed, "below 3.00 %");
        assert_eq!(share.measured.as_deref(), Some("1.23 %"));
    }

    #[test]
    fn a_share_passes_below_its_limit() {
        assert_eq!(verdict(&Claim::Below(0.03), figure(&[0.0299])), Verdict::Pass);
        assert_eq!(verdict(&Claim::Below(0.03), figure(&[0.03])), Verdict::Fail);
        assert_eq!(verdict(&Claim::Below(0.03), figure(&[-0.2])), Verdict::Pass);
    }

    #[test]
    fn without_a_figure_nothing_passes() {
        let claim = Claim::alike(9, 0.5);
        let failed = claim.judge("x", Err(Trouble::Failed("it died".into())));
        assert_eq!((failed.verdict, failed.measured), (Verdict::Fail, None));
        assert_eq!(failed.reason.as_deref(), Some("it died"));
        let untrusted = claim.judge("x", Err(Trouble::Untrusted("stolen".into())));
        assert_eq!(untrusted.verdict, Verdict::Untrusted);
    }

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

    #[test]
    fn an_account_passes_only_if_every_count_is_exact() {
        let exact = account(&workload(), Some((Disorder::Drop, 7)));
        let claim = Claim::Exactly(exact);
        assert_eq!(verdict(&claim, Measured::Account(exact)), Verdict::Pass);
        let wrong = [
            Accounts { lost: Some(299.0), ..exact },
            Accounts { delivered: Some(1_701.0), ..exact },
            Accounts { duplicated: Some(1.0), ..exact },
            Accounts { reordered: Some(1.0), ..exact },
            Accounts { lagged: Some(1.0), ..exact },
            Accounts { expected: Some(1_999.0), ..exact },
            Accounts { lost: None, ..exact },
            account(&workload(), None),
        ];
        for account in wrong {
            assert_eq!(verdict(&claim, Measured::Account(account)), Verdict::Fail, "{account:?}");
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
        let claim = Claim::alike(100, 0.9375);
        assert_eq!(verdict(&claim, Measured::Misses(6)), Verdict::Pass);
        assert_eq!(verdict(&claim, Measured::Misses(16)), Verdict::Fail);
        assert_eq!(claim.to_string(), "at most 15 of 100 at 93.75 %");
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
