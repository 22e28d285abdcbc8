//! How many connections there may be. It knows no protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Handshakes by QUIC whose clients have not yet shown that they have their addresses. Beyond so many, each
/// one has to show that first.
const MAX_UNPROVEN: usize = 64;

/// The places of all connections.
#[derive(Debug)]
pub(super) struct Places {
    taken: AtomicUsize,
    limit: usize,
    unproven: AtomicUsize,
}

impl Places {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), limit, unproven: AtomicUsize::new(0) })
    }

    /// One of them, if one is free.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        if self.taken.fetch_add(1, Relaxed) < self.limit {
            return Some(Place(Arc::clone(self)));
        }
        self.taken.fetch_sub(1, Relaxed);
        None
    }

    /// Whether one is free.
    pub(super) fn has_free(&self) -> bool {
        self.taken.load(Relaxed) < self.limit
    }

    /// A handshake that takes no place yet, unless there are too many of them.
    pub(super) fn admit_unproven(self: &Arc<Self>) -> Option<Unproven> {
        if self.unproven.fetch_add(1, Relaxed) < MAX_UNPROVEN {
            return Some(Unproven(Arc::clone(self)));
        }
        self.unproven.fetch_sub(1, Relaxed);
        None
    }
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
    }
}

/// A handshake of somebody who may be anybody.
#[derive(Debug)]
pub(super) struct Unproven(Arc<Places>);

impl Unproven {
    /// A place, now that its client has shown that it has its address.
    pub(super) fn prove(self) -> Option<Place> {
        self.0.take()
    }
}

impl Drop for Unproven {
    fn drop(&mut self) {
        self.0.unproven.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unproven_takes_no_place() {
        let places = Places::new(1);
        let mut unproven: Vec<_> =
            std::iter::from_fn(|| places.admit_unproven()).take(1_000).collect();
        assert_eq!(unproven.len(), MAX_UNPROVEN);
        assert!(places.has_free());
        let place = unproven.pop().unwrap().prove().unwrap();
        assert!(places.admit_unproven().is_some(), "one is proven");
        assert!(!places.has_free() && places.take().is_none());
        assert!(unproven.pop().unwrap().prove().is_none());
        drop(place);
        assert!(places.take().is_some());
    }
}
