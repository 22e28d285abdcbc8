//! One channel: a bounded log of events with increasing ids, which wakes those who wait for more. Every
//! subscriber reads the same log with its own cursor.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Limits;
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
    waiters: Arc<Waiters>,
    /// The id before that of its first event.
    first_id: u64,
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

/// The newest events, oldest first; their ids have no gaps.
#[derive(Debug, Default)]
struct Log {
    events: VecDeque<Arc<Event>>,
    last_id: u64,
    bytes: usize,
    /// The position of the last event that is no longer here.
    gone_until: u64,
}

impl Log {
    /// The id before that of the oldest event in the log.
    fn before_oldest(&self) -> u64 {
        self.last_id - self.events.len() as u64
    }

    /// The place of the last event before the newest, if it is here.
    fn before_newest(&self) -> Option<Place> {
        let event = self.events.get(self.events.len().checked_sub(2)?)?;
        Some(Place { id: event.id(), position: event.position() })
    }

    fn last_position(&self) -> u64 {
        self.events.back().map_or(self.gone_until, |event| event.position())
    }
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
            log: Mutex::new(Log { last_id: first_id, gone_until, ..Log::default() }),
            last_id: AtomicU64::new(first_id),
            before_oldest: AtomicU64::new(first_id),
            waiters: Arc::new(Waiters::new(held.beside(0))),
            first_id,
            last_used: AtomicU64::new(0),
            uses,
            order,
            _held: held,
            sequence_faults: Mutex::default(),
            limits,
        }
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
            for event in events {
                log.last_id += 1;
                let place = Place { id: log.last_id, position: order.next() };
                let event = Arc::new(Event::new(place, event));
                log.bytes += event.size_bytes();
                log.events.push_back(event);
            }
            while log.events.len() > self.limits.log_events
                || (log.bytes > self.limits.log_bytes && log.events.len() > 1)
            {
                if let Some(event) = log.events.pop_front() {
                    log.bytes -= event.size_bytes();
                    log.gone_until = event.position();
                    too_old.push(event);
                }
            }
            self.before_oldest.store(log.before_oldest(), Ordering::Release);
            self.last_id.store(log.last_id, Ordering::Release);
            log.last_id
        };
        self.waiters.wake_all();
        (last_id, too_old)
    }

    /// Whether it never had an event.
    pub(super) fn is_new(&self) -> bool {
        self.last_id() == self.first_id
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

    /// Forgets all events.
    pub(super) fn forget(&self) {
        let events = {
            let mut log = self.log();
            log.bytes = 0;
            log.gone_until = log.last_position();
            self.before_oldest.store(log.last_id, Ordering::Release);
            std::mem::take(&mut log.events)
        };
        // Freed when the log is no longer locked.
        drop(events);
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

    /// The id of the newest event, or 0 before the first.
    pub(crate) fn last_id(&self) -> u64 {
        self.last_id.load(Ordering::Acquire)
    }

    /// The id before that of the oldest event in the log.
    pub(crate) fn before_oldest(&self) -> u64 {
        self.log().before_oldest()
    }

    /// Whether what follows a cursor of this log is no longer in it.
    pub(crate) fn is_beyond(&self, cursor: u64) -> bool {
        cursor < self.before_oldest.load(Ordering::Acquire)
    }

    /// The place of its newest event.
    pub(super) fn last_place(&self) -> Place {
        let log = self.log();
        Place { id: log.last_id, position: log.last_position() }
    }

    /// The id of its last event up to a position among those of all channels. Where that is from
    /// before a restart, or what followed it is no longer here, it is an id of no log.
    pub(crate) fn cursor_at(&self, position: u64) -> u64 {
        let log = self.log();
        if position < log.gone_until || position > self.order.last() {
            return LOST;
        }
        let before = log.events.partition_point(|event| event.position() <= position);
        log.before_oldest() + before as u64
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
        let before_oldest = log.before_oldest();
        let mut from = cursor;
        if !(before_oldest..=log.last_id).contains(&cursor) {
            let is_of_this_log = cursor >= self.first_id;
            let mut last_missed = Place { id: before_oldest, position: log.gone_until };
            let has_fallen_behind = is_of_this_log && cursor < before_oldest;
            if has_fallen_behind && self.limits.slow_policy == SlowPolicy::SkipToNewest {
                last_missed = log.before_newest().unwrap_or(last_missed);
            }
            let missed = before_oldest.checked_sub(cursor).filter(|_| is_of_this_log);
            let missed = missed.map(|missed| missed + (last_missed.id - before_oldest));
            from = last_missed.id;
            if !visit(Arc::new(Event::lagged(last_missed, missed))) {
                return;
            }
        }
        // The difference is at most the length of the log.
        let skip = usize::try_from(from - before_oldest).unwrap_or(usize::MAX);
        for event in log.events.iter().skip(skip) {
            if !visit(Arc::clone(event)) {
                return;
            }
        }
    }

    /// A thread that panics while it holds the lock leaves at worst a log that exceeds its limits,
    /// which the next publish corrects.
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::framing::Framing;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits {
        max_channels: 1,
        log_events: 3,
        log_bytes: 100,
        channel_idle: std::time::Duration::from_secs(1),
        slow_policy: SlowPolicy::DropOldest,
    };

    fn channel() -> Channel {
        channel_of(LIMITS)
    }

    fn channel_of(limits: Limits) -> Channel {
        Channel::new(
            limits,
            Place::default(),
            Arc::default(),
            Arc::default(),
            Reservation::default(),
        )
    }

    pub(in crate::hub) fn event(payload: &str) -> NewEvent {
        NewEvent::new(None, payload.as_bytes(), false, Reservation::default())
    }

    /// The notice as JSON, if there is one, and the ids of the events after `cursor`.
    pub(in crate::hub) fn read(channel: &Channel, cursor: u64) -> (Option<String>, Vec<u64>) {
        let (mut notice, mut ids) = (None, Vec::new());
        channel.read(cursor, |event| {
            if event.is_lagged_notice() {
                notice = Some(String::from_utf8(event.frame(Framing::Json).to_vec()).unwrap());
            } else {
                ids.push(event.id());
            }
            true
        });
        (notice, ids)
    }

    pub(in crate::hub) fn notice(id: u64, missed: &str) -> Option<String> {
        Some(format!(r#"{{"id":{id},"event":"lagged","data":"{{\"missed\":{missed}}}"}}"#))
    }

    #[test]
    fn ids_count_up_and_a_cursor_reads_what_follows_it() {
        let channel = channel();
        assert_eq!(read(&channel, 0), (None, vec![]));
        assert_eq!(channel.publish([event("a"), event("b")]), 2);
        assert_eq!(read(&channel, 0), (None, vec![1, 2]));
        assert_eq!(read(&channel, 1), (None, vec![2]));
        assert_eq!(read(&channel, 2), (None, vec![]));
    }

    #[test]
    fn a_cursor_that_fell_off_the_log_gets_a_notice() {
        let channel = channel();
        for _ in 0..5 {
            channel.publish([event("a")]);
        }
        assert_eq!(read(&channel, 0), (notice(2, "2"), vec![3, 4, 5]));
        assert_eq!(read(&channel, 1), (notice(2, "1"), vec![3, 4, 5]));
        assert_eq!(read(&channel, 2), (None, vec![3, 4, 5]));
    }

    #[test]
    fn whoever_fell_off_may_go_on_with_the_newest() {
        let channel = channel_of(Limits { slow_policy: SlowPolicy::SkipToNewest, ..LIMITS });
        for _ in 0..5 {
            channel.publish([event("a")]);
        }
        assert_eq!(read(&channel, 0), (notice(4, "4"), vec![5]));
        assert_eq!(read(&channel, 1), (notice(4, "3"), vec![5]));
        assert_eq!(read(&channel, 2), (None, vec![3, 4, 5]), "it has not fallen off");
        assert!(channel.is_beyond(1) && !channel.is_beyond(2));
        // Whoever comes from before a restart knows none of them.
        assert_eq!(read(&channel, 9), (notice(2, "null"), vec![3, 4, 5]));
        channel.forget();
        assert_eq!(read(&channel, 0), (notice(5, "5"), vec![]));
        channel.publish([event("a")]);
        assert_eq!(read(&channel, 0), (notice(5, "5"), vec![6]), "the only one is the newest");
    }

    #[test]
    fn a_cursor_ahead_of_the_log_starts_again_at_the_oldest_event() {
        let channel = channel();
        assert_eq!(read(&channel, 9), (notice(0, "null"), vec![]));
        channel.publish([event("a")]);
        assert_eq!(read(&channel, u64::MAX), (notice(0, "null"), vec![1]));
    }

    #[test]
    fn the_newest_event_is_kept_whatever_its_size() {
        let channel = channel();
        channel.publish([event("a"), event(&"x".repeat(1_000))]);
        assert_eq!(read(&channel, 1), (None, vec![2]));
    }

    proptest! {
        /// Whatever is published and whenever a subscriber reads: each event arrives once and in
        /// order, or is counted by a notice, and the log stays within its limits.
        #[test]
        fn nothing_is_lost_silently(
            steps in proptest::collection::vec((0_usize..6, 0_usize..60, any::<bool>()), 1..40),
        ) {
            let channel = channel();
            let (mut cursor, mut accounted) = (0, 0);
            for (count, size, reads) in steps {
                channel.publish((0..count).map(|_| event(&"x".repeat(size))));
                {
                    let log = channel.log();
                    prop_assert!(log.events.len() <= LIMITS.log_events);
                    prop_assert!(log.bytes <= LIMITS.log_bytes || log.events.len() == 1);
                    prop_assert_eq!(log.bytes, log.events.iter().map(|e| e.size_bytes()).sum::<usize>());
                }
                if reads {
                    channel.read(cursor, |event| {
                        if event.is_lagged_notice() {
                            assert!(event.id() > cursor);
                            accounted += event.id() - cursor;
                        } else {
                            assert_eq!(event.id(), cursor + 1);
                            accounted += 1;
                        }
                        cursor = event.id();
                        true
                    });
                    prop_assert_eq!(cursor, channel.last_id());
                    prop_assert_eq!(accounted, channel.last_id());
                }
            }
        }
    }
}
