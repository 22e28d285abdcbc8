//! How the publisher's events get to a server. It must not know when they are sent, nor which of
//! them go together.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::TcpTotals;
use super::foreign::{Foreign, Values};
use super::tls::Tls;
use crate::scenario::{Content, PublishRedis, PublishRequest, PublishSocket};

/// What a path publishes to.
#[derive(Clone, Debug)]
pub(crate) struct PublishTarget<'a> {
    /// The channels, as [`PublishPath::push`] counts them.
    pub(crate) channels: &'a [String],
    /// What payloads are made of.
    pub(crate) content: Content,
    /// How the server takes them.
    pub(crate) form: PublishForm,
    /// Under which name the publisher goes on when the server comes back; without one, its end is an error.
    pub(crate) returns_as: Option<String>,
}

/// How a server takes events.
#[derive(Clone, Debug)]
pub(crate) enum PublishForm {
    /// As ours does, which is there.
    Own(SocketAddr),
    /// By requests, as was said of it.
    Requests {
        /// The server.
        address: SocketAddr,
        /// How.
        publish: PublishRequest,
        /// What is put into that.
        values: Values,
        /// Whom to trust where it is `https`.
        tls: Option<Tls>,
    },
    /// By messages over a WebSocket.
    Socket {
        /// How.
        publish: PublishSocket,
        /// What the connection is opened with.
        foreign: Foreign,
    },
    /// By commands to Redis.
    Redis {
        /// The server.
        address: SocketAddr,
        /// How.
        publish: PublishRedis,
        /// What is put into that.
        values: Values,
        /// Whom to trust where it is `rediss`.
        tls: Option<Tls>,
    },
}

/// One way to publish. It blocks its thread, which does nothing else.
pub(crate) trait PublishPath: Sized + Send + 'static {
    /// What tells of the server's answers.
    type Acknowledgements: Acknowledgements;

    /// Connects.
    ///
    /// # Errors
    /// When there is no connection.
    fn open(target: &PublishTarget<'_>) -> anyhow::Result<OpenPath<Self>>;

    /// Adds an event to what goes out next. Those of a channel keep their order.
    fn push(&mut self, channel: usize, payload: &[u8]);

    /// Sends all that was added, without waiting for an answer.
    ///
    /// # Errors
    /// When the server does not take it.
    fn flush(&mut self) -> anyhow::Result<()>;
}

/// The other end of a path, for another thread: sending never waits for it.
pub(crate) trait Acknowledgements: Send + 'static {
    /// Waits for answers, a moment at most. Gives how many are still to come of what was sent when
    /// this was called, or later.
    ///
    /// # Errors
    /// When the server refuses an event, or does not answer.
    fn acknowledge(&mut self) -> anyhow::Result<u64>;

    /// Parts with the server when nothing more is sent and all is answered.
    ///
    /// # Errors
    /// When the server objects to what was sent even now.
    fn part(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    /// The last thing that the server said of its own accord, as an error quotes it, unless that was an
    /// event.
    fn told(&self) -> Option<String> {
        None
    }
}

/// A path that is connected.
pub(crate) struct OpenPath<P: PublishPath> {
    pub(crate) path: P,
    pub(crate) acknowledgements: P::Acknowledgements,
    /// Empty where it is no TCP.
    pub(crate) probe: Option<TcpProbe>,
}

/// The connections of a path, to ask the kernel about them.
#[derive(Clone, Default)]
pub(crate) struct TcpProbe(Arc<Mutex<Connections>>);

#[derive(Default)]
struct Connections {
    open: Option<TcpStream>,
    /// What all of them had for addresses.
    addresses: BTreeSet<SocketAddr>,
    /// What TCP did for those that have been closed.
    closed: TcpTotals,
    /// Whether the kernel did not say that of one of them.
    is_incomplete: bool,
}

impl TcpProbe {
    /// From now on there is this connection.
    pub(super) fn open(&self, connection: TcpStream) {
        let mut connections = self.connections();
        connections.addresses.extend(connection.local_addr());
        connections.open = Some(connection);
    }

    /// The connection ends; its socket must still be open.
    pub(super) fn close(&self) {
        let mut connections = self.connections();
        let Some(open) = connections.open.take() else { return };
        match TcpTotals::read_last(open.as_raw_fd()) {
            Some(last) => connections.closed = connections.closed.plus(last),
            None => connections.is_incomplete = true,
        }
    }

    /// What TCP has done for all of them so far; `None` where the kernel does not say.
    pub(crate) fn read(&self) -> Option<TcpTotals> {
        let connections = self.connections();
        if connections.is_incomplete {
            return None;
        }
        match &connections.open {
            Some(open) => Some(connections.closed.plus(TcpTotals::read(open.as_raw_fd())?)),
            None => Some(connections.closed),
        }
    }

    /// What all of them have had for addresses.
    pub(crate) fn addresses(&self) -> BTreeSet<SocketAddr> {
        self.connections().addresses.clone()
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
