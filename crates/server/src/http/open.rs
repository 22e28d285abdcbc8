//! Requests that are not over yet, where a connection has several at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::Config;
use crate::memory::Reservation;

/// Requests of one connection that may be open at the same time: more than a page has streams, and more than
/// RFC 9113 §6.5.2 and RFC 9114 §6.1 advise at least.
pub(super) const MAX_STREAMS: u32 = 256;

/// A request that is not over yet, and what it costs.
pub(super) struct Open {
    all: Arc<AtomicUsize>,
    pub(super) held: Reservation,
}

impl Open {
    /// One more.
    pub(super) fn one(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Relaxed);
        Self { all: Arc::clone(all), held: Reservation::default() }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Relaxed);
    }
}

/// How long a connection has had no open request.
pub(super) struct Idle {
    open: Arc<AtomicUsize>,
    since: Instant,
    was_used: bool,
}

impl Idle {
    /// Of a connection that is new.
    pub(super) fn new(open: &Arc<AtomicUsize>) -> Self {
        Self { open: Arc::clone(open), since: Instant::now(), was_used: false }
    }

    /// Takes note of whether a request is open now.
    pub(super) fn look(&mut self) {
        if self.open.load(Relaxed) > 0 {
            self.was_used = true;
            self.since = Instant::now();
        }
    }

    /// When to look again; none if it has been idle for too long.
    pub(super) fn next_look(&self, config: &Config) -> Option<Instant> {
        let limit = if self.was_used { config.keep_alive } else { config.header_timeout };
        let (deadline, now) = (self.since + limit, Instant::now());
        if self.open.load(Relaxed) == 0 && now >= deadline {
            return None;
        }
        Some(deadline.max(now + config.header_timeout))
    }

    /// When to look first.
    pub(super) fn first_look(&self, within: Duration) -> Instant {
        self.since + within
    }
}
