//! The scenario's thresholds as lines: a mark, what was asked for, what was measured.

use super::quantity;
use crate::analysis::Checked;
use crate::analysis::thresholds::{Doubt, Judgement, OverTrials};

/// One threshold, for every renderer.
#[derive(Debug)]
pub(crate) struct Line {
    /// `✓`, `✗` or `?`.
    pub(crate) mark: &'static str,
    /// What was asked for, and what was measured or why nobody knows.
    pub(crate) text: String,
    /// Whether somebody should look at it.
    pub(crate) alarming: bool,
}

/// Every threshold, those that are crossed first.
pub(crate) fn lines(thresholds: &[Checked]) -> Vec<Line> {
    let mut worst_first: Vec<_> = thresholds.iter().collect();
    worst_first.sort_by_key(|checked| match checked.judgement {
        Judgement::Crossed => 0,
        Judgement::Unknown(_) => 1,
        Judgement::Kept => 2,
    });
    worst_first.into_iter().map(line).collect()
}

fn line(checked: &Checked) -> Line {
    let mark = match checked.judgement {
        Judgement::Crossed => "✗",
        Judgement::Unknown(_) => "?",
        Judgement::Kept => "✓",
    };
    Line { mark, text: sentence(checked), alarming: checked.judgement != Judgement::Kept }
}

/// What was asked for, and what came of it: "sse.latency: p(99)<25ms: 1.22 ms".
#[must_use]
pub fn sentence(checked: &Checked) -> String {
    let Checked { cell, threshold, value, judgement } = checked;
    let metric = threshold.metric;
    let value = quantity::of(metric, *value);
    let cell = cell.as_ref().map_or_else(String::new, |cell| format!("{cell}: "));
    cell + &match judgement {
        Judgement::Kept => format!("{threshold} is kept: {value}"),
        Judgement::Crossed => format!("{threshold} is crossed: {value}"),
        Judgement::Unknown(doubt) => {
            format!("{threshold} cannot be judged: {}", reason(checked, *doubt))
        }
    }
}

/// Why nobody knows, as the end of a sentence.
pub(super) fn reason(checked: &Checked, doubt: Doubt) -> String {
    let Checked { threshold, value, .. } = checked;
    let metric = threshold.metric;
    match doubt {
        Doubt::LowerBound => format!(
            "{} leaves out deliveries that were lost, and would be more with them",
            quantity::of(metric, *value)
        ),
        Doubt::Unmeasured { measured, trials } => {
            let needed = match threshold.over_trials {
                OverTrials::Median => "half of them must be valid and have it",
                OverTrials::Total => "all of them must have it",
            };
            format!(
                "{measured} of {trials} trials have {}, and {needed} ({})",
                metric.name(),
                metric.description().trim_end_matches('.')
            )
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::results::{LatencyLog, Metric, Run, fixture};

    /// With a threshold of each judgement.
    pub(in crate::report) const SCENARIO: &str = r#"
        name = "stock-ticker"
        description = "Prices to many browsers."
        [workload]
        subscribers = 100
        events_per_second = 20.0
        payload_bytes = 100
        duration = "12s"
        warm_up = "2s"
        [thresholds]
        "sse.latency" = ["p(50)<25ms", "p(99.9)<2s", "max<1ms"]
    "#;

    /// The fixture's run with a scenario that has a threshold of each judgement.
    pub(in crate::report) fn run() -> Run {
        let (mut run, _) = fixture::run();
        run.manifest.scenario.text = format!("{SCENARIO}\"sse.lost\" = [\"count==0\"]\n");
        run
    }

    fn said(run: &Run) -> Vec<String> {
        let checked = analyse(run, &LatencyLog::default()).thresholds;
        lines(&checked).iter().map(|line| format!("{} {}", line.mark, line.text)).collect()
    }

    #[test]
    fn a_line_says_what_was_measured_and_the_worst_goes_first() {
        assert_eq!(
            said(&run()),
            [
                "✗ sse.latency: max<1ms is crossed: 4.47 ms",
                "? sse.latency: p(99.9)<2s cannot be judged: 0 of 2 trials have latency_p999, and \
                 half of them must be valid and have it (Delivery latency: 99.9 % of the deliveries \
                 were faster; empty below 50,000 deliveries)",
                "✓ sse.latency: p(50)<25ms is kept: 416 µs",
                "✓ sse.lost: count==0 is kept: 0",
            ]
        );
    }

    #[test]
    fn losses_are_told_where_they_leave_a_limit_open() {
        let mut run = run();
        run.trials[2].values.insert(Metric::Lost, 3.0);
        let said = said(&run);
        assert_eq!(said[1], "✗ sse.lost: count==0 is crossed: 3");
        let open = "? sse.latency: p(50)<25ms cannot be judged: 416 µs leaves out deliveries that \
                    were lost, and would be more with them";
        assert_eq!(said[2], open);
    }
}
