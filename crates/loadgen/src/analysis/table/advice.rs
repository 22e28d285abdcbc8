//! What the guide says of a transport, as figures with limits.

use pushbench_wire::Transport;

use super::figure::Place;
use super::model::{Advice, Finding, Guided, Lack, Limits, What};
use crate::analysis::Analysis;
use crate::analysis::guide::{
    self, Answer, Asked, COSTS, Candidate, Check, Figure, Needs, Reached, Refusal, Verdict,
};
use crate::results::Metric;
use crate::scenario::Threshold;
use crate::scenario::thresholds::Operator;

/// Whether the guide says so of the first contender of a transport.
pub(super) fn find(
    part: &Guided,
    of: Transport,
    place: &Place<'_>,
    analysis: &Analysis,
) -> Result<Finding, Lack> {
    let guide = guide::guide(place.run, analysis, &Needs::default()).map_err(refused)?;
    let answer = guide.cells.first().ok_or(Lack::NotCompared)?;
    let own = answer.candidates.iter().find(|candidate| candidate.contender.transport() == of);
    let own = own.ok_or(Lack::NotCompared)?;
    match part.guide {
        Advice::Meets => meets(own, place),
        Advice::Cheapest => cheapest(part, own, answer, place),
    }
}

fn refused(refusal: Refusal) -> Lack {
    match refusal {
        Refusal::Interrupted { .. } => Lack::Interrupted,
        Refusal::Unreadable(why) => Lack::Unusable(why),
        Refusal::Untrusted { reason: Some(reason), .. } => Lack::Spoilt(reason.to_string()),
        Refusal::Untrusted { reason: None, .. } | Refusal::Empty | Refusal::NothingAsked => {
            Lack::NoFigure(Metric::Delivered)
        }
    }
}

/// The check that says most: what is missed, else an objective.
fn meets(own: &Candidate, place: &Place<'_>) -> Result<Finding, Lack> {
    let with_figure = || own.checks.iter().filter_map(|of| Some((of, of.figure.as_ref()?)));
    let is_limit = |check: &Check| matches!(check.asked, Asked::Limit(_));
    let (holds, told) = match own.verdict() {
        Verdict::Unknown => return Err(unknown(own, place)),
        Verdict::Misses => {
            let missed = || with_figure().filter(|(check, _)| check.reached == Reached::Missed);
            let sure = missed().find(|(check, figure)| is_sure(check, figure));
            (sure.map(|_| false), sure.or_else(|| missed().next()))
        }
        Verdict::Meets => {
            // A trial that failed may have lost what nobody counted.
            let mut of_checks = own.checks.iter().map(|check| &check.contender);
            if let Some(why) = of_checks.find_map(|id| place.any_failure(id)) {
                return Err(Lack::Failed(why));
            }
            let all_sure = with_figure().all(|(check, figure)| is_sure(check, figure));
            let limits = with_figure().filter(|(check, _)| is_limit(check));
            let told = limits.max_by_key(|(_, figure)| figure.metric.is_delivery_latency());
            (all_sure.then_some(true), told.or_else(|| with_figure().next()))
        }
    };
    let (check, figure) = told.ok_or(Lack::NoFigure(Metric::Delivered))?;
    let limits = match &check.asked {
        Asked::Limit(threshold) => limits(threshold),
        _ => Limits::default(),
    };
    let Figure { contender, metric, value, interval, trials } = figure.clone();
    let (what, of) = (What::Metric(metric), Some(contender));
    Ok(Finding { what, of, value, interval, blocks: trials, limits, holds, tally: None })
}

/// Whether the whole interval says the same. What is counted has none.
fn is_sure(check: &Check, figure: &Figure) -> bool {
    !check.is_close() && (figure.interval.is_some() || figure.trials.is_none())
}

fn limits(of: &Threshold) -> Limits {
    match of.operator {
        Operator::Below | Operator::AtMost => Limits { at_least: None, at_most: Some(of.limit) },
        Operator::Above | Operator::AtLeast => Limits { at_least: Some(of.limit), at_most: None },
        Operator::Equal => Limits { at_least: Some(of.limit), at_most: Some(of.limit) },
        Operator::Unequal => Limits::default(),
    }
}

fn unknown(own: &Candidate, place: &Place<'_>) -> Lack {
    let mut lacks = own.checks.iter().filter_map(|check| match &check.reached {
        Reached::Unknown(guide::Lack::Failed(reason)) => Some(Lack::Failed(reason.clone())),
        Reached::Unknown(_) => {
            let metric = match &check.asked {
                Asked::Limit(threshold) => threshold.metric,
                _ => Metric::Delivered,
            };
            Some(place.lack(metric, &[&check.contender]))
        }
        Reached::Missed | Reached::Met => None,
    });
    lacks.next().unwrap_or(Lack::NotCompared)
}

/// Whether something is missed beyond doubt.
fn is_out(of: &Candidate) -> bool {
    let missed = of.checks.iter().filter(|check| check.reached == Reached::Missed);
    missed.into_iter().any(|check| check.figure.as_ref().is_none_or(|of| is_sure(check, of)))
}

/// Whether everything is met beyond doubt.
fn is_in(of: &Candidate) -> bool {
    let is_sure = |check: &Check| check.figure.as_ref().is_none_or(|of| is_sure(check, of));
    of.verdict() == Verdict::Meets && of.checks.iter().all(is_sure)
}

/// Every cost, held against those of all others that may meet everything: the greatest of what decides it.
fn cheapest(
    part: &Guided,
    own: &Candidate,
    answer: &Answer,
    place: &Place<'_>,
) -> Result<Finding, Lack> {
    let nothing = Lack::NoFigure(COSTS[0]);
    if own.verdict() != Verdict::Meets {
        return Err(nothing);
    }
    let limits = Limits { at_least: None, at_most: part.at_most };
    let is_other = |of: &&Candidate| of.contender != own.contender && !is_out(of);
    let others: Vec<&Candidate> = answer.candidates.iter().filter(is_other).collect();
    if others.is_empty() {
        let Figure { contender, metric, value, interval, trials } =
            own.costs.first().cloned().ok_or(nothing)?;
        let (what, of) = (What::Alone(metric), Some(contender));
        let holds = interval.map(|_| true);
        let limits = Limits::default();
        return Ok(Finding {
            what,
            of,
            value,
            interval,
            blocks: trials,
            limits,
            holds,
            tally: None,
        });
    }
    let mut found = Vec::new();
    let mut lack = None;
    for (other, metric) in others.iter().flat_map(|other| COSTS.map(|metric| (other, metric))) {
        let id = &other.contender;
        let ratio = place.cell.ratio(metric, &own.contender, id);
        let Some(ratio) = ratio.filter(|of| place.are_enough(of.blocks)) else {
            lack.get_or_insert_with(|| place.lack(metric, &[&own.contender, id]));
            continue;
        };
        let holds = ratio.interval.and_then(|of| limits.judge(ratio.estimate, of.low, of.high));
        found.push(Finding {
            what: What::Ratio(metric, id.clone()),
            of: Some(own.contender.clone()),
            value: ratio.estimate,
            interval: ratio.interval,
            blocks: Some(ratio.blocks),
            limits,
            // Who may not meet everything shows nothing by costing less.
            holds: holds.filter(|holds| *holds || is_in(other)),
            tally: None,
        });
    }
    // What is above the limit decides it, else what is not decided, else all of it.
    let rank = |of: &Finding| match of.holds {
        Some(false) => 2,
        None => 1,
        Some(true) => 0,
    };
    let greater = |one: &Finding, other: &Finding| {
        rank(one).cmp(&rank(other)).then(one.value.total_cmp(&other.value))
    };
    let greatest = found.into_iter().max_by(greater);
    match (greatest, lack) {
        (Some(of), _) if of.holds == Some(false) => Ok(of),
        (_, Some(lack)) => Err(lack),
        (greatest, None) => greatest.ok_or(nothing),
    }
}
