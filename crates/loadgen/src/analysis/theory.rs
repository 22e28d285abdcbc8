//! What theory says a latency should be, where it has an answer that needs no measurement of
//! latency: a measured figure far from it points at a queue, or at a mistake of the tool.

use std::time::Duration;

use pushbench_wire::Transport;

use super::{Cell, Figures};
use crate::results::{Metric, Run};
use crate::scenario::{Scenario, Workload};

/// A figure of one transport as theory has it, beside the measured one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Which.
    pub transport: Transport,
    /// The figure.
    pub metric: Metric,
    /// Why it should be so.
    pub law: Law,
    /// What theory says, in the unit of the metric.
    pub theory: f64,
    /// The median over trials.
    pub measured: f64,
}

impl Prediction {
    /// How far the measured figure is from theory, as a share of that.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        self.measured / self.theory - 1.0
    }
}

/// Why a latency should be what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// An event comes at a random moment between two polls, T apart: its wait is uniform on [0, T].
    UniformWait,
    /// An event is written to N subscribers one after the other, each at cost c: the k-th waits for
    /// k·c. Waking up, and the way through both processes, come on top.
    FanOut,
    /// The same, for answers to held requests: the next request of every subscriber is back before
    /// the next event, so that no event finds a gap. It would, with a round trip longer than the
    /// time between events.
    FanOutWithoutGap,
}

impl Law {
    /// The law in a line.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::UniformWait => "uniform on [0, interval]",
            Self::FanOut => "the k-th of N waits k·c",
            Self::FanOutWithoutGap => "the k-th of N waits k·c; no event finds a gap",
        }
    }
}

/// The quantiles that theory is asked for.
const QUANTILES: [(Metric, f64); 2] = [(Metric::LatencyP50, 0.5), (Metric::LatencyP99, 0.99)];

/// How much of the time between two events a fan-out may take for the law to hold: beyond, bursts
/// run into each other.
const MAX_BUSY: f64 = 0.8;

/// Everything that theory says about `cell`. Nothing, when the scenario is of another version.
pub(super) fn predictions(run: &Run, cell: &Cell) -> Vec<Prediction> {
    let text = &run.manifest.scenario;
    let Ok(scenario) = Scenario::parse(&text.text, &text.path) else { return Vec::new() };
    let servers = run.manifest.machine.server_cores.len().max(1);
    let of = |figures: &Figures| -> Vec<Prediction> {
        let Some((law, longest_ns)) = law(&scenario, figures, servers) else { return Vec::new() };
        let prediction = |(metric, quantile): (Metric, f64)| {
            let measured = figures.estimate(metric)?.median;
            let theory = longest_ns * quantile;
            Some(Prediction { transport: figures.transport, metric, law, theory, measured })
        };
        QUANTILES.into_iter().filter_map(prediction).collect()
    };
    cell.transports.iter().flat_map(of).collect()
}

/// The law of a transport, and the longest wait by it: all of them are uniform up to that.
fn law(scenario: &Scenario, of: &Figures, servers: usize) -> Option<(Law, f64)> {
    let law = match of.transport {
        Transport::Polling => {
            return Some((Law::UniformWait, ns(scenario.polling.interval)));
        }
        Transport::LongPolling => Law::FanOutWithoutGap,
        Transport::Sse | Transport::WebSocket | Transport::Tcp => Law::FanOut,
    };
    let cost_ns = of.estimate(Metric::ServerCpuPerDelivery)?.median;
    let workload = &scenario.workload;
    let subscribers = f64::from(workload.subscribers) / f64::from(workload.channels);
    let longest_ns = subscribers * cost_ns / servers as f64;
    let is_settled = !of.batches() && longest_ns <= MAX_BUSY * gap_ns(workload);
    is_settled.then_some((law, longest_ns))
}

/// From one event to the next, whatever their channels.
fn gap_ns(workload: &Workload) -> f64 {
    1e9 / (workload.events_per_second * f64::from(workload.channels))
}

fn ns(time: Duration) -> f64 {
    time.as_nanos() as f64
}

#[cfg(test)]
mod tests {
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
        let (mut run, _) = fixture::run();
        run.manifest.scenario.text = text.to_owned();
        analyse(&run, &LatencyLog::default()).cells[0].predictions.clone()
    }

    #[test]
    fn polling_waits_half_an_interval() {
        let all = predictions_of(SCENARIO);
        let [p50, p99, ..] = all[..] else { panic!("{all:?}") };
        assert_eq!((p50.transport, p50.law), (Transport::Polling, Law::UniformWait));
        assert_eq!((p50.theory, p99.theory), (500e6, 990e6));
        assert!((p50.deviation() - 0.019).abs() < 0.002, "{}", p50.deviation());
    }

    #[test]
    fn the_last_subscriber_waits_for_all_others() {
        let all = predictions_of(SCENARIO);
        let sse = all.iter().find(|of| of.transport == Transport::Sse).unwrap();
        // 100 subscribers at 3.1 µs (3.147 over two blocks), half of them.
        assert_eq!(sse.law, Law::FanOut);
        assert!((sse.theory - 157e3).abs() < 1e3, "{}", sse.theory);
    }

    #[test]
    fn theory_is_silent_where_bursts_overlap() {
        let busy = SCENARIO.replace("20.0", "5000.0");
        let all = predictions_of(&busy);
        assert!(all.iter().all(|of| of.transport == Transport::Polling), "{all:?}");
        assert_eq!(predictions_of("name = 3"), []);
    }
}
