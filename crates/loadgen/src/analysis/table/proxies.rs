//! Which proxies a transport passes: each of them alone, and then how many.

use pushbench_wire::Transport;

use super::figure::Place;
use super::model::{Case, Finding, Lack, Measured, Part, Passed, What};
use crate::analysis::Interval;
use crate::results::{Metric, Trial};
use crate::scenario::{Contender, Proxy};

/// What became of a transport behind one proxy.
enum Behind {
    Passes,
    Fails(Option<Box<Finding>>),
    Unknown(Lack),
    /// What would help.
    Missing(String),
}

/// How many of the case's proxies it passes, and whether that is the share that it has to be, whatever is unknown of
/// the others. What keeps it from being decided stands behind it.
pub(super) fn weigh(case: &Case, of: Transport, place: &Place<'_>) -> Vec<Result<Finding, Lack>> {
    let mut all = Passed::default();
    let mut first = None;
    let mut lacks = Vec::new();
    for name in &case.each_proxy {
        let Some(contender) = place.contender(of, None, Some(&name[..])) else {
            all.unknown.push(name.clone());
            lacks.push(Lack::NotCompared);
            continue;
        };
        let label = contender.road.proxy.as_ref().map_or(name, |proxy| &proxy.label).clone();
        match behind(case, contender, place) {
            Behind::Passes => all.passed.push(label),
            Behind::Fails(finding) => all.failed.push((label, finding.map(|of| *of))),
            Behind::Unknown(lack) => {
                all.unknown.push(label);
                lacks.push(lack);
            }
            Behind::Missing(why) => all.missing.push((label, why)),
        }
        first.get_or_insert_with(|| contender.id.clone());
    }
    // What another try may mend comes first.
    lacks.sort_by_key(|of| !matches!(of, Lack::Spoilt(_)));
    lacks.retain(|of| *of != Lack::Undecided);
    let [passed, failed] = [all.passed.len(), all.failed.len()];
    if passed + failed == 0 {
        let whys: Vec<_> = all.missing.into_iter().map(|(_, why)| why).collect();
        let missing = (!whys.is_empty()).then(|| Lack::Failed(whys.join("; ")));
        return vec![Err(lacks.into_iter().chain(missing).next().unwrap_or(Lack::Undecided))];
    }
    let share = |passed: usize| passed as f64 / case.each_proxy.len() as f64;
    let low = share(passed);
    let high = share(passed + all.unknown.len() + all.missing.len());
    let holds = case.share.judge(low, low, high);
    let interval = (low < high).then_some(Interval { low, high, level: 1.0 });
    let what = What::Passed(all);
    let (blocks, limits, tally) = (None, case.share, None);
    let found = Finding { what, of: first, value: low, interval, blocks, limits, holds, tally };
    let lack = lacks.into_iter().next().filter(|_| holds.is_none());
    std::iter::once(Ok(found)).chain(lack.map(Err)).collect()
}

fn behind(case: &Case, contender: &Contender, place: &Place<'_>) -> Behind {
    let failure = place.any_failure(&contender.id);
    let is_there = contender.road.proxy.as_ref().is_none_or(|proxy| is_there(proxy, place));
    match failure {
        Some(reason) if !is_there => return Behind::Missing(reason),
        // A trial may fail for other reasons than the proxy, which then would stop it without one, too.
        Some(_) if place.trials(&contender.id).all(Trial::has_failed) => {
            return match direct_lack(case, contender, place) {
                None => Behind::Fails(None),
                Some(lack) => Behind::Unknown(lack),
            };
        }
        _ => {}
    }
    let found: Vec<_> = measured(case).map(|part| place.find(part, contender)).collect();
    let fails = |of: &&Finding| of.holds == Some(false);
    if let Some(finding) = found.iter().flatten().find(fails) {
        return match direct_lack(case, contender, place) {
            None => Behind::Fails(Some(Box::new(finding.clone()))),
            Some(lack) => Behind::Unknown(lack),
        };
    }
    let open = found.into_iter().find_map(|of| match of {
        Ok(of) => (of.holds != Some(true)).then_some(Lack::Undecided),
        Err(lack) => Some(lack),
    });
    open.map_or(Behind::Passes, Behind::Unknown)
}

fn measured(case: &Case) -> impl Iterator<Item = &Measured> {
    case.parts.iter().filter_map(|part| match part {
        Part::Measured(part) => Some(part),
        Part::Counted(_) | Part::Guided(_) => None,
    })
}

/// Why the same without a proxy is no control: it did not receive everything either.
fn direct_lack(case: &Case, contender: &Contender, place: &Place<'_>) -> Option<Lack> {
    let Some(direct) = place.contender(contender.id.transport(), None, None) else {
        return Some(Lack::NotCompared);
    };
    let mut accounts = measured(case).filter(|part| part.metric == Metric::Lost);
    let Some(part) = accounts.next() else { return Some(Lack::NotCompared) };
    match place.find(part, direct) {
        Ok(of) => (of.holds != Some(true)).then_some(Lack::Undecided),
        Err(lack) => Some(lack),
    }
}

/// Whether its program said its version when the run began.
fn is_there(proxy: &Proxy, place: &Place<'_>) -> bool {
    let used = place.run.manifest.proxies.iter().find(|of| of.label == proxy.label);
    used.is_none_or(|of| of.version.is_some())
}
