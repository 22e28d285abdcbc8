//! The server side of each transport. A new transport is a file here and an arm in [`answer`].

mod client_frames;
mod long_polling;
mod polling;
mod sse;
mod stream;
mod stream_protocol;
mod tcp;
mod websocket;
mod write_queue;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use pushbench_wire::Transport;
use tokio::net::TcpStream;

use crate::Server;
use crate::http::reply::{Rejection, Reply};
use crate::hub::Channel;
use crate::memory::Reservation;
use stream_protocol::StreamState;

/// The result of a valid request.
pub(crate) enum Answer {
    /// A response.
    Reply(Reply),
    /// A stream on the bare socket.
    Stream(OpenedStream),
}

/// A stream that a request has opened.
pub(crate) struct OpenedStream {
    transport: StreamTransport,
    /// The head of the response, and whatever else comes before the first event.
    head: Bytes,
    subscriber: Subscriber,
}

/// The streaming transports.
#[derive(Clone, Copy)]
enum StreamTransport {
    Sse,
    WebSocket,
    Tcp,
}

/// A reader of a channel.
struct Subscriber {
    channel: Arc<Channel>,
    /// The id of the last event that it has received.
    cursor: u64,
}

impl Subscriber {
    /// Starts after `position`; without one, with the next event. Streams start like this, because
    /// their clients ask to be told what happens.
    fn at_or_latest(channel: Arc<Channel>, position: Option<u64>) -> Self {
        let cursor = position.unwrap_or_else(|| channel.last_id());
        Self { channel, cursor }
    }

    /// Starts after `position`; without one, with the oldest event. Polls start like this, because
    /// their clients ask what there is.
    fn at_or_earliest(channel: Arc<Channel>, position: Option<u64>) -> Self {
        let cursor = position.unwrap_or_else(|| channel.before_oldest());
        Self { channel, cursor }
    }

    /// Whether the channel has anything that this subscriber has not received.
    fn has_new_events(&self) -> bool {
        self.cursor != self.channel.last_id()
    }
}

impl Server {
    /// Counts `events` written to the socket of one subscriber, of which `notices` say that it
    /// lagged, and injects what a delivery costs.
    fn deliver(&self, transport: Transport, events: usize, notices: usize) {
        self.metrics.delivered(transport, events, notices);
        if let Some(injector) = &self.injector {
            injector.deliver(events - notices);
        }
    }
}

/// Answers a request for the events of `channel` over `transport`. Pages of `origin` may read them, if
/// they need to be told.
pub(crate) async fn answer(
    transport: Transport,
    server: &Server,
    channel: Arc<Channel>,
    request: &Parts,
    origin: Option<&HeaderValue>,
) -> Result<Answer, Rejection> {
    let answer = match transport {
        Transport::Polling => polling::answer(server, channel, request).await.map(Answer::Reply),
        Transport::LongPolling => {
            long_polling::answer(server, channel, request).await.map(Answer::Reply)
        }
        Transport::Sse => sse::open(server, channel, request, origin).map(Answer::Stream),
        Transport::WebSocket => websocket::open(channel, request).map(Answer::Stream),
        Transport::Tcp => tcp::open(channel, request).map(Answer::Stream),
    }?;
    server.metrics.requested(transport);
    Ok(answer)
}

/// Runs a stream to its end, on the socket of the request that opened it. `read_ahead` is what hyper
/// has already read after the request; what the stream holds is accounted for in `held`.
///
/// # Errors
/// When the client has disconnected or does not respond, so that there is no point in closing the
/// connection gracefully.
pub(crate) async fn run_stream(
    socket: &TcpStream,
    read_ahead: Bytes,
    opened: OpenedStream,
    held: Reservation,
    server: &Server,
) -> io::Result<()> {
    let OpenedStream { transport, head, subscriber } = opened;
    let stream = StreamState::new(socket, head, subscriber, held, server);
    // `read_ahead` holds hyper's whole read buffer even when it is empty, hence the drops.
    match transport {
        StreamTransport::Sse => {
            // A client has nothing to say on this stream.
            drop(read_ahead);
            stream::run(stream, sse::Sse).await
        }
        StreamTransport::WebSocket => {
            let protocol = websocket::WebSocket::new(&read_ahead, server);
            drop(read_ahead);
            stream::run(stream, protocol).await
        }
        StreamTransport::Tcp => {
            let protocol = tcp::Tcp::new(&read_ahead, server);
            drop(read_ahead);
            stream::run(stream, protocol).await
        }
    }
}
