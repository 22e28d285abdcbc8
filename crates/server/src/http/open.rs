//! Requests that are not over yet, where a connection has several at once.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::time::Duration;

use tokio::time::Instant;

use crate::Config;
use crate::memory::Reservation;

/// Requests of one connection that may be open at the same time: more than a page has streams, and more than
/// RFC 9113 §6.5.2 and RFC 9114 §6.1 advise at least.
pub(super) const MAX_STREAMS: u32 = 256;

/// Those of one connection.
pub(super) struct Requests {
    open: AtomicUsize,
    begun: Instant,
    /// When the last one was over, in nanoseconds from the beginning; 0 as long as there has been none.
    ended_ns: AtomicU64,
}

impl Requests {
    /// Of a connection that is new.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            begun: Instant::now(),
            ended_ns: AtomicU64::new(0),
        })
    }

    /// One more.
    pub(super) fn one(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Relaxed);
        Open { all: Arc::clone(self), held: Reservation::default() }
    }

    /// When to look first whether the connection has been idle for too long.
    pub(super) fn first_look(&self, config: &Config) -> Instant {
        self.begun + config.header_timeout
    }

    /// When to look again; none if it has been idle for too long.
    pub(super) fn next_look(&self, config: &Config) -> Option<Instant> {
        let now = Instant::now();
        if self.open.load(Acquire) > 0 {
            // It may be idle from now on.
            return Some(now + config.keep_alive);
        }
        let deadline = match self.ended_ns.load(Relaxed) {
            0 => self.begun + config.header_timeout,
            ended => self.begun + Duration::from_nanos(ended) + config.keep_alive,
        };
        (now < deadline).then_some(deadline)
    }
}

/// A request that is not over yet, and what it costs.
pub(super) struct Open {
    all: Arc<Requests>,
    pub(super) held: Reservation,
}

impl Drop for Open {
    fn drop(&mut self) {
        let since = self.all.begun.elapsed().as_nanos();
        let since = u64::try_from(since).unwrap_or(u64::MAX).max(1);
        self.all.ended_ns.fetch_max(since, Relaxed);
        // Whoever sees that none is open sees when the last one ended.
        self.all.open.fetch_sub(1, AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_the_end_of_its_last_request_on() {
        let config = Config { keep_alive: 10 * SECOND, ..Config::default() };
        let (requests, begun) = (Requests::new(), Instant::now());
        let (first, second) = (requests.one(), requests.one());
        tokio::time::advance(3 * SECOND).await;
        drop(first);
        assert_eq!(requests.next_look(&config), Some(begun + 13 * SECOND), "one is still open");
        tokio::time::advance(SECOND).await;
        drop(second);
        // Nobody looks for a while.
        tokio::time::advance(5 * SECOND).await;
        assert_eq!(requests.next_look(&config), Some(begun + 14 * SECOND));
        tokio::time::advance(5 * SECOND).await;
        assert_eq!(requests.next_look(&config), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_has_as_long_as_for_a_head() {
        let config = Config { header_timeout: SECOND, ..Config::default() };
        let requests = Requests::new();
        let first = requests.first_look(&config);
        assert_eq!(requests.next_look(&config), Some(first));
        tokio::time::advance(SECOND).await;
        assert_eq!(requests.next_look(&config), None);
    }
}
