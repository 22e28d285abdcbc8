//! What a workload is.

use std::time::Duration;

use super::{Arrivals, Content, Fault, PayloadBytes, Reconnect, Slow, Trace};

/// Traffic and its duration.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Subscribers in all; at least 1.
    pub subscribers: u32,
    /// Channels; at least 1, and not more than subscribers have in all.
    pub channels: u32,
    /// Channels of each subscriber; from 1 to `channels`. Whether it has a connection for each is up to
    /// the contender.
    pub channels_per_subscriber: u32,
    /// How subscribers spread over the channels.
    pub popularity: Popularity,
    /// Events per second that the publisher publishes on each channel; 0 where only subscribers send,
    /// or a trace says what comes.
    pub events_per_second: f64,
    /// How they are spread over time, and those of subscribers too.
    pub arrivals: Arrivals,
    /// Whether they come in bursts.
    pub bursts: Option<Bursts>,
    /// Size of an event as published; at least [`pushbench_wire::stamp::STAMP_LEN`].
    pub payload_bytes: PayloadBytes,
    /// What payloads are made of.
    pub content: Content,
    /// What is replayed instead.
    pub trace: Option<Trace>,
    /// What subscribers send to their channels.
    pub upstream: Option<Upstream>,
    /// Parts of the measured window with rates of their own; none when it is one.
    pub phases: Vec<Phase>,
    /// What breaks, in the order of its times; each is over before the next one and before the window.
    pub faults: Vec<Fault>,
    /// How subscribers come back.
    pub reconnect: Reconnect,
    /// Those who read slowly, if there are any.
    pub slow: Option<Slow>,
    /// How long events are measured; holds at least one event, and is at least the interval of
    /// polling, if that is compared. That of all phases.
    pub duration: Duration,
    /// How long events flow before that; at least the interval of polling, if that is compared.
    pub warm_up: Duration,
    /// How long, before the warm-up, all are connected and nothing is published; may be zero.
    pub idle: Duration,
}

/// How popular channels are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Popularity {
    /// All have as many subscribers, give or take one.
    Even,
    /// The n-th has a share of 1/n to this power (Zipf), but one subscriber at least.
    Zipf(f64),
}

/// Events come only while a burst is on; their mean rate stays what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bursts {
    /// How long events come.
    pub on: Duration,
    /// How long none comes after that.
    pub off: Duration,
}

/// A part of the measured window with a rate of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// What reports call it.
    pub name: String,
    /// How long it lasts.
    pub duration: Duration,
    /// By what the rates of the workload are multiplied at its beginning and at its end, and
    /// linearly in between; 0 and 0 is idle.
    pub rate: [f64; 2],
}

impl Phase {
    /// How long its events would take at the rates of the workload.
    #[must_use]
    pub fn nominal(&self) -> Duration {
        self.duration.mul_f64((self.rate[0] + self.rate[1]) / 2.0)
    }
}

/// What every subscriber sends.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Events per second of each subscriber, which goes through its channels in turn; above 0.
    pub events_per_second: f64,
    /// Their size.
    pub payload_bytes: PayloadBytes,
}

impl Workload {
    /// How often an event of every channel is delivered, all together.
    #[must_use]
    pub fn memberships(&self) -> u32 {
        self.subscribers.saturating_mul(self.channels_per_subscriber)
    }

    /// Whether nothing happens but deliveries: nobody sends, nothing breaks and all read.
    #[must_use]
    pub fn only_delivers(&self) -> bool {
        self.upstream.is_none() && self.faults.is_empty() && self.slow.is_none()
    }

    /// Events that the publisher publishes on each channel while it is measured.
    #[must_use]
    pub fn events_per_channel(&self) -> u32 {
        self.events_at(self.events_per_second)
    }

    /// Events that it publishes on each channel before that.
    #[must_use]
    pub fn warm_up_events_per_channel(&self) -> u32 {
        events_within(self.warm_up, self.events_per_second)
    }

    /// The rate of which warm-up and window are whole gaps: that of a channel, or of all subscribers
    /// together where they alone send. None with a trace, or where nothing is published.
    #[must_use]
    pub fn base_rate(&self) -> Option<f64> {
        if self.trace.is_some() {
            return None;
        }
        let sent = self.upstream.as_ref().map(|of| of.events_per_second);
        let published = Some(self.events_per_second).filter(|rate| *rate > 0.0);
        published.or_else(|| Some(sent? * f64::from(self.subscribers)))
    }

    /// Events of something with this mean rate while it is measured.
    pub(in crate::scenario) fn events_at(&self, per_second: f64) -> u32 {
        if self.phases.is_empty() {
            return events_within(self.duration, per_second);
        }
        // Rounded down, so that the last phase ends where it should.
        let nominal_s = self.duration.as_secs_f64() * self.mean_factor();
        (nominal_s * per_second * (1.0 + ROUNDING)) as u32
    }

    /// By what the phases multiply its rates, on average over the window.
    pub(crate) fn mean_factor(&self) -> f64 {
        if self.phases.is_empty() {
            return 1.0;
        }
        let nominal: Duration = self.phases.iter().map(Phase::nominal).sum();
        nominal.div_duration_f64(self.duration)
    }

    /// Changes how long it is measured; phases keep their shares, to the millisecond.
    pub(crate) fn set_duration(&mut self, duration: Duration) {
        let share = duration.div_duration_f64(self.duration);
        self.faults.iter_mut().for_each(|fault| fault.stretch(share));
        for phase in &mut self.phases {
            let ms = phase.duration.as_secs_f64() * share * 1e3;
            phase.duration = Duration::from_millis((ms.round() as u64).max(1));
        }
        self.duration = match &self.phases[..] {
            [] => duration,
            phases => phases.iter().map(|phase| phase.duration).sum(),
        };
    }

    /// Whether it is the same all along, and so may last as long as one likes.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        self.bursts.is_none()
            && self.phases.is_empty()
            && self.trace.is_none()
            && self.faults.is_empty()
    }

    /// The largest event.
    #[must_use]
    pub fn most_payload_bytes(&self) -> usize {
        let sent = self.upstream.as_ref().map(|upstream| upstream.payload_bytes.most());
        let published = match &self.trace {
            Some(trace) => trace.rows.most_bytes(),
            None => self.payload_bytes.most(),
        };
        published.max(sent.unwrap_or(0))
    }
}

/// What is whole but for the rounding of floating point is meant to be whole.
const ROUNDING: f64 = 1e-12;

/// Rounded up, so that a span of whole gaps between events is never shorter than asked.
pub(in crate::scenario) fn events_within(span: Duration, per_second: f64) -> u32 {
    (span.as_secs_f64() * per_second * (1.0 - ROUNDING)).ceil() as u32
}
