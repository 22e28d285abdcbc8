//! What a node has missed and reads from Redis Streams, until it has all of it: only then is it appended, with what has
//! come meanwhile, in the order of all channels. It knows no connection.

use std::collections::HashMap;
use std::sync::Arc;

use crate::framing::{NewEvent, Place};
use crate::hub::Channel;

/// A node that is behind.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    channels: HashMap<Box<str>, Behind>,
    /// How many streams are being read.
    reading: usize,
    found: Vec<(Arc<Channel>, Place, NewEvent)>,
}

/// A channel of it.
#[derive(Debug)]
struct Behind {
    channel: Arc<Channel>,
    /// The id of the event that is to come.
    next: u64,
    /// The last one that is known to be there.
    last: Place,
    is_reading: bool,
}

/// What is to be done about a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Its events belong here.
    Events,
    /// The stream has them, from this id on.
    ReadFrom(u64),
    /// They are being read.
    Nothing,
}

impl CatchUp {
    /// Notes that events up to `last` exist, of which the first that has come is `first`.
    pub(super) fn learn(
        &mut self,
        name: &str,
        channel: &Arc<Channel>,
        first: u64,
        last: Place,
    ) -> Takes {
        let behind = self.channels.entry(name.into()).or_insert_with(|| {
            let next = channel.last_id() + 1;
            Behind { channel: Arc::clone(channel), next, last, is_reading: false }
        });
        if last.id > behind.last.id {
            behind.last = last;
        }
        if behind.is_reading {
            return Takes::Nothing;
        }
        if first > behind.next {
            behind.is_reading = true;
            self.reading += 1;
            return Takes::ReadFrom(behind.next);
        }
        Takes::Events
    }

    /// Adds an event, unless it is there.
    pub(super) fn add(&mut self, name: &str, place: Place, event: NewEvent) {
        let Some(behind) = self.channels.get_mut(name) else { return };
        if place.id >= behind.next {
            behind.next = place.id + 1;
            self.found.push((Arc::clone(&behind.channel), place, event));
        }
    }

    /// The id to go on reading from, after a page that was full or was not.
    pub(super) fn after_page(&mut self, name: &str, is_full: bool) -> Option<u64> {
        let behind = self.channels.get_mut(name)?;
        if is_full {
            return Some(behind.next);
        }
        if std::mem::take(&mut behind.is_reading) {
            self.reading -= 1;
        }
        // What the stream does not have, nobody has.
        behind.next = behind.next.max(behind.last.id + 1);
        None
    }

    /// Whether nothing is being read any more.
    pub(super) fn is_complete(&self) -> bool {
        self.reading == 0
    }

    /// Appends all of it. Ids begin behind `base`. Returns how many events nobody has.
    pub(super) fn finish(mut self, base: u64) -> u64 {
        let mut missed = 0;
        self.found.sort_by_key(|(_, place, _)| place.position);
        let mut found = self.found.into_iter().peekable();
        while let Some((channel, place, event)) = found.next() {
            let mut run = vec![(place, event)];
            let mut last = place;
            while let Some((_, place, event)) = found
                .next_if(|(next, place, _)| Arc::ptr_eq(next, &channel) && place.id == last.id + 1)
            {
                last = place;
                run.push((place, event));
            }
            let before = Place { id: place.id - 1, position: place.position - 1 };
            missed += skip(&channel, base, before);
            drop(channel.append_at(run, None));
        }
        for behind in self.channels.into_values() {
            missed += skip(&behind.channel, base, behind.last);
        }
        missed
    }
}

/// Goes on behind `place` where the log does not reach there. Returns how many events are missing.
pub(super) fn skip(channel: &Channel, base: u64, place: Place) -> u64 {
    let missing = place.id.saturating_sub(channel.last_id());
    if missing > 0 {
        channel.skip_to(base, place);
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Hub, Limits};
    use crate::memory::{Memory, Reservation};

    fn place(id: u64, position: u64) -> Place {
        Place { id, position }
    }

    fn event() -> NewEvent {
        NewEvent::new(None, b"x", false, Reservation::default())
    }

    /// A node with two channels, of which it has one event each.
    fn node() -> (Hub, [Arc<Channel>; 2]) {
        let idle = std::time::Duration::from_secs(60);
        let limits = Limits {
            max_channels: 2,
            log_events: 99,
            log_bytes: 1 << 20,
            channel_idle: idle,
            slow_policy: crate::SlowPolicy::DropOldest,
        };
        let hub = Hub::new(limits, Memory::new(1 << 20));
        let channels = ["a", "b"].map(|name| hub.channel(name).unwrap());
        for (channel, position) in channels.iter().zip(1..) {
            channel.append_at([(place(1, position), event())], Some(position));
        }
        (hub, channels)
    }

    /// Ids and positions behind the first event; a notice has what was missed instead.
    fn log(channel: &Channel) -> Vec<(u64, u64)> {
        let mut all = Vec::new();
        channel.read(1, |event| {
            let position = if event.is_lagged_notice() { 0 } else { event.position() };
            all.push((event.id(), position));
            true
        });
        all
    }

    #[test]
    fn what_was_missed_and_what_came_meanwhile_is_appended_in_the_order_of_all() {
        let (hub, [a, b]) = node();
        let mut catch_up = CatchUp::default();
        assert_eq!(catch_up.learn("a", &a, 4, place(4, 7)), Takes::ReadFrom(2));
        assert_eq!(catch_up.learn("a", &a, 5, place(5, 8)), Takes::Nothing, "it is being read");
        assert_eq!(catch_up.learn("b", &b, 2, place(2, 9)), Takes::Events);
        catch_up.add("b", place(2, 9), event());
        catch_up.add("b", place(2, 9), event());
        assert!(!catch_up.is_complete());
        for (id, position) in [(2, 3), (3, 4)] {
            catch_up.add("a", place(id, position), event());
        }
        assert_eq!(catch_up.after_page("a", true), Some(4), "there may be more");
        for (id, position) in [(4, 7), (5, 8)] {
            catch_up.add("a", place(id, position), event());
        }
        assert_eq!((log(&a), log(&b)), (vec![], vec![]), "nobody sees half of it");
        assert_eq!(catch_up.after_page("a", false), None);
        assert!(catch_up.is_complete());
        assert_eq!(catch_up.learn("a", &a, 6, place(6, 10)), Takes::Events, "nothing is missing");
        catch_up.add("a", place(6, 10), event());
        assert_eq!(catch_up.finish(0), 0);
        assert_eq!(log(&a), [(2, 3), (3, 4), (4, 7), (5, 8), (6, 10)]);
        assert_eq!(log(&b), [(2, 9)]);
        assert_eq!(hub.order().last(), 2, "whoever has it says so when all is there");
    }

    #[test]
    fn what_the_stream_does_not_have_is_missed() {
        let (_hub, [a, b]) = node();
        let mut catch_up = CatchUp::default();
        assert_eq!(catch_up.learn("a", &a, 9, place(9, 20)), Takes::ReadFrom(2));
        catch_up.add("a", place(5, 12), event());
        assert_eq!(catch_up.after_page("a", false), None);
        assert_eq!(catch_up.learn("b", &b, u64::MAX, place(3, 21)), Takes::ReadFrom(2));
        assert_eq!(catch_up.after_page("b", false), None);
        assert_eq!(catch_up.finish(0), (4 - 1) + (9 - 5) + (3 - 1));
        assert_eq!(log(&a), [(9, 0)], "what was before the last gap has gone with it");
        assert_eq!(log(&b), [(3, 0)]);
    }
}
