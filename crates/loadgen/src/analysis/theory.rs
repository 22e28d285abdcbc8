//! What theory says a latency should be, where it has an answer that needs no measurement of
//! latency: a measured figure far from it points at a queue, or at a mistake of the tool.

use std::time::Duration;

use super::cell::{Cell, Figures, Law, Prediction};
use crate::results::{Metric, Run};
use crate::scenario::{Arrivals, Popularity, Scenario};

/// How much of the time between two events a fan-out may take for a law to hold: beyond, bursts run
/// into each other, or the queue is too near its limit.
const MAX_BUSY: f64 = 0.8;

/// Everything that theory says about `cell`, whose scenario this is.
pub(super) fn predictions(run: &Run, scenario: &Scenario, cell: &Cell) -> Vec<Prediction> {
    let servers = run.manifest.machine.server_cores.len().max(1);
    let of = |figures: &Figures| -> Vec<Prediction> {
        let Some((law, theory)) = theory(scenario, figures, servers) else { return Vec::new() };
        let prediction = |(metric, theory)| {
            let measured = figures.estimate(metric)?.median;
            Some(Prediction { contender: figures.contender.clone(), metric, law, theory, measured })
        };
        theory.into_iter().filter_map(prediction).collect()
    };
    cell.contenders.iter().flat_map(of).collect()
}

/// The law of a contender, and what follows from it.
fn theory(scenario: &Scenario, of: &Figures, servers: usize) -> Option<(Law, Vec<(Metric, f64)>)> {
    let workload = &scenario.workload;
    let settings = &scenario.contender(&of.contender)?.settings;
    if let Some(interval) = settings.polling_interval() {
        return Some((Law::UniformWait, uniform_up_to(ns(interval))));
    }
    // The laws below are of channels that are alike, and of nothing else that the server does.
    if !workload.is_steady()
        || workload.upstream.is_some()
        || workload.popularity != Popularity::Even
        || workload.channels_per_subscriber > 1
    {
        return None;
    }
    // What the server does without deliveries keeps none waiting.
    let above_idle = of.estimate(Metric::ServerCpuAboveIdlePerDelivery);
    let above_idle = above_idle.filter(|cost| cost.median > 0.0);
    let cost_ns = above_idle.or_else(|| of.estimate(Metric::ServerCpuPerDelivery))?.median;
    let subscribers = f64::from(workload.subscribers) / f64::from(workload.channels);
    let service_ns = subscribers * cost_ns / servers as f64;
    // From one event to the next, whatever their channels.
    let distance_ns = 1e9 / (workload.events_per_second * f64::from(workload.channels));
    if of.batches() || service_ns > MAX_BUSY * distance_ns {
        return None;
    }
    // Whoever is told on a stream asks for nothing in between.
    let holds_requests = settings.heartbeat().is_none();
    Some(match (workload.arrivals, holds_requests) {
        (Arrivals::Constant, false) => (Law::FanOut, uniform_up_to(service_ns)),
        (Arrivals::Constant, true) => (Law::FanOutWithoutGap, uniform_up_to(service_ns)),
        (Arrivals::Poisson, false) => {
            (Law::FanOutInAQueue, vec![(Metric::LatencyMean, queued_ns(service_ns, distance_ns))])
        }
        (Arrivals::Poisson, true) => {
            let mean = queued_ns(service_ns, distance_ns) + gap_ns(service_ns, distance_ns);
            (Law::FanOutWithGaps, vec![(Metric::LatencyMean, mean)])
        }
    })
}

/// The percentiles of what is uniform on [0, longest], and its mean.
fn uniform_up_to(longest: f64) -> Vec<(Metric, f64)> {
    vec![
        (Metric::LatencyP50, 0.5 * longest),
        (Metric::LatencyP99, 0.99 * longest),
        (Metric::LatencyMean, 0.5 * longest),
    ]
}

/// Mean latency of a fan-out that takes `service` when events come at random at a mean distance of
/// `distance`: half a fan-out, and the wait in an M/D/1 queue.
fn queued_ns(service: f64, distance: f64) -> f64 {
    let load = service / distance;
    service / 2.0 + load * service / (2.0 * (1.0 - load))
}

/// What gaps of `gap` between an answer and the next request add to the mean latency when events
/// come at random at a mean distance of `distance`.
fn gap_ns(gap: f64, distance: f64) -> f64 {
    gap / 2.0 * gap / (gap + distance * (-gap / distance).exp())
}

fn ns(time: Duration) -> f64 {
    time.as_nanos() as f64
}

#[cfg(test)]
mod tests {
    use pushbench_wire::Transport;

    use super::*;
    use crate::analysis::analyse;
    use crate::results::{LatencyLog, fixture};

    const SCENARIO: &str = r#"
        name = "x"
        description = "x"
        [workload]
        subscribers = 100
        events_per_second = 20.0
        payload_bytes = 128
        duration = "12s"
        warm_up = "2s"
    "#;

    fn predictions_of(text: &str) -> Vec<Prediction> {
        predictions_with(text, None)
    }

    fn predictions_with(text: &str, above_idle_ns: Option<f64>) -> Vec<Prediction> {
        let (mut run, _) = fixture::run();
        run.manifest.scenario.text = text.to_owned();
        for trial in &mut run.trials {
            trial.values.insert(Metric::LatencyMean, 1e6);
            let above_idle = above_idle_ns.map(|ns| (Metric::ServerCpuAboveIdlePerDelivery, ns));
            trial.values.extend(above_idle);
        }
        analyse(&run, &LatencyLog::default()).cells[0].predictions.clone()
    }

    #[test]
    fn what_the_server_does_anyway_keeps_nobody_waiting() {
        let p50 = |above_idle_ns| {
            let all = predictions_with(SCENARIO, above_idle_ns);
            all.iter().find(|of| of.contender == Transport::Sse).unwrap().theory
        };
        assert_eq!(p50(Some(1_000.0)), 50e3, "half of 100 subscribers, 1 µs each");
        assert_eq!(p50(Some(-5.0)), p50(None), "noise is no cost");
    }

    #[test]
    fn polling_waits_half_an_interval() {
        let all = predictions_of(SCENARIO);
        let [p50, p99, ..] = &all[..] else { panic!("{all:?}") };
        assert_eq!((p50.contender.transport(), p50.law), (Transport::Polling, Law::UniformWait));
        assert_eq!((p50.theory, p99.theory), (500e6, 990e6));
        assert!((p50.deviation() - 0.019).abs() < 0.002, "{}", p50.deviation());
    }

    #[test]
    fn the_last_subscriber_waits_for_all_others() {
        let all = predictions_of(SCENARIO);
        let sse = all.iter().find(|of| of.contender == Transport::Sse).unwrap();
        // 100 subscribers at 3.1 µs (3.147 over two blocks), half of them.
        assert_eq!(sse.law, Law::FanOut);
        assert!((sse.theory - 157e3).abs() < 1e3, "{}", sse.theory);
    }

    #[test]
    fn events_at_random_wait_for_each_other_and_in_gaps() {
        let text = SCENARIO.replace("payload", "arrivals = \"poisson\"\npayload");
        let all = predictions_of(&text);
        let mean = |contender| {
            let of =
                |of: &&Prediction| of.contender == contender && of.metric == Metric::LatencyMean;
            all.iter().find(of).cloned().unwrap()
        };
        assert_eq!(mean(Transport::Polling).law, Law::UniformWait, "random phases as before");
        assert_eq!(mean(Transport::Sse).law, Law::FanOutInAQueue);
        let long_polling = mean(Transport::LongPolling);
        assert_eq!(long_polling.law, Law::FanOutWithGaps);
        // S = 1.42 ms, I = 50 ms: half of S, 0.5 S · 0.0284 / 0.9716, and 0.5 S · S / (S + 48.6 ms).
        assert!((long_polling.theory / 1e6 - (0.71 + 0.0208 + 0.0201)).abs() < 0.001);
        assert!(
            !all.iter().any(|of| of.metric == Metric::LatencyP50 && of.law != Law::UniformWait)
        );
    }

    /// In the limits: a gap that is never found adds nothing, one that is always found half of it.
    #[test]
    fn gaps_and_queues_in_the_limit() {
        assert!(gap_ns(1.0, 1e6) < 1e-6);
        assert!((gap_ns(1e3, 1.0) - 500.0).abs() < 0.1);
        assert!((queued_ns(1.0, 1e9) - 0.5).abs() < 1e-6);
        assert!((queued_ns(1.0, 2.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn theory_is_silent_where_bursts_overlap() {
        let busy = SCENARIO.replace("20.0", "5000.0");
        let all = predictions_of(&busy);
        assert!(all.iter().all(|of| of.contender == Transport::Polling), "{all:?}");
        assert_eq!(predictions_of("name = 3"), []);
    }
}
