//! The channels. Each is one bounded log of events with increasing ids, and wakes those who wait for
//! more. It knows no transport: every subscriber reads the same log by its own cursor.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::watch;

use crate::framing::{Draft, Event};
use crate::inject::Disorder;
use crate::waiters::{Waiter, Waiters};

/// Every channel of one server.
#[derive(Debug)]
pub(crate) struct Hub {
    channels: RwLock<HashMap<Box<str>, Arc<Channel>>>,
    /// Beside `closed` because every delivery looks at it.
    closing: AtomicBool,
    closed: watch::Sender<bool>,
    limits: Limits,
}

/// What bounds a hub; see [`crate::Config`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_channels: usize,
    pub(crate) log_events: usize,
    pub(crate) log_bytes: usize,
}

/// There is no room for one more channel.
#[derive(Debug)]
pub(crate) struct TooManyChannels;

/// What the logs hold together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) channels: usize,
    pub(crate) log_events: usize,
    pub(crate) log_bytes: usize,
}

impl Hub {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            channels: RwLock::default(),
            closing: AtomicBool::new(false),
            closed: watch::Sender::new(false),
            limits,
        }
    }

    /// The channel `name`, which appears on first use.
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

    /// Tells every subscriber, through the wake-up that it waits for anyway, that the server stops.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.closed.send_replace(true);
        for channel in self.channels.read().unwrap_or_else(PoisonError::into_inner).values() {
            channel.waiters.wake_all();
        }
    }

    /// Whether the server stops.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Waits until the server stops.
    pub(crate) async fn closed(&self) {
        // The sender cannot be dropped while `self` is borrowed.
        let _ = self.closed.subscribe().wait_for(|&closed| closed).await;
    }

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
    /// The injector's; it stays empty without one.
    pub(crate) disorder: Mutex<Disorder<Draft>>,
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
    /// The id before that of the oldest event that is still here.
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
            disorder: Mutex::default(),
            limits,
        }
    }

    /// Appends the events and wakes the subscribers once; returns the id of the last one.
    pub(crate) fn publish(&self, drafts: impl IntoIterator<Item = Draft>) -> u64 {
        let last_id = {
            let mut log = self.log();
            for draft in drafts {
                log.last_id += 1;
                let event = Arc::new(Event::new(log.last_id, draft));
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

    /// The id of the newest event, 0 before the first.
    pub(crate) fn last_id(&self) -> u64 {
        self.last_id.load(Ordering::Acquire)
    }

    /// The id before that of the oldest event that is still kept.
    pub(crate) fn before_oldest(&self) -> u64 {
        self.log().before_oldest()
    }

    /// One who is woken with every publish, and when the hub closes.
    pub(crate) fn waiter(&self) -> Waiter {
        Waiter::new(Arc::clone(&self.waiters))
    }

    /// Hands what follows `cursor` to `visit`, oldest first, until it returns false.
    ///
    /// A cursor that is off the log's tail gets the notice of it first, whose id puts it at the
    /// tail. So does a cursor beyond the newest event: it comes from an earlier life of the server,
    /// and nobody knows how much it missed since.
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

    /// A thread that panicked while it held the lock leaves a log that is at worst longer than its
    /// limits, which the next publish corrects.
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

    fn draft(payload: &str) -> Draft {
        Draft::new(None, payload.as_bytes(), false)
    }

    /// Ids of what follows `cursor`, and the notice's payload if there was one.
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
    fn ids_count_up_and_cursors_read_on() {
        let channel = Channel::new(LIMITS);
        assert_eq!(read(&channel, 0), (None, vec![]));
        assert_eq!(channel.publish([draft("a"), draft("b")]), 2);
        assert_eq!(read(&channel, 0), (None, vec![1, 2]));
        assert_eq!(read(&channel, 1), (None, vec![2]));
        assert_eq!(read(&channel, 2), (None, vec![]));
    }

    #[test]
    fn off_the_tail_there_is_a_notice() {
        let channel = Channel::new(LIMITS);
        for _ in 0..5 {
            channel.publish([draft("a")]);
        }
        assert_eq!(read(&channel, 0), (notice(2, "2"), vec![3, 4, 5]));
        assert_eq!(read(&channel, 1), (notice(2, "1"), vec![3, 4, 5]));
        assert_eq!(read(&channel, 2), (None, vec![3, 4, 5]));
    }

    #[test]
    fn a_cursor_of_the_future_starts_again_at_the_oldest() {
        let channel = Channel::new(LIMITS);
        assert_eq!(read(&channel, 9), (notice(0, "null"), vec![]));
        channel.publish([draft("a")]);
        assert_eq!(read(&channel, u64::MAX), (notice(0, "null"), vec![1]));
    }

    #[test]
    fn the_newest_event_stays_however_large() {
        let channel = Channel::new(LIMITS);
        channel.publish([draft("a"), draft(&"x".repeat(1_000))]);
        assert_eq!(read(&channel, 1), (None, vec![2]));
    }

    #[test]
    fn channels_are_bounded_and_counted() {
        let hub = Hub::new(LIMITS);
        hub.channel("a").unwrap().publish([draft("123")]);
        hub.channel("b").unwrap().publish([draft("4567"), draft("")]);
        assert!(hub.channel("c").is_err());
        assert!(hub.channel("a").is_ok(), "those that exist are still there");
        assert_eq!(hub.totals(), Totals { channels: 2, log_events: 3, log_bytes: 7 });
    }

    #[tokio::test]
    async fn closing_wakes_those_who_wait() {
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
        /// order, or is part of what a notice counts; and the log keeps its bounds.
        #[test]
        fn nothing_is_lost_silently(
            steps in proptest::collection::vec((0_usize..6, 0_usize..60, any::<bool>()), 1..40),
        ) {
            let channel = Channel::new(LIMITS);
            let (mut cursor, mut accounted) = (0, 0);
            for (count, size, reads) in steps {
                channel.publish((0..count).map(|_| draft(&"x".repeat(size))));
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
