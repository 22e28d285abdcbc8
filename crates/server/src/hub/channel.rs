//! One channel: a bounded log of events with increasing ids, which wakes those who wait for more. Every
//! subscriber reads the same log with its own cursor. How one is brought back when a server starts is in
//! `restore`.

mod shared;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Limits;
use super::log::{Log, Missed};
use super::order::Order;
use crate::SlowPolicy;
use crate::framing::{Event, NewEvent, Place};
use crate::inject::SequenceFaults;
use crate::memory::Reservation;
use crate::waiters::{Waiter, Waiters};

/// One channel.
#[derive(Debug)]
pub(crate) struct Channel {
    log: Mutex<Log>,
    /// The id of the newest event, readable without the lock.
    last_id: AtomicU64,
    /// The id before that of the oldest event, likewise.
    before_oldest: AtomicU64,
    /// The id up to which a broker's gap reaches, likewise.
    gap_until: AtomicU64,
    waiters: Arc<Waiters>,
    /// The same at a broker.
    pub(super) name: Box<str>,
    /// The id before that of its first event.
    first_id: AtomicU64,
    /// Where who has had nothing yet begins.
    pub(super) zero: u64,
    /// Belongs to the journal: the id of the last event that is being written.
    pub(crate) planned: AtomicU64,
    /// Whether it gets its events from a broker by now.
    is_shared: AtomicBool,
    /// The use of it that was last: somebody asked for it or published to it.
    last_used: AtomicU64,
    /// Counts the uses of all channels.
    uses: Arc<AtomicU64>,
    /// Numbers the events of all channels.
    order: Arc<Order>,
    _held: Reservation,
    /// Belongs to the injector, and is never used without one.
    pub(crate) sequence_faults: Mutex<SequenceFaults<NewEvent>>,
    limits: Limits,
}

/// The cursor of a subscriber of whom it is not known where it was: it will be told so.
const LOST: u64 = u64::MAX;

impl Channel {
    /// A channel whose first event comes `after` another one. `uses` counts those of all channels.
    pub(super) fn new(
        limits: Limits,
        after: Place,
        uses: Arc<AtomicU64>,
        order: Arc<Order>,
        held: Reservation,
    ) -> Self {
        let Place { id: first_id, position: gone_until } = after;
        Self {
            log: Mutex::new(Log {
                last_id: first_id,
                before_oldest: first_id,
                gone_until,
                known_from: first_id,
                ..Log::default()
            }),
            last_id: AtomicU64::new(first_id),
            before_oldest: AtomicU64::new(first_id),
            gap_until: AtomicU64::new(0),
            waiters: Arc::new(Waiters::new(held.beside(0))),
            name: Box::default(),
            first_id: AtomicU64::new(first_id),
            zero: 0,
            planned: AtomicU64::new(0),
            is_shared: AtomicBool::new(false),
            last_used: AtomicU64::new(0),
            uses,
            order,
            _held: held,
            sequence_faults: Mutex::default(),
            limits,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Appends the events, wakes the subscribers once and returns the id of the last event.
    pub(crate) fn publish(&self, events: impl IntoIterator<Item = NewEvent>) -> u64 {
        self.append(events).0
    }

    /// The same; returns also the events that are too old for the log now.
    pub(crate) fn append(
        &self,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> (u64, Vec<Arc<Event>>) {
        self.touch();
        let mut too_old = Vec::new();
        let last_id = {
            let mut order = self.order.append();
            let mut log = self.log();
            if log.skip_to > log.last_id {
                (log.last_id, log.known_from) = (log.skip_to, log.skip_to);
            }
            for event in events {
                log.last_id += 1;
                let place = Place { id: log.last_id, position: order.next() };
                let event = Arc::new(Event::new(place, event));
                log.bytes += event.size_bytes();
                log.events.push_back(event);
            }
            log.keep_within(&self.limits, &mut too_old);
            self.show(&log);
            log.last_id
        };
        self.waiters.wake_all();
        (last_id, too_old)
    }

    fn first_id(&self) -> u64 {
        self.first_id.load(Ordering::Relaxed)
    }

    /// Whether it never had an event.
    pub(super) fn is_new(&self) -> bool {
        self.last_id() == self.first_id()
    }

    /// Events in the log, and the bytes of their names and payloads.
    pub(super) fn size(&self) -> (usize, usize) {
        let log = self.log();
        (log.events.len(), log.bytes)
    }

    /// Wakes every subscriber.
    pub(super) fn wake_all(&self) {
        self.waiters.wake_all();
    }

    /// Forgets all events. Says how many there were.
    pub(super) fn forget(&self) -> usize {
        let events = {
            let mut log = self.log();
            log.bytes = 0;
            (log.before_oldest, log.gone_until) = (log.last_id, log.last_position());
            self.show(&log);
            std::mem::take(&mut log.events)
        };
        // Freed when the log is no longer locked.
        events.len()
    }

    /// Records that it is used now.
    pub(super) fn touch(&self) {
        let uses = self.uses.fetch_add(1, Ordering::Relaxed) + 1;
        self.last_used.store(uses, Ordering::Relaxed);
    }

    /// The use of it that was last.
    pub(super) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    /// The cursor of a subscriber that says it had the event with this `id`, or none if that is 0.
    pub(crate) fn cursor_of(&self, id: u64) -> u64 {
        if id == 0 { self.zero } else { id }
    }

    /// Lets the ids be read without the lock. Whoever changes them has to.
    pub(super) fn show(&self, log: &Log) {
        // Before what it excuses, or who looks in between would be too slow.
        self.gap_until.store(log.gap_until, Ordering::Release);
        self.before_oldest.store(log.before_oldest, Ordering::Release);
        self.last_id.store(log.last_id, Ordering::Release);
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The id of the newest event, or 0 before the first.
    pub(crate) fn last_id(&self) -> u64 {
        self.last_id.load(Ordering::Acquire)
    }

    /// The id before that of the oldest event in the log.
    pub(crate) fn before_oldest(&self) -> u64 {
        self.log().before_oldest
    }

    /// Whether what follows a cursor of this log is no longer in it, although this server had it.
    pub(crate) fn is_beyond(&self, cursor: u64) -> bool {
        cursor < self.before_oldest.load(Ordering::Acquire)
            && cursor >= self.gap_until.load(Ordering::Acquire)
    }

    /// The place of its newest event.
    pub(super) fn last_place(&self) -> Place {
        let log = self.log();
        Place { id: log.last_id, position: log.last_position() }
    }

    /// The id of its last event up to a position among those of all channels. Where that is from
    /// before a restart, or what followed it is no longer here, it is an id of no log.
    pub(crate) fn cursor_at(&self, position: u64) -> u64 {
        if position == 0 && self.zero > 0 {
            return self.zero;
        }
        if let Some(skipped_to) = self.order.skipped_at(position) {
            // An id that no event has.
            return skipped_to - 1;
        }
        let log = self.log();
        if position < log.gone_until || position > self.order.last() {
            return LOST;
        }
        let before = log.events.partition_point(|event| event.position() <= position);
        log.place_before(before).id
    }

    /// A waiter that is woken by every publish, and when the hub closes.
    pub(crate) fn waiter(&self) -> Waiter {
        Waiter::new(Arc::clone(&self.waiters))
    }

    /// Passes the events after `cursor` to `visit`, oldest first, until it returns false.
    ///
    /// A subscriber that has missed events which are no longer in the log first gets the notice that
    /// it lagged, whose id is that of the last event missed. So does one whose cursor is not of this
    /// log: it is from before the server was restarted, or before a channel of this name was removed,
    /// and how much it missed is unknown.
    pub(crate) fn read(&self, cursor: u64, mut visit: impl FnMut(Arc<Event>) -> bool) {
        if cursor == self.last_id() {
            return;
        }
        let log = self.log();
        let skip = match log.find(cursor) {
            Ok(skip) => skip,
            Err(Missed { mut skip, missed }) => {
                let has_fallen_behind = missed.is_some() && log.is_beyond(cursor);
                if has_fallen_behind && self.limits.slow_policy == SlowPolicy::SkipToNewest {
                    skip = log.events.len().saturating_sub(1);
                }
                let before = log.place_before(skip);
                // Behind an id of this log there are no gaps.
                let missed = missed.map(|_| before.id - cursor);
                if !visit(Arc::new(Event::lagged(before, missed))) {
                    return;
                }
                skip
            }
        };
        for event in log.events.iter().skip(skip) {
            if !visit(Arc::clone(event)) {
                return;
            }
        }
    }

    /// A thread that panics while it holds the lock leaves at worst a log that exceeds its limits,
    /// which the next publish corrects.
    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(super) mod tests;
