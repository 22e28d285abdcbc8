//! What subscribers send themselves: all of them together are one stream of events, each of which
//! has a sender.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::Arrivals;
use super::arrivals::{Points, Span};
use super::membership::Membership;
use super::model::Upstream;
use crate::scenario::schedule::{Stream, generator};

/// One of these events, in nominal time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::scenario) struct Sent {
    pub(in crate::scenario) nominal_ns: f64,
    /// The connection that sends it, as [`Membership::connections`] counts them.
    pub(in crate::scenario) connection: u32,
    pub(in crate::scenario) is_measured: bool,
}

/// The events of all subscribers, in their order.
#[derive(Clone)]
pub(in crate::scenario) struct Upstreams {
    membership: Arc<Membership>,
    subscribers: u32,
    times: Times,
    /// In which order subscribers send, where that is not left to chance.
    order: Arc<[u32]>,
    rng: ChaCha8Rng,
    index: u64,
}

#[derive(Clone)]
enum Times {
    /// At equal distances over all subscribers, so that those of each one are at equal distances too.
    Constant { gap_ns: f64, window: [f64; 2] },
    /// At random over all of them; then whose an event is is independent of all others.
    Poisson { points: Box<Points>, warm_up: u32 },
}

impl Upstreams {
    /// `window` is that of the schedule, in nominal nanoseconds.
    pub(in crate::scenario) fn new(
        upstream: &Upstream,
        arrivals: Arrivals,
        subscribers: u32,
        membership: Arc<Membership>,
        window: [f64; 2],
        seed: u64,
    ) -> Self {
        let per_second = upstream.events_per_second * f64::from(subscribers);
        let times = match arrivals {
            Arrivals::Constant => Times::Constant { gap_ns: 1e9 / per_second, window },
            Arrivals::Poisson => {
                let [start, end] = window.map(|ns| Duration::from_nanos(ns as u64));
                let within = |span: Duration| (span.as_secs_f64() * per_second).round() as u32;
                let warm_up = within(start);
                let spans = [
                    Span { end: start, events: warm_up },
                    Span { end, events: within(end.saturating_sub(start)) },
                ];
                let rng = generator(seed, Stream::UpstreamArrivals);
                Times::Poisson { points: Box::new(Points::new(rng, spans)), warm_up }
            }
        };
        let mut rng = generator(seed, Stream::Senders);
        let mut order: Vec<u32> = (0..subscribers).collect();
        order.shuffle(&mut rng);
        Self { membership, subscribers, times, order: order.into(), rng, index: 0 }
    }
}

impl Iterator for Upstreams {
    type Item = Sent;

    fn next(&mut self) -> Option<Sent> {
        let each = self.membership.each() as u64;
        let index = self.index;
        self.index += 1;
        let (nominal_ns, is_measured, subscriber, turn) = match &mut self.times {
            Times::Constant { gap_ns, window: [start, end] } => {
                let at = (index as f64 + 0.5) * *gap_ns;
                if at >= *end {
                    return None;
                }
                let place = (index % u64::from(self.subscribers)) as usize;
                (at, at >= *start, self.order[place], index / u64::from(self.subscribers) % each)
            }
            Times::Poisson { points, warm_up } => {
                let (at, sequence) = points.next()?;
                let subscriber = self.rng.random_range(0..self.subscribers);
                (at, sequence >= *warm_up, subscriber, self.rng.random_range(0..each))
            }
        };
        let connection = u64::from(subscriber) * each + turn;
        Some(Sent { nominal_ns, connection: connection as u32, is_measured })
    }
}
