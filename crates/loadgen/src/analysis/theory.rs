//! What theory says a latency should be, where it has an answer that needs no measurement of
//! latency: a measured figure far from it points at a queue, or at a mistake of the tool.

mod gaps;

use std::time::Duration;

use super::cell::{Cell, Figures, Law, Prediction};
use crate::results::{Metric, Run};
use crate::scenario::schedule::Schedule;
use crate::scenario::{Arrivals, Connection, Contender, Imitation, Popularity, Scenario};

/// How much of the time between two events a fan-out may take for a law to hold: beyond, bursts run
/// into each other, or the queue is too near its limit.
const MAX_BUSY: f64 = 0.8;

/// The largest share of half a round trip that the wait in a queue may be for the median to be known: its
/// mean stands for its median then.
const MAX_QUEUED: f64 = 0.15;

/// Everything that theory says about `cell`, whose scenario this is.
pub(super) fn predictions(run: &Run, scenario: &Scenario, cell: &Cell) -> Vec<Prediction> {
    let servers = run.manifest.machine.server_cores.len().max(1);
    let of = |figures: &Figures| -> Vec<Prediction> {
        let Some(contender) = scenario.contender(&figures.contender) else { return Vec::new() };
        let Some(away) = Away::of(contender) else { return Vec::new() };
        let theory = theory(scenario, contender, figures, servers, away);
        let Some((law, theory)) = theory else { return Vec::new() };
        let is_away = away.half_ns > 0.0;
        let prediction = |(metric, theory)| {
            let measured = figures.estimate(metric)?.median;
            let contender = figures.contender.clone();
            Some(Prediction { contender, metric, law, is_away, theory, measured })
        };
        theory.into_iter().filter_map(prediction).collect()
    };
    cell.contenders.iter().flat_map(of).collect()
}

/// What the network of a contender adds. Nothing over loopback.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Away {
    /// An event comes half a round trip later.
    half_ns: f64,
    /// From an answer that leaves the server to the next request there.
    gap_ns: f64,
}

impl Away {
    /// None of a network that does more to packets than delay them: TCP decides what that costs.
    fn of(contender: &Contender) -> Option<Self> {
        let Some(network) = &contender.road.network else { return Some(Self::default()) };
        if !network.only_delays() {
            return None;
        }
        let round_trip = ns(network.round_trip);
        let handshakes = match (contender.settings.connection(), network.by) {
            (Connection::KeepAlive, _) => 0,
            // Whoever connects to a relay is there.
            (Connection::New, by) => {
                u8::from(by == Imitation::Packets) + u8::from(contender.road.tls)
            }
        };
        let gap_ns = round_trip * (1.0 + f64::from(handshakes));
        Some(Self { half_ns: round_trip / 2.0, gap_ns })
    }
}

/// The law of a contender, and what follows from it.
fn theory(
    scenario: &Scenario,
    contender: &Contender,
    of: &Figures,
    servers: usize,
    away: Away,
) -> Option<(Law, Vec<(Metric, f64)>)> {
    let workload = &scenario.workload;
    let settings = &contender.settings;
    if let Some(interval) = settings.polling_interval() {
        // A poll that is due before the answer to the one before is left out.
        let interval = ns(interval) * (away.gap_ns / ns(interval)).ceil().max(1.0);
        return Some((Law::UniformWait, away.later(uniform_up_to(interval))));
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
    // Whoever is told on a stream asks for nothing in between.
    let holds_requests = settings.heartbeat().is_none();
    // Events that find a gap come together, which the law of gaps knows.
    let batches = of.batches() && !(holds_requests && away.gap_ns > 0.0);
    if batches || service_ns > MAX_BUSY * distance_ns {
        return None;
    }
    let own_distance_ns = 1e9 / workload.events_per_second;
    let gap = service_ns + away.gap_ns;
    let (law, latencies) = match (workload.arrivals, holds_requests) {
        (Arrivals::Constant, false) => (Law::FanOut, uniform_up_to(service_ns)),
        // Then every event finds one, or every other: the latency is that of the schedule.
        (Arrivals::Constant, true) if away.gap_ns > 0.0 && gap > own_distance_ns => return None,
        (Arrivals::Constant, true) => (Law::FanOutWithoutGap, uniform_up_to(service_ns)),
        (Arrivals::Poisson, false) => {
            let latencies = away.with_median(queued_ns(service_ns, distance_ns), 0.0, 0.0);
            (Law::FanOutInAQueue, latencies)
        }
        (Arrivals::Poisson, true) => {
            let queued = queued_ns(service_ns, distance_ns);
            let (mean, median) = mean_and_median(waits_in_gaps_ns(scenario, gap))?;
            (Law::FanOutWithGaps, away.with_median(queued, mean, median))
        }
    };
    Some((law, away.later(latencies)))
}

impl Away {
    /// All of these come later.
    fn later(self, mut latencies: Vec<(Metric, f64)>) -> Vec<(Metric, f64)> {
        latencies.iter_mut().for_each(|(_, latency)| *latency += self.half_ns);
        latencies
    }

    /// The mean of a wait in a queue and in gaps. The median is known too where the queue hardly matters
    /// beside the network.
    fn with_median(self, queued: f64, mean_gap: f64, median_gap: f64) -> Vec<(Metric, f64)> {
        let mut latencies = vec![(Metric::LatencyMean, queued + mean_gap)];
        if queued < MAX_QUEUED * self.half_ns {
            latencies.push((Metric::LatencyP50, queued + median_gap));
        }
        latencies
    }
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

/// How long the measured events of the scenario wait for the next long poll, of all channels.
fn waits_in_gaps_ns(scenario: &Scenario, gap_ns: f64) -> Vec<f64> {
    let mut channels = vec![Vec::new(); scenario.workload.channels as usize];
    for due in Schedule::new(&scenario.workload, scenario.seed).events() {
        if let Some(events) = channels.get_mut(due.channel as usize) {
            events.push((due.offset_ns as f64, due.is_measured));
        }
    }
    channels.into_iter().flat_map(|events| gaps::waits_ns(events.into_iter(), gap_ns)).collect()
}

/// Nothing of none.
fn mean_and_median(mut all: Vec<f64>) -> Option<(f64, f64)> {
    all.sort_unstable_by(f64::total_cmp);
    let median = *all.get(all.len() / 2)?;
    Some((all.iter().sum::<f64>() / all.len() as f64, median))
}

fn ns(time: Duration) -> f64 {
    time.as_nanos() as f64
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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
        // S = 1.42 ms, I = 50 ms: half of S, 0.5 S · 0.0284 / 0.9716, and 0.5 S · S / (S + 48.6 ms), the last by
        // chance: of 240 events, about seven find a gap.
        assert!((long_polling.theory / 1e6 - (0.71 + 0.0208 + 0.0201)).abs() < 0.02);
        assert!(
            !all.iter().any(|of| of.metric == Metric::LatencyP50 && of.law != Law::UniformWait)
        );
    }

    /// A distance of 100 ms, 20 events at random a second: I = 50 ms.
    fn away(more: &str) -> Vec<Prediction> {
        let text = SCENARIO.replace("payload", "arrivals = \"poisson\"\npayload");
        predictions_of(&format!("{text}[network]\nround_trip = \"100ms\"\n{more}"))
    }

    fn ms(all: &[Prediction], of: Transport, metric: Metric) -> Option<f64> {
        let is_it = |own: &&Prediction| own.contender == of && own.metric == metric;
        all.iter().find(is_it).map(|own| own.theory / 1e6)
    }

    #[test]
    fn a_network_adds_half_a_round_trip_and_gaps() {
        let within = |by: f64, found: Option<f64>, ms: f64| {
            let found = found.unwrap();
            assert!((found - ms).abs() < by, "{found} instead of {ms}");
        };
        let near = |found, ms| within(1.0, found, ms);
        // 240 events at random: uniform on g, the standard error of their mean is g / √12 / √240.
        let like_law = |found, ms| within(8.0, found, ms);
        let all = away("");
        near(ms(&all, Transport::Polling, Metric::LatencyP50), 550.0);
        near(ms(&all, Transport::Polling, Metric::LatencyP99), 1_040.0);
        near(ms(&all, Transport::Sse, Metric::LatencyP50), 50.0);
        near(ms(&all, Transport::Sse, Metric::LatencyMean), 50.0);
        // g = 101.4 ms: a share of g / (g + I e^-2.03) = 0.939 waits for a time that is uniform on g.
        like_law(ms(&all, Transport::LongPolling, Metric::LatencyMean), 50.0 + 0.7 + 47.6);
        like_law(ms(&all, Transport::LongPolling, Metric::LatencyP50), 50.0 + 0.7 + 47.4);
        let words: Vec<_> = all.iter().map(Prediction::words).collect();
        assert!(words.iter().all(|words| words.starts_with("r/2; ")), "{words:?}");
        let new = away("[long-polling]\nconnection = \"new\"\n");
        // g = 201.4 ms, of which hardly any event finds a request.
        within(16.0, ms(&new, Transport::LongPolling, Metric::LatencyMean), 50.0 + 0.7 + 100.3);
        let relayed = away("mode = \"relay\"\n[long-polling]\nconnection = \"new\"\n");
        like_law(ms(&relayed, Transport::LongPolling, Metric::LatencyMean), 50.0 + 0.7 + 47.6);
    }

    #[test]
    fn polls_that_overtake_each_other_are_left_out() {
        let polling =
            |more: &str| ms(&away(more), Transport::Polling, Metric::LatencyMean).unwrap();
        let interval = "[polling]\ninterval = \"80ms\"\n";
        assert_eq!(polling(interval), 50.0 + 80.0, "every other");
        let new = format!("{interval}connection = \"new\"\n");
        assert_eq!(polling(&new), 50.0 + 120.0, "200 ms take three");
    }

    #[test]
    fn theory_is_silent_about_networks_that_do_more_than_delay() {
        for more in ["loss = \"1%\"\n", "jitter = \"5ms\"\n", "bandwidth = \"10mbit\"\n"] {
            assert_eq!(away(more), [], "{more}");
        }
        let constant = format!("{SCENARIO}[network]\nround_trip = \"100ms\"\n");
        let all = predictions_of(&constant);
        assert!(ms(&all, Transport::Sse, Metric::LatencyP50).is_some());
        assert_eq!(ms(&all, Transport::LongPolling, Metric::LatencyP50), None, "50 ms between two");
    }

    /// Of many events at random at a mean distance of I, a share g / (g + I e^(−g/I)) finds a gap, and waits for a
    /// time that is uniform on it.
    #[test]
    fn many_events_wait_in_gaps_as_the_law_says() {
        let text = SCENARIO.replace("payload", "arrivals = \"poisson\"\npayload");
        let long = text.replace("12s", "2000s");
        let scenario = Scenario::parse(&long, Path::new("x.toml")).unwrap();
        for gap in [10e6_f64, 50e6, 200e6] {
            let distance = 50e6;
            let share = gap / (gap + distance * (-gap / distance).exp());
            let law = (gap / 2.0 * share, (gap * (share - 0.5) / share).max(0.0));
            let (mean, median) = mean_and_median(waits_in_gaps_ns(&scenario, gap)).unwrap();
            assert!((mean / law.0 - 1.0).abs() < 0.05, "g {gap}: {mean} instead of {}", law.0);
            assert!((median - law.1).abs() < 0.03 * gap, "g {gap}: {median} instead of {}", law.1);
        }
    }

    #[test]
    fn queues_in_the_limit() {
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
