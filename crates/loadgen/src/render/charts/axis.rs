//! Axes: where they begin and end, where their marks are, and what stands there.

use std::ops::Range;

use crate::document::{Axis, format};

/// A range of values from which on an axis is logarithmic: the greatest over the least.
const WIDE: f64 = 10.0;

/// The least distance of two marks, as a share of the axis: closer ones would touch.
const APART: f64 = 0.07;

/// An axis as it is drawn. All that lies on it is a share of its length.
pub(super) struct Scale<'a> {
    axis: &'a Axis,
    span: Span,
    is_logarithmic: bool,
}

/// What an axis spans: where it begins and ends, where labels and lines are, and where faint lines.
struct Span {
    range: Range<f64>,
    marks: Vec<f64>,
    minor: Vec<f64>,
}

impl<'a> Scale<'a> {
    /// Holds all of these values that are finite; none if there are none.
    pub(super) fn of(axis: &'a Axis, values: &[f64]) -> Option<Self> {
        let values = || values.iter().copied().filter(|value| value.is_finite());
        let (low, high) = ends(values())?;
        // Below 1 the axis of decades ends.
        let spans_decades = low >= 1.0 && high / low >= WIDE;
        let (span, is_logarithmic) = match axis {
            Axis::Spanning(_) if spans_decades => (decades(low, high), true),
            Axis::FromZero(_) | Axis::Spanning(_) => (steps(high), false),
            Axis::Around(_) => (around(low, high), false),
            Axis::Places(places) => {
                let named: Vec<_> = places.iter().map(|(place, _)| *place).collect();
                let (low, high) = ends(values().chain(named.iter().copied()))?;
                let is_logarithmic = low > 0.0 && high / low >= WIDE;
                (at_places(&named, (low, high), is_logarithmic), is_logarithmic)
            }
            Axis::Ratios => (ratios(values()), false),
        };
        Some(Self { axis, span, is_logarithmic })
    }

    /// Where a value lies. What is beyond an axis that holds any measurement lies at its end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = match self.axis {
            Axis::Ratios if value > 0.0 => value.ln(),
            Axis::Ratios => self.span.range.start,
            _ => scaled(value, self.is_logarithmic),
        };
        self.share(value)
    }

    fn share(&self, place: f64) -> f64 {
        let Range { start, end } = self.span.range;
        (place.clamp(start, end) - start) / (end - start)
    }

    /// Where its lines are, and whether they are faint.
    pub(super) fn grid(&self) -> impl Iterator<Item = (f64, bool)> {
        let marks = self.span.marks.iter().map(|mark| (self.share(*mark), false));
        marks.chain(self.span.minor.iter().map(|mark| (self.share(*mark), true)))
    }

    /// What stands at its marks.
    pub(super) fn labels(&self) -> Vec<(f64, String)> {
        let label = |mark: &f64| {
            let value = if self.is_logarithmic { 10_f64.powf(*mark) } else { *mark };
            match self.axis {
                Axis::FromZero(metric) | Axis::Spanning(metric) | Axis::Around(metric) => {
                    format::mark(*metric, value)
                }
                Axis::Ratios => format::signed(value.exp()),
                Axis::Places(places) => {
                    let is_here =
                        |(place, _): &&(f64, String)| scaled(*place, self.is_logarithmic) == *mark;
                    places.iter().find(is_here).map_or_else(String::new, |(_, label)| label.clone())
                }
            }
        };
        self.span.marks.iter().map(|mark| (self.share(*mark), label(mark))).collect()
    }
}

/// Whatever is beyond this is no measurement, and would only overflow.
const GREATEST: f64 = 1e18;

/// The least and the greatest.
fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |ends: Option<(f64, f64)>, value| {
        Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    })
}

fn scaled(value: f64, is_logarithmic: bool) -> f64 {
    let value = value.clamp(-GREATEST, GREATEST);
    // Nothing that is not above 0 stands on a logarithmic axis.
    if is_logarithmic { value.max(f64::MIN_POSITIVE).log10() } else { value }
}

/// Marks at places, as far as these are apart, with a little room at both ends.
fn at_places(places: &[f64], (low, high): (f64, f64), is_logarithmic: bool) -> Span {
    let (low, high) = (scaled(low, is_logarithmic), scaled(high, is_logarithmic));
    // So much that it is not lost in rounding where all are one.
    let margin = ((high - low) * 0.04).max(1e-9).max(1e-9 * low.abs().max(high.abs()));
    let length = high - low + 2.0 * margin;
    let mut marks: Vec<f64> = Vec::new();
    for &place in places.iter().rev() {
        let at = scaled(place, is_logarithmic);
        if marks.last().is_none_or(|last| last - at >= APART * length) {
            marks.push(at);
        }
    }
    marks.reverse();
    Span { range: low - margin..high + margin, marks, minor: Vec::new() }
}

/// Whole decades, in powers of ten, with faint lines at 2 and 5 times each.
fn decades(low: f64, high: f64) -> Span {
    let low = low.log10().floor() as i32;
    let high = (high.log10().ceil() as i32).max(low + 1);
    let minor = |decade| [2_f64, 5.0].map(|times| f64::from(decade) + times.log10());
    Span {
        range: f64::from(low)..f64::from(high),
        marks: (low..=high).map(f64::from).collect(),
        minor: (low..high).flat_map(minor).collect(),
    }
}

/// From 0 to `highest` or a little more, in about six round steps.
fn steps(highest: f64) -> Span {
    let highest = if highest > 0.0 { highest.clamp(1e-9, GREATEST) } else { 1.0 };
    in_steps(0.0, highest, round_step(highest / 6.0))
}

/// From `low` to `high` and a tenth of their middle to either side, in about four round steps: for what
/// varies little, far from 0.
fn around(low: f64, high: f64) -> Span {
    let [low, high] = [low, high].map(|end| end.clamp(-GREATEST, GREATEST));
    let middle = low / 2.0 + high / 2.0;
    let margin = (0.1 * middle.abs()).max(1e-9);
    let (low, high) = (low.min(middle - margin), high.max(middle + margin));
    in_steps(low, high, round_step((high - low) / 4.0))
}

fn in_steps(low: f64, high: f64, step: f64) -> Span {
    let first = (low / step).floor();
    let count = ((high / step).ceil() - first).max(1.0) as u32;
    let mark = |index: u32| (first + f64::from(index)) * step;
    Span { range: mark(0)..mark(count), marks: (0..=count).map(mark).collect(), minor: Vec::new() }
}

/// The smallest of 1, 2 or 5 times a power of ten that is `rough` or more.
fn round_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|times| times * power);
    steps.into_iter().find(|step| *step >= rough).unwrap_or(10.0 * power)
}

/// Ratios in natural logarithms, with 1 in the middle. It holds all of them up to a thousandfold.
fn ratios(ratios: impl Iterator<Item = f64>) -> Span {
    let sizes = ratios.filter(|ratio| *ratio > 0.0).map(|ratio| ratio.ln().abs());
    // Some room, so that no dot is cut; and never so little that noise looks like a change.
    let reach = (sizes.fold(0.0, f64::max) * 1.05).clamp(1.02_f64.ln(), 1e3_f64.ln());
    let even = |step: f64| -> Vec<f64> {
        (-9..=9).map(|index| 1.0 + f64::from(index) * step).filter(|ratio| *ratio > 0.0).collect()
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
    Span { range: -reach..reach, marks, minor: Vec::new() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::results::Metric;

    /// The marks of an axis that holds these values, and whether it is logarithmic.
    fn marks(axis: &Axis, values: &[f64]) -> Option<(Vec<f64>, bool)> {
        Scale::of(axis, values).map(|scale| (scale.span.marks, scale.is_logarithmic))
    }

    fn places(places: &[f64]) -> Axis {
        Axis::Places(places.iter().map(|place| (*place, format!("at {place}"))).collect())
    }

    #[test]
    fn wide_ranges_are_logarithmic() {
        let wide = places(&[0.2, 1.0, 5.0, 20.0]);
        let scale = Scale::of(&wide, &[1.0]).unwrap();
        assert!(scale.is_logarithmic && scale.span.marks.len() == 4);
        assert_eq!(scale.labels()[1].1, "at 1");
        assert_eq!(scale.labels()[1].0, scale.at(1.0));
        let zero = places(&[0.0, 100.0]);
        let from_zero = Scale::of(&zero, &[1.0]).unwrap();
        assert!(!from_zero.is_logarithmic && from_zero.span.range.start < 0.0);
        assert!(!marks(&places(&[50.0, 100.0, 200.0]), &[60.0]).unwrap().1);
        let close = marks(&places(&[0.0, 0.1, 0.2, 0.5, 1.0, 9.0]), &[1.0]).unwrap();
        assert_eq!(close.0, [0.2, 1.0, 9.0], "marks that would touch are left out");
        let spanning = Axis::Spanning(Metric::LatencyP50);
        assert_eq!(
            marks(&spanning, &[400e3, 1004e6]),
            Some((vec![5.0, 6.0, 7.0, 8.0, 9.0, 10.0], true))
        );
        assert!(!marks(&spanning, &[1e6, 5e6]).unwrap().1);
        assert!(!marks(&spanning, &[-1.0, 5e6]).unwrap().1);
        assert!(marks(&spanning, &[f64::NAN]).is_none());
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
            let span = ratios([ratio].into_iter());
            span.marks.iter().map(|mark| (mark.exp() * 1e3).round() / 1e3).collect()
        };
        assert_eq!(marks(1.0), [0.99, 1.0, 1.01, 1.02]);
        assert_eq!(marks(1.12), [0.9, 0.95, 1.0, 1.05, 1.1]);
        assert_eq!(marks(0.4), [0.5, 0.75, 1.0, 1.5, 2.0]);
        assert_eq!(marks(1e9), [0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1e3]);
        let scale = Scale::of(&Axis::Ratios, &[1.0, 1.12]).unwrap();
        assert!((scale.at(1.0) - 0.5).abs() < 1e-9 && scale.at(0.0) == 0.0 && scale.at(9.0) == 1.0);
        assert_eq!(scale.labels()[2].1, "0 %");
    }

    proptest! {
        #[test]
        fn axes_around_hold_both_ends(one in -1e15..1e15_f64, other in -1e15..1e15_f64) {
            let (low, high) = (one.min(other), one.max(other));
            let span = around(low, high);
            let slack = 1e-9 * (span.range.end - span.range.start);
            prop_assert!(span.range.start <= low + slack && span.range.end >= high - slack);
            prop_assert!((2..=8).contains(&span.marks.len()), "{:?}", span.marks);
        }

        #[test]
        fn axes_hold_their_values(value in any::<f64>(), other in any::<f64>()) {
            let span = steps(value);
            prop_assert!((2..=12).contains(&span.marks.len()) && span.range.end.is_finite());
            if value < 1e18 {
                prop_assert!(span.range.end >= value * 0.999_999);
            }
            for axis in [Axis::Spanning(Metric::LatencyP50), Axis::Ratios, places(&[value, other])] {
                if let Some(scale) = Scale::of(&axis, &[value, other]) {
                    prop_assert!((0.0..=1.0).contains(&scale.at(value)), "{axis:?}");
                }
            }
        }
    }
}
