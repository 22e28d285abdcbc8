//! How each series looks: colour, dash and marker by its position, on charts and on pages alike. Two
//! series that share a colour differ in dash and marker.

use crate::document::Series;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// Its colour.
    pub(super) colour: Colour,
    /// The class that gives a page's elements the colour.
    pub(super) class: &'static str,
    /// Lengths of dash and gap in pixels; none is a solid line, which that of a reference never is.
    pub(super) dash: Option<(i32, i32)>,
    /// The marker on its lines.
    pub(super) marker: Marker,
}

/// Red, green and blue.
pub(super) type Colour = (u8, u8, u8);

/// A marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Circle,
    Triangle,
    Square,
    Cross,
    Diamond,
    Wedge,
}

/// The class of a colour, and the colour.
type Paint = (&'static str, Colour);

/// Okabe and Ito's palette, which colour-blind people can tell apart, without yellow, which is lost on
/// white, and black, which is the text's. Each stands out on light ground and on dark.
const PAINTS: [Paint; 6] = [
    ("s0", (0xd5, 0x5e, 0x00)),
    ("s1", (0xcc, 0x79, 0xa7)),
    ("s2", (0x00, 0x72, 0xb2)),
    ("s3", (0x00, 0x9e, 0x73)),
    ("s4", (0xe6, 0x9f, 0x00)),
    ("s5", (0x56, 0xb4, 0xe9)),
];

/// That of references.
const GREY: Paint = ("sr", (0x76, 0x7b, 0x82));

/// As many as have no divisor in common with the colours, so that few series share both.
const DASHES: [Option<(i32, i32)>; 5] =
    [Some((36, 12)), Some((18, 10)), None, Some((8, 10)), Some((60, 16))];
const MARKERS: [Marker; 5] =
    [Marker::Circle, Marker::Triangle, Marker::Square, Marker::Cross, Marker::Wedge];

const DASHES_OF_REFERENCES: [Option<(i32, i32)>; 3] =
    [Some((22, 22)), Some((12, 24)), Some((44, 24))];

/// How a series looks.
pub(super) fn look(series: Series) -> Look {
    match series {
        Series::Contender(position) => {
            let (class, colour) = PAINTS[position % PAINTS.len()];
            let dash = DASHES[position % DASHES.len()];
            Look { colour, class, dash, marker: MARKERS[position % MARKERS.len()] }
        }
        Series::Reference(position) => {
            let (class, colour) = GREY;
            let dash = DASHES_OF_REFERENCES[position % DASHES_OF_REFERENCES.len()];
            Look { colour, class, dash, marker: Marker::Diamond }
        }
    }
}

/// The rules of a style sheet for all classes.
pub(super) fn css() -> String {
    let rule = |(class, colour)| format!(".{class} {{ --own: {}; }}\n", hexadecimal(colour));
    PAINTS.into_iter().chain([GREY]).map(rule).collect()
}

/// As style sheets and SVG name it.
pub(super) fn hexadecimal((red, green, blue): Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of two colours, by the Web Content Accessibility Guidelines: what is drawn takes 3.
    fn contrast(one: Colour, other: Colour) -> f64 {
        let luminance = |(red, green, blue): Colour| {
            let linear = [red, green, blue].map(|part| {
                let part = f64::from(part) / 255.0;
                if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
            });
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        };
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        one.max(other) / one.min(other)
    }

    #[test]
    fn every_colour_stands_out_on_dark_ground_and_most_on_light() {
        let all = PAINTS.into_iter().chain([GREY]);
        assert!(all.clone().all(|(_, colour)| contrast(colour, (0x14, 0x17, 0x1b)) >= 3.0));
        let pale = all.filter(|(_, colour)| contrast(*colour, (0xff, 0xff, 0xff)) < 3.0);
        let pale: Vec<_> = pale.map(|(class, _)| class).collect();
        assert_eq!(pale, ["s4", "s5"], "those of the fifth and sixth have markers and dashes, too");
    }

    #[test]
    fn a_dozen_contenders_and_three_references_can_be_told_apart() {
        let contenders = (0..12).map(Series::Contender);
        let all: Vec<_> = contenders.chain((0..3).map(Series::Reference)).collect();
        for (index, series) in all.iter().enumerate() {
            let own = look(*series);
            let is_reference = matches!(series, Series::Reference(_));
            assert!(own.dash.is_some() || !is_reference, "a reference is dashed");
            for other in all[..index].iter().map(|other| look(*other)) {
                assert_ne!(own, other, "{series:?}");
                assert!(own.colour != other.colour || own.dash != other.dash, "{series:?}");
            }
            // Those of one run are mostly few.
            for other in all[..index.min(6)].iter().map(|other| look(*other)) {
                assert!(index >= 6 || own.colour != other.colour, "{series:?}");
            }
        }
    }
}
