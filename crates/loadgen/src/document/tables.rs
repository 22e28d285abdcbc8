//! The tables of a cell.

use super::block::{Block, Column, Depth, Entry, Fold, Row, Section, Shown, Table};
use super::contender::{self, row, series};
use super::shown::{CLOSER, COMPARED, Closer, NETWORK, SLOW};
use super::{deliveries, format, limits, notices};
use crate::analysis::{
    Analysis, Cell, Estimate, Figures, Interval, Law, Prediction, RANKED, Ratio,
};
use crate::results::{ContenderId, Metric};

/// The comparison and all tables that look closer, the comparison first.
pub(super) fn sections(cell: &Cell) -> Vec<Block> {
    let section =
        |heading: &str, table| Section::new(Depth::Detail, heading, vec![Block::Table(table)]);
    let folded = |section: Section| Section { depth: Depth::Full, fold: Fold::Closed, ..section };
    let reference = cell.reference().map(contender::inline);
    let against = format!("Times {}", reference.unwrap_or_default());
    let first = [
        limits::objectives(cell).map(|table| section("Objectives", table)),
        against_reference(cell).map(|table| section(&against, table)),
        phases(cell).map(|table| section("By phase", table)),
    ];
    let closer = CLOSER.iter().filter(|closer| {
        let measured =
            |of: &Figures| closer.needs.is_none_or(|needed| of.estimate(needed).is_some());
        cell.contenders.iter().any(measured)
    });
    let closer = closer.map(|closer| {
        let mut note = closer.note.to_owned();
        // What came nevertheless is in it: time-outs are spread over the subscribers.
        let is_silent = |of: &&ContenderId| {
            let bytes = cell.figures(of).and_then(|of| of.estimate(Metric::IdleBytes));
            bytes.is_some_and(|bytes| bytes.median == 0.0)
        };
        let silent: Vec<_> = cell.longer_than_idle.iter().filter(is_silent).collect();
        if closer.needs == Some(Metric::IdlePhase) && !silent.is_empty() {
            let names = contender::list(silent);
            note += &format!(
                " Heartbeats and time-outs of {names} come more rarely than that, so they are \
                              not in it: lengthen `idle`."
            );
        }
        let section = section(closer.heading, figures(cell, closer.metrics, &note));
        if closer.is_folded { folded(section) } else { section }
    });
    let last = [
        theory(cell).map(|table| section("Against theory", table)),
        notices::table(cell).map(|table| section("Silence, against theory", table)),
        (cell.contenders.len() > 2).then(|| folded(section("Every pair", pairs(cell)))),
    ];
    let sections = first.into_iter().flatten().chain(closer).chain(last.into_iter().flatten());
    std::iter::once(Block::Table(comparison(cell))).chain(sections.map(Block::Section)).collect()
}

/// A table that looks closer of all cells in which somebody has measured what it needs.
fn of_cells(analysis: &Analysis, closer: &Closer) -> Option<(&'static str, Vec<Block>)> {
    let needed = closer.needs?;
    let rows = analysis.cells.iter().flat_map(|cell| {
        let measured = cell.contenders.iter().filter(|of| of.estimate(needed).is_some());
        measured.map(move |of| {
            let entries = closer.metrics.iter().map(|metric| value(cell, of, *metric));
            let name = format!("{}, {}", cell.name, of.contender.label());
            Row::of(series(&of.contender), name, entries.collect())
        })
    });
    let columns = closer.metrics.iter().map(|metric| Column::figures(metric.short_label()));
    let table = Table::new("cell, contender", columns.collect(), rows.collect());
    let table = (!table.rows.is_empty()).then(|| table.noted(closer.note.to_owned()));
    table.map(|table| (closer.heading, vec![Block::Table(table)]))
}

/// What is shown of every cell of a sweep beside its own figures: the network, slow readers, and theory.
pub(super) fn of_all_cells(analysis: &Analysis) -> impl Iterator<Item = Block> {
    let [network, slow] = [&NETWORK, &SLOW].map(|closer| of_cells(analysis, closer));
    let of_cell = |cell: &Cell| {
        Some(Block::section(Depth::Full, &*cell.name, vec![Block::Table(theory(cell)?)]))
    };
    let theory: Vec<_> = analysis.cells.iter().filter_map(of_cell).collect();
    let theory = (network.is_some() && !theory.is_empty()).then_some(("Against theory", theory));
    let section = |(heading, blocks)| Block::section(Depth::Detail, heading, blocks);
    [network, slow, theory].into_iter().flatten().map(section)
}

/// What was measured, with intervals.
fn comparison(cell: &Cell) -> Table {
    let is_shown = |of: &Figures| COMPARED.iter().any(|metric| of.untrusted.contains_key(metric));
    let brackets = match cell.contenders.iter().any(is_shown) {
        true => " In brackets: not to be trusted, and compared with nothing.",
        false => "",
    };
    let note = format!("Medians over blocks{}.{brackets}", below(levels(cell)));
    let mut table = figures(cell, &COMPARED, &note);
    table.columns.insert(2, Column::figures("delivered"));
    for (row, of) in table.rows.iter_mut().zip(&cell.contenders) {
        row.entries.insert(2, deliveries::entry(of.accounts));
        row.detail = trials(of);
    }
    table
}

fn trials(of: &Figures) -> String {
    let mut trials = format!("{} valid", of.valid);
    for (count, what) in [(of.invalid, "invalid"), (of.repeated, "repeated"), (of.failed, "failed")]
    {
        if count > 0 {
            trials += &format!(", {count} {what}");
        }
    }
    trials
}

/// A row of each contender and a column of each metric.
fn figures(cell: &Cell, metrics: &[Metric], note: &str) -> Table {
    let row = |of: &Figures| {
        row(&of.contender, metrics.iter().map(|metric| value(cell, of, *metric)).collect())
    };
    let columns = metrics.iter().map(|metric| Column::figures(metric.short_label())).collect();
    Table::new("contender", columns, cell.contenders.iter().map(row).collect()).noted(note)
}

/// The estimate of `metric`. A percentile of deliveries of which some never came is at least what
/// it is without them.
pub(super) fn value(cell: &Cell, of: &Figures, metric: Metric) -> Entry {
    let Some(estimate) = of.estimate(metric) else {
        let untrusted = of.untrusted.get(&metric);
        let shown =
            |estimate: &Estimate| format!("({})", format::of(metric, Some(estimate.median)));
        return untrusted.map_or_else(Entry::missing, |estimate| Entry::text(shown(estimate)));
    };
    let lost = of.accounts.is_some_and(|accounts| accounts.lost.is_some_and(|lost| lost > 0.0));
    let at_least = if lost && metric.is_delivery_latency() { "≥ " } else { "" };
    let text = format::of(metric, Some(estimate.median));
    let range = |interval: Interval| {
        format::bare_range(metric, estimate.median, interval.low, interval.high)
    };
    let shown = Shown {
        cell: cell.name.clone(),
        contender: of.contender.name().to_owned(),
        metric,
        estimate,
    };
    Entry {
        detail: estimate.interval.map(range).unwrap_or_default(),
        figure: Some(Box::new(shown)),
        ..Entry::number(format!("{at_least}{text}"), Some(estimate.median))
    }
}

/// Every contender against the reference, or else the last.
fn against_reference(cell: &Cell) -> Option<Table> {
    let reference = cell.reference()?;
    let others = cell.contenders.iter().filter(|of| of.contender != *reference);
    let rows: Vec<Row> =
        others.map(|of| row(&of.contender, ratios(cell, &of.contender, reference))).collect();
    let note = format!("Ratios within blocks{}.", below(ratio_levels(cell)));
    (!rows.is_empty()).then(|| of_ratios("contender", note, rows))
}

/// Every two contenders.
fn pairs(cell: &Cell) -> Table {
    let mut rows = Vec::new();
    for (index, one) in cell.contenders.iter().enumerate() {
        for other in &cell.contenders[index + 1..] {
            let name = format!("{} / {}", one.contender.label(), other.contender.label());
            let ratios = ratios(cell, &one.contender, &other.contender);
            rows.push(Row::of(series(&one.contender), name, ratios));
        }
    }
    let note = format!(
        "Ratios within blocks{}. An interval that holds 1 means that the two cannot be told apart.",
        below(ratio_levels(cell))
    );
    of_ratios("contenders", note, rows)
}

fn of_ratios(subject: &'static str, note: String, rows: Vec<Row>) -> Table {
    let columns = RANKED.map(|metric| Column::figures(metric.short_label())).to_vec();
    Table::new(subject, columns, rows).noted(note)
}

fn ratios(cell: &Cell, one: &ContenderId, other: &ContenderId) -> Vec<Entry> {
    let entry = |metric| cell.ratio(metric, one, other).map_or_else(Entry::missing, ratio);
    RANKED.into_iter().map(entry).collect()
}

fn ratio(ratio: Ratio) -> Entry {
    let range = |interval: Interval| format::times_range(interval.low, interval.high);
    let text = format::times(ratio.estimate);
    let detail = ratio.interval.map(range).filter(|range| *range != text).unwrap_or_default();
    Entry::number(text, Some(ratio.estimate)).with_detail(detail)
}

/// Latencies by the phases of the scenario; none when it has none.
fn phases(cell: &Cell) -> Option<Table> {
    let most = cell.contenders.iter().map(|of| of.latency.phases.len()).max()?;
    let entry = |metric, value: Option<u64>| {
        let value = value.map(|value| value as f64);
        value.map_or_else(Entry::missing, |value| {
            Entry::number(format::of(metric, Some(value)), Some(value))
        })
    };
    let phases = (0..most).flat_map(|index| {
        cell.contenders.iter().filter_map(move |of| Some((of, of.latency.phases.get(index)?)))
    });
    let rows: Vec<_> = phases
        .map(|(of, phase)| {
            let entries = vec![
                entry(Metric::LatencyP50, phase.p50_ns),
                entry(Metric::LatencyP99, phase.p99_ns),
                entry(Metric::Delivered, Some(phase.deliveries)),
            ];
            let name = format!("{}, {}", phase.name, of.contender.label());
            Row::of(series(&of.contender), name, entries)
        })
        .collect();
    let columns = ["p50", "p99", "deliveries"].map(Column::figures).to_vec();
    let note = "All valid trials together, by when events were meant to be published.";
    (!rows.is_empty()).then(|| Table::new("phase, contender", columns, rows).noted(note))
}

/// Measured beside predicted latency; none where theory has no answer.
fn theory(cell: &Cell) -> Option<Table> {
    let is_predicted = |metric: &Metric| cell.predictions.iter().any(|of| of.metric == *metric);
    // Of a uniform law the mean is the median.
    let metrics: Vec<Metric> = match is_only_uniform(cell) {
        true => vec![Metric::LatencyP50, Metric::LatencyP99],
        false => [Metric::LatencyMean, Metric::LatencyP50, Metric::LatencyP99]
            .into_iter()
            .filter(is_predicted)
            .collect(),
    };
    let rows = cell.contenders.iter().filter_map(|of| {
        let own: Vec<_> =
            cell.predictions.iter().filter(|own| own.contender == of.contender).collect();
        let law = own.first()?.words();
        let entries = metrics.iter().flat_map(|&metric| {
            compared(metric, own.iter().find(|own| own.metric == metric).copied())
        });
        Some(row(&of.contender, entries.chain([Entry::text(law)]).collect()))
    });
    let rows: Vec<Row> = rows.collect();
    let columns = metrics.iter().flat_map(|metric| {
        let name = metric.short_label();
        [format!("{name} theory"), name.to_owned(), "off by".to_owned()].map(Column::figures)
    });
    let columns = columns.chain([Column::text("law")]).collect();
    let note = "c is the server's measured CPU time per delivery, above idle. That is no bound: wake-ups and the \
                way through both processes come on top, and part of c is spent behind a delivery, not before \
                it.";
    (!rows.is_empty()).then(|| Table::new("contender", columns, rows).noted(note))
}

fn is_only_uniform(cell: &Cell) -> bool {
    cell.predictions.iter().all(|of| match of.law {
        Law::UniformWait | Law::FanOut | Law::FanOutWithoutGap => true,
        Law::FanOutInAQueue | Law::FanOutWithGaps => false,
    })
}

fn compared(metric: Metric, prediction: Option<&Prediction>) -> [Entry; 3] {
    let Some(of) = prediction else { return [(); 3].map(|()| Entry::missing()) };
    let figure = |value| Entry::number(format::of(metric, Some(value)), Some(value));
    let deviation = of.deviation();
    let off = Entry::number(format!("{:+.0} %", deviation * 100.0), Some(deviation));
    [figure(of.theory), figure(of.measured), off]
}

/// How to read what stands below figures.
pub(super) fn below(level: Option<String>) -> String {
    level.map_or_else(String::new, |level| {
        format!("; below, the interval that holds the truth in {level} of runs")
    })
}

/// The levels of the intervals of estimates: "93.8 %".
fn levels(cell: &Cell) -> Option<String> {
    let estimates = cell.contenders.iter().flat_map(|of| of.estimates.values());
    percents(estimates.filter_map(|estimate| estimate.interval))
}

fn ratio_levels(cell: &Cell) -> Option<String> {
    percents(cell.ratios.iter().filter_map(|pair| pair.ratio.interval))
}

/// One level, or the range of several: contenders may differ in how many trials are valid.
pub(super) fn percents(intervals: impl Iterator<Item = Interval>) -> Option<String> {
    let mut levels: Vec<f64> = intervals.map(|interval| interval.level * 100.0).collect();
    levels.sort_by(f64::total_cmp);
    let (least, most) = (levels.first()?, levels.last()?);
    let (least, most) = (format!("{least:.1}"), format!("{most:.1}"));
    Some(if least == most { format!("{least} %") } else { format!("{least} to {most} %") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::results::{LatencyLog, Run, fixture};

    fn cell(change: impl FnOnce(&mut Run)) -> Cell {
        let (mut run, _) = fixture::run();
        change(&mut run);
        analyse(&run, &LatencyLog::default()).cells.remove(0)
    }

    fn texts(row: &Row) -> Vec<(&str, &str)> {
        row.entries.iter().map(|entry| (&*entry.text, &*entry.detail)).collect()
    }

    #[test]
    fn a_figure_and_its_interval() {
        let table = comparison(&cell(|_| {}));
        assert_eq!(texts(&table.rows[2])[..2], [("416 µs", "410–422"), ("1.22 ms", "1.20–1.24")]);
        assert!(table.note.contains("50.0 %"), "two blocks: {}", table.note);
        let one = texts(&table.rows[3])[0];
        assert_eq!(one, ("400 µs", ""), "one valid trial has no interval");
        assert_eq!(table.rows[3].detail, "1 valid, 1 failed");
        let shown = table.rows[2].entries[0].figure.as_ref().unwrap();
        assert_eq!((&*shown.contender, shown.metric), ("sse", Metric::LatencyP50));
    }

    #[test]
    fn ratios_are_against_the_last() {
        let table = against_reference(&cell(|_| {})).unwrap();
        assert_eq!(table.rows.len(), 3);
        // Only block 1 has a valid WebSocket trial.
        assert_eq!(texts(&table.rows[2])[0], ("1.02×", ""));
        let headings: Vec<_> = sections(&cell(|_| {}))
            .iter()
            .filter_map(|block| match block {
                Block::Section(section) => Some(section.heading.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(headings, ["Times WebSocket", "On the wire", "Each side", "Every pair"]);
    }

    #[test]
    fn trials_that_were_measured_once_more_are_not_called_invalid() {
        let table = comparison(&cell(|run| run.trials[5].repeated = true));
        assert_eq!(table.rows[1].detail, "1 valid, 1 repeated");
        assert_eq!(table.rows[1].entries[2].text, "all 24,000", "one trial of each block");
    }

    #[test]
    fn heartbeats_that_came_are_not_said_to_be_missing() {
        let note = |idle_bytes: f64| {
            let mut cell = cell(|run| {
                for trial in &mut run.trials {
                    trial.values.insert(Metric::IdlePhase, 2e9);
                    trial.values.insert(Metric::IdleBytes, idle_bytes);
                }
            });
            cell.longer_than_idle = vec![cell.contenders[2].contender.clone()];
            let idle = sections(&cell).into_iter().find_map(|block| match block {
                Block::Section(section) if section.heading == "Idle cost" => Some(section.blocks),
                _ => None,
            });
            let Some([Block::Table(table)]) = idle.as_deref() else { panic!("{idle:?}") };
            table.note.clone()
        };
        assert!(note(0.0).contains("Heartbeats and time-outs of SSE come more rarely"));
        assert!(!note(12.0).contains("more rarely"), "{}", note(12.0));
    }

    #[test]
    fn every_two_contenders_are_compared() {
        let table = pairs(&cell(|_| {}));
        let names: Vec<_> = table.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names.len(), 6);
        assert!(names.contains(&"Polling / SSE"));
        assert_eq!(texts(&table.rows[1])[0], ("1,224×", ""), "both blocks have the same ratio");
    }

    #[test]
    fn a_percentile_without_the_lost_is_a_lower_bound() {
        let lossy = cell(|run| {
            run.trials[2].values.insert(Metric::Lost, 3.0);
            run.trials[2].values.insert(Metric::Delivered, 23_997.0);
        });
        let table = comparison(&lossy);
        assert_eq!(texts(&table.rows[2])[0].0, "≥ 416 µs");
        assert!(table.rows[2].entries[2].alarming);
        assert_eq!(texts(&table.rows[0])[0].0, "510 ms");
        assert_eq!(texts(&table.rows[0])[1], ("1.00 s", "0.99–1.02"), "in one unit");
        let cpu = texts(&table.rows[2])[3].0;
        assert!(!cpu.contains('≥'), "{cpu}");
    }

    #[test]
    fn no_trial_no_ratio() {
        let cell = cell(|run| run.trials.iter_mut().for_each(|trial| trial.values.clear()));
        assert!(texts(&against_reference(&cell).unwrap().rows[0]).iter().all(|of| of.0 == "–"));
        assert!(theory(&cell).is_none() && phases(&cell).is_none());
    }
}
