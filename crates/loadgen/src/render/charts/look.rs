//! What all charts have: a header with a legend, axes, and the lines and marks of series.

use plotters::style::text_anchor::{HPos, VPos};

use super::axis::Scale;
use super::scene::{Paint, Point, Scene, TEXT, TITLE, ink, width};
use crate::document::{Drawing, Series};
use crate::render::palette::{Marker, look};

/// How strong grid lines are, on any ground.
const GRID: f64 = 0.13;
/// How strong what is secondary is: the 99th percentile over time, the generator's bar.
pub(super) const SECONDARY: f64 = 0.45;

const MARGIN: i32 = 24;
/// Of title and subtitle.
const HEADER: i32 = 114;
/// Of a row of the legend.
const LEGEND: i32 = 56;
/// Of the line in a legend.
const SAMPLE: i32 = 110;

/// A part of the scene.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) right: i32,
    pub(super) bottom: i32,
}

impl Frame {
    /// Where a share of the way from left to right, and one from bottom to top, is.
    pub(super) fn at(&self, x: f64, y: f64) -> Point {
        let across = (x * f64::from(self.right - self.left)).round() as i32;
        let up = (y * f64::from(self.bottom - self.top)).round() as i32;
        (self.left + across, self.bottom - up)
    }
}

/// Draws title, subtitle and legend, and gives what is below.
pub(super) fn header(scene: &mut Scene, drawing: &Drawing) -> Frame {
    let end = |length: u32| i32::try_from(length).unwrap_or(i32::MAX);
    let (right, bottom) = (end(scene.size.0), end(scene.size.1));
    scene.sized((MARGIN, 14), &drawing.title, TITLE, (HPos::Left, VPos::Top));
    scene.text((MARGIN, 66), &drawing.subtitle, (HPos::Left, VPos::Top));
    let (mut x, mut y) = (MARGIN, HEADER + 22);
    for (series, label) in &drawing.legend {
        let length = SAMPLE + 18 + width(label);
        if x + length > right - MARGIN && x > MARGIN {
            (x, y) = (MARGIN, y + LEGEND);
        }
        line(scene, *series, vec![(x, y), (x + SAMPLE, y)], 5, 1.0);
        marker(scene, *series, (x + SAMPLE / 2, y));
        scene.text((x + SAMPLE + 18, y), label, (HPos::Left, VPos::Center));
        x += length + 70;
    }
    let top = if drawing.legend.is_empty() { HEADER } else { y + LEGEND - 22 };
    Frame { left: 0, top, right, bottom }
}

/// Draws axes with their grid and what stands at their marks; grid lines only where they help.
pub(super) fn axes(scene: &mut Scene, frame: Frame, x: &Scale<'_>, y: &Scale<'_>, has_names: bool) {
    for (share, is_minor) in y.grid() {
        let ends = vec![frame.at(0.0, share), frame.at(1.0, share)];
        grid_line(scene, ends, is_minor);
    }
    for (share, is_minor) in x.grid() {
        let ends = vec![frame.at(share, 0.0), frame.at(share, 1.0)];
        grid_line(scene, ends, is_minor);
    }
    scene.line(vec![frame.at(0.0, 1.0), frame.at(0.0, 0.0), frame.at(1.0, 0.0)], 2, ink(0.5));
    for (share, label) in y.labels() {
        let (left, up) = frame.at(0.0, share);
        scene.text((left - 14, up), &label, (HPos::Right, VPos::Center));
    }
    for (share, label) in x.labels().into_iter().filter(|_| has_names) {
        let (across, bottom) = frame.at(share, 0.0);
        scene.text((across, bottom + 14), &label, (HPos::Center, VPos::Top));
    }
}

/// A grid line across, from a point on.
pub(super) fn line_across(scene: &mut Scene, (left, y): Point, right: i32) {
    grid_line(scene, vec![(left, y), (right, y)], false);
}

fn grid_line(scene: &mut Scene, ends: Vec<Point>, is_minor: bool) {
    let (width, strength) = if is_minor { (1, GRID / 2.0) } else { (2, GRID) };
    scene.line(ends, width, ink(strength));
}

/// The colour of a series.
pub(super) fn paint(series: Series, strength: f64) -> Paint {
    Paint { colour: look(series).colour, strength }
}

/// A line in the look of its series.
pub(super) fn line(
    scene: &mut Scene,
    series: Series,
    points: Vec<Point>,
    width: u32,
    strength: f64,
) {
    scene.dashed(points, (width, look(series).dash), paint(series, strength));
}

/// The marker of a series.
pub(super) fn marker(scene: &mut Scene, series: Series, (x, y): Point) {
    /// How far it reaches, and how far those do that are pointed and look smaller.
    const NEAR: i32 = 8;
    const FAR: i32 = 12;
    let own = paint(series, 1.0);
    let corners = match look(series).marker {
        Marker::Circle => return scene.circle((x, y), 9, None, own),
        Marker::Square => {
            return scene.rectangle([(x - NEAR, y - NEAR), (x + NEAR, y + NEAR)], own);
        }
        Marker::Cross => {
            scene.line(vec![(x - 9, y - 9), (x + 9, y + 9)], 5, own);
            return scene.line(vec![(x - 9, y + 9), (x + 9, y - 9)], 5, own);
        }
        Marker::Triangle => vec![(x - FAR, y + NEAR), (x + FAR, y + NEAR), (x, y - FAR)],
        Marker::Wedge => vec![(x - FAR, y - NEAR), (x + FAR, y - NEAR), (x, y + FAR)],
        Marker::Diamond => vec![(x, y - FAR), (x + FAR, y), (x, y + FAR), (x - FAR, y)],
    };
    scene.polygon(corners, own);
}

/// Says in the middle of a frame that there is nothing to show.
pub(super) fn no_data(scene: &mut Scene, frame: Frame, why: &str) {
    let (x, y) = frame.at(0.5, 0.5);
    scene.text((x, y - TEXT), why, (HPos::Center, VPos::Center));
}
