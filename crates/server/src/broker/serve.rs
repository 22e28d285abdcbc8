//! The task that speaks to Redis: it connects, and asks for what others want. What comes is taken in beside it.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::catch_up::CatchUp;
use super::connect::{Joined, join};
use super::link::{Link, words_of};
use super::message::{IDS, ORDER, encode, encoded_len, stream_key, topic};
use super::reads::Reads;
use super::resp::{begin_command, push_command, push_word};
use super::{Broker, Command, Done, Unavailable};
use crate::Server;
use crate::framing::NewEvent;

/// How long Redis may take for an answer, and how long it may be silent before it is asked whether it is there.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How often that is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long a node waits before it connects again, and twice as long after each attempt that failed, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Commands that are taken before what they say is sent.
const MOST_AT_ONCE: usize = 256;

/// What an answer is awaited for.
#[derive(Debug)]
pub(super) enum Awaited {
    /// Events that were published. They are kept, so that they are accounted for.
    Published { done: Option<Done<u64>>, events: Vec<NewEvent> },
    /// The last ids of channels.
    Places { channels: Vec<Box<str>>, done: Option<Done<()>> },
    /// What a channel has missed.
    Missed { channel: Box<str> },
    /// What came before the log of a channel.
    History { channel: Box<str> },
    /// That Redis is there.
    Pong,
}

/// Speaks to Redis until nobody wants anything any more, over the connection that is there and others after it.
pub(crate) async fn serve(server: Arc<Server>, first: Joined) {
    let Some(broker) = &server.broker else { return };
    let commands = broker.received.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut commands) = commands else { return };
    let (mut joined, mut wait) = (Some(first), FIRST_WAIT);
    let (mut epoch, mut seen) = (String::new(), 0);
    loop {
        if let Some(joined) = joined.take() {
            broker.is_up();
            let mut node = Node::new(&server, broker, joined, seen);
            let reason = node.run(&mut commands).await;
            broker.is_down(&reason);
            node.give_up(&reason);
            // Whatever ends it before it has what it missed may do so again.
            if node.is_settled {
                wait = FIRST_WAIT;
            }
            (epoch, seen) = (node.epoch, node.seen);
        }
        if !refuse(broker, &mut commands, sleep(wait)).await {
            return;
        }
        wait = (wait * 2).min(LONGEST_WAIT);
        let mut attempt = None;
        // Positions that Redis has given, and no others.
        let connecting = async { attempt = Some(join(&broker.config, &epoch, seen).await) };
        if !refuse(broker, &mut commands, connecting).await {
            return;
        }
        match attempt {
            Some(Ok(again)) => joined = Some(again),
            Some(Err(reason)) => broker.is_down(&reason),
            None => {}
        }
    }
}

/// Refuses all commands as long as something takes. Returns whether there may be more.
async fn refuse(
    broker: &Broker,
    commands: &mut UnboundedReceiver<Command>,
    meanwhile: impl Future<Output = ()>,
) -> bool {
    let mut meanwhile = std::pin::pin!(meanwhile);
    loop {
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                // Who asked may have gone.
                Some(Command::Publish { events, done, .. }) => {
                    broker.end_publishing(&events);
                    drop(done.map(|done| done.send(Err(broker.down()))));
                }
                Some(Command::Attach { done, .. } | Command::History { done, .. }) => {
                    drop(done.send(Err(broker.down())));
                }
                None => return false,
            },
            () = &mut meanwhile => return true,
        }
    }
}

/// Channels to be asked about, and who waits for that.
pub(super) type Later = (Vec<Box<str>>, Option<Done<()>>);

/// A node as long as a connection holds.
pub(super) struct Node<'a> {
    pub(super) server: &'a Server,
    pub(super) broker: &'a Broker,
    pub(super) link: Link,
    pub(super) epoch: String,
    pub(super) base: u64,
    script: String,
    pub(super) awaited: VecDeque<Awaited>,
    /// When the last answer came, or what is awaited was asked for if nothing was before.
    pub(super) since: Instant,
    pub(super) catch_up: Option<CatchUp>,
    /// Channels to be asked about when the node is not behind any more, and who waits for that.
    pub(super) later: Vec<Later>,
    /// The largest position of all that has come.
    pub(super) seen: u64,
    pub(super) reads: Reads,
    /// Whether it has had what there was when it came.
    pub(super) is_settled: bool,
}

impl<'a> Node<'a> {
    fn new(server: &'a Server, broker: &'a Broker, joined: Joined, seen: u64) -> Self {
        let Joined { link, epoch, base, script } = joined;
        let mut node = Self {
            server,
            broker,
            link,
            epoch,
            base,
            script,
            awaited: VecDeque::new(),
            since: Instant::now(),
            catch_up: None,
            later: Vec::new(),
            seen,
            reads: Reads::new(server.config.max_event_bytes),
            is_settled: false,
        };
        let is_shared =
            |name: &str| server.hub.existing(name).is_some_and(|channel| channel.is_shared());
        let names = server.hub.names().into_iter();
        let channels: Vec<_> = names.filter(|name| is_shared(name)).collect();
        node.is_settled = channels.is_empty();
        if !channels.is_empty() {
            node.subscribe(&channels);
            node.ask_places(channels, None);
        }
        node
    }

    /// Goes on until the connection does not, and says why.
    async fn run(&mut self, commands: &mut UnboundedReceiver<Command>) -> String {
        let mut look = interval(LOOK_AGAIN);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Err(error) = self.link.flush() {
                return words_of(&error);
            }
            tokio::select! {
                // What has come counts before how long it took.
                biased;
                exchanged = self.link.exchange() => {
                    // What came before the end counts, too.
                    let taken = self.take_in();
                    if let Err(reason) = taken.and(exchanged.map_err(|error| words_of(&error))) {
                        return reason;
                    }
                    // However much comes: as a busy channel always has some more.
                    self.take_commands(commands);
                }
                command = commands.recv() => {
                    let Some(command) = command else { return "the server is stopping".to_owned() };
                    self.command(command);
                    self.take_commands(commands);
                }
                _ = look.tick() => {
                    if !self.awaited.is_empty() && self.since.elapsed() > ANSWER_WITHIN {
                        return format!("it has not answered within {ANSWER_WITHIN:?}");
                    }
                    if self.awaited.is_empty() && self.link.heard.elapsed() > ANSWER_WITHIN {
                        push_command(&mut self.link.outbox, &["PING"]);
                        self.expect(Awaited::Pong);
                    }
                }
            }
        }
    }

    /// Does what is wanted by now.
    fn take_commands(&mut self, commands: &mut UnboundedReceiver<Command>) {
        for _ in 0..MOST_AT_ONCE {
            let Ok(command) = commands.try_recv() else { return };
            self.command(command);
        }
    }

    /// Tells everybody that no answer will come.
    fn give_up(&mut self, reason: &str) {
        for awaited in std::mem::take(&mut self.awaited) {
            match awaited {
                Awaited::Published { done, events } => {
                    self.broker.end_publishing(&events);
                    let broke = || Err(Unavailable::Broke(reason.into()));
                    drop(done.map(|done| done.send(broke())));
                }
                Awaited::Places { done, .. } => {
                    drop(done.map(|done| done.send(Err(self.broker.down()))));
                }
                Awaited::Missed { .. } | Awaited::History { .. } | Awaited::Pong => {}
            }
        }
        self.reads.give_up(&self.broker.down());
        for (_, done) in std::mem::take(&mut self.later) {
            drop(done.map(|done| done.send(Err(self.broker.down()))));
        }
    }

    pub(super) fn expect(&mut self, awaited: Awaited) {
        if self.awaited.is_empty() {
            self.since = Instant::now();
        }
        self.awaited.push_back(awaited);
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Publish { channel, events, done } => self.publish(&channel, events, done),
            Command::Attach { channels, done } => {
                let hub = &self.server.hub;
                let is_new =
                    |name: &str| hub.existing(name).is_some_and(|channel| !channel.is_shared());
                let new: Vec<_> = channels.iter().filter(|name| is_new(name)).cloned().collect();
                if !new.is_empty() {
                    self.subscribe(&new);
                }
                self.ask_places(channels, Some(done));
            }
            Command::History { channel, done } => self.read_history(channel, done),
        }
    }

    fn publish(&mut self, channel: &str, events: Vec<NewEvent>, done: Option<Done<u64>>) {
        let config = &self.server.config;
        let idle = config.channel_idle.as_millis().to_string();
        let words = [
            "EVALSHA",
            &self.script,
            "2",
            IDS,
            &stream_key(channel),
            channel,
            &self.epoch,
            &config.log_events.to_string(),
            &idle,
        ];
        let outbox = &mut self.link.outbox;
        begin_command(outbox, words.len() + events.len());
        words.iter().for_each(|word| push_word(outbox, word.as_bytes()));
        let mut encoded = Vec::new();
        for event in &events {
            encoded.clear();
            encoded.reserve(encoded_len(event));
            encode(event, &mut encoded);
            push_word(outbox, &encoded);
        }
        self.expect(Awaited::Published { done, events });
    }

    /// Redis does not answer this: it tells for each channel that it was done.
    fn subscribe(&mut self, channels: &[Box<str>]) {
        let command = self.broker.config.mode.subscribe();
        let topics = channels.iter().map(|channel| topic(channel));
        let words: Vec<_> = std::iter::once(command.to_owned()).chain(topics).collect();
        push_command(&mut self.link.outbox, &words);
    }

    /// Whatever was published before the answer has come by then, to channels that are subscribed to.
    pub(super) fn ask_places(&mut self, channels: Vec<Box<str>>, done: Option<Done<()>>) {
        let words = ["HMGET", IDS, ORDER].into_iter().chain(channels.iter().map(|name| &**name));
        let words: Vec<_> = words.collect();
        push_command(&mut self.link.outbox, &words);
        self.expect(Awaited::Places { channels, done });
    }
}
