//! The client side of each transport, and the ways to publish. It owns connections, encoding and
//! decoding; it must not know what becomes of an event, nor when a trial begins or ends.

#[cfg(test)]
mod delivery_test;
mod http;
mod http_publish;
#[cfg(test)]
mod in_band_test;
mod long_polling;
mod polling;
mod post;
mod publish_path;
mod pull;
mod socket;
mod sse;
mod tally;
mod tcp;
mod tcp_info;
mod upstream;
#[cfg(test)]
mod upstream_test;
mod websocket;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use pushbench_wire::endpoint::Resource;
use pushbench_wire::{Event, frame, poll, sse as sse_format};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite;

use crate::scenario::Settings;

pub(crate) use http_publish::HttpPublish;
pub(crate) use long_polling::LongPolling;
pub(crate) use polling::Polling;
pub(crate) use publish_path::{Acknowledgements, OpenPath, PublishPath, PublishTarget, TcpProbe};
pub(crate) use socket::ConnectionMeter;
pub(crate) use sse::Sse;
pub(crate) use tally::{Tally, Totals};
pub(crate) use tcp::Tcp;
pub(crate) use tcp_info::TcpTotals;
pub(crate) use upstream::{Payload, Upstream, UpstreamEvents, receive_for_ever};
pub(crate) use websocket::WebSocket;

/// The largest event, in bytes as framed, that a client accepts. All clients have the same limit.
const MAX_EVENT_BYTES: usize = 1 << 20;

/// What every client reads a socket in, whatever its transport. By default hyper's buffer grows to
/// 400 KiB and tungstenite's is 128 KiB, so that one would take a backlog in fewer reads.
pub(crate) const READ_BUFFER_BYTES: usize = 8 << 10;

/// What one subscriber subscribes to, and how.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    /// The server.
    pub(crate) address: SocketAddr,
    /// The channel.
    pub(crate) channel: String,
    /// How its transport works.
    pub(crate) settings: Settings,
    /// The moment from which the intervals of all subscribers count.
    pub(crate) poll_epoch: Instant,
    /// Where in each interval this subscriber polls.
    pub(crate) poll_phase: Duration,
    /// The longest that its first long poll is held: another time than that of those behind it makes
    /// the subscriber look as if it had come at another time.
    pub(crate) first_long_poll_timeout: Duration,
}

impl Subscription {
    fn path(&self, resource: Resource) -> String {
        resource.path(&self.channel)
    }
}

/// One subscriber of a channel. Its futures run on one thread, so they need not be `Send`.
pub(crate) trait Subscriber: Sized {
    /// How what it sends itself gets to its channel.
    type Upstream: Upstream<Self>;

    /// Connects, to receive the events behind `after`.
    async fn connect(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError>;

    /// Waits for the next arrival and pushes every event in it into `sink`, as it is decoded.
    async fn receive(&mut self, sink: &mut impl Sink) -> Result<(), ClientError>;
}

/// Takes what a subscriber receives.
pub(crate) trait Sink {
    /// An event that was read from the socket at `at_ns` of [`pushbench_wire::clock`]. Events of
    /// one read share one time.
    fn on_event(&mut self, at_ns: u64, event: Event<'_>);
}

/// Why a subscriber cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No connection.
    #[error("cannot connect to {address}: {source}{}", advice(.source))]
    Connect { address: SocketAddr, source: std::io::Error },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
    /// The connection broke, and no HTTP was left on it.
    #[error("the connection broke: {0}")]
    Broken(std::io::Error),
    /// The server ended a stream that should not end.
    #[error("the server ended the stream")]
    Ended,
    /// An answer other than was asked for.
    #[error("the server answered {status}: {body}")]
    Status { status: hyper::StatusCode, body: String },
    /// A body larger than any client accepts.
    #[error("the server sent a poll body of more than {limit} bytes")]
    TooLarge { limit: usize },
    /// A poll body that cannot be read.
    #[error("the server sent a poll body that cannot be read: {0}")]
    Poll(#[from] serde_json::Error),
    /// An event stream that cannot be read.
    #[error("the server sent an event stream that cannot be read: {0}")]
    Sse(#[from] sse_format::DecodeError),
    /// Frames that cannot be read.
    #[error("the server sent frames that cannot be read: {0}")]
    Frame(#[from] frame::DecodeError),
    /// A message that cannot be read.
    #[error(transparent)]
    Message(#[from] pushbench_wire::message::BadMessage),
    /// The WebSocket protocol failed.
    #[error("the WebSocket broke: {0}")]
    WebSocket(#[from] tungstenite::Error),
    /// An event that is to go as text is none.
    #[error("an event that is to be sent as text is not UTF-8: {0}")]
    NotText(#[from] std::str::Utf8Error),
    /// A request that cannot be written down.
    #[error("the request cannot be made: {0}")]
    Request(#[from] hyper::http::Error),
}

fn advice(error: &std::io::Error) -> &'static str {
    match error.raw_os_error().map(nix::errno::Errno::from_raw) {
        Some(nix::errno::Errno::EMFILE) => " (raise the limit on open files: `ulimit -n`)",
        Some(nix::errno::Errno::EADDRNOTAVAIL) => {
            " (no local port is free: lower the rate of new connections, or use `keep-alive`)"
        }
        _ => "",
    }
}

impl ClientError {
    /// Whether a new connection may help: it is the network's failure, not the protocol's.
    pub(crate) fn is_broken_connection(&self) -> bool {
        match self {
            Self::Http(_) | Self::Broken(_) | Self::Ended | Self::WebSocket(_) => true,
            Self::Connect { .. }
            | Self::Status { .. }
            | Self::TooLarge { .. }
            | Self::Poll(_)
            | Self::Sse(_)
            | Self::Frame(_)
            | Self::Message(_)
            | Self::NotText(_)
            | Self::Request(_) => false,
        }
    }
}

/// Decodes a poll body into `sink`.
fn deliver_poll(body: &[u8], at_ns: u64, sink: &mut impl Sink) -> Result<u64, ClientError> {
    Ok(poll::decode_body(body, |event| sink.on_event(at_ns, event))?)
}
