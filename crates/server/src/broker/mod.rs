//! Several servers that are one: what is published on any of them reaches the subscribers of all, by way of a Redis
//! that numbers the events. It knows channels and their logs, and no request.
//!
//! A node is subscribed to a channel at Redis as long as it has the channel, and has a log of its own, as a node alone
//! has. The ids are the same on all nodes, so a subscriber can go on at another one. What a node has missed is told to
//! its subscribers (`lagged`), or fetched where Redis keeps it ([`BrokerMode::Streams`]).

mod catch_up;
mod config;
mod connect;
mod link;
mod message;
mod reads;
mod resp;
mod serve;
mod take_in;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::StatusCode;
use hyper::header::RETRY_AFTER;
use tokio::sync::{mpsc, oneshot};

use crate::framing::NewEvent;
use crate::http::reply::Rejection;
use crate::hub::{Channel, Hub};
pub use config::{BrokerConfig, BrokerMode, BrokerUrl};
pub(crate) use connect::{check, join_first};
pub(crate) use serve::serve;

/// Why a server cannot be started with its broker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the broker {broker}: {reason}")]
pub struct BrokerError {
    broker: BrokerUrl,
    reason: String,
}

/// How the tasks of a server reach the one that speaks to Redis.
#[derive(Debug)]
pub(crate) struct Broker {
    config: BrokerConfig,
    commands: mpsc::UnboundedSender<Command>,
    /// For the task, which takes it once.
    received: Mutex<Option<mpsc::UnboundedReceiver<Command>>>,
    is_connected: AtomicBool,
    /// Why it is not.
    reason: Mutex<Arc<str>>,
    /// How often there was a connection.
    connections: AtomicU64,
    /// Events that this node did not get.
    missed: AtomicU64,
    /// Bytes that are being published: Redis has not answered yet.
    publishing: AtomicUsize,
}

/// How much may be published at once.
const MOST_PUBLISHING_BYTES: usize = 64 << 20;

/// What that task is asked to do.
#[derive(Debug)]
enum Command {
    /// To publish events on a channel. In the answer is the id of the last one.
    Publish { channel: Box<str>, events: Vec<NewEvent>, done: Option<Done<u64>> },
    /// To see to it that channels are subscribed to, and have all that has been published before now.
    Attach { channels: Vec<Box<str>>, done: Done<()> },
    /// To put older events before those of a channel's log, as many as come at once.
    History { channel: Box<str>, done: Done<()> },
}

type Done<T> = oneshot::Sender<Result<T, Unavailable>>;

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Unavailable {
    /// There is no connection.
    Down(Arc<str>),
    /// As much as may be published at once is on its way.
    Full,
    /// The connection broke before the answer came: nobody knows whether it was done.
    Broke(Arc<str>),
    /// Redis says no.
    Refused(String),
}

impl Broker {
    /// One that nobody has connected yet.
    pub(crate) fn new(config: BrokerConfig) -> Self {
        let (commands, received) = mpsc::unbounded_channel();
        Self {
            config,
            commands,
            received: Mutex::new(Some(received)),
            is_connected: AtomicBool::new(false),
            reason: Mutex::new("it is not connected yet".into()),
            connections: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            publishing: AtomicUsize::new(0),
        }
    }

    /// Whether there is a connection.
    pub(crate) fn is_connected(&self) -> bool {
        self.is_connected.load(Relaxed)
    }

    fn is_up(&self) {
        self.connections.fetch_add(1, Relaxed);
        self.is_connected.store(true, Relaxed);
    }

    fn is_down(&self, reason: &str) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason.into();
        self.is_connected.store(false, Relaxed);
    }

    fn down(&self) -> Unavailable {
        Unavailable::Down(Arc::clone(&self.reason.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Publishes `events` on a channel, and waits until Redis has acknowledged that. Returns the id of the last one.
    ///
    /// # Errors
    /// A 503 that says whether they may have been published even so.
    pub(crate) async fn publish(
        &self,
        channel: &str,
        events: Vec<NewEvent>,
    ) -> Result<u64, Rejection> {
        let published = if self.begin_publishing(&events) {
            self.ask(|done| Command::Publish { channel: channel.into(), events, done: Some(done) })
                .await
        } else {
            Err(Unavailable::Full)
        };
        published.map_err(|why| self.unavailable(why, "nothing was published"))
    }

    /// Publishes likewise what comes from a stream, which is not told about it. Returns whether it may.
    pub(crate) fn publish_in_band(&self, channel: &str, events: Vec<NewEvent>) -> bool {
        if !self.is_connected() || !self.begin_publishing(&events) {
            return false;
        }
        let command = Command::Publish { channel: channel.into(), events, done: None };
        self.commands.send(command).is_ok()
    }

    /// Whether so much may be published, too. Then it is accounted for until that has ended.
    fn begin_publishing(&self, events: &[NewEvent]) -> bool {
        let bytes = bytes_of(events);
        let before = self.publishing.fetch_add(bytes, Relaxed);
        // One that is larger by itself may be alone.
        let fits = before == 0 || before + bytes <= MOST_PUBLISHING_BYTES;
        if !fits {
            self.publishing.fetch_sub(bytes, Relaxed);
        }
        fits
    }

    /// They are published, or will not be.
    fn end_publishing(&self, events: &[NewEvent]) {
        self.publishing.fetch_sub(bytes_of(events), Relaxed);
    }

    /// Sees to it that a subscriber of `names` can start after `position`: that this node gets their events, and has
    /// those behind that position as far as anybody has. Without a position, polls begin with the oldest event.
    ///
    /// # Errors
    /// A 503 when Redis would have to be asked for that, and cannot.
    pub(crate) async fn prepare(
        &self,
        hub: &Hub,
        names: &str,
        position: Option<u64>,
        from_oldest: bool,
    ) -> Result<(), Rejection> {
        let channels: Vec<_> =
            names.split(',').filter_map(|name| Some((name, hub.existing(name)?))).collect();
        let are_several = channels.len() > 1;
        let is_ahead = |channel: &Channel| match position {
            // Another node may have had it a moment earlier.
            Some(position) if are_several => position > hub.order().last(),
            Some(position) => position > channel.last_id(),
            None => false,
        };
        let lacking = channels.iter().filter(|(_, of)| !of.is_shared() || is_ahead(of));
        let lacking: Vec<Box<str>> = lacking.map(|(name, _)| (*name).into()).collect();
        let told = |why| self.unavailable(why, "nobody knows what this subscriber has missed");
        if !lacking.is_empty() {
            let attach = |done| Command::Attach { channels: lacking, done };
            self.ask(attach).await.map_err(told)?;
        }
        if self.config.mode != BrokerMode::Streams || (position.is_none() && !from_oldest) {
            return Ok(());
        }
        for (name, channel) in channels {
            let lacks_some = || match position {
                Some(position) if are_several => !channel.reaches_back_to(position),
                Some(position) => (channel.base()..channel.before_oldest()).contains(&position),
                None => channel.before_oldest() > channel.base(),
            };
            let mut before = u64::MAX;
            // Each time there are some more, until the log is full or the stream has no older ones.
            while lacks_some() && channel.has_room_before() && channel.before_oldest() < before {
                before = channel.before_oldest();
                let history = |done| Command::History { channel: name.into(), done };
                self.ask(history).await.map_err(told)?;
            }
        }
        Ok(())
    }

    /// Appends its metrics in Prometheus' text exposition format.
    pub(crate) fn render(&self, text: &mut String) {
        let plain = [
            ("connected", "gauge", "Whether the broker is connected.", self.is_connected().into()),
            (
                "connections_total",
                "counter",
                "How often the broker was connected.",
                self.connections.load(Relaxed),
            ),
            (
                "missed_events_total",
                "counter",
                "Events that this node did not get, each once whoever is told.",
                self.missed.load(Relaxed),
            ),
        ];
        for (name, kind, help, value) in plain {
            let name = format!("pushbench_broker_{name}");
            // Writing to a `String` cannot fail.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(Done<T>) -> Command) -> Result<T, Unavailable> {
        let (done, answer) = oneshot::channel();
        let ended = || Unavailable::Down("the server is stopping".into());
        self.commands.send(command(done)).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// 503; when nothing was done, that `means` this.
    fn unavailable(&self, why: Unavailable, means: &str) -> Rejection {
        let url = &self.config.url;
        let reason = match why {
            Unavailable::Down(reason) => {
                format!("the broker {url} cannot be reached ({reason}): {means}; try again later")
            }
            Unavailable::Full => format!(
                "the broker {url} does not take events as fast as they come: {means}; publish more slowly"
            ),
            Unavailable::Broke(reason) => format!(
                "the connection to the broker {url} broke before it answered ({reason}): whether it did what it was \
                 asked to is not known; try again later"
            ),
            Unavailable::Refused(words) => format!("the broker {url} refuses ({words}): {means}"),
        };
        Rejection::new(StatusCode::SERVICE_UNAVAILABLE, reason).with_header(RETRY_AFTER, "1")
    }
}

/// How much is sent of events.
fn bytes_of(events: &[NewEvent]) -> usize {
    events.iter().map(message::encoded_len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_broker_that_takes_nothing_is_not_given_more_and_more() {
        let url = "redis://127.0.0.1:6379".parse().unwrap();
        let broker = Broker::new(BrokerConfig { url, mode: BrokerMode::PubSub });
        broker.is_up();
        let event = || {
            let payload = vec![b'x'; 16 << 20];
            vec![NewEvent::new(None, &payload, false, crate::memory::Reservation::default())]
        };
        let taken = (0..10).filter(|_| broker.publish_in_band("a", event())).count();
        assert_eq!(taken, 3, "each is a little more than a quarter of what may be");
        assert!(broker.publish("a", event()).await.is_err());
        broker.end_publishing(&event());
        assert!(broker.publish_in_band("a", event()));
    }
}
