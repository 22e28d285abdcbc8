//! Pictures, each drawn by the same code as a bitmap and as SVG for a page.

mod axis;
mod grid;
mod lettering;
mod look;
mod plot;
mod rows;
mod scene;
#[cfg(test)]
mod tests;

use crate::document::{Content, Drawing};
use scene::Scene;

const WIDTH: u32 = 1840;
/// The height of a single plot.
const PLOT: u32 = 960;

/// A drawing as PNG, on white.
pub(super) fn png(drawing: &Drawing) -> anyhow::Result<Vec<u8>> {
    draw(drawing)?.png()
}

/// A drawing as an SVG element, in the text colour of the page around it.
pub(super) fn svg(drawing: &Drawing) -> anyhow::Result<String> {
    Ok(draw(drawing)?.svg())
}

/// Sizes are twice what a picture is shown at, because lines have whole pixels.
fn draw(drawing: &Drawing) -> anyhow::Result<Scene> {
    let height = match &drawing.content {
        Content::Plots(plots) if plots.len() > 1 => {
            let panels = u32::try_from(plots.len()).unwrap_or(u32::MAX);
            panels.saturating_mul(plot::PANEL as u32).saturating_add(200)
        }
        Content::Plots(_) => PLOT,
        Content::Bars(bars) => rows::height_of_bars(bars),
        Content::Dots(dots) => rows::height_of_dots(dots),
        Content::Grid(grid) => grid::height(grid, WIDTH),
    };
    let mut scene = Scene::new((WIDTH, height))?;
    let frame = look::header(&mut scene, drawing);
    match &drawing.content {
        Content::Plots(plots) => plot::draw(&mut scene, frame, plots),
        Content::Bars(bars) => rows::bars(&mut scene, frame, bars),
        Content::Dots(dots) => rows::dots(&mut scene, frame, dots),
        Content::Grid(grid) => grid::draw(&mut scene, frame, grid),
    }
    Ok(scene)
}
