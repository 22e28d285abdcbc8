//! How each series looks: colour, dash and marker by its position, on charts and on pages alike. Two
//! series that share a colour differ in dash and marker.

use crate::document::Series;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// Its colour on light ground.
    pub(super) colour: Colour,
    /// The class that gives a page's elements the colour, on light ground and on dark.
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

/// The class of a colour, the colour, and the one that replaces it on dark ground.
type Paint = (&'static str, Colour, Colour);

const BLUE: Colour = (0x00, 0x72, 0xb2);

/// Okabe and Ito's palette, which colour-blind people can tell apart, without yellow, which is lost on
/// white, and black, which is the text's. A blue that is lighter takes its place on dark ground.
const PAINTS: [Paint; 6] = [
    ("s0", (0xd5, 0x5e, 0x00), (0xd5, 0x5e, 0x00)),
    ("s1", (0xcc, 0x79, 0xa7), (0xcc, 0x79, 0xa7)),
    ("s2", BLUE, (0x3a, 0x9b, 0xd6)),
    ("s3", (0x00, 0x9e, 0x73), (0x00, 0x9e, 0x73)),
    ("s4", (0xe6, 0x9f, 0x00), (0xe6, 0x9f, 0x00)),
    ("s5", (0x56, 0xb4, 0xe9), (0x56, 0xb4, 0xe9)),
];

/// That of references: it stands out on light and dark ground alike.
const GREY: Paint = ("sr", (0x76, 0x7b, 0x82), (0x76, 0x7b, 0x82));

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
            let (class, colour, _) = PAINTS[position % PAINTS.len()];
            let dash = DASHES[position % DASHES.len()];
            Look { colour, class, dash, marker: MARKERS[position % MARKERS.len()] }
        }
        Series::Reference(position) => {
            let (class, colour, _) = GREY;
            let dash = DASHES_OF_REFERENCES[position % DASHES_OF_REFERENCES.len()];
            Look { colour, class, dash, marker: Marker::Diamond }
        }
    }
}

/// Rules of a style sheet: the classes of all series, and what dark ground replaces.
pub(super) fn css() -> [String; 2] {
    let light =
        |(class, colour, _): Paint| format!(".{class} {{ --own: {}; }}\n", hexadecimal(colour));
    let dark = |(class, light, dark): Paint| {
        let [light, dark] = [light, dark].map(hexadecimal);
        format!(
            ".{class} {{ --own: {dark}; }}\nsvg [stroke=\"{light}\"] {{ stroke: {dark}; }}\n\
             svg [fill=\"{light}\"] {{ fill: {dark}; }}\n"
        )
    };
    let paints = || PAINTS.into_iter().chain([GREY]);
    [
        paints().map(light).collect(),
        paints().filter(|(_, light, dark)| light != dark).map(dark).collect(),
    ]
}

/// As style sheets and SVG name it.
pub(super) fn hexadecimal((red, green, blue): Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

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
