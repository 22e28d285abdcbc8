//! One figure from several trials.

use super::interval::{Interval, Ratio, median};
use crate::results::{Metric, Unit};

/// A point with its interval over trials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The median over trials.
    pub median: f64,
    /// Where the median of many such trials lies; none from a single trial, which has no error bars.
    pub interval: Option<Interval>,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many trials it rests on.
    pub trials: usize,
}

/// Ratios nearer to 1 than this are called about the same, however sure they are: nobody chooses a
/// contender for them.
const RELEVANT: f64 = 1.05;

/// The same for fewer than [`FEW`] blocks, whose intervals hold the truth too rarely to rely on.
const RELEVANT_OF_FEW: f64 = 1.10;

/// The same for times of few blocks. On a shared machine CPU times move by 20 % in waves of minutes,
/// which so few blocks do not average out.
const RELEVANT_TIME_OF_FEW: f64 = 1.25;

/// The same for bytes, whatever the number of blocks: they are counted, and what frames and heads take is
/// the same in every run.
const RELEVANT_BYTES: f64 = 1.005;

/// How many blocks it takes for an interval to tell noise from a difference: with five, it misses
/// the truth in 1 of 16 runs.
pub(super) const FEW: usize = 5;

impl Estimate {
    /// The estimate from the values of trials; none from no value. What is not finite is left out.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut values: Vec<f64> =
            values.iter().copied().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let interval = Interval::of_median(&values);
        Some(Self { median: median(&values)?, interval, min, max, trials: values.len() })
    }
}

impl Ratio {
    /// Whether the two differ in `metric` by more than the noise: the interval leaves out 1, and
    /// the estimate is 5 % or more away from it. With fewer than five blocks it has to be 10 %, and
    /// 25 % for a time; 0.5 % will do for bytes.
    #[must_use]
    pub fn is_difference(self, metric: Metric) -> bool {
        let relevant = match (self.blocks < FEW, metric.unit()) {
            _ if metric == Metric::BytesPerDelivery => RELEVANT_BYTES,
            (false, _) => RELEVANT,
            (true, Unit::Nanoseconds) => RELEVANT_TIME_OF_FEW,
            (true, _) => RELEVANT_OF_FEW,
        };
        let sure = self.interval.is_none_or(|interval| !interval.holds(1.0));
        sure && self.estimate.max(self.estimate.recip()) >= relevant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_range() {
        let odd = Estimate::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.median, odd.min, odd.max, odd.trials), (2.0, 1.0, 3.0, 3));
        assert_eq!(odd.interval.unwrap().level, 0.75);
        assert_eq!(Estimate::of(&[1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(Estimate::of(&[f64::MAX, f64::MAX]).unwrap().median, f64::MAX);
        assert_eq!(Estimate::of(&[1.0]).unwrap().interval, None);
    }

    #[test]
    fn nothing_is_not_zero() {
        assert_eq!(Estimate::of(&[]), None);
        assert_eq!(Estimate::of(&[f64::NAN, f64::INFINITY]), None);
        assert_eq!(Estimate::of(&[f64::NAN, 4.0]).unwrap().trials, 1);
    }

    #[test]
    fn noise_is_not_a_difference() {
        let differ_in = |metric, ratios: &[f64]| {
            let pairs: Vec<_> = ratios.iter().map(|ratio| (*ratio, 1.0)).collect();
            let ratio = Ratio::of(&pairs).unwrap();
            assert_eq!(ratio.is_difference(metric), ratio.inverse().is_difference(metric));
            ratio.is_difference(metric)
        };
        let differ = |ratios: &[f64]| differ_in(Metric::ServerCpuPerDelivery, ratios);
        assert!(differ(&[1.06, 1.07, 1.05, 1.09, 1.06]));
        assert!(!differ(&[1.03, 1.04, 1.02, 1.03, 1.03]), "sure, but irrelevant");
        assert!(!differ(&[1.30, 1.40, 0.98, 1.30, 1.20]), "one block says otherwise");
        assert!(!differ(&[1.20, 1.22, 1.21]), "few blocks, below 25 %");
        assert!(differ(&[1.30, 1.28, 1.32]));
        assert!(!differ(&[1.24]) && differ(&[1.34]), "a single block has its size alone");
        assert!(differ_in(Metric::ServerMemoryPerSubscriber, &[1.12]), "memory has no such noise");
        assert!(differ_in(Metric::BytesPerDelivery, &[143.02 / 135.05]), "bytes are exact");
        assert!(!differ_in(Metric::BytesPerDelivery, &[1.004]));
    }
}
