//! How figures are cited and what is asked is put into words.

use std::time::Duration;

use humantime::format_duration;

use crate::analysis::guide::{Asked, Check, Figure, Lack, Reached};
use crate::analysis::thresholds::{Doubt, OverTrials};
use crate::document::contender::inline;
use crate::document::{format, prose};
use crate::results::ContenderId;

/// A figure by its cell: contender, metric, value and interval, as files have them. `place` is the cell of a
/// sweep, or nothing.
pub(super) fn cite(figure: &Figure, place: &str) -> String {
    let Figure { contender, metric, value, interval, trials } = figure;
    let amount = format::of(*metric, Some(*value));
    let sure = match (interval, trials) {
        (Some(of), _) => format!("[{}]", format::range(*metric, of.low, of.high)),
        (None, Some(_)) => "[one trial, no interval]".to_owned(),
        (None, None) => "[counted]".to_owned(),
    };
    format!("({}{place} {} {amount} {sure})", contender.name(), metric.name())
}

/// The same of several.
pub(super) fn cites<'a>(figures: impl IntoIterator<Item = &'a Figure>, place: &str) -> String {
    let cited: Vec<_> = figures.into_iter().map(|of| cite(of, place)).collect();
    cited.join(" ")
}

/// What was asked, as a noun: "latency p(99)<500ms".
pub(super) fn asked(check: &Check) -> String {
    match &check.asked {
        Asked::Delivery => "every event once and in order".to_owned(),
        Asked::Limit(limit) => limit.text.replacen(": ", " ", 1),
        Asked::TwoWay => "clients that send".to_owned(),
        Asked::Binary => "binary events".to_owned(),
        Asked::Proxy(name) => format!("a way through {name}"),
        Asked::RoundTrip(time) => format!("a round trip of {}", format_duration(*time)),
    }
}

/// What was asked, and what came of it, with the figure.
pub(super) fn outcome(check: &Check, place: &str) -> String {
    let what = asked(check);
    let figure = check.figure.as_ref().map(|of| format!(" {}", cite(of, place)));
    let figure = figure.unwrap_or_default();
    match &check.reached {
        Reached::Met => format!("{what}{figure}"),
        Reached::Missed => match check.excess() {
            Some(times) => format!("{what}, at {} the limit{figure}", format::times(times)),
            None => format!("{what}{figure}"),
        },
        Reached::Unknown(lack) => {
            format!("{what}: {}{figure}", why_unknown(check, lack, place))
        }
    }
}

/// Why nobody knows, and what would show it.
fn why_unknown(check: &Check, lack: &Lack, place: &str) -> String {
    let subject = format!("{}{place}", check.contender.name());
    match lack {
        Lack::Doubt(Doubt::LowerBound) => {
            format!("of {subject} deliveries were lost, so it may be more")
        }
        Lack::Doubt(Doubt::Unmeasured { measured, trials }) => {
            let (metric, needed) = match &check.asked {
                Asked::Limit(limit) => {
                    let needed = match limit.over_trials {
                        OverTrials::Median => "half of them",
                        OverTrials::Total => "all of them",
                    };
                    (limit.metric.name(), needed)
                }
                _ => ("it", "half of them"),
            };
            format!(
                "{measured} of {} of {subject} have {metric}, and it takes {needed}",
                prose::count(*trials, "trial")
            )
        }
        Lack::Failed(reason) => format!("{subject} did not run: {reason}"),
        Lack::Uncounted => format!("{subject} was not measured"),
        Lack::NobodySends => {
            format!(
                "{subject} was measured with subscribers that only listen: add [workload.upstream]"
            )
        }
        Lack::OnlyText => {
            format!("{subject} was measured with text: set workload.content = \"binary\"")
        }
        Lack::NotThrough => {
            format!("{subject} was not measured through it: name it in `proxy` of the scenario")
        }
        Lack::TooNear(Duration::ZERO) => {
            format!("{subject} was measured without a network: add [network]")
        }
        Lack::TooNear(far) => {
            format!(
                "{subject} was measured over {}: raise network.round_trip",
                format_duration(*far)
            )
        }
    }
}

/// Names within a sentence.
pub(super) fn names(of: &[&ContenderId]) -> String {
    let names: Vec<_> = of.iter().map(|id| inline(id)).collect();
    prose::list(&names)
}

/// The same of what can be chosen.
pub(super) fn either(of: &[&ContenderId]) -> String {
    let names = names(of);
    match names.rsplit_once(" and ") {
        Some((others, last)) => format!("{others} or {last}"),
        None => names,
    }
}

/// The cell of a sweep as a citation has it; nothing without one.
pub(super) fn place(cell: &str, several: bool) -> String {
    if several { format!(" in {cell}") } else { String::new() }
}
