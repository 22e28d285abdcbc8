//! Bars from zero, one or more for each contender, with every valid trial as a dot.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::{self, Axis};
use super::style::{self, GRID, INK, SECONDARY, TEXT_SIZE};
use super::{Drawn, Figure, Trials};
use crate::analysis::Cell;
use crate::report::quantity;
use crate::results::Metric;

/// A bar of each contender.
pub(super) struct Bar {
    pub(super) metric: Metric,
    /// What stands before its value, where there are several.
    pub(super) name: &'static str,
}

/// How much of a contender's row is empty.
const GAP: f64 = 0.3;

pub(super) fn draw<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    cell: &Cell,
    trials: &Trials<'_>,
    figure: Figure,
    subtitle: &str,
    bars: &[Bar],
) -> Drawn<DB> {
    let body = style::header(area, figure.title(), subtitle, &[])?;
    let values = |of: &crate::analysis::Figures, bar: &Bar| trials.values(&of.trials, bar.metric);
    let highest = cell
        .contenders
        .iter()
        .flat_map(|of| bars.iter().flat_map(move |bar| values(of, bar)))
        .fold(0.0, f64::max);
    let x = axis::steps(highest);
    let rows = cell.contenders.len().max(1);
    let y = Axis {
        range: rows as f64..0.0,
        marks: (0..rows).map(|row| row as f64 + 0.5).collect(),
        minor: Vec::new(),
    };
    let end = x.range.end;
    let unit = bars.first().map_or(Metric::LatencyP50, |bar| bar.metric);
    let longest = bars.iter().map(|bar| bar.name.len()).max().unwrap_or(0);
    let margin = 150 + 14 * u32::try_from(longest).unwrap_or(0);
    let mut chart = ChartBuilder::on(&body)
        // Values stand right of their bars, and the longest bar may reach the last mark.
        .margin_right(margin)
        .margin_top(24)
        .margin_bottom(14)
        .x_label_area_size(60)
        .y_label_area_size(220)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .bold_line_style(INK.mix(GRID).stroke_width(2))
        .light_line_style(TRANSPARENT)
        .axis_style(INK.mix(0.5).stroke_width(2))
        .label_style(style::text(TEXT_SIZE))
        .x_label_formatter(&|value| quantity::mark(unit, *value))
        .y_label_formatter(&|row| {
            let of = cell.contenders.get(*row as usize);
            of.map_or_else(String::new, |of| of.contender.label().to_owned())
        })
        .draw()?;

    let on_root = area.strip_coord_spec();
    let height = (1.0 - GAP) / bars.len().max(1) as f64;
    for (row, of) in cell.contenders.iter().enumerate() {
        let colour = style::look(&of.contender).colour;
        for (index, bar) in bars.iter().enumerate() {
            let top = row as f64 + GAP / 2.0 + index as f64 * height;
            let pixel = |value: f64, y: f64| chart.backend_coord(&(value.clamp(0.0, end), y));
            let values = values(of, bar);
            let estimate = of.estimate(bar.metric);
            if let Some(estimate) = estimate {
                let strength = if index == 0 { 1.0 } else { SECONDARY };
                let corners = [pixel(0.0, top), pixel(estimate.median, top + height * 0.92)];
                on_root.draw(&Rectangle::new(corners, colour.mix(strength).filled()))?;
            }
            let furthest = values.iter().copied().fold(0.0, f64::max);
            let middle = top + height * 0.46;
            for &value in &values {
                let at = pixel(value, middle);
                on_root.draw(&Circle::new(at, 7, INK.filled()))?;
            }
            let (x, y) = pixel(furthest, middle);
            let value = estimate.map_or_else(
                || "n/a".to_owned(),
                |estimate| quantity::of(bar.metric, Some(estimate.median)),
            );
            let style = style::anchored(TEXT_SIZE, HPos::Left, VPos::Center);
            on_root.draw_text(format!("{} {value}", bar.name).trim(), &style, (x + 20, y))?;
        }
    }
    Ok(())
}
