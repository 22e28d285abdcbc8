//! Two builds: every block as a dot on a logarithmic axis of candidate / baseline.

use crate::results::ContenderId;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis;
use super::style::{self, GRID, INK, TEXT_SIZE};
use super::{Drawing, Drawn};

const WIDTH: u32 = 1840;
const ROW: u32 = 58;
/// Title, subtitle and the marks below.
const AROUND: u32 = 230;
const NAMES: u32 = 690;
const TEXTS: u32 = 330;

/// The dots of one figure.
pub(crate) struct Dots {
    /// Whose it is; none for a row that is but a heading.
    pub(crate) contender: Option<ContenderId>,
    /// What stands before them.
    pub(crate) name: String,
    /// Candidate / baseline in each block.
    pub(crate) ratios: Vec<f64>,
    /// The estimate of that ratio.
    pub(crate) estimate: Option<f64>,
    /// What it may be at most.
    pub(crate) upper: Option<f64>,
    /// Where the gate ends.
    pub(crate) limit: f64,
    /// What stands behind them.
    pub(crate) text: String,
}

/// The picture.
pub(crate) struct Blocks {
    /// From top to bottom.
    pub(crate) rows: Vec<Dots>,
    /// How an axis names a ratio.
    pub(crate) mark: fn(f64) -> String,
}

impl Blocks {
    /// What it shows.
    pub(crate) const TITLE: &str = "Candidate / baseline in every block";
    /// How to read it.
    pub(crate) const CAPTION: &str = "A dot is one block. The tall line is the estimate, the line to its \
        right reaches up to the bound, and the shade begins where the gate ends. Left of the middle the \
        candidate takes less.";
}

impl Drawing for Blocks {
    fn name(&self) -> &'static str {
        "comparison"
    }

    fn size(&self) -> (u32, u32) {
        let rows = u32::try_from(self.rows.len().max(1)).unwrap_or(u32::MAX);
        (WIDTH, AROUND.saturating_add(ROW.saturating_mul(rows)))
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        let subtitle =
            "Dots: blocks; tall line: estimate; line right of it: bound; shade: beyond the gate";
        let body = style::header(area, Self::TITLE, subtitle, &[])?;
        if self.rows.is_empty() {
            return style::no_data(&body, "No data");
        }
        let ratios = self.rows.iter().flat_map(|row| {
            row.ratios.iter().copied().chain(row.estimate).chain(row.upper).chain(Some(row.limit))
        });
        let x = axis::ratios(ratios);
        let range = x.range.clone();
        let height = self.rows.len() as f64;
        let y = axis::Axis { range: height..0.0, marks: Vec::new(), minor: Vec::new() };
        let mut chart = ChartBuilder::on(&body)
            .margin_right(TEXTS)
            .margin_top(10)
            .margin_bottom(14)
            .x_label_area_size(60)
            .y_label_area_size(NAMES)
            .build_cartesian_2d(x, y)?;
        let mark = self.mark;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .bold_line_style(INK.mix(GRID).stroke_width(2))
            .light_line_style(TRANSPARENT)
            .axis_style(INK.mix(0.5).stroke_width(2))
            .label_style(style::text(TEXT_SIZE))
            .x_label_formatter(&|logarithm| mark(logarithm.exp()))
            .draw()?;
        let root = area.strip_coord_spec();
        // What lies beyond the axis stands at its end.
        let at = |ratio: f64, y: f64| {
            let logarithm = if ratio > 0.0 { ratio.ln() } else { range.start };
            chart.backend_coord(&(logarithm.clamp(range.start, range.end), y))
        };
        let line =
            |from, to, width| root.draw(&PathElement::new(vec![from, to], INK.stroke_width(width)));
        line(at(1.0, 0.0), at(1.0, height), 3)?;
        let right = i32::try_from(WIDTH - TEXTS).unwrap_or(0);
        for (index, row) in self.rows.iter().enumerate() {
            let (top, middle) = (index as f64, index as f64 + 0.5);
            let left = i32::try_from(NAMES).unwrap_or(0) - 16;
            let (_, y) = at(1.0, middle);
            let Some(contender) = &row.contender else {
                let heading = style::heading_text().pos(Pos::new(HPos::Left, VPos::Center));
                root.draw_text(&row.name, &heading, (24, y))?;
                continue;
            };
            let beyond = [at(row.limit, top + 0.1), at(f64::INFINITY, top + 0.9)];
            root.draw(&Rectangle::new(beyond, INK.mix(0.08).filled()))?;
            let name = style::anchored(TEXT_SIZE, HPos::Right, VPos::Center);
            root.draw_text(&row.name, &name, (left, y))?;
            let text = style::anchored(TEXT_SIZE, HPos::Left, VPos::Center);
            root.draw_text(&row.text, &text, (right + 16, y))?;
            let colour = style::look(contender).colour;
            for &ratio in &row.ratios {
                root.draw(&Circle::new(at(ratio, middle), 9, colour.mix(0.7).filled()))?;
            }
            if let Some(estimate) = row.estimate {
                line(at(estimate, top + 0.15), at(estimate, top + 0.85), 5)?;
                if let Some(upper) = row.upper {
                    line(at(estimate, middle), at(upper, middle), 3)?;
                    line(at(upper, top + 0.35), at(upper, top + 0.65), 3)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use pushbench_wire::Transport;

    use proptest::prelude::*;

    use super::*;
    use crate::report::charts::svg;

    fn picture(ratios: Vec<f64>, estimate: f64) -> Blocks {
        let dots = Dots {
            contender: Some(Transport::Sse.into()),
            name: "SSE latency p50".to_owned(),
            ratios,
            estimate: Some(estimate),
            upper: Some(estimate * 1.1),
            limit: 1.1,
            text: "+12 %".to_owned(),
        };
        Blocks { rows: vec![dots], mark: |ratio| format!("{ratio:.2}") }
    }

    #[test]
    fn every_block_is_a_dot() {
        let svg = svg(&picture(vec![0.9, 1.0, 1.1, 1.2, 1.3], 1.12)).unwrap();
        assert_eq!(svg.matches("<circle ").count(), 5);
        assert!(svg.contains("SSE latency p50") && svg.contains("+12 %") && svg.contains("1.10"));
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        let empty = Blocks { rows: Vec::new(), mark: |ratio| ratio.to_string() };
        assert!(svg(&empty).unwrap().contains("No data"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_ratios_draw(
            ratios in prop::collection::vec(any::<f64>(), 0..9),
            estimate in any::<f64>(),
        ) {
            let svg = svg(&picture(ratios, estimate)).unwrap();
            prop_assert!(!svg.contains("NaN"));
        }
    }
}
