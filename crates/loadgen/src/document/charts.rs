//! The pictures of a cell.

use super::block::{Block, Figure};
use super::contender::series;
use super::drawing::{
    Axis, Bar, BarRow, Bars, Content, Drawing, Line, Mark, Plot, Rule, Series, Weight,
};
use super::format;
use super::shown::DRAWN_AS_BARS;
use crate::analysis::{Cell, Figures, SpectrumPoint};
use crate::results::{Metric, Trial};

/// Where 50 % is on the axis of nines.
const HALF: f64 = std::f64::consts::LOG10_2;
/// The most markers on a line over time.
const MARKED: usize = 12;
/// Latencies in words, for those who cannot see curves.
const LATENCIES: [Metric; 3] = [Metric::LatencyP50, Metric::LatencyP99, Metric::LatencyMax];

/// Every picture of a cell. `ending` tells its files from those of other cells.
pub(super) fn of_cell(cell: &Cell, trials: &[Trial], ending: &str) -> Vec<Block> {
    let figure = |name: &str, caption: String, drawing: Drawing, metrics: &[Metric]| {
        let name = format!("{name}{ending}");
        Block::Figure(Figure {
            file: Some(format!("charts/{name}.png")),
            name,
            caption,
            alternative: alternative(&drawing.title, cell, metrics),
            drawing,
        })
    };
    let spectrum = figure(
        "latency-spectrum",
        "Lower is better. At 99 %, one delivery in a hundred was slower; a curve ends where fewer than \
         ten deliveries are left beyond it. All valid trials together."
            .to_owned(),
        spectrum(cell),
        &LATENCIES,
    );
    let over_time = figure(
        "latency-over-time",
        "Median (thick) and 99th percentile (thin, where an interval holds 1,000 deliveries), by time \
         since measuring began. All valid trials together; the warm-up is not recorded."
            .to_owned(),
        over_time(cell),
        &LATENCIES,
    );
    let bars = DRAWN_AS_BARS.into_iter().map(|of| {
        let drawn =
            "The bar is the median of the trials that count for this figure, each dot one of them.";
        let parts = ["Shorter is better.", of.caption, drawn];
        let caption =
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        let metrics: Vec<_> = of.bars.iter().map(|(_, metric)| *metric).collect();
        let rows = cell.contenders.iter().map(|figures| bar_row(figures, trials, of.bars));
        let bars = Bars { metric: metrics[0], rows: rows.collect() };
        let drawing = Drawing {
            title: of.title.to_owned(),
            subtitle: of.subtitle.to_owned(),
            legend: Vec::new(),
            content: Content::Bars(bars),
        };
        figure(of.name, caption, drawing, &metrics)
    });
    [spectrum, over_time].into_iter().chain(bars).collect()
}

/// What a picture says to those who cannot see it.
fn alternative(title: &str, cell: &Cell, metrics: &[Metric]) -> String {
    let rows = cell.contenders.iter().map(|of| {
        let values = metrics.iter().map(|&metric| {
            let value = of.estimate(metric).map(|estimate| estimate.median);
            let value = value.map(|value| format::of(metric, Some(value)));
            format!("{} {}", metric.label(), value.as_deref().unwrap_or("not measured"))
        });
        format!("{}: {}", of.contender.label(), values.collect::<Vec<_>>().join(", "))
    });
    format!("{title}. {}.", rows.collect::<Vec<_>>().join("; "))
}

/// Latency by percentile, on an axis of 1/(1−p): each tenfold is one more nine.
fn spectrum(cell: &Cell) -> Drawing {
    let curves = || cell.contenders.iter().filter(|of| of.latency.spectrum.len() > 1);
    let nines = |point: &SpectrumPoint| -(1.0 - point.quantile).log10();
    let last = curves().flat_map(|of| &of.latency.spectrum).map(nines).fold(1.0, f64::max);
    let whole = (1..=last.floor() as i32).map(|nines| (f64::from(nines), percent(nines)));
    let marks = [(0.0, "0 %".to_owned()), (HALF, "50 %".to_owned())];
    let x = Axis::Places(marks.into_iter().chain(whole).collect());
    let empty = "No data: a percentile takes at least 10 deliveries beyond it";
    let mut plot = Plot::new(x, Axis::Spanning(Metric::LatencyP50), empty);
    for of in curves() {
        let series = series(&of.contender);
        let points: Vec<_> =
            of.latency.spectrum.iter().map(|at| (nines(at), at.latency_ns as f64)).collect();
        // Twice in each tenfold: enough to tell curves apart, few enough to see them.
        plot.marks.extend(points.iter().step_by(10).map(|&at| Mark { series, at, hollow: false }));
        plot.lines.push(line(series, Weight::Main, points));
    }
    plot.drawing(
        "Delivery latency by percentile",
        "Share of deliveries that were at most this slow; lower is better",
        legend(curves()),
    )
}

/// "99.9 %" has three nines.
fn percent(nines: i32) -> String {
    let digits = usize::try_from(nines).unwrap_or_default().saturating_sub(2);
    format!("{:.digits$} %", 100.0 * (1.0 - 10_f64.powi(-nines)))
}

/// Median and 99th percentile by time since measuring began.
fn over_time(cell: &Cell) -> Drawing {
    let curves = || cell.contenders.iter().filter(|of| !of.latency.over_time.is_empty());
    let (x, y) = (Axis::FromZero(Metric::Window), Axis::Spanning(Metric::LatencyP50));
    let mut plot = Plot::new(x, y, "No data: no valid trial recorded a latency");
    let phases = curves().take(1).flat_map(|of| &of.latency.phases).enumerate();
    plot.rules.extend(phases.map(|(index, phase)| Rule::Up {
        x: phase.from_s * 1e9,
        text: phase.name.clone(),
        drawn: index > 0,
    }));
    for of in curves() {
        let series = series(&of.contender);
        let points = &of.latency.over_time;
        let tail = points.iter().map(|at| Some((at.at_s * 1e9, at.p99_ns? as f64)));
        plot.lines.push(Line { series, weight: Weight::Second, points: tail.collect() });
        let medians: Vec<_> = points.iter().map(|at| (at.at_s * 1e9, at.p50_ns as f64)).collect();
        let marked = medians.iter().step_by(medians.len().div_ceil(MARKED));
        plot.marks.extend(marked.map(|&at| Mark { series, at, hollow: false }));
        plot.lines.push(line(series, Weight::Main, medians));
    }
    plot.drawing(
        "Delivery latency over time",
        "Median (thick) and 99th percentile (thin); lower is better",
        legend(curves()),
    )
}

/// A line without gaps.
pub(super) fn line(series: Series, weight: Weight, points: Vec<(f64, f64)>) -> Line {
    Line { series, weight, points: points.into_iter().map(Some).collect() }
}

fn legend<'a>(figures: impl Iterator<Item = &'a Figures>) -> Vec<(Series, String)> {
    figures.map(|of| (series(&of.contender), of.contender.label().to_owned())).collect()
}

fn bar_row(of: &Figures, trials: &[Trial], bars: &[(&'static str, Metric)]) -> BarRow {
    let bar = |&(name, metric): &(&'static str, Metric)| Bar {
        name,
        median: of.estimate(metric).map(|estimate| estimate.median),
        trials: of.trials.iter().filter_map(|&index| trials[index].trusted(metric)).collect(),
    };
    BarRow {
        series: series(&of.contender),
        label: of.contender.label().to_owned(),
        bars: bars.iter().map(bar).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::results::{LatencyLog, fixture};

    fn figures(log: &LatencyLog) -> Vec<Figure> {
        let (run, _) = fixture::run();
        let analysis = analyse(&run, log);
        let blocks = of_cell(&analysis.cells[0], &run.trials, "");
        let figure = |block| match block {
            Block::Figure(figure) => figure,
            _ => panic!("a figure"),
        };
        blocks.into_iter().map(figure).collect()
    }

    #[test]
    fn every_picture_shows_every_contender_and_says_so() {
        let figures = figures(&fixture::run().1);
        let files: Vec<_> = figures.iter().filter_map(|figure| figure.file.as_deref()).collect();
        assert_eq!(
            files,
            [
                "charts/latency-spectrum.png",
                "charts/latency-over-time.png",
                "charts/cpu-per-delivery.png",
                "charts/bytes-per-delivery.png",
                "charts/memory-per-subscriber.png",
            ]
        );
        for figure in &figures {
            assert!(figure.alternative.contains("; SSE: "), "{}", figure.alternative);
            let shown = match &figure.drawing.content {
                Content::Plots(plots) => {
                    plots[0].lines.iter().filter(|line| line.weight == Weight::Main).count()
                }
                Content::Bars(bars) => bars.rows.len(),
                Content::Dots(_) | Content::Grid(_) => 0,
            };
            assert_eq!(shown, 4, "{}", figure.name);
        }
        let Content::Bars(cpu) = &figures[2].drawing.content else { panic!("bars") };
        assert_eq!(cpu.rows[1].bars[0].trials.len(), 1, "the other trial is not valid");
        let Content::Plots(plots) = &figures[0].drawing.content else { panic!("a plot") };
        let Axis::Places(marks) = &plots[0].x else { panic!("marks") };
        let labels: Vec<_> = marks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["0 %", "50 %", "90 %", "99 %", "99.9 %"]);
    }

    #[test]
    fn captions_say_which_trials_the_bars_are_of() {
        for figure in &figures(&fixture::run().1)[2..] {
            assert!(
                figure.caption.ends_with("The bar is the median of the trials that count for this figure, each dot one of them."),
                "{}",
                figure.caption
            );
            assert!(!figure.caption.contains("  "), "{}", figure.caption);
        }
    }

    #[test]
    fn without_latencies_there_are_no_curves() {
        for figure in &figures(&LatencyLog::default())[..2] {
            let Content::Plots(plots) = &figure.drawing.content else { panic!("a plot") };
            assert!(plots[0].lines.is_empty() && figure.drawing.legend.is_empty());
        }
    }
}
