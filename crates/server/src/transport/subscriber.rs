//! A reader of one channel, or of several at once: what it has received, and what is new to it. It knows
//! no connection.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::framing::{Event, Form, Framing};
use crate::hub::{Channel, Hub, Order};
use crate::memory::{Need, Reservation};
use crate::waiters::Waiter;

/// What a request subscribes to.
pub(crate) enum Channels {
    One(Arc<Channel>),
    Several(Several),
}

/// Channels whose events come in one order, and one number to go on from.
pub(crate) struct Several {
    members: Box<[Member]>,
    order: Arc<Order>,
    /// What [`Subscriber::read`] sorts.
    found: Vec<(usize, Arc<Event>)>,
    _held: Reservation,
}

struct Member {
    channel: Arc<Channel>,
    name: Box<str>,
    /// The id of the last event that was received of it.
    cursor: u64,
}

/// What is kept for sorting: what comes at once is rarely more.
const FOUND_KEPT: usize = 32;

/// How many events of a channel are read at once, at least.
const SHARE_LEAST: usize = 4;

/// What a channel of a subscription costs beside its name.
const MEMBER_BYTES: usize = size_of::<Member>() + size_of::<Waiter>();

impl Channels {
    /// These; none if there is no memory for that.
    pub(crate) fn several(channels: Vec<(Arc<Channel>, Box<str>)>, hub: &Hub) -> Option<Self> {
        let names: usize = channels.iter().map(|(_, name)| name.len()).sum();
        let found = FOUND_KEPT * size_of::<(usize, Arc<Event>)>();
        let bytes = channels.len() * MEMBER_BYTES + names + found;
        let held = hub.reserve(bytes, Need::Connection)?;
        let member = |(channel, name)| Member { channel, name, cursor: 0 };
        Some(Self::Several(Several {
            members: channels.into_iter().map(member).collect(),
            order: Arc::clone(hub.order()),
            found: Vec::new(),
            _held: held,
        }))
    }
}

/// How much is read at once: what goes beyond that is not begun, but one event is read in any case.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

impl Limit {
    /// A limit for events of which each says whether more may follow.
    fn meter(self) -> impl FnMut(&Event) -> bool {
        let (mut events, mut bytes) = (0, 0);
        move |event| {
            events += 1;
            bytes += event.size_bytes();
            events < self.events && bytes < self.bytes
        }
    }
}

/// A reader of channels.
pub(crate) enum Subscriber {
    One {
        channel: Arc<Channel>,
        /// The id of the last event that it has received.
        cursor: u64,
    },
    Several(Several),
}

impl Subscriber {
    /// Starts after `position`; without one, with the next event. Streams start like this, because
    /// their clients ask to be told what happens.
    pub(crate) fn at_or_latest(channels: Channels, position: Option<u64>) -> Self {
        Self::at(channels, position, Channel::last_id)
    }

    /// Starts after `position`; without one, with the oldest event. Polls start like this, because
    /// their clients ask what there is.
    pub(crate) fn at_or_earliest(channels: Channels, position: Option<u64>) -> Self {
        Self::at(channels, position, Channel::before_oldest)
    }

    fn at(channels: Channels, position: Option<u64>, without: fn(&Channel) -> u64) -> Self {
        match channels {
            Channels::One(channel) => {
                let cursor = position.unwrap_or_else(|| without(&channel));
                Self::One { channel, cursor }
            }
            Channels::Several(mut several) => {
                for Member { channel, cursor, .. } in &mut several.members {
                    *cursor = match position {
                        Some(position) => channel.cursor_at(position),
                        None => without(channel),
                    };
                }
                Self::Several(several)
            }
        }
    }

    /// Whether there is anything that this subscriber has not received.
    pub(crate) fn has_new_events(&self) -> bool {
        match self {
            Self::One { channel, cursor } => *cursor != channel.last_id(),
            Self::Several(several) => {
                several.members.iter().any(|of| of.cursor != of.channel.last_id())
            }
        }
    }

    /// Whether events that it has not received are no longer in a log.
    pub(crate) fn has_fallen_behind(&self) -> bool {
        match self {
            Self::One { channel, cursor } => channel.is_beyond(*cursor),
            Self::Several(several) => {
                several.members.iter().any(|of| of.channel.is_beyond(of.cursor))
            }
        }
    }

    /// Passes what it has not received to `visit`, oldest first, with a number for its channel.
    pub(crate) fn read(&mut self, limit: Limit, mut visit: impl FnMut(usize, Arc<Event>)) {
        let mut may_go_on = limit.meter();
        match self {
            Self::One { channel, cursor } => channel.read(*cursor, |event| {
                let more = may_go_on(&event);
                *cursor = event.id();
                visit(0, event);
                more
            }),
            Self::Several(Several { members, order, found, .. }) => {
                // What is newer may be readable in one channel while what comes before it is not yet in
                // another.
                let until = order.last();
                // All together about what may go out, or a backlog would be sorted again for each part of it.
                let share =
                    SHARE_LEAST.max((limit.events / members.len().max(1)).saturating_mul(2));
                let mut goes_on = true;
                while goes_on {
                    // Behind the last one that is read of a channel, others of it may come first.
                    let mut sorted_until = until;
                    goes_on = false;
                    for (index, Member { channel, cursor, .. }) in members.iter().enumerate() {
                        let mut left = share;
                        channel.read(*cursor, |event| {
                            if event.position() > until {
                                return false;
                            }
                            left -= 1;
                            if left == 0 {
                                sorted_until = sorted_until.min(event.position());
                                goes_on = true;
                            }
                            found.push((index, event));
                            left > 0
                        });
                    }
                    found.sort_by_key(|(_, event)| event.position());
                    for (index, event) in found.drain(..) {
                        if event.position() > sorted_until {
                            break;
                        }
                        members[index].cursor = event.id();
                        let more = may_go_on(&event);
                        visit(index, event);
                        if !more {
                            goes_on = false;
                            break;
                        }
                    }
                }
                found.shrink_to(FOUND_KEPT);
            }
        }
    }

    /// The frame of an event of the channel with this number.
    pub(crate) fn frame<'e>(
        &self,
        channel: usize,
        event: &'e Event,
        form: impl Into<Form>,
    ) -> &'e Bytes {
        match self {
            Self::One { .. } => event.frame(form),
            Self::Several(several) => event.labelled_frame(&several.members[channel].name, form),
        }
    }

    /// Whether the compressed frame of an event is there already.
    pub(crate) fn is_deflated(&self, event: &Event, framing: Framing) -> bool {
        event.is_deflated(framing, matches!(self, Self::Several(_)))
    }

    /// The id that its client knows an event by.
    pub(crate) fn id_of(&self, event: &Event) -> u64 {
        match self {
            Self::One { .. } => event.id(),
            Self::Several(_) => event.position(),
        }
    }

    /// Its channel, if it has one only.
    pub(crate) fn only_channel(&self) -> Option<&Arc<Channel>> {
        match self {
            Self::One { channel, .. } => Some(channel),
            Self::Several(_) => None,
        }
    }

    /// What waits for the next event.
    pub(crate) fn waiter(&self) -> SubscriberWaiter {
        match self {
            Self::One { channel, .. } => SubscriberWaiter::One(channel.waiter()),
            Self::Several(several) => SubscriberWaiter::Several(
                several.members.iter().map(|of| of.channel.waiter()).collect(),
            ),
        }
    }
}

/// Waits for events of a subscriber's channels.
pub(crate) enum SubscriberWaiter {
    One(Waiter),
    Several(Box<[Waiter]>),
}

impl SubscriberWaiter {
    /// Completes as soon as `is_due` returns true, as [`Waiter::poll`] does.
    pub(crate) fn poll(&mut self, cx: &Context<'_>, is_due: impl Fn() -> bool) -> Poll<()> {
        match self {
            Self::One(waiter) => waiter.poll(cx, is_due),
            Self::Several(waiters) => {
                for waiter in waiters {
                    // Each registers once. What is due is found below, after all have.
                    let _ = waiter.poll(cx, || false);
                }
                if is_due() { Poll::Ready(()) } else { Poll::Pending }
            }
        }
    }
}

#[cfg(test)]
impl Subscriber {
    /// Where a subscriber of one channel is.
    pub(crate) fn only_cursor(&self) -> u64 {
        match self {
            Self::One { cursor, .. } => *cursor,
            Self::Several(_) => panic!("it has several channels"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::NewEvent;
    use crate::hub::Limits;
    use crate::memory::Memory;

    #[test]
    fn a_backlog_of_several_channels_comes_in_order_and_whole() {
        let limits = Limits {
            max_channels: 9,
            log_events: 1_000,
            log_bytes: 1 << 20,
            channel_idle: std::time::Duration::from_secs(60),
            slow_policy: crate::SlowPolicy::DropOldest,
        };
        let hub = Hub::new(limits, Memory::new(1 << 30));
        let named = |number: usize| {
            let name = number.to_string();
            (hub.channel(&name).unwrap(), name.into_boxed_str())
        };
        let channels: Vec<_> = (0..9).map(named).collect();
        // One of them has most of it, and one has nothing.
        for at in 0..300_usize {
            let number = if at % 3 == 0 { at / 3 % 8 } else { 4 };
            let event = NewEvent::new(None, b"x", false, Reservation::default());
            channels[number].0.publish([event]);
        }
        for events in [1, 5, 16, usize::MAX] {
            let several = Channels::several(channels.clone(), &hub).unwrap();
            let mut subscriber = Subscriber::at_or_earliest(several, None);
            let mut all = Vec::new();
            while subscriber.has_new_events() {
                let before = all.len();
                let limit = Limit { events, bytes: usize::MAX };
                subscriber.read(limit, |_, event| all.push(event.position()));
                let expected = events.min(300 - before);
                assert_eq!(all.len() - before, expected, "as much as may go out");
            }
            assert!(all.iter().copied().eq(1..=300), "{events}: {all:?}");
        }
    }
}
