use proptest::prelude::*;

use super::*;
use crate::results::{Outcome, fixture};

#[test]
fn estimates_rest_on_valid_trials_alone() {
    let (run, log) = fixture::run();
    let analysis = analyse(&run, &log);
    let [cell] = &analysis.cells[..] else { panic!("one cell") };
    let counts: Vec<_> =
        cell.contenders.iter().map(|of| (of.valid, of.invalid, of.failed)).collect();
    assert_eq!(counts, [(2, 0, 0), (1, 1, 0), (2, 0, 0), (1, 0, 1)]);
    let [polling, long_polling, ..] = &cell.contenders[..] else { panic!("four contenders") };
    let p50 = polling.estimate(Metric::LatencyP50).unwrap();
    assert_eq!((p50.min, p50.max, p50.trials), (502e6, 502.0 * 1.03 * 1e6, 2));
    assert_eq!(long_polling.estimate(Metric::LatencyP50).unwrap().trials, 1);
    assert_eq!(polling.estimate(Metric::ServerMemoryPeak), None, "never measured is not 0");
    assert_eq!(polling.accounts.unwrap().expected, Some(48_000.0));
    assert_eq!(long_polling.accounts.unwrap().expected, Some(48_000.0), "invalid ones count");
}

#[test]
fn trials_that_were_measured_once_more_are_counted_apart() {
    let (mut run, log) = fixture::run();
    run.trials[5].repeated = true;
    let of = |run: &Run| analyse(run, &log).cells[0].contenders[1].clone();
    let long_polling = of(&run);
    assert_eq!((long_polling.valid, long_polling.invalid, long_polling.repeated), (1, 0, 1));
    assert_eq!(long_polling.accounts.unwrap().expected, Some(24_000.0));
    run.trials[5].values.insert(Metric::Lost, 1.0);
    assert_eq!(of(&run).accounts.unwrap().expected, Some(48_000.0), "what went wrong is shown");
}

/// A scenario whose `sse` is on a server that it describes.
const DESCRIBED: &str = r#"
    name = "x"
    description = "x"
    compare = ["polling", "websocket"]
    [workload]
    subscribers = 100
    events_per_second = 20.0
    payload_bytes = 128
    duration = "12s"
    warm_up = "2s"
    idle = "2s"
    [[contender]]
    name = "sse"
    transport = "sse"
    server = "theirs"
    [server.theirs]
    url = "http://localhost"
    publish.url = "{url}"
    sse.url = "{url}"
"#;

#[test]
fn theory_and_heartbeats_are_those_of_our_server() {
    let (mut run, log) = fixture::run();
    run.manifest.scenario.text = DESCRIBED.to_owned();
    let cell = analyse(&run, &log).cells.remove(0);
    let of = |ids: Vec<&ContenderId>| -> Vec<String> {
        ContenderId::distinct(ids).iter().map(|of| of.name().to_owned()).collect()
    };
    let predicted = of(cell.predictions.iter().map(|of| &of.contender).collect());
    assert_eq!(predicted, ["polling", "websocket"]);
    assert_eq!(of(cell.longer_than_idle.iter().collect()), ["websocket"]);
}

#[test]
fn latencies_of_invalid_trials_stay_out() {
    let (run, log) = fixture::run();
    let analysis = analyse(&run, &log);
    let counts: Vec<_> =
        analysis.cells[0].contenders.iter().map(|of| of.latency.histogram.len()).collect();
    assert_eq!(counts, [48_000, 24_000, 48_000, 24_000]);
}

#[test]
fn an_empty_run_has_nothing_to_say() {
    let (mut run, _) = fixture::run();
    run.trials.clear();
    assert_eq!(analyse(&run, &LatencyLog::default()).cells, []);
}

#[test]
fn phases_are_those_that_were_measured() {
    let (mut run, _) = fixture::run();
    let phase = |name: &str, seconds| {
        format!("[[workload.phases]]\nname = \"{name}\"\nduration = \"{seconds}s\"\nrate = 1\n")
    };
    let text = crate::scenario::template::TEMPLATE.replace("duration = \"10s\"", "#");
    let text = text.replace("[polling]", &format!("{}{}[polling]", phase("a", 6), phase("b", 4)));
    let scenario = Scenario::parse(&text, "").unwrap();
    let lengths = |run: &Run| -> Vec<u64> {
        phases(run, &scenario).iter().map(|phase| phase.duration.as_secs()).collect()
    };
    assert_eq!(lengths(&run), [6, 4]);
    run.manifest.shortenings.push(Shortening {
        part: crate::results::shortening::Part::Duration,
        asked: "10s".to_owned(),
        measured: Some("5s".to_owned()),
    });
    assert_eq!(lengths(&run), [3, 2]);
}

#[test]
fn what_comes_more_rarely_than_the_idle_phase_lasts_is_known() {
    let (mut run, log) = fixture::run();
    let text = crate::scenario::template::TEMPLATE;
    let longer = |run: &Run| -> Vec<String> {
        let cell = analyse(run, &log).cells.remove(0);
        cell.longer_than_idle.iter().map(|id| id.name().to_owned()).collect()
    };
    run.manifest.scenario.text = text.to_owned();
    assert_eq!(longer(&run), ["long-polling", "sse", "websocket", "tcp"], "idle is 2 s");
    run.manifest.scenario.text = text.replace("idle = \"2s\"", "idle = \"20s\"");
    assert_eq!(longer(&run), ["long-polling"], "whose time-out is 30 s");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_missing_nothing_panics(
        values in prop::collection::vec(
            (0..8_usize, 0..Metric::ALL.len(), prop::option::of(any::<f64>())), 0..80),
        outcomes in prop::collection::vec(0..3, 8),
        from_s in prop::collection::vec(prop::option::of(any::<f64>()), 8),
        kept in 0..90_usize,
    ) {
        let (mut run, mut log) = fixture::run();
        log.entries.truncate(kept);
        for (trial, metric, value) in values {
            let values = &mut run.trials[trial].values;
            match value {
                Some(value) => values.insert(Metric::ALL[metric], value),
                None => values.remove(&Metric::ALL[metric]),
            };
        }
        for ((trial, outcome), from_s) in run.trials.iter_mut().zip(outcomes).zip(from_s) {
            trial.measured_from_s = from_s;
            trial.outcome = match outcome {
                0 => Outcome::Valid,
                1 => Outcome::Invalid,
                _ => Outcome::Failed { reason: "x".to_owned() },
            };
        }
        let analysis = analyse(&run, &log);
        for of in &analysis.cells[0].contenders {
            prop_assert!(of.valid + of.invalid > 0 || of.estimates.is_empty());
            prop_assert!(of.untrusted.keys().all(|metric| of.estimate(*metric).is_none()));
            for estimate in of.estimates.values() {
                prop_assert!(estimate.min <= estimate.median && estimate.median <= estimate.max);
            }
        }
    }
}
