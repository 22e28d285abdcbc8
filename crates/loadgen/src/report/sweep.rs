//! A sweep in words and tables. What is claimed was decided in `analysis`.

use crate::results::ContenderId;

use super::charts::Curves;
use super::sheet::{self, Row, Sheet};
use super::words::{inline, list, sentence};
use super::{quantity, words};
use crate::analysis::sweep::{Claim, Finding, Lower, SWEPT, Slice, SweptKey};
use crate::analysis::{Analysis, Sweep};
use crate::results::Metric;

/// The longest value in a headline, in characters: one may be a table.
const VALUE: usize = 40;

/// What was varied: "A sweep of events_per_second: 0.2, 1 and 5."
pub(super) fn headline(sweep: &Sweep) -> String {
    let key = |key: &SweptKey| {
        let values: Vec<_> = key.values.iter().map(|value| shortened(value)).collect();
        format!("{} ({})", key.label, values.join(", "))
    };
    let keys: Vec<_> = sweep.keys.iter().map(key).collect();
    sentence(&format!("A sweep of {}", keys.join(" and ")))
}

fn shortened(value: &str) -> String {
    match value.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// Everything that can be claimed, or why nothing can, and who delivered everything.
pub(super) fn findings(analysis: &Analysis, sweep: &Sweep) -> Vec<String> {
    let mut sentences: Vec<_> = sweep.findings.iter().map(|finding| text(sweep, finding)).collect();
    if sentences.is_empty() {
        sentences.push(sentence(if sweep.slices.is_empty() {
            "Who costs less from where on is said of numbers and durations; these are neither"
        } else if sweep.has_enough_blocks {
            "No two contenders are apart in two cells or more: see the tables"
        } else {
            "Who costs less from where on takes five blocks with valid trials: raise `blocks`"
        }));
    }
    let is_complete = |contender: &ContenderId| {
        let figures = analysis.cells.iter().flat_map(|cell| &cell.contenders);
        let mut own = figures.filter(|of| of.contender == *contender);
        own.all(|of| of.accounts.is_some_and(|accounts| accounts.is_complete()))
    };
    let complete: Vec<_> = contenders(analysis).into_iter().filter(is_complete).collect();
    if !complete.is_empty() {
        let names = list(&complete);
        sentences.push(sentence(&format!(
            "{names} delivered every event of every cell, once and in order"
        )));
    }
    sentences
}

fn text(sweep: &Sweep, finding: &Finding) -> String {
    let Some((slice, key)) = sweep
        .slices
        .get(finding.slice)
        .and_then(|slice: &Slice| Some((slice, sweep.keys.get(slice.key)?)))
    else {
        return String::new();
    };
    let label = &key.label;
    let fixed = match &*slice.fixed {
        "" => String::new(),
        fixed => format!(" and {}", shortened(fixed)),
    };
    sentence(&match &finding.claim {
        Claim::Crossover { below, above, at, low, high } => format!(
            "with {label} above about {} (between {} and {}){fixed}, {} {} than {}; below, it is \
             the other way round",
            place(key, *at),
            key.value_at(*low),
            key.value_at(*high),
            inline(below),
            has_more(finding.metric),
            inline(above),
        ),
        Claim::Lower(Lower { less, more, from, to }) => format!(
            "with {label} from {} to {}{fixed}, {} {} than {}",
            key.value_at(*from),
            key.value_at(*to),
            list(less),
            has_less(finding.metric, less.len() > 1),
            list(more),
        ),
    })
}

/// What one does that has more of a metric.
fn has_more(metric: Metric) -> String {
    match metric {
        Metric::LatencyP50 => "delivers later (p50)".to_owned(),
        Metric::LatencyP99 => "delivers later (p99)".to_owned(),
        other => format!("takes more {}", words::in_sentence(words::title(other))),
    }
}

/// What one does that has less of it, or several do.
fn has_less(metric: Metric, are_several: bool) -> String {
    let end = if are_several { "" } else { "s" };
    match metric {
        Metric::LatencyP50 => format!("deliver{end} earlier (p50)"),
        Metric::LatencyP99 => format!("deliver{end} earlier (p99)"),
        Metric::BytesPerDelivery => format!("take{end} fewer bytes per delivery"),
        other => format!("take{end} less {}", words::in_sentence(words::title(other))),
    }
}

/// A place between cells, as exactly as it can be told: in two digits.
fn place(key: &SweptKey, at: f64) -> String {
    let step = 10_f64.powf(at.abs().max(f64::MIN_POSITIVE).log10().floor() - 1.0);
    let rounded = (at / step).round() * step;
    if key.is_time {
        return quantity::mark(Metric::Window, rounded * 1e9);
    }
    let digits = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
    let text = format!("{rounded:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A table of each metric that could be measured: a row for each cell, a column for each contender.
pub(super) fn sheets(analysis: &Analysis) -> Vec<(Metric, Sheet)> {
    let contenders = contenders(analysis);
    metrics(analysis).map(|metric| (metric, of_metric(analysis, &contenders, metric))).collect()
}

/// The chart of each metric. None of a sweep of several keys, or of a key that has no axis.
pub(super) fn charts<'a>(analysis: &'a Analysis, sweep: &'a Sweep) -> Vec<(Metric, Curves<'a>)> {
    let ([key], [slice]) = (&sweep.keys[..], &sweep.slices[..]) else { return Vec::new() };
    let curves = |metric| {
        let contenders = contenders(analysis);
        (metric, Curves { metric, key, slice, cells: &analysis.cells, contenders })
    };
    metrics(analysis).map(curves).collect()
}

/// Every metric that a cell has.
fn metrics(analysis: &Analysis) -> impl Iterator<Item = Metric> {
    let is_measured = move |metric: &Metric| {
        let mut figures = analysis.cells.iter().flat_map(|cell| &cell.contenders);
        figures.any(|of| of.estimate(*metric).is_some())
    };
    SWEPT.into_iter().filter(is_measured)
}

/// Every contender that a cell has.
pub(super) fn contenders(analysis: &Analysis) -> Vec<ContenderId> {
    let figures = analysis.cells.iter().flat_map(|cell| &cell.contenders);
    ContenderId::distinct(figures.map(|figures| &figures.contender))
}

fn of_metric(analysis: &Analysis, contenders: &[ContenderId], metric: Metric) -> Sheet {
    let row = |cell: &crate::analysis::Cell| Row {
        name: cell.name.clone(),
        contender: None,
        entries: contenders
            .iter()
            .map(|contender| {
                let of = cell.contenders.iter().find(|of| of.contender == *contender);
                of.map_or_else(sheet::missing, |of| sheet::value(of, metric))
            })
            .collect(),
    };
    let intervals = analysis.cells.iter().flat_map(|cell| &cell.contenders);
    let intervals = intervals.filter_map(|of| of.estimate(metric)?.interval);
    Sheet {
        title: words::title(metric).to_owned(),
        note: format!("Medians over blocks{}.", sheet::below(sheet::percents(intervals))),
        subject: "cell",
        columns: contenders.iter().map(|contender| contender.label().to_owned()).collect(),
        rows: analysis.cells.iter().map(row).collect(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use pushbench_wire::Transport;

    use super::*;
    use crate::analysis::analyse;
    use crate::analysis::sweep::tests::{crossing_run, run};
    use crate::results::{LatencyLog, Run};

    /// A run over four rates and five blocks, in which long polling crosses SSE, and the other figures
    /// of a report are there too.
    pub(in crate::report) fn swept_run() -> Run {
        run(&[("workload.events_per_second", &["0.2", "1", "5", "20"])], 5, |contender, values| {
            let rate: f64 = values[0].parse().unwrap();
            let cpu = match contender {
                Transport::Polling => 4_000.0 + 40_000.0 / rate,
                Transport::LongPolling => 9_000.0 * (1.0 + rate / 2.0),
                Transport::Sse => 12_000.0,
                Transport::WebSocket => 11_900.0,
                Transport::Tcp => 11_000.0,
            };
            let p50 = if contender == Transport::Polling { 5e8 } else { 1e6 };
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
        let mut said = findings(&analysis, analysis.sweep.as_ref().unwrap());
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
                "With events_per_second above about 0.71 (between 0.2 and 1), long polling takes more \
                 server CPU per delivery than SSE; below, it is the other way round."
            ]
        );
    }

    #[test]
    fn one_that_is_lower_all_along_in_words() {
        let found = said(&swept_run());
        assert_eq!(
            found[0],
            "With events_per_second from 0.2 to 20, long polling, SSE and WebSocket deliver earlier \
             (p50) than polling."
        );
        let crossing = "With events_per_second above about 0.55 (between 0.2 and 1), long polling takes \
                        more server CPU per delivery than SSE; below, it is the other way round.";
        assert!(found.iter().any(|text| text == crossing), "{found:#?}");
    }

    #[test]
    fn who_lost_an_event_in_any_cell_did_not_deliver_everything() {
        let mut run = crossing_run(&["0.2", "1"], 5);
        let last = |run: &Run| {
            let analysis = analysed(run);
            findings(&analysis, analysis.sweep.as_ref().unwrap()).pop().unwrap()
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
            ["Who costs less from where on takes five blocks with valid trials: raise `blocks`."]
        );
        let alike = said(&crossing_run(&["0.7", "0.71"], 5));
        assert_eq!(alike, ["No two contenders are apart in two cells or more: see the tables."]);
        let words = run(&[("polling.connection", &["keep-alive", "new"])], 5, |contender, _| {
            vec![(Metric::BytesPerDelivery, 100.0 * f64::from(contender as u32 + 1))]
        });
        assert!(said(&words)[0].starts_with("Who costs less from where on is said of numbers"));
    }

    #[test]
    fn a_row_for_each_cell_and_a_column_for_each_contender() {
        let analysis = analysed(&swept_run());
        let sheets = sheets(&analysis);
        let metrics: Vec<_> = sheets.iter().map(|(metric, _)| metric.name()).collect();
        assert_eq!(
            metrics,
            [
                "latency_p50",
                "server_cpu_per_second",
                "server_cpu_per_delivery",
                "bytes_per_delivery"
            ],
            "none of what was not measured"
        );
        let (_, sheet) = &sheets[0];
        assert_eq!(sheet.columns, ["Polling", "Long polling", "SSE", "WebSocket", "Raw TCP"]);
        let names: Vec<_> = sheet.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "events_per_second=0.2",
                "events_per_second=1",
                "events_per_second=5",
                "events_per_second=20"
            ]
        );
        assert_eq!(sheet.rows[1].entries[0].text, "500 ms");
        assert_eq!(sheet.rows[1].entries[2].detail, "0.99–1.01");
        assert!(sheet.note.contains("93.8 %"), "{}", sheet.note);
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
