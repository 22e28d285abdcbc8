//! What is drawn at random, all of it from the seed of the scenario.

use std::time::Duration;

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::scenario::{Reconnect, ReconnectBy};

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
    /// What the server said last, if it says anything.
    retry: Option<Duration>,
    rng: ChaCha8Rng,
}

impl ReconnectWaits {
    /// Those of the connection with this number.
    #[must_use]
    pub fn new(seed: u64, connection: u32, reconnect: Reconnect) -> Self {
        let rng = generator(seed, Stream::Reconnects { connection });
        Self { reconnect, retry: None, rng }
    }

    /// Takes note of what the server has said in `retry`.
    pub fn is_told(&mut self, retry: Option<Duration>) {
        self.retry = retry.or(self.retry);
    }

    /// Before the next attempt, when so many have failed since it broke. What the server asks for is the same
    /// each time, as WHATWG HTML §9.2.3 has it: to wait longer after a failure is left to the client.
    pub fn next(&mut self, failed: u32) -> Duration {
        if let (ReconnectBy::Server, Some(retry)) = (self.reconnect.by, self.retry) {
            return retry;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits of so many connections before the attempt behind this many failures.
    fn waits(reconnect: Reconnect, connections: u32, failed: u32) -> Vec<f64> {
        let one = |connection| {
            let mut waits = ReconnectWaits::new(1, connection, reconnect);
            waits.is_told(Some(Duration::from_millis(300)));
            (0..=failed).map(|of| waits.next(of)).next_back().unwrap().as_secs_f64()
        };
        (0..connections).map(one).collect()
    }

    /// The largest distance between the distribution of `values` and the uniform one on [0, longest]
    /// (Kolmogorov and Smirnov).
    fn distance_from_uniform(mut values: Vec<f64>, longest: f64) -> f64 {
        values.sort_by(f64::total_cmp);
        let count = values.len() as f64;
        let distances = values.iter().zip(0_u32..).flat_map(|(value, below)| {
            let law = value / longest;
            [law - f64::from(below) / count, f64::from(below + 1) / count - law]
        });
        distances.fold(0.0, f64::max)
    }

    /// "Full jitter": whatever has failed, a wait is uniform on nothing to the longest.
    #[test]
    fn drawn_waits_follow_their_law() {
        const CONNECTIONS: u32 = 2_000;
        // What one of a thousand samples exceeds.
        let limit = 1.95 / f64::from(CONNECTIONS).sqrt();
        let reconnect = Reconnect { jitter: true, ..Reconnect::USUAL };
        for failed in [0, 1, 4, 9] {
            let longest = reconnect.longest(failed).as_secs_f64();
            let distance = distance_from_uniform(waits(reconnect, CONNECTIONS, failed), longest);
            assert!(distance < limit, "{failed}: {distance}, not below {limit}");
            let other = distance_from_uniform(waits(reconnect, CONNECTIONS, failed), longest * 1.1);
            assert!(other > limit, "{failed}: another law is told apart");
        }
        let steady = waits(Reconnect::USUAL, 3, 2);
        assert_eq!(steady, [0.4; 3], "without jitter, it is the longest");
    }

    #[test]
    fn where_the_server_says_so_each_wait_is_what_it_asks_for() {
        let reconnect = Reconnect { jitter: true, by: ReconnectBy::Server, ..Reconnect::USUAL };
        for failed in [0, 3] {
            assert_eq!(waits(reconnect, 3, failed), [0.3; 3]);
        }
        let mut waits = ReconnectWaits::new(1, 0, Reconnect { jitter: false, ..reconnect });
        assert_eq!(waits.next(1), Duration::from_millis(200), "it has said nothing");
        waits.is_told(Some(Duration::ZERO));
        waits.is_told(None);
        assert_eq!(waits.next(1), Duration::ZERO, "what it said last");
    }
}
