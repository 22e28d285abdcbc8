//! The order of the events of all channels. Who subscribes to several of them gets their events in it,
//! and so has to remember one number to go on from. It knows no channel.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Numbers events from 1.
#[derive(Debug, Default)]
pub(crate) struct Order {
    appending: Mutex<u64>,
    last: AtomicU64,
    skipped: OnceLock<Box<[Skip]>>,
}

/// Positions that events may have had which a journal lost: those behind `after` up to `to`. New ids are
/// larger than `to`, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) after: u64,
    pub(crate) to: u64,
}

impl Order {
    /// Goes on behind `last`, with positions that were skipped before. Nobody uses it yet.
    pub(super) fn resume(&self, last: u64, skipped: Vec<Skip>) {
        let mut next = self.appending.lock().unwrap_or_else(PoisonError::into_inner);
        *next = next.max(last);
        self.last.store(*next, Ordering::Release);
        // It is set once.
        let _ = self.skipped.set(skipped.into());
    }

    /// What was skipped.
    pub(super) fn skipped(&self) -> &[Skip] {
        self.skipped.get().map_or(&[], |skipped| skipped)
    }

    /// Whether a position is one of those that were skipped, and up to which.
    pub(super) fn skipped_at(&self, position: u64) -> Option<u64> {
        let found = self.skipped().iter().find(|skip| skip.after < position && position <= skip.to);
        found.map(|skip| skip.to)
    }

    /// The position of the newest event that can be read. All before it can be read, too.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Says that all events up to `position`, which somebody else has numbered, can be read.
    pub(crate) fn raise(&self, position: u64) {
        let mut next = self.appending.lock().unwrap_or_else(PoisonError::into_inner);
        if position > *next {
            *next = position;
            self.last.store(position, Ordering::Release);
        }
    }

    /// The right to append events: nobody else has it until it is dropped, and by then they must be
    /// readable.
    pub(super) fn append(&self) -> Appending<'_> {
        let next = self.appending.lock().unwrap_or_else(PoisonError::into_inner);
        Appending { next, last: &self.last }
    }
}

/// The right to append events.
pub(super) struct Appending<'a> {
    next: MutexGuard<'a, u64>,
    last: &'a AtomicU64,
}

impl Appending<'_> {
    /// The position of one more.
    pub(super) fn next(&mut self) -> u64 {
        *self.next += 1;
        *self.next
    }
}

impl Drop for Appending<'_> {
    fn drop(&mut self) {
        self.last.store(*self.next, Ordering::Release);
    }
}
