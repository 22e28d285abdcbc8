//! Crossovers of made-up runs, whose curves are known.

use crate::results::ContenderId;
use proptest::prelude::*;
use pushbench_wire::Transport::{LongPolling, Polling, Sse, Tcp, WebSocket};

use pushbench_wire::Transport;

use super::*;
use crate::analysis::analyse;
use crate::results::{LatencyLog, Outcome, fixture};

const CPU: Metric = Metric::ServerCpuPerDelivery;

/// A run that sweeps the keys over these values, last key fastest, with a trial of every contender
/// in every cell and block that has these values. Blocks differ by noise.
pub(crate) fn run(
    keys: &[(&str, &[&str])],
    blocks: u32,
    values: impl Fn(Transport, &[&str]) -> Vec<(Metric, f64)>,
) -> Run {
    let (mut run, _) = fixture::run();
    let mut combinations: Vec<Vec<&str>> = vec![Vec::new()];
    for (_, values) in keys {
        combinations = combinations
            .iter()
            .flat_map(|before| values.iter().map(move |value| [&before[..], &[*value]].concat()))
            .collect();
    }
    let trial = run.trials[2].clone();
    run.trials.clear();
    run.manifest.cells.clear();
    for combination in &combinations {
        let settings = keys.iter().zip(combination).map(|((key, _), value)| SweptValue {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        });
        let settings: Vec<_> = settings.collect();
        let name = |of: &SweptValue| {
            format!("{}={}", of.key.rsplit('.').next().unwrap_or_default(), of.value)
        };
        let name = settings.iter().map(name).collect::<Vec<_>>().join(", ");
        run.manifest.cells.push(SweptCell { name, settings });
    }
    let mut started_s = 1.0;
    for block in 1..=blocks {
        for (combination, cell) in combinations.iter().zip(&run.manifest.cells) {
            for &contender in Transport::ALL {
                let found = values(contender, combination);
                if found.is_empty() {
                    continue;
                }
                let mut trial = trial.clone();
                trial.cell.clone_from(&cell.name);
                (trial.contender, trial.block) = (contender.into(), block);
                trial.measured_from_s = Some(started_s);
                started_s += 1.0;
                let step = f64::from((block * 7 + contender as u32 * 3) % 5);
                let noise = 1.0 + 0.004 * (step - 2.0);
                trial.values = [Metric::Expected, Metric::Delivered]
                    .map(|metric| (metric, 6_000.0))
                    .into_iter()
                    .chain(
                        [Metric::Lost, Metric::Duplicated, Metric::Reordered].map(|of| (of, 0.0)),
                    )
                    .chain(found.into_iter().map(|(metric, value)| (metric, value * noise)))
                    .collect();
                run.trials.push(trial);
            }
        }
    }
    run.manifest.planned_trials = run.trials.len() as u32;
    run
}

/// Long polling takes 2x² as much as SSE, at x events per second.
pub(crate) fn crossing_run(rates: &[&str], blocks: u32) -> Run {
    run(&[("workload.events_per_second", rates)], blocks, |contender, values| {
        let rate: f64 = values[0].parse().unwrap();
        match contender {
            LongPolling => vec![(CPU, 20_000.0 * rate * rate)],
            Sse | Tcp => vec![(CPU, 10_000.0)],
            _ => Vec::new(),
        }
    })
}

fn sweep(run: &Run) -> Sweep {
    analyse(run, &LatencyLog::default()).sweep.unwrap()
}

fn only_crossover(run: &Run) -> (Transport, Transport, f64, f64, f64) {
    match &sweep(run).findings[..] {
        [
            Finding {
                slice: 0,
                metric: CPU,
                claim: Claim::Crossover { below, above, at, low, high },
            },
        ] => (below.transport(), above.transport(), *at, *low, *high),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_crossover_stands_where_the_curves_meet() {
    let (below, above, at, low, high) = only_crossover(&crossing_run(&["0.1", "0.2", "1", "5"], 5));
    assert_eq!((below, above), (LongPolling, Sse));
    assert_eq!((low, high), (0.2, 1.0));
    let root = 0.5_f64.sqrt();
    assert!((at / root - 1.0).abs() < 0.01, "at {at}, not {root}");
}

#[test]
fn the_order_of_the_file_does_not_matter() {
    let run = crossing_run(&["5", "0.2", "1", "0.1"], 5);
    assert_eq!(only_crossover(&run).3, 0.2);
    let names: Vec<_> = analyse(&run, &LatencyLog::default()).cells;
    assert_eq!(names[0].name, "events_per_second=5", "cells stay as the scenario has them");
}

#[test]
fn where_they_are_alike_helps_to_find_the_place_and_bounds_nothing() {
    let (.., at, low, high) = only_crossover(&crossing_run(&["0.2", "0.7", "1"], 5));
    assert_eq!((low, high), (0.2, 1.0), "2 · 0.7² is 0.98: that is noise");
    assert!((at - 0.5_f64.sqrt()).abs() < 0.02, "{at}");
}

#[test]
fn from_zero_on_it_is_a_straight_line() {
    let run = run(&[("workload.x", &["0", "10"])], 5, |contender, values| match contender {
        Sse => vec![(CPU, if values[0] == "0" { 500.0 } else { 4_000.0 })],
        WebSocket => vec![(CPU, 1_000.0)],
        _ => Vec::new(),
    });
    let (below, above, at, ..) = only_crossover(&run);
    assert_eq!((below, above), (Sse, WebSocket));
    assert!((at - 10.0 / 3.0).abs() < 0.1, "ln 2 of ln 2 + ln 4: {at}");
}

#[test]
fn durations_are_seconds() {
    let values = ["500ms", "2s", "8s"];
    let run = run(&[("polling.interval", &values)], 6, |contender, values| match contender {
        Polling => vec![(CPU, if values[0] == "8s" { 1_000.0 } else { 4_000.0 })],
        Sse => vec![(CPU, 2_000.0)],
        _ => Vec::new(),
    });
    let (below, above, at, low, high) = only_crossover(&run);
    assert_eq!((below, above, low, high), (Sse, Polling, 2.0, 8.0));
    assert!((at - 4.0).abs() < 0.05, "{at}");
    let key = &sweep(&run).keys[0];
    assert_eq!((key.is_time, key.value_at(0.5)), (true, "500ms"));
}

#[test]
fn fewer_than_five_blocks_claim_nothing() {
    let sweep = sweep(&crossing_run(&["0.1", "0.2", "1", "5"], 4));
    assert_eq!((sweep.findings, sweep.has_enough_blocks), (Vec::new(), false));
}

#[test]
fn trials_that_cannot_be_trusted_claim_nothing() {
    let mut run = crossing_run(&["0.2", "1"], 5);
    assert_eq!(sweep(&run).findings.len(), 1);
    let sse = run.trials.iter_mut().find(|trial| trial.contender == Sse).unwrap();
    sse.outcome = Outcome::Invalid;
    assert_eq!(sweep(&run).findings, []);
}

#[test]
fn the_one_that_is_lower_all_along_is_named_once() {
    let run = run(&[("workload.subscribers", &["50", "100", "200"])], 5, |contender, values| {
        let cost = match (contender, values[0]) {
            (Sse, _) => 1_000.0,
            (WebSocket, "100") => 1_000.0,
            (WebSocket, _) => 1_500.0,
            (Tcp, _) => 100.0,
            (LongPolling | Polling, _) => 2_000.0,
        };
        vec![(CPU, cost)]
    });
    let claims: Vec<_> = sweep(&run).findings.into_iter().map(|of| of.claim).collect();
    let ids = |of: [Transport; 2]| of.map(ContenderId::from).to_vec();
    let (less, more) = (ids([Sse, WebSocket]), ids([Polling, LongPolling]));
    assert_eq!(
        claims,
        [Claim::Lower(Lower { less, more, from: 50.0, to: 200.0 })],
        "SSE and WebSocket are alike at 100, and raw TCP is no choice"
    );
}

#[test]
fn lost_deliveries_leave_latencies_open() {
    let of = |lost: f64| {
        let values = ["50", "100"];
        let mut run =
            run(&[("workload.subscribers", &values)], 5, |contender, _| match contender {
                Sse => vec![(Metric::LatencyP50, 1e6), (CPU, 1_000.0)],
                Polling => vec![(Metric::LatencyP50, 5e8), (CPU, 2_000.0)],
                _ => Vec::new(),
            });
        run.trials[0].values.insert(Metric::Lost, lost);
        sweep(&run).findings.into_iter().map(|of| of.metric).collect::<Vec<_>>()
    };
    assert_eq!(of(0.0), [Metric::LatencyP50, CPU]);
    assert_eq!(of(1.0), [CPU]);
}

#[test]
fn of_two_keys_each_is_looked_along_while_the_other_is_fixed() {
    let keys: [(&str, &[&str]); 2] = [
        ("polling.connection", &["keep-alive", "new"]),
        ("workload.events_per_second", &["0.2", "1"]),
    ];
    let run = run(&keys, 5, |contender, values| {
        let factor = if values == ["new", "1"] { 2.0 } else { 0.5 };
        match contender {
            Polling => vec![(CPU, 1_000.0 * factor)],
            Sse => vec![(CPU, 1_000.0)],
            _ => Vec::new(),
        }
    });
    let sweep = sweep(&run);
    let fixed: Vec<_> = sweep.slices.iter().map(|of| (of.key, of.fixed.as_str())).collect();
    assert_eq!(fixed, [(1, "connection=keep-alive"), (1, "connection=new")], "words have no axis");
    let [finding] = &sweep.findings[..] else { panic!("{:?}", sweep.findings) };
    assert_eq!(finding.slice, 1);
    let Claim::Crossover { below, above, .. } = &finding.claim else { panic!("{finding:?}") };
    assert_eq!([below.transport(), above.transport()], [Polling, Sse]);
}

#[test]
fn a_run_without_cells_is_no_sweep() {
    let (run, log) = fixture::run();
    assert_eq!(analyse(&run, &log).sweep, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_crossover_lies_between_its_cells(
        logs in prop::collection::vec(-3.0..3.0_f64, 5), places in prop::collection::btree_set(0_u32..1_000, 5),
    ) {
        let texts: Vec<String> = places.iter().map(ToString::to_string).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let run = run(&[("workload.x", &texts)], 5, |contender, values| {
            let index = texts.iter().position(|text| *text == values[0]).unwrap();
            match contender {
                Sse => vec![(CPU, 1_000.0 * logs[index].exp())],
                WebSocket => vec![(CPU, 1_000.0)],
                _ => Vec::new(),
            }
        });
        let mut last = f64::NEG_INFINITY;
        for finding in sweep(&run).findings {
            match finding.claim {
                Claim::Crossover { at, low, high, .. } => {
                    prop_assert!(last <= low && low <= at && at <= high && low < high);
                    last = high;
                }
                Claim::Lower(Lower { from, to, .. }) => prop_assert!(from < to),
            }
        }
    }
}
