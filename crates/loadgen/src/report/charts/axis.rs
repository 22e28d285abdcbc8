//! Axes: where their marks are, and what stands there.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// A linear axis with marks of our choice: plotters' own combinator for that cannot be labelled.
#[derive(Clone)]
pub(super) struct Axis {
    /// Where it begins and ends; an end below the beginning turns it round.
    pub(super) range: Range<f64>,
    /// Where labels and lines are.
    pub(super) marks: Vec<f64>,
    /// Where faint lines are.
    pub(super) minor: Vec<f64>,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.range.start) / (self.range.end - self.range.start);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { self.minor.clone() } else { self.marks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// A logarithmic axis of whole decades, in powers of ten, that holds all of `values`; none if there
/// are no values. Zero counts as 1, because it has no logarithm.
pub(super) fn decades(values: impl Iterator<Item = f64>) -> Option<Axis> {
    let logarithms = values.filter(|value| value.is_finite()).map(|value| value.max(1.0).log10());
    let (low, high) = logarithms.fold(None, |bounds: Option<(f64, f64)>, value| {
        Some(bounds.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    })?;
    let low = low.floor() as i32;
    let high = (high.ceil() as i32).max(low + 1);
    let minor = |decade| [2_f64, 5.0].map(|times| f64::from(decade) + times.log10());
    Some(Axis {
        range: f64::from(low)..f64::from(high),
        marks: (low..=high).map(f64::from).collect(),
        minor: (low..high).flat_map(minor).collect(),
    })
}

/// A logarithmic axis, in powers of ten, from the mark below the least of `values` to the one above
/// the greatest, with marks at 1, 2 and 5 times each power; none if no value is above 0.
pub(super) fn logarithmic(values: impl Iterator<Item = f64>) -> Option<Axis> {
    // Whatever is beyond these is no load, and would only overflow.
    let values = values.filter(|value| (1e-9..=1e12).contains(value));
    let ends = values.fold(None, |ends: Option<(f64, f64)>, value| {
        Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    });
    let (low, high) = ends?;
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let marks: Vec<f64> = decades
        .flat_map(|decade| [1.0, 2.0, 5.0].map(|times| times * 10_f64.powi(decade)))
        .collect();
    let first = marks.iter().rposition(|mark| *mark <= low).unwrap_or(0);
    let last = marks.iter().position(|mark| *mark >= high).unwrap_or(marks.len() - 1);
    let last = last.max(first + 1).min(marks.len() - 1);
    let marks: Vec<f64> = marks[first..=last].iter().map(|mark| mark.log10()).collect();
    // Three decades of marks fill an axis.
    let is_wide = marks.len() > 10;
    let is_power = |mark: &f64| (mark - mark.round()).abs() < 1e-9;
    let (bold, minor) = marks.iter().partition(|mark| !is_wide || is_power(mark));
    Some(Axis { range: marks[0]..marks[marks.len() - 1], marks: bold, minor })
}

/// A linear axis from 0 that holds `highest`, in about six steps of 1, 2 or 5 times a power of ten.
pub(super) fn steps(highest: f64) -> Axis {
    // Whatever is beyond this is no measurement, and would only overflow.
    let highest = if highest > 0.0 { highest.clamp(1e-9, 1e18) } else { 1.0 };
    let step = round_step(highest / 6.0);
    let count = (highest / step).ceil().max(1.0) as u32;
    Axis {
        range: 0.0..f64::from(count) * step,
        marks: (0..=count).map(|index| f64::from(index) * step).collect(),
        minor: Vec::new(),
    }
}

/// The smallest of 1, 2 or 5 times a power of ten that is `rough` or more.
fn round_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|times| times * power);
    steps.into_iter().find(|step| *step >= rough).unwrap_or(10.0 * power)
}

/// A linear axis that holds `low` and `high` and a tenth of their middle to either side, in about four
/// steps of 1, 2 or 5 times a power of ten: for what varies little, far from 0.
pub(super) fn around(low: f64, high: f64) -> Axis {
    let [low, high] = [low, high].map(|end| end.clamp(-1e18, 1e18));
    let middle = low / 2.0 + high / 2.0;
    let margin = (0.1 * middle.abs()).max(1e-9);
    let (low, high) = (low.min(middle - margin), high.max(middle + margin));
    let step = round_step((high - low) / 4.0);
    let first = (low / step).floor();
    let count = ((high / step).ceil() - first).max(1.0) as u32;
    let mark = |index: u32| (first + f64::from(index)) * step;
    Axis { range: mark(0)..mark(count), marks: (0..=count).map(mark).collect(), minor: Vec::new() }
}

/// An axis of ratios in natural logarithms, with 1 in its middle. It holds all of `ratios` up to a
/// thousandfold.
pub(super) fn ratios(ratios: impl Iterator<Item = f64>) -> Axis {
    let sizes = ratios.filter(|ratio| *ratio > 0.0 && ratio.is_finite()).map(|of| of.ln().abs());
    // Some room, so that no dot is cut; and never so little that noise looks like a change.
    let reach = (sizes.fold(0.0, f64::max) * 1.05).clamp(1.02_f64.ln(), 1e3_f64.ln());
    let even = |step: f64| -> Vec<f64> {
        (-9..=9).map(|index| 1.0 + f64::from(index) * step).filter(|of| *of > 0.0).collect()
    };
    let marks = match reach.exp() - 1.0 {
        excess if excess < 1.0 => {
            let steps = [0.005, 0.01, 0.02, 0.05, 0.1];
            even(steps.into_iter().find(|step| excess / step <= 4.0).unwrap_or(0.25))
        }
        excess if excess < 4.0 => {
            vec![0.2, 0.25, 1.0 / 3.0, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0]
        }
        _ => vec![1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3],
    };
    let marks = marks.into_iter().map(f64::ln).filter(|mark| mark.abs() <= reach).collect();
    Axis { range: -reach..reach, marks, minor: Vec::new() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decades_are_whole() {
        let axis = decades([400e3, 1004e6].into_iter()).unwrap();
        assert_eq!((axis.range, axis.marks.len()), (5.0..10.0, 6));
        assert_eq!(decades([1e6, 1e6].into_iter()).unwrap().range, 6.0..7.0);
        assert_eq!(decades([0.0].into_iter()).unwrap().range, 0.0..1.0);
        assert!(decades([f64::NAN].into_iter()).is_none());
    }

    #[test]
    fn logarithmic_axes_end_at_a_mark() {
        let marks = |values: &[f64]| -> Vec<f64> {
            let axis = logarithmic(values.iter().copied()).unwrap();
            axis.marks.iter().map(|mark| (10_f64.powf(*mark) * 1e3).round() / 1e3).collect()
        };
        assert_eq!(marks(&[25.0, 180.0]), [20.0, 50.0, 100.0, 200.0]);
        assert_eq!(marks(&[0.3, 0.3]), [0.2, 0.5]);
        assert_eq!(marks(&[10.0]), [10.0, 20.0]);
        assert_eq!(marks(&[3.0, 40_000.0]), [10.0, 100.0, 1_000.0, 10_000.0]);
        assert!(logarithmic([0.0, -1.0, f64::NAN].into_iter()).is_none());
    }

    #[test]
    fn steps_are_round() {
        assert_eq!(steps(21_500.0).marks, [0.0, 5e3, 10e3, 15e3, 20e3, 25e3]);
        assert_eq!(steps(402.0).marks.last(), Some(&500.0));
        assert_eq!(steps(0.0).range, 0.0..1.0);
    }

    #[test]
    fn what_varies_little_gets_an_axis_of_its_own() {
        assert_eq!(
            around(3_100.0, 3_500.0).marks,
            [2_800.0, 3_000.0, 3_200.0, 3_400.0, 3_600.0, 3_800.0]
        );
        assert_eq!(around(171.0, 171.0).range, 150.0..190.0, "bytes hardly vary");
        assert!(around(0.0, 0.0).range.end > 0.0);
    }

    #[test]
    fn ratios_lie_around_one() {
        let marks = |ratio: f64| -> Vec<f64> {
            let axis = ratios([ratio].into_iter());
            axis.marks.iter().map(|mark| (mark.exp() * 1e3).round() / 1e3).collect()
        };
        assert_eq!(marks(1.0), [0.99, 1.0, 1.01, 1.02]);
        assert_eq!(marks(1.12), [0.9, 0.95, 1.0, 1.05, 1.1]);
        assert_eq!(marks(0.4), [0.5, 0.75, 1.0, 1.5, 2.0]);
        assert_eq!(marks(1e9), [0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1e3]);
        assert_eq!(marks(f64::NAN), marks(1.0));
    }

    proptest! {
        #[test]
        fn axes_around_hold_both_ends(one in -1e15..1e15_f64, other in -1e15..1e15_f64) {
            let (low, high) = (one.min(other), one.max(other));
            let axis = around(low, high);
            let slack = 1e-9 * (axis.range.end - axis.range.start);
            prop_assert!(axis.range.start <= low + slack && axis.range.end >= high - slack);
            prop_assert!((2..=8).contains(&axis.marks.len()), "{:?}", axis.marks);
        }

        #[test]
        fn axes_hold_their_values(value in any::<f64>()) {
            let axis = steps(value);
            prop_assert!((2..=12).contains(&axis.marks.len()) && axis.range.end.is_finite());
            if value < 1e18 {
                prop_assert!(axis.range.end >= value * 0.999_999);
            }
            if let Some(axis) = logarithmic(std::iter::once(value)) {
                let slack = 1e-9;
                let range = axis.range.start - slack..=axis.range.end + slack;
                prop_assert!(range.contains(&value.log10()) && axis.range.start < axis.range.end);
            }
            if let Some(axis) = decades(std::iter::once(value)) {
                prop_assert!(axis.marks.len() >= 2);
            }
        }
    }
}
