//! A channel whose events come from a broker, which has given them their places. It must not know the broker,
//! nor how events come from there. One task alone writes to such a channel.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Channel;
use crate::framing::{Event, NewEvent, Place};

impl Channel {
    /// Whether it gets its events from the broker.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared.load(Ordering::Acquire)
    }

    /// Says that it does from now on, where it stands.
    pub(crate) fn share(&self) {
        self.is_shared.store(true, Ordering::Release);
    }

    /// Appends events that have their places, of which the first has the id behind the last one here, and wakes the
    /// subscribers once. Returns those that are too old for the log now.
    ///
    /// They can be read by who subscribes to several channels once the order of all has got there: up to
    /// `readable`, if that is said.
    pub(crate) fn append_at(
        &self,
        events: impl IntoIterator<Item = (Place, NewEvent)>,
        readable: Option<u64>,
    ) -> Vec<Arc<Event>> {
        self.touch();
        let mut too_old = Vec::new();
        {
            let mut log = self.log();
            for (place, event) in events {
                debug_assert_eq!(place.id, log.last_id + 1, "ids in a log have no gaps");
                log.last_id = place.id;
                let event = Arc::new(Event::new(place, event));
                log.bytes += event.size_bytes();
                log.events.push_back(event);
            }
            log.keep_within(&self.limits, &mut too_old);
            self.show(&log);
        }
        if let Some(position) = readable {
            self.order.raise(position);
        }
        self.waiters.wake_all();
        too_old
    }

    /// Goes on behind `place`: what is before it and not yet received is missed by every subscriber, who is told so.
    /// The first event of all has the id behind `base`.
    pub(crate) fn skip_to(&self, base: u64, place: Place) {
        let events = {
            let mut log = self.log();
            log.bytes = 0;
            log.gone_until = place.position;
            (log.before_oldest, log.last_id, log.known_from) = (place.id, place.id, base);
            log.gap_until = place.id;
            self.first_id.store(base, Ordering::Relaxed);
            self.show(&log);
            std::mem::take(&mut log.events)
        };
        // Freed when the log is no longer locked.
        drop(events);
        // Or who subscribes to several channels could not be told.
        self.order.raise(place.position);
        self.waiters.wake_all();
    }

    /// Puts older events before those of the log, the newest first, as long as their ids follow each other and there
    /// is room. Returns whether any was.
    pub(crate) fn prepend(&self, events: impl IntoIterator<Item = (Place, NewEvent)>) -> bool {
        let mut log = self.log();
        let before = log.events.len();
        for (place, event) in events {
            let before_oldest = log.before_oldest;
            if place.id > before_oldest {
                // Somebody else has brought it.
                continue;
            }
            let event = Event::new(place, event);
            let bytes = log.bytes + event.size_bytes();
            let has_room =
                log.events.len() < self.limits.log_events && bytes <= self.limits.log_bytes;
            if !has_room {
                log.full_at = Some(before_oldest);
            }
            if place.id != before_oldest || !has_room {
                break;
            }
            log.bytes = bytes;
            // Where the one before it is, nobody says: it is before this one.
            log.gone_until = if place.id == self.first_id() + 1 { 0 } else { place.position - 1 };
            log.events.push_front(Arc::new(event));
            log.before_oldest -= 1;
        }
        self.show(&log);
        log.events.len() > before
    }

    /// Whether there may be room for older events.
    pub(crate) fn has_room_before(&self) -> bool {
        let log = self.log();
        log.events.len() < self.limits.log_events
            && log.bytes < self.limits.log_bytes
            && log.full_at != Some(log.before_oldest)
    }

    /// The id before that of its first event of all.
    pub(crate) fn base(&self) -> u64 {
        self.first_id()
    }

    /// Whether everything behind this position, among those of all channels, is in the log.
    pub(crate) fn reaches_back_to(&self, position: u64) -> bool {
        position >= self.log().gone_until
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{channel, event, notice, read};
    use super::*;

    fn at(ids: impl IntoIterator<Item = u64>) -> Vec<(Place, NewEvent)> {
        ids.into_iter().map(|id| (Place { id, position: 10 * id }, event("x"))).collect()
    }

    #[test]
    fn what_was_missed_is_told_exactly() {
        let channel = channel();
        channel.skip_to(0, Place { id: 40, position: 400 });
        assert_eq!(read(&channel, 40), (None, vec![]));
        assert_eq!(read(&channel, 37), (notice(40, "3"), vec![]), "before this node knew of it");
        channel.append_at(at([41, 42]), Some(420));
        assert_eq!(read(&channel, 40), (None, vec![41, 42]));
        channel.skip_to(0, Place { id: 50, position: 500 });
        assert_eq!(read(&channel, 42), (notice(50, "8"), vec![]));
        channel.append_at(at([51]), Some(510));
        assert_eq!(read(&channel, 42), (notice(50, "8"), vec![51]));
        assert_eq!(read(&channel, 50), (None, vec![51]));
    }

    #[test]
    fn what_the_broker_did_not_bring_makes_nobody_slow() {
        let mut limits = super::super::tests::LIMITS;
        limits.slow_policy = crate::SlowPolicy::SkipToNewest;
        let channel = super::super::tests::channel_of(limits);
        channel.append_at(at([1, 2]), Some(20));
        channel.skip_to(0, Place { id: 10, position: 100 });
        channel.append_at(at([11, 12]), Some(120));
        assert_eq!(read(&channel, 2), (notice(10, "8"), vec![11, 12]), "all that there is");
        assert!(!channel.is_beyond(2));
        channel.append_at(at([13, 14, 15]), Some(150));
        assert!(!channel.is_beyond(2) && !channel.is_beyond(9), "even if more has gone since");
        assert!(channel.is_beyond(10), "this one had its events here");
        assert_eq!(read(&channel, 10), (notice(14, "4"), vec![15]));
    }

    #[test]
    fn ids_of_a_broker_that_has_lost_its_data_are_not_mistaken_for_the_old_ones() {
        let channel = channel();
        channel.append_at(at([1, 2]), Some(20));
        channel.skip_to(1_000, Place { id: 1_000, position: 1_000 });
        channel.append_at(at([1_001]), Some(10_010));
        assert_eq!(read(&channel, 2), (notice(1_000, "null"), vec![1_001]));
    }

    #[test]
    fn older_events_are_put_before_the_others_as_long_as_there_is_room() {
        let channel = channel();
        channel.skip_to(0, Place { id: 40, position: 400 });
        channel.append_at(at([41]), Some(410));
        assert!(!channel.reaches_back_to(399));
        assert!(channel.prepend(at([41, 40])), "that which is there is left out");
        assert!(!channel.prepend(at([38])), "ids have no gaps");
        assert!(channel.reaches_back_to(399) && !channel.reaches_back_to(398));
        assert!(channel.has_room_before());
        assert!(channel.prepend(at([39, 38])), "and there is room for three");
        assert!(!channel.has_room_before());
        assert_eq!(read(&channel, 36), (notice(38, "2"), vec![39, 40, 41]));
        assert_eq!(channel.cursor_at(395), 39);
        assert!(!channel.prepend(at([38])));
        let short = super::super::tests::channel();
        short.skip_to(0, Place { id: 3, position: 30 });
        let large = Place { id: 3, position: 30 };
        assert!(!short.prepend([(large, event(&"x".repeat(101)))]));
        assert!(!short.has_room_before(), "it need not be read again");
        short.append_at(at([4]), Some(40));
        assert!(!short.has_room_before());
        let whole = super::super::tests::channel();
        whole.skip_to(0, Place { id: 2, position: 20 });
        assert!(whole.prepend(at([2, 1])));
        assert!(whole.reaches_back_to(0), "there was nothing before");
    }
}
