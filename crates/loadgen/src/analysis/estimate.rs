//! One figure from several trials.

use crate::results::{Metric, Unit};

/// A point with its range over trials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The median over trials.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many trials it rests on; one has no error bars.
    pub trials: usize,
}

/// Below this, medians are called about the same: trials of identical builds differ as much on a
/// machine that does something else besides.
const RELEVANT: f64 = 0.10;

/// The same for times of fewer than [`FEW`] trials. On a shared machine CPU times move by 20 % in
/// waves of minutes, which so few trials do not average out.
pub(super) const RELEVANT_OF_FEW: f64 = 0.25;

/// How many trials it takes to tell noise from a difference: by chance alone, all five of one are
/// above all five of the other in 2 of 252 orders, but three above three in 2 of 20.
pub(super) const FEW: usize = 5;

impl Estimate {
    /// The estimate from the values of trials; none from no value. What is not finite is left out.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut values: Vec<f64> =
            values.iter().copied().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            // Halved first, because a sum of two finite numbers need not be finite.
            0 => values[middle - 1] / 2.0 + values[middle] / 2.0,
            _ => values[middle],
        };
        Some(Self { median: median.clamp(min, max), min, max, trials: values.len() })
    }

    /// Whether the two differ in `metric` by more than the noise: 10 % or more between the medians,
    /// 25 % for a time of which either has fewer than five trials, and ranges that do not overlap.
    #[must_use]
    pub fn differs_from(self, other: Self, metric: Metric) -> bool {
        let larger = self.median.abs().max(other.median.abs());
        let is_noisy = metric.unit() == Unit::Nanoseconds;
        let few = self.trials.min(other.trials) < FEW;
        let share = if is_noisy && few { RELEVANT_OF_FEW } else { RELEVANT };
        let relevant = (self.median - other.median).abs() >= share * larger && larger > 0.0;
        relevant && (self.max < other.min || other.max < self.min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_range() {
        let odd = Estimate::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.median, odd.min, odd.max, odd.trials), (2.0, 1.0, 3.0, 3));
        assert_eq!(Estimate::of(&[1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(Estimate::of(&[f64::MAX, f64::MAX]).unwrap().median, f64::MAX);
    }

    #[test]
    fn nothing_is_not_zero() {
        assert_eq!(Estimate::of(&[]), None);
        assert_eq!(Estimate::of(&[f64::NAN, f64::INFINITY]), None);
        assert_eq!(Estimate::of(&[f64::NAN, 4.0]).unwrap().trials, 1);
    }

    #[test]
    fn noise_is_not_a_difference() {
        let of = |values: &[f64]| Estimate::of(values).unwrap();
        let differ = |a: &[f64], b: &[f64]| of(a).differs_from(of(b), Metric::ServerCpuPerDelivery);
        assert!(!differ(&[100.0; 5], &[109.0; 5]), "below 10 %");
        assert!(differ(&[100.0; 5], &[112.0; 5]));
        assert!(!differ(&[100.0; 2], &[130.0]), "few trials, below 25 %");
        assert!(differ(&[100.0; 2], &[134.0]));
        assert!(
            !differ(&[90.0, 95.0, 100.0, 100.0, 130.0], &[120.0, 125.0, 125.0, 130.0, 140.0]),
            "overlap"
        );
        assert!(differ(&[90.0, 95.0, 100.0, 100.0, 110.0], &[120.0, 125.0, 125.0, 130.0, 140.0]));
        assert!(!differ(&[100.0, 100.1, 100.2], &[101.0, 101.1, 101.2]), "apart, but irrelevant");
        let bytes = Metric::BytesPerDelivery;
        assert!(of(&[100.0]).differs_from(of(&[112.0]), bytes), "bytes have no such noise");
        assert!(!differ(&[0.0], &[0.0]));
    }
}
