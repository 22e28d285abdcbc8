//! Whether the figures of a trial can be trusted: what limits that, as typed warnings. Their words,
//! and how much is too much to use a trial at all, are in [`crate::results::model`].

use std::time::Duration;

use super::measurement::{Measurement, samples_for};
use super::recorder::Recorder;
use crate::results::{Warning, latency_log};

/// A publisher later than this at its 99th percentile is worth a warning.
const LATE: Duration = Duration::from_millis(1);

/// A larger share of the window's events than this may not be missing at its end: the last ones may
/// be on their way.
const MISSING_SHARE: f64 = 0.001;

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
        let mut unchecked = Vec::new();
        let mut warnings = self.of_the_cores(&mut unchecked);
        warnings.extend(self.of_the_server(&self.after.since(&self.before)));
        warnings.extend(self.of_the_network());
        warnings.extend(self.sockets.warning());
        warnings.extend(self.of_the_publisher());
        warnings.extend(self.of_the_deliveries());
        // Where something breaks, the two are not held against each other; who was ended has no count left.
        if self.server_deliveries.is_none() && !self.is_described && self.faults == 0 {
            unchecked.push("whether the server counts as many deliveries as its subscribers");
        }
        if self.traffic.at_end.is_none() || self.is_by_udp {
            unchecked.push("whether the kernel counts as many bytes as the sockets");
        }
        if !unchecked.is_empty() {
            let checks = unchecked.into_iter().map(str::to_owned).collect();
            warnings.push(Warning::Unchecked { checks });
        }
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

    fn of_the_deliveries(&self) -> Vec<Warning> {
        let account = &self.recorder.account;
        let mut warnings = Vec::new();
        if account.negative > 0 {
            warnings.push(Warning::NegativeLatency { count: account.negative });
        }
        let p50_ns = self.recorder.corrected().value_at_quantile(0.5);
        warnings.extend(self.recorder.page.and_then(|page| page.warning(p50_ns)));
        let received = self.end.totals.deliveries;
        // What was sent over a connection before it broke may be in nobody's hands.
        if self.faults == 0 {
            if let Some(server) = self.server_deliveries.map(|count| count as u64)
                // What was sent to slow readers is among what the server counts.
                && (server < received || (server > received && self.slow.is_none()))
            {
                warnings.push(Warning::CountsDisagree { server, received });
            }
            warnings.extend(self.traffic.warning());
        }
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
        // Where something breaks on purpose, the report has a table of what followed.
        if let Some(reason) = account.first_reconnect.as_ref().filter(|_| self.faults == 0) {
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
    use crate::engine::fixture::{EVENTS, SUBSCRIBERS, after, flawless, only, recorder};
    use crate::engine::slow_account::SlowDue;

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
    fn deliveries_that_did_not_come() {
        let expected = u64::from(EVENTS * SUBSCRIBERS);
        let (warning, used) = only(|trial| trial.expected = Some(expected + 3));
        assert_eq!((warning, used), (Warning::DeliveriesLost { lost: 3 }, true));
    }

    #[test]
    fn what_breaks_on_purpose_is_no_surprise() {
        let broken = |faults: u64| {
            after(|trial| {
                trial.faults = faults;
                trial.server_deliveries = Some(1.0);
                trial.recorder.account.reconnects = 1;
                trial.recorder.account.first_reconnect = Some("reset".to_owned());
            })
        };
        assert_eq!(broken(0).len(), 2, "{:?}", broken(0));
        assert_eq!(broken(1), []);
    }

    #[test]
    fn slow_readers_are_no_excuse_for_what_others_meet() {
        let with = |sent_to_slow: i64| {
            after(|trial| {
                let sent = trial.end.totals.deliveries.checked_add_signed(sent_to_slow).unwrap();
                trial.server_deliveries = Some(sent as f64);
                trial.slow = Some(SlowDue { subscribers: 1, deliveries: 1_000 });
                trial.recorder.account.reconnects = 1;
                trial.recorder.account.first_reconnect = Some("reset".to_owned());
            })
        };
        let broke = Warning::Reconnected { count: 1, reason: "reset".to_owned() };
        assert_eq!(with(700), [broke]);
        assert_eq!(with(-1).len(), 2, "{:?}", with(-1));
    }
}
