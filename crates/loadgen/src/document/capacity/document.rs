//! What a search for capacity says, as a document.

use super::prose::{self, Said, cores};
use crate::analysis::Checked;
use crate::analysis::capacity::{Conclusion, Found, Limit, conclude, latency, server_cores};
use crate::document::block::{
    Block, Column, Depth, Document, Entry, Figure, Fold, Row, Section, Table,
};
use crate::document::charts::line;
use crate::document::contender::{row, series};
use crate::document::drawing::{Axis, Drawing, Mark, Plot, Rule, Weight};
use crate::document::prose::{count, in_sentence};
use crate::document::{caveats, format, origin, trials};
use crate::results::capacity::{Answer, Capacity, LoadAxis, Purpose};
use crate::results::{Metric, capacity::Attempt};

/// How it was searched.
const METHOD: &str = "The load was doubled while it met the objectives, else halved; then the gap was narrowed to \
                      5 % or one subscriber, and what was found measured twice more. Every trial has a fresh \
                      server. Contenders were searched one after the other, so their order says less than that of \
                      a run.";

/// What a search for capacity says.
#[must_use]
pub fn capacity(capacity: &Capacity) -> Document {
    let conclusions = conclude(capacity);
    let metric = latency(&conclusions);
    let headline = prose::headline(&conclusions, capacity.varied);
    let caveats = caveats::section(prose::caveats(capacity, &conclusions));
    let figure = Figure {
        name: "capacity-latency".to_owned(),
        file: Some("charts/capacity-latency.png".to_owned()),
        caption: "Each mark is a trial: filled where the objectives were met, a ring where they were missed. \
                  Trials that say nothing about the server are left out. The line runs through the median of \
                  each load, and a vertical line stands at the capacity."
            .to_owned(),
        alternative: format!("Latency by load, and the largest load that meets the objectives. {headline}"),
        drawing: drawing(&conclusions, capacity.varied, metric),
    };
    let closer = vec![Block::Prose(METHOD.to_owned()), Block::Figure(figure)];
    let found = vec![
        Block::Table(found(capacity, &conclusions)),
        Block::section(Depth::Detail, "", closer),
    ];
    let every = conclusions.iter().map(|of| attempts(of, capacity.varied, metric)).collect();
    let every = vec![Block::Each("contenders", every)];
    let lead = Block::Prose(capacity.manifest.scenario.description.clone()).detail();
    Document {
        kind: "capacity",
        title: capacity.manifest.scenario.name.clone(),
        headline,
        blocks: std::iter::once(lead)
            .chain(caveats)
            .chain([
                Block::section(Depth::Essential, "Capacity", found),
                Block::section(Depth::Detail, "Every trial", every),
                origin::section(&capacity.manifest, Vec::new()),
                origin::scenario(&capacity.manifest),
            ])
            .collect(),
        files: ["capacity.html", "capacity.json"],
    }
}

/// One row for each contender.
fn found(capacity: &Capacity, conclusions: &[Conclusion<'_>]) -> Table {
    let varied = capacity.varied;
    let of_one = |of: &Conclusion<'_>| {
        let load = match of.found {
            Some(Found::Capacity { load, .. }) => Some(load),
            _ => None,
        };
        let is_told = matches!(
            of.found,
            Some(Found::Capacity { limit: Limit::Missed { .. } | Limit::Most, .. })
        );
        let Said { found, limit: [limit, detail], .. } = prose::said(of, varied);
        let trials = of.search.attempts.len();
        let entries = vec![
            Entry::number(found, load).alarming(!is_told),
            Entry::text(limit).with_detail(detail),
            Entry::number(cores(of.server_cores()), of.server_cores()),
            Entry::number(trials.to_string(), Some(trials as f64)),
        ];
        row(&of.search.contender, entries)
    };
    let cores = count(capacity.manifest.machine.server_cores.len().max(1), "core");
    let [load, busy, trials] = ["capacity", "server's cores busy", "trials"].map(Column::figures);
    let columns = vec![load, Column::text("limit"), busy, trials];
    let rows = conclusions.iter().map(of_one).collect();
    Table::new("contender", columns, rows).noted(format!("The server had {cores}."))
}

/// Every trial of one contender, in the order in which they ran.
fn attempts(of: &Conclusion<'_>, varied: LoadAxis, metric: Metric) -> Section {
    let row = |(attempt, checked): (&Attempt, &Vec<Checked>)| {
        let trial = &attempt.trial;
        let is_told = matches!(attempt.answer, Answer::Met | Answer::Missed { .. });
        let purpose = match attempt.purpose {
            Purpose::Search => "search",
            Purpose::Confirm => "confirm",
        };
        let entries = vec![
            Entry::text(prose::verdict(attempt, checked)).alarming(!is_told),
            Entry::number(trials::value(trial, metric), trial.value(metric)),
            Entry::number(cores(server_cores(trial)), server_cores(trial)),
            Entry::text(purpose),
        ];
        Row::of(series(&of.search.contender), format::count(attempt.load), entries)
    };
    let [verdict, purpose] = ["verdict", "tried to"].map(Column::text);
    let [figure, busy] = [metric.short_label(), "server's cores busy"].map(Column::figures);
    let subject = match varied {
        LoadAxis::Subscribers => "subscribers",
        LoadAxis::Rate => "events/s",
    };
    let rows = of.search.attempts.iter().zip(&of.checked).map(row).collect();
    let table = Table::new(subject, vec![verdict, figure, busy, purpose], rows);
    let heading = format!("{}, {}", of.search.contender.label(), count(table.rows.len(), "trial"));
    Section::new(Depth::Detail, heading, vec![Block::Table(table)]).folded(Fold::Closed)
}

/// A trial: its load, its latency and whether it met the objectives.
type Point = (f64, f64, bool);

fn points(of: &Conclusion<'_>, metric: Metric) -> Vec<Point> {
    let told = of.search.attempts.iter().filter_map(|attempt| {
        let is_met = match attempt.answer {
            Answer::Met => true,
            Answer::Missed { .. } => false,
            Answer::Unknown { .. } | Answer::Failed => return None,
        };
        Some((attempt.load, attempt.trial.value(metric)?, is_met))
    });
    let is_drawable =
        |&(load, latency, _): &Point| load > 0.0 && load.is_finite() && latency.is_finite();
    let mut points: Vec<Point> = told.filter(is_drawable).collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)));
    points
}

/// The limit of the objective that is drawn, if it is the same for all.
fn limit(conclusions: &[Conclusion<'_>], metric: Metric) -> Option<f64> {
    let checked = conclusions.iter().flat_map(|of| of.checked.iter().flatten());
    let mut limits =
        checked.filter(|of| of.threshold.metric == metric).map(|of| of.threshold.limit);
    let first = limits.next()?;
    limits.all(|limit| limit == first).then_some(first)
}

/// Latency by load, for each contender up to and beyond its capacity.
fn drawing(conclusions: &[Conclusion<'_>], varied: LoadAxis, metric: Metric) -> Drawing {
    let mut plot = Plot::new(
        Axis::Places(Vec::new()),
        Axis::Spanning(metric),
        "No data: no trial could be judged",
    );
    plot.rules.extend(limit(conclusions, metric).map(Rule::Across));
    let (mut legend, mut loads) = (Vec::new(), Vec::new());
    for of in conclusions {
        let points = points(of, metric);
        if points.is_empty() {
            continue;
        }
        let series = series(&of.search.contender);
        legend.push((series, of.search.contender.label().to_owned()));
        let here = |points: &[Point]| (points[0].0, points[points.len() / 2].1);
        let medians: Vec<_> = points.chunk_by(|one, next| one.0 == next.0).map(here).collect();
        if let Some(Found::Capacity { load, .. }) = of.found {
            let at = medians.iter().find(|(at, _)| *at == load);
            plot.rules.extend(at.map(|at| Rule::Of(series, *at)));
        }
        loads.extend(medians.iter().map(|(load, _)| *load));
        plot.lines.push(line(series, Weight::Main, medians));
        let mark = |(load, latency, met): Point| Mark { series, at: (load, latency), hollow: !met };
        plot.marks.extend(points.into_iter().map(mark));
    }
    loads.sort_by(f64::total_cmp);
    loads.dedup();
    plot.x = Axis::Places(loads.into_iter().map(|load| (load, format::count(load))).collect());
    let by = match varied {
        LoadAxis::Subscribers => "By subscribers",
        LoadAxis::Rate => "By events per second",
    };
    let subtitle = format!("{by}: {}; ring: objectives missed", in_sentence(metric.label()));
    plot.drawing("Latency by load", subtitle, legend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::drawing::Content;
    use crate::results::fixture;

    fn tables(document: &Document) -> Vec<&Table> {
        fn collect<'a>(blocks: &'a [Block], tables: &mut Vec<&'a Table>) {
            for block in blocks {
                match block {
                    Block::Table(table) => tables.push(table),
                    Block::Section(section) => collect(&section.blocks, tables),
                    Block::Each(_, sections) => {
                        sections.iter().for_each(|section| collect(&section.blocks, tables));
                    }
                    _ => {}
                }
            }
        }
        let mut tables = Vec::new();
        collect(&document.blocks, &mut tables);
        tables
    }

    #[test]
    fn what_was_found_comes_first_and_every_trial_follows() {
        let of = fixture::capacity();
        let document = capacity(&of);
        assert!(document.headline.starts_with("Largest load that"), "{}", document.headline);
        let tables = tables(&document);
        let found: Vec<_> = tables[0]
            .rows
            .iter()
            .map(|row| {
                let text = |index: usize| row.entries[index].text.as_str();
                (row.name.as_str(), text(0), text(1), row.entries[1].detail.as_str())
            })
            .collect();
        assert_eq!(
            found,
            [
                (
                    "Polling",
                    "less than 50 subscribers",
                    "latency p(99)<100ms",
                    "131 ms at 50 subscribers"
                ),
                ("Long polling", "interrupted", "not finished", "met at 100 subscribers"),
                ("SSE", "191 subscribers", "latency p(99)<100ms", "131 ms at 200 subscribers"),
                ("WebSocket", "at least 200 subscribers", "the generator", "at 209 subscribers"),
            ]
        );
        let rows: usize = tables[1..].iter().map(|table| table.rows.len()).sum();
        assert_eq!(rows, of.searches.iter().map(|of| of.attempts.len()).sum::<usize>());
        assert!(
            tables[1..]
                .iter()
                .flat_map(|table| &table.rows)
                .any(|row| { row.entries[0].text == "✗ misses latency p(99)<100ms (131 ms)" })
        );
    }

    #[test]
    fn misses_are_rings_and_the_limit_is_a_line() {
        let of = fixture::capacity();
        let conclusions = conclude(&of);
        let Content::Plots(plots) = drawing(&conclusions, of.varied, Metric::LatencyP99).content
        else {
            panic!("a plot")
        };
        let plot = &plots[0];
        assert_eq!(plot.marks.iter().filter(|mark| mark.hollow).count(), 3);
        assert_eq!(plot.rules[0], Rule::Across(100e6));
        assert_eq!(plot.rules.len(), 3, "two have a capacity");
    }

    #[test]
    fn nothing_to_draw_is_no_curve() {
        let mut of = fixture::capacity();
        of.searches.iter_mut().for_each(|search| search.attempts.clear());
        let Content::Plots(plots) = drawing(&conclude(&of), of.varied, Metric::LatencyP99).content
        else {
            panic!("a plot")
        };
        assert!(plots[0].lines.is_empty() && plots[0].marks.is_empty());
    }
}
