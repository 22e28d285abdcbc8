//! Median and 99th percentile by time since measuring began.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::style::{self, GRID, INK, SECONDARY, TEXT_SIZE};
use super::{Drawn, Figure, axis};
use crate::analysis::Cell;
use crate::report::quantity;
use crate::results::Metric;

pub(super) fn draw<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, cell: &Cell) -> Drawn<DB> {
    let curves = || cell.contenders.iter().filter(|of| !of.latency.over_time.is_empty());
    let legend: Vec<_> = curves().map(|of| of.contender.clone()).collect();
    let subtitle = "Median (thick) and 99th percentile (thin); lower is better";
    let body = style::header(area, Figure::OverTime.title(), subtitle, &legend)?;
    let points = || curves().flat_map(|of| &of.latency.over_time);
    let latencies = points().flat_map(|at| std::iter::once(at.p50_ns).chain(at.p99_ns));
    let Some(y) = axis::decades(latencies.map(|ns| ns as f64)) else {
        return style::no_data(&body, "No data: no valid trial recorded a latency");
    };
    let (bottom, top) = (y.range.start, y.range.end);
    let x = axis::steps(points().map(|at| at.at_s).fold(0.0, f64::max));
    let mut chart = style::builder(&body).build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .bold_line_style(INK.mix(GRID).stroke_width(2))
        .light_line_style(INK.mix(GRID / 2.0))
        .axis_style(INK.mix(0.5).stroke_width(2))
        .label_style(style::text(TEXT_SIZE))
        .x_label_formatter(&|seconds| quantity::mark(Metric::Window, seconds * 1e9))
        .y_label_formatter(&|power| quantity::mark(Metric::LatencyP50, 10_f64.powf(*power)))
        .draw()?;
    let on_root = area.strip_coord_spec();
    for (index, phase) in curves().next().iter().flat_map(|of| &of.latency.phases).enumerate() {
        let (left, top) = chart.backend_coord(&(phase.from_s, top));
        let (_, bottom) = chart.backend_coord(&(phase.from_s, bottom));
        if index > 0 {
            let edge = PathElement::new(vec![(left, top), (left, bottom)], INK.mix(0.4));
            on_root.draw(&edge)?;
        }
        let name = style::anchored(TEXT_SIZE - 4, HPos::Left, VPos::Bottom);
        on_root.draw(&Text::new(phase.name.clone(), (left + 6, top - 2), name))?;
    }
    for of in curves() {
        let pixel = |at_s: f64, ns: u64| chart.backend_coord(&(at_s, (ns as f64).max(1.0).log10()));
        let over_time = &of.latency.over_time;
        let medians: Vec<_> = over_time.iter().map(|at| pixel(at.at_s, at.p50_ns)).collect();
        // A gap where there are too few samples stays a gap.
        for run in over_time.split(|at| at.p99_ns.is_none()) {
            let tail: Vec<_> =
                run.iter().filter_map(|at| Some(pixel(at.at_s, at.p99_ns?))).collect();
            style::line(&on_root, &of.contender, &tail, 2, SECONDARY + 0.3)?;
        }
        style::line(&on_root, &of.contender, &medians, 5, 1.0)?;
        for &pixel in medians.iter().step_by(medians.len().div_ceil(12)) {
            style::marker(&on_root, &of.contender, pixel)?;
        }
    }
    Ok(())
}
