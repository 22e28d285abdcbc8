//! What a scenario compares: an open set that it names itself. A contender is the key of every
//! result; its transport is only the mechanism of its client.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use pushbench_wire::Transport;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Client, Fallback, HttpVersion, Nodes, Road, Server, Workload};

/// What a contender is compared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A choice: it is ranked.
    Contender,
    /// A reference that others are compared with: it is shown beside them and never ranked.
    Reference,
}

/// What makes a contender recognisable, in results too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Unique within a scenario: 1 to 64 of `a-z A-Z 0-9 . _ -`, the first a letter or digit.
    pub name: String,
    /// What people read.
    pub label: String,
    /// What it is compared for.
    pub role: Role,
    /// The mechanism of its client.
    pub transport: Transport,
    /// What runs its subscribers.
    #[serde(default, skip_serializing_if = "Client::is_own")]
    pub client: Client,
}

impl Identity {
    /// That of a transport which is compared as it is.
    #[must_use]
    pub fn of(transport: Transport) -> Self {
        Self::named(transport.name().to_owned(), transport)
    }

    /// What can be told from a name and a transport alone.
    #[must_use]
    pub fn named(name: String, transport: Transport) -> Self {
        let label = if name == transport.name() { transport.label() } else { &name };
        let (role, client) = (default_role(transport), Client::Pushbench);
        Self { label: label.to_owned(), role, transport, client, name }
    }
}

/// Browsers cannot use raw TCP, so it is no choice unless a scenario says so.
pub(super) fn default_role(transport: Transport) -> Role {
    if transport.is_reference() { Role::Reference } else { Role::Contender }
}

/// The key of everything that is measured. Cheap to clone, and equal when the names are equal.
#[derive(Clone, Deserialize, Serialize)]
#[serde(from = "Key", into = "Key")]
pub struct ContenderId(Arc<Placed>);

struct Placed {
    identity: Identity,
    position: usize,
}

/// How results refer to a contender. Files from before there were contenders have the transport only.
#[derive(Deserialize, Serialize)]
struct Key {
    contender: Option<String>,
    transport: Transport,
}

impl From<Key> for ContenderId {
    fn from(Key { contender, transport }: Key) -> Self {
        let name = contender.unwrap_or_else(|| transport.name().to_owned());
        Self::new(Identity::named(name, transport), transport as usize)
    }
}

/// A transport that is compared as it is.
impl From<Transport> for ContenderId {
    fn from(transport: Transport) -> Self {
        Self::new(Identity::of(transport), transport as usize)
    }
}

impl From<ContenderId> for Key {
    fn from(id: ContenderId) -> Self {
        Self { contender: Some(id.name().to_owned()), transport: id.transport() }
    }
}

impl ContenderId {
    fn new(identity: Identity, position: usize) -> Self {
        Self(Arc::new(Placed { identity, position }))
    }

    /// The keys of a whole set, in its order.
    #[must_use]
    pub fn all(identities: impl IntoIterator<Item = Identity>) -> Vec<Self> {
        (0..).zip(identities).map(|(position, identity)| Self::new(identity, position)).collect()
    }

    /// Every transport as it is: the set of a scenario that names none.
    #[must_use]
    pub fn all_transports() -> Vec<Self> {
        Self::all(Transport::ALL.iter().copied().map(Identity::of))
    }

    /// Each of these once, in the order of their scenario: references last.
    #[must_use]
    pub fn distinct<'a>(ids: impl IntoIterator<Item = &'a Self>) -> Vec<Self> {
        let mut distinct: Vec<Self> = Vec::new();
        for id in ids {
            if !distinct.contains(id) {
                distinct.push(id.clone());
            }
        }
        distinct.sort_by_key(Self::position);
        distinct
    }

    /// The name in files.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.identity.name
    }

    /// What people read.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.0.identity.label
    }

    /// What it is compared for.
    #[must_use]
    pub fn role(&self) -> Role {
        self.0.identity.role
    }

    /// Whether others are held against it, and it is not ranked itself.
    #[must_use]
    pub fn is_reference(&self) -> bool {
        self.role() == Role::Reference
    }

    /// The mechanism of its client.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.0.identity.transport
    }

    /// What runs its subscribers.
    #[must_use]
    pub fn client(&self) -> Client {
        self.0.identity.client
    }

    /// Its place among the contenders of its scenario, from 0.
    #[must_use]
    pub fn position(&self) -> usize {
        self.0.position
    }

    /// All that makes it recognisable.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }
}

impl PartialEq for ContenderId {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for ContenderId {}

/// Tests compare transports as they are.
#[cfg(test)]
impl PartialEq<Transport> for ContenderId {
    fn eq(&self, other: &Transport) -> bool {
        self.name() == other.name()
    }
}

impl Hash for ContenderId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Display for ContenderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for ContenderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name(), self.position())
    }
}

/// What is compared, and how it is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Contender {
    /// The key of its results.
    pub id: ContenderId,
    /// How its client and its server work.
    pub settings: Settings,
    /// Its server; none if it is pushbench's own.
    pub server: Option<Arc<Server>>,
    /// Whether a subscriber of several channels has one connection for all of them.
    pub multiplex: bool,
    /// What lies between its clients and its server.
    pub road: Road,
    /// What it goes on with where it is refused its WebSocket.
    pub fallback: Option<Fallback>,
}

impl Contender {
    /// Connections over which a subscriber receives events. By HTTP/2 and HTTP/3, subscriptions are streams of
    /// one.
    #[must_use]
    pub fn connections_per_subscriber(&self, workload: &Workload) -> u32 {
        let is_one = self.multiplex || self.http().has_streams();
        if is_one { 1 } else { workload.channels_per_subscriber }
    }

    /// What is spoken to its server.
    #[must_use]
    pub fn http(&self) -> HttpVersion {
        self.road.http_of(self.id.transport(), self.server.is_none())
    }

    /// How many servers it has, and what is between them. Others than ours have their own ways.
    #[must_use]
    pub fn nodes(&self) -> Nodes {
        if self.server.is_some() { Nodes::ALONE } else { self.road.nodes }
    }

    /// Whether pushbench's own server has to be there by UDP. A proxy speaks HTTP/1.1 to it.
    #[must_use]
    pub fn wants_udp(&self) -> bool {
        self.http().is_by_udp() && self.road.proxy.is_none()
    }

    /// Whether what its subscribers receive is compressed. Raw TCP has nothing for that, and other servers
    /// decide it themselves.
    #[must_use]
    pub fn compresses(&self) -> bool {
        self.road.compression
            && self.server.is_none()
            && self.id.transport() != Transport::Tcp
            && self.http() != HttpVersion::WebTransport
    }

    /// Whether its connections carry several channels each.
    #[must_use]
    pub fn shares_connections(&self, workload: &Workload) -> bool {
        self.multiplex && workload.channels_per_subscriber > 1
    }
}

/// How one transport works.
#[derive(Clone, Debug, PartialEq)]
pub enum Settings {
    /// Of [`Transport::Polling`].
    Polling(Polling),
    /// Of [`Transport::LongPolling`].
    LongPolling(LongPolling),
    /// Of any transport that keeps one connection open for events.
    Stream(Stream),
}

impl Settings {
    /// Whether requests share a connection. A stream is one.
    #[must_use]
    pub fn connection(&self) -> Connection {
        match self {
            Self::Polling(polling) => polling.connection,
            Self::LongPolling(long_polling) => long_polling.connection,
            Self::Stream(_) => Connection::KeepAlive,
        }
    }

    /// The longest that the server holds a request; none of a client that it does not hold.
    #[must_use]
    pub fn long_poll_timeout(&self) -> Option<Duration> {
        match self {
            Self::LongPolling(long_polling) => Some(long_polling.timeout),
            Self::Polling(_) | Self::Stream(_) => None,
        }
    }

    /// How often the server says on a silent stream that it is there; none of a client that asks.
    #[must_use]
    pub fn heartbeat(&self) -> Option<Duration> {
        match self {
            Self::Stream(stream) => Some(stream.heartbeat),
            Self::Polling(_) | Self::LongPolling(_) => None,
        }
    }

    /// How a stream is served; none of a client that asks.
    #[must_use]
    pub fn stream(&self) -> Option<&Stream> {
        match self {
            Self::Stream(stream) => Some(stream),
            Self::Polling(_) | Self::LongPolling(_) => None,
        }
    }

    /// From one request to the next; none of a client that is told.
    #[must_use]
    pub fn polling_interval(&self) -> Option<Duration> {
        match self {
            Self::Polling(polling) => Some(polling.interval),
            Self::LongPolling(_) | Self::Stream(_) => None,
        }
    }
}

/// How polling asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Polling {
    /// From one request to the next.
    pub interval: Duration,
    /// What carries the requests.
    pub connection: Connection,
}

/// How long polling asks.
#[derive(Clone, Debug, PartialEq)]
pub struct LongPolling {
    /// The longest that the server holds a request.
    pub timeout: Duration,
    /// What carries the requests.
    pub connection: Connection,
}

/// How a stream is kept alive, and what it looks like to those between.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// From one comment, ping or empty frame of the server to the next.
    pub heartbeat: Duration,
    /// How its body is framed, if it is SSE.
    pub framing: SseFraming,
    /// Whether it has `X-Accel-Buffering: no`, if it is SSE.
    pub accel_buffering_hint: bool,
    /// How long its client is asked to wait before it comes back (`retry`), if it is SSE.
    pub retry: Duration,
}

impl Stream {
    /// What pushbench's server asks for unless it is told otherwise.
    pub const USUAL_RETRY: Duration = Duration::from_secs(1);

    /// As pushbench's server has it, with so much from one heartbeat to the next.
    #[must_use]
    pub fn every(heartbeat: Duration) -> Self {
        let retry = Self::USUAL_RETRY;
        Self { heartbeat, framing: SseFraming::Close, accel_buffering_hint: true, retry }
    }
}

/// How pushbench's server frames the body of an event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SseFraming {
    /// It ends with its connection.
    Close,
    /// In chunks, as most frameworks do it.
    Chunked,
}

/// Whether requests share a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Connection {
    /// One connection carries all requests of a subscriber.
    KeepAlive,
    /// Every request opens a connection of its own.
    New,
}
