//! The channels. Each is a bounded log of events with increasing ids, and wakes those who wait for
//! more. It knows no transport: every subscriber reads the same log with its own cursor.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::watch;

use crate::framing::{Event, NewEvent};
use crate::inject::SequenceFaults;
use crate::waiters::{Waiter, Waiters};

/// Every channel of one server.
#[derive(Debug)]
pub(crate) struct Hub {
    channels: RwLock<HashMap<Box<str>, Arc<Channel>>>,
    /// The same as `closed`, but cheap enough to check with every delivery.
    closing: AtomicBool,
    closed: watch::Sender<bool>,
    limits: Limits,
}

/// The limits of a hub; see [`crate::Config`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_channels: usize,
    pub(crate) log_events: usize,
    pub(crate) log_bytes: usize,
}

/// The hub has as many channels as it may have.
#[derive(Debug)]
pub(crate) struct TooManyChannels;

/// What all logs hold together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) channels: usize,
    pub(crate) log_events: usize,
    pub(crate) log_bytes: usize,
}

impl Hub {
    /// A hub without channels.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            channels: RwLock::default(),
            closing: AtomicBool::new(false),
            closed: watch::Sender::new(false),
            limits,
        }
    }

    /// The channel `name`, which is created on first use.
    pub(crate) fn channel(&self, name: &str) -> Result<Arc<Channel>, TooManyChannels> {
        if let Some(channel) =
            self.channels.read().unwrap_or_else(PoisonError::into_inner).get(name)
        {
            return Ok(Arc::clone(channel));
        }
        let mut channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(name) {
            return Ok(Arc::clone(channel));
        }
        if channels.len() >= self.limits.max_channels {
            return Err(TooManyChannels);
        }
        let channel = Arc::new(Channel::new(self.limits));
        channels.insert(name.into(), Arc::clone(&channel));
        Ok(channel)
    }

    /// Tells every subscriber that the server is stopping, by the wake-up that it waits for anyway.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.closed.send_replace(true);
        for channel in self.channels.read().unwrap_or_else(PoisonError::into_inner).values() {
            channel.waiters.wake_all();
        }
    }

    /// Whether the server is stopping.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Waits until the server is stopping.
    pub(crate) async fn closed(&self) {
        // The sender cannot be dropped while `self` is borrowed.
        let _ = self.closed.subscribe().wait_for(|&closed| closed).await;
    }

    /// What all logs hold now.
    pub(crate) fn totals(&self) -> Totals {
        let channels = self.channels.read().unwrap_or_else(PoisonError::into_inner);
        channels.values().fold(
            Totals { channels: channels.len(), ..Totals::default() },
            |sum, channel| {
                let log = channel.log();
                Totals {
                    log_events: sum.log_events + log.events.len(),
                    log_bytes: sum.log_bytes + log.bytes,
                    ..sum
                }
            },
        )
    }
}

/// One channel.
#[derive(Debug)]
pub(crate) struct Channel {
    log: Mutex<Log>,
    /// The id of the newest event, readable without the lock.
    last_id: AtomicU64,
    waiters: Arc<Waiters>,
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
}

impl Log {
    /// The id before that of the oldest event in the log.
    fn before_oldest(&self) -> u64 {
        self.last_id - self.events.len() as u64
    }
}

impl Channel {
    fn new(limits: Limits) -> Self {
        Self {
            log: Mutex::default(),
            last_id: AtomicU64::new(0),
            waiters: Arc::default(),
            sequence_faults: Mutex::default(),
            limits,
        }
    }

    /// Appends the events, wakes the subscribers once and returns the id of the last event.
    pub(crate) fn publish(&self, events: impl IntoIterator<Item = NewEvent>) -> u64 {
        let last_id = {
            let mut log = self.log();
            for event in events {
                log.last_id += 1;
                let event = Arc::new(Event::new(log.last_id, event));
                log.bytes += event.size_bytes();
                log.events.push_back(event);
            }
            while log.events.len() > self.limits.log_events
                || (log.bytes > self.limits.log_bytes && log.events.len() > 1)
            {
                if let Some(event) = log.events.pop_front() {
                    log.bytes -= event.size_bytes();
                }
            }
            self.last_id.store(log.last_id, Ordering::Release);
            log.last_id
        };
        self.waiters.wake_all();
        last_id
    }

    /// The id of the newest event, or 0 before the first.
    pub(crate) fn last_id(&self) -> u64 {
        self.last_id.load(Ordering::Acquire)
    }

    /// The id before that of the oldest event in the log.
    pub(crate) fn before_oldest(&self) -> u64 {
        self.log().before_oldest()
    }

    /// A waiter that is woken by every publish, and when the hub closes.
    pub(crate) fn waiter(&self) -> Waiter {
        Waiter::new(Arc::clone(&self.waiters))
    }

    /// Passes the events after `cursor` to `visit`, oldest first, until it returns false.
    ///
    /// A subscriber that has missed events which are no longer in the log first gets the notice that
    /// it lagged, whose id is that of the last event missed. So does one whose cursor is ahead of the
    /// log: its cursor is from before a restart of the server, and how much it missed is unknown.
    pub(crate) fn read(&self, cursor: u64, mut visit: impl FnMut(Arc<Event>) -> bool) {
        if cursor == self.last_id() {
            return;
        }
        let log = self.log();
        let before_oldest = log.before_oldest();
        let mut from = cursor;
        if !(before_oldest..=log.last_id).contains(&cursor) {
            let missed = before_oldest.checked_sub(cursor);
            from = before_oldest;
            if !visit(Arc::new(Event::lagged(before_oldest, missed))) {
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
mod tests {
    use super::*;
    use crate::framing::Framing;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { max_channels: 2, log_events: 3, log_bytes: 100 };

    fn event(payload: &str) -> NewEvent {
        NewEvent::new(None, payload.as_bytes(), false)
    }

    /// The notice as JSON, if there is one, and the ids of the events after `cursor`.
    fn read(channel: &Channel, cursor: u64) -> (Option<String>, Vec<u64>) {
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

    fn notice(id: u64, missed: &str) -> Option<String> {
        Some(format!(r#"{{"id":{id},"event":"lagged","data":"{{\"missed\":{missed}}}"}}"#))
    }

    #[test]
    fn ids_count_up_and_a_cursor_reads_what_follows_it() {
        let channel = Channel::new(LIMITS);
        assert_eq!(read(&channel, 0), (None, vec![]));
        assert_eq!(channel.publish([event("a"), event("b")]), 2);
        assert_eq!(read(&channel, 0), (None, vec![1, 2]));
        assert_eq!(read(&channel, 1), (None, vec![2]));
        assert_eq!(read(&channel, 2), (None, vec![]));
    }

    #[test]
    fn a_cursor_that_fell_off_the_log_gets_a_notice() {
        let channel = Channel::new(LIMITS);
        for _ in 0..5 {
            channel.publish([event("a")]);
        }
        assert_eq!(read(&channel, 0), (notice(2, "2"), vec![3, 4, 5]));
        assert_eq!(read(&channel, 1), (notice(2, "1"), vec![3, 4, 5]));
        assert_eq!(read(&channel, 2), (None, vec![3, 4, 5]));
    }

    #[test]
    fn a_cursor_ahead_of_the_log_starts_again_at_the_oldest_event() {
        let channel = Channel::new(LIMITS);
        assert_eq!(read(&channel, 9), (notice(0, "null"), vec![]));
        channel.publish([event("a")]);
        assert_eq!(read(&channel, u64::MAX), (notice(0, "null"), vec![1]));
    }

    #[test]
    fn the_newest_event_is_kept_whatever_its_size() {
        let channel = Channel::new(LIMITS);
        channel.publish([event("a"), event(&"x".repeat(1_000))]);
        assert_eq!(read(&channel, 1), (None, vec![2]));
    }

    #[test]
    fn channels_are_bounded_and_counted() {
        let hub = Hub::new(LIMITS);
        hub.channel("a").unwrap().publish([event("123")]);
        hub.channel("b").unwrap().publish([event("4567"), event("")]);
        assert!(hub.channel("c").is_err());
        assert!(hub.channel("a").is_ok(), "existing channels can still be used");
        assert_eq!(hub.totals(), Totals { channels: 2, log_events: 3, log_bytes: 7 });
    }

    #[tokio::test]
    async fn closing_wakes_the_waiters() {
        let hub = Arc::new(Hub::new(LIMITS));
        let mut waiter = hub.channel("a").unwrap().waiter();
        let waiting = tokio::spawn({
            let hub = Arc::clone(&hub);
            async move { std::future::poll_fn(|cx| waiter.poll(cx, || hub.is_closing())).await }
        });
        tokio::task::yield_now().await;
        hub.close();
        waiting.await.unwrap();
    }

    proptest! {
        /// Whatever is published and whenever a subscriber reads: each event arrives once and in
        /// order, or is counted by a notice, and the log stays within its limits.
        #[test]
        fn nothing_is_lost_silently(
            steps in proptest::collection::vec((0_usize..6, 0_usize..60, any::<bool>()), 1..40),
        ) {
            let channel = Channel::new(LIMITS);
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
