//! The network of a trial: what it did, and whether it was as the scenario wants it.

use std::time::Duration;

use super::measurement::Measurement;
use super::snapshot::Usage;
use crate::results::{Metric, Warning};

/// How much longer than it should, as a share of a way, a packet may take.
const LATE_SHARE: f64 = 0.05;

/// What a timer is late by on any machine counts no more than this.
const LATE_AT_LEAST: Duration = Duration::from_micros(250);

/// How far the measured round trip may be from what it should be: a share, or a time, whichever is more.
const OFF_SHARE: f64 = 0.05;
const OFF_AT_LEAST: Duration = Duration::from_millis(1);

impl Measurement {
    /// What speaks against the network.
    pub(super) fn of_the_network(&self) -> Vec<Warning> {
        let window = self.after.since(&self.before);
        let Some(((plan, measured), reading)) = self.network.as_ref().zip(window.network) else {
            return Vec::new();
        };
        let mut warnings = Vec::new();
        let claimed = plan.round_trip;
        let off = measured.echo.abs_diff(claimed);
        if plan.only_delays() && off > claimed.mul_f64(OFF_SHARE).max(OFF_AT_LEAST) {
            let [claimed_ms, measured_ms] = [claimed, measured.echo].map(in_ms);
            warnings.push(Warning::NetworkOff { claimed_ms, measured_ms });
        }
        let late = reading.lateness.map_or(0, |lateness| lateness.value_at_quantile(0.99));
        let limit = plan.one_way().mul_f64(LATE_SHARE).max(LATE_AT_LEAST);
        if u128::from(late) > limit.as_nanos() {
            let p99_ms = late as f64 / 1e6;
            warnings.push(Warning::NetworkLate { p99_ms, limit_ms: in_ms(limit) });
        }
        if reading.overflown > 0 {
            warnings.push(Warning::NetworkOverflown { count: reading.overflown });
        }
        warnings
    }

    /// What is known of the network; nothing over loopback.
    pub(super) fn network_values(
        &self,
        window: &Usage,
    ) -> impl Iterator<Item = (Metric, Option<f64>)> {
        let ns = |time: Duration| time.as_nanos() as f64;
        let plan = self.network.as_ref().map(|(plan, _)| plan);
        let measured = self.network.as_ref().map(|(_, measured)| measured);
        let reading = window.network.as_ref();
        let delays = reading.filter(|reading| reading.lateness.is_some());
        let late = |quantile| {
            let lateness = delays?.lateness.as_ref().filter(|lateness| !lateness.is_empty())?;
            Some(lateness.value_at_quantile(quantile) as f64)
        };
        [
            (Metric::NetworkClaimed, plan.map(|plan| ns(plan.round_trip))),
            (Metric::NetworkRoundTrip, measured.map(|measured| ns(measured.echo))),
            (Metric::NetworkHandshake, measured.map(|measured| ns(measured.handshake))),
            (Metric::NetworkLatenessP50, late(0.5)),
            (Metric::NetworkLatenessP99, late(0.99)),
            (Metric::NetworkPackets, delays.map(|of| of.packets as f64)),
            (Metric::NetworkLost, delays.map(|of| of.lost as f64)),
            (Metric::NetworkCpu, delays.map(|of| of.cpu_ns as f64)),
        ]
        .into_iter()
    }
}

fn in_ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::*;
    use crate::deployment::network::{Reading, RoundTrip};
    use crate::engine::fixture::{after, flawless, only};
    use crate::scenario::{Imitation, Network};

    /// A trial over 20 ms, of which packets are late by so much.
    fn away(echo: Duration, late: Duration, overflown: u64) -> impl Fn(&mut Measurement) {
        move |trial| {
            let plan = Network {
                round_trip: Duration::from_millis(20),
                jitter: Duration::ZERO,
                loss: 0.0,
                bandwidth: None,
                by: Imitation::Packets,
            };
            trial.network = Some((plan, RoundTrip { handshake: echo, echo }));
            let mut lateness = Histogram::new(3).unwrap();
            let before = Reading {
                cpu_ns: 1_000,
                packets: 10,
                lost: 1,
                overflown: 0,
                lateness: Some(lateness.clone()),
            };
            lateness.record_n(late.as_nanos() as u64, 100).unwrap();
            trial.after.network = Some(Reading {
                cpu_ns: 3_000,
                packets: 110,
                lost: 4,
                overflown,
                lateness: Some(lateness),
            });
            trial.before.network = Some(before);
        }
    }

    const ECHO: Duration = Duration::from_micros(20_300);
    const LATE: Duration = Duration::from_micros(490);

    #[test]
    fn a_network_that_is_as_it_should_be_has_no_warning() {
        assert_eq!(after(away(ECHO, LATE, 0)), []);
    }

    #[test]
    fn what_a_network_did_wrong_invalidates() {
        let (warning, used) = only(away(ECHO, Duration::from_micros(600), 0));
        let Warning::NetworkLate { p99_ms, limit_ms } = warning else { panic!("{warning:?}") };
        assert!((p99_ms - 0.6).abs() < 0.01 && limit_ms == 0.5 && !used, "{p99_ms} {limit_ms}");
        let (warning, used) = only(away(Duration::from_micros(21_100), LATE, 0));
        let Warning::NetworkOff { claimed_ms, measured_ms } = warning else {
            panic!("{warning:?}")
        };
        assert!((claimed_ms, measured_ms) == (20.0, 21.1) && !used);
        assert_eq!(only(away(ECHO, LATE, 3)), (Warning::NetworkOverflown { count: 3 }, false));
    }

    #[test]
    fn jitter_makes_no_network_too_long() {
        let jitters = |trial: &mut Measurement| {
            away(Duration::from_millis(25), LATE, 0)(trial);
            trial.network.as_mut().unwrap().0.jitter = Duration::from_millis(10);
        };
        assert_eq!(after(jitters), []);
    }

    #[test]
    fn figures_are_those_of_the_window() {
        let mut trial = flawless();
        let values = |trial: &Measurement| {
            let window = trial.after.since(&trial.before);
            let values: Vec<_> = trial.network_values(&window).map(|(_, value)| value).collect();
            (values, window.generator.cpu_ns.unwrap())
        };
        let (nothing, generator_ns) = values(&trial);
        assert_eq!(nothing, [None; 8], "loopback is no network");
        away(ECHO, LATE, 0)(&mut trial);
        let (all, without) = values(&trial);
        let near = |value: Option<f64>| (value.unwrap() - 490_000.0).abs() < 1_000.0;
        assert_eq!(all[..3], [Some(20e6), Some(20.3e6), Some(20.3e6)]);
        assert!(near(all[3]) && near(all[4]), "{all:?}");
        assert_eq!(all[5..], [Some(100.0), Some(3.0), Some(2_000.0)]);
        assert_eq!(generator_ns - without, 2_000, "it is no subscriber's");
    }
}
