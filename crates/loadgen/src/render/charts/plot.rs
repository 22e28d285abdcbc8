//! Curves between axes, in one plot or in several that stand one above the other.

use plotters::style::text_anchor::{HPos, VPos};

use super::axis::Scale;
use super::look::{Frame, SECONDARY, axes, line, marker, no_data, paint};
use super::scene::{Scene, ink, width};
use crate::document::{Plot, Rule, Weight};

/// The height of one of several plots.
pub(super) const PANEL: i32 = 280;
/// The room for the names below the last of them.
pub(super) const NAMES: i32 = 74;
/// Around a plot: left, above and right.
const AROUND: [i32; 3] = [180, 52, 90];

/// Draws plots within `frame`.
pub(super) fn draw(scene: &mut Scene, frame: Frame, plots: &[Plot]) {
    if let [plot] = plots {
        let bottom = frame.bottom - NAMES;
        return draw_one(scene, Frame { bottom, ..frame }, plot, true);
    }
    for (index, plot) in (0..).zip(plots) {
        let top = frame.top + index * PANEL;
        let is_last = plots.len() == index as usize + 1;
        draw_one(scene, Frame { top, bottom: top + PANEL - 14, ..frame }, plot, is_last);
    }
}

fn draw_one(scene: &mut Scene, area: Frame, plot: &Plot, has_names: bool) {
    let (xs, ys) = values(plot);
    let scales = Scale::of(&plot.x, &xs).zip(Scale::of(&plot.y, &ys));
    let Some((x, y)) = scales else { return no_data(scene, area, plot.empty) };
    let [left, above, right] = AROUND;
    let frame = Frame {
        left: area.left + left,
        top: area.top + above,
        right: area.right - right,
        bottom: area.bottom,
    };
    axes(scene, frame, &x, &y, has_names);
    let pixel = |at: (f64, f64)| {
        let is_finite = at.0.is_finite() && at.1.is_finite();
        is_finite.then(|| frame.at(x.at(at.0), y.at(at.1)))
    };
    let above = frame.top - 8;
    scene.text((frame.left, above), &plot.title, (HPos::Left, VPos::Bottom));
    // How far the texts above reach.
    let mut taken = frame.left + if plot.title.is_empty() { 0 } else { width(&plot.title) + 24 };
    for rule in &plot.rules {
        match rule {
            Rule::Across(value) => {
                let ends = vec![frame.at(0.0, y.at(*value)), frame.at(1.0, y.at(*value))];
                scene.line(ends, 3, ink(0.6));
            }
            Rule::Up { x: place, text, drawn } => {
                let ends = [0.0, 1.0].map(|end| frame.at(x.at(*place), end));
                if *drawn {
                    scene.line(ends.to_vec(), 3, ink(0.6));
                }
                let at = (ends[0].0 + 6).min(frame.right - width(text)).max(taken);
                scene.text((at, above), text, (HPos::Left, VPos::Bottom));
                taken = at + width(text) + 24;
            }
            Rule::Of(series, at) => {
                if let Some((across, up)) = pixel(*at) {
                    line(scene, *series, vec![(across, frame.bottom), (across, up)], 3, 0.8);
                }
            }
        }
    }
    for of in &plot.lines {
        let (width, strength) = match of.weight {
            Weight::Main => (5, 1.0),
            Weight::Second => (2, SECONDARY + 0.3),
        };
        let pixels: Vec<_> = of.points.iter().map(|point| point.and_then(pixel)).collect();
        for stretch in pixels.split(Option::is_none).filter(|stretch| stretch.len() > 1) {
            let points = stretch.iter().flatten().copied().collect();
            line(scene, of.series, points, width, strength);
        }
    }
    for of in &plot.intervals {
        let ends = [of.ends.0, of.ends.1].map(|end| pixel((of.x, end)));
        if let [Some((x, low)), Some((_, high))] = ends {
            scene.rectangle([(x - 3, high), (x + 3, low)], paint(of.series, SECONDARY));
        }
    }
    for mark in &plot.marks {
        match pixel(mark.at) {
            Some(at) if mark.hollow => scene.circle(at, 10, Some(4), paint(mark.series, 1.0)),
            Some(at) => marker(scene, mark.series, at),
            None => {}
        }
    }
}

/// Everything that the axes have to hold; nothing where nothing is drawn.
fn values(plot: &Plot) -> (Vec<f64>, Vec<f64>) {
    let lines = plot.lines.iter().flat_map(|line| line.points.iter().copied().flatten());
    let (xs, mut ys): (Vec<_>, Vec<_>) = lines.chain(plot.marks.iter().map(|mark| mark.at)).unzip();
    if !xs.is_empty() {
        ys.extend(plot.intervals.iter().flat_map(|of| [of.ends.0, of.ends.1]));
        ys.extend(plot.rules.iter().filter_map(|rule| match rule {
            Rule::Across(value) => Some(*value),
            Rule::Up { .. } | Rule::Of(..) => None,
        }));
    }
    (xs, ys)
}
