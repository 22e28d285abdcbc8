//! How figures look: fonts, colours, and the dash and marker by which each contender can be told
//! without its colour.

use std::sync::OnceLock;

use crate::results::ContenderId;
use anyhow::bail;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Drawn;

/// The family that the embedded fonts are registered as; a page replaces it with its own.
const FAMILY: &str = "sans-serif";

/// Text and axes. On a page it becomes the colour of the text around, so nothing else has it.
pub(super) const INK: RGBColor = RGBColor(0x1b, 0x1f, 0x24);

/// How strong grid lines are, on any ground.
pub(super) const GRID: f64 = 0.13;
/// How strong what is secondary is: the 99th percentile over time, the generator's bar.
pub(super) const SECONDARY: f64 = 0.45;

pub(super) const TITLE_SIZE: i32 = 42;
pub(super) const TEXT_SIZE: i32 = 32;

/// Registers the embedded fonts, so that the machine needs none; only the first call does anything.
pub(super) fn register_fonts() -> anyhow::Result<()> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = REGISTERED.get_or_init(|| {
        let regular = include_bytes!("../../../assets/Roboto-Regular.ttf");
        let bold = include_bytes!("../../../assets/Roboto-Bold.ttf");
        register_font(FAMILY, FontStyle::Normal, regular).is_ok()
            && register_font(FAMILY, FontStyle::Bold, bold).is_ok()
    });
    if !registered {
        bail!("the embedded font cannot be read: assets/ was damaged when this program was built");
    }
    Ok(())
}

/// How a contender is drawn.
pub(super) struct Look {
    /// From Okabe and Ito's palette, which colour-blind people can tell apart; the yardstick is
    /// grey, which stands out on light and dark ground alike.
    pub(super) colour: RGBColor,
    /// Lengths of dash and gap in pixels; none is a solid line, which the yardstick never is.
    pub(super) dash: Option<(i32, i32)>,
    /// The marker on its lines.
    pub(super) marker: Marker,
}

#[derive(Clone, Copy)]
pub(super) enum Marker {
    Circle,
    Triangle,
    Square,
    Cross,
    Diamond,
}

pub(super) fn look(contender: &ContenderId) -> Look {
    look_at(contender.position(), contender.is_reference())
}

/// How a page knows the colour of a contender.
pub(crate) fn place(contender: &ContenderId) -> String {
    match contender.is_reference() {
        true => "reference".to_owned(),
        false => (contender.position() % COLOURS.len()).to_string(),
    }
}

fn look_at(position: usize, is_reference: bool) -> Look {
    if is_reference {
        return REFERENCE;
    }
    let [colour, dash, marker] = [COLOURS.len(), DASHES.len(), MARKERS.len()].map(|n| position % n);
    Look { colour: COLOURS[colour], dash: DASHES[dash], marker: MARKERS[marker] }
}

/// Okabe and Ito's palette, which colour-blind people can tell apart, in the order in which
/// contenders take it.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x8c, 0x6d, 0x31),
];

/// As many as there are colours, because backends know a dash by its colour.
const DASHES: [Option<(i32, i32)>; 7] = [
    Some((36, 12)),
    Some((18, 10)),
    None,
    Some((8, 10)),
    Some((28, 10)),
    Some((14, 6)),
    Some((24, 16)),
];

const MARKERS: [Marker; 4] = [Marker::Circle, Marker::Triangle, Marker::Square, Marker::Cross];

/// References are grey, which stands out on light and dark ground alike, and never solid.
const REFERENCE: Look =
    Look { colour: RGBColor(0x76, 0x7b, 0x82), dash: Some((22, 22)), marker: Marker::Diamond };

/// Every look that there is.
fn looks() -> impl Iterator<Item = Look> {
    (0..COLOURS.len()).map(|position| look_at(position, false)).chain([REFERENCE])
}

pub(super) fn text(size: i32) -> TextStyle<'static> {
    (FAMILY, size).into_font().color(&INK)
}

pub(super) fn title_text() -> TextStyle<'static> {
    bold(TITLE_SIZE)
}

/// What stands above some rows of a figure.
pub(super) fn heading_text() -> TextStyle<'static> {
    bold(TEXT_SIZE)
}

fn bold(size: i32) -> TextStyle<'static> {
    // Not `.style(Bold)`, which keeps the font that was loaded for the normal style.
    FontDesc::new(FontFamily::Name(FAMILY), f64::from(size), FontStyle::Bold).color(&INK)
}

pub(super) fn anchored(size: i32, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    text(size).pos(Pos::new(horizontal, vertical))
}

/// The height of the title, the subtitle and the legend.
const HEADER_HEIGHT: i32 = 170;
const MARGIN: i32 = 24;

/// Draws title, subtitle and legend, and gives the area below them.
pub(super) fn header<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    title: &str,
    subtitle: &str,
    legend: &[ContenderId],
) -> Result<DrawingArea<DB, Shift>, DrawingAreaErrorKind<DB::ErrorType>> {
    let height = if legend.is_empty() { HEADER_HEIGHT - 56 } else { HEADER_HEIGHT };
    let (head, body) = area.split_vertically(height);
    head.draw_text(title, &title_text(), (MARGIN, 14))?;
    head.draw_text(subtitle, &text(TEXT_SIZE), (MARGIN, 66))?;
    let mut x = MARGIN;
    let style = anchored(TEXT_SIZE, HPos::Left, VPos::Center);
    for contender in legend {
        let y = 136;
        line(&head, contender, &[(x, y), (x + 110, y)], 5, 1.0)?;
        marker(&head, contender, (x + 55, y))?;
        head.draw_text(contender.label(), &style, (x + 128, y))?;
        let (width, _) = head.estimate_text_size(contender.label(), &style)?;
        x += 128 + i32::try_from(width).unwrap_or(0) + 70;
    }
    Ok(body)
}

/// A chart with room for its marks.
pub(super) fn builder<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
) -> ChartBuilder<'_, '_, DB> {
    let mut builder = ChartBuilder::on(area);
    builder.margin_right(70).margin_top(24).margin_bottom(14);
    builder.x_label_area_size(60).y_label_area_size(150);
    builder
}

/// A line in the look of its contender, in pixels; backends dash it by its colour.
pub(super) fn line<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    contender: &ContenderId,
    points: &[(i32, i32)],
    width: u32,
    strength: f64,
) -> Drawn<DB> {
    let style = look(contender).colour.mix(strength).stroke_width(width);
    area.draw(&PathElement::new(points.to_vec(), style))
}

/// The marker of a contender, in pixels.
pub(super) fn marker<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    contender: &ContenderId,
    (x, y): (i32, i32),
) -> Drawn<DB> {
    const REACH: i32 = 9;
    let Look { colour, marker, .. } = look(contender);
    match marker {
        Marker::Circle => area.draw(&Circle::new((x, y), REACH, colour.filled())),
        Marker::Triangle => area.draw(&TriangleMarker::new((x, y), REACH + 4, colour.filled())),
        Marker::Square => {
            let corners = [(x - REACH + 1, y - REACH + 1), (x + REACH - 1, y + REACH - 1)];
            area.draw(&Rectangle::new(corners, colour.filled()))
        }
        Marker::Cross => area.draw(&Cross::new((x, y), REACH, colour.stroke_width(5))),
        Marker::Diamond => {
            let reach = REACH + 3;
            let corners = [(x, y - reach), (x + reach, y), (x, y + reach), (x - reach, y)];
            area.draw(&Polygon::new(corners, colour.filled()))
        }
    }
}

/// A ring in the colour of a contender, in pixels: the mark of what did not come up to expectations.
pub(super) fn ring<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    contender: &ContenderId,
    at: (i32, i32),
) -> Drawn<DB> {
    const RADIUS: i32 = 10;
    area.draw(&Circle::new(at, RADIUS, look(contender).colour.stroke_width(4)))
}

/// Says in the middle of an area that there is nothing to show.
pub(super) fn no_data<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, why: &str) -> Drawn<DB> {
    let (width, height) = area.dim_in_pixel();
    let half = |length: u32| i32::try_from(length / 2).unwrap_or(0);
    let middle = (half(width), half(height) - TEXT_SIZE);
    area.draw_text(why, &anchored(TEXT_SIZE, HPos::Center, VPos::Center), middle)
}

/// Dash and gap of the lines that have this colour. Backends know no dashes, so each of them looks
/// them up here: drawn one by one, the dashes of a busy chart would outgrow the page.
pub(super) fn dash_of((red, green, blue): (u8, u8, u8)) -> Option<(i32, i32)> {
    looks().filter(|look| look.colour == RGBColor(red, green, blue)).find_map(|look| look.dash)
}

/// SVG as the backend writes it → an element that takes font and text colour from its page.
pub(super) fn for_page(svg: &str, (width, height): (u32, u32)) -> String {
    let body = svg.split_once('>').map_or("", |(_, body)| body.trim_start());
    let mut body = body
        .replace(&format!("\"{}\"", hexadecimal(INK)), "\"currentColor\"")
        .replace(" opacity=\"1\"", "")
        .replace(&format!(" font-family=\"{FAMILY}\""), "");
    for Look { colour, dash, .. } in looks() {
        if let Some((dash, gap)) = dash {
            let line = format!("stroke=\"{}\" stroke-width", hexadecimal(colour));
            let dashed = format!("stroke-dasharray=\"{dash} {gap}\" {line}");
            let dashes = |element: &str| match element.starts_with("<polyline ") {
                true => element.replace(&line, &dashed),
                false => element.to_owned(),
            };
            body = body.split_inclusive('\n').map(dashes).collect();
        }
    }
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" aria-hidden=\"true\" focusable=\"false\">\n{body}"
    )
}

fn hexadecimal(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_can_be_told_and_references_are_dashed() {
        let all = ContenderId::all_transports();
        for (index, contender) in all.iter().enumerate() {
            let own = look(contender);
            assert_ne!(own.colour, INK, "{contender}: the text's alone");
            assert!(own.dash.is_some() || !contender.is_reference(), "{contender}");
            for other in &all[..index] {
                let other = look(other);
                assert!(own.colour != other.colour && own.dash != other.dash, "{contender}");
            }
        }
    }
}
