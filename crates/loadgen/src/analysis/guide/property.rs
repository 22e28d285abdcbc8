//! Whatever the figures are, nothing is recommended that misses something.

use proptest::prelude::*;

use super::tests::{decided, run};
use super::*;
use crate::results::{Metric, Outcome, Trial, Warning};

/// The median, by other code than that which is tested.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1)?.div_euclid(2);
    Some(if values.len() % 2 == 1 {
        values[middle]
    } else {
        values[middle].midpoint(values[middle + 1])
    })
}

/// Whether the trials themselves say that a contender may be recommended.
fn may_be_recommended(run: &Run, id: &ContenderId, limits: &[(Metric, f64)]) -> bool {
    let own: Vec<&Trial> = run.trials.iter().filter(|of| of.contender == *id).collect();
    let ran: Vec<_> = own.iter().filter(|of| !of.has_failed()).collect();
    let sum = |metric| ran.iter().map(|of| of.value(metric)).sum::<Option<f64>>();
    let is_complete = [Metric::Lost, Metric::Duplicated, Metric::Reordered]
        .iter()
        .all(|metric| ran.iter().filter_map(|of| of.value(*metric)).all(|count| count == 0.0))
        && sum(Metric::Expected).is_none_or(|expected| {
            sum(Metric::Delivered).is_none_or(|delivered| delivered >= expected)
        });
    let valid: Vec<_> = own.iter().filter(|of| of.is_valid()).collect();
    let is_kept = |(metric, limit): &(Metric, f64)| {
        let values: Vec<_> = own.iter().filter_map(|of| of.trusted(*metric)).collect();
        values.len() * 2 >= own.len() && median(values).is_some_and(|value| value <= *limit)
    };
    is_complete && valid.len() * 2 >= own.len() && limits.iter().all(is_kept)
}

const VARIED: [Metric; 6] = [
    Metric::LatencyP99,
    Metric::ServerCpuPerDelivery,
    Metric::BytesPerDelivery,
    Metric::Lost,
    Metric::Delivered,
    Metric::Duplicated,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever the figures are.
    #[test]
    fn it_never_recommends_what_misses_something(
        values in prop::collection::vec((0..8_usize, 0..VARIED.len(), prop::option::of(0.0..3e9_f64)), 0..16),
        outcomes in prop::collection::vec(0..8_u32, 8),
        latency_ms in 1..2_000_u32,
        bytes in prop::option::of(100..500_u32),
        two_way: bool,
        binary: bool,
        sends: bool,
    ) {
        let objective = format!("[objectives]\n\"latency\" = [\"p(99)<={latency_ms}ms\"]");
        let workload = if sends { "[workload.upstream]\nevents_per_second = 0.1" } else { "" };
        let mut run = run(workload, &objective);
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
        let budget = bytes.map(|of| AtMost::read("bytes_per_delivery", &format!("{of}B")).unwrap());
        let needs = Needs { two_way, binary, budget: budget.into_iter().collect(), ..Needs::default() };
        let mut limits = vec![(Metric::LatencyP99, f64::from(latency_ms) * 1e6)];
        limits.extend(bytes.map(|of| (Metric::BytesPerDelivery, f64::from(of))));

        let first = decided(&run, &needs);
        prop_assert_eq!(&first, &decided(&run, &needs), "the same figures, the same answer");
        let spoilt = |id: &ContenderId| {
            let own = run.trials.iter().filter(|of| of.contender == *id);
            own.filter(|of| of.outcome == Outcome::Invalid).count() == 2
        };
        let is_spoilt = run.manifest.contenders.iter().any(spoilt);
        let Ok(guide) = first else {
            prop_assert!(is_spoilt);
            return Ok(());
        };
        prop_assert!(!is_spoilt, "an invalid run is refused");
        let answer = &guide.cells[0];
        for of in answer.eligible() {
            prop_assert!(may_be_recommended(&run, &of.contender, &limits), "{:?}", of);
            prop_assert!(!binary && (sends || !two_way), "nobody has shown it");
            prop_assert!(of.checks.iter().all(|check| check.figure.is_some()), "{:?}", of);
        }
        let named = answer.cheapest.iter().flat_map(|of| &of.groups).flat_map(|of| &of.contenders);
        for id in named.chain(answer.cheapest_in_all()) {
            prop_assert!(answer.eligible().any(|of| of.contender == *id));
        }
        let first = |id: &ContenderId| {
            let all = answer.cheapest.iter().map(|of| &of.groups[0].contenders);
            all.clone().count() > 0 && all.into_iter().all(|of| of.contains(id))
        };
        match &answer.textbook.stands {
            Stands::Best(id) => prop_assert!(first(id) || answer.eligible().count() == 1),
            Stands::Undercut { by, .. } => {
                prop_assert!(by.iter().all(|of| of.own.value > of.other.value), "{:?}", by);
            }
            Stands::Untold { choice, .. } => prop_assert!(!first(choice)),
            Stands::NotEligible(_) | Stands::Absent => {}
        }
        if answer.eligible().count() == 0 {
            prop_assert!(guide.verdict() != Verdict::Meets);
            prop_assert_eq!(answer.nearest().len(), 4, "one for each transport");
        }
    }
}
