//! What the runs say to a case.

use pushbench_wire::Transport;

use super::figure::Place;
use super::model::{Case, Counted, Finding, Lack, Limits, Part, Runs, Weighed, What, columns};
use super::{advice, proxies};
use crate::analysis::Analysis;
use crate::analysis::guide::lines;
use crate::results::Run;
use crate::scenario::Scenario;

/// What came of a case for a transport.
pub(super) fn weigh(case: &Case, of: Transport, runs: &Runs) -> Weighed {
    let (shown, found): Said = match &case.run {
        None => (Vec::new(), case.parts.iter().map(|part| counted(part, of)).collect()),
        Some(name) => match usable(case, runs.get(name)) {
            Ok((run, analysis, scenario)) => in_run(case, of, run, analysis, &scenario),
            Err(lack) => (Vec::new(), vec![Err(lack)]),
        },
    };
    let holds = holds(&found);
    let findings = found.into_iter().flatten().collect();
    Weighed { case: case.clone(), shown, findings, holds }
}

/// What is shown, and what is found for each part.
type Said = (Vec<Finding>, Vec<Result<Finding, Lack>>);

fn usable<'a>(
    case: &Case,
    run: Option<&'a Result<(Run, Analysis), String>>,
) -> Result<(&'a Run, &'a Analysis, Scenario), Lack> {
    let (run, analysis) = match run {
        Some(Ok((run, analysis))) => (run, analysis),
        Some(Err(why)) => return Err(Lack::NoRun(why.clone())),
        None => return Err(Lack::NoRun(String::new())),
    };
    if run.manifest.interrupted {
        return Err(Lack::Interrupted);
    }
    let text = &run.manifest.scenario;
    let scenario = Scenario::parse(&text.text, &text.path);
    let scenario = scenario.map_err(|error| Lack::Unusable(error.to_string()))?;
    if case.only_delivers && !scenario.workload.only_delivers() {
        return Err(Lack::NotAbout);
    }
    if case.only_near && scenario.networks().next().is_some() {
        return Err(Lack::Network);
    }
    Ok((run, analysis, scenario))
}

fn in_run(case: &Case, of: Transport, run: &Run, analysis: &Analysis, scenario: &Scenario) -> Said {
    let Some(place) = Place::new(run, analysis, scenario) else {
        return (Vec::new(), vec![Err(Lack::NotCompared)]);
    };
    if !case.each_proxy.is_empty() {
        return (Vec::new(), proxies::weigh(case, of, &place));
    }
    let contender = |part| place.contender(of, part, None);
    let found = case.parts.iter().map(|part| match part {
        Part::Measured(part) => match contender(Some(part)) {
            Some(contender) => place.find(part, contender),
            None => Err(Lack::NotCompared),
        },
        Part::Counted(_) => counted(part, of),
        Part::Guided(part) => advice::find(part, of, &place, analysis),
    });
    let mut found: Vec<_> = found.collect();
    // What is counted over a whole trial says nothing of requests if there is about one.
    if let (Some(least), Some(one)) = (case.least_requests, contender(None)) {
        let has_few = !place.has_requests(least, one);
        found.extend(has_few.then_some(Err(Lack::FewRequests(least))));
    }
    let shown = contender(None).map_or_else(Vec::new, |contender| {
        case.shows.iter().filter_map(|&metric| place.shown(metric, contender)).collect()
    });
    (shown, found)
}

/// Lines, as a multiple of the fewest. They are counted, so that there is no doubt.
fn counted(part: &Part, of: Transport) -> Result<Finding, Lack> {
    let Part::Counted(Counted { lines: language, at_least, at_most }) = part else {
        return Err(Lack::NotCompared);
    };
    let all = columns().filter_map(|of| lines(of, *language));
    let own = lines(of, *language).ok_or(Lack::NoClient(*language))?;
    let fewest = all.min().ok_or(Lack::NoClient(*language))?;
    let value = own as f64 / fewest as f64;
    let limits = Limits { at_least: *at_least, at_most: *at_most };
    let holds = limits.judge(value, value, value);
    let what = What::Lines(*language, own);
    let (interval, blocks, tally) = (None, None, None);
    Ok(Finding { what, of: None, value, interval, blocks, limits, holds, tally })
}

/// What is missed by one is missed by all, whatever is missing of the others.
fn holds(found: &[Result<Finding, Lack>]) -> Result<bool, Lack> {
    if found.iter().flatten().any(|of| of.holds == Some(false)) {
        return Ok(false);
    }
    if let Some(lack) = found.iter().find_map(|of| of.as_ref().err()) {
        return Err(lack.clone());
    }
    let all_hold = !found.is_empty() && found.iter().flatten().all(|of| of.holds == Some(true));
    if all_hold { Ok(true) } else { Err(Lack::Undecided) }
}
