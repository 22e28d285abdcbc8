//! The fonts of bitmaps, which are embedded so that the machine needs none, and which of them has what.
//! What none has is drawn as a replacement character: nothing vanishes.

use std::sync::OnceLock;

use ab_glyph::{Font as _, FontRef};
use anyhow::Context as _;
use plotters::style::{FontDesc, FontFamily, FontStyle, IntoFont as _, register_font};

use crate::text::shown;

const REGULAR: &[u8] = include_bytes!("../../../assets/Roboto-Regular.ttf");
const BOLD: &[u8] = include_bytes!("../../../assets/Roboto-Bold.ttf");
const FALLBACK: &[u8] = include_bytes!("../../../assets/WenQuanYiMicroHei.ttf");

/// A font, by the family that it is registered as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Latin, Greek and Cyrillic.
    Main,
    /// Chinese, Japanese and Korean, without a bold weight.
    Fallback,
}

impl Family {
    /// At this size in pixels.
    pub(super) fn font(self, size: i32, is_bold: bool) -> FontDesc<'static> {
        let style = if is_bold { FontStyle::Bold } else { FontStyle::Normal };
        FontDesc::new(FontFamily::Name(self.name()), f64::from(size), style).into_font()
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Fallback => "fallback",
        }
    }
}

/// What the fonts have.
struct Coverage {
    main: FontRef<'static>,
    fallback: FontRef<'static>,
}

impl Coverage {
    fn place(&self, char: char) -> (Family, char) {
        let has = |font: &FontRef<'_>| font.glyph_id(char).0 != 0;
        match () {
            () if has(&self.main) => (Family::Main, char),
            () if has(&self.fallback) => (Family::Fallback, char),
            () => (Family::Main, char::REPLACEMENT_CHARACTER),
        }
    }
}

/// None if the fonts cannot be read.
fn coverage() -> Option<&'static Coverage> {
    static READ: OnceLock<Option<Coverage>> = OnceLock::new();
    let read = || {
        register_font(Family::Main.name(), FontStyle::Normal, REGULAR).ok()?;
        register_font(Family::Main.name(), FontStyle::Bold, BOLD).ok()?;
        for style in [FontStyle::Normal, FontStyle::Bold] {
            register_font(Family::Fallback.name(), style, FALLBACK).ok()?;
        }
        let read = |font| FontRef::try_from_slice(font).ok();
        Some(Coverage { main: read(REGULAR)?, fallback: read(FALLBACK)? })
    };
    READ.get_or_init(read).as_ref()
}

/// Makes the fonts usable.
///
/// # Errors
/// Fonts that were damaged when this program was built.
pub(super) fn register() -> anyhow::Result<()> {
    let damaged = "the embedded fonts cannot be read: assets/ was damaged in the build";
    coverage().context(damaged).map(drop)
}

/// The pieces of a text that one font has, in order.
pub(super) fn pieces(text: &str) -> Vec<(Family, String)> {
    let Some(coverage) = coverage() else { return Vec::new() };
    let mut pieces: Vec<(Family, String)> = Vec::new();
    for char in text.chars() {
        let (family, char) = coverage.place(shown(char));
        match pieces.last_mut() {
            Some((last, piece)) if *last == family => piece.push(char),
            _ => pieces.push((family, char.to_string())),
        }
    }
    pieces
}

/// The width of a text in pixels.
pub(super) fn width(text: &str, size: i32, is_bold: bool) -> i32 {
    pieces(text).iter().map(|(family, piece)| piece_width(*family, piece, size, is_bold)).sum()
}

/// That of a piece.
pub(super) fn piece_width(family: Family, piece: &str, size: i32, is_bold: bool) -> i32 {
    let box_size = family.font(size, is_bold).box_size(piece);
    box_size.map_or(0, |(width, _)| i32::try_from(width).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_that_is_carried_is_drawn() {
        for text in ["Grüße, Łódź", "Ελληνικά", "Привет, світ", "世界", "こんにちは", "안녕"]
        {
            let all: String = pieces(text).into_iter().map(|(_, piece)| piece).collect();
            assert_eq!(all, text);
        }
        assert_eq!(
            pieces("SSE 世界 x"),
            [
                (Family::Main, "SSE ".to_owned()),
                (Family::Fallback, "世界".to_owned()),
                (Family::Main, " x".to_owned())
            ]
        );
    }

    #[test]
    fn what_no_font_has_is_replaced() {
        assert_eq!(pieces("a🦀b\u{202e}"), [(Family::Main, "a\u{fffd}b\u{fffd}".to_owned())]);
        assert!(width("🦀", 32, false) > 0, "it is drawn");
    }
}
