//! What a journal has to know of the channels, and how they are brought back when a server starts: before
//! anybody uses them. It knows no file.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::channel::Channel;
use super::order::Skip;
use super::{CHANNEL_BYTES, Hub};
use crate::framing::{Event, NewEvent, Place};
use crate::memory::Need;

/// All but the events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HubState {
    pub(crate) last_removed: Place,
    /// The position of the last event of all, as far as it is known.
    pub(crate) last_position: u64,
    /// What was skipped, the last of it last.
    pub(crate) skipped: Vec<Skip>,
    pub(crate) channels: Vec<ChannelState>,
}

/// All of a channel but its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChannelState {
    pub(crate) name: Box<str>,
    /// What the events that follow in the journal come behind.
    pub(crate) from: Place,
    /// Behind this id there are no gaps.
    pub(crate) known_from: u64,
}

/// Ids that may have been lost are skipped in steps of this many, as a power of two: more than a log keeps.
const SKIP_BITS: u32 = 32;

/// How many times it is remembered what was skipped.
const SKIPS_KEPT: usize = 16;

impl Hub {
    /// As it is now; where its events follow, as it was before them.
    pub(crate) fn state(&self, with_events: bool) -> HubState {
        let channels: Vec<_> = self.channels().values().map(Arc::clone).collect();
        let channels: Vec<_> = channels.iter().map(|channel| channel.state(with_events)).collect();
        let last_removed = *self.last_removed();
        let before = channels.iter().map(|channel| channel.from.position);
        let last_position = match with_events {
            true => before.max().unwrap_or_default(),
            false => self.order.last(),
        };
        HubState { last_removed, last_position, skipped: self.order.skipped().to_vec(), channels }
    }

    /// The position of the oldest event that is kept.
    pub(crate) fn oldest_position(&self) -> Option<u64> {
        let channels = self.channels();
        channels.values().filter_map(|channel| Some(channel.log().events.front()?.position())).min()
    }

    /// All events, in their order, with their channels.
    pub(crate) fn events(&self) -> Vec<(Arc<Channel>, Arc<Event>)> {
        let mut events = Vec::new();
        for channel in self.channels().values() {
            let log = channel.log();
            events.extend(log.events.iter().map(|event| (Arc::clone(channel), Arc::clone(event))));
        }
        events.sort_unstable_by_key(|(_, event)| event.position());
        events
    }

    /// The channel of this name as it was before, or one whose first event comes `after` another.
    /// None where there are too many, or no memory for it.
    pub(crate) fn restore(&self, name: &str, after: Place) -> Option<Arc<Channel>> {
        if let Some(channel) = self.channels().get(name) {
            return Some(Arc::clone(channel));
        }
        let mut channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
        if channels.len() >= self.limits.max_channels {
            return None;
        }
        let held = self.memory.reserve(CHANNEL_BYTES, Need::Input)?;
        let channel = self.new_channel(name, after, held);
        channels.insert(name.into(), Arc::clone(&channel));
        Some(channel)
    }

    /// Goes on behind all that was brought back, which had this state. Where what came last `may_be_lost`,
    /// ids go on far behind it, so that who knows a lost one notices. Its number is larger each time: where
    /// nothing is left, it is still known which ids were never used.
    pub(crate) fn resume(&self, state: &HubState, may_be_lost: Option<u64>) {
        let mut skipped = state.skipped.clone();
        if let Some(number) = may_be_lost {
            let channels = self.channels();
            let ids = channels.values().map(|channel| channel.last_id());
            let others = [state.last_removed.id, state.last_removed.position, state.last_position];
            let skipped_to = skipped.iter().map(|skip| skip.to);
            let above = ids.chain(others).chain(skipped_to).max().unwrap_or_default();
            let step = ((above + (1 << (SKIP_BITS - 1))) >> SKIP_BITS) + 1;
            let to = step.max(number) << SKIP_BITS;
            skipped.push(Skip { after: state.last_position, to });
            let forgotten = skipped.len().saturating_sub(SKIPS_KEPT);
            skipped.drain(..forgotten);
        }
        let base = skipped.last().map_or(0, |skip| skip.to);
        let last = state.last_position.max(base);
        self.order.resume(last, skipped);
        self.begin_behind(Place {
            id: state.last_removed.id.max(base),
            position: state.last_removed.position.max(base),
        });
        self.base.store(base, Ordering::Relaxed);
        for channel in self.channels().values() {
            channel.log().skip_to = base;
            // From now on it may become idle for too long.
            channel.touch();
        }
    }

    /// A new log, whose first event has an id and a position behind `base`.
    pub(crate) fn begin_at(&self, base: u64) {
        self.order.resume(base, Vec::new());
        self.begin_behind(Place { id: base, position: base });
        self.base.store(base, Ordering::Relaxed);
    }

    fn begin_behind(&self, place: Place) {
        *self.last_removed() = place;
    }
}

impl Channel {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn state(&self, with_events: bool) -> ChannelState {
        let log = self.log();
        let from = log.place_before(if with_events { 0 } else { log.events.len() });
        let known_from = log.known_from.min(from.id);
        ChannelState { name: self.name.clone(), from, known_from }
    }

    /// What new events come behind.
    pub(crate) fn next_after(&self) -> u64 {
        let log = self.log();
        log.last_id.max(log.skip_to)
    }

    /// Begins where it was, unless it is further by now.
    pub(crate) fn restore_state(&self, state: &ChannelState) {
        let mut log = self.log();
        if state.from.id < log.last_id {
            return;
        }
        log.last_id = state.from.id;
        log.known_from = state.known_from;
        if log.events.is_empty() {
            (log.before_oldest, log.gone_until) = (state.from.id, state.from.position);
        }
        self.show(&log);
    }

    /// Appends an event that was there before; nothing where there is no memory for it. Events come in
    /// their order, and one that is there already is left out.
    pub(crate) fn restore_event(&self, place: Place, event: Option<NewEvent>) {
        let mut too_old = Vec::new();
        let mut log = self.log();
        if place.id <= log.last_id {
            return;
        }
        if place.id != log.last_id + 1 {
            log.known_from = place.id - 1;
        }
        log.last_id = place.id;
        match event {
            Some(event) => {
                let event = Arc::new(Event::new(place, event));
                log.bytes += event.size_bytes();
                log.events.push_back(event);
                log.keep_within(self.limits(), &mut too_old);
            }
            None => {
                log.bytes = 0;
                too_old.extend(log.events.drain(..));
                (log.before_oldest, log.gone_until) = (place.id, place.position);
            }
        }
        self.show(&log);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Limits;
    use crate::hub::channel::tests::{event, notice, read};
    use crate::memory::Memory;

    const LIMITS: Limits = Limits {
        max_channels: 4,
        log_events: 5,
        log_bytes: 100,
        channel_idle: std::time::Duration::from_secs(60),
        slow_policy: crate::SlowPolicy::DropOldest,
    };

    fn hub() -> Hub {
        Hub::new(LIMITS, Memory::new(1 << 20))
    }

    /// What a hub becomes whose events from that position on are lost.
    fn restarted(before: &Hub, lost_from: u64, may_be_lost: Option<u64>) -> Hub {
        let after = hub();
        let mut state = before.state(false);
        state.last_position = state.last_position.min(lost_from - 1);
        for (channel, event) in before.events() {
            if event.position() < lost_from {
                let first = Place { id: event.id() - 1, position: event.position() - 1 };
                let channel = after.restore(channel.name(), first).unwrap();
                channel.restore_event(event.place(), Some(super::tests::event("x")));
            }
        }
        after.resume(&state, may_be_lost);
        after
    }

    #[test]
    fn a_whole_log_goes_on_where_it_was() {
        let before = hub();
        before.channel("a").unwrap().publish((0..7).map(|_| event("x")));
        let after = restarted(&before, u64::MAX, None);
        after.remove_unused();
        let channel = after.channel("a").unwrap();
        assert_eq!(read(&channel, 7), (None, vec![]));
        assert_eq!(channel.publish([event("y")]), 8);
        assert_eq!(read(&channel, 6), (None, vec![7, 8]));
        assert_eq!(read(&channel, 1), (notice(3, "null"), vec![4, 5, 6, 7, 8]));
        assert_eq!(channel.cursor_at(7), 7);
    }

    #[test]
    fn who_had_what_was_lost_is_told_and_gets_nothing_twice() {
        let before = hub();
        before.channel("a").unwrap().publish((0..5).map(|_| event("x")));
        let after = restarted(&before, 4, Some(2));
        let channel = after.channel("a").unwrap();
        assert_eq!(read(&channel, 5), (notice(3, "null"), vec![]), "before there is anything new");
        assert_eq!(read(&channel, 3), (None, vec![]));
        let id = channel.publish([event("y")]);
        assert_eq!(id, (2 << SKIP_BITS) + 1);
        assert_eq!(read(&channel, 3), (None, vec![id]), "nothing is missing");
        assert_eq!(read(&channel, 4), (notice(3, "null"), vec![id]));
        assert_eq!(read(&channel, 5), (notice(3, "null"), vec![id]));
        assert_eq!(read(&channel, 1), (None, vec![2, 3, id]));
        // By positions, as subscribers of several channels have them.
        assert_eq!(channel.cursor_at(3), 3);
        let lost = channel.cursor_at(5);
        assert_eq!(read(&channel, lost), (notice(3, "null"), vec![id]));
        // A second time nothing was lost, and the first time is still known.
        let again = restarted(&after, u64::MAX, None);
        let channel = again.channel("a").unwrap();
        assert_eq!(channel.publish([event("z")]), id + 1);
        assert_eq!(read(&channel, 5), (notice(3, "null"), vec![id, id + 1]));
        assert_eq!(read(&channel, channel.cursor_at(5)), (notice(3, "null"), vec![id, id + 1]));
    }

    #[test]
    fn a_channel_that_was_lost_whole_is_another_one() {
        let before = hub();
        before.channel("a").unwrap().publish((0..5).map(|_| event("x")));
        let after = restarted(&before, 1, Some(7));
        let channel = after.channel("a").unwrap();
        assert_eq!(read(&channel, channel.cursor_of(0)), (None, vec![]), "who had nothing");
        let id = channel.publish([event("y")]);
        for cursor in [3, 5, channel.cursor_at(5)] {
            assert_eq!(read(&channel, cursor), (notice(id - 1, "null"), vec![id]));
        }
    }

    #[test]
    fn a_new_log_is_not_mistaken_for_the_one_before() {
        let (first, second) = (hub(), hub());
        first.begin_at(1_000);
        second.begin_at(2_000);
        let id = first.channel("a").unwrap().publish([event("x"), event("y")]);
        assert_eq!(id, 1_002);
        let channel = second.channel("a").unwrap();
        let ids: Vec<_> = (2_001..=2_004).collect();
        channel.publish((0..4).map(|_| event("x")));
        assert_eq!(read(&channel, id), (notice(2_000, "null"), ids.clone()));
        assert_eq!(read(&channel, channel.cursor_at(id)), (notice(2_000, "null"), ids.clone()));
        for nothing_yet in [channel.cursor_of(0), channel.cursor_at(0)] {
            assert_eq!(read(&channel, nothing_yet), (None, ids.clone()));
        }
        channel.publish((0..3).map(|_| event("x")));
        assert_eq!(read(&channel, channel.cursor_of(0)).0, notice(2_002, "2"), "counted exactly");
    }

    #[test]
    fn what_there_is_no_memory_for_is_gone_like_what_is_too_old() {
        let hub = hub();
        let channel = hub.restore("a", Place { id: 4, position: 9 }).unwrap();
        let place = |id| Place { id, position: id + 5 };
        channel.restore_event(place(5), Some(event("x")));
        channel.restore_event(place(6), None);
        channel.restore_event(place(6), Some(event("again")));
        channel.restore_event(place(7), Some(event("x")));
        assert_eq!(read(&channel, 4), (notice(6, "2"), vec![7]));
    }
}
