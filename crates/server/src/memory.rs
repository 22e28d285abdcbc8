//! The account of what clients make the server hold: events, frames, bodies, responses, buffers and
//! connections, each as it costs, the allocator's share included. It knows none of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;

/// What the program needs for itself, however much there is for clients: its code, its threads and what is
/// there before the first of them. A debug build, which has more code, takes 22 MiB, and a release a third of that.
const PROGRAM_BYTES: usize = 24 << 20;

/// The part of the rest of [`crate::Config::max_memory`] that clients may use. What is left is for what the
/// allocator does not give back: each of its arenas keeps what it once needed. In the worst of many
/// experiments with 2 threads, the process grew to 2.1 times what clients held.
const CLIENTS_SHARE: f64 = 0.375;

/// Of the memory of a whole process, what clients may use.
pub(crate) fn for_clients(total: usize) -> usize {
    (total.saturating_sub(PROGRAM_BYTES) as f64 * CLIENTS_SHARE) as usize
}

/// What an allocation costs beside its content.
pub(crate) const ALLOCATION_BYTES: usize = 16;

/// What shared bytes cost beside their content.
pub(crate) const SHARED_BYTES: usize = 112;

/// How much is held, and how much may be.
#[derive(Debug)]
pub(crate) struct Memory {
    used: AtomicUsize,
    limit: usize,
}

/// Who may still have memory when there is little left. What others depend on comes last: with all
/// memory full of events and bodies, those that are there can be delivered, and a server can still be
/// asked how it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// What clients send: events and bodies.
    Input,
    /// What they are sent.
    Output,
    /// That they are connected.
    Connection,
}

impl Memory {
    /// An account of `limit` bytes.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit })
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Bytes that may be in use.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether nothing is left for `need`.
    pub(crate) fn is_full(&self, need: Need) -> bool {
        self.used() > self.limit_for(need)
    }

    /// How much may be in use when there is room again.
    pub(crate) fn is_roomy(&self) -> bool {
        self.used() <= self.limit / 4 * 3
    }

    fn limit_for(&self, need: Need) -> usize {
        let sixteenths = match need {
            Need::Input => 14,
            Need::Output => 15,
            Need::Connection => 16,
        };
        self.limit / 16 * sixteenths
    }

    /// Reserves `bytes`, if they are left for `need`.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: usize, need: Need) -> Option<Reservation> {
        let mut reservation = Reservation { memory: Some(Arc::clone(self)), bytes: 0 };
        reservation.resize(bytes, need).then_some(reservation)
    }
}

/// Memory in use, until this is dropped. The default is none, in nobody's account.
#[derive(Debug, Default)]
pub(crate) struct Reservation {
    memory: Option<Arc<Memory>>,
    bytes: usize,
}

impl Reservation {
    /// How much is reserved.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes this `bytes` large, if that is less or so much is left for `need`.
    pub(crate) fn resize(&mut self, bytes: usize, need: Need) -> bool {
        let Some(memory) = &self.memory else { return true };
        match bytes.checked_sub(self.bytes) {
            Some(more) => {
                let used = memory.used.fetch_add(more, Relaxed) + more;
                if more > 0 && used > memory.limit_for(need) {
                    memory.used.fetch_sub(more, Relaxed);
                    return false;
                }
            }
            None => {
                memory.used.fetch_sub(self.bytes - bytes, Relaxed);
            }
        }
        self.bytes = bytes;
        true
    }

    /// Moves `bytes` of this to a reservation of their own.
    pub(crate) fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { memory: self.memory.clone(), bytes }
    }

    /// Makes this larger by `bytes`, whether they are left or not: for what is small, or cannot be
    /// refused. Whoever adds much has to look at [`Memory::is_full`] before.
    pub(crate) fn add(&mut self, bytes: usize) {
        if let Some(memory) = &self.memory {
            memory.used.fetch_add(bytes, Relaxed);
            self.bytes += bytes;
        }
    }

    /// `bytes` of the same account, likewise.
    pub(crate) fn beside(&self, bytes: usize) -> Self {
        let mut beside = Self { memory: self.memory.clone(), bytes: 0 };
        beside.add(bytes);
        beside
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(memory) = &self.memory {
            memory.used.fetch_sub(self.bytes, Relaxed);
        }
    }
}

impl Clone for Reservation {
    fn clone(&self) -> Self {
        self.beside(self.bytes)
    }
}

/// Makes `bytes` shared, and `held` last as long as any part of them.
pub(crate) fn share(bytes: Vec<u8>, held: Reservation) -> Bytes {
    struct Held {
        bytes: Vec<u8>,
        _held: Reservation,
    }
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }
    Bytes::from_owner(Held { bytes, _held: held })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of which clients may use 1,600, and for input 1,400.
    fn memory() -> Arc<Memory> {
        Memory::new(1_600)
    }

    #[test]
    fn the_program_comes_first_and_the_allocator_has_more_than_clients() {
        assert_eq!(for_clients(PROGRAM_BYTES), 0);
        for total in [48 << 20, 1 << 30, 1 << 50] {
            let limit = for_clients(total);
            assert!(limit > 0 && limit < (total - PROGRAM_BYTES) / 2, "{limit} of {total}");
        }
    }

    #[test]
    fn what_is_dropped_is_free_again() {
        let memory = memory();
        let mut first = memory.reserve(1_000, Need::Input).unwrap();
        assert!(memory.reserve(401, Need::Input).is_none());
        assert!(!first.resize(1_401, Need::Input));
        let part = first.split(300);
        assert_eq!(memory.used(), 1_000);
        drop(first);
        assert_eq!(memory.used(), 300);
        let twice = part.clone();
        let beside = part.beside(50);
        assert_eq!(memory.used(), 650);
        drop((part, twice, beside));
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn connections_get_what_is_left_when_nothing_else_does() {
        let memory = memory();
        let _full = memory.reserve(1_400, Need::Input).unwrap();
        assert!(memory.reserve(1, Need::Input).is_none());
        assert!(!memory.is_full(Need::Output));
        let _output = memory.reserve(100, Need::Output).unwrap();
        assert!(memory.reserve(1, Need::Output).is_none());
        let _connection = memory.reserve(100, Need::Connection).unwrap();
        assert!(memory.reserve(1, Need::Connection).is_none());
        assert!(memory.is_full(Need::Output));
    }

    #[test]
    fn shared_bytes_are_held_as_long_as_a_part_of_them() {
        let memory = memory();
        let bytes = share(vec![b'x'; 100], memory.reserve(100, Need::Output).unwrap());
        let part = bytes.slice(50..);
        drop(bytes);
        assert_eq!(memory.used(), 100);
        drop(part);
        assert_eq!(memory.used(), 0);
    }
}
