//! What a node reads from Redis Streams: a page at a time, and few pages at once, whoever wants them. It must not know
//! what becomes of the events.
//!
//! Redis ends a connection that has subscriptions once 32 MiB wait for it, answers to what it has asked among them
//! (`client-output-buffer-limit pubsub`). Who then asked for the same again would be thrown out for ever.

use std::collections::{HashMap, VecDeque};

use super::message::stream_key;
use super::resp::push_command;
use super::serve::{Awaited, Node};
use super::{Done, Unavailable};

/// How many pages are read at once.
const MOST_AT_ONCE: usize = 2;

/// How large one may become: a quarter of what Redis holds back, so that there is room for what is published meanwhile.
const PAGE_BYTES: usize = 8 << 20;

/// What an entry has beside its payload: a name, two ids, and how long each of these is.
const ENTRY_BYTES: usize = 256;

/// How many events a page has at most.
pub(super) const MOST_EVENTS: usize = 1_000;

/// What is to be read.
#[derive(Debug)]
enum Read {
    /// What a channel has missed, from this id on.
    Missed { channel: Box<str>, from: u64 },
    /// What came before its log.
    History { channel: Box<str> },
}

/// What is being read, and what comes then.
#[derive(Debug)]
pub(super) struct Reads {
    /// How many events are read at once.
    pub(super) page: usize,
    in_flight: usize,
    next: VecDeque<Read>,
    /// Who waits for what came before the log of a channel, which is read once for all of them.
    waiting: HashMap<Box<str>, Vec<Done<()>>>,
}

impl Reads {
    /// None, of events that have so many bytes at most.
    pub(super) fn new(max_event_bytes: usize) -> Self {
        let page = PAGE_BYTES / max_event_bytes.saturating_add(ENTRY_BYTES);
        let page = page.clamp(1, MOST_EVENTS);
        Self { page, in_flight: 0, next: VecDeque::new(), waiting: HashMap::new() }
    }

    /// Tells everybody who waits for what came before the log of a channel.
    pub(super) fn tell(&mut self, channel: &str, outcome: &Result<(), Unavailable>) {
        for done in self.waiting.remove(channel).into_iter().flatten() {
            // Who asked may have gone.
            drop(done.send(outcome.clone()));
        }
    }

    /// Tells everybody that there will be no answer.
    pub(super) fn give_up(&mut self, why: &Unavailable) {
        for done in std::mem::take(&mut self.waiting).into_values().flatten() {
            drop(done.send(Err(why.clone())));
        }
    }
}

impl Node<'_> {
    /// Reads what a channel has missed, from this id on.
    pub(super) fn read_missed(&mut self, channel: Box<str>, from: u64) {
        self.reads.next.push_back(Read::Missed { channel, from });
        self.read_on();
    }

    /// Reads what came before the log of a channel.
    pub(super) fn read_history(&mut self, channel: Box<str>, done: Done<()>) {
        let waiting = self.reads.waiting.entry(channel.clone()).or_default();
        waiting.push(done);
        if waiting.len() == 1 {
            self.reads.next.push_back(Read::History { channel });
            self.read_on();
        }
    }

    /// A page has come.
    pub(super) fn page_came(&mut self) {
        self.reads.in_flight -= 1;
    }

    /// Asks for what is to be read next, if that may be.
    pub(super) fn read_on(&mut self) {
        while self.reads.in_flight < MOST_AT_ONCE {
            let Some(read) = self.reads.next.pop_front() else { return };
            let page = self.reads.page.to_string();
            let awaited = match read {
                Read::Missed { channel, from } => {
                    let (key, from) = (stream_key(&channel), format!("0-{from}"));
                    let words = ["XRANGE", &key, &from, "+", "COUNT", &page];
                    push_command(&mut self.link.outbox, &words);
                    Awaited::Missed { channel }
                }
                Read::History { channel } => {
                    let until = self.server.hub.existing(&channel);
                    let until = until.map_or(0, |channel| channel.before_oldest());
                    if until <= self.base {
                        self.reads.tell(&channel, &Ok(()));
                        continue;
                    }
                    let key = stream_key(&channel);
                    let (newest, oldest) = (format!("0-{until}"), format!("0-{}", self.base + 1));
                    let words = ["XREVRANGE", &key, &newest, &oldest, "COUNT", &page];
                    push_command(&mut self.link.outbox, &words);
                    Awaited::History { channel }
                }
            };
            self.expect(awaited);
            self.reads.in_flight += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_at_once_is_less_than_redis_holds_back() {
        for (max_event_bytes, page) in [(1, 1_000), (64 << 10, 127), (8 << 20, 1), (1 << 30, 1)] {
            assert_eq!(Reads::new(max_event_bytes).page, page, "{max_event_bytes}");
        }
        const { assert!(MOST_AT_ONCE * PAGE_BYTES <= (32 << 20) / 2) };
    }
}
