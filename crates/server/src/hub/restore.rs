//! What a journal has to know of the channels, and how they are brought back when a server starts: before
//! anybody uses them. It knows no file.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::channel::Channel;
use super::log::Log;
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

/// An event, and its channel.
pub(crate) type Kept = (Arc<Channel>, Arc<Event>);

/// Ids that may have been lost are skipped in steps of this many, as a power of two: more than a log keeps.
const SKIP_BITS: u32 = 32;

/// How many times it is remembered what was skipped.
const SKIPS_KEPT: usize = 16;

impl HubState {
    /// Another channel was removed, whose last event had this place.
    pub(crate) fn note_removed(&mut self, Place { id, position }: Place) {
        let last = &mut self.last_removed;
        *last = Place { id: last.id.max(id), position: last.position.max(position) };
    }
}

impl Hub {
    /// As it is now.
    pub(crate) fn state(&self) -> HubState {
        let channels: Vec<_> = self.channels().values().map(Arc::clone).collect();
        self.state_with(self.order.last(), channels.iter().map(|channel| channel.state()).collect())
    }

    /// As it was before all events that are kept, and these, in their order, with their channels. Of each
    /// channel, both are of the same moment: events may go at any time, and new ones come.
    pub(crate) fn kept(&self) -> (HubState, Vec<Kept>) {
        let channels: Vec<_> = self.channels().values().map(Arc::clone).collect();
        let mut kept = Vec::new();
        let states: Vec<_> = channels.iter().map(|channel| channel.kept(&mut kept)).collect();
        kept.sort_unstable_by_key(|(_, event)| event.position());
        let last_position = states.iter().map(|state| state.from.position).max();
        (self.state_with(last_position.unwrap_or_default(), states), kept)
    }

    /// Channels that were removed since their states were taken count twice, which harms nobody.
    fn state_with(&self, last_position: u64, channels: Vec<ChannelState>) -> HubState {
        let (last_removed, skipped) = (*self.last_removed(), self.order.skipped().to_vec());
        HubState { last_removed, last_position, skipped, channels }
    }

    /// The position of the oldest event that is kept.
    pub(crate) fn oldest_position(&self) -> Option<u64> {
        let channels = self.channels();
        channels.values().filter_map(|channel| Some(channel.log().events.front()?.position())).min()
    }

    /// The channel of this name as it was before, or one whose first event comes `after` another.
    /// Where there are too many, the one goes whose events came longest ago. None where there is no memory for it.
    pub(crate) fn restore(
        &self,
        name: &str,
        after: Place,
        state: &mut HubState,
    ) -> Option<Arc<Channel>> {
        let found = self.channels().get(name).map(Arc::clone);
        let channel = match found {
            Some(channel) => channel,
            None => {
                let held = self.reserve(CHANNEL_BYTES, Need::Input)?;
                let is_begin = state.skipped.iter().any(|skip| skip.to == after.id);
                let channel =
                    self.new_channel(name, after, if is_begin { after.id } else { 0 }, held);
                let mut channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
                while channels.len() >= self.limits.max_channels {
                    let oldest = channels.iter().min_by_key(|(_, channel)| channel.last_used());
                    let oldest = oldest.map(|(name, _)| name.clone())?;
                    if let Some(removed) = channels.remove(&oldest) {
                        state.note_removed(removed.last_place());
                        self.forgotten.fetch_add(removed.size().0, Ordering::Relaxed);
                    }
                }
                channels.insert(name.into(), Arc::clone(&channel));
                channel
            }
        };
        // In the order of their events: where there is no room, those go first that were used longest ago.
        channel.touch();
        Some(channel)
    }

    /// Removes all other channels that were brought back: they have been removed before.
    pub(crate) fn keep_only<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let names: HashSet<_> = names.collect();
        let mut channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|name, _| names.contains(&**name));
    }

    /// How many events had to go so that there was room for others.
    pub(crate) fn forgotten(&self) -> usize {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// Goes on behind all that was brought back, which had this state. Where what came last `may_be_lost`,
    /// ids go on far behind it, so that who knows a lost one notices: by one step more than the last time, and so
    /// many at least.
    pub(crate) fn resume(&self, state: &HubState, may_be_lost: Option<u64>) {
        let mut skipped = state.skipped.clone();
        if let Some(least) = may_be_lost {
            let channels = self.channels();
            let ids = channels.values().map(|channel| channel.last_id());
            let others = [state.last_removed.id, state.last_removed.position, state.last_position];
            let skipped_to = skipped.iter().map(|skip| skip.to);
            let above = ids.chain(others).chain(skipped_to).max().unwrap_or_default();
            let step = ((above + (1 << (SKIP_BITS - 1))) >> SKIP_BITS) + 1;
            let to = step.max(least) << SKIP_BITS;
            skipped.push(Skip { after: state.last_position, to });
            let forgotten = skipped.len().saturating_sub(SKIPS_KEPT);
            skipped.drain(..forgotten);
        }
        let base = skipped.last().map_or(0, |skip| skip.to);
        // Of channels that were removed, no event says how far they were.
        let last = state.last_position.max(state.last_removed.position).max(base);
        self.order.resume(last, skipped);
        self.begin_behind(Place {
            id: state.last_removed.id.max(base),
            position: state.last_removed.position.max(base),
        });
        self.base.store(base, Ordering::Relaxed);
        for channel in self.channels().values() {
            channel.log().skip_to = base;
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
    fn state(&self) -> ChannelState {
        let log = self.log();
        self.state_at(&log, log.events.len())
    }

    /// As it was before the events that it has, which are added to `kept`.
    fn kept(self: &Arc<Self>, kept: &mut Vec<Kept>) -> ChannelState {
        let log = self.log();
        kept.extend(log.events.iter().map(|event| (Arc::clone(self), Arc::clone(event))));
        self.state_at(&log, 0)
    }

    fn state_at(&self, log: &Log, events: usize) -> ChannelState {
        let from = log.place_before(events);
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
        let mut state = before.state();
        state.last_position = state.last_position.min(lost_from - 1);
        for (channel, event) in before.kept().1 {
            if event.position() < lost_from {
                let first = Place { id: event.id() - 1, position: event.position() - 1 };
                let channel = after.restore(channel.name(), first, &mut state).unwrap();
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
    fn positions_of_channels_that_were_removed_are_not_used_again() {
        let limits = Limits { channel_idle: std::time::Duration::ZERO, ..LIMITS };
        let before = Hub::new(limits, Memory::new(1 << 20));
        before.channel("a").unwrap().publish([event("x"), event("y")]);
        before.remove_unused();
        let (state, kept) = before.kept();
        assert!(kept.is_empty() && state.channels.is_empty());
        let after = hub();
        after.resume(&state, None);
        assert_eq!(after.order().last(), 2);
    }

    #[test]
    fn what_there_is_no_memory_for_is_gone_like_what_is_too_old() {
        let hub = hub();
        let channel =
            hub.restore("a", Place { id: 4, position: 9 }, &mut HubState::default()).unwrap();
        let place = |id| Place { id, position: id + 5 };
        channel.restore_event(place(5), Some(event("x")));
        channel.restore_event(place(6), None);
        channel.restore_event(place(6), Some(event("again")));
        channel.restore_event(place(7), Some(event("x")));
        assert_eq!(read(&channel, 4), (notice(6, "2"), vec![7]));
    }
}
