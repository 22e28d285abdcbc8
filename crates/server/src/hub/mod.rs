//! The channels of a server: which there are, and what has to go when there are too many or they need
//! too much memory. It knows no transport.

mod channel;
mod log;
mod order;
mod restore;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::SlowPolicy;
use crate::framing::Place;
use crate::memory::{Memory, Need, Reservation};
pub(crate) use channel::Channel;
pub(crate) use order::{Order, Skip};
pub(crate) use restore::{ChannelState, HubState};

/// Every channel of one server.
#[derive(Debug)]
pub(crate) struct Hub {
    channels: RwLock<HashMap<Box<str>, Arc<Channel>>>,
    /// The same as `closed`, but cheap enough to check with every delivery.
    closing: AtomicBool,
    closed: watch::Sender<bool>,
    limits: Limits,
    memory: Arc<Memory>,
    /// Held by whoever makes room, so that others do not empty more than it takes.
    making_room: Mutex<()>,
    /// The largest id and position of the channels that were removed. New ones count on from here, so
    /// that who knew an old one notices.
    last_removed: Mutex<Place>,
    order: Arc<Order>,
    /// The id before that of the first event of all.
    base: AtomicU64,
    /// Counts whenever a channel is used: a clock that costs less than one.
    uses: Arc<AtomicU64>,
    idle: Mutex<Idle>,
    /// Events that went so that there was room.
    forgotten: AtomicUsize,
}

/// How far the uses had got, and when.
#[derive(Debug, Default)]
struct Idle {
    marks: VecDeque<(Instant, u64)>,
    /// What was last used then or before has been idle for too long.
    too_long: u64,
}

/// The least time between two marks.
const MARK_INTERVAL: Duration = Duration::from_secs(1);

/// The limits of a hub; see [`crate::Config`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_channels: usize,
    pub(crate) log_events: usize,
    pub(crate) log_bytes: usize,
    pub(crate) channel_idle: Duration,
    pub(crate) slow_policy: SlowPolicy,
}

/// What the hub has none left of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Channels,
    Memory,
}

/// What a channel costs beside its events and its waiters: itself, its name, and its place among the
/// others.
const CHANNEL_BYTES: usize = 1 << 10;

/// What all logs hold together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) channels: usize,
    pub(crate) log_events: usize,
    pub(crate) log_bytes: usize,
    pub(crate) memory_bytes: usize,
    pub(crate) memory_limit_bytes: usize,
}

impl Hub {
    /// A hub without channels, whose events are accounted for in `memory`.
    pub(crate) fn new(limits: Limits, memory: Arc<Memory>) -> Self {
        Self {
            channels: RwLock::default(),
            closing: AtomicBool::new(false),
            closed: watch::Sender::new(false),
            limits,
            memory,
            making_room: Mutex::default(),
            last_removed: Mutex::default(),
            order: Arc::default(),
            base: AtomicU64::new(0),
            uses: Arc::default(),
            idle: Mutex::default(),
            forgotten: AtomicUsize::new(0),
        }
    }

    /// The channel `name`, which is created on first use.
    pub(crate) fn channel(&self, name: &str) -> Result<Arc<Channel>, Full> {
        let found = self.channels().get(name).map(Arc::clone);
        let channel = match found {
            Some(channel) => channel,
            None => self.create(name)?,
        };
        channel.touch();
        Ok(channel)
    }

    /// The channel `name`, if it is there.
    pub(crate) fn existing(&self, name: &str) -> Option<Arc<Channel>> {
        self.channels().get(name).map(Arc::clone)
    }

    /// The names of all channels.
    pub(crate) fn names(&self) -> Vec<Box<str>> {
        self.channels().keys().cloned().collect()
    }

    fn create(&self, name: &str) -> Result<Arc<Channel>, Full> {
        if self.channels().len() >= self.limits.max_channels {
            self.remove_unused();
        }
        let held = self.reserve(CHANNEL_BYTES, Need::Input).ok_or(Full::Memory)?;
        let mut channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(name) {
            return Ok(Arc::clone(channel));
        }
        if channels.len() >= self.limits.max_channels {
            return Err(Full::Channels);
        }
        let after = *self.last_removed();
        let base = self.base.load(Ordering::Relaxed);
        // Of another one that had its name, nobody knows what was missed.
        let zero = if after.id == base { base } else { 0 };
        let channel = self.new_channel(name, after, zero, held);
        channels.insert(name.into(), Arc::clone(&channel));
        Ok(channel)
    }

    fn new_channel(&self, name: &str, after: Place, zero: u64, held: Reservation) -> Arc<Channel> {
        let (uses, order) = (Arc::clone(&self.uses), Arc::clone(&self.order));
        let mut channel = Channel::new(self.limits, after, uses, order, held);
        channel.name = name.into();
        channel.zero = zero;
        Arc::new(channel)
    }

    /// Removes the channels that nobody uses: at once if they never had an event, and else when they
    /// have been idle for long.
    pub(crate) fn remove_unused(&self) {
        let too_long = self.idle_for_too_long();
        let mut removed = Vec::new();
        let mut channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|_, channel| {
            // Whoever polls a channel that others publish to, at other nodes, relies on it from its first event on.
            let never_needed = channel.is_new() && !channel.is_shared();
            let is_stale = never_needed || channel.last_used() <= too_long;
            // Nobody can get hold of it while the table is locked.
            let keep = !is_stale || Arc::strong_count(channel) > 1;
            if !keep {
                let (place, mut last) = (channel.last_place(), self.last_removed());
                *last = Place {
                    id: last.id.max(place.id),
                    position: last.position.max(place.position),
                };
                removed.push(Arc::clone(channel));
            }
            keep
        });
        drop(channels);
        // Freeing the events takes a while, and nobody has to wait for that.
        drop(removed);
    }

    /// How far the uses had got when what was used then has now been idle for too long.
    fn idle_for_too_long(&self) -> u64 {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.marks.back().is_none_or(|(at, _)| now - *at >= MARK_INTERVAL) {
            idle.marks.push_back((now, self.uses.load(Ordering::Relaxed)));
        }
        while let Some(&(at, uses)) = idle.marks.front()
            && now - at >= self.limits.channel_idle
        {
            idle.too_long = uses;
            idle.marks.pop_front();
        }
        idle.too_long
    }

    /// Reserves `bytes`, for which the logs that were used longest ago are emptied if it must be.
    pub(crate) fn reserve(&self, bytes: usize, need: Need) -> Option<Reservation> {
        self.memory.reserve(bytes, need).or_else(|| {
            self.make_room();
            self.memory.reserve(bytes, need)
        })
    }

    /// Makes `held` larger likewise. Returns whether that was possible.
    pub(crate) fn grow(&self, held: &mut Reservation, bytes: usize, need: Need) -> bool {
        held.resize(bytes, need) || {
            self.make_room();
            held.resize(bytes, need)
        }
    }

    /// Whether there is no memory left for what is sent to clients, and no room can be made.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.memory.is_full(Need::Output) && {
            self.make_room();
            self.memory.is_full(Need::Output)
        }
    }

    /// Empties the logs that were used longest ago. Their subscribers are told what they missed.
    fn make_room(&self) {
        let _only = self.making_room.lock().unwrap_or_else(PoisonError::into_inner);
        let mut channels: Vec<_> = self.channels().values().map(Arc::clone).collect();
        channels.sort_by_cached_key(|channel| channel.last_used());
        for channel in channels {
            if self.memory.is_roomy() {
                break;
            }
            self.forgotten.fetch_add(channel.forget(), Ordering::Relaxed);
        }
    }

    fn last_removed(&self) -> MutexGuard<'_, Place> {
        self.last_removed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What numbers the events of all channels.
    pub(crate) fn order(&self) -> &Arc<Order> {
        &self.order
    }

    fn channels(&self) -> RwLockReadGuard<'_, HashMap<Box<str>, Arc<Channel>>> {
        self.channels.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells every subscriber that the server is stopping, by the wake-up that it waits for anyway.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.closed.send_replace(true);
        for channel in self.channels().values() {
            channel.wake_all();
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
        let channels = self.channels();
        channels.values().fold(
            Totals {
                channels: channels.len(),
                memory_bytes: self.memory.used(),
                memory_limit_bytes: self.memory.limit(),
                ..Totals::default()
            },
            |sum, channel| {
                let (events, bytes) = channel.size();
                Totals {
                    log_events: sum.log_events + events,
                    log_bytes: sum.log_bytes + bytes,
                    ..sum
                }
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::channel::tests::{event, notice, read};
    use super::*;
    use crate::framing::NewEvent;

    const HOUR: Duration = Duration::from_secs(3_600);
    const LIMITS: Limits = Limits {
        max_channels: 2,
        log_events: 3,
        log_bytes: 100,
        channel_idle: HOUR,
        slow_policy: SlowPolicy::DropOldest,
    };

    fn hub() -> Hub {
        Hub::new(LIMITS, Memory::new(1 << 20))
    }

    #[test]
    fn channels_are_bounded_and_counted() {
        let hub = hub();
        hub.channel("a").unwrap().publish([event("123")]);
        hub.channel("b").unwrap().publish([event("4567"), event("")]);
        assert!(hub.channel("c").is_err());
        assert!(hub.channel("a").is_ok(), "existing channels can still be used");
        let totals = hub.totals();
        assert_eq!((totals.channels, totals.log_events, totals.log_bytes), (2, 3, 7));
    }

    #[tokio::test(start_paused = true)]
    async fn unused_channels_go_and_are_not_mistaken_for_new_ones() {
        let hub = hub();
        hub.channel("a").unwrap().publish([event("1"), event("2")]);
        hub.channel("b").unwrap();
        assert!(hub.channel("c").is_ok(), "nobody uses b, which has no event");
        assert!(hub.channel("d").is_ok());
        let used = hub.channel("d").unwrap();
        assert_eq!(hub.channel("e").unwrap_err(), Full::Channels);
        hub.remove_unused();
        tokio::time::advance(HOUR / 2).await;
        hub.remove_unused();
        assert_eq!((hub.totals().channels, hub.totals().log_events), (2, 2));
        tokio::time::advance(HOUR).await;
        hub.remove_unused();
        assert_eq!(hub.totals().channels, 1, "d has a subscriber");
        drop(used);
        let again = hub.channel("a").unwrap();
        assert_eq!(again.publish([event("3")]), 3);
        assert_eq!(read(&again, 1), (notice(2, "null"), vec![3]));
        assert_eq!(read(&again, 2), (None, vec![3]));
    }

    #[test]
    fn the_logs_used_longest_ago_make_room() {
        let hub = Hub::new(Limits { log_events: 99, ..LIMITS }, Memory::new(100_000));
        let publish = |channel: &Channel| {
            let held = hub.reserve(10_000, Need::Input)?;
            Some(channel.publish([NewEvent::new(None, b"", false, held)]))
        };
        let (old, new) = (hub.channel("old").unwrap(), hub.channel("new").unwrap());
        for _ in 0..4 {
            publish(&old).unwrap();
            publish(&new).unwrap();
        }
        assert_eq!(publish(&new), Some(5));
        assert_eq!((old.size().0, new.size().0), (0, 5));
        assert_eq!(read(&old, 1), (notice(4, "3"), vec![]), "its subscribers are told");
        assert!(hub.reserve(100_000, Need::Input).is_none(), "more than there can be");
        assert!(!hub.is_out_of_memory());
    }

    #[tokio::test]
    async fn closing_wakes_the_waiters() {
        let hub = Arc::new(hub());
        let mut waiter = hub.channel("a").unwrap().waiter();
        let waiting = tokio::spawn({
            let hub = Arc::clone(&hub);
            async move { std::future::poll_fn(|cx| waiter.poll(cx, || hub.is_closing())).await }
        });
        tokio::task::yield_now().await;
        hub.close();
        waiting.await.unwrap();
    }
}
