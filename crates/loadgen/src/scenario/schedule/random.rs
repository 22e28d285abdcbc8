//! What is drawn at random, all of it from the seed of the scenario.

use std::time::Duration;

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::scenario::Reconnect;

/// When each subscriber sends its first poll, as an offset within one `interval`.
#[must_use]
pub fn polling_phases(seed: u64, subscribers: u32, interval: Duration) -> Vec<Duration> {
    phases(seed, Stream::PollingPhases, subscribers, interval)
}

/// How long the first long poll of each subscriber is held at most, within one `timeout`. So their
/// timeouts are spread as if they had arrived at random times: in a trial all of them arrive
/// together, and without this no request would time out in its first `timeout`, and then all at
/// once.
#[must_use]
pub fn first_long_poll_timeouts(seed: u64, subscribers: u32, timeout: Duration) -> Vec<Duration> {
    phases(seed, Stream::FirstLongPollTimeouts, subscribers, timeout)
}

/// One point within `interval` for each subscriber.
///
/// Stratified: the interval is cut into one slice per subscriber, each slice holds one random
/// point, and the points are dealt to the subscribers in random order. So the phases are uniform
/// on [0, `interval`), as the theory of polling wants them, with far less scatter than independent
/// draws, and no two runs of neighbours share a slice.
fn phases(seed: u64, stream: Stream, subscribers: u32, interval: Duration) -> Vec<Duration> {
    let mut rng = generator(seed, stream);
    let edge = |slice: u32| {
        let ns = interval.as_nanos() * u128::from(slice) / u128::from(subscribers);
        u64::try_from(ns).unwrap_or(u64::MAX)
    };
    let mut phases: Vec<Duration> = (0..subscribers)
        .map(|slice| {
            let (start, end) = (edge(slice), edge(slice + 1));
            // An interval of fewer nanoseconds than subscribers has slices without a point.
            Duration::from_nanos(if start < end { rng.random_range(start..end) } else { start })
        })
        .collect();
    phases.shuffle(&mut rng);
    phases
}

/// How long one connection waits before it is made again, each time that it broke.
pub struct ReconnectWaits {
    reconnect: Reconnect,
    rng: ChaCha8Rng,
}

impl ReconnectWaits {
    /// Those of the connection with this number.
    #[must_use]
    pub fn new(seed: u64, connection: u32, reconnect: Reconnect) -> Self {
        Self { reconnect, rng: generator(seed, Stream::Reconnects { connection }) }
    }

    /// Before the next attempt, when so many have failed since it broke.
    pub fn next(&mut self, failed: u32) -> Duration {
        let longest = self.reconnect.longest(failed);
        match self.reconnect.jitter {
            true => self.rng.random_range(Duration::ZERO..=longest),
            false => longest,
        }
    }
}

/// What a seed is used for: each use draws from a stream of its own, so that a change in one
/// leaves the others as they were.
#[derive(Clone, Copy)]
pub(in crate::scenario) enum Stream {
    TrialOrder,
    PollingPhases,
    FirstLongPollTimeouts,
    Membership,
    UpstreamArrivals,
    Senders,
    PayloadBytes,
    Arrivals { channel: u32 },
    Reconnects { connection: u32 },
}

pub(in crate::scenario) fn generator(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(match stream {
        Stream::TrialOrder => 0,
        Stream::PollingPhases => 1,
        Stream::FirstLongPollTimeouts => 2,
        Stream::Membership => 3,
        Stream::UpstreamArrivals => 4,
        Stream::Senders => 5,
        Stream::PayloadBytes => 6,
        Stream::Arrivals { channel } => (1 << 32) + u64::from(channel),
        Stream::Reconnects { connection } => (2 << 32) + u64::from(connection),
    });
    rng
}
