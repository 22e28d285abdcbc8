//! Where a series of figures changed for good: E-divisive (Matteson & James 2014, "A Nonparametric
//! Approach for Multiple Change Point Analysis of Multivariate Data", JASA 109:505, §2–3). It asks
//! nothing of the noise but that it comes in no order of its own, and it is what MongoDB (Daly et
//! al., ICPE 2020) and Apache Otava find changes of performance with.
//!
//! A split is measured by the energy distance between what lies before and behind it, with distances
//! |x − y| (α = 1). Segments are split one by one, the best split first, as long as a permutation test
//! says that a series without order would hardly have one as good.
//!
//! It must not know what the figures are.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::interval::median;

/// How often a series in which nothing changed may be said to have changed.
pub const LEVEL: f64 = 0.01;

/// Random orders that a split is held against. With the order as it was, they make 1,000: enough to
/// tell 1 % from 2 %.
const PERMUTATIONS: u32 = 999;

/// The fewest values on either side of a split: one or two may be an accident.
const MIN_SEGMENT: usize = 3;

/// A value from which on a series is another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangePoint {
    /// The index of the first value behind the change.
    pub index: usize,
    /// How often a series without order has a split as good as this.
    pub p_value: f64,
    /// The median from the change before, or the beginning, up to this one.
    pub before: f64,
    /// The median from this change up to the next, or the end.
    pub after: f64,
}

/// The changes in `values`, in their order. The same values and seed give the same changes. Values
/// that are not finite have no distance: a series with one of them has no changes.
#[must_use]
pub fn change_points(values: &[f64], seed: u64) -> Vec<ChangePoint> {
    if !values.iter().all(|value| value.is_finite()) {
        return Vec::new();
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sums = Vec::new();
    // The ends of segments that are known so far, with the p-value that each was found at.
    let mut edges = vec![(0, 0.0), (values.len(), 0.0)];
    while let Some(split) = best_split(values, &edges, &mut sums) {
        let Some(p_value) = p_value(values, &edges, split.gain, &mut rng, &mut sums) else { break };
        let place = edges.partition_point(|(edge, _)| *edge < split.at);
        edges.insert(place, (split.at, p_value));
    }
    let median_of = |from: usize, to: usize| {
        let mut segment = values[from..to].to_vec();
        segment.sort_by(f64::total_cmp);
        median(&segment)
    };
    let change = |edges: &[(usize, f64)]| {
        let &[(from, _), (index, p_value), (to, _)] = edges else { return None };
        let (before, after) = (median_of(from, index)?, median_of(index, to)?);
        Some(ChangePoint { index, p_value, before, after })
    };
    edges.windows(3).filter_map(change).collect()
}

/// A place to split at, and how much that tells.
#[derive(Clone, Copy)]
struct Split {
    at: usize,
    /// The scaled energy distance Q̂ (equation 7 of the paper).
    gain: f64,
}

/// The best split of any of the segments.
fn best_split(values: &[f64], edges: &[(usize, f64)], sums: &mut Vec<f64>) -> Option<Split> {
    let splits = edges.windows(2).filter_map(|ends| {
        let (from, to) = (ends[0].0, ends[1].0);
        let split = split_of(&values[from..to], sums)?;
        Some(Split { at: from + split.at, ..split })
    });
    // The first of equals, so that the result does not hang on how they are compared.
    splits.reduce(|best, other| if other.gain > best.gain { other } else { best })
}

/// The best split of one segment, over its place and over where what lies behind it ends: so a
/// stretch that came and went is found too.
fn split_of(segment: &[f64], sums: &mut Vec<f64>) -> Option<Split> {
    let n = segment.len();
    let width = n + 1;
    // sums[i * width + j]: the distances between each of the first i values and each of the first j.
    sums.clear();
    sums.resize(width * width, 0.0);
    for (i, one) in segment.iter().enumerate() {
        let (above, below) = sums[i * width..(i + 2) * width].split_at_mut(width);
        let mut row = 0.0;
        for ((other, above), below) in segment.iter().zip(&above[1..]).zip(&mut below[1..]) {
            row += (one - other).abs();
            *below = above + row;
        }
    }
    let mut best: Option<Split> = None;
    for at in MIN_SEGMENT..n {
        let row = &sums[at * width..(at + 1) * width];
        let before = at as f64;
        let first = row[at];
        let within_before = first / (before * (before - 1.0));
        for end in at + MIN_SEGMENT..=n {
            let behind = (end - at) as f64;
            let last = sums[end * width + end] - 2.0 * row[end] + first;
            let within_behind = last / (behind * (behind - 1.0));
            let between = (row[end] - first) / (before * behind);
            let distance = 2.0 * between - within_before - within_behind;
            let gain = before * behind / (before + behind) * distance;
            if gain > best.map_or(0.0, |best| best.gain) {
                best = Some(Split { at, gain });
            }
        }
    }
    best
}

/// How often the segments in random order have a split of so much gain, counting the order that
/// they have (Phipson & Smyth 2010: never 0); none when that is more often than [`LEVEL`].
fn p_value(
    values: &[f64],
    edges: &[(usize, f64)],
    gain: f64,
    rng: &mut ChaCha8Rng,
    sums: &mut Vec<f64>,
) -> Option<f64> {
    // Sums in another order are rounded otherwise; what is equal must count as equal.
    let as_good = gain * (1.0 - 1e-9);
    let orders = f64::from(PERMUTATIONS) + 1.0;
    let mut shuffled = values.to_vec();
    let mut found = 1.0;
    for _ in 0..PERMUTATIONS {
        for ends in edges.windows(2) {
            shuffled[ends[0].0..ends[1].0].shuffle(rng);
        }
        if best_split(&shuffled, edges, sums).is_some_and(|split| split.gain >= as_good) {
            found += 1.0;
            // The rest cannot bring it back below the level.
            if found / orders > LEVEL {
                return None;
            }
        }
    }
    Some(found / orders)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOWHERE: [usize; 0] = [];

    /// Noise that is roughly normal, of standard deviation 1.
    fn noise(rng: &mut ChaCha8Rng) -> f64 {
        (0..12).map(|_| rng.random_range(0.0..1.0)).sum::<f64>() - 6.0
    }

    fn indices(values: &[f64]) -> Vec<usize> {
        change_points(values, 7).iter().map(|change| change.index).collect()
    }

    #[test]
    fn a_step_is_found_where_it_is() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let values: Vec<f64> =
            (0..30).map(|at| if at < 18 { 100.0 } else { 110.0 } + noise(&mut rng)).collect();
        let [change] = change_points(&values, 7)[..] else { panic!("{values:?}") };
        assert_eq!(change.index, 18);
        assert!(change.p_value <= LEVEL);
        assert!((change.before - 100.0).abs() < 1.0 && (change.after - 110.0).abs() < 1.0);
    }

    #[test]
    fn what_came_and_went_is_two_changes() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let bump = |at| if (16..26).contains(&at) { 8.0 } else { 0.0 };
        let values: Vec<f64> = (0..40).map(|at| 50.0 + bump(at) + noise(&mut rng)).collect();
        assert_eq!(indices(&values), [16, 26]);
    }

    #[test]
    fn one_outlier_is_no_change() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut values: Vec<f64> = (0..30).map(|_| 100.0 + noise(&mut rng)).collect();
        values[15] = 500.0;
        assert_eq!(indices(&values), NOWHERE);
    }

    #[test]
    fn too_few_values_say_nothing() {
        assert_eq!(indices(&[]), NOWHERE);
        assert_eq!(indices(&[1.0, 1.0, 1.0, 9.0, 9.0, 9.0]), NOWHERE, "1 of 10 orders does that");
        assert_eq!(indices(&[1.0, f64::NAN, 1.0, 9.0, 9.0, 9.0]), NOWHERE);
    }

    /// With 800 series and a level of 1 %, 8 are expected; more than 20 would be an event of 1 in
    /// 10,000.
    #[test]
    fn noise_is_called_a_change_as_rarely_as_the_level_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let false_alarms = (0..800).filter(|&seed| {
            // A quarter of them with outliers, which a test on means would take for more.
            let heavy = seed % 4 == 0;
            let values: Vec<f64> = (0..20)
                .map(|_| noise(&mut rng) * if heavy { noise(&mut rng).exp() } else { 1.0 })
                .collect();
            !change_points(&values, seed).is_empty()
        });
        let false_alarms = false_alarms.count();
        assert!((1..=20).contains(&false_alarms), "{false_alarms} of 800");
    }

    /// The distance of the paper, by its definition.
    fn gain(before: &[f64], behind: &[f64]) -> f64 {
        let mean = |one: &[f64], other: &[f64], pairs: f64| {
            one.iter().flat_map(|x| other.iter().map(move |y| (x - y).abs())).sum::<f64>() / pairs
        };
        let (m, n) = (before.len() as f64, behind.len() as f64);
        let energy = 2.0 * mean(before, behind, m * n)
            - mean(before, before, m * (m - 1.0))
            - mean(behind, behind, n * (n - 1.0));
        m * n / (m + n) * energy
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_constant_never_changes(value in any::<f64>(), length in 0..40_usize) {
            prop_assert_eq!(indices(&vec![value; length]), NOWHERE);
        }

        #[test]
        fn a_large_step_is_always_found(
            before in 8..20_usize, after in 8..20_usize, step in 10.0..1e3_f64, seed: u64,
        ) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let values: Vec<f64> = (0..before + after)
                .map(|at| if at < before { 0.0 } else { step } + noise(&mut rng))
                .collect();
            prop_assert!(indices(&values).contains(&before), "{values:?}");
        }

        #[test]
        fn whatever_the_values_changes_are_in_order_and_repeat(
            values in prop::collection::vec(any::<f64>(), 0..24), seed: u64,
        ) {
            let changes = change_points(&values, seed);
            prop_assert_eq!(&changes, &change_points(&values, seed));
            prop_assert!(changes.windows(2).all(|two| two[0].index + MIN_SEGMENT <= two[1].index));
            prop_assert!(changes.iter().all(|change| change.p_value <= LEVEL));
        }

        #[test]
        fn the_split_is_the_best_by_the_definition(
            values in prop::collection::vec(-100.0..100.0_f64, 6..14),
        ) {
            let places = (MIN_SEGMENT..values.len()).flat_map(|at| {
                (at + MIN_SEGMENT..=values.len()).map(move |end| (at, end))
            });
            let best = places
                .map(|(at, end)| gain(&values[..at], &values[at..end]))
                .fold(0.0, f64::max);
            let found = split_of(&values, &mut Vec::new()).map_or(0.0, |split| split.gain);
            prop_assert!((found - best).abs() < 1e-6, "{found} is not {best}");
        }
    }
}
