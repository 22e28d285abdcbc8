//! Which contenders meet a scenario's objectives and needs, what each costs, and what would change that. There
//! is no score: what costs less in one thing and more in another stays two things. What is missing is
//! neither met nor missed, and a run that cannot be trusted is refused.

mod cost;
mod judge;
mod lines;
mod model;
mod simplest;
mod textbook;
mod trust;

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::sweep::Claim;
use super::{Analysis, Cell};
use crate::results::{ContenderId, Run};
use crate::scenario::Scenario;

pub use crate::scenario::{AtMost, Needs};
pub use cost::COSTS;
pub(super) use lines::lines;
pub use model::{
    Answer, Asked, Beaten, Candidate, Check, Fact, Figure, Guide, Lack, Language, Reached, Rule,
    Simplicity, Stands, Textbook, Verdict,
};
pub use trust::{Refusal, refusal};
pub(super) use trust::{blocks, needed};

/// What `run` says to who needs `more` than its scenario does.
///
/// # Errors
/// Why it says nothing.
pub fn guide(run: &Run, analysis: &Analysis, more: &Needs) -> Result<Guide, Refusal> {
    let text = &run.manifest.scenario;
    let scenario = Scenario::parse(&text.text, &text.path)
        .map_err(|error| Refusal::Unreadable(error.to_string()))?;
    if let Some(refusal) = refusal(run, analysis) {
        return Err(refusal);
    }
    let needs = scenario.needs.clone().and(more.clone());
    let has_objectives = !scenario.objectives.is_empty();
    if needs.are_none() && !has_objectives {
        return Err(Refusal::NothingAsked);
    }
    let far = far_enough(&scenario, &analysis.cells, needs.round_trip);
    let answers = far.into_iter().map(|(scenario, cell)| answer(run, scenario, cell, &needs));
    let cells: Vec<_> = answers.collect();
    let crossovers = crossovers(analysis, &cells);
    Ok(Guide { needs, has_objectives, cells, crossovers })
}

/// The cells of which the clients are at least as far away as is needed, but no farther than they must; all of
/// them if none is, so that it can be said of each.
fn far_enough<'a>(
    scenario: &'a Scenario,
    cells: &'a [Cell],
    needed: Option<Duration>,
) -> Vec<(&'a Scenario, &'a Cell)> {
    let known = cells.iter().filter_map(|cell| Some((scenario.cell(&cell.name)?, cell)));
    let all: Vec<_> = known.collect();
    let Some(needed) = needed else { return all };
    let far = |of: &Scenario| of.contenders.iter().map(judge::round_trip).max().unwrap_or_default();
    let enough = all.iter().map(|(of, _)| far(of)).filter(|far| *far >= needed).min();
    match enough {
        Some(least) => all.into_iter().filter(|(of, _)| far(of) == least).collect(),
        None => all,
    }
}

fn answer(run: &Run, scenario: &Scenario, cell: &Cell, needs: &Needs) -> Answer {
    let candidates = judge::candidates(run, scenario, cell, needs);
    let eligible: Vec<_> = candidates
        .iter()
        .filter(|of| of.verdict() == Verdict::Meets)
        .map(|of| of.contender.clone())
        .collect();
    let cheapest = cost::rankings(cell, &eligible);
    let simplicity = simplest::simplicity(scenario, cell, &eligible);
    let textbook = textbook::textbook(scenario, cell, needs, &candidates, &cheapest);
    Answer { cell: cell.name.clone(), candidates, cheapest, simplicity, textbook }
}

fn crossovers(analysis: &Analysis, cells: &[Answer]) -> Vec<usize> {
    let Some(sweep) = &analysis.sweep else { return Vec::new() };
    let is_eligible =
        |id: &ContenderId| cells.iter().any(|cell| cell.eligible().any(|of| of.contender == *id));
    let findings = sweep.findings.iter().enumerate();
    let told = findings.filter(|(_, finding)| match &finding.claim {
        Claim::Crossover { below, above, .. } => {
            COSTS.contains(&finding.metric) && is_eligible(below) && is_eligible(above)
        }
        Claim::Lower(_) => false,
    });
    told.map(|(index, _)| index).collect()
}
