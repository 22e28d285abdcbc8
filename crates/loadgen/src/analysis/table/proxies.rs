//! Which proxies a transport passes: each of them alone, and then how many.

use pushbench_wire::Transport;

use super::figure::Place;
use super::model::{Case, Finding, Lack, Part, Passed, What};
use crate::analysis::Interval;
use crate::results::{Outcome, Trial};
use crate::scenario::{Contender, Proxy};

/// What became of a transport behind one proxy.
enum Behind {
    Passes,
    Fails(Option<Box<Finding>>),
    Unknown,
    /// What would help.
    Missing(String),
}

/// How many of the case's proxies it passes, and whether that is the share that it has to be.
///
/// # Errors
/// Too few of them are on this machine.
pub(super) fn weigh(case: &Case, of: Transport, place: &Place<'_>) -> Result<Finding, Lack> {
    let mut all = Passed::default();
    let mut first = None;
    for name in &case.each_proxy {
        let Some(contender) = place.contender(of, None, Some(&name[..])) else {
            all.unknown.push(name.clone());
            continue;
        };
        let label = contender.road.proxy.as_ref().map_or(name, |proxy| &proxy.label).clone();
        match behind(case, contender, place) {
            Behind::Passes => all.passed.push(label),
            Behind::Fails(finding) => all.failed.push((label, finding.map(|of| *of))),
            Behind::Unknown => all.unknown.push(label),
            Behind::Missing(why) => all.missing.push((label, why)),
        }
        first.get_or_insert_with(|| contender.id.clone());
    }
    let known = all.passed.len() + all.failed.len() + all.unknown.len();
    if known == 0 || known < all.missing.len() {
        let why = all.missing.into_iter().map(|(_, why)| why).collect::<Vec<_>>();
        return Err(Lack::Failed(why.join("; ")));
    }
    let share = |passed: usize| passed as f64 / known as f64;
    let (low, high) = (share(all.passed.len()), share(all.passed.len() + all.unknown.len()));
    let holds = case.share.judge(low, low, high);
    let interval = (low < high).then_some(Interval { low, high, level: 1.0 });
    let what = What::Passed(all);
    Ok(Finding { what, of: first, value: low, interval, blocks: None, limits: case.share, holds })
}

fn behind(case: &Case, contender: &Contender, place: &Place<'_>) -> Behind {
    let trials = || place.trials(&contender.id);
    let failure = trials().find_map(|trial| match &trial.outcome {
        Outcome::Failed { reason } => Some(reason),
        Outcome::Valid | Outcome::Invalid => None,
    });
    let is_there = contender.road.proxy.as_ref().is_none_or(|proxy| is_there(proxy, place));
    match failure {
        Some(reason) if !is_there => return Behind::Missing(reason.clone()),
        Some(_) if trials().all(Trial::has_failed) => return Behind::Fails(None),
        _ => {}
    }
    let measured = case.parts.iter().filter_map(|part| match part {
        Part::Measured(part) => Some(place.find(part, contender)),
        Part::Counted(_) | Part::Guided(_) => None,
    });
    let found: Vec<_> = measured.collect();
    let fails = |of: &&Finding| of.holds == Some(false);
    if let Some(finding) = found.iter().flatten().find(fails) {
        return Behind::Fails(Some(Box::new(finding.clone())));
    }
    let holds = |of: &Result<Finding, Lack>| of.as_ref().is_ok_and(|of| of.holds == Some(true));
    if found.iter().all(holds) { Behind::Passes } else { Behind::Unknown }
}

/// Whether its program said its version when the run began.
fn is_there(proxy: &Proxy, place: &Place<'_>) -> bool {
    let used = place.run.manifest.proxies.iter().find(|of| of.label == proxy.label);
    used.is_none_or(|of| of.version.is_some())
}
