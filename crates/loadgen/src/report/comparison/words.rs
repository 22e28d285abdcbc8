//! What is said of two builds, in sentences. What they claim is decided in `analysis`.

use super::Report;
use crate::analysis::regression::{Evidence, Failure, GatedCell, Verdict};
use crate::analysis::thresholds::Judgement;
use crate::report::{quantity, thresholds, words};
use crate::results::ContenderId;
use crate::results::comparison::Role;

/// The verdict on everything.
pub(super) fn headline(report: &Report<'_>) -> String {
    let crossed = report.with_judgement(is_crossed).count();
    let unknown = report.with_judgement(is_unknown).count();
    let all = report.thresholds.len();
    let verb = if crossed == 1 { "is" } else { "are" };
    let thresholds = match (crossed, unknown) {
        (0, 0) => String::new(),
        (0, unknown) => format!("{unknown} of {all} thresholds cannot be judged. "),
        (crossed, _) => format!("{crossed} of {all} thresholds {verb} crossed. "),
    };
    format!("{thresholds}{}", on_gates(report))
}

pub(super) fn is_crossed(judgement: Judgement) -> bool {
    judgement == Judgement::Crossed
}

pub(super) fn is_unknown(judgement: Judgement) -> bool {
    matches!(judgement, Judgement::Unknown(_))
}

/// The verdict of the gates, in a sentence.
fn on_gates(report: &Report<'_>) -> String {
    let count = |verdict| report.with_verdict(verdict).count();
    let all = report.decision.cells.len();
    let mut broken: Vec<_> = report.faults().map(place_of).collect();
    broken.dedup();
    let (regressed, faults) = (count(Verdict::Regressed), broken.len());
    let (open, unknown) = (count(Verdict::Inconclusive), count(Verdict::Invalid));
    let better = match count(Verdict::Improved) {
        0 => String::new(),
        some => format!(", and {some} got better"),
    };
    match report.decision.verdict {
        _ if report.comparison.trials.is_empty() => "Nothing was measured.".to_owned(),
        Verdict::Regressed => {
            let gates = (regressed > 0).then(|| format!("{regressed} of {all} figures got worse"));
            let broken = (faults > 0).then(|| {
                let contenders = if faults == 1 { "contender" } else { "contenders" };
                format!("the candidate failed or lost events on {faults} {contenders}")
            });
            let what: Vec<String> = gates.into_iter().chain(broken).collect();
            format!("Regression: {}.", what.join(", and "))
        }
        Verdict::Invalid if report.decision.failures.is_empty() => {
            format!(
                "Invalid: {unknown} of {all} figures rest on too few blocks that can be trusted."
            )
        }
        Verdict::Invalid => {
            "Invalid: the baseline failed, so there is nothing to compare with.".to_owned()
        }
        Verdict::Inconclusive => {
            format!(
                "No regression confirmed, but the noise is too large to tell for {open} of {all} figures{better}."
            )
        }
        Verdict::Improved | Verdict::Pass => {
            format!("No regression: all {all} figures are within their gates{better}.")
        }
    }
}

/// How sure the verdict is.
pub(super) fn guarantee(report: &Report<'_>) -> String {
    let [first, confirm] = report.comparison.blocks;
    let bound = report.decision.false_alarm_bound * 100.0;
    let bound = if bound < 9.95 { format!("{bound:.2}") } else { format!("{bound:.0}") };
    format!(
        "Identical builds are called a regression in at most {bound} % of such comparisons \
         ({} figures, {first} blocks and {confirm} fresh ones to confirm).",
        report.decision.cells.len(),
    )
}

/// Who was compared with whom.
pub(super) fn builds(report: &Report<'_>) -> [(&'static str, String); 2] {
    let comparison = report.comparison;
    [
        ("Baseline", comparison.baseline.name.clone()),
        ("Candidate", comparison.candidate.name.clone()),
    ]
}

/// What is worth a line of its own, worst first: failures, and what got worse, is unknown or better.
pub(super) fn findings(report: &Report<'_>) -> Vec<String> {
    let stopped = report.comparison.interrupted.then(|| {
        "The comparison was stopped before its end: what is missing counts as unknown.".to_owned()
    });
    let failures = report.decision.failures.iter().map(|of| ended(&failure_line(report, of)));
    let thresholds = [is_crossed as fn(Judgement) -> bool, is_unknown].into_iter();
    let thresholds = thresholds.flat_map(|judgement| report.with_judgement(judgement));
    let thresholds = thresholds.map(|(scenario, checked)| {
        ended(&format!("{}{}", place(report, scenario), thresholds::sentence(checked)))
    });
    let order = [Verdict::Regressed, Verdict::Invalid, Verdict::Improved, Verdict::Inconclusive];
    let cells = order.into_iter().flat_map(|verdict| report.with_verdict(verdict));
    let cells = cells.map(|cell| ended(&line(report, cell)));
    stopped.into_iter().chain(failures).chain(thresholds).chain(cells).collect()
}

/// With a full stop. Not with a capital: it may begin with the name of a scenario.
pub(super) fn ended(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}

/// What is said of one cell.
pub(super) fn line(report: &Report<'_>, cell: &GatedCell) -> String {
    format!("{}{}: {}", place(report, cell.scenario), subject(cell), finding(report, cell))
}

/// The same without its subject.
pub(super) fn finding(report: &Report<'_>, cell: &GatedCell) -> String {
    let evidence = shown(cell);
    let (Some(ratio), Some(upper)) = (evidence.ratio, evidence.upper) else {
        return unknown(report, cell);
    };
    let (first, blocks) = (&cell.first, cell.first.blocks.len());
    let change = format!("{} [at most {}], gate {}", more(ratio), signed(upper), gate(cell));
    let fresh = cell.confirm.as_ref().map_or(0, |confirm| confirm.blocks.len());
    match cell.verdict {
        Verdict::Regressed => format!(
            "{change}, worse in {} of {blocks} blocks, confirmed on {fresh} fresh blocks",
            first.worse()
        ),
        Verdict::Inconclusive if cell.confirm.is_none() && first.is_suspect() => {
            format!(
                "{change}, worse in {} of {blocks} blocks, but not yet confirmed",
                first.worse()
            )
        }
        Verdict::Inconclusive => {
            format!("{change}, could not exclude {}{}", signed(upper), unconfirmed(cell))
        }
        Verdict::Improved => {
            let better = evidence.blocks.iter().filter(|(old, new)| new < old).count();
            format!("{change}, better in {better} of {} blocks", evidence.blocks.len())
        }
        Verdict::Pass | Verdict::Invalid => format!("{change}{}", unconfirmed(cell)),
    }
}

/// Why nothing is known.
fn unknown(report: &Report<'_>, cell: &GatedCell) -> String {
    let [first, confirm] = report.comparison.blocks;
    let planned = if cell.confirm.is_some() { confirm } else { first };
    match shown(cell).blocks.len() {
        blocks if blocks < planned as usize => {
            format!("only {blocks} of {planned} blocks can be trusted")
        }
        _ => "there is no ratio to a value of 0".to_owned(),
    }
}

fn unconfirmed(cell: &GatedCell) -> String {
    let was = cell.confirm.as_ref().and(cell.first.ratio);
    was.map_or_else(String::new, |ratio| {
        format!(", {} at first but not on fresh blocks", signed(ratio))
    })
}

/// What is said of a failure.
pub(super) fn failure_line(report: &Report<'_>, of: &Failure) -> String {
    let (scenario, contender) = place_of(of);
    format!("{}{}: {}", place(report, scenario), contender.label(), failure(of))
}

/// What is wrong whatever the figures are.
pub(super) fn failure(failure: &Failure) -> String {
    match failure {
        Failure::DeliveryErrors { counts, baseline, .. } => {
            format!("{} with the candidate, {} with the baseline", wrong(counts), wrong(baseline))
        }
        Failure::Failed { role, reason, .. } => format!("the {} failed: {reason}", name(*role)),
    }
}

/// The scenario and the contender of a failure.
pub(super) fn place_of(failure: &Failure) -> (usize, &ContenderId) {
    match failure {
        Failure::DeliveryErrors { scenario, contender, .. }
        | Failure::Failed { scenario, contender, .. } => (*scenario, contender),
    }
}

/// Whether a failure says something about the baseline only.
pub(super) fn is_baselines(failure: &Failure) -> bool {
    matches!(failure, Failure::Failed { role: Role::Baseline, .. })
}

const fn name(role: Role) -> &'static str {
    match role {
        Role::Baseline => "baseline",
        Role::Candidate => "candidate",
    }
}

fn wrong(counts: &[f64; 3]) -> String {
    let named = counts.iter().zip(["lost", "duplicated", "reordered"]);
    let some: Vec<String> = named
        .filter(|(count, _)| **count > 0.0)
        .map(|(count, what)| format!("{} {what}", quantity::count(*count)))
        .collect();
    if some.is_empty() { "none".to_owned() } else { some.join(", ") }
}

/// The scenario, where there are several.
pub(super) fn place(report: &Report<'_>, scenario: usize) -> String {
    match report.has_several_scenarios() {
        true => format!("{}: ", report.scenario(scenario)),
        false => String::new(),
    }
}

/// What a cell is about: "SSE server CPU per delivery".
pub(super) fn subject(cell: &GatedCell) -> String {
    format!("{} {}", cell.contender.label(), words::in_sentence(words::title(cell.gate.metric)))
}

/// The same for where there is little room.
pub(super) fn short_subject(cell: &GatedCell) -> String {
    subject(cell).replace(" per ", "/")
}

/// The stage whose figures are shown: fresh blocks where there are any, because what made a figure
/// suspect also made it look worse than it is.
pub(super) fn shown(cell: &GatedCell) -> &Evidence {
    cell.confirm.as_ref().unwrap_or(&cell.first)
}

/// The verdict on a cell, in a word.
pub(super) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Improved => "improved",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Invalid => "invalid",
        Verdict::Regressed => "regressed",
    }
}

/// What a gate allows: "10 % and 100 µs", both of which a regression has to pass.
pub(super) fn gate(cell: &GatedCell) -> String {
    match gate_parts(cell) {
        (share, None) => share,
        (share, Some(floor)) => format!("{share} {floor}"),
    }
}

/// The same in two parts: "10 %" and, where there is one, "and 100 µs".
pub(super) fn gate_parts(cell: &GatedCell) -> (String, Option<String>) {
    let floor = Some(cell.gate.floor).filter(|floor| *floor > 0.0);
    let floor = floor.map(|floor| format!("and {}", quantity::mark(cell.gate.metric, floor)));
    (format!("{} %", trimmed(cell.gate.share * 100.0)), floor)
}

/// A change by a ratio: "+12 %", "-3.1 %", and "4.20×" where per cent read badly.
pub(super) fn signed(ratio: f64) -> String {
    match ratio {
        ratio if !ratio.is_finite() || ratio >= 3.0 => quantity::times(ratio),
        _ => match percent(ratio) {
            zero if is_zero(&zero) => "0 %".to_owned(),
            text if ratio > 1.0 => format!("+{text} %"),
            text => format!("-{text} %"),
        },
    }
}

fn more(ratio: f64) -> String {
    match ratio {
        ratio if !ratio.is_finite() || ratio >= 3.0 => {
            format!("{} times as much", quantity::times(ratio).trim_end_matches('×'))
        }
        _ => match percent(ratio) {
            zero if is_zero(&zero) => "the same".to_owned(),
            text if ratio > 1.0 => format!("{text} % more"),
            text => format!("{text} % less"),
        },
    }
}

/// How far a ratio is from 1, in per cent without a sign: two digits that count.
fn percent(ratio: f64) -> String {
    match ((ratio - 1.0) * 100.0).abs() {
        size if size >= 9.95 => format!("{size:.0}"),
        size if size >= 0.995 => format!("{size:.1}"),
        size => format!("{size:.2}"),
    }
}

fn is_zero(text: &str) -> bool {
    text.chars().all(|char| matches!(char, '0' | '.'))
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Comparison, Outcome, fixture};

    fn lines(change: impl FnOnce(&mut Comparison)) -> (String, Vec<String>) {
        let mut comparison = fixture::comparison();
        change(&mut comparison);
        let report = Report::of(&comparison);
        (headline(&report), findings(&report))
    }

    #[test]
    fn the_worst_is_said_first() {
        let (headline, findings) = lines(|_| {});
        assert_eq!(
            headline,
            "Regression: 1 of 18 figures got worse, and the candidate failed or lost events on 2 contenders."
        );
        let first: Vec<_> = findings.iter().take(3).map(String::as_str).collect();
        assert_eq!(
            first,
            [
                "stock-ticker: Long polling: 3 lost with the candidate, none with the baseline.",
                "notifications: Raw TCP: the candidate failed: the server was killed by signal 11.",
                "stock-ticker: SSE server CPU per delivery: 12 % more [at most +13 %], gate 5 %, worse in 8 of 8 \
                 blocks, confirmed on 8 fresh blocks.",
            ]
        );
        let last = findings.last().unwrap();
        assert!(
            last.contains("WebSocket latency p50") && last.ends_with("could not exclude +54 %."),
            "{last}"
        );
    }

    #[test]
    fn ratios_are_read_as_changes() {
        for (ratio, text, words) in [
            (1.12, "+12 %", "12 % more"),
            (1.034, "+3.4 %", "3.4 % more"),
            (0.9988, "-0.12 %", "0.12 % less"),
            (1.0, "0 %", "the same"),
            (1.000_01, "0 %", "the same"),
            (2.5, "+150 %", "150 % more"),
            (4.2, "4.20×", "4.20 times as much"),
        ] {
            assert_eq!((signed(ratio).as_str(), more(ratio).as_str()), (text, words));
        }
        assert_eq!(signed(f64::INFINITY), quantity::MISSING);
    }

    #[test]
    fn a_failed_baseline_is_no_regression() {
        let (headline, findings) = lines(|comparison| {
            comparison.trials.retain(|of| {
                of.scenario == 0 && of.trial.contender == pushbench_wire::Transport::WebSocket
            });
            let reason = "it did not start".to_owned();
            comparison.trials[0].trial.outcome = Outcome::Failed { reason };
        });
        assert!(headline.starts_with("Invalid: the baseline failed"), "{headline}");
        assert!(findings[0].contains("the baseline failed: it did not start"), "{}", findings[0]);
    }

    #[test]
    fn a_suspicion_without_fresh_blocks_is_said_to_be_one() {
        let (_, findings) = lines(|comparison| {
            comparison.trials.retain(|of| of.stage == crate::results::comparison::Stage::First);
            comparison.interrupted = true;
        });
        assert!(findings[0].starts_with("The comparison was stopped"), "{}", findings[0]);
        let suspect = findings.iter().find(|line| line.contains("SSE server CPU")).unwrap();
        assert!(suspect.ends_with("worse in 8 of 8 blocks, but not yet confirmed."), "{suspect}");
    }

    #[test]
    fn the_chance_of_a_false_alarm_is_said() {
        let comparison = fixture::comparison();
        let text = guarantee(&Report::of(&comparison));
        assert!(
            text.starts_with("Identical builds are called a regression in at most 0.25 % of"),
            "{text}"
        );
    }
}
