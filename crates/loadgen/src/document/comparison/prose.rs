//! What is said of two builds, in sentences. What they claim is decided in `analysis`.

use super::judged::{Judged, place_of, shown};
use crate::analysis::regression::{Failure, GatedCell, Verdict};
use crate::document::{format, prose};
use crate::results::comparison::Role;

/// The verdict on everything.
pub(super) fn headline(judged: &Judged<'_>) -> String {
    let (crossed, unknown) = (judged.crossed().count(), judged.unknown().count());
    let all = judged.thresholds.len();
    let verb = if crossed == 1 { "is" } else { "are" };
    let thresholds = match (crossed, unknown) {
        (0, 0) => String::new(),
        (0, unknown) => format!("{unknown} of {all} thresholds cannot be judged. "),
        (crossed, _) => format!("{crossed} of {all} thresholds {verb} crossed. "),
    };
    format!("{thresholds}{}", on_gates(judged))
}

/// The verdict of the gates, in a sentence.
fn on_gates(judged: &Judged<'_>) -> String {
    let count = |verdict| judged.with_verdict(verdict).count();
    let all = judged.decision.cells.len();
    let mut broken: Vec<_> = judged.faults().map(place_of).collect();
    broken.dedup();
    let (regressed, faults) = (count(Verdict::Regressed), broken.len());
    let (open, unknown) = (count(Verdict::Inconclusive), count(Verdict::Invalid));
    let better = match count(Verdict::Improved) {
        0 => String::new(),
        some => format!(", and {some} got better"),
    };
    match judged.decision.verdict {
        _ if judged.comparison.trials.is_empty() => "Nothing was measured.".to_owned(),
        Verdict::Regressed => {
            let gates = (regressed > 0).then(|| format!("{regressed} of {all} figures got worse"));
            let broken = (faults > 0).then(|| {
                let on = prose::count(faults, "contender");
                format!("the candidate failed or lost events on {on}")
            });
            let what: Vec<String> = gates.into_iter().chain(broken).collect();
            format!("Regression: {}.", what.join(", and "))
        }
        Verdict::Invalid if judged.decision.failures.is_empty() => {
            format!("Invalid: {unknown} of {all} figures rest on too few valid blocks.")
        }
        Verdict::Invalid => {
            "Invalid: the baseline failed, so there is nothing to compare with.".to_owned()
        }
        Verdict::Inconclusive => format!(
            "No regression confirmed, but the noise is too large to tell for {open} of {all} figures{better}."
        ),
        Verdict::Improved | Verdict::Pass => {
            format!("No regression: all {all} figures are within their gates{better}.")
        }
    }
}

/// How sure the verdict is.
pub(crate) fn guarantee(judged: &Judged<'_>) -> String {
    let [first, confirm] = judged.comparison.blocks;
    let bound = judged.decision.false_alarm_bound * 100.0;
    let bound = if bound < 9.95 { format!("{bound:.2}") } else { format!("{bound:.0}") };
    format!(
        "Identical builds are called a regression in at most {bound} % of such comparisons \
         ({} figures, {first} blocks and {confirm} fresh ones to confirm).",
        judged.decision.cells.len(),
    )
}

/// Who was compared with whom.
pub(crate) fn builds(judged: &Judged<'_>) -> [(&'static str, String); 2] {
    let comparison = judged.comparison;
    [
        ("Baseline", comparison.baseline.name.clone()),
        ("Candidate", comparison.candidate.name.clone()),
    ]
}

/// What is said of one cell, without its subject.
pub(crate) fn finding(judged: &Judged<'_>, cell: &GatedCell) -> String {
    let evidence = shown(cell);
    let (Some(ratio), Some(upper)) = (evidence.ratio, evidence.upper) else {
        return unknown(judged, cell);
    };
    let (first, blocks) = (&cell.first, cell.first.blocks.len());
    let upper = format::signed(upper);
    let change = format!("{} [at most {upper}], gate {}", format::in_words(ratio), gate(cell));
    let fresh = cell.confirm.as_ref().map_or(0, |confirm| confirm.blocks.len());
    match cell.verdict {
        Verdict::Regressed => format!(
            "{change}, worse in {} of {blocks} blocks, confirmed on {fresh} fresh blocks",
            first.worse()
        ),
        Verdict::Inconclusive if cell.confirm.is_none() && first.is_suspect() => {
            let worse = first.worse();
            format!("{change}, worse in {worse} of {blocks} blocks, but not yet confirmed")
        }
        Verdict::Inconclusive => {
            format!("{change}, could not exclude {upper}{}", unconfirmed(cell))
        }
        Verdict::Improved => {
            let better = evidence.blocks.iter().filter(|(old, new)| new < old).count();
            format!("{change}, better in {better} of {} blocks", evidence.blocks.len())
        }
        Verdict::Pass | Verdict::Invalid => format!("{change}{}", unconfirmed(cell)),
    }
}

/// Why nothing is known.
fn unknown(judged: &Judged<'_>, cell: &GatedCell) -> String {
    let [first, confirm] = judged.comparison.blocks;
    let planned = if cell.confirm.is_some() { confirm } else { first };
    match shown(cell).blocks.len() {
        blocks if blocks < planned as usize => {
            format!("only {blocks} of {planned} blocks are valid")
        }
        _ => "there is no ratio to a value of 0".to_owned(),
    }
}

fn unconfirmed(cell: &GatedCell) -> String {
    let was = cell.confirm.as_ref().and(cell.first.ratio);
    was.map_or_else(String::new, |ratio| {
        format!(", {} at first but not on fresh blocks", format::signed(ratio))
    })
}

/// What is wrong whatever the figures are.
pub(crate) fn failure(failure: &Failure) -> String {
    match failure {
        Failure::DeliveryErrors { counts, baseline, .. } => {
            format!("{} with the candidate, {} with the baseline", wrong(counts), wrong(baseline))
        }
        Failure::Failed { role: Role::Baseline, reason, .. } => {
            format!("the baseline failed: {reason}")
        }
        Failure::Failed { role: Role::Candidate, reason, .. } => {
            format!("the candidate failed: {reason}")
        }
    }
}

fn wrong(counts: &[f64; 3]) -> String {
    let named = counts.iter().zip(["lost", "duplicated", "reordered"]);
    let some: Vec<String> = named
        .filter(|(count, _)| **count > 0.0)
        .map(|(count, what)| format!("{} {what}", format::count(*count)))
        .collect();
    if some.is_empty() { "none".to_owned() } else { some.join(", ") }
}

/// What a cell is about: "SSE server CPU per delivery".
pub(crate) fn subject(cell: &GatedCell) -> String {
    format!("{} {}", cell.contender.label(), prose::in_sentence(cell.gate.metric.label()))
}

/// The same for where there is little room: "SSE server CPU/delivery".
pub(super) fn short_subject(cell: &GatedCell) -> String {
    subject(cell).replace(" per ", "/")
}

/// The verdict on a cell, in a word.
pub(crate) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Improved => "improved",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Invalid => "invalid",
        Verdict::Regressed => "regressed",
    }
}

/// What a gate allows: "10 % and 100 µs", both of which a regression has to pass.
fn gate(cell: &GatedCell) -> String {
    let (share, floor) = gate_parts(cell);
    format!("{share} {floor}").trim_end().to_owned()
}

/// The same in two parts: "10 %" and "and 100 µs", or nothing.
pub(super) fn gate_parts(cell: &GatedCell) -> (String, String) {
    let floor = Some(cell.gate.floor).filter(|floor| *floor > 0.0);
    let floor = floor.map(|floor| format!("and {}", format::mark(cell.gate.metric, floor)));
    let share = format!("{:.2}", cell.gate.share * 100.0);
    let share = share.trim_end_matches('0').trim_end_matches('.');
    (format!("{share} %"), floor.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::comparison::judged::tests::with_thresholds;
    use crate::results::{Comparison, fixture};

    fn said(change: impl FnOnce(&mut Comparison)) -> String {
        let mut comparison = fixture::comparison();
        change(&mut comparison);
        headline(&Judged::of(&comparison))
    }

    #[test]
    fn the_verdict_is_a_sentence() {
        assert_eq!(
            said(|_| {}),
            "Regression: 1 of 18 figures got worse, and the candidate failed or lost events on 2 contenders."
        );
        let crossed = headline(&Judged::of(&with_thresholds()));
        assert!(crossed.starts_with("1 of 3 thresholds is crossed. Regression: "), "{crossed}");
        assert_eq!(said(|comparison| comparison.trials.clear()), "Nothing was measured.");
    }

    #[test]
    fn the_chance_of_a_false_alarm_is_said() {
        let comparison = fixture::comparison();
        let text = guarantee(&Judged::of(&comparison));
        assert!(
            text.starts_with("Identical builds are called a regression in at most 0.25 % of"),
            "{text}"
        );
    }
}
