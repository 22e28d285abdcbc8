//! How much may wait to be acknowledged on one connection by QUIC: little, until somebody needs more and there
//! is memory for it, and little again when nobody does.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::hub::Hub;
use crate::memory::{Need, Reservation};

/// What may wait over all of a connection's streams: what goes out at first (RFC 9002 §7.2).
pub(super) const SEND_WINDOW: usize = 16 << 10;

/// What it grows to where that is too little and there is memory for it. TCP keeps as much in the kernel.
const LARGE_SEND_WINDOW: usize = 256 << 10;

pub(super) struct SendWindow {
    quic: quinn::Connection,
    inner: Mutex<Inner>,
}

struct Inner {
    /// What it costs to be large, if it is.
    large: Option<Reservation>,
    /// Streams whose next piece has no room.
    waiting: usize,
    /// When the last one had none.
    full: Instant,
}

impl SendWindow {
    /// That of `quic`, which is small.
    pub(super) fn new(quic: quinn::Connection) -> Self {
        let inner = Inner { large: None, waiting: 0, full: Instant::now() };
        Self { quic, inner: Mutex::new(inner) }
    }

    /// The connection.
    pub(super) fn quic(&self) -> &quinn::Connection {
        &self.quic
    }

    /// Makes it large, as somebody waits for room. Whatever others depend on comes first.
    pub(super) fn widen(&self, hub: &Hub) -> Widened<'_> {
        let mut inner = self.lock();
        inner.waiting += 1;
        if inner.large.is_none() {
            inner.large = hub.reserve(LARGE_SEND_WINDOW - SEND_WINDOW, Need::Input);
            if inner.large.is_some() {
                self.quic.set_send_window(LARGE_SEND_WINDOW as u64);
            }
        }
        Widened(self)
    }

    /// Makes it small, and gives the memory back, if nobody has waited for `calm`. Then nothing is left there:
    /// what is not acknowledged for as long ends its connection.
    pub(super) fn narrow_after(&self, calm: Duration) {
        let mut inner = self.lock();
        if inner.waiting == 0 && inner.full.elapsed() >= calm && inner.large.take().is_some() {
            self.quic.set_send_window(SEND_WINDOW as u64);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody waits for room, until this is dropped.
pub(super) struct Widened<'a>(&'a SendWindow);

impl Drop for Widened<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.waiting -= 1;
        inner.full = Instant::now();
    }
}
