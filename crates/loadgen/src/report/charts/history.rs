//! One metric over the runs of a history: a panel for each contender, because they lie too far apart
//! for one scale to show a change of a few per cent.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::{self, Axis};
use super::style::{self, GRID, INK, SECONDARY, TEXT_SIZE};
use super::{Drawing, Drawn, png};
use crate::analysis::history::{History, PastRun, Series};
use crate::report::{quantity, words};
use crate::results::Metric;

const WIDTH: u32 = 1840;
const HEADER: u32 = 130;
const PANEL: u32 = 280;
/// The room for the runs' names below the last panel.
const NAMES: u32 = 60;

/// Names below the axis: more would touch.
const NAMED: usize = 8;
/// Runs that have markers and intervals: more would hide the line.
const MARKED: usize = 60;

/// The chart of `metric` as PNG.
pub(in crate::report) fn chart(history: &History, metric: Metric) -> anyhow::Result<Vec<u8>> {
    png(&OfMetric { history, metric })
}

struct OfMetric<'a> {
    history: &'a History,
    metric: Metric,
}

impl Drawing for OfMetric<'_> {
    fn name(&self) -> &'static str {
        self.metric.name()
    }

    fn size(&self) -> (u32, u32) {
        let panels = u32::try_from(self.history.of(self.metric).count()).unwrap_or(u32::MAX);
        (WIDTH, PANEL.saturating_mul(panels).saturating_add(HEADER + NAMES))
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        draw(area, self.history, self.metric)
    }
}

fn draw<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    history: &History,
    metric: Metric,
) -> Drawn<DB> {
    let subtitle = "Median of each run with its interval; lower is better; axes do not begin at 0; a vertical line is a change";
    let body = style::header(area, words::title(metric), subtitle, &[])?;
    let mut rest = body;
    let mut series = history.of(metric).peekable();
    while let Some(of) = series.next() {
        let is_last = series.peek().is_none();
        let names = if is_last { NAMES } else { 0 };
        let (panel, below) = rest.split_vertically(PANEL + names);
        draw_panel(area, &panel, names, history, of)?;
        rest = below;
    }
    Ok(())
}

fn draw_panel<DB: DrawingBackend>(
    root: &DrawingArea<DB, Shift>,
    panel: &DrawingArea<DB, Shift>,
    names: u32,
    history: &History,
    series: &Series,
) -> Drawn<DB> {
    let ends = series.points.iter().flat_map(|point| {
        let interval = point.interval.map(|of| [of.low, of.high]);
        std::iter::once(point.estimate).chain(interval.into_iter().flatten())
    });
    let (low, high) = ends
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), end| (low.min(end), high.max(end)));
    let y = axis::around(low, high);
    let (bottom, top) = (y.range.start, y.range.end);
    let runs = history.runs.len();
    let x = Axis {
        range: -0.5..runs as f64 - 0.5,
        marks: (0..runs).step_by(runs.div_ceil(NAMED).max(1)).map(|run| run as f64).collect(),
        minor: Vec::new(),
    };
    let mut chart = ChartBuilder::on(panel)
        .margin_right(110)
        .margin_top(52)
        .margin_bottom(14)
        .x_label_area_size(names)
        .y_label_area_size(170)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(INK.mix(GRID).stroke_width(2))
        .light_line_style(TRANSPARENT)
        .axis_style(INK.mix(0.5).stroke_width(2))
        .label_style(style::text(TEXT_SIZE))
        .x_label_formatter(&|run| history.runs.get(*run as usize).map_or_else(String::new, name))
        .y_label_formatter(&|value| quantity::mark(series.metric, *value))
        .draw()?;

    let on_root = root.strip_coord_spec();
    // What is beyond an axis that holds any measurement has no pixel.
    let pixel = |run: f64, value: f64| chart.backend_coord(&(run, value.clamp(bottom, top)));
    let contender = &series.contender;
    let (left, ceiling) = pixel(-0.5, top);
    let title = style::anchored(TEXT_SIZE, HPos::Left, VPos::Bottom);
    on_root.draw_text(contender.label(), &title, (left, ceiling - 8))?;
    // How far the texts above the panel reach; the contender's name is the first.
    let mut taken = left + 200;
    for change in &series.changes {
        let Some(run) = series.run_of(change) else { continue };
        let at = run as f64 - 0.5;
        let (x, _) = pixel(at, top);
        let line =
            PathElement::new([pixel(at, bottom), (x, ceiling)], INK.mix(0.6).stroke_width(3));
        on_root.draw(&line)?;
        // To the left of a line there is room, but for what stands there already.
        let text = quantity::change(change.before, change.after);
        let style = style::anchored(TEXT_SIZE, HPos::Right, VPos::Bottom);
        let (width, _) = on_root.estimate_text_size(&text, &style)?;
        let x = x.max(taken + i32::try_from(width).unwrap_or(0) + 20);
        on_root.draw_text(&text, &style, (x, ceiling - 8))?;
        taken = x;
    }
    let is_marked = runs <= MARKED;
    // A run without a figure leaves a gap.
    for stretch in series.points.chunk_by(|one, next| one.run + 1 == next.run) {
        let line: Vec<_> =
            stretch.iter().map(|point| pixel(point.run as f64, point.estimate)).collect();
        style::line(&on_root, contender, &line, 4, 1.0)?;
        for (point, &at) in stretch.iter().zip(&line) {
            if let Some(interval) = point.interval.filter(|_| is_marked) {
                let run = point.run as f64;
                let (x, low) = pixel(run, interval.low);
                let (_, high) = pixel(run, interval.high);
                let colour = style::look(contender).colour.mix(SECONDARY);
                let bar = Rectangle::new([(x - 3, low), (x + 3, high)], colour.filled());
                on_root.draw(&bar)?;
            }
            // A single figure has no line.
            if is_marked || stretch.len() == 1 {
                style::marker(&on_root, contender, at)?;
            }
        }
    }
    Ok(())
}

/// What fits below the axis.
fn name(run: &PastRun) -> String {
    let name = run.revision.as_deref().unwrap_or(&run.time);
    name.chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analysis::history::{histories, tests::days};

    fn picture(history: &History, metric: Metric) -> (u32, u32, usize) {
        let png = chart(history, metric).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let inked = pixels.chunks(3).filter(|pixel| *pixel != [0xff; 3]).count();
        (info.width, info.height, inked)
    }

    #[test]
    fn every_transport_has_a_panel() {
        let history = &histories(&days())[0];
        let (width, height, inked) = picture(history, Metric::ServerCpuPerDelivery);
        assert_eq!((width, height), (WIDTH, HEADER + 2 * PANEL + NAMES));
        assert!(inked > 10_000, "nearly empty: {inked} pixels");
        let (_, height, _) = picture(history, Metric::LatencyP50);
        assert_eq!(height, HEADER + PANEL + NAMES);
    }

    /// For looking at: `PUSHBENCH_SAMPLE=DIR cargo test -p pushbench-loadgen sample -- --ignored`.
    #[test]
    #[ignore = "writes a sample for people to look at"]
    fn sample() {
        let dir = std::path::PathBuf::from(std::env::var_os("PUSHBENCH_SAMPLE").expect("a folder"));
        crate::report::render_history(&dir, &histories(&days())).unwrap();
    }

    #[test]
    fn a_change_is_drawn() {
        let mut history = histories(&days()).remove(0);
        let (_, _, with) = picture(&history, Metric::ServerCpuPerDelivery);
        history.series.iter_mut().for_each(|series| series.changes.clear());
        let (_, _, without) = picture(&history, Metric::ServerCpuPerDelivery);
        assert!(with > without + 200, "{with} and {without} pixels");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn any_figures_draw(values in prop::collection::vec(any::<f64>(), 1..72)) {
            let mut rows = days();
            rows.truncate(values.len());
            for (row, value) in rows.iter_mut().zip(values) {
                row.estimate = value;
                (row.low, row.high) = (Some(value / 2.0), None);
            }
            let history = &histories(&rows)[0];
            // What may go wrong for odd numbers is drawing, not encoding.
            let mut svg = String::new();
            for metric in history.metrics() {
                let area = SVGBackend::with_string(&mut svg, (WIDTH, 900)).into_drawing_area();
                draw(&area, history, metric).unwrap();
            }
        }
    }
}
