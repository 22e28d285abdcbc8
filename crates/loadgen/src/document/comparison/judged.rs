//! A comparison of two builds with what follows from it.

use crate::analysis::Checked;
use crate::analysis::regression::{Decision, Evidence, Failure, GatedCell, Verdict, decide};
use crate::analysis::thresholds::{Judgement, of_comparison};
use crate::results::Comparison;
use crate::results::ContenderId;
use crate::results::comparison::Role;

/// A comparison and what follows from it.
pub(crate) struct Judged<'a> {
    pub(crate) comparison: &'a Comparison,
    pub(crate) decision: Decision,
    /// By the index of the scenario.
    pub(crate) thresholds: Vec<(usize, Checked)>,
}

impl<'a> Judged<'a> {
    pub(crate) fn of(comparison: &'a Comparison) -> Self {
        Self { comparison, decision: decide(comparison), thresholds: of_comparison(comparison) }
    }

    /// How many scenarios there are.
    pub(crate) fn scenarios(&self) -> usize {
        self.comparison.gates.len()
    }

    /// The name of a scenario.
    pub(crate) fn scenario(&self, index: usize) -> &'a str {
        self.comparison.manifests.get(index).map_or("", |of| &of.scenario.name)
    }

    /// The scenario with a colon, where there are several.
    pub(crate) fn place(&self, scenario: usize) -> String {
        match self.scenarios() {
            0 | 1 => String::new(),
            _ => format!("{}: ", self.scenario(scenario)),
        }
    }

    /// The cells of one scenario.
    pub(crate) fn cells_of(&self, scenario: usize) -> impl Iterator<Item = &GatedCell> {
        self.decision.cells.iter().filter(move |cell| cell.scenario == scenario)
    }

    pub(crate) fn with_verdict(&self, verdict: Verdict) -> impl Iterator<Item = &GatedCell> {
        self.decision.cells.iter().filter(move |cell| cell.verdict == verdict)
    }

    /// The thresholds that are crossed.
    pub(crate) fn crossed(&self) -> impl Iterator<Item = &(usize, Checked)> {
        self.thresholds.iter().filter(|(_, of)| of.judgement == Judgement::Crossed)
    }

    /// The thresholds that cannot be judged.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &(usize, Checked)> {
        self.thresholds.iter().filter(|(_, of)| matches!(of.judgement, Judgement::Unknown(_)))
    }

    /// What is the candidate's fault, whatever the gates say.
    pub(crate) fn faults(&self) -> impl Iterator<Item = &Failure> {
        self.decision.failures.iter().filter(|failure| !is_baselines(failure))
    }
}

/// The stage whose figures are shown: fresh blocks where there are any, because what made a figure
/// suspect also made it look worse than it is.
pub(super) fn shown(cell: &GatedCell) -> &Evidence {
    cell.confirm.as_ref().unwrap_or(&cell.first)
}

/// The scenario and the contender of a failure.
pub(crate) fn place_of(failure: &Failure) -> (usize, &ContenderId) {
    match failure {
        Failure::DeliveryErrors { scenario, contender, .. }
        | Failure::Failed { scenario, contender, .. } => (*scenario, contender),
    }
}

/// Whether a failure says something about the baseline only.
pub(crate) fn is_baselines(failure: &Failure) -> bool {
    matches!(failure, Failure::Failed { role: Role::Baseline, .. })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::document::limits::tests::SCENARIO;
    use crate::results::fixture;

    /// The fixture without failures, and with a threshold of each judgement.
    pub(crate) fn with_thresholds() -> Comparison {
        let mut comparison = fixture::comparison();
        comparison.manifests.truncate(1);
        comparison.gates.truncate(1);
        comparison.trials.retain(|of| of.scenario == 0);
        comparison.manifests[0].scenario.text = SCENARIO.to_owned();
        comparison
    }

    #[test]
    fn the_fixture_has_one_of_everything() {
        let comparison = fixture::comparison();
        let judged = Judged::of(&comparison);
        for verdict in [
            Verdict::Pass,
            Verdict::Improved,
            Verdict::Inconclusive,
            Verdict::Invalid,
            Verdict::Regressed,
        ] {
            assert!(judged.with_verdict(verdict).count() > 0, "{verdict:?} is missing");
        }
        assert_eq!(judged.decision.failures.len(), 2, "{:?}", judged.decision.failures);
        let comparison = with_thresholds();
        let judged = Judged::of(&comparison);
        assert_eq!((judged.crossed().count(), judged.unknown().count()), (1, 1));
    }
}
