//! Whether the values of a workload are right, each alone.

use std::sync::Arc;
use std::time::Duration;

use pushbench_wire::stamp::STAMP_LEN;
use toml::{Spanned, Value};

use super::file::{PhaseFile, TraceFile, WorkloadFile};
use super::{Bursts, PayloadBytes, Phase, Popularity, Trace, Upstream, Workload, payload};
use crate::scenario::limits::{
    HOUR, MAX_CHANNELS_PER_SUBSCRIBER, MAX_EVENTS_PER_SECOND, MAX_SUBSCRIBERS, TICK,
};
use crate::scenario::values::Values;

impl Values<'_, '_> {
    pub(in crate::scenario) fn workload(&mut self, file: &WorkloadFile) -> Workload {
        let phases: Vec<_> = file.phases.iter().map(|phase| self.phase(phase)).collect();
        let trace = file.trace.as_ref().map(|trace| self.trace(trace));
        let payload_bytes = match (&file.payload_bytes, &trace) {
            (Some(value), _) => payload::parse(value, self.problems),
            (None, Some(_)) => PayloadBytes::Fixed(STAMP_LEN),
            (None, None) => {
                self.missing("payload_bytes", "128");
                PayloadBytes::Fixed(STAMP_LEN)
            }
        };
        let upstream = file.upstream.as_ref().map(|upstream| Upstream {
            events_per_second: self.rate(&upstream.events_per_second),
            payload_bytes: match &upstream.payload_bytes {
                Some(value) => payload::parse(value, self.problems),
                None => payload_bytes.clone(),
            },
        });
        let events_per_second = match &file.events_per_second {
            Some(rate) => self.rate(rate),
            None if upstream.is_some() || trace.is_some() => 0.0,
            None => {
                self.missing("events_per_second", "10.0");
                1.0
            }
        };
        let duration = match &file.duration {
            Some(duration) => self.duration("duration", duration, TICK..=12 * HOUR),
            None if !phases.is_empty() => phases.iter().map(|phase| phase.duration).sum(),
            None => {
                self.missing("duration", "\"10s\"");
                HOUR
            }
        };
        Workload {
            subscribers: self.count("subscribers", &file.subscribers, 1..=MAX_SUBSCRIBERS, ""),
            channels: self.count("channels", &file.channels, 1..=MAX_SUBSCRIBERS, ""),
            channels_per_subscriber: self.count(
                "channels_per_subscriber",
                &file.channels_per_subscriber,
                1..=MAX_CHANNELS_PER_SUBSCRIBER,
                "",
            ),
            popularity: self.popularity(&file.popularity),
            events_per_second,
            arrivals: file.arrivals,
            bursts: file.bursts.as_ref().map(|bursts| Bursts {
                on: self.duration("on", &bursts.on, TICK..=HOUR),
                off: self.duration("off", &bursts.off, TICK..=HOUR),
            }),
            payload_bytes,
            content: file.content,
            trace,
            upstream,
            phases,
            faults: self.faults(&file.faults),
            reconnect: self.reconnect(file.reconnect.as_ref()),
            slow: file.slow.as_ref().map(|slow| self.slow(slow)),
            duration,
            warm_up: self.duration("warm_up", &file.warm_up, Duration::ZERO..=12 * HOUR),
            idle: self.duration("idle", &file.idle, Duration::ZERO..=HOUR),
        }
    }

    fn missing(&mut self, key: &str, example: &str) {
        self.problems.in_file(format!(
            "`{key}` is missing in [workload]: add, for example, `{key} = {example}`"
        ));
    }

    fn popularity(&mut self, value: &Spanned<Value>) -> Popularity {
        let exponent = |table: &toml::Table| match table.get("zipf") {
            Some(Value::Float(exponent)) if table.len() == 1 => Some(*exponent),
            Some(Value::Integer(exponent)) if table.len() == 1 => Some(*exponent as f64),
            _ => None,
        };
        match value.get_ref() {
            Value::String(name) if name == "even" => return Popularity::Even,
            Value::Table(table) => match exponent(table) {
                Some(exponent) if exponent > 0.0 && exponent <= 5.0 => {
                    return Popularity::Zipf(exponent);
                }
                _ => {}
            },
            _ => {}
        }
        self.problems.at(
            value.span(),
            "`popularity` must be \"even\" or { zipf = 1.1 }, with an exponent above 0 and at most 5"
                .to_owned(),
        );
        Popularity::Even
    }

    fn trace(&mut self, file: &TraceFile) -> Trace {
        let speed = *file.speed.get_ref();
        if !(1e-6..=1e6).contains(&speed) {
            self.problems.at(
                file.speed.span(),
                format!("`speed` must be from 0.000001 to 1000000, found {speed}"),
            );
        }
        Trace { file: file.file.get_ref().into(), speed, rows: Arc::default() }
    }

    fn phase(&mut self, file: &PhaseFile) -> Phase {
        let number = |value: &Value| match value {
            Value::Float(number) => Some(*number),
            Value::Integer(number) => Some(*number as f64),
            _ => None,
        };
        let rate = match file.rate.get_ref() {
            Value::Array(ends) => match ends.as_slice() {
                [from, to] => number(from).zip(number(to)).map(|(from, to)| [from, to]),
                _ => None,
            },
            value => number(value).map(|rate| [rate; 2]),
        };
        let rate = rate.filter(|ends| ends.iter().all(|end| (0.0..=1e6).contains(end)));
        if rate.is_none() {
            self.problems.at(
                file.rate.span(),
                "`rate` must be by what rates are multiplied, from 0 (nothing) on, or a ramp such \
                 as [1, 10]"
                    .to_owned(),
            );
        }
        if file.name.get_ref().trim().is_empty() {
            self.problems.at(
                file.name.span(),
                "`name` of a phase must not be empty: reports call it so".to_owned(),
            );
        }
        Phase {
            name: file.name.get_ref().trim().to_owned(),
            duration: self.duration("duration", &file.duration, TICK..=12 * HOUR),
            rate: rate.unwrap_or([1.0; 2]),
        }
    }

    fn rate(&mut self, rate: &Spanned<f64>) -> f64 {
        let events_per_second = *rate.get_ref();
        let max = f64::from(MAX_EVENTS_PER_SECOND);
        // Below the least rate not even one event falls into the longest duration.
        let min = HOUR.as_secs_f64().recip() / 12.0;
        if (min..=max).contains(&events_per_second) {
            return events_per_second;
        }
        let bound = if events_per_second > max {
            format!("at most {MAX_EVENTS_PER_SECOND}")
        } else if events_per_second > 0.0 {
            "at least one in 12 hours (0.000024)".to_owned()
        } else {
            "a number above 0".to_owned()
        };
        self.problems.at(
            rate.span(),
            format!("`events_per_second` must be {bound}, found {events_per_second}"),
        );
        max
    }
}
