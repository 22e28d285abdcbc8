//! Whether the figures of a trial can be trusted: what limits that, as typed warnings. Their words,
//! and how much is too much to use a trial at all, are in [`crate::results::model`].

use std::time::Duration;

use super::measurement::{Measurement, samples_for};
use super::recorder::Recorder;
use super::snapshot::Costs;
use crate::results::model::Side;
use crate::results::{Warning, latency_log};

/// A publisher later than this at its 99th percentile is worth a warning.
const LATE: Duration = Duration::from_millis(1);

/// A larger share of the window's events than this may not be missing at its end: the last ones may
/// be on their way.
const MISSING_SHARE: f64 = 0.001;

/// A generator busier than this is worth a warning: queueing grows steeply from here on.
const GENERATOR_BUSY_PERCENT: f64 = 80.0;

/// A server busier than this has no room left.
const SERVER_BUSY_PERCENT: f64 = 90.0;

/// Other processes that use more than this of a side's cores are worth a warning.
const OTHER_LOAD_PERCENT: f64 = 15.0;

/// Stolen time above this is worth a warning.
const STOLEN_PERCENT: f64 = 1.0;

/// Medians of the first and the last third of the window that differ by more than this factor, and
/// by more than [`DRIFT_AT_LEAST`], are worth a warning.
const DRIFT_FACTOR: f64 = 1.5;

/// What a busy machine changes from second to second is below this.
const DRIFT_AT_LEAST: Duration = Duration::from_micros(500);

/// Deliveries that a third takes for its median to be a figure.
const DRIFT_SAMPLES: u64 = 300;

impl Measurement {
    /// What limits the trust in this trial.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let window = self.after.since(&self.before);
        let mut warnings = self.of_the_publisher();
        warnings.extend(self.of_the_cores(&window));
        warnings.extend(self.of_the_deliveries());
        warnings
    }

    fn of_the_publisher(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let late_ns = self.lateness.value_at_quantile(0.99);
        if u128::from(late_ns) > LATE.as_nanos() {
            warnings.push(Warning::PublisherLate { p99_ms: late_ns as f64 / 1e6 });
        }
        let (published, planned) = (self.after.published, self.planned);
        if planned.saturating_sub(published) as f64 > MISSING_SHARE * planned as f64 {
            warnings.push(Warning::FewerEventsThanPlanned { published, planned });
        }
        warnings
    }

    fn of_the_cores(&self, window: &Costs) -> Vec<Warning> {
        let Costs { length_ns, server_cpu, own_cpu, .. } = *window;
        let mut warnings = Vec::new();
        let percent = |cpu_ns: u64, cores: &[usize]| {
            cpu_ns as f64 / (length_ns * cores.len() as u64) as f64 * 100.0
        };
        // On a core that is shared, neither side can have all of it.
        let shared = self.cores.are_shared();
        let (on_generator, on_server) = match shared {
            true => (own_cpu + server_cpu, own_cpu + server_cpu),
            false => (own_cpu, server_cpu),
        };
        if shared {
            warnings.push(Warning::SharedCore);
        }
        let busy_percent = percent(on_generator, &self.cores.generator);
        if busy_percent > GENERATOR_BUSY_PERCENT {
            warnings.push(Warning::GeneratorSaturated { busy_percent });
        }
        let busy_percent = percent(on_server, &self.cores.server);
        if busy_percent > SERVER_BUSY_PERCENT {
            warnings.push(Warning::ServerSaturated { busy_percent });
        }
        let machine = self.after.machine.as_ref().zip(self.before.machine.as_ref());
        let Some((after, before)) = machine else { return warnings };
        if let Some(percent) = after.stolen_percent_since(before)
            && percent > STOLEN_PERCENT
        {
            warnings.push(Warning::CpuStolen { percent });
        }
        let others = |cores: &[usize], own_ns: u64| {
            let used_ns = after.task_ns_since(before, cores)?;
            Some(percent(used_ns.saturating_sub(own_ns), cores))
        };
        let sides = [
            (Side::Generator, others(&self.cores.generator, on_generator)),
            (Side::Server, others(&self.cores.server, on_server).filter(|_| !shared)),
        ];
        warnings.extend(sides.into_iter().filter_map(|(side, percent)| {
            let percent = percent.filter(|percent| *percent > OTHER_LOAD_PERCENT)?;
            Some(Warning::OtherLoad { side, percent })
        }));
        warnings
    }

    fn of_the_deliveries(&self) -> Vec<Warning> {
        let account = &self.recorder.account;
        let mut warnings = Vec::new();
        if account.negative > 0 {
            warnings.push(Warning::NegativeLatency { count: account.negative });
        }
        let received = self.received;
        if let Some(server) = self.server_deliveries.map(|count| count as u64)
            && server != received
        {
            warnings.push(Warning::CountsDisagree { server, received });
        }
        warnings.extend(drift(&self.recorder));
        let needed = samples_for(0.99);
        if self.expected.is_some() && account.delivered < needed {
            warnings.push(Warning::TooFewSamples { delivered: account.delivered, needed });
        }
        if account.beyond_range > 0 {
            let limit_s = latency_log::HIGHEST.as_secs();
            warnings.push(Warning::BeyondRange { count: account.beyond_range, limit_s });
        }
        if let Some(lost) = self.lost().filter(|lost| *lost > 0) {
            warnings.push(Warning::DeliveriesLost { lost });
        }
        if let Some(reason) = &account.first_reconnect {
            let reason = reason.clone();
            warnings.push(Warning::Reconnected { count: account.reconnects, reason });
        }
        warnings
    }
}

/// Whether latencies grew or fell while they were measured.
fn drift(recorder: &Recorder) -> Option<Warning> {
    let thirds = recorder.first_and_last_third();
    if thirds.iter().any(|third| third.len() < DRIFT_SAMPLES) {
        return None;
    }
    let [first, last] = thirds.map(|third| third.value_at_quantile(0.5) as f64);
    let (low, high) = (first.min(last), first.max(last));
    let drifts = high > low * DRIFT_FACTOR && high - low > DRIFT_AT_LEAST.as_nanos() as f64;
    drifts.then_some(Warning::Drift { first_ms: first / 1e6, last_ms: last / 1e6 })
}
