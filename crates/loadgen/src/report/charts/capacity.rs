//! Latency by load, for each contender up to and beyond its capacity.

use crate::results::ContenderId;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::style::{self, GRID, INK, TEXT_SIZE};
use super::{Drawing, Drawn, axis};
use crate::analysis::Checked;
use crate::analysis::capacity::{Conclusion, Found};
use crate::report::{quantity, words};
use crate::results::Metric;
use crate::results::capacity::{Answer, LoadAxis};

/// The picture.
pub(crate) struct LatencyByLoad<'a> {
    /// What the load is of.
    pub(crate) varied: LoadAxis,
    /// The latency that is shown.
    pub(crate) metric: Metric,
    /// One line each.
    pub(crate) conclusions: &'a [Conclusion<'a>],
}

impl LatencyByLoad<'_> {
    /// What it shows.
    pub(crate) const TITLE: &'static str = "Latency by load";
    /// How to read it.
    pub(crate) const CAPTION: &'static str = "Each mark is a trial: filled where the objectives were met, a ring where they were missed. \
         Trials that say nothing about the server are left out. The line runs through the median of each \
         load, and a vertical line stands at the capacity.";

    /// The limit of the objective, if it is the same for all.
    fn limit(&self) -> Option<f64> {
        let checked = self.conclusions.iter().flat_map(|of| of.checked.iter().flatten());
        let of_metric = |of: &&Checked| of.threshold.metric == self.metric;
        let mut limits = checked.filter(of_metric).map(|of| of.threshold.limit);
        let first = limits.next()?;
        limits.all(|limit| limit == first).then_some(first)
    }
}

/// A trial: its load, its latency and whether it met the objectives.
type Point = (f64, f64, bool);

fn points(of: &Conclusion<'_>, metric: Metric) -> Vec<Point> {
    let told = of.search.attempts.iter().filter_map(|attempt| {
        let is_met = match attempt.answer {
            Answer::Met => true,
            Answer::Missed { .. } => false,
            Answer::Unknown { .. } | Answer::Failed => return None,
        };
        Some((attempt.load, attempt.trial.value(metric)?, is_met))
    });
    let is_drawable =
        |&(load, latency, _): &Point| load > 0.0 && load.is_finite() && latency.is_finite();
    let mut points: Vec<Point> = told.filter(is_drawable).collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)));
    points
}

impl Drawing for LatencyByLoad<'_> {
    fn name(&self) -> &'static str {
        "latency by load"
    }

    fn size(&self) -> (u32, u32) {
        (1840, 960)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        let curves: Vec<(ContenderId, Option<f64>, Vec<Point>)> = self
            .conclusions
            .iter()
            .map(|of| {
                let capacity = match of.found {
                    Some(Found::Capacity { load, .. }) => Some(load),
                    _ => None,
                };
                (of.search.contender.clone(), capacity, points(of, self.metric))
            })
            .filter(|(_, _, points)| !points.is_empty())
            .collect();
        let legend: Vec<_> = curves.iter().map(|(contender, ..)| contender.clone()).collect();
        let metric = words::in_sentence(words::title(self.metric));
        let subtitle = match self.varied {
            LoadAxis::Subscribers => format!("By subscribers: {metric}; ring: objectives missed"),
            LoadAxis::Rate => format!("By events per second: {metric}; ring: objectives missed"),
        };
        let body = style::header(area, Self::TITLE, &subtitle, &legend)?;
        let all = || curves.iter().flat_map(|(_, _, points)| points);
        let limit = self.limit();
        let latencies = all().map(|(_, latency, _)| *latency).chain(limit);
        let axes = axis::decades(latencies).zip(axis::logarithmic(all().map(|(load, ..)| *load)));
        let Some((y, x)) = axes.filter(|_| !curves.is_empty()) else {
            return style::no_data(&body, "No data: no trial could be judged");
        };
        let (left, right) = (x.range.start, x.range.end);
        let bottom = y.range.start;
        let mut chart = style::builder(&body).build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .bold_line_style(INK.mix(GRID).stroke_width(2))
            .light_line_style(INK.mix(GRID / 2.0))
            .axis_style(INK.mix(0.5).stroke_width(2))
            .label_style(style::text(TEXT_SIZE))
            .x_label_formatter(&|power| quantity::mark(Metric::Lost, 10_f64.powf(*power)))
            .y_label_formatter(&|power| quantity::mark(self.metric, 10_f64.powf(*power)))
            .draw()?;
        let on_root = area.strip_coord_spec();
        let pixel = |load: f64, latency: f64| {
            chart.backend_coord(&(load.log10(), latency.max(1.0).log10()))
        };
        if let Some(limit) = limit {
            let y = limit.max(1.0).log10();
            let line = [(left, y), (right, y)].map(|at| chart.backend_coord(&at));
            on_root.draw(&PathElement::new(line, INK.mix(0.6).stroke_width(3)))?;
        }
        for (contender, capacity, points) in &curves {
            let medians: Vec<_> = points
                .chunk_by(|one, next| one.0 == next.0)
                .map(|here| (here[0].0, here[here.len() / 2].1))
                .collect();
            let line: Vec<_> =
                medians.iter().map(|(load, latency)| pixel(*load, *latency)).collect();
            style::line(&on_root, contender, &line, 4, 1.0)?;
            if let Some(load) = capacity
                && let Some((_, latency)) = medians.iter().find(|(at, _)| at == load)
            {
                let (x, top) = pixel(*load, *latency);
                let (_, floor) = chart.backend_coord(&(load.log10(), bottom));
                style::line(&on_root, contender, &[(x, floor), (x, top)], 3, 0.8)?;
            }
            for (load, latency, is_met) in points {
                let at = pixel(*load, *latency);
                match is_met {
                    true => style::marker(&on_root, contender, at)?,
                    false => style::ring(&on_root, contender, at)?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analysis::capacity::conclude;
    use crate::report::charts::{png, svg};
    use crate::results::{Capacity, fixture};

    fn drawn(of: &Capacity) -> String {
        let conclusions = conclude(of);
        let metric = Metric::LatencyP99;
        svg(&LatencyByLoad { varied: of.varied, metric, conclusions: &conclusions }).unwrap()
    }

    #[test]
    fn misses_are_rings_and_the_limit_is_a_line() {
        let of = fixture::capacity();
        let conclusions = conclude(&of);
        let picture = LatencyByLoad {
            varied: of.varied,
            metric: Metric::LatencyP99,
            conclusions: &conclusions,
        };
        assert_eq!(picture.limit(), Some(100e6));
        let svg = drawn(&of);
        let rings = svg
            .lines()
            .filter(|line| line.starts_with("<circle ") && line.contains("fill=\"none\""));
        assert_eq!(rings.count(), 3, "{svg}");
        assert!(svg.contains("\n50\n") && svg.contains("\n100 ms\n"), "{svg}");
        assert!(png(&picture).unwrap().starts_with(b"\x89PNG"));
    }

    #[test]
    fn nothing_to_draw_is_said() {
        let mut of = fixture::capacity();
        of.searches.iter_mut().for_each(|search| search.attempts.clear());
        assert!(drawn(&of).contains("No data"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_values_draw(values in prop::collection::vec((any::<f64>(), any::<f64>()), 1..20)) {
            let mut of = fixture::capacity();
            for (attempt, (load, latency)) in of.searches[0].attempts.iter_mut().zip(values) {
                attempt.load = load;
                attempt.trial.values.insert(Metric::LatencyP99, latency);
            }
            drawn(&of);
        }
    }
}
