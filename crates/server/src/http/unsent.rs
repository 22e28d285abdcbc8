//! Whether clients take what waits for them, where the library below keeps it and does not say for how long.
//! Nothing is known of a single one: it is enough that something has been there for too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;

/// What waits on one connection: what has come since the last look, and what was there before.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    counts: [AtomicUsize; 2],
    newest: AtomicUsize,
}

impl Unsent {
    /// One more thing that waits.
    pub(super) fn one(self: &Arc<Self>) -> Waiting {
        let since = self.newest.load(Relaxed);
        self.counts[since].fetch_add(1, Relaxed);
        Waiting { all: Arc::clone(self), since }
    }

    /// Whether something waits that was there at the last look already.
    pub(super) fn has_stalled(&self) -> bool {
        let newest = self.newest.load(Relaxed);
        let before = 1 - newest;
        if self.counts[before].load(Relaxed) > 0 {
            return true;
        }
        self.newest.store(before, Relaxed);
        false
    }
}

/// Something that waits, until it is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    all: Arc<Unsent>,
    since: usize,
}

impl Waiting {
    /// `piece`, which waits from now on, until nobody has it any more.
    pub(super) fn piece(&self, piece: Bytes) -> Bytes {
        struct Piece(Bytes, #[expect(dead_code, reason = "waits until it is dropped")] Waiting);
        impl AsRef<[u8]> for Piece {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        Bytes::from_owner(Piece(piece, self.all.one()))
    }

    /// Takes note that a part of it has gone.
    pub(super) fn renew(&mut self) {
        *self = self.all.one();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.all.counts[self.since].fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_two_looks_has_stalled() {
        let unsent = Arc::<Unsent>::default();
        assert!(!unsent.has_stalled());
        let mut waiting = unsent.one();
        assert!(!unsent.has_stalled(), "it has just come");
        assert!(unsent.has_stalled());
        waiting.renew();
        assert!(!unsent.has_stalled(), "a part of it has gone");
        let piece = waiting.piece(Bytes::from_static(b"piece"));
        drop(waiting);
        let part = piece.slice(1..);
        drop(piece);
        assert!(!unsent.has_stalled() && unsent.has_stalled());
        drop(part);
        for _ in 0..5 {
            assert!(!unsent.has_stalled());
        }
    }
}
