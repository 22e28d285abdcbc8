//! Whether the figures of a trial can be trusted: what limits that, as typed warnings. Their words,
//! and how much is too much to use a trial at all, are in [`crate::results::model`].

use std::time::Duration;

use super::measurement::{Measurement, samples_for};
use super::recorder::Recorder;
use super::snapshot::Usage;
use crate::results::Side;
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

/// Other processes that use more than this of a side's cores are worth a warning. A quiet machine
/// stays below 5 %; a busy loop beside a generator of eight cores is 12.5 %.
const OTHER_LOAD_PERCENT: f64 = 10.0;

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
    /// What limits the trust in this trial: causes before what they bring about.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let window = self.after.since(&self.before);
        let mut warnings = self.of_the_cores(&window);
        warnings.extend(self.of_the_server(&window));
        warnings.extend(self.of_the_publisher());
        warnings.extend(self.of_the_deliveries());
        warnings
    }

    fn of_the_publisher(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let (published, planned) = (self.after.published, self.planned);
        if planned.saturating_sub(published) as f64 > MISSING_SHARE * planned as f64 {
            warnings.push(Warning::FewerEventsThanPlanned { published, planned });
        }
        let late_ns = self.lateness.value_at_quantile(0.99);
        if u128::from(late_ns) > LATE.as_nanos() {
            warnings.push(Warning::PublisherLate { p99_ms: late_ns as f64 / 1e6 });
        }
        warnings
    }

    fn of_the_cores(&self, window: &Usage) -> Vec<Warning> {
        let Usage { length_ns, server, own_cpu_ns, .. } = *window;
        let mut warnings = Vec::new();
        let percent = |cpu_ns: u64, cores: &[usize]| {
            cpu_ns as f64 / (length_ns * cores.len() as u64) as f64 * 100.0
        };
        // On a core that is shared, neither side can have all of it.
        let shared = self.cores.are_shared();
        let (on_generator, on_server) = match shared {
            true => {
                let all = own_cpu_ns.zip(server.cpu_ns).map(|(own, server)| own + server);
                (all, all)
            }
            false => (own_cpu_ns, server.cpu_ns),
        };
        if shared {
            warnings.push(Warning::SharedCore);
        }
        let busy = |used_ns: Option<u64>, cores: &[usize], limit: f64| {
            used_ns.map(|used_ns| percent(used_ns, cores)).filter(|busy| *busy > limit)
        };
        if let Some(busy_percent) =
            busy(on_generator, &self.cores.generator, GENERATOR_BUSY_PERCENT)
        {
            warnings.push(Warning::GeneratorSaturated { busy_percent });
        }
        if let Some(busy_percent) = busy(on_server, &self.cores.server, SERVER_BUSY_PERCENT) {
            warnings.push(Warning::ServerSaturated { busy_percent });
        }
        let machine = self.after.machine.as_ref().zip(self.before.machine.as_ref());
        let Some((after, before)) = machine else { return warnings };
        if let Some(percent) = after.stolen_percent_since(before)
            && percent > STOLEN_PERCENT
        {
            warnings.push(Warning::CpuStolen { percent });
        }
        let others = |cores: &[usize], own_ns: Option<u64>| {
            let used_ns = after.task_ns_since(before, cores)?;
            Some(percent(used_ns.saturating_sub(own_ns?), cores))
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
        let received = self.end.totals.deliveries;
        if let Some(server) = self.server_deliveries.map(|count| count as u64)
            && server != received
        {
            warnings.push(Warning::CountsDisagree { server, received });
        }
        warnings.extend(self.traffic.warning());
        if self.is_steady {
            warnings.extend(drift(&self.recorder));
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::Cores;
    use crate::engine::fixture::{EVENTS, SUBSCRIBERS, flawless, machine, parts, recorder};
    use crate::engine::machine::MachineTime;

    /// The warnings of a trial that went well but for one thing.
    fn after(spoil: impl FnOnce(&mut Measurement)) -> Vec<Warning> {
        let mut trial = flawless();
        spoil(&mut trial);
        trial.warnings()
    }

    /// The only warning, and whether the trial is still used.
    fn only(spoil: impl FnOnce(&mut Measurement)) -> (Warning, bool) {
        let warnings = after(spoil);
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        (warning.clone(), !warning.invalidates())
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_trial_that_went_well_has_none() {
        assert_eq!(flawless().warnings(), []);
    }

    #[test]
    fn a_late_publisher() {
        let late = |ns: u64| move |trial: &mut Measurement| trial.lateness.saturating_record(ns);
        assert_eq!(after(late(900_000)), []);
        let (warning, used) = only(late(5_000_000));
        let Warning::PublisherLate { p99_ms } = warning else { panic!("{warning:?}") };
        assert!((p99_ms - 5.0).abs() < 0.01 && used, "{p99_ms}");
        assert!(!only(late(20_000_000)).1);
    }

    #[test]
    fn events_that_were_not_published_in_time() {
        let published = |events: u64| move |trial: &mut Measurement| trial.after.published = events;
        assert_eq!(after(published(999)), [], "the last may be on its way");
        let missing = |published| Warning::FewerEventsThanPlanned { published, planned: 1_000 };
        assert_eq!(only(published(990)), (missing(990), true));
        assert_eq!(only(published(989)), (missing(989), false));
    }

    #[test]
    fn latencies_that_grow_or_fall() {
        // Of 1,000 events, the first third are those of 3 of 9 intervals or 4 of 12.
        let (first, last) = (EVENTS / 3, EVENTS / 3 * 2);
        let latencies = |first_ns: u64, last_ns: u64| {
            move |trial: &mut Measurement| {
                trial.recorder = recorder(|index| match index {
                    index if index < first => first_ns,
                    index if index > last => last_ns,
                    _ => 1_000_000,
                });
            }
        };
        let ms = 1_000_000;
        assert_eq!(after(latencies(2 * ms, 29 * ms / 10)), [], "below a factor of 1.5");
        assert_eq!(after(latencies(ms / 10, ms / 2)), [], "less than 0.5 ms");
        let drift = |first_ns, last_ns| match only(latencies(first_ns, last_ns)) {
            (warning @ Warning::Drift { .. }, true) => warning.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            drift(2 * ms, 4 * ms),
            "median latency grew from 2.0 ms in the first third of the window to 4.0 ms in the \
             last: the load is not sustained, so a longer window would give other figures; lower \
             it"
        );
        assert!(drift(4 * ms, 2 * ms).ends_with("the trial was not warmed up; lengthen `warm_up`"));
    }

    #[test]
    fn few_deliveries_drift_by_chance() {
        let warnings = after(|trial| {
            trial.recorder = recorder(|index| u64::from(index) * 1_000_000);
            for interval in &mut trial.recorder.intervals {
                let latency = interval.max();
                interval.reset();
                interval.record_n(latency, DRIFT_SAMPLES / 5).unwrap();
            }
        });
        assert_eq!(warnings, [], "{} of them in each third", DRIFT_SAMPLES / 5 * 4);
    }

    #[test]
    fn a_saturated_side_is_named() {
        let (warning, used) = only(|trial| {
            trial.after.parts = parts(2 * SECOND, 97 * SECOND / 10);
            trial.after.machine = machine([205, 970]);
        });
        let text = warning.to_string();
        assert!(text.starts_with("the generator was saturated: it used 97 % of its CPU"), "{text}");
        assert!(!used);

        let (warning, used) = only(|trial| {
            trial.after.parts = parts(2 * SECOND, 85 * SECOND / 10);
            trial.after.machine = machine([205, 850]);
        });
        assert!(warning.to_string().starts_with("the generator was nearly saturated"), "{warning}");
        assert!(used);

        let (warning, used) = only(|trial| {
            trial.after.parts = parts(99 * SECOND / 10, 3 * SECOND);
            trial.after.machine = machine([990, 295]);
        });
        assert!(warning.to_string().starts_with("the server was saturated"), "{warning}");
        assert!(used, "that is what was asked: how the server behaves");
    }

    #[test]
    fn others_are_counted_on_the_cores_of_each_side() {
        let others =
            |ticks: [u64; 2]| move |trial: &mut Measurement| trial.after.machine = machine(ticks);
        assert_eq!(after(others([290, 390])), [], "9 % of each");
        let (warning, used) = only(others([400, 295]));
        assert_eq!(warning, Warning::OtherLoad { side: Side::Server, percent: 20.0 });
        assert!(used);
        let (warning, used) = only(others([205, 600]));
        assert_eq!(warning, Warning::OtherLoad { side: Side::Generator, percent: 30.0 });
        assert!(!used);
        let text = warning.to_string();
        assert!(text.starts_with("other processes used 30 % of the generator's cores"), "{text}");
    }

    #[test]
    fn a_core_that_is_shared_has_one_account() {
        let warnings = after(|trial| {
            trial.cores = Cores { server: vec![1], generator: vec![1] };
            trial.after.machine = machine([0, 700]);
        });
        let percent = 20.0;
        assert_eq!(
            warnings,
            [Warning::SharedCore, Warning::OtherLoad { side: Side::Generator, percent }]
        );
    }

    #[test]
    fn stolen_time() {
        let stolen = |ticks: u64| {
            move |trial: &mut Measurement| {
                let stat = |all: u64, stolen: u64| {
                    let cores = "cpu0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0\n";
                    MachineTime::parse(&format!("cpu  0 0 0 {all} 0 0 0 {stolen}\n{cores}"))
                };
                trial.before.machine = stat(0, 0);
                trial.after.machine = stat(2_000 - ticks, ticks);
            }
        };
        assert_eq!(after(stolen(20)), []);
        assert_eq!(only(stolen(100)), (Warning::CpuStolen { percent: 5.0 }, true));
        assert!(!only(stolen(220)).1);
    }

    #[test]
    fn deliveries_that_did_not_come() {
        let expected = u64::from(EVENTS * SUBSCRIBERS);
        let (warning, used) = only(|trial| trial.expected = Some(expected + 3));
        assert_eq!((warning, used), (Warning::DeliveriesLost { lost: 3 }, true));
    }
}
