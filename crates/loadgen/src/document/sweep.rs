//! A sweep in sentences, tables and curves. What is claimed was decided in `analysis`.

use super::block::{Block, Column, Depth, Entry, Figure, List, Row, Table};
use super::contender::{inline, list, series};
use super::drawing::{Axis, Drawing, Interval, Line, Mark, Plot, Weight};
use super::{format, prose, tables};
use crate::analysis::sweep::{Claim, Finding, Lower, SWEPT, Slice, SweptKey};
use crate::analysis::{Analysis, Cell, Estimate, Sweep};
use crate::results::ContenderId;
use crate::results::Metric;

/// The longest value in a sentence, in characters: one may be a table.
const VALUE: usize = 40;

/// What was varied: "A sweep of events_per_second (0.2, 1, 5)."
pub(super) fn headline(sweep: &Sweep) -> String {
    let key = |key: &SweptKey| {
        let values: Vec<_> =
            key.values.iter().map(|value| prose::shortened(value, VALUE)).collect();
        format!("{} ({})", key.label, values.join(", "))
    };
    let keys: Vec<_> = sweep.keys.iter().map(key).collect();
    prose::sentence(&format!("A sweep of {}", keys.join(" and ")))
}

/// Everything that can be claimed, or why nothing can, and who delivered everything.
pub(super) fn findings(analysis: &Analysis, sweep: &Sweep) -> Option<List> {
    List::of("findings", sentences(analysis, sweep))
}

fn sentences(analysis: &Analysis, sweep: &Sweep) -> Vec<String> {
    let mut sentences: Vec<_> =
        sweep.findings.iter().filter_map(|finding| text(sweep, finding)).collect();
    if sentences.is_empty() {
        sentences.push(prose::sentence(if sweep.slices.is_empty() {
            "Crossovers can be found only along numbers and durations, and nothing else was varied"
        } else if sweep.has_enough_blocks {
            "No two contenders differ clearly in two cells or more: see the tables"
        } else {
            "Finding crossovers needs at least five blocks with valid trials: raise `blocks`"
        }));
    }
    let is_complete = |contender: &ContenderId| {
        let figures = analysis.cells.iter().flat_map(|cell| &cell.contenders);
        let mut own = figures.filter(|of| of.contender == *contender);
        own.all(|of| of.accounts.is_some_and(|accounts| accounts.is_complete()))
    };
    let contenders = contenders(analysis);
    let complete: Vec<_> = contenders.iter().filter(|contender| is_complete(contender)).collect();
    if !complete.is_empty() {
        let names = list(complete);
        sentences.push(prose::sentence(&format!(
            "{names} delivered every event of every cell, once and in order"
        )));
    }
    sentences
}

pub(super) fn text(sweep: &Sweep, finding: &Finding) -> Option<String> {
    let slice: &Slice = sweep.slices.get(finding.slice)?;
    let key = sweep.keys.get(slice.key)?;
    let label = &key.label;
    let fixed = match &*slice.fixed {
        "" => String::new(),
        fixed => format!(" and {}", prose::shortened(fixed, VALUE)),
    };
    let metric = prose::in_sentence(finding.metric.label());
    Some(prose::sentence(&match &finding.claim {
        Claim::Crossover { below, above, at, low, high } => format!(
            "with {label} above about {} (between {} and {}){fixed}, {} has higher {metric} than {}; \
             below, it is the other way round",
            place(key, *at),
            key.value_at(*low),
            key.value_at(*high),
            inline(below),
            inline(above),
        ),
        Claim::Lower(Lower { less, more, from, to }) => format!(
            "with {label} from {} to {}{fixed}, {} {} lower {metric} than {}",
            key.value_at(*from),
            key.value_at(*to),
            list(less),
            if less.len() > 1 { "have" } else { "has" },
            list(more),
        ),
    }))
}

/// A place between cells, as exactly as it can be told: in two digits.
fn place(key: &SweptKey, at: f64) -> String {
    let step = 10_f64.powf(at.abs().max(f64::MIN_POSITIVE).log10().floor() - 1.0);
    let rounded = (at / step).round() * step;
    if key.is_time {
        return format::mark(Metric::Window, rounded * 1e9);
    }
    let digits = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
    let text = format!("{rounded:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A section for each metric that could be measured: its table, and its curves where there is an axis.
/// The first is for everybody.
pub(super) fn sections(analysis: &Analysis, sweep: &Sweep) -> Vec<Block> {
    let contenders = contenders(analysis);
    let section = |(index, metric): (usize, Metric)| {
        let figure = figure(analysis, sweep, &contenders, metric);
        let figure =
            figure.map(|figure| Block::section(Depth::Full, "", vec![Block::Figure(figure)]));
        let table = Block::Table(table(analysis, &contenders, metric));
        let depth = if index == 0 { Depth::Essential } else { Depth::Detail };
        Block::section(depth, metric.label(), figure.into_iter().chain([table]).collect())
    };
    metrics(analysis).enumerate().map(section).collect()
}

/// Every metric that a cell has.
fn metrics(analysis: &Analysis) -> impl Iterator<Item = Metric> {
    let is_measured = move |metric: &Metric| {
        let mut figures = analysis.cells.iter().flat_map(|cell| &cell.contenders);
        figures.any(|of| of.estimate(*metric).is_some())
    };
    SWEPT.into_iter().filter(is_measured)
}

/// Every contender that a cell has, in order.
fn contenders(analysis: &Analysis) -> Vec<ContenderId> {
    let figures = analysis.cells.iter().flat_map(|cell| &cell.contenders);
    ContenderId::distinct(figures.map(|of| &of.contender))
}

/// A row for each cell, a column for each contender.
fn table(analysis: &Analysis, contenders: &[ContenderId], metric: Metric) -> Table {
    let entry = |cell: &Cell, contender: &ContenderId| {
        let of = cell.contenders.iter().find(|of| of.contender == *contender);
        of.map_or_else(Entry::missing, |of| tables::value(cell, of, metric))
    };
    let row =
        |cell: &Cell| Row::new(&*cell.name, contenders.iter().map(|of| entry(cell, of)).collect());
    let estimates = analysis.cells.iter().flat_map(|cell| &cell.contenders);
    let intervals = estimates.filter_map(|of| of.estimate(metric)?.interval);
    let note = format!("Medians over blocks{}.", tables::below(tables::percents(intervals)));
    let column = |contender: &ContenderId| Column {
        series: Some(series(contender)),
        ..Column::figures(contender.label())
    };
    let columns = contenders.iter().map(column).collect();
    Table::new("cell", columns, analysis.cells.iter().map(row).collect()).noted(note)
}

/// What is drawn at a place of the key; none where nothing could be measured.
type Point = (f64, Option<Estimate>);

/// The curves of a metric. None of a sweep of several keys, or of a key that has no axis.
fn figure(
    analysis: &Analysis,
    sweep: &Sweep,
    contenders: &[ContenderId],
    metric: Metric,
) -> Option<Figure> {
    let ([key], [slice]) = (&sweep.keys[..], &sweep.slices[..]) else { return None };
    let estimate = |cell: usize, contender: &ContenderId| {
        let cell = analysis.cells.get(cell)?;
        cell.contenders.iter().find(|of| of.contender == *contender)?.estimate(metric)
    };
    let curves: Vec<(&ContenderId, Vec<Point>)> = contenders
        .iter()
        .map(|contender| {
            let points = slice.points.iter();
            (contender, points.map(|(at, cell)| (*at, estimate(*cell, contender))).collect())
        })
        .collect();
    let rows = curves.iter().map(|(contender, points)| {
        let values = points.iter().map(|(at, estimate)| {
            let value = estimate.map(|of| format::of(metric, Some(of.median)));
            let value = value.as_deref().unwrap_or("not measured");
            format!("{value} at {}", key.value_at(*at))
        });
        format!("{}: {}", contender.label(), values.collect::<Vec<_>>().join(", "))
    });
    let rows = rows.collect::<Vec<_>>().join("; ");
    let name = format!("sweep-{}", metric.name());
    Some(Figure {
        file: Some(format!("charts/{name}.png")),
        name,
        caption:
            "Lower is better. A bar is the interval of the median, where there are enough blocks \
                  for one; an axis is logarithmic where values span tenfold or more."
                .to_owned(),
        alternative: format!("{} by {}. {rows}.", metric.label(), key.label),
        drawing: drawing(key, slice, &curves, metric),
    })
}

fn drawing(
    key: &SweptKey,
    slice: &Slice,
    curves: &[(&ContenderId, Vec<Point>)],
    metric: Metric,
) -> Drawing {
    let places = slice.points.iter().map(|(at, _)| (*at, key.value_at(*at).to_owned()));
    let (x, y) = (Axis::Places(places.collect()), Axis::Spanning(metric));
    let mut plot = Plot::new(x, y, "No data: no valid trial could measure it");
    let mut legend = Vec::new();
    for (contender, points) in curves {
        let series = series(contender);
        legend.push((series, contender.label().to_owned()));
        for (x, of) in points.iter().filter_map(|(x, estimate)| Some((*x, (*estimate)?))) {
            plot.marks.push(Mark { series, at: (x, of.median), hollow: false });
            let ends = of.interval.map(|interval| (interval.low, interval.high));
            plot.intervals.extend(ends.map(|ends| Interval { series, x, ends }));
        }
        let points = points.iter().map(|(x, estimate)| Some((*x, (*estimate)?.median))).collect();
        plot.lines.push(Line { series, weight: Weight::Main, points });
    }
    let subtitle = format!("Median and interval by {}; lower is better", key.label);
    plot.drawing(metric.label(), subtitle, legend)
}

#[cfg(test)]
pub(crate) mod tests {
    use pushbench_wire::Transport;

    use super::*;
    use crate::analysis::analyse;
    use crate::analysis::sweep::tests::{crossing_run, run};
    use crate::document::drawing::Content;
    use crate::results::{LatencyLog, Run};

    /// A run over four rates and five blocks, in which long polling crosses SSE, and the other figures
    /// of a report are there too.
    pub(crate) fn swept_run() -> Run {
        run(&[("workload.events_per_second", &["0.2", "1", "5", "20"])], 5, |transport, values| {
            let rate: f64 = values[0].parse().unwrap();
            let cpu = match transport {
                Transport::Polling => 4_000.0 + 40_000.0 / rate,
                Transport::LongPolling => 9_000.0 * (1.0 + rate / 2.0),
                Transport::Sse => 12_000.0,
                Transport::WebSocket => 11_900.0,
                Transport::Tcp => 11_000.0,
            };
            let p50 = if transport == Transport::Polling { 5e8 } else { 1e6 };
            vec![
                (Metric::LatencyP50, p50),
                (Metric::ServerCpuPerDelivery, cpu),
                (Metric::ServerCpuPerSecond, cpu * rate * 200.0),
                (Metric::BytesPerDelivery, 200.0),
            ]
        })
    }

    fn analysed(run: &Run) -> Analysis {
        analyse(run, &LatencyLog::default())
    }

    fn said(run: &Run) -> Vec<String> {
        let analysis = analysed(run);
        let mut said = sentences(&analysis, analysis.sweep.as_ref().unwrap());
        let complete = said.pop().unwrap();
        assert!(complete.ends_with(" delivered every event of every cell, once and in order."));
        said
    }

    #[test]
    fn a_crossover_in_words() {
        let found = said(&crossing_run(&["0.1", "0.2", "1", "5"], 5));
        assert_eq!(
            found,
            [
                "With events_per_second above about 0.71 (between 0.2 and 1), long polling has higher \
                 server CPU per delivery than SSE; below, it is the other way round."
            ]
        );
    }

    #[test]
    fn one_that_is_lower_all_along_in_words() {
        let found = said(&swept_run());
        assert_eq!(
            found[0],
            "With events_per_second from 0.2 to 20, long polling, SSE and WebSocket have lower latency \
             p50 than polling."
        );
        let crossing = "With events_per_second above about 0.55 (between 0.2 and 1), long polling has \
                        higher server CPU per delivery than SSE; below, it is the other way round.";
        assert!(found.iter().any(|text| text == crossing), "{found:#?}");
    }

    #[test]
    fn who_lost_an_event_in_any_cell_did_not_deliver_everything() {
        let mut run = crossing_run(&["0.2", "1"], 5);
        let last = |run: &Run| {
            let analysis = analysed(run);
            sentences(&analysis, analysis.sweep.as_ref().unwrap()).pop().unwrap()
        };
        let all = " delivered every event of every cell, once and in order.";
        assert_eq!(last(&run), format!("Long polling, SSE and raw TCP{all}"));
        let sse = run.trials.iter_mut().rfind(|trial| trial.contender == Transport::Sse).unwrap();
        sse.values.insert(Metric::Lost, 1.0);
        assert_eq!(last(&run), format!("Long polling and raw TCP{all}"));
    }

    #[test]
    fn why_nothing_is_claimed() {
        let few = said(&crossing_run(&["0.2", "1"], 4));
        assert_eq!(
            few,
            ["Finding crossovers needs at least five blocks with valid trials: raise `blocks`."]
        );
        let alike = said(&crossing_run(&["0.7", "0.71"], 5));
        assert_eq!(
            alike,
            ["No two contenders differ clearly in two cells or more: see the tables."]
        );
        let words = run(&[("polling.connection", &["keep-alive", "new"])], 5, |transport, _| {
            vec![(Metric::BytesPerDelivery, 100.0 * f64::from(transport as u32 + 1))]
        });
        assert!(said(&words)[0].starts_with("Crossovers can be found only along numbers"));
    }

    #[test]
    fn each_metric_has_a_table_and_a_chart_of_all_cells() {
        let analysis = analysed(&swept_run());
        let sections = sections(&analysis, analysis.sweep.as_ref().unwrap());
        let sections: Vec<_> = sections
            .iter()
            .map(|block| match block {
                Block::Section(section) => section,
                _ => panic!("a section"),
            })
            .collect();
        let headings: Vec<_> = sections.iter().map(|section| section.heading.as_str()).collect();
        assert_eq!(
            headings,
            [
                "Latency p50",
                "Server CPU per second",
                "Server CPU per delivery",
                "Bytes per delivery"
            ],
            "none of what was not measured"
        );
        let Some(Block::Table(table)) = sections[0].blocks.last() else { panic!("a table") };
        let columns: Vec<_> = table.columns.iter().map(|column| column.heading.as_str()).collect();
        assert_eq!(columns, ["Polling", "Long polling", "SSE", "WebSocket", "Raw TCP"]);
        let names: Vec<_> = table.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "events_per_second=0.2",
                "events_per_second=1",
                "events_per_second=5",
                "events_per_second=20"
            ]
        );
        assert_eq!(table.rows[1].entries[0].text, "500 ms");
        assert_eq!(table.rows[1].entries[2].detail, "0.99–1.01");
        assert!(table.note.contains("93.8 %"), "{}", table.note);
        let Block::Section(chart) = &sections[0].blocks[0] else { panic!("a chart") };
        let [Block::Figure(figure)] = &chart.blocks[..] else { panic!("a figure") };
        assert_eq!(figure.file.as_deref(), Some("charts/sweep-latency_p50.png"));
        let start = "Latency p50 by events_per_second. Polling: 500 ms at 0.2, ";
        assert!(figure.alternative.starts_with(start), "{}", figure.alternative);
        let Content::Plots(plots) = &figure.drawing.content else { panic!("a plot") };
        assert_eq!((plots[0].lines.len(), plots[0].marks.len()), (5, 20));
        assert_eq!(plots[0].intervals.len(), 20);
    }

    #[test]
    fn places_are_round() {
        let mut key = analysed(&swept_run()).sweep.unwrap().keys.remove(0);
        for (at, text) in [
            (0.0714, "0.071"),
            (0.8, "0.8"),
            (9.96, "10"),
            (123.0, "120"),
            (1_449.0, "1400"),
            (0.0, "0"),
        ] {
            assert_eq!(place(&key, at), text);
        }
        key.is_time = true;
        for (at, text) in [(0.25, "250 ms"), (1.44, "1.4 s"), (30.0, "30 s")] {
            assert_eq!(place(&key, at), text);
        }
    }

    #[test]
    fn the_headline_says_what_was_varied() {
        let sweep = analysed(&swept_run()).sweep.unwrap();
        assert_eq!(headline(&sweep), "A sweep of events_per_second (0.2, 1, 5, 20).");
    }
}
