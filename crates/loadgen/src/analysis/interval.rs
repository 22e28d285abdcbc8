//! Intervals that hold the truth as often as they say, whatever the noise looks like: they rest on
//! ranks alone.
//!
//! - Of one contender: the median over blocks, between two order statistics (the sign test's
//!   interval). It asks nothing of the noise but that blocks are drawn alike.
//! - Of two contenders: the ratio within each block, because a block's trials see the same machine.
//!   The estimate is that of Hodges and Lehmann (1963) on logarithms, the interval that of
//!   Wilcoxon's signed-rank test (Hollander, Wolfe & Chicken, *Nonparametric Statistical Methods*,
//!   §3.2–3.3). It asks that the noise of a ratio is symmetric, which the shuffled order within a
//!   block provides for contenders that do not differ.
//!
//! Ranks are few, so only some levels exist: the interval is the narrowest whose level is at least
//! 95 %, or the widest there is when there are too few blocks for that. [`Interval::level`] says
//! which: 93.75 % for five blocks.

/// The level that an interval has at least, when there are enough blocks: six.
const LEVEL: f64 = 0.95;

/// A range, and the probability with which a range found like this one holds the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The probability, from 0 to 1.
    pub level: f64,
}

impl Interval {
    /// Whether `value` lies within, or on an end.
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The interval of the median of what `sorted` was drawn from; none for a single value.
    pub(super) fn of_median(sorted: &[f64]) -> Option<Self> {
        let n = sorted.len();
        // How many of n values lie below the median is a matter of n fair coins.
        Self::between(sorted, &counts_of_subsets(n, |_| 1), n)
    }

    /// The interval of the centre of symmetry of n values, from their sorted Walsh averages.
    fn of_centre(walsh: &[f64], n: usize) -> Option<Self> {
        Self::between(walsh, &counts_of_subsets(n, |rank| rank), n)
    }

    /// Between the (c + 1)-th value from either end. `counts[t]` of the 2^n equally likely cases
    /// have t values below the truth.
    fn between(sorted: &[f64], counts: &[f64], n: usize) -> Option<Self> {
        if n < 2 {
            return None;
        }
        let cases = 2_f64.powi(i32::try_from(n).ok()?);
        let mut beyond = 0.0;
        let mut level_and_cut = None;
        for (cut, count) in counts.iter().enumerate() {
            beyond += 2.0 * count / cases;
            if cut > 0 && 1.0 - beyond < LEVEL {
                break;
            }
            level_and_cut = Some((1.0 - beyond, cut));
        }
        let (level, cut) = level_and_cut?;
        Some(Self { low: *sorted.get(cut)?, high: *sorted.get(sorted.len() - 1 - cut)?, level })
    }
}

/// How many of the 2^n subsets of {1, …, n} have each sum of `weight`, from 0 on. With weight 1
/// these are binomial coefficients, with the rank itself the signed-rank distribution.
pub(super) fn counts_of_subsets(n: usize, weight: impl Fn(usize) -> usize) -> Vec<f64> {
    let mut counts = vec![1.0];
    for rank in 1..=n {
        let weight = weight(rank);
        let shorter = counts.clone();
        counts.resize(shorter.len() + weight, 0.0);
        for (sum, count) in shorter.iter().enumerate() {
            counts[sum + weight] += count;
        }
    }
    counts
}

/// The sorted means of every two logarithms of ratios, each with itself too; none when a pair has no
/// ratio.
pub(super) fn walsh_averages(pairs: &[(f64, f64)]) -> Option<Vec<f64>> {
    let log = |&(one, other): &(f64, f64)| {
        (one > 0.0 && other > 0.0).then(|| (one / other).ln()).filter(|log| log.is_finite())
    };
    let logs: Vec<f64> = pairs.iter().map(log).collect::<Option<_>>()?;
    let of = |(index, one): (usize, &f64)| -> Vec<f64> {
        logs[index..].iter().map(|other| (one + other) / 2.0).collect()
    };
    let mut walsh: Vec<f64> = logs.iter().enumerate().flat_map(of).collect();
    walsh.sort_by(f64::total_cmp);
    Some(walsh)
}

/// How many times as much one contender takes as another, from blocks in which both were measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The Hodges–Lehmann estimate.
    pub estimate: f64,
    /// Its interval; none from a single block.
    pub interval: Option<Interval>,
    /// How many blocks it rests on.
    pub blocks: usize,
}

impl Ratio {
    /// The ratio of the first to the second of each pair; none when there is no pair, or a value
    /// that has no ratio, such as 0.
    #[must_use]
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let logs: Vec<f64> = pairs.iter().map(|(one, other)| (one / other).ln()).collect();
        let has_ratio = |pair: &&(f64, f64)| pair.0 > 0.0 && pair.1 > 0.0;
        if pairs.iter().filter(has_ratio).count() < pairs.len()
            || logs.iter().any(|log| !log.is_finite())
        {
            return None;
        }
        let mut walsh: Vec<f64> = logs
            .iter()
            .enumerate()
            .flat_map(|(index, one)| logs[index..].iter().map(move |other| (one + other) / 2.0))
            .collect();
        walsh.sort_by(f64::total_cmp);
        let interval = Interval::of_centre(&walsh, logs.len()).map(|logs| Interval {
            low: logs.low.exp(),
            high: logs.high.exp(),
            level: logs.level,
        });
        Some(Self { estimate: median(&walsh)?.exp(), interval, blocks: logs.len() })
    }

    /// The same the other way round.
    #[must_use]
    pub fn inverse(self) -> Self {
        let interval = self.interval.map(|interval| Interval {
            low: interval.high.recip(),
            high: interval.low.recip(),
            level: interval.level,
        });
        Self { estimate: self.estimate.recip(), interval, blocks: self.blocks }
    }
}

/// The middle of sorted values.
pub(super) fn median(sorted: &[f64]) -> Option<f64> {
    let (&first, &last) = (sorted.first()?, sorted.last()?);
    let middle = sorted.len() / 2;
    let median = match sorted.len() % 2 {
        // Halved first, because a sum of two finite numbers need not be finite.
        0 => sorted[middle - 1] / 2.0 + sorted[middle] / 2.0,
        _ => sorted[middle],
    };
    Some(median.clamp(first, last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(ratios: &[f64]) -> Vec<(f64, f64)> {
        ratios
            .iter()
            .enumerate()
            .map(|(k, ratio)| (ratio * (k + 2) as f64, (k + 2) as f64))
            .collect()
    }

    fn level(n: usize) -> f64 {
        let ratios: Vec<f64> = (0..n).map(|k| 1.0 + k as f64 / 10.0).collect();
        Ratio::of(&pairs(&ratios)).unwrap().interval.unwrap().level
    }

    /// Tables of the signed-rank statistic give these: P(T ≤ c) for c = 0, 0, 2, 3, 5, 8.
    #[test]
    fn the_levels_are_those_of_the_tables() {
        for (n, beyond) in [(5, 1.0), (6, 1.0), (7, 3.0), (8, 5.0), (9, 10.0), (10, 25.0)] {
            let expected = 1.0 - 2.0 * beyond / 2_f64.powi(n);
            let found = level(n as usize);
            assert!((found - expected).abs() < 1e-12, "{n} blocks: {found}, not {expected}");
        }
        assert_eq!(level(2), 0.5);
    }

    /// All 2^n signs of the differences of two contenders that do not differ: how often does the
    /// interval hold 1? This is what the level claims.
    #[test]
    fn the_level_is_how_often_the_truth_is_held() {
        for n in 2..=11_u32 {
            let sizes: Vec<f64> = (0..n).map(|k| 0.01 * 1.7_f64.powf(f64::from(k))).collect();
            let mut held = 0;
            for signs in 0..1_u32 << n {
                let ratios: Vec<f64> = (0..n)
                    .map(|k| {
                        let size = sizes[k as usize];
                        if signs >> k & 1 == 1 { size.exp() } else { (-size).exp() }
                    })
                    .collect();
                held += u32::from(Ratio::of(&pairs(&ratios)).unwrap().interval.unwrap().holds(1.0));
            }
            let share = f64::from(held) / f64::from(1_u32 << n);
            assert!((share - level(n as usize)).abs() < 1e-9, "{n} blocks: {share}");
        }
    }

    #[test]
    fn the_median_lies_between_order_statistics() {
        let five = Interval::of_median(&[1.0, 2.0, 3.0, 4.0, 9.0]).unwrap();
        assert_eq!((five.low, five.high, five.level), (1.0, 9.0, 0.9375));
        let nine: Vec<f64> = (1..=9).map(f64::from).collect();
        let nine = Interval::of_median(&nine).unwrap();
        // The second and the eighth of nine: 1 - 2 (1 + 9) / 512.
        assert_eq!((nine.low, nine.high, nine.level), (2.0, 8.0, 1.0 - 20.0 / 512.0));
        assert_eq!(Interval::of_median(&[1.0]), None, "one value has no error bars");
    }

    #[test]
    fn a_ratio_of_pairs() {
        let ratio = Ratio::of(&pairs(&[1.1, 1.2, 1.0, 1.15, 1.05])).unwrap();
        assert!((ratio.estimate - 1.1).abs() < 0.005, "{ratio:?}");
        let interval = ratio.interval.unwrap();
        assert!((interval.low - 1.0).abs() < 1e-12 && (interval.high - 1.2).abs() < 1e-12);
        let inverse = ratio.inverse();
        assert!((inverse.estimate * ratio.estimate - 1.0).abs() < 1e-12);
        assert!((inverse.interval.unwrap().low - 1.0 / 1.2).abs() < 1e-12);
        assert_eq!(Ratio::of(&pairs(&[2.0])).unwrap().interval, None);
    }

    #[test]
    fn what_has_no_ratio_gives_none() {
        assert_eq!(Ratio::of(&[]), None);
        for bad in [(0.0, 1.0), (1.0, 0.0), (-1.0, -1.0), (f64::NAN, 1.0), (f64::INFINITY, 1.0)] {
            assert_eq!(Ratio::of(&[(1.0, 1.0), bad]), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn the_estimate_lies_within_its_interval(
            values in prop::collection::vec((1e-9_f64..1e12, 1e-9_f64..1e12), 1..40),
        ) {
            let ratio = Ratio::of(&values).unwrap();
            prop_assert_eq!(ratio.blocks, values.len());
            if let Some(interval) = ratio.interval {
                prop_assert!(interval.holds(ratio.estimate), "{:?}", ratio);
                prop_assert!(interval.level >= 0.95 || values.len() < 6);
            }
        }
    }
}
