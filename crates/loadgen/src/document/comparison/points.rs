//! Everything that is said of single figures of two builds, for people and for other programs.

use super::judged::{Judged, is_baselines, place_of};
use super::prose::{failure, finding, subject};
use crate::analysis::regression::{Failure, Verdict};
use crate::analysis::thresholds::Judgement;
use crate::document::limits;
use crate::results::ContenderId;

/// What is said of a contender.
pub(crate) struct Point<'a> {
    /// The index of the scenario.
    pub(crate) scenario: usize,
    /// The contender.
    pub(crate) contender: &'a ContenderId,
    /// What it is about: a metric, a threshold, `trials` or `deliveries`.
    pub(crate) about: String,
    /// How it is.
    pub(crate) level: Level,
    /// Its subject for people, with the scenario where there are several.
    pub(crate) subject: String,
    /// What is said of that.
    pub(crate) text: String,
}

/// How something is, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// As it should be.
    Good,
    /// The noise is too large to tell.
    Open,
    /// Better than it was.
    Better,
    /// Invalid, or it cannot be judged.
    Doubtful,
    /// The candidate is worse than it may be.
    Bad,
}

/// Every failure, every threshold and every gate.
pub(crate) fn points<'a>(judged: &'a Judged<'_>) -> Vec<Point<'a>> {
    let failures = judged.decision.failures.iter().map(|of| {
        let (scenario, contender) = place_of(of);
        let about = match of {
            Failure::Failed { .. } => "trials",
            Failure::DeliveryErrors { .. } => "deliveries",
        };
        let level = if is_baselines(of) { Level::Doubtful } else { Level::Bad };
        let subject = judged.place(scenario) + contender.label();
        let about = about.to_owned();
        Point { scenario, contender, about, level, subject, text: failure(of) }
    });
    let thresholds = judged.thresholds.iter().map(|(scenario, checked)| {
        let contender = &checked.threshold.contender;
        Point {
            scenario: *scenario,
            contender,
            about: checked.threshold.text.clone(),
            level: match checked.judgement {
                Judgement::Kept => Level::Good,
                Judgement::Crossed => Level::Bad,
                Judgement::Unknown(_) => Level::Doubtful,
            },
            subject: judged.place(*scenario) + contender.label(),
            text: limits::threshold(checked),
        }
    });
    let gates = judged.decision.cells.iter().map(|cell| Point {
        scenario: cell.scenario,
        contender: &cell.contender,
        about: cell.gate.metric.name().to_owned(),
        level: match cell.verdict {
            Verdict::Pass => Level::Good,
            Verdict::Improved => Level::Better,
            Verdict::Inconclusive => Level::Open,
            Verdict::Invalid => Level::Doubtful,
            Verdict::Regressed => Level::Bad,
        },
        subject: judged.place(cell.scenario) + &subject(cell),
        text: finding(judged, cell),
    });
    failures.chain(thresholds).chain(gates).collect()
}

/// What is worth a line of its own, the worst first.
pub(crate) fn worst_first<'a>(judged: &'a Judged<'_>) -> Vec<Point<'a>> {
    let mut points = points(judged);
    points.retain(|point| point.level != Level::Good);
    points.sort_by_key(|point| std::cmp::Reverse(point.level));
    points
}

#[cfg(test)]
mod tests {
    use pushbench_wire::Transport;

    use super::*;
    use crate::document::comparison::judged::tests::with_thresholds;
    use crate::results::comparison::Stage;
    use crate::results::{Comparison, Outcome, fixture};

    fn lines(change: impl FnOnce(&mut Comparison)) -> Vec<String> {
        let mut comparison = fixture::comparison();
        change(&mut comparison);
        let judged = Judged::of(&comparison);
        let points = worst_first(&judged);
        points.iter().map(|point| format!("{}: {}", point.subject, point.text)).collect()
    }

    #[test]
    fn the_worst_is_said_first() {
        let lines = lines(|_| {});
        let first: Vec<_> = lines.iter().take(3).map(String::as_str).collect();
        assert_eq!(
            first,
            [
                "stock-ticker: Long polling: 3 lost with the candidate, none with the baseline",
                "notifications: Raw TCP: the candidate failed: the server was killed by signal 11",
                "stock-ticker: SSE server CPU per delivery: 12 % more [at most +13 %], gate 5 %, worse in 8 of 8 \
                 blocks, confirmed on 8 fresh blocks",
            ]
        );
        let last = lines.last().unwrap();
        assert!(
            last.contains("WebSocket latency p50") && last.ends_with("could not exclude +54 %"),
            "{last}"
        );
    }

    #[test]
    fn crossed_thresholds_come_before_gates() {
        let comparison = with_thresholds();
        let judged = Judged::of(&comparison);
        let points = worst_first(&judged);
        let place =
            |text: &str| points.iter().position(|point| point.text.starts_with(text)).unwrap();
        assert!(place("sse.latency: max<1ms is crossed (4.40 ms)") < place("12 % more"));
    }

    #[test]
    fn a_failed_baseline_is_no_regression() {
        let lines = lines(|comparison| {
            comparison
                .trials
                .retain(|of| of.scenario == 0 && of.trial.contender == Transport::WebSocket);
            let reason = "it did not start".to_owned();
            comparison.trials[0].trial.outcome = Outcome::Failed { reason };
        });
        assert!(lines[0].contains("the baseline failed: it did not start"), "{}", lines[0]);
    }

    #[test]
    fn a_suspicion_without_fresh_blocks_is_said_to_be_one() {
        let lines = lines(|comparison| comparison.trials.retain(|of| of.stage == Stage::First));
        let suspect = lines.iter().find(|line| line.contains("SSE server CPU")).unwrap();
        assert!(suspect.ends_with("worse in 8 of 8 blocks, but not yet confirmed"), "{suspect}");
    }
}
