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
