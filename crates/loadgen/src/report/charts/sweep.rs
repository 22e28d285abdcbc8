//! One metric over the values of a key: a line for each contender.

use crate::results::ContenderId;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::axis::{self, Axis};
use super::style::{self, GRID, INK, SECONDARY, TEXT_SIZE};
use super::{Drawing, Drawn};
use crate::analysis::sweep::{Slice, SweptKey};
use crate::analysis::{Cell, Estimate};
use crate::report::{quantity, words};
use crate::results::Metric;

/// A range of values from which on an axis is logarithmic: the greatest over the least.
const WIDE: f64 = 10.0;

/// The least distance of two marks, as a share of the axis: closer ones would touch.
const APART: f64 = 0.07;

/// The curves of one metric along a slice.
pub(crate) struct Curves<'a> {
    pub(crate) metric: Metric,
    pub(crate) key: &'a SweptKey,
    pub(crate) slice: &'a Slice,
    /// Those that the slice's points refer to.
    pub(crate) cells: &'a [Cell],
    /// Those that have a line, in the order of the legend.
    pub(crate) contenders: Vec<ContenderId>,
}

/// What is drawn at a place of the key; none where nothing could be measured.
type Point = (f64, Option<Estimate>);

impl Curves<'_> {
    fn points(&self, contender: &ContenderId) -> Vec<Point> {
        let estimate = |cell: usize| {
            let cell = self.cells.get(cell)?;
            cell.contenders.iter().find(|of| of.contender == *contender)?.estimate(self.metric)
        };
        self.slice.points.iter().map(|&(place, cell)| (place, estimate(cell))).collect()
    }

    /// What it says to who cannot see it.
    pub(crate) fn alternative(&self) -> String {
        let rows = self.contenders.iter().map(|contender| {
            let values = self.points(contender).into_iter().map(|(place, estimate)| {
                let value = estimate.map_or("not measured".to_owned(), |of| {
                    quantity::of(self.metric, Some(of.median))
                });
                format!("{value} at {}", self.key.value_at(place))
            });
            format!("{}: {}", contender.label(), values.collect::<Vec<_>>().join(", "))
        });
        let title = words::title(self.metric);
        format!("{title} by {}. {}.", self.key.label, rows.collect::<Vec<_>>().join("; "))
    }
}

impl Drawing for Curves<'_> {
    fn name(&self) -> &'static str {
        self.metric.name()
    }

    fn size(&self) -> (u32, u32) {
        (1840, 960)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        let subtitle = format!("Median and interval by {}; lower is better", self.key.label);
        let body = style::header(area, words::title(self.metric), &subtitle, &self.contenders)?;
        let curves: Vec<_> = self.contenders.iter().map(|of| (of, self.points(of))).collect();
        let ends =
            curves.iter().flat_map(|(_, points)| points).filter_map(|(_, of)| *of).flat_map(|of| {
                let interval = of.interval.map(|interval| [interval.low, interval.high]);
                std::iter::once(of.median).chain(interval.into_iter().flatten())
            });
        let ends: Vec<f64> = ends.collect();
        let Some(y) = Scale::of_values(&ends) else {
            return style::no_data(&body, "No data: no valid trial could measure it");
        };
        let places: Vec<f64> = self.slice.points.iter().map(|(place, _)| *place).collect();
        let x = Scale::of_places(&places);
        let (x_scale, y_scale) = (x.is_logarithmic, y.is_logarithmic);
        let (bottom, top) = (y.axis.range.start, y.axis.range.end);
        let mut chart = style::builder(&body).build_cartesian_2d(x.axis, y.axis)?;
        chart
            .configure_mesh()
            .bold_line_style(INK.mix(GRID).stroke_width(2))
            .light_line_style(INK.mix(GRID / 2.0))
            .axis_style(INK.mix(0.5).stroke_width(2))
            .label_style(style::text(TEXT_SIZE))
            .x_label_formatter(&|at| self.mark(&places, x_scale, *at))
            .y_label_formatter(&|at| {
                quantity::mark(self.metric, if y_scale { 10_f64.powf(*at) } else { *at })
            })
            .draw()?;
        let on_root = area.strip_coord_spec();
        let pixel = |place: f64, value: f64| {
            let x = scaled(x_scale, place);
            // What is beyond an axis that holds any measurement has no pixel.
            chart.backend_coord(&(x, scaled(y_scale, value).clamp(bottom, top)))
        };
        for (contender, points) in &curves {
            let colour = style::look(contender).colour;
            // Where nothing was measured a line has a gap.
            for run in points.split(|(_, estimate)| estimate.is_none()) {
                let run: Vec<(f64, Estimate)> = run
                    .iter()
                    .filter_map(|(place, estimate)| Some((*place, (*estimate)?)))
                    .collect();
                let line: Vec<_> = run.iter().map(|(place, of)| pixel(*place, of.median)).collect();
                if line.len() > 1 {
                    style::line(&on_root, contender, &line, 4, 1.0)?;
                }
                for (&(place, of), &at) in run.iter().zip(&line) {
                    if let Some(interval) = of.interval {
                        let (x, low) = pixel(place, interval.low);
                        let (_, high) = pixel(place, interval.high);
                        let bar = [(x - 3, low), (x + 3, high)];
                        on_root.draw(&Rectangle::new(bar, colour.mix(SECONDARY).filled()))?;
                    }
                    style::marker(&on_root, contender, at)?;
                }
            }
        }
        Ok(())
    }
}

impl Curves<'_> {
    /// What stands at a mark of the axis of places: the value of the cell there.
    fn mark(&self, places: &[f64], is_logarithmic: bool, at: f64) -> String {
        let place = places.iter().find(|place| scaled(is_logarithmic, **place) == at);
        place.map_or_else(String::new, |place| self.key.value_at(*place).to_owned())
    }
}

/// An axis, and how values lie on it.
struct Scale {
    axis: Axis,
    is_logarithmic: bool,
}

fn scaled(is_logarithmic: bool, value: f64) -> f64 {
    // Nothing that is not above 0 stands on a logarithmic axis.
    if is_logarithmic { value.max(f64::MIN_POSITIVE).log10() } else { value }
}

/// Whether values that span so much are shown in logarithms.
fn is_wide(low: f64, high: f64) -> bool {
    low > 0.0 && high / low >= WIDE
}

fn bounds(values: &[f64]) -> Option<(f64, f64)> {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    finite.fold(None, |bounds: Option<(f64, f64)>, value| {
        Some(bounds.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    })
}

impl Scale {
    /// For figures: whole decades, or from 0 on.
    fn of_values(values: &[f64]) -> Option<Self> {
        let (low, high) = bounds(values)?;
        // Below 1 the axis of decades ends.
        let is_logarithmic = is_wide(low.max(0.0), high) && low >= 1.0;
        let decades = is_logarithmic.then(|| axis::decades(values.iter().copied())).flatten();
        Some(match decades {
            Some(axis) => Self { axis, is_logarithmic },
            None => Self { axis: axis::steps(high), is_logarithmic: false },
        })
    }

    /// For places, which have marks where they stand, as far as these are apart.
    fn of_places(places: &[f64]) -> Self {
        let (low, high) = bounds(places).unwrap_or((0.0, 1.0));
        let is_logarithmic = is_wide(low, high);
        let (low, high) = (scaled(is_logarithmic, low), scaled(is_logarithmic, high));
        let margin = ((high - low) * 0.04).max(1e-9);
        let length = high - low + 2.0 * margin;
        let mut marks: Vec<f64> = Vec::new();
        for &place in places.iter().rev() {
            let at = scaled(is_logarithmic, place);
            if marks.last().is_none_or(|last| last - at >= APART * length) {
                marks.push(at);
            }
        }
        marks.reverse();
        let axis = Axis { range: low - margin..high + margin, marks, minor: Vec::new() };
        Self { axis, is_logarithmic }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analysis::analyse;
    use crate::report::charts::{png, svg};
    use crate::report::sweep;
    use crate::report::sweep::tests::swept_run;
    use crate::results::{LatencyLog, Run};

    fn with_curves<T>(run: &Run, metric: Metric, show: impl Fn(&Curves<'_>) -> T) -> T {
        let analysis = analyse(run, &LatencyLog::default());
        let found = analysis.sweep.as_ref().unwrap();
        let slice = &found.slices[0];
        show(&Curves {
            metric,
            key: &found.keys[slice.key],
            slice,
            cells: &analysis.cells,
            contenders: sweep::contenders(&analysis),
        })
    }

    #[test]
    fn every_transport_has_a_line_and_every_value_a_mark() {
        let run = swept_run();
        let metric = Metric::ServerCpuPerDelivery;
        let svg = with_curves(&run, metric, |curves| svg(curves).unwrap());
        for text in
            ["Server CPU per delivery", "by events_per_second", "Raw TCP", ">\n0.2\n<", ">\n20\n<"]
        {
            assert!(svg.contains(text), "{text} is missing: {svg}");
        }
        assert!(svg.contains("stroke-dasharray=\"8 10\"") && svg.len() < 40_000, "{}", svg.len());
        let png = with_curves(&run, metric, |curves| png(curves).unwrap());
        assert!(png.len() > 5_000, "{} bytes", png.len());
    }

    #[test]
    fn it_says_what_it_shows() {
        with_curves(&swept_run(), Metric::LatencyP50, |curves| {
            let text = curves.alternative();
            let start = "Latency p50 by events_per_second. Polling: 500 ms at 0.2, ";
            assert!(text.starts_with(start), "{text}");
        });
    }

    #[test]
    fn wide_ranges_are_logarithmic() {
        let x = Scale::of_places(&[0.2, 1.0, 5.0, 20.0]);
        assert!(x.is_logarithmic && x.axis.marks.len() == 4);
        assert!((x.axis.marks[1]).abs() < 1e-12, "log 1");
        let x = Scale::of_places(&[0.0, 100.0]);
        assert!(!x.is_logarithmic && x.axis.range.start < 0.0);
        assert!(!Scale::of_places(&[50.0, 100.0, 200.0]).is_logarithmic);
        let close = Scale::of_places(&[0.0, 0.1, 0.2, 0.5, 1.0, 9.0]).axis.marks;
        assert_eq!(close, [0.2, 1.0, 9.0], "marks that would touch are left out");
        assert!(Scale::of_values(&[1e6, 5e8]).unwrap().is_logarithmic);
        assert!(!Scale::of_values(&[1e6, 5e6]).unwrap().is_logarithmic);
        assert!(!Scale::of_values(&[-1.0, 5e6]).unwrap().is_logarithmic);
        assert!(Scale::of_values(&[f64::NAN]).is_none());
    }

    #[test]
    fn no_data_is_said_in_the_picture() {
        let svg = with_curves(&swept_run(), Metric::LatencyP99, |curves| svg(curves).unwrap());
        assert!(svg.contains("No data"), "{svg}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_values_draw(values in prop::collection::vec((0..100_usize, any::<f64>()), 0..60)) {
            let mut run = swept_run();
            let metric = Metric::ServerCpuPerDelivery;
            for (trial, value) in values {
                run.trials[trial].values.insert(metric, value);
            }
            with_curves(&run, metric, |curves| svg(curves).unwrap());
        }
    }
}
