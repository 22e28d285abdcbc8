//! The server side of each transport. A new one is a file here and an arm in [`answer`].

mod long_polling;
mod outbox;
mod polling;
mod push;
mod sse;
mod tcp;
mod websocket;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use pushbench_wire::Transport;
use tokio::net::TcpStream;

use crate::Server;
use crate::http::reply::{Rejection, Reply};
use crate::hub::Channel;

/// What a valid request leads to.
pub(crate) enum Answer {
    /// A response.
    Reply(Reply),
    /// A stream on the bare socket.
    TakeOver(Takeover),
}

/// A stream that a request has opened.
pub(crate) struct Takeover {
    stream: Stream,
    /// The head of the response, and what else goes before the first event.
    head: Bytes,
    subscriber: Subscriber,
}

/// The transports that push.
#[derive(Clone, Copy)]
enum Stream {
    Sse,
    WebSocket,
    Tcp,
}

/// A reader of a channel.
struct Subscriber {
    channel: Arc<Channel>,
    /// The id of the last event that it has.
    cursor: u64,
}

impl Subscriber {
    /// One that wants to be told what happens, and so begins with the next event.
    fn live_unless(channel: Arc<Channel>, position: Option<u64>) -> Self {
        let cursor = position.unwrap_or_else(|| channel.last_id());
        Self { channel, cursor }
    }

    /// One that asks what there is, and so begins with the oldest event.
    fn from_oldest_unless(channel: Arc<Channel>, position: Option<u64>) -> Self {
        let cursor = position.unwrap_or_else(|| channel.before_oldest());
        Self { channel, cursor }
    }

    /// Whether there is anything that it does not have.
    fn has_news(&self) -> bool {
        self.cursor != self.channel.last_id()
    }
}

impl Server {
    /// Accounts for `events` that go to the socket of one subscriber, `notices` of them that it has
    /// lagged.
    fn deliver(&self, transport: Transport, events: usize, notices: usize) {
        self.metrics.delivered(transport, events, notices);
        if let Some(injector) = &self.injector {
            injector.deliver(events - notices);
        }
    }
}

/// Answers a request for the events of `channel` over `transport`.
pub(crate) async fn answer(
    transport: Transport,
    server: &Server,
    channel: Arc<Channel>,
    request: &Parts,
) -> Result<Answer, Rejection> {
    let answer = match transport {
        Transport::Polling => polling::answer(server, channel, request).map(Answer::Reply),
        Transport::LongPolling => {
            long_polling::answer(server, channel, request).await.map(Answer::Reply)
        }
        Transport::Sse => sse::open(server, channel, request).map(Answer::TakeOver),
        Transport::WebSocket => websocket::open(channel, request).map(Answer::TakeOver),
        Transport::Tcp => tcp::open(channel, request).map(Answer::TakeOver),
    }?;
    server.metrics.requested(transport);
    Ok(answer)
}

/// Runs a stream to its end on the socket that its request came by; `read_ahead` is what hyper had
/// read behind the request.
///
/// # Errors
/// When the peer is gone, so that nothing is left to be said to it.
pub(crate) async fn push(
    socket: &TcpStream,
    read_ahead: Bytes,
    takeover: Takeover,
    server: &Server,
) -> io::Result<()> {
    let Takeover { stream, head, subscriber } = takeover;
    match stream {
        Stream::Sse => {
            // Even empty it holds hyper's whole read buffer. Whatever is in it is ignored.
            drop(read_ahead);
            push::drive(socket, head, subscriber, sse::Sse, server).await
        }
        Stream::WebSocket => {
            let peer = websocket::WebSocket::new(&read_ahead, server);
            drop(read_ahead);
            push::drive(socket, head, subscriber, peer, server).await
        }
        Stream::Tcp => {
            let peer = tcp::Tcp::new(&read_ahead, server);
            drop(read_ahead);
            push::drive(socket, head, subscriber, peer, server).await
        }
    }
}
