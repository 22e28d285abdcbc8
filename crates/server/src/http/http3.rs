//! One connection by HTTP/3 (RFC 9114): each request is a stream of QUIC, and so is each event stream, as the
//! answer to one. WebSockets (RFC 9220) are left out: no browser speaks them there.

use std::future::{Future as _, poll_fn};
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;

use bytes::Bytes;
use h3::error::{Code, StreamError};
use h3::server::{RequestResolver, RequestStream};
use h3_quinn::{Connection, SendStream};
use http_body_util::{BodyExt as _, Empty};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::response::Parts;
use hyper::{Method, Request, Response, StatusCode};
use nix::sys::socket::{setsockopt, sockopt};
use quinn::{Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime, TransportConfig};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use super::connection::{HTTP_BYTES, LINGER_TIMEOUT};
use super::connection_state::ConnectionState;
use super::event_body::EventBody;
use super::http3_body::Received;
use super::open::{Idle, MAX_STREAMS, Open};
use super::reply::{Rejection, Reply};
use super::request::header_bytes;
use super::route;
use super::webtransport;
use crate::memory::{Need, Reservation};
use crate::metrics::ConnectionGauge;
use crate::tls::Tls;
use crate::transport::Answer;
use crate::{Config, Server};

/// Streams in one direction that a client needs: for control and for the tables of QPACK (RFC 9114 §6.2),
/// and some that it may open to see whether unknown ones are ignored (§6.2.3).
const MAX_CONTROL_STREAMS: u32 = 8;

/// What a client may have sent that has not been read yet, over all of a connection's streams.
const RECEIVE_WINDOW: u32 = 32 << 10;

/// What a client may have sent outside of streams. Nobody reads it, but WebTransport wants it to be possible.
const DATAGRAM_BYTES: usize = 2 << 10;

/// What may wait to be acknowledged, over all of a connection's streams: what goes out at first (RFC 9002 §7.2).
const SEND_WINDOW: usize = 16 << 10;

/// What it grows to where that is too little and there is memory for it. TCP keeps as much in the kernel.
const LARGE_SEND_WINDOW: usize = 256 << 10;

/// What a connection costs beside its requests: the state of QUIC and TLS, and what waits in both directions.
const QUIC_BYTES: usize = (16 << 10) + RECEIVE_WINDOW as usize + DATAGRAM_BYTES + SEND_WINDOW;

/// What a request costs until its answer is over, beside its headers: its task, and its state in HTTP/3.
const STREAM_BYTES: usize = 8 << 10;

/// What the kernel may keep of all connections' packets until they are read. They have one socket here, where
/// TCP has one for each connection.
const SOCKET_BUFFER: usize = 8 << 20;

/// What accepts connections by QUIC on `socket`.
///
/// # Errors
/// When the socket or the certificate cannot be used for that.
pub(crate) fn endpoint(socket: UdpSocket, tls: &Tls, config: &Config) -> io::Result<Endpoint> {
    // Whatever the system allows; without the right to more, that is less.
    let _ = setsockopt(&socket, sockopt::RcvBuf, &SOCKET_BUFFER);
    let _ = setsockopt(&socket, sockopt::RcvBufForce, &SOCKET_BUFFER);
    let _ = setsockopt(&socket, sockopt::SndBuf, &SOCKET_BUFFER);
    let mut transport = TransportConfig::default();
    let idle = config.stall_timeout.try_into().map_err(io::Error::other)?;
    transport
        .max_concurrent_bidi_streams(MAX_STREAMS.into())
        .max_concurrent_uni_streams(MAX_CONTROL_STREAMS.into())
        .receive_window(RECEIVE_WINDOW.into())
        .stream_receive_window(RECEIVE_WINDOW.into())
        .send_window(SEND_WINDOW as u64)
        .datagram_receive_buffer_size(Some(DATAGRAM_BYTES))
        // Who is gone acknowledges nothing. Whoever is there but has nothing to say is asked before the end.
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(config.heartbeat.min(config.stall_timeout / 2)));
    let crypto = tls.for_quic().map_err(io::Error::other)?;
    let mut server = ServerConfig::with_crypto(Arc::new(crypto));
    server.transport_config(Arc::new(transport));
    Endpoint::new(EndpointConfig::default(), Some(server), socket, Arc::new(TokioRuntime))
}

/// Serves a connection that `incoming` opens to its end. What it holds is accounted for in `held`.
pub(super) async fn serve(incoming: Incoming, mut held: Reservation, server: Arc<Server>) {
    let client = incoming.remote_address().ip();
    let config = &server.config;
    if !server.hub.grow(&mut held, HTTP_BYTES + QUIC_BYTES, Need::Connection) {
        return incoming.refuse();
    }
    let begun = timeout(config.header_timeout, begin(incoming, config)).await;
    let Ok(Some((quic, mut connection))) = begun else { return };
    let gauge = ConnectionGauge::new(Arc::clone(&server.metrics));
    let shared = Arc::new(Shared {
        server: Arc::clone(&server),
        state: ConnectionState::new(gauge, held),
        client,
        quic,
    });
    let open = Arc::new(AtomicUsize::new(0));
    // Dropping the set ends the requests, however this future ends.
    let mut requests = JoinSet::new();
    let mut closed = pin!(server.hub.closed());
    let mut idle = Idle::new(&open);
    let mut look = pin!(sleep_until(idle.first_look(config.header_timeout)));
    loop {
        tokio::select! {
            biased;
            () = &mut closed => break,
            accepted = connection.accept() => match accepted {
                Ok(Some(resolver)) => {
                    let shared = Arc::clone(&shared);
                    let open = Open::one(&open);
                    requests.spawn(async move {
                        // Whoever does not read an answer to its end has no use for a reason.
                        let _ = answer(&shared, resolver, open).await;
                    });
                }
                Ok(None) | Err(_) => return,
            },
            // When a request ends, the time without any begins.
            Some(_) = requests.join_next() => idle.look(),
            () = &mut look => {
                idle.look();
                match idle.next_look(config) {
                    Some(next) => look.as_mut().reset(next),
                    None => return,
                }
            }
        }
        idle.look();
    }
    // What comes from now on is rejected.
    if connection.shutdown(0).await.is_err() {
        return;
    }
    while !requests.is_empty() {
        tokio::select! {
            accepted = connection.accept() => if !matches!(accepted, Ok(Some(_))) { return },
            _ = requests.join_next() => {}
        }
    }
    // Closing drops what has not been acknowledged, so whoever is still there is given time to read the end.
    let closed = async { while matches!(connection.accept().await, Ok(Some(_))) {} };
    let _ = timeout(LINGER_TIMEOUT, closed).await;
}

type Accepted = h3::server::Connection<Connection, Bytes>;

/// A connection, and HTTP/3 on it, if both come about.
async fn begin(incoming: Incoming, config: &Config) -> Option<(quinn::Connection, Accepted)> {
    let quic = incoming.accept().ok()?.await.ok()?;
    let header_bytes = config.max_header_bytes as u64;
    let mut http = h3::server::builder();
    http.max_field_section_size(header_bytes.saturating_mul(2))
        .send_grease(false)
        // All of these are what browsers ask for before they open a session of WebTransport.
        .enable_extended_connect(true)
        .enable_datagram(true)
        .enable_webtransport(true)
        .max_webtransport_sessions(MAX_STREAMS.into());
    let connection = http.build(Connection::new(quic.clone())).await.ok()?;
    Some((quic, connection))
}

/// What the requests of a connection share.
pub(super) struct Shared {
    pub(super) server: Arc<Server>,
    state: ConnectionState,
    client: IpAddr,
    pub(super) quic: quinn::Connection,
}

impl Shared {
    /// Sends `piece`. Flow control says when the next one may come.
    async fn send(&self, to: &mut Sending, piece: Bytes) -> Result<(), Unsent> {
        {
            let mut sending = pin!(to.send_data(piece));
            if let Poll::Ready(sent) = poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx))).await {
                return Ok(sent?);
            }
            self.widen();
            if let Ok(sent) = timeout(self.server.config.stall_timeout, sending).await {
                return Ok(sent?);
            }
        }
        // What waits there is kept as long as the stream is.
        to.stop_stream(Code::H3_REQUEST_CANCELLED);
        Err(Unsent::Stalled)
    }

    /// Writes `piece` to a stream that is no answer.
    pub(super) async fn write(
        &self,
        to: &mut quinn::SendStream,
        piece: Bytes,
    ) -> Result<(), quinn::WriteError> {
        let mut writing = pin!(to.write_chunk(piece));
        if let Poll::Ready(written) = poll_fn(|cx| Poll::Ready(writing.as_mut().poll(cx))).await {
            return written;
        }
        self.widen();
        let written = timeout(self.server.config.stall_timeout, writing).await;
        written.unwrap_or(Err(quinn::WriteError::ClosedStream))
    }

    /// Sends a whole answer.
    async fn send_whole(
        &self,
        to: &mut Sending,
        reply: Reply,
        is_head: bool,
    ) -> Result<(), Unsent> {
        let (mut head, body) = reply.into_parts();
        let body = body.collect().await.unwrap_or_else(|never| match never {}).to_bytes();
        complete(&mut head, body.len());
        to.send_response(Response::from_parts(head, ())).await?;
        if !is_head && !body.is_empty() {
            self.send(to, body).await?;
        }
        Ok(to.finish().await?)
    }

    /// Lets more wait to be acknowledged, if there is memory for it. Whatever others depend on comes first.
    fn widen(&self) {
        let mut inner = self.state.lock();
        let bytes = HTTP_BYTES + QUIC_BYTES + LARGE_SEND_WINDOW - SEND_WINDOW;
        if inner.held.bytes() < bytes && inner.held.resize(bytes, Need::Input) {
            self.quic.set_send_window(LARGE_SEND_WINDOW as u64);
        }
    }
}

/// Why an answer did not get to its end.
#[derive(Debug)]
enum Unsent {
    /// Its client did not let it go on for too long.
    Stalled,
    /// Its stream or connection broke.
    Broken,
}

impl From<StreamError> for Unsent {
    fn from(_: StreamError) -> Self {
        Self::Broken
    }
}

/// What goes to a client as the answer to one request.
pub(super) type Sending = RequestStream<SendStream<Bytes>, Bytes>;

async fn answer(
    shared: &Shared,
    resolver: RequestResolver<Connection, Bytes>,
    mut open: Open,
) -> Result<(), Unsent> {
    let Shared { server, state, client, .. } = shared;
    let Ok(resolved) = timeout(server.config.header_timeout, resolver.resolve_request()).await
    else {
        return Ok(());
    };
    let (request, stream) = resolved?;
    let (mut to_client, from_client) = stream.split();
    let (head, ()) = request.into_parts();
    let is_head = head.method == Method::HEAD;
    // As long as it waits for its answer, it is as much to hold as a stream.
    let bytes = STREAM_BYTES + header_bytes(&head);
    let Some(held) = server.hub.reserve(bytes, Need::Connection) else {
        let reply = Rejection::out_of_memory().into_reply();
        return shared.send_whole(&mut to_client, reply, is_head).await;
    };
    open.held = held;
    if webtransport::is_connect(&head.method, &head.extensions) {
        state.request_began();
        let request = Request::from_parts(head, Empty::new());
        let answer = route::answer(server, state, *client, request).await;
        state.request_handled(false);
        return match answer {
            Answer::Reply(reply) => shared.send_whole(&mut to_client, reply, is_head).await,
            Answer::Stream(opened) => {
                Ok(webtransport::serve(shared, to_client, from_client, *opened, open).await?)
            }
        };
    }
    let mut body = Received::new(from_client, &head.headers);
    // That a body is empty is told by its end alone. Whoever may not have one is not waited for longer than
    // for a head.
    if head.method != Method::POST {
        let _ = timeout(server.config.header_timeout, body.look()).await;
    }
    let had_body = !hyper::body::Body::is_end_stream(&body);
    state.request_began();
    let answer = route::answer(server, state, *client, Request::from_parts(head, body)).await;
    state.request_handled(had_body);
    let opened = match answer {
        Answer::Reply(reply) => return shared.send_whole(&mut to_client, reply, is_head).await,
        Answer::Stream(opened) => opened,
    };
    let (headers, first, compression, subscriber) = opened.into_parts();
    let mut events = EventBody::new(first, compression, subscriber, Arc::clone(server), open);
    let mut response = Response::new(());
    *response.headers_mut() = headers;
    to_client.send_response(response).await?;
    while let Some(piece) = poll_fn(|cx| events.poll_next(cx)).await {
        shared.send(&mut to_client, piece).await?;
    }
    Ok(to_client.finish().await?)
}

/// What hyper does for the other versions: says how long the body is and when it was sent (RFC 9110 §8.6,
/// §6.6.1), and leaves out what is about a connection of HTTP/1.1 (RFC 9114 §4.2).
fn complete(head: &mut Parts, body_bytes: usize) {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    for of_connection in [CONNECTION, UPGRADE, TRANSFER_ENCODING, KEEP_ALIVE] {
        head.headers.remove(of_connection);
    }
    if head.status != StatusCode::NO_CONTENT {
        head.headers.insert(CONTENT_LENGTH, body_bytes.into());
    }
    #[expect(clippy::disallowed_methods, reason = "answers are dated by the wall clock")]
    let now = httpdate::fmt_http_date(std::time::SystemTime::now());
    if let Ok(now) = HeaderValue::try_from(now) {
        head.headers.insert(DATE, now);
    }
}
