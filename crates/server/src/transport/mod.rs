//! The server side of each transport. A new transport is a file here and an arm in [`answer`].

mod chunks;
mod client_frames;
mod long_polling;
mod permessage_deflate;
mod polling;
mod sse;
mod stream;
mod stream_protocol;
mod subscriber;
mod tcp;
mod websocket;
mod write_queue;

use std::io;

use bytes::Bytes;
use hyper::ext::Protocol;
use hyper::header::HeaderValue;
use hyper::http::Extensions;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};
use pushbench_wire::Transport;

use crate::Server;
use crate::compression::Compression;
use crate::http::reply::{Rejection, Reply};
use crate::http::socket::Socket;
use crate::memory::Reservation;
pub(crate) use stream::first_heartbeat_of as first_heartbeat;
use stream_protocol::StreamState;
pub(crate) use subscriber::Channels;
pub(crate) use subscriber::{Limit, Subscriber, SubscriberWaiter};

/// The result of a valid request.
pub(crate) enum Answer {
    /// A response.
    Reply(Reply),
    /// A stream: on the bare socket, or by HTTP/2 one of its streams.
    Stream(Box<OpenedStream>),
}

/// A stream that a request has opened.
pub(crate) struct OpenedStream {
    transport: StreamTransport,
    /// The head of the response, and whatever else comes before the first event.
    head: Bytes,
    /// The headers of the response by HTTP/2, whose head is not among what comes first.
    headers: HeaderMap,
    /// Whether what follows the head goes in chunks.
    is_chunked: bool,
    compression: Compression,
    subscriber: Subscriber,
}

impl OpenedStream {
    /// Headers, what comes first, how what follows is compressed, and who reads.
    pub(crate) fn into_parts(self) -> (HeaderMap, Bytes, Compression, Subscriber) {
        (self.headers, self.head, self.compression, self.subscriber)
    }

    /// The headers of the response by HTTP/2.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

/// Whether a request wants a stream of HTTP/2 for a WebSocket (RFC 8441 §5).
pub(crate) fn is_websocket_connect(method: &Method, extensions: &Extensions) -> bool {
    let protocol = extensions.get::<Protocol>();
    *method == Method::CONNECT && protocol.is_some_and(|of| of.as_str() == websocket::PROTOCOL)
}

/// The streaming transports.
#[derive(Clone, Copy)]
enum StreamTransport {
    Sse,
    WebSocket,
    Tcp,
}

impl Server {
    /// Counts `events` written to the socket of one subscriber, of which `notices` say that it
    /// lagged, and injects what a delivery costs.
    pub(crate) fn deliver(&self, transport: Transport, events: usize, notices: usize) {
        self.metrics.delivered(transport, events, notices);
        if let Some(injector) = &self.injector {
            injector.deliver(events - notices);
        }
    }
}

/// Answers a request for the events of `channels` over `transport`. Pages of `origin` may read them, if
/// they need to be told.
pub(crate) async fn answer(
    transport: Transport,
    server: &Server,
    channels: Channels,
    request: &Parts,
    origin: Option<&HeaderValue>,
) -> Result<Answer, Rejection> {
    let stream = |opened| Answer::Stream(Box::new(opened));
    let answer = match transport {
        Transport::Polling => polling::answer(server, channels, request).await.map(Answer::Reply),
        Transport::LongPolling => {
            long_polling::answer(server, channels, request).await.map(Answer::Reply)
        }
        Transport::Sse => sse::open(server, channels, request, origin).map(stream),
        Transport::WebSocket => websocket::open(server, channels, request).map(stream),
        Transport::Tcp => tcp::open(channels, request).map(stream),
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
    socket: &mut Socket,
    read_ahead: Bytes,
    opened: Box<OpenedStream>,
    held: Reservation,
    server: &Server,
) -> io::Result<()> {
    let OpenedStream { transport, head, is_chunked, compression, subscriber, .. } = *opened;
    let inflates = matches!(compression, Compression::Messages);
    let stream = StreamState::new(socket, head, subscriber, held, server)
        .chunked(is_chunked)
        .compressed(compression);
    // `read_ahead` holds hyper's whole read buffer even when it is empty, hence the drops.
    match transport {
        StreamTransport::Sse => {
            // A client has nothing to say on this stream.
            drop(read_ahead);
            stream::run(stream, sse::Sse { is_chunked }).await
        }
        StreamTransport::WebSocket => {
            let protocol = websocket::WebSocket::new(&read_ahead, inflates, server);
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
