//! Latency by percentile, on an axis of 1/(1−p): each tenfold is one more nine.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::axis::{self, Axis};
use super::style::{self, GRID, INK, TEXT_SIZE};
use super::{Drawn, Figure};
use crate::analysis::{Cell, SpectrumPoint};
use crate::report::quantity;
use crate::results::Metric;

/// Where 50 % is on the axis of nines.
const HALF: f64 = std::f64::consts::LOG10_2;

fn nines(point: &SpectrumPoint) -> f64 {
    -(1.0 - point.quantile).log10()
}

fn label(nines: f64) -> String {
    if nines == HALF {
        return "50 %".to_owned();
    }
    let digits = (nines.round() as usize).saturating_sub(2);
    format!("{:.digits$} %", 100.0 * (1.0 - 10_f64.powf(-nines)))
}

pub(super) fn draw<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, cell: &Cell) -> Drawn<DB> {
    let curves = || cell.contenders.iter().filter(|of| of.latency.spectrum.len() > 1);
    let legend: Vec<_> = curves().map(|of| of.contender.clone()).collect();
    let subtitle = "Share of deliveries that were at most this slow; lower is better";
    let body = style::header(area, Figure::Spectrum.title(), subtitle, &legend)?;
    let points = || curves().flat_map(|of| &of.latency.spectrum);
    let Some(y) = axis::decades(points().map(|point| point.latency_ns as f64)) else {
        return style::no_data(
            &body,
            "No data: a percentile takes at least 10 deliveries beyond it",
        );
    };
    let last = points().map(nines).fold(1.0, f64::max);
    let mut marks = vec![0.0, HALF];
    marks.extend((1..=last.floor() as i32).map(f64::from));
    let mut chart = style::builder(&body)
        .build_cartesian_2d(Axis { range: 0.0..last, marks, minor: Vec::new() }, y)?;
    chart
        .configure_mesh()
        .bold_line_style(INK.mix(GRID).stroke_width(2))
        .light_line_style(INK.mix(GRID / 2.0))
        .axis_style(INK.mix(0.5).stroke_width(2))
        .label_style(style::text(TEXT_SIZE))
        .x_label_formatter(&|nines| label(*nines))
        .y_label_formatter(&|power| quantity::mark(Metric::LatencyP50, 10_f64.powf(*power)))
        .draw()?;
    for of in curves() {
        let pixel = |point: &SpectrumPoint| {
            chart.backend_coord(&(nines(point), (point.latency_ns as f64).max(1.0).log10()))
        };
        let pixels: Vec<_> = of.latency.spectrum.iter().map(pixel).collect();
        let on_root = area.strip_coord_spec();
        style::line(&on_root, &of.contender, &pixels, 5, 1.0)?;
        // Twice in each tenfold: enough to tell curves apart, few enough to see them.
        for &pixel in pixels.iter().step_by(10) {
            style::marker(&on_root, &of.contender, pixel)?;
        }
    }
    Ok(())
}
