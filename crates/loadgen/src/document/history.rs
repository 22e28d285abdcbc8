//! How figures went on over revisions, and where they changed.

use super::block::{Block, Column, Depth, Document, Entry, Figure, Row, Section, Table};
use super::charts::line;
use super::contender::{inline, series};
use super::drawing::{Axis, Content, Drawing, Interval, Mark, Plot, Rule, Weight};
use super::{format, prose};
use crate::analysis::change_points::{ChangePoint, LEVEL};
use crate::analysis::history::{History, PastRun, Point, Series};
use crate::results::Metric;

/// Names below an axis: more would touch.
const NAMED: usize = 8;
/// Runs that have markers and intervals: more would hide the line.
const MARKED: usize = 60;

/// What histories say.
#[must_use]
pub fn history(histories: &[History]) -> Document {
    let changes = histories.iter().flat_map(each_change).count();
    let runs: usize = histories.iter().map(|history| history.runs.len()).sum();
    let verb = if changes == 1 { "change was" } else { "changes were" };
    let method = format!(
        "Each figure is the median over the blocks of a run. A change is what E-divisive (Matteson & James \
         2014) finds at a level of {} %: that is how often a series in which nothing changed is said to have \
         changed. There are many series here, so look whether a change lasts before you act on it.",
        100.0 * LEVEL
    );
    let sections = histories.iter().enumerate().map(|(index, of)| {
        let ending = if histories.len() > 1 { format!("-{}", index + 1) } else { String::new() };
        section(of, &ending)
    });
    Document {
        kind: "history",
        title: String::new(),
        headline: format!("{changes} {verb} found in {}.", prose::count(runs, "run")),
        blocks: vec![Block::Prose(method).detail(), Block::Each("histories", sections.collect())],
        files: ["history.md", "the history's file"],
    }
}

fn section(history: &History, ending: &str) -> Section {
    let changes = changes(history);
    let found = match changes.rows.is_empty() {
        true => Block::Prose("No change was found.".to_owned()),
        false => Block::Table(changes),
    };
    let figures = history.metrics().into_iter().map(|metric| {
        let name = format!("{}{ending}", metric.name());
        Block::Figure(Figure {
            // What is in names of scenarios and cells may be no name of a file.
            file: Some(format!("charts/{name}.png")),
            name,
            caption: String::new(),
            alternative: format!("{} over revisions", metric.label()),
            drawing: drawing(history, metric),
        })
    });
    let figures = Block::section(Depth::Detail, "", figures.collect());
    let blocks = vec![Block::Prose(origin(history)), found, figures];
    Section::new(Depth::Essential, &*history.scenario, blocks)
}

fn origin(history: &History) -> String {
    let hash: String = history.scenario_sha256.chars().take(12).collect();
    let span = match &history.runs[..] {
        [] => "no run".to_owned(),
        [only] => format!("one run, of {}", only.time),
        [first, .., last] => {
            format!("{} runs from {} to {}", history.runs.len(), first.time, last.time)
        }
    };
    let older = match history.older {
        0 => String::new(),
        older => format!(" ({older} older ones are left out)"),
    };
    format!("{}; scenario {hash}, cell {}; {span}{older}.", history.machine, history.cell)
}

fn changes(history: &History) -> Table {
    let row = |(series_of, change, run): (&Series, &ChangePoint, &PastRun)| {
        let figure = |value| Entry::number(format::of(series_of.metric, Some(value)), Some(value));
        let entries = vec![
            Entry::text(format::signed(change.after / change.before)),
            figure(change.before),
            figure(change.after),
            Entry::text(run.revision.as_deref().unwrap_or(format::MISSING)),
            Entry::text(&*run.time),
            Entry::number(format!("{:.3}", change.p_value), Some(change.p_value)),
        ];
        let name = format!("{} of {}", series_of.metric.label(), inline(&series_of.contender));
        Row::of(series(&series_of.contender), name, entries)
    };
    let [change, before, after, p] = ["change", "before", "after", "p"].map(Column::figures);
    let [revision, run] = ["from revision", "run of"].map(Column::text);
    let columns = vec![change, before, after, revision, run, p];
    Table::new("figure", columns, each_change(history).map(row).collect())
}

fn each_change(history: &History) -> impl Iterator<Item = (&Series, &ChangePoint, &PastRun)> {
    history.series.iter().flat_map(move |series| {
        series.changes.iter().filter_map(move |change| {
            Some((series, change, history.runs.get(series.run_of(change)?)?))
        })
    })
}

/// One metric over the runs: a plot for each contender, because they lie too far apart for one scale to
/// show a change of a few per cent.
fn drawing(history: &History, metric: Metric) -> Drawing {
    Drawing {
        title: metric.label().to_owned(),
        subtitle: "Median of each run with its interval; lower is better; axes do not begin at 0; a vertical \
                   line is a change"
            .to_owned(),
        legend: Vec::new(),
        content: Content::Plots(history.of(metric).map(|of| plot(history, of)).collect()),
    }
}

fn plot(history: &History, of: &Series) -> Plot {
    let series = series(&of.contender);
    let runs = history.runs.len();
    let step = runs.div_ceil(NAMED).max(1);
    let name = |run: &PastRun| {
        let name = run.revision.as_deref().unwrap_or(&run.time);
        name.chars().take(10).collect()
    };
    let names = history.runs.iter().enumerate().step_by(step);
    let changes = of.changes.iter().filter_map(|change| {
        let x = of.run_of(change)? as f64 - 0.5;
        let text = format::signed(change.after / change.before);
        Some(Rule::Up { x, text, drawn: true })
    });
    // A run without a figure leaves a gap.
    let stretches = || of.points.chunk_by(|one, next| one.run + 1 == next.run);
    let at = |point: &Point| (point.run as f64, point.estimate);
    let marked = stretches().filter(|stretch| runs <= MARKED || stretch.len() == 1).flatten();
    let intervals = of.points.iter().filter(|_| runs <= MARKED).filter_map(|point| {
        let interval = point.interval?;
        let ends = (interval.low, interval.high);
        Some(Interval { series, x: point.run as f64, ends })
    });
    let x = Axis::Places(names.map(|(index, run)| (index as f64, name(run))).collect());
    let stretch_line =
        |stretch: &[Point]| line(series, Weight::Main, stretch.iter().map(at).collect());
    Plot {
        title: of.contender.label().to_owned(),
        lines: stretches().map(stretch_line).collect(),
        // A single figure has no line.
        marks: marked.map(|point| Mark { series, at: at(point), hollow: false }).collect(),
        intervals: intervals.collect(),
        rules: changes.collect(),
        ..Plot::new(x, Axis::Around(of.metric), "No data")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::history::{histories, tests::days};

    #[test]
    fn a_change_is_a_row_with_its_revision() {
        let document = history(&histories(&days()));
        assert!(document.headline.starts_with("1 change was found in "), "{}", document.headline);
        let Block::Each(_, sections) = &document.blocks[1] else { panic!("sections") };
        let Block::Table(table) = &sections[0].blocks[1] else { panic!("a table") };
        let [row] = &table.rows[..] else { panic!("one change: {table:#?}") };
        assert_eq!(row.name, "Server CPU per delivery of SSE");
        let texts: Vec<_> = row.entries.iter().map(|entry| entry.text.as_str()).collect();
        assert_eq!(
            texts,
            ["+10 %", "3.16 µs", "3.48 µs", "000000d", "2025-01-13T03:04:05Z", "0.001"]
        );
        let files: Vec<_> =
            document.figures().iter().filter_map(|figure| figure.file.as_deref()).collect();
        assert_eq!(files, ["charts/latency_p50.png", "charts/server_cpu_per_delivery.png"]);
    }

    #[test]
    fn several_histories_have_charts_of_their_own() {
        let mut rows = days();
        rows[0].machine = "another".to_owned();
        let document = history(&histories(&rows));
        let names: Vec<_> = document.figures().iter().map(|figure| &*figure.name).collect();
        assert!(names.contains(&"latency_p50-2"), "{names:?}");
        let Block::Each(_, sections) = &document.blocks[1] else { panic!("sections") };
        let said: Vec<_> = sections
            .iter()
            .map(|section| match &section.blocks[..2] {
                [Block::Prose(origin), Block::Prose(found)] => format!("{origin} {found}"),
                _ => String::new(),
            })
            .collect();
        assert!(
            said.iter().any(|text| {
                text.contains("; one run, of ") && text.ends_with("No change was found.")
            }),
            "{said:?}"
        );
    }

    #[test]
    fn every_contender_has_a_plot_with_its_changes() {
        let history = &histories(&days())[0];
        let Content::Plots(plots) = drawing(history, Metric::ServerCpuPerDelivery).content else {
            panic!("plots")
        };
        let titles: Vec<_> = plots.iter().map(|plot| plot.title.as_str()).collect();
        assert_eq!(titles, ["SSE", "WebSocket"]);
        assert_eq!((plots[0].rules.len(), plots[1].rules.len()), (1, 0));
        assert!(plots[0].marks.len() > 10 && plots[0].lines.len() == 1);
        let Axis::Places(names) = &plots[0].x else { panic!("names") };
        assert!(names.len() <= NAMED && names[0].1 == "0000001", "{names:?}");
    }
}
