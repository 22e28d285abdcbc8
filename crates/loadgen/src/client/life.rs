//! Whether the other side owes a connection anything, and since when nothing has come: what a subscriber
//! knows that finds a dead connection by its silence. It must not know how long is too long.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pushbench_wire::clock;

/// What is known of the life of a subscriber's connection.
#[derive(Debug)]
pub(crate) struct Life {
    /// When anything was last read.
    last_read_ns: Arc<AtomicU64>,
    /// How many wait for something on it: a stream always, a poll from its request to the end of its answer.
    waiting: Cell<u32>,
    /// When the last of them began to.
    since_ns: Cell<u64>,
    /// Since when the network carries nothing of it on purpose, if nobody has noticed yet.
    silenced_ns: Cell<Option<u64>>,
}

/// Somebody waits, until this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting(Rc<Life>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

impl Life {
    pub(super) fn new(last_read_ns: Arc<AtomicU64>) -> Rc<Self> {
        let (waiting, since_ns, silenced_ns) = Default::default();
        Rc::new(Self { last_read_ns, waiting, since_ns, silenced_ns })
    }

    /// Says that something is waited for from now on.
    pub(crate) fn waits(self: &Rc<Self>) -> Waiting {
        self.waiting.set(self.waiting.get() + 1);
        self.since_ns.set(clock::now_ns());
        Waiting(Rc::clone(self))
    }

    /// Since when nothing has come that is waited for; none while nothing is.
    pub(crate) fn unheard_since_ns(&self) -> Option<u64> {
        (self.waiting.get() > 0).then(|| self.since_ns.get().max(self.last_read_ns.load(Relaxed)))
    }

    /// Says since when the network carries nothing of what is open now.
    pub(crate) fn is_silenced(&self, since_ns: u64) {
        self.silenced_ns.set(Some(since_ns));
    }

    /// Corrects that time, if nobody has noticed yet.
    pub(crate) fn was_silenced(&self, since_ns: u64) {
        self.silenced_ns.set(self.silenced_ns.get().map(|_| since_ns));
    }

    /// Since when it has been silenced, of which the caller takes notice: nobody else does after it.
    pub(crate) fn notices_silence(&self) -> Option<u64> {
        self.silenced_ns.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_missed_of_who_waits_for_nothing() {
        let life = Life::new(Arc::default());
        assert_eq!(life.unheard_since_ns(), None);
        let before = clock::now_ns();
        let one = life.waits();
        let first = life.unheard_since_ns().unwrap();
        assert!(first >= before);
        let other = life.waits();
        assert!(life.unheard_since_ns().unwrap() >= first, "whoever asks last waits longest");
        drop(one);
        assert!(life.unheard_since_ns().is_some(), "the other still waits");
        drop(other);
        assert_eq!(life.unheard_since_ns(), None);
    }

    #[test]
    fn a_silence_is_noticed_once() {
        let life = Life::new(Arc::default());
        life.was_silenced(5);
        assert_eq!(life.notices_silence(), None, "it was not");
        life.is_silenced(5);
        life.was_silenced(7);
        assert_eq!(life.notices_silence(), Some(7));
        assert_eq!(life.notices_silence(), None);
    }
}
