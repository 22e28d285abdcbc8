//! The verdict on a cell in sentences. What it claims is decided in `analysis`.

use super::contender::{inline, list};
use super::{format, limits, prose};
use crate::analysis::{Cell, Figures, Group, Ranking, Ratio};
use crate::results::{ContenderId, Metric};

/// The verdict: the headline first.
pub(super) fn sentences(cell: &Cell) -> Vec<String> {
    let mut sentences: Vec<_> = cell.rankings.iter().map(|ranked| ranking(cell, ranked)).collect();
    let has_latencies = cell.rankings.first().is_some_and(|of| of.metric == Metric::LatencyP50);
    if !has_latencies {
        sentences.insert(0, without_latencies(cell).to_owned());
    }
    sentences.extend(batching(&cell.contenders));
    sentences.extend(totals(cell));
    sentences.extend(complete(&cell.contenders));
    sentences.extend(limits::sentences(cell));
    sentences
}

/// Why nothing is said about latencies.
fn without_latencies(cell: &Cell) -> &'static str {
    let mut figures = cell.contenders.iter();
    if figures.clone().all(|of| of.estimates.is_empty() && of.untrusted.is_empty()) {
        "No trial gave figures that can be used."
    } else if figures.any(|of| of.estimate(Metric::LatencyP50).is_some()) {
        "There were too few deliveries to compare latencies."
    } else {
        "No trial gave latencies that can be trusted."
    }
}

/// Who shares the cost of a response among several events: it explains many a cheap delivery.
fn batching(contenders: &[Figures]) -> Option<String> {
    let batches = contenders.iter().filter(|of| of.batches()).map(|of| {
        let events = of.estimate(Metric::DeliveriesPerRead).map(|events| events.median);
        let events = format::of(Metric::DeliveriesPerRead, events);
        format!("{} received {events} events at a time", inline(&of.contender))
    });
    let batches: Vec<_> = batches.collect();
    (!batches.is_empty()).then(|| {
        prose::sentence(&format!(
            "{}, which share the cost of a response: with fewer events, each would cost more",
            batches.join(", ")
        ))
    })
}

/// What all of it takes of the server, in cores: what people pay for.
fn totals(cell: &Cell) -> Option<String> {
    let subscribers = cell.subscribers?;
    let shares = |metric, of_a_core: f64| -> Vec<String> {
        let choices = cell.contenders.iter().filter(|of| !of.contender.is_reference());
        let mut shares: Vec<_> =
            choices.filter_map(|of| Some((of.estimate(metric)?.median, &of.contender))).collect();
        shares.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let word = |(value, contender): (f64, &ContenderId)| {
            format!("{} ({})", format::share(value * of_a_core), inline(contender))
        };
        shares.into_iter().map(word).collect()
    };
    let loaded = shares(Metric::ServerCpuPerSecond, 1e-9);
    let idle = shares(Metric::IdleServerCpu, f64::from(subscribers) / 60e9);
    let clauses = [
        (!loaded.is_empty()).then(|| prose::list(&loaded)),
        (!idle.is_empty()).then(|| format!("idle, {}", prose::list(&idle))),
    ];
    let clauses: Vec<_> = clauses.into_iter().flatten().collect();
    let who = prose::count(subscribers as usize, "subscriber");
    let verb = if subscribers == 1 { "costs" } else { "cost" };
    (!clauses.is_empty()).then(|| {
        prose::sentence(&format!(
            "{who} {verb} the server, in shares of a core, {}",
            clauses.join("; ")
        ))
    })
}

fn complete(contenders: &[Figures]) -> Option<String> {
    let is_complete = |of: &&Figures| of.accounts.is_some_and(|accounts| accounts.is_complete());
    let complete: Vec<_> = contenders.iter().filter(is_complete).collect();
    let has_failed = complete.iter().any(|of| of.failed > 0);
    let aside = if has_failed { " (not counting failed trials)" } else { "" };
    let names = list(complete.iter().map(|of| &of.contender));
    (!complete.is_empty()).then(|| {
        prose::sentence(&format!("{names} delivered every event, once and in order{aside}"))
    })
}

fn ranking(cell: &Cell, ranking: &Ranking) -> String {
    let value = |group: &Group| format::range(ranking.metric, group.low, group.high);
    let [first, rest @ ..] = &ranking.groups[..] else { return String::new() };
    let same = match (first.contenders.len(), first.alike) {
        (1, _) => "",
        (_, true) => ", about the same",
        (_, false) => ", no clear order",
    };
    let names = list(&first.contenders);
    let choices = cell.contenders.iter().filter(|of| !of.contender.is_reference()).count();
    if rest.is_empty() && first.contenders.len() == 1 && choices > 1 {
        let label = ranking.metric.label();
        return format!("{label}: only {names} has a figure to trust ({}).", value(first));
    }
    if ranking.metric == Metric::LatencyP50 {
        let verb = if first.contenders.len() == 1 { "delivers" } else { "deliver" };
        let mut text = format!("{names} {verb} in {} (p50{same})", value(first));
        for (index, group) in rest.iter().enumerate() {
            let join = if index == 0 { ";" } else { "," };
            let verb = match (index, group.contenders.len()) {
                (0, 1) => " takes",
                (0, _) => " take",
                _ => "",
            };
            text += &format!("{join} {}{verb} {}", list(&group.contenders), value(group));
        }
        text += &rest
            .last()
            .map_or(String::new(), |last| share(cell, ranking.metric, [first, last], "as long"));
        return prose::sentence(&text);
    }
    let label = ranking.metric.label();
    let [between @ .., last] = rest else {
        return prose::sentence(&format!("{label}: {names} ({}{same})", value(first)));
    };
    let mut text = format!("{label}: lowest for {names} ({}{same})", value(first));
    for group in between {
        text += &format!(", then {} ({})", list(&group.contenders), value(group));
    }
    let share = share(cell, ranking.metric, [first, last], "as much");
    text += &format!(", highest for {} ({}{share})", list(&last.contenders), value(last));
    prose::sentence(&text)
}

/// How many times as much the last takes as the first, from the nearer ends: what holds for every two
/// members.
fn share(cell: &Cell, metric: Metric, [first, last]: [&Group; 2], phrase: &str) -> String {
    let nearest = last.contenders.first().zip(first.contenders.last());
    let ratio = nearest.and_then(|(far, near)| Some((far, near, cell.ratio(metric, far, near)?)));
    ratio.map_or_else(String::new, |(far, near, ratio)| {
        let times = |ratio| format::times(ratio).replace('×', "");
        let ends = ratio.interval.map(|interval| (times(interval.low), times(interval.high)));
        let interval = match ends {
            Some((low, high)) if low != high => {
                let aside = is_beside(cell, metric, far, near, &ratio);
                let aside = if aside { " block by block" } else { "" };
                format!("{aside} [{low}, {high}]")
            }
            _ => String::new(),
        };
        format!(", {} times {phrase} as {}{interval}", times(ratio.estimate), inline(near))
    })
}

/// Whether what readers get who divide the two figures lies outside of the interval: it is no median of
/// ratios.
fn is_beside(
    cell: &Cell,
    metric: Metric,
    far: &ContenderId,
    near: &ContenderId,
    ratio: &Ratio,
) -> bool {
    let median = |of| Some(cell.figures(of)?.estimate(metric)?.median);
    let quotient = median(far).zip(median(near)).map(|(far, near)| far / near);
    quotient
        .zip(ratio.interval)
        .is_some_and(|(quotient, interval)| quotient < interval.low || quotient > interval.high)
}

#[cfg(test)]
mod tests {
    use pushbench_wire::Transport;

    use super::*;
    use crate::analysis::{Interval, analyse};
    use crate::results::{LatencyLog, Outcome, Warning, fixture};

    #[test]
    fn the_verdict_in_words() {
        let (run, log) = fixture::run();
        let analysis = analyse(&run, &log);
        assert_eq!(
            sentences(&analysis.cells[0]),
            [
                "WebSocket and SSE deliver in 400–416 µs (p50, about the same); long polling takes 610 µs, \
                 polling 510 ms, 1,224 times as long as SSE.",
                "Latency p99: lowest for WebSocket and SSE (1.10–1.22 ms, about the same), then long \
                 polling (1.90 ms), highest for polling (1.00 s, 825 times as much as SSE).",
                "Server CPU per delivery: lowest for polling (1.93 µs), then WebSocket and SSE \
                 (3.00–3.15 µs), highest for long polling (14.2 µs, 7.47 times as much as polling).",
                "Subscriber CPU per delivery: lowest for polling (2.64 µs), then SSE and WebSocket \
                 (4.06–4.40 µs), highest for long polling (21.5 µs, 8.27 times as much as polling).",
                "Bytes per delivery: lowest for WebSocket (136 B), then SSE (171 B), then polling (210 B), \
                 highest for long polling (402 B, 2.96 times as much as WebSocket).",
                "Server memory per subscriber: SSE, polling, WebSocket and long polling (7.31–9.24 kB, \
                 no clear order).",
                "Polling, long polling, SSE and WebSocket delivered every event, once and in order (not \
                 counting failed trials).",
            ]
        );
    }

    #[test]
    fn a_ratio_that_is_not_that_of_the_figures_says_what_it_is() {
        let (run, log) = fixture::run();
        let mut cell = analyse(&run, &log).cells.remove(0);
        let mut said = |low, high| {
            for pair in cell.ratios.iter_mut().filter(|of| of.metric == Metric::BytesPerDelivery) {
                pair.ratio.interval = Some(Interval { low, high, level: 0.5 });
            }
            let said = sentences(&cell);
            said.into_iter().find(|text| text.starts_with("Bytes")).unwrap()
        };
        // 402 B are 2.96 times 136 B.
        let within = said(0.3, 3.0);
        assert!(!within.contains("block by block") && within.contains('['), "{within}");
        let beside = said(3.1, 3.3);
        assert!(
            beside.contains("times as much as WebSocket block by block [3.10, 3.30]"),
            "{beside}"
        );
    }

    #[test]
    fn totals_are_shares_of_a_core() {
        let (mut run, _) = fixture::run();
        run.trials.retain(|trial| trial.contender == Transport::Sse);
        for trial in &mut run.trials {
            trial.values.insert(Metric::ServerCpuPerSecond, 23e6);
            trial.values.insert(Metric::IdleServerCpu, 600.0);
        }
        let mut cell = analyse(&run, &LatencyLog::default()).cells.remove(0);
        assert_eq!(totals(&cell), None, "nobody knows how many there were");
        cell.subscribers = Some(2_000);
        assert_eq!(
            totals(&cell).unwrap(),
            "2000 subscribers cost the server, in shares of a core, 2.3 % (SSE); idle, less than 0.01 % (SSE)."
        );
    }

    #[test]
    fn what_is_not_trusted_is_not_ranked() {
        let (mut run, log) = fixture::run();
        for trial in &mut run.trials {
            trial.outcome = Outcome::Invalid;
            trial.warnings = vec![Warning::CpuStolen { percent: 20.0 }];
        }
        let said = sentences(&analyse(&run, &log).cells[0]);
        assert_eq!(said[0], "No trial gave latencies that can be trusted.");
        assert!(
            said[1].starts_with("Bytes per delivery: lowest for WebSocket (136 B)"),
            "{said:?}"
        );
        for trial in run.trials.iter_mut().filter(|trial| trial.contender == Transport::Sse) {
            trial.outcome = Outcome::Valid;
        }
        let said = sentences(&analyse(&run, &log).cells[0]);
        assert_eq!(said[0], "Latency p50: only SSE has a figure to trust (416 µs).");
    }

    #[test]
    fn what_few_deliveries_cost_is_not_compared() {
        let (mut run, log) = fixture::run();
        for trial in &mut run.trials {
            trial.values.insert(Metric::WindowDeliveries, 5.0);
        }
        let said = sentences(&analyse(&run, &log).cells[0]);
        assert_eq!(said[0], "There were too few deliveries to compare latencies.");
        assert!(!said.iter().any(|text| text.contains("per delivery")), "{said:?}");
    }

    #[test]
    fn batches_are_told() {
        let (mut run, _) = fixture::run();
        for trial in &mut run.trials {
            trial.values.insert(Metric::DeliveriesPerRead, 1.0);
        }
        run.trials[0].values.insert(Metric::DeliveriesPerRead, 20.0);
        let analysis = analyse(&run, &LatencyLog::default());
        let sentences = sentences(&analysis.cells[0]);
        assert!(
            sentences
                .iter()
                .any(|text| text.starts_with("Polling received 10.5 events at a time,")),
            "{sentences:#?}"
        );
    }

    #[test]
    fn a_run_without_figures_says_so() {
        let (mut run, _) = fixture::run();
        run.trials.iter_mut().for_each(|trial| trial.values.clear());
        let analysis = analyse(&run, &LatencyLog::default());
        assert_eq!(sentences(&analysis.cells[0]), ["No trial gave figures that can be used."]);
    }
}
