//! The verdict and its caveats in sentences. What they say is decided in `analysis`.

use crate::results::ContenderId;

use super::{objectives, quantity, sheet};
use crate::analysis::{Accounts, Analysis, Cell, Concern, Figures, Group, Ranking};
use crate::results::shortening::{Part, Shortening};
use crate::results::{Metric, Outcome, Run, Trial};

/// The verdict on a cell: the headline first.
pub(crate) fn verdict(cell: &Cell) -> Vec<String> {
    let mut sentences: Vec<String> = cell.rankings.iter().map(|of| ranking(cell, of)).collect();
    if sentences.is_empty() {
        sentences.push("No trial gave figures that can be used.".to_owned());
    }
    sentences.extend(batching(&cell.contenders));
    sentences.extend(complete(&cell.contenders));
    sentences.extend(objectives::sentences(cell));
    sentences
}

/// Who shares the cost of a response among several events: it explains many a cheap delivery.
fn batching(contenders: &[Figures]) -> Option<String> {
    let batches: Vec<String> = contenders
        .iter()
        .filter(|of| of.batches())
        .map(|of| {
            let events = of.estimate(Metric::DeliveriesPerRead).map(|events| events.median);
            let events = quantity::of(Metric::DeliveriesPerRead, events);
            format!("{} brought {events} events at a time", inline(&of.contender))
        })
        .collect();
    (!batches.is_empty()).then(|| {
        sentence(&format!(
            "{}, which shares the cost of a response among them: with fewer events, each costs more",
            batches.join(", ")
        ))
    })
}

fn complete(contenders: &[Figures]) -> Option<String> {
    let complete = || {
        contenders.iter().filter(|of| of.accounts.is_some_and(|accounts| accounts.is_complete()))
    };
    let names: Vec<ContenderId> = complete().map(|of| of.contender.clone()).collect();
    let aside = if complete().any(|of| of.failed > 0) { " (failed trials aside)" } else { "" };
    (!names.is_empty()).then(|| {
        sentence(&format!("{} delivered every event, once and in order{aside}", list(&names)))
    })
}

fn ranking(cell: &Cell, ranking: &Ranking) -> String {
    let value = |group: &Group| quantity::range(ranking.metric, group.low, group.high);
    let [first, rest @ ..] = &ranking.groups[..] else { return String::new() };
    let share = |last: &Group, phrase: &str| {
        // From the nearer ends: what holds for every two members.
        let nearest = last.contenders.first().zip(first.contenders.last());
        let ratio = nearest.and_then(|(far, near)| cell.ratio(ranking.metric, far, near));
        ratio.map_or_else(String::new, |ratio| {
            let times = |ratio| quantity::times(ratio).replace('×', "");
            let ends = ratio.interval.map(|interval| (times(interval.low), times(interval.high)));
            let interval = match ends {
                Some((low, high)) if low != high => format!(" [{low}, {high}]"),
                _ => String::new(),
            };
            format!(", {} times {phrase}{interval}", times(ratio.estimate))
        })
    };
    let same = match (first.contenders.len(), first.alike) {
        (1, _) => "",
        (_, true) => ", about the same",
        (_, false) => ", no clear order",
    };
    if ranking.metric == Metric::LatencyP50 {
        let verb = if first.contenders.len() == 1 { "delivers" } else { "deliver" };
        let mut text =
            format!("{} {verb} in {} (p50{same})", list(&first.contenders), value(first));
        for (index, group) in rest.iter().enumerate() {
            let join = if index == 0 { ";" } else { "," };
            let verb = match (index, group.contenders.len()) {
                (0, 1) => " takes",
                (0, _) => " take",
                _ => "",
            };
            text += &format!("{join} {}{verb} {}", list(&group.contenders), value(group));
        }
        text += &rest.last().map_or(String::new(), |last| share(last, "as long"));
        return sentence(&text);
    }
    let subject = title(ranking.metric);
    let [between @ .., last] = rest else {
        return sentence(&format!(
            "{subject}: {} ({}{same})",
            list(&first.contenders),
            value(first)
        ));
    };
    let mut text =
        format!("{subject}: least with {} ({}{same})", list(&first.contenders), value(first));
    for group in between {
        text += &format!(", then {} ({})", list(&group.contenders), value(group));
    }
    text += &format!(
        ", most with {} ({}{})",
        list(&last.contenders),
        value(last),
        share(last, "as much")
    );
    sentence(&text)
}

/// The heading of a metric that is ranked or tabulated.
pub(crate) fn title(metric: Metric) -> &'static str {
    match metric {
        Metric::LatencyP50 => "Latency p50",
        Metric::LatencyP99 => "Latency p99",
        Metric::LatencyMax => "Slowest delivery",
        Metric::ServerCpuPerDelivery => "Server CPU per delivery",
        Metric::ServerCpuPerSecond => "Server CPU per second",
        Metric::GeneratorCpuPerDelivery => "Subscriber CPU per delivery",
        Metric::ServerMemoryPerSubscriber => "Server memory per subscriber",
        Metric::ServerMemoryPeak => "Server memory at its peak",
        Metric::ServerInstructionsPerDelivery => "Server instructions per delivery",
        Metric::BytesPerDelivery => "Bytes per delivery",
        Metric::DeliveriesPerRead => "Events per read",
        Metric::ConnectionsOpened => "Connections opened",
        other => other.name(),
    }
}

/// Every caveat, worst first.
pub(crate) fn concerns(run: &Run, analysis: &Analysis) -> Vec<String> {
    let several = analysis.cells.len() > 1;
    analysis
        .concerns
        .iter()
        .map(|concern| sentence(&text(run, analysis, several, concern)))
        .collect()
}

fn text(run: &Run, analysis: &Analysis, several: bool, concern: &Concern) -> String {
    let within = |cell: &str| if several { format!(" in {cell}") } else { String::new() };
    let trial = |index: usize| {
        let trial = &run.trials[index];
        format!("{} in block {}{}", inline(&trial.contender), trial.block, within(&trial.cell))
    };
    match concern {
        Concern::Interrupted { ran, planned } => format!(
            "the run was stopped: {ran} of {planned} trials ran, and the contenders may differ in how often"
        ),
        Concern::Unmeasured { cell, contender } => {
            format!(
                "{}{} has no valid trial, so it has no figures",
                inline(contender),
                within(cell)
            )
        }
        Concern::Failed { trial: index, reason } => format!("{} failed: {reason}", trial(*index)),
        Concern::Invalid { trial: index, reason } => {
            let reason = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            format!("{} is left out of the figures{reason}", trial(*index))
        }
        Concern::Incomplete { cell, contender } => {
            let figures = analysis.cells.iter().find(|of| of.name == *cell).and_then(|cell| {
                cell.contenders.iter().find(|of| of.contender == *contender)?.accounts
            });
            let what = figures.map_or_else(String::new, shortfall);
            format!("{}{} did not deliver as expected: {what}", inline(contender), within(cell))
        }
        Concern::Shortened => shortened(&run.manifest.shortenings),
        Concern::Warned { trials, warning } => match trials[..] {
            [only] => format!("{}: {warning}", trial(only)),
            _ => {
                let mut names: Vec<ContenderId> = Vec::new();
                for &index in trials {
                    let name = &run.trials[index].contender;
                    if !names.contains(name) {
                        names.push(name.clone());
                    }
                }
                let of = |index: usize| run.trials.get(index).map_or("", |trial| &trial.cell);
                let is_of_one = trials.iter().all(|index| of(*index) == of(trials[0]));
                let within = if is_of_one { within(of(trials[0])) } else { String::new() };
                let count = trials.len();
                format!("{} in {count} trials{within}: {warning}", list(&names))
            }
        },
        Concern::FewTrials { cells, contenders } => {
            let verb = if contenders.len() == 1 { "has" } else { "have" };
            let within = match &cells[..] {
                [cell] => within(cell),
                all if all.len() == analysis.cells.len() => " in every cell".to_owned(),
                some => format!(" in {} cells", some.len()),
            };
            format!(
                "{}{} {verb} fewer than five valid trials: times less than 25 % apart are called about the \
                 same; raise `blocks` to see how far figures move from trial to trial",
                list(contenders),
                within,
            )
        }
    }
}

/// What was cut down, and which figures suffer.
fn shortened(shortenings: &[Shortening]) -> String {
    let parts: Vec<_> = shortenings.iter().map(Shortening::to_string).collect();
    let effect = |of: &Shortening| match (of.part, of.measured.as_deref()) {
        (Part::Blocks, Some("1")) => {
            Some("one block gives no intervals, so nothing tells how far figures would move")
        }
        (Part::Blocks, _) => Some("fewer blocks give wider intervals"),
        (Part::Duration, _) => Some("shorter windows hold fewer of the rare long delays"),
        (Part::Idle, None) => Some("what waiting costs was not measured"),
        (Part::Idle, Some(_)) => Some("what waiting costs is less exact"),
        // A trial that had not warmed up has a warning of its own.
        (Part::WarmUp, _) => None,
    };
    let effects: Vec<_> = shortenings.iter().filter_map(effect).collect();
    let effects = if effects.is_empty() { String::new() } else { effects.join(", ") + "; " };
    format!(
        "the run was shortened to end in time ({}): {effects}repeat it without --max-time before you \
         rely on it",
        parts.join(", ")
    )
}

/// What is wrong with the deliveries: "3 of 48,000 lost, 1 duplicated".
pub(crate) fn shortfall(accounts: Accounts) -> String {
    let counted = [
        (accounts.lost, "lost"),
        (accounts.duplicated, "duplicated"),
        (accounts.reordered, "reordered"),
        (accounts.lagged, "fell behind"),
    ];
    let some = counted.iter().filter_map(|(count, what)| {
        count
            .filter(|count| *count != 0.0)
            .map(|count| format!("{} {what}", quantity::count(count)))
    });
    let some: Vec<String> = some.collect();
    match (accounts.expected, accounts.delivered) {
        (Some(expected), Some(delivered)) => {
            let mut parts =
                vec![format!("{} of {}", quantity::count(delivered), quantity::count(expected))];
            parts.extend(some);
            parts.join(", ")
        }
        _ => "its deliveries were not counted".to_owned(),
    }
}

/// What became of one trial, in a line.
#[must_use]
pub fn trial_line(trial: &Trial) -> String {
    if let Outcome::Failed { reason } = &trial.outcome {
        return format!("failed: {reason}");
    }
    let of = |metric| sheet::of_trial(trial, metric);
    let mut line = format!(
        "p50 {}, p99 {}, {}, server CPU {} per delivery",
        of(Metric::LatencyP50),
        of(Metric::LatencyP99),
        shortfall(Accounts::of(&[trial])),
        of(Metric::ServerCpuPerDelivery),
    );
    if let Some(warning) = trial.warnings.iter().find(|warning| warning.invalidates()) {
        line += &format!("; left out: {warning}");
    }
    line
}

/// Contenders within a sentence: "SSE, WebSocket and long polling".
pub(crate) fn list(contenders: &[ContenderId]) -> String {
    let names: Vec<String> = contenders.iter().map(inline).collect();
    match &names[..] {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

/// The label as it stands within a sentence.
pub(crate) fn inline(contender: &ContenderId) -> String {
    in_sentence(contender.label())
}

/// A heading as it stands within a sentence: words made of capitals keep them.
pub(crate) fn in_sentence(heading: &str) -> String {
    let inline = |word: &str| {
        let is_name = word.chars().skip(1).any(char::is_uppercase);
        if is_name { word.to_owned() } else { word.to_lowercase() }
    };
    heading.split(' ').map(inline).collect::<Vec<_>>().join(" ")
}

/// With a capital at its beginning and a full stop at its end.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::results::{LatencyLog, Warning, fixture};

    #[test]
    fn contenders_within_a_sentence() {
        let all = "polling, long polling, SSE, WebSocket and raw TCP";
        assert_eq!(list(&ContenderId::all_transports()), all);
    }

    #[test]
    fn the_verdict_in_words() {
        let (run, log) = fixture::run();
        let analysis = analyse(&run, &log);
        assert_eq!(
            verdict(&analysis.cells[0]),
            [
                "WebSocket and SSE deliver in 400–416 µs (p50, about the same); long polling takes 610 µs, \
                 polling 510 ms, 1,224 times as long.",
                "Latency p99: least with WebSocket and SSE (1.10–1.22 ms, about the same), then long \
                 polling (1.90 ms), most with polling (1.00 s, 825 times as much).",
                "Server CPU per delivery: least with polling (1.93 µs), then WebSocket and SSE \
                 (3.00–3.15 µs), most with long polling (14.2 µs, 7.47 times as much).",
                "Subscriber CPU per delivery: least with polling (2.64 µs), then SSE and WebSocket \
                 (4.06–4.40 µs), most with long polling (21.5 µs, 8.27 times as much).",
                "Bytes per delivery: least with WebSocket (136 B), then SSE (171 B), then polling (210 B), \
                 most with long polling (402 B, 2.96 times as much).",
                "Server memory per subscriber: SSE, polling, WebSocket and long polling (7.31–9.10 kB, \
                 no clear order).",
                "Polling, long polling, SSE and WebSocket delivered every event, once and in order (failed \
                 trials aside).",
            ]
        );
    }

    #[test]
    fn the_caveats_in_words() {
        let (mut run, log) = fixture::run();
        run.trials[2].values.insert(Metric::Lost, 3.0);
        run.trials[2].values.insert(Metric::Delivered, 23_997.0);
        let analysis = analyse(&run, &log);
        assert_eq!(
            concerns(&run, &analysis),
            [
                "WebSocket in block 2 failed: the server was killed by signal 9.",
                "Long polling in block 2 is left out of the figures: 14.2 % of the CPU time was stolen by \
                 other machines on this host (limit 10 %): repeat at a quieter time.",
                "SSE did not deliver as expected: 47,997 of 48,000, 3 lost.",
                "Polling in block 1: the publisher was 1.3 ms late at its 99th percentile (limit 10 ms): latencies \
                 include that; leave the machine alone or lower the event rate.",
                "Polling, long polling, SSE and WebSocket have fewer than five valid trials: times less \
                 than 25 % apart are called about the same; raise `blocks` to see how far figures move from \
                 trial to trial.",
            ]
        );
    }

    #[test]
    fn a_shortened_run_says_which_figures_suffer() {
        let (mut run, log) = fixture::run();
        let shortening = |part, asked: &str, measured: Option<&str>| Shortening {
            part,
            asked: asked.to_owned(),
            measured: measured.map(str::to_owned),
        };
        run.manifest.shortenings = vec![
            shortening(Part::Blocks, "5", Some("1")),
            shortening(Part::Idle, "2s", None),
            shortening(Part::WarmUp, "2s", Some("1s")),
            shortening(Part::Duration, "10s", Some("1100ms")),
        ];
        let concerns = concerns(&run, &analyse(&run, &log));
        let said = "The run was shortened to end in time (1 instead of 5 blocks, none instead of 2s of idle \
                    phase, 1s instead of 2s of warm-up, 1100ms instead of 10s of measured time): one block gives \
                    no intervals, so nothing tells how far figures would move, what waiting costs was not \
                    measured, shorter windows hold fewer of the rare long delays; repeat it without --max-time \
                    before you rely on it.";
        assert!(concerns.iter().any(|concern| concern == said), "{concerns:#?}");
    }

    #[test]
    fn a_run_without_figures_says_so() {
        let (mut run, _) = fixture::run();
        run.trials.iter_mut().for_each(|trial| trial.values.clear());
        let analysis = analyse(&run, &LatencyLog::default());
        assert_eq!(verdict(&analysis.cells[0]), ["No trial gave figures that can be used."]);
        let concerns = concerns(&run, &analysis).join("\n");
        assert!(concerns.contains("its deliveries were not counted"), "{concerns}");
    }

    #[test]
    fn a_caveat_names_a_cell_only_if_it_is_of_that_alone() {
        let (mut run, log) = fixture::run();
        run.trials[2].cell = "subscribers=50".to_owned();
        run.trials[4].cell = "subscribers=100".to_owned();
        let said = |run: &Run| concerns(run, &analyse(run, &log)).join("\n");
        for index in [2, 4] {
            run.trials[index].warnings = vec![Warning::SharedCore];
        }
        assert!(said(&run).contains("SSE and polling in 2 trials: server and"), "{}", said(&run));
        run.trials[4].cell = "subscribers=50".to_owned();
        let one = "SSE and polling in 2 trials in subscribers=50: server and";
        assert!(said(&run).contains(one), "{}", said(&run));
    }

    #[test]
    fn a_caveat_of_many_trials_is_one_sentence() {
        let (mut run, log) = fixture::run();
        for index in [0, 2, 4] {
            run.trials[index].warnings = vec![Warning::SharedCore];
        }
        let concerns = concerns(&run, &analyse(&run, &log));
        let said: Vec<_> = concerns.iter().filter(|text| text.contains("shared a core")).collect();
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("Polling and SSE in 3 trials: "), "{}", said[0]);
    }
}
