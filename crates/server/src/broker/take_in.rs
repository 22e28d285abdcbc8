//! What comes from Redis: answers, and events, which are appended to the logs here and nowhere else.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::time::Instant;

use super::catch_up::{Takes, skip};
use super::connect::unexpected;
use super::message::{Encoded, Message, NoEvent, PREFIX, entry_place, split_first};
use super::reads::MOST_EVENTS;
use super::resp::{Parsed, Value, parse, push_command};
use super::serve::{Awaited, Node};
use super::{BrokerMode, Done, Unavailable};
use crate::framing::Place;
use crate::hub::Channel;
use crate::memory::Need;

impl Node<'_> {
    /// Takes in what has come.
    pub(super) fn take_in(&mut self) -> Result<(), String> {
        let Some(inbox) = self.link.take_inbox() else { return Ok(()) };
        let mut taken = 0;
        let (outcome, needed) = loop {
            match parse(&inbox[taken..]) {
                Ok(Parsed::Needs(needed)) => break (Ok(()), needed),
                Ok(Parsed::Whole(value, len)) => {
                    taken += len;
                    if let Err(reason) = self.take(&value) {
                        break (Err(reason), 1);
                    }
                }
                Err(error) => break (Err(error.to_string()), 1),
            }
        };
        self.link.put_back(inbox, taken, needed);
        outcome
    }

    fn take(&mut self, value: &Value<'_>) -> Result<(), String> {
        if let Value::Push(parts) = value {
            return self.pushed(parts);
        }
        self.since = Instant::now();
        match self.awaited.pop_front() {
            None => Err(unexpected(value)),
            Some(Awaited::Pong) => Ok(()),
            Some(Awaited::Published { done, events }) => {
                self.broker.end_publishing(&events);
                self.published(value, done)
            }
            Some(Awaited::Places { channels, done }) => match value.list() {
                Some([order, lasts @ ..]) if lasts.len() == channels.len() => {
                    let order = order.number().ok_or_else(|| unexpected(value))?;
                    self.seen = self.seen.max(order);
                    let lasts: Vec<_> = lasts.iter().map(Value::number).collect();
                    if self.catch_up.is_some() {
                        self.later.push((channels, done));
                    } else {
                        self.place(&channels, &lasts, done);
                    }
                    Ok(())
                }
                _ => {
                    drop(done.map(|done| done.send(Err(self.broker.down()))));
                    Err(unexpected(value))
                }
            },
            Some(Awaited::Missed { channel }) => {
                self.page_came();
                let outcome = self.missed(channel, value);
                self.read_on();
                outcome
            }
            Some(Awaited::History { channel }) => {
                self.page_came();
                let outcome = self.prepend(&channel, value);
                let told = outcome.clone().map_err(|reason| Unavailable::Down(reason.into()));
                self.reads.tell(&channel, &told);
                self.read_on();
                outcome
            }
        }
    }

    fn published(&mut self, value: &Value<'_>, done: Option<Done<u64>>) -> Result<(), String> {
        let (answer, outcome) = match value {
            Value::Error(words) => {
                let words = String::from_utf8_lossy(words).into_owned();
                // The node has to join again.
                let is_over = words.contains("EPOCH") || words.contains("NOSCRIPT");
                let outcome = if is_over { Err(words.clone()) } else { Ok(()) };
                (Err(Unavailable::Refused(words)), outcome)
            }
            _ => match value.number() {
                Some(last_id) => {
                    // A node without subscribers knows of what it has published itself, too.
                    self.seen = self.seen.max(last_id);
                    (Ok(last_id), Ok(()))
                }
                None => (Err(Unavailable::Broke("no id".into())), Err(unexpected(value))),
            },
        };
        // Who asked may have gone.
        drop(done.map(|done| done.send(answer)));
        outcome
    }

    /// Puts channels where Redis says that they are.
    fn place(&mut self, channels: &[Box<str>], lasts: &[Option<u64>], done: Option<Done<()>>) {
        for (name, last) in channels.iter().zip(lasts) {
            let Some(channel) = self.server.hub.existing(name) else { continue };
            let id = last.unwrap_or(self.base);
            // Before its first event nothing of it can be missing, wherever the others are.
            let position = if id == self.base { self.base } else { self.seen };
            let place = Place { id, position };
            if !channel.is_shared() {
                channel.skip_to(self.base, place);
                channel.share();
            } else if place.id > channel.last_id() {
                if channel.last_id() < self.base {
                    // Of what there was before nothing is left, nobody knows how much.
                    channel.skip_to(self.base, Place { id: self.base, position: self.base });
                }
                self.lag(name, &channel, place);
            }
        }
        if self.catch_up.is_none() {
            self.is_settled = true;
            self.server.hub.order().raise(self.seen);
        }
        if let Some(done) = done {
            match &self.catch_up {
                None => drop(done.send(Ok(()))),
                // Who subscribes then finds all of it.
                Some(_) => self.later.push((Vec::new(), Some(done))),
            }
        }
    }

    /// A channel has not got what was published up to `last`.
    fn lag(&mut self, name: &str, channel: &Arc<Channel>, last: Place) {
        if self.broker.config.mode == BrokerMode::Streams {
            let catch_up = self.catch_up.get_or_insert_default();
            if let Takes::ReadFrom(from) = catch_up.learn(name, channel, u64::MAX, last) {
                self.read_missed(name.into(), from);
            }
        } else {
            self.count_missed(skip(channel, self.base, last));
        }
    }

    fn count_missed(&self, events: u64) {
        self.broker.missed.fetch_add(events, Relaxed);
    }

    /// Something was published, or a subscription was confirmed.
    fn pushed(&mut self, parts: &[Value<'_>]) -> Result<(), String> {
        let [kind, topic, message] = parts else { return Ok(()) };
        let (Some(b"message" | b"smessage"), Some(topic), Some(message)) =
            (kind.bytes(), topic.text(), message.bytes())
        else {
            return Ok(());
        };
        let name = topic.strip_prefix(PREFIX).unwrap_or(topic);
        let Some(channel) = self.server.hub.existing(name) else {
            push_command(&mut self.link.outbox, &[self.broker.config.mode.unsubscribe(), topic]);
            return Ok(());
        };
        if !channel.is_shared() {
            // It is where Redis will say that it is.
            return Ok(());
        }
        let message = Message::parse(message).map_err(|error| error.to_string())?;
        if message.epoch != self.epoch {
            return Err("the ids of this deployment were lost".to_owned());
        }
        self.deliver(name, &channel, &message).map_err(|error| error.to_string())
    }

    fn deliver(
        &mut self,
        name: &str,
        channel: &Arc<Channel>,
        message: &Message<'_>,
    ) -> Result<(), NoEvent> {
        let (first, last) = (message.first, message.last());
        self.seen = self.seen.max(last.position);
        let has_gap = first.id > channel.last_id() + 1;
        if has_gap && self.broker.config.mode == BrokerMode::Streams {
            self.catch_up.get_or_insert_default();
        }
        if let Some(catch_up) = &mut self.catch_up {
            match catch_up.learn(name, channel, first.id, last) {
                Takes::Nothing => {}
                Takes::ReadFrom(from) => self.read_missed(name.into(), from),
                Takes::Events => {
                    each(message, |place, event| {
                        let held = self.server.hub.reserve(event.cost(), Need::Input);
                        if let (Some(held), Some(catch_up)) = (held, &mut self.catch_up) {
                            catch_up.add(name, place, event.to_event(held));
                        }
                    })?;
                }
            }
            return Ok(());
        }
        if has_gap {
            let before = Place { id: first.id - 1, position: first.position - 1 };
            self.count_missed(skip(channel, self.base, before));
        }
        let mut events =
            Vec::with_capacity(usize::try_from(message.count).unwrap_or(0).min(MOST_EVENTS));
        let (from, mut is_whole) = (channel.last_id() + 1, true);
        each(message, |place, event| {
            if place.id < from || !is_whole {
                return;
            }
            match self.server.hub.reserve(event.cost(), Need::Input) {
                Some(held) => events.push((place, event.to_event(held))),
                None => is_whole = false,
            }
        })?;
        drop(channel.append_at(events, Some(last.position)));
        if !is_whole {
            // There was no memory for the rest.
            self.count_missed(skip(channel, self.base, last));
        }
        Ok(())
    }

    /// A page of what a channel has missed.
    fn missed(&mut self, name: Box<str>, value: &Value<'_>) -> Result<(), String> {
        let entries = value.list().ok_or_else(|| unexpected(value))?;
        let Some(catch_up) = &mut self.catch_up else { return Ok(()) };
        let mut may_go_on = entries.len() == self.reads.page;
        for value in entries {
            let (place, event) = entry(value).map_err(|error| error.to_string())?;
            self.seen = self.seen.max(place.position);
            match self.server.hub.reserve(event.cost(), Need::Input) {
                Some(held) => catch_up.add(&name, place, event.to_event(held)),
                // There is no memory for the rest.
                None => {
                    may_go_on = false;
                    break;
                }
            }
        }
        if let Some(from) = catch_up.after_page(&name, may_go_on) {
            self.read_missed(name, from);
            return Ok(());
        }
        if let Some(catch_up) = self.catch_up.take_if(|of| of.is_complete()) {
            self.count_missed(catch_up.finish(self.base));
            self.server.hub.order().raise(self.seen);
            self.is_settled = true;
            // What came meanwhile to channels that were no part of it was not taken.
            for (channels, done) in std::mem::take(&mut self.later) {
                self.ask_places(channels, done);
            }
        }
        Ok(())
    }

    fn prepend(&self, name: &str, value: &Value<'_>) -> Result<(), String> {
        let entries = value.list().ok_or_else(|| unexpected(value))?;
        let Some(channel) = self.server.hub.existing(name) else { return Ok(()) };
        let events: Result<Vec<_>, NoEvent> = entries.iter().map(entry).collect();
        let events = events.map_err(|error| error.to_string())?;
        let with_memory = events.into_iter().map_while(|(place, event)| {
            let held = self.server.hub.reserve(event.cost(), Need::Input)?;
            Some((place, event.to_event(held)))
        });
        // Reserving memory may empty logs, this one too: it must not be locked meanwhile.
        let with_memory: Vec<_> = with_memory.collect();
        channel.prepend(with_memory);
        Ok(())
    }
}

/// Passes each event of a message to `visit`.
fn each(message: &Message<'_>, mut visit: impl FnMut(Place, Encoded<'_>)) -> Result<(), NoEvent> {
    let mut rest = message.events;
    for offset in 0..message.count {
        let (event, behind) = split_first(rest)?;
        rest = behind;
        let Place { id, position } = message.first;
        visit(Place { id: id + offset, position: position + offset }, event);
    }
    if rest.is_empty() { Ok(()) } else { Err(NoEvent) }
}

/// An entry of a Redis Stream.
fn entry<'b>(value: &Value<'b>) -> Result<(Place, Encoded<'b>), NoEvent> {
    let Some([id, fields]) = value.list() else { return Err(NoEvent) };
    let Some([_, position, _, event]) = fields.list() else { return Err(NoEvent) };
    let (Some(id), Some(position), Some(event)) = (id.text(), position.number(), event.bytes())
    else {
        return Err(NoEvent);
    };
    let (event, rest) = split_first(event)?;
    if !rest.is_empty() {
        return Err(NoEvent);
    }
    Ok((entry_place(id, position)?, event))
}
