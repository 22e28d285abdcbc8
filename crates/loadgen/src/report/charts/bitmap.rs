//! The bitmap backend, with dashes, and with text where the SVG backend puts it.

use plotters::element::{DashedPathElement, Drawable};
use plotters::prelude::{BitMapBackend, Color, RGBColor, ShapeStyle};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};

use super::style::dash_of;

/// How far plotters draws text above its place on bitmaps, in sizes of the font: it takes half of
/// the size for the height of the ascenders.
const RAISED: f64 = 0.11;

pub(super) struct Bitmap<'a>(pub(super) BitMapBackend<'a>);

impl DrawingBackend for Bitmap<'_> {
    type ErrorType = <BitMapBackend<'static> as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.0.get_size()
    }

    fn ensure_prepared(&mut self) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.0.ensure_prepared()
    }

    fn present(&mut self) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.0.present()
    }

    fn draw_pixel(
        &mut self,
        point: BackendCoord,
        color: BackendColor,
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.0.draw_pixel(point, color)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        let BackendColor { alpha, rgb } = style.color();
        let Some((dash, gap)) = dash_of(rgb) else { return self.0.draw_path(path, style) };
        let line = ShapeStyle {
            color: RGBColor(rgb.0, rgb.1, rgb.2).mix(alpha),
            filled: false,
            stroke_width: style.stroke_width(),
        };
        let dashed = DashedPathElement::new(std::iter::empty::<BackendCoord>(), dash, gap, line);
        let size = self.get_size();
        dashed.draw(path.into_iter(), &mut self.0, size)
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.0.draw_text(text, style, (x, y + (RAISED * style.size()).round() as i32))
    }
}
