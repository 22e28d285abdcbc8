//! The subscribers of a trial, whatever runs them: threads of this process, or the page of a browser. It must not know when a trial's steps begin and end.

mod apart;
mod browser;
mod subscriber;
mod threads;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;

use super::delivery_tracker::ExpectedEvents;
use super::recorder::{Recorder, Window};
use super::send_queue::SendPlan;
use crate::client::{Mechanism, Subscription, TcpTotals, Totals};
use crate::deployment::network::Namespace;
use crate::scenario::{CutHow, Reconnect, SlowReads};

pub(super) use browser::{BrowserPool, Page};
pub(super) use threads::{THREAD_NAME, ThreadPool};

/// All subscribers of a trial. Dropping it ends them.
pub(super) trait SubscriberPool: Sized + Send + 'static {
    /// Begins to connect all of them at once.
    ///
    /// # Errors
    /// When there is nothing to run them.
    fn connect(plan: PoolPlan) -> anyhow::Result<Self>;

    /// The next report of a subscriber; waits for ever when there is none.
    async fn signal(&mut self) -> Signal;

    /// What they have done to the network so far.
    fn totals(&self) -> Totals;

    /// What has gone over all connections so far, closed ones included; `None` where nobody says.
    /// It may cost a system call per connection: ask outside the measured window.
    async fn traffic(&self) -> Option<Traffic>;

    /// Cuts the connections of a share of them, evenly spread, from 0 to 1.
    fn cut(&self, how: CutHow, share: f64);

    /// The ports of all connections that a share of them have now, their own and the server's, of which the
    /// network is to carry nothing more.
    ///
    /// # Errors
    /// When nobody says.
    async fn ports_to_silence(&self, share: f64) -> anyhow::Result<Vec<[u16; 2]>>;

    /// Says since when the network carries nothing of them.
    fn are_silenced(&self, since_ns: u64);

    /// Has slow ones read as fast as they can.
    fn read_on(&self);

    /// Ends them and hands over what they recorded. It blocks until they have ended.
    ///
    /// # Errors
    /// When what ran them broke.
    fn stop(self) -> anyhow::Result<Recorder>;
}

/// What a pool runs.
pub(super) struct PoolPlan {
    pub(super) mechanism: Mechanism,
    pub(super) subscribers: Vec<SubscriberSpec>,
    pub(super) window: Window,
    /// Whether deliveries are recorded, and not only counted.
    pub(super) record: bool,
    /// How many share the work: one for each core of the generator.
    pub(super) workers: usize,
    /// The network that they are in; that of the caller if it is none.
    pub(super) place: Option<Namespace>,
    /// How they come back when their connection broke.
    pub(super) comeback: Comeback,
    /// The page that a browser opens, where it is one that runs them.
    pub(super) page: Option<Page>,
}

/// How subscribers connect again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comeback {
    pub(super) reconnect: Reconnect,
    /// What their waits are drawn from.
    pub(super) seed: u64,
    /// Whether they go on when they cannot connect, as where something breaks on purpose.
    pub(super) is_patient: bool,
}

/// What a subscriber reports while it runs, or what runs it.
#[derive(Debug)]
pub(super) enum Signal {
    /// It is there that runs them, and they begin to connect.
    Opened,
    /// It is connected.
    Connected,
    /// It cannot go on.
    Failed(String),
}

/// A connection of a subscriber to one of its channels.
pub(super) struct SubscriberSpec {
    pub(super) subscription: Subscription,
    /// Where it may connect, in the order in which it tries: the servers are one to it.
    pub(super) ring: Vec<SocketAddr>,
    /// Its number among all connections.
    pub(super) connection: u32,
    /// Whose it is: the number of its subscriber.
    pub(super) subscriber: u32,
    /// Whether the head of a stream may come with its first event, because something between holds it back.
    pub(super) head_may_wait: bool,
    /// What it is to receive.
    pub(super) expected: Arc<ExpectedEvents>,
    /// The publisher in the stamps of what its subscriber sends.
    pub(super) publisher: u16,
    /// What it is to send; nothing in a scenario in which subscribers only listen.
    pub(super) sends: Option<SendPlan>,
    /// How it reads, if it is a slow one.
    pub(super) slow: Option<SlowReads>,
}

impl SubscriberSpec {
    /// Whether another one has the same connection.
    fn shares(&self, other: &Self) -> bool {
        self.subscription.http.shares_connection_with(&other.subscription.http)
    }
}

/// What has gone over the subscribers' connections so far, by two accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    /// The kernel's.
    pub(super) tcp: TcpTotals,
    /// Bytes of the streams in both directions, as the sockets were read and written: just before
    /// the kernel was asked about the first connection.
    pub(super) stream_bytes_before: u64,
    /// The same just after it was asked about the last.
    pub(super) stream_bytes_after: u64,
}

impl Traffic {
    fn plus(self, other: Self) -> Self {
        Self {
            tcp: self.tcp.plus(other.tcp),
            stream_bytes_before: self.stream_bytes_before + other.stream_bytes_before,
            stream_bytes_after: self.stream_bytes_after + other.stream_bytes_after,
        }
    }
}
