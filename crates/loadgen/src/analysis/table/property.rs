//! Whatever the figures are, nothing holds that no figure supports.

use proptest::prelude::*;

use super::tests::{run, runs, text};
use super::*;
use crate::results::{Metric, Outcome, Run, Warning};

/// Metrics that cells of these runs are about.
const VARIED: [Metric; 8] = [
    Metric::LatencyP50,
    Metric::ServerCpuPerSecond,
    Metric::ConnectionsOpened,
    Metric::Requests,
    Metric::Reads,
    Metric::Lost,
    Metric::Delivered,
    Metric::BytesPerDelivery,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the figures are.
    #[test]
    fn nothing_holds_without_a_figure_whose_interval_supports_it(
        values in prop::collection::vec((0..8_usize, 0..VARIED.len(), prop::option::of(0.0..3e3_f64)), 0..24),
        outcomes in prop::collection::vec(0..8_u32, 8),
        interrupted: bool,
        is_there: [bool; 4],
    ) {
        let mut run = run();
        run.manifest.scenario.text = text("", "[objectives]\n\"latency\" = [\"p(99)<900ms\"]");
        for (trial, metric, value) in values {
            let metric = VARIED[metric];
            run.trials[trial].values.remove(&metric);
            run.trials[trial].values.extend(value.map(|value| (metric, value)));
        }
        for (trial, outcome) in run.trials.iter_mut().zip(outcomes) {
            match outcome {
                0 => {
                    trial.outcome = Outcome::Invalid;
                    trial.warnings = vec![Warning::CpuStolen { percent: 14.2 }];
                }
                1 => {
                    trial.outcome = Outcome::Failed { reason: "it ended".to_owned() };
                    trial.values.clear();
                }
                _ => {}
            }
        }
        run.manifest.interrupted = interrupted;
        let names = [WORKLOAD, "distance", "rare-events", "live-feed"];
        let there = names.into_iter().zip(is_there).filter(|(_, is_there)| *is_there);
        let there: Vec<(&str, &Run)> = there.map(|(name, _)| (name, &run)).collect();
        let runs = runs(&there);
        for row in fill(rows(), &runs) {
            prop_assert_eq!(row.cells.len(), 4);
            for cell in &row.cells {
                let holding = cell.cases.iter().filter(|of| of.holds == Ok(true));
                for weighed in holding {
                    prop_assert!(!weighed.findings.is_empty(), "{:?}", weighed);
                    for of in &weighed.findings {
                        prop_assert_eq!(of.holds, Some(true));
                        let (low, high) = of.interval.map_or((of.value, of.value), |of| (of.low, of.high));
                        prop_assert!(of.interval.is_some() || of.blocks.is_none(), "{:?}", of);
                        prop_assert!(of.limits.hold(low) && of.limits.hold(high), "{:?}", of);
                    }
                    let run = weighed.case.run.as_deref();
                    prop_assert!(run.is_none_or(|name| runs.contains_key(name) && !interrupted));
                }
                if cell.verdict == Verdict::Holds {
                    prop_assert!(cell.cases.iter().all(|of| of.holds == Ok(true)));
                }
                if cell.verdict == Verdict::NotMeasured {
                    prop_assert!(cell.cases.iter().all(|of| of.holds.is_err()));
                }
            }
        }
    }
}
