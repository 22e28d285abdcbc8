//! What a search for capacity found, in sentences.

use crate::analysis::Checked;
use crate::analysis::capacity::{Conclusion, Found, Limit, of_search, server_cores, so_far};
use crate::analysis::thresholds::Judgement;
use crate::document::contender::{inline, with_role};
use crate::document::{format, limits, prose};
use crate::results::Side;
use crate::results::capacity::{Answer, Attempt, Capacity, LoadAxis, Miss, Obstacle};
use crate::results::{Outcome, Warning};

/// A load: "519 subscribers", "38.8 events/s".
#[must_use]
pub fn load(varied: LoadAxis, load: f64) -> String {
    match varied {
        LoadAxis::Subscribers if load == 1.0 => "1 subscriber".to_owned(),
        LoadAxis::Subscribers => format!("{} subscribers", format::count(load)),
        LoadAxis::Rate => format!("{} events/s", format::count(load)),
    }
}

/// How many cores the server kept busy: "0.97".
pub(super) fn cores(busy: Option<f64>) -> String {
    busy.map_or_else(|| format::MISSING.to_owned(), |busy| format!("{busy:.2}"))
}

/// What is said of the search of one contender.
pub(super) struct Said {
    /// What was found: "519 subscribers", "at least 400 subscribers".
    pub(super) found: String,
    /// Why it is not more, and the figures of that.
    pub(super) limit: [String; 2],
    /// What limits the trust in it, and what would give more.
    caveat: Option<String>,
}

/// What is said of the search of one contender.
pub(super) fn said(of: &Conclusion<'_>, varied: LoadAxis) -> Said {
    let name = inline(&of.search.contender);
    let at_load = |at| format!("at {}", load(varied, at));
    let at_least = |met| format!("at least {}", load(varied, met));
    let pair = |limit: &str, detail: String| [limit.to_owned(), detail];
    let (found, limit, caveat) = match of.found {
        Some(Found::Capacity { load: met, limit: Limit::Missed { at } }) => {
            (load(varied, met), missed(of, varied, at), doubt_on_miss(of, varied, at))
        }
        Some(Found::Capacity { load: met, limit: Limit::Unknown { at, obstacle } }) => {
            let (found, obstacle) = (at_least(met), obstacle_in_words(obstacle));
            let why = why(of, Some(at));
            let caveat = format!(
                "{name} can do {found}: {obstacle} is the limit beyond, not the server{why}"
            );
            (found, pair(obstacle, at_load(at)), Some(caveat))
        }
        Some(Found::Capacity { load: met, limit: Limit::Most }) => {
            let caveat = format!("{name} may be able to do more: {}", of.search.most.why);
            (at_least(met), pair("nothing", "more was not tried".to_owned()), Some(caveat))
        }
        Some(Found::Nothing) => {
            let least = &of.search.least;
            let caveat = format!(
                "{name} misses its objectives {} already, and less was not tried: {}",
                at_load(least.load),
                least.why
            );
            let found = format!("less than {}", load(varied, least.load));
            (found, missed(of, varied, least.load), Some(caveat))
        }
        Some(Found::Untrusted { obstacle: Some(obstacle) }) => {
            let (obstacle, why) = (obstacle_in_words(obstacle), why(of, None));
            let caveat = format!("what {name} can do is not known, because of {obstacle}{why}");
            ("not known".to_owned(), pair(obstacle, met_so_far(of, varied)), Some(caveat))
        }
        Some(Found::Untrusted { obstacle: None }) => {
            let caveat = format!(
                "what {name} can do is not known: no load met its objectives every time; repeat on a quieter \
                 machine, or with a longer `duration`"
            );
            let limit = pair("no load", "met them every time".to_owned());
            ("not known".to_owned(), limit, Some(caveat))
        }
        Some(Found::Failed) => {
            let caveat = format!("{name} failed{}", why(of, None));
            ("failed".to_owned(), pair("no trial ran", String::new()), Some(caveat))
        }
        None => ("interrupted".to_owned(), pair("not finished", met_so_far(of, varied)), None),
    };
    Said { found, limit, caveat }
}

/// Why nothing is known of a load, or of any.
fn why(of: &Conclusion<'_>, at: Option<f64>) -> String {
    let attempts = of.search.attempts.iter().zip(&of.checked);
    let mut here = attempts.rev().filter(|(attempt, _)| at.is_none_or(|at| attempt.load == at));
    let reason = here.find_map(|(attempt, checked)| reason(attempt, checked));
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}

/// What speaks against a miss, if anything does.
fn doubt_on_miss(of: &Conclusion<'_>, varied: LoadAxis, at: f64) -> Option<String> {
    let (attempt, _) = miss_at(of, at)?;
    let (name, place) = (inline(&of.search.contender), load(varied, at));
    if attempt.answer == Answer::Failed {
        return Some(format!("{name} failed at {place}{}", why(of, Some(at))));
    }
    let mut warnings = attempt.trial.warnings.iter();
    let taken = warnings.find(|warning| {
        let on_server = matches!(warning, Warning::OtherLoad { side: Side::Server, .. });
        on_server || matches!(warning, Warning::CpuStolen { .. } | Warning::CpuLimited { .. })
    })?;
    Some(format!("{name} may be able to do more, as it missed at {place} when {taken}"))
}

/// What is known of a search without a result: "met at 100 subscribers".
fn met_so_far(of: &Conclusion<'_>, varied: LoadAxis) -> String {
    let (_, tried) = of_search(of.search, varied);
    let (low, _) = so_far(&tried);
    low.map_or_else(String::new, |low| format!("met at {}", load(varied, low)))
}

fn obstacle_in_words(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::Generator => "the generator",
        Obstacle::Machine => "the machine",
        Obstacle::Unmeasured => "a missing figure",
    }
}

/// The last trial at a load that did not meet the objectives, with them.
fn miss_at<'a>(of: &'a Conclusion<'_>, at: f64) -> Option<(&'a Attempt, &'a [Checked])> {
    let attempts = of.search.attempts.iter().zip(&of.checked);
    let mut missed = attempts.filter(|(attempt, _)| {
        attempt.load == at && matches!(attempt.answer, Answer::Missed { .. } | Answer::Failed)
    });
    missed.next_back().map(|(attempt, checked)| (attempt, checked.as_slice()))
}

fn missed(of: &Conclusion<'_>, varied: LoadAxis, at: f64) -> [String; 2] {
    let place = format!("at {}", load(varied, at));
    let Some((attempt, checked)) = miss_at(of, at) else { return ["unknown".to_owned(), place] };
    match first_miss(attempt, checked) {
        Some(checked) => {
            let figure = format::of(checked.threshold.metric, checked.value);
            [limits::objective(checked), format!("{figure} {place}")]
        }
        None => [miss_in_words(attempt), place],
    }
}

/// The objective that a trial missed, if that is how it missed.
fn first_miss<'a>(attempt: &Attempt, checked: &'a [Checked]) -> Option<&'a Checked> {
    let by_figure = matches!(attempt.answer, Answer::Missed { why: Miss::Objective, .. });
    let mut missed = checked.iter().filter(|of| of.judgement == Judgement::Crossed);
    missed.next().filter(|_| by_figure)
}

fn miss_in_words(attempt: &Attempt) -> String {
    match attempt.answer {
        Answer::Missed { why: Miss::Lost, .. } => "deliveries were lost".to_owned(),
        Answer::Missed { why: Miss::Unsustained, .. } => "the server fell behind".to_owned(),
        Answer::Missed { why: Miss::Objective, .. } => "an objective".to_owned(),
        Answer::Failed => "the trial failed".to_owned(),
        Answer::Met => "the objectives were met".to_owned(),
        Answer::Unknown { obstacle } => format!("not judged: {}", obstacle_in_words(obstacle)),
    }
}

/// What became of a trial: "✓ meets the objectives", "✗ misses latency p(99)<100ms (131 ms)".
pub(super) fn verdict(attempt: &Attempt, checked: &[Checked]) -> String {
    match (attempt.answer, first_miss(attempt, checked)) {
        (Answer::Met, _) => "✓ meets the objectives".to_owned(),
        (Answer::Unknown { obstacle }, _) => {
            format!("? not judged: {}", obstacle_in_words(obstacle))
        }
        (_, Some(checked)) => format!("✗ misses {}", limits::with_figure(checked)),
        (_, None) => format!("✗ {}", miss_in_words(attempt)),
    }
}

/// What became of a trial, in a line, and why: for whoever waits for the next one.
#[must_use]
pub fn attempt_line(attempt: &Attempt, checked: &[Checked]) -> String {
    let mut line = verdict(attempt, checked);
    let is_met = attempt.answer == Answer::Met;
    let figures: Vec<_> = checked.iter().filter(|_| is_met).map(limits::with_figure).collect();
    if !figures.is_empty() {
        line += &format!(": {}", figures.join("; "));
    }
    if let Some(busy) = server_cores(&attempt.trial) {
        line += &format!(", server CPU {}", cores(Some(busy)));
    }
    if let Some(reason) = reason(attempt, checked) {
        line += &format!("; {reason}");
    }
    line
}

/// Why a trial failed, is invalid or cannot be judged.
fn reason(attempt: &Attempt, checked: &[Checked]) -> Option<String> {
    match (&attempt.trial.outcome, attempt.answer) {
        (_, Answer::Met) => None,
        (Outcome::Failed { reason }, _) => Some(reason.trim().to_owned()),
        (_, Answer::Unknown { obstacle: Obstacle::Unmeasured }) => {
            let open = checked.iter().find_map(|of| match of.judgement {
                Judgement::Unknown(doubt) => Some((of, doubt)),
                Judgement::Kept | Judgement::Crossed => None,
            });
            let (of, doubt) = open?;
            Some(format!("{}: {}", limits::objective(of), limits::reason(of, doubt)))
        }
        _ => {
            let mut warnings = attempt.trial.warnings.iter();
            warnings.find(|warning| warning.invalidates()).map(ToString::to_string)
        }
    }
}

/// What was found, in a sentence.
pub(super) fn headline(conclusions: &[Conclusion<'_>], varied: LoadAxis) -> String {
    let one = |of: &Conclusion<'_>| {
        format!("{} {}", with_role(&of.search.contender), said(of, varied).found)
    };
    let found: Vec<_> = conclusions.iter().map(one).collect();
    match &found[..] {
        [] => "No contender was searched.".to_owned(),
        found => format!("Largest load that meets the objectives: {}.", found.join(", ")),
    }
}

/// What limits the trust in what was found, and what would give more.
pub(super) fn caveats(capacity: &Capacity, conclusions: &[Conclusion<'_>]) -> Vec<String> {
    let mut caveats = Vec::new();
    if capacity.manifest.interrupted {
        caveats.push("The search was interrupted: what had been measured is kept.".to_owned());
    }
    let of_each = conclusions.iter().filter_map(|of| said(of, capacity.varied).caveat);
    caveats.extend(of_each.map(|text| prose::sentence(&text)));
    let trials = || conclusions.iter().flat_map(|of| &of.search.attempts);
    let unknown = trials().filter(|of| matches!(of.answer, Answer::Unknown { .. })).count();
    if unknown > 0 {
        let all = prose::count(trials().count(), "trial");
        caveats.push(format!(
            "{unknown} of {all} said nothing about the server, and count neither way."
        ));
    }
    if trials().any(|of| of.trial.warnings.contains(&Warning::SharedCore)) {
        caveats.push(prose::sentence(&Warning::SharedCore.to_string()));
    }
    caveats
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::capacity::conclude;
    use crate::results::{Metric, fixture};

    /// What is said of SSE's search after this was done to its trials.
    fn said(change: impl Fn(&mut Attempt)) -> Vec<String> {
        let mut capacity = fixture::capacity();
        capacity.manifest.interrupted = false;
        capacity.searches.retain(|of| of.contender == pushbench_wire::Transport::Sse);
        capacity.searches[0].attempts.iter_mut().for_each(change);
        caveats(&capacity, &conclude(&capacity))
    }

    #[test]
    fn a_capacity_that_the_server_limits_needs_no_caveat() {
        assert_eq!(said(|_| {}), [""; 0]);
    }

    #[test]
    fn a_miss_on_a_crowded_machine_is_told() {
        let said = said(|attempt| {
            if attempt.load == 200.0 {
                let warning =
                    Warning::OtherLoad { side: Side::Server, percent: 17.0, waited_percent: None };
                attempt.trial.warnings.push(warning);
            }
        });
        let told = "SSE may be able to do more, as it missed at 200 subscribers when other processes used 17 % \
                    of the server's cores";
        assert!(said[0].starts_with(told), "{said:?}");
    }

    #[test]
    fn a_missing_figure_is_named() {
        let said = said(|attempt| {
            attempt.load = 100.0;
            attempt.answer = Answer::Unknown { obstacle: Obstacle::Unmeasured };
            attempt.trial.values.remove(&Metric::LatencyP99);
        });
        assert!(
            said[0].starts_with(
                "What SSE can do is not known, because of a missing figure: latency p(99)<100ms: 0 of 1"
            ),
            "{said:?}"
        );
    }

    #[test]
    fn a_crash_under_load_is_told_with_its_reason() {
        let crash = || Outcome::Failed { reason: "the server was ended by SIGKILL\n".to_owned() };
        let once = said(|attempt| {
            if attempt.load == 200.0 {
                attempt.answer = Answer::Failed;
                attempt.trial.outcome = crash();
            }
        });
        // One crash may be an accident, so the search is not at its end.
        assert_eq!(once, [""; 0]);
        let mut capacity = fixture::capacity();
        capacity.manifest.interrupted = false;
        capacity.searches.remove(1);
        let search = &mut capacity.searches[1];
        search.attempts[1].answer = Answer::Failed;
        search.attempts[1].trial.outcome = crash();
        let again = search.attempts[1].clone();
        search.attempts.insert(1, again);
        let said = caveats(&capacity, &conclude(&capacity));
        let told = "SSE failed at 200 subscribers: the server was ended by SIGKILL.";
        assert!(said.contains(&told.to_owned()), "{said:?}");
    }

    #[test]
    fn a_line_has_the_figures_that_met_or_missed() {
        let capacity = fixture::capacity();
        let conclusions = conclude(&capacity);
        let sse = conclusions.iter().find(|of| of.search.attempts.len() == 8).unwrap();
        let line = |index: usize| attempt_line(&sse.search.attempts[index], &sse.checked[index]);
        assert_eq!(
            line(0),
            "✓ meets the objectives: latency p(99)<100ms (20.0 ms), server CPU 0.45"
        );
        assert_eq!(line(1), "✗ misses latency p(99)<100ms (131 ms), server CPU 0.91");
    }
}
