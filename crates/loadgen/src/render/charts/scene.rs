//! A picture as shapes in pixels, and what is made of it: SVG for a page, whose font and text colour it
//! takes, and a bitmap on white.

use anyhow::{Context as _, anyhow};
use plotters::element::{DashedPathElement, Drawable};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, RGBColor, ShapeStyle, TextStyle};
use plotters_backend::DrawingBackend as _;

use super::lettering;
use crate::document::prose::shortened;
use crate::render::markup::escaped;
use crate::render::palette::{Colour, hexadecimal};

/// Text and axes. On a page it becomes the colour of the text around, so nothing else has it.
const INK: Colour = (0x1b, 0x1f, 0x24);

/// The height of usual text, and that of titles.
pub(super) const TEXT: i32 = 32;
pub(super) const TITLE: i32 = 42;

/// How much smaller a page's font has to be to look as large.
const OF_PAGE: f64 = 1.24;

/// How far bitmaps have text above its place, in sizes of the font: half of the size is taken for the
/// height of the ascenders.
const RAISED: f64 = 0.11;

/// The longest text, in characters: no more fits a picture.
const LONGEST: usize = 120;

/// A place in pixels, from the upper left.
pub(super) type Point = (i32, i32);

/// A colour and how strong it is.
#[derive(Clone, Copy)]
pub(super) struct Paint {
    pub(super) colour: Colour,
    pub(super) strength: f64,
}

/// That of text, so strong.
pub(super) fn ink(strength: f64) -> Paint {
    Paint { colour: INK, strength }
}

/// Which point of a text is at its place: an end or the middle, across and upright.
pub(super) type Anchor = (HPos, VPos);

/// The width of a line, and lengths of dash and gap; none is a solid one.
pub(super) type Stroke = (u32, Option<(i32, i32)>);

enum Shape {
    /// Its points, width, and lengths of dash and gap.
    Line(Vec<Point>, u32, Option<(i32, i32)>),
    /// Two opposite corners.
    Rectangle([Point; 2]),
    /// The width of a ring, if it is one.
    Circle(Point, u32, Option<u32>),
    Polygon(Vec<Point>),
    Text(Point, String, i32, Anchor),
}

/// A picture in the making.
pub(super) struct Scene {
    pub(super) size: (u32, u32),
    shapes: Vec<(Shape, Paint)>,
}

impl Scene {
    /// An empty one.
    ///
    /// # Errors
    /// Fonts that were damaged when this program was built.
    pub(super) fn new(size: (u32, u32)) -> anyhow::Result<Self> {
        lettering::register()?;
        Ok(Self { size, shapes: Vec::new() })
    }

    pub(super) fn line(&mut self, points: Vec<Point>, width: u32, paint: Paint) {
        self.dashed(points, (width, None), paint);
    }

    /// A line of this width, and of dashes and gaps of these lengths.
    pub(super) fn dashed(&mut self, points: Vec<Point>, (width, dash): Stroke, paint: Paint) {
        self.shapes.push((Shape::Line(points, width, dash), paint));
    }

    pub(super) fn rectangle(&mut self, corners: [Point; 2], paint: Paint) {
        self.shapes.push((Shape::Rectangle(corners), paint));
    }

    pub(super) fn circle(&mut self, at: Point, radius: u32, ring: Option<u32>, paint: Paint) {
        self.shapes.push((Shape::Circle(at, radius, ring), paint));
    }

    pub(super) fn polygon(&mut self, corners: Vec<Point>, paint: Paint) {
        self.shapes.push((Shape::Polygon(corners), paint));
    }

    /// Text of the usual size.
    pub(super) fn text(&mut self, at: Point, text: &str, anchor: Anchor) {
        self.sized(at, text, TEXT, anchor);
    }

    /// Bold text, if it has the size of titles.
    pub(super) fn sized(&mut self, at: Point, text: &str, size: i32, anchor: Anchor) {
        if !text.is_empty() {
            let text = shortened(text, LONGEST);
            self.shapes.push((Shape::Text(at, text, size, anchor), ink(1.0)));
        }
    }

    /// An SVG element.
    pub(super) fn svg(&self) -> String {
        let (width, height) = self.size;
        let shapes: String =
            self.shapes.iter().map(|(shape, paint)| element(shape, *paint)).collect();
        format!(
            "<svg viewBox=\"0 0 {width} {height}\" aria-hidden=\"true\" focusable=\"false\">\n{shapes}</svg>\n"
        )
    }

    /// A file of PNG.
    pub(super) fn png(&self) -> anyhow::Result<Vec<u8>> {
        let (width, height) = self.size;
        let mut pixels = vec![0xff; width as usize * height as usize * 3];
        let mut canvas = plotters::prelude::BitMapBackend::with_buffer(&mut pixels, self.size);
        for (shape, paint) in &self.shapes {
            draw(&mut canvas, shape, *paint).map_err(|error| anyhow!("cannot draw: {error}"))?;
        }
        drop(canvas);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish().context("cannot encode a chart as PNG")?;
        Ok(bytes)
    }
}

/// The width of a text of the usual size.
pub(super) fn width(text: &str) -> i32 {
    lettering::width(&shortened(text, LONGEST), TEXT, false)
}

/// A shape as an element of SVG.
fn element(shape: &Shape, Paint { colour, strength }: Paint) -> String {
    let colour = if colour == INK { "currentColor".to_owned() } else { hexadecimal(colour) };
    let opacity =
        if strength < 1.0 { format!(" opacity=\"{strength:.3}\"") } else { String::new() };
    let points = |points: &[Point]| {
        points.iter().map(|(x, y)| format!("{x},{y}")).collect::<Vec<_>>().join(" ")
    };
    let fill = format!("fill=\"{colour}\"{opacity}");
    let stroke = |width: &u32| {
        format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"{opacity}")
    };
    match shape {
        Shape::Line(line, width, dash) => {
            let dash = dash.map(|(dash, gap)| format!(" stroke-dasharray=\"{dash} {gap}\""));
            let (points, dash) = (points(line), dash.unwrap_or_default());
            format!("<polyline points=\"{points}\" {}{dash}/>\n", stroke(width))
        }
        Shape::Rectangle([(a, b), (c, d)]) => {
            let (x, y, width, height) = (a.min(c), b.min(d), (a - c).abs(), (b - d).abs());
            format!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {fill}/>\n")
        }
        Shape::Circle((x, y), radius, ring) => {
            let paint = ring.as_ref().map_or(fill, stroke);
            format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" {paint}/>\n")
        }
        Shape::Polygon(corners) => format!("<polygon points=\"{}\" {fill}/>\n", points(corners)),
        Shape::Text((x, y), text, size, (across, upright)) => {
            let anchor = match across {
                HPos::Left => "",
                HPos::Center => " text-anchor=\"middle\"",
                HPos::Right => " text-anchor=\"end\"",
            };
            let below = match upright {
                VPos::Top => "0.76em",
                VPos::Center => "0.5ex",
                VPos::Bottom => "-0.5ex",
            };
            let bold = if *size == TITLE { " font-weight=\"bold\"" } else { "" };
            let (size, text) = (f64::from(*size) / OF_PAGE, escaped(text));
            format!(
                "<text x=\"{x}\" y=\"{y}\" dy=\"{below}\"{anchor} font-size=\"{size:.1}\"{bold} {fill}>{text}</text>\n"
            )
        }
    }
}

type Canvas<'a> = plotters::prelude::BitMapBackend<'a>;
type Failure<'a> =
    plotters_backend::DrawingErrorKind<<Canvas<'a> as plotters_backend::DrawingBackend>::ErrorType>;

/// A shape on a bitmap.
fn draw<'a>(canvas: &mut Canvas<'a>, shape: &Shape, paint: Paint) -> Result<(), Failure<'a>> {
    let (red, green, blue) = paint.colour;
    let color = RGBColor(red, green, blue).mix(paint.strength);
    let stroke = |width| ShapeStyle { color, filled: false, stroke_width: width };
    match shape {
        Shape::Line(points, width, None) => {
            canvas.draw_path(points.iter().copied(), &stroke(*width))
        }
        Shape::Line(points, width, Some((dash, gap))) => {
            let none = std::iter::empty::<Point>();
            let size = canvas.get_size();
            let dashed = DashedPathElement::new(none, *dash, *gap, stroke(*width));
            dashed.draw(points.iter().copied(), canvas, size)
        }
        Shape::Rectangle([(a, b), (c, d)]) => {
            let (first, last) = ((*a.min(c), *b.min(d)), (*a.max(c), *b.max(d)));
            canvas.draw_rect(first, last, &color, true)
        }
        Shape::Circle(at, radius, ring) => {
            canvas.draw_circle(*at, *radius, &stroke(ring.unwrap_or(1)), ring.is_none())
        }
        Shape::Polygon(corners) => canvas.fill_polygon(corners.iter().copied(), &color),
        Shape::Text((x, y), text, size, (across, upright)) => {
            let is_bold = *size == TITLE;
            let below = (RAISED * f64::from(*size)).round() as i32;
            let all = lettering::width(text, *size, is_bold);
            let mut left = match across {
                HPos::Left => *x,
                HPos::Center => x - all / 2,
                HPos::Right => x - all,
            };
            for (family, piece) in lettering::pieces(text) {
                let style = TextStyle::from(family.font(*size, is_bold)).color(&color);
                let style = style.pos(Pos::new(HPos::Left, *upright));
                canvas.draw_text(&piece, &style, (left, y + below))?;
                left += lettering::piece_width(family, &piece, *size, is_bold);
            }
            Ok(())
        }
    }
}
