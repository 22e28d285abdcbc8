//! Rows of figures: bars from zero, and ratios of blocks as dots.

use plotters::style::text_anchor::{HPos, VPos};

use super::axis::Scale;
use super::look::{Frame, SECONDARY, axes, no_data, paint};
use super::scene::{Scene, TITLE, ink, width};
use crate::document::{Axis, Bars, Dots, format};

/// The height of a row of bars, and of each bar in it.
const ROW: [u32; 2] = [40, 40];
/// The height of a row of dots.
const DOTS: u32 = 58;
/// Above and below the rows.
const AROUND: u32 = 210;
/// The most room that names have, and that of texts behind dots.
const NAMES: i32 = 690;
const TEXTS: i32 = 330;

/// The height that these bars take.
pub(super) fn height_of_bars(bars: &Bars) -> u32 {
    let [row, bar] = ROW;
    let rows = bars.rows.iter().map(|of| row + bar * u32::try_from(of.bars.len()).unwrap_or(0));
    rows.fold(AROUND, u32::saturating_add)
}

/// The height that these dots take.
pub(super) fn height_of_dots(rows: &[Dots]) -> u32 {
    let rows = u32::try_from(rows.len().max(1)).unwrap_or(u32::MAX);
    AROUND.saturating_add(DOTS.saturating_mul(rows))
}

/// Bars, one or more for each contender, with every valid trial as a dot.
pub(super) fn bars(scene: &mut Scene, area: Frame, bars: &Bars) {
    let all = || bars.rows.iter().flat_map(|row| &row.bars);
    let trials: Vec<_> = all().flat_map(|bar| bar.trials.iter().copied()).chain([0.0]).collect();
    let axis = Axis::FromZero(bars.metric);
    let Some(x) = Scale::of(&axis, &trials) else { return };
    let longest = bars.rows.iter().map(|row| width(&row.label)).max().unwrap_or(0);
    // Values stand right of their bars, and the longest bar may reach the last mark.
    let values = 150 + all().map(|bar| width(bar.name)).max().unwrap_or(0);
    let frame = Frame {
        left: (longest + 44).clamp(220, NAMES),
        top: area.top + 10,
        right: area.right - values,
        bottom: area.bottom - 74,
    };
    let none = Axis::Places(Vec::new());
    let Some(y) = Scale::of(&none, &[0.0]) else { return };
    axes(scene, frame, &x, &y, true);
    let height = 1.0 / bars.rows.len().max(1) as f64;
    for (index, row) in bars.rows.iter().enumerate() {
        let top = 1.0 - index as f64 * height;
        let (left, middle) = frame.at(0.0, top - height / 2.0);
        scene.text((left - 14, middle), &row.label, (HPos::Right, VPos::Center));
        let thick = height * 0.7 / row.bars.len().max(1) as f64;
        for (place, bar) in row.bars.iter().enumerate() {
            let top = top - height * 0.15 - place as f64 * thick;
            if let Some(median) = bar.median.filter(|median| median.is_finite()) {
                let strength = if place == 0 { 1.0 } else { SECONDARY };
                let corners = [frame.at(0.0, top), frame.at(x.at(median), top - thick * 0.92)];
                scene.rectangle(corners, paint(row.series, strength));
            }
            let middle = top - thick * 0.46;
            let trials = || bar.trials.iter().copied().filter(|value| value.is_finite());
            for value in trials() {
                scene.circle(frame.at(x.at(value), middle), 7, None, ink(1.0));
            }
            let (end, y) = frame.at(x.at(trials().fold(0.0, f64::max)), middle);
            let value = bar.median.map(|median| format::of(bars.metric, Some(median)));
            let text = format!("{} {}", bar.name, value.as_deref().unwrap_or("n/a"));
            scene.text((end + 20, y), text.trim(), (HPos::Left, VPos::Center));
        }
    }
}

/// Every block as a dot on a logarithmic axis of candidate / baseline.
pub(super) fn dots(scene: &mut Scene, area: Frame, rows: &[Dots]) {
    let ratios = rows.iter().flat_map(|row| {
        row.ratios.iter().copied().chain(row.estimate).chain(row.upper).chain(Some(row.limit))
    });
    let ratios: Vec<_> = ratios.collect();
    let none = Axis::Places(Vec::new());
    let scales = Scale::of(&Axis::Ratios, &ratios).zip(Scale::of(&none, &[0.0]));
    let Some((x, y)) = scales else { return no_data(scene, area, "No data") };
    let (left, right, bottom) = (NAMES, area.right - TEXTS, area.bottom - 74);
    let frame = Frame { left, right, bottom, top: area.top + 10 };
    axes(scene, frame, &x, &y, true);
    scene.line(vec![frame.at(0.5, 0.0), frame.at(0.5, 1.0)], 3, ink(1.0));
    let height = 1.0 / rows.len() as f64;
    for (index, row) in rows.iter().enumerate() {
        // A share of the row's height, from its bottom.
        let at =
            |ratio: f64, up: f64| frame.at(x.at(ratio), 1.0 - (index as f64 + 1.0 - up) * height);
        let (_, middle) = at(1.0, 0.5);
        let Some(series) = row.series else {
            scene.sized((24, middle), &row.name, TITLE, (HPos::Left, VPos::Center));
            continue;
        };
        scene.rectangle([at(row.limit, 0.1), at(f64::INFINITY, 0.9)], ink(0.08));
        scene.text((left - 16, middle), &row.name, (HPos::Right, VPos::Center));
        scene.text((right + 16, middle), &row.text, (HPos::Left, VPos::Center));
        for &ratio in &row.ratios {
            scene.circle(at(ratio, 0.5), 9, None, paint(series, 0.7));
        }
        if let Some(estimate) = row.estimate {
            scene.line(vec![at(estimate, 0.15), at(estimate, 0.85)], 5, ink(1.0));
            if let Some(upper) = row.upper {
                scene.line(vec![at(estimate, 0.5), at(upper, 0.5)], 3, ink(1.0));
                scene.line(vec![at(upper, 0.35), at(upper, 0.65)], 3, ink(1.0));
            }
        }
    }
}
