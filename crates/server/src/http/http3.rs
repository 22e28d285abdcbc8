//! One connection by HTTP/3 (RFC 9114): each request is a stream of QUIC, and so is each event stream, as the
//! answer to one. WebSockets (RFC 9220) are left out: no browser speaks them there.

use std::future::{Future as _, poll_fn};
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;

use bytes::Bytes;
use h3::error::{Code, StreamError};
use h3::server::{RequestResolver, RequestStream};
use http_body_util::{BodyExt as _, Empty};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::response::Parts;
use hyper::{Method, Request, Response, StatusCode};
use nix::sys::socket::{setsockopt, sockopt};
use quinn::{
    Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime, TransportConfig, VarInt,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::{HTTP_BYTES, LINGER_TIMEOUT};
use super::connection_state::ConnectionState;
use super::event_body::{BrokenOff, EventBody};
use super::http3_body::Received;
use super::http3_streams::{Outgoing, Streams, max_head_bytes};
use super::open::{MAX_STREAMS, Open, Requests};
use super::places::{Place, Unproven};
use super::reply::{Rejection, Reply};
use super::request::header_bytes;
use super::route;
use super::send_window::{SEND_WINDOW, SendWindow};
use super::webtransport;
use crate::memory::{Need, Reservation};
use crate::metrics::{ConnectionGauge, Metrics};
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

/// What a connection costs beside its requests: the state of QUIC and TLS, and what waits in both directions.
const QUIC_BYTES: usize = (16 << 10) + RECEIVE_WINDOW as usize + DATAGRAM_BYTES + SEND_WINDOW;

/// What a request costs until its answer is over, beside its headers: its task, and its state in HTTP/3.
const STREAM_BYTES: usize = 8 << 10;

/// Requests of one connection that may break before their heads are whole. h3 0.0.8 remembers each of them as
/// long as the connection lasts.
const MAX_BROKEN: usize = 1_000;

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

/// What a connection may come in on.
pub(super) enum Admission {
    /// A place of its own.
    Place(Place),
    /// One that it takes when its client has shown that it has its address.
    Unproven(Unproven),
}

/// Serves a connection that `incoming` opens to its end. What it holds is accounted for in `held`.
pub(super) async fn serve(
    incoming: Incoming,
    admission: Admission,
    mut held: Reservation,
    server: Arc<Server>,
) {
    let client = incoming.remote_address().ip();
    let config = &server.config;
    if !server.hub.grow(&mut held, HTTP_BYTES + QUIC_BYTES, Need::Connection) {
        return incoming.refuse();
    }
    let begun = timeout(config.header_timeout, begin(incoming, &server)).await;
    let Ok(Some((quic, mut connection))) = begun else { return };
    let place = match admission {
        Admission::Place(place) => Some(place),
        Admission::Unproven(unproven) => unproven.prove(),
    };
    let Some(_place) = place else {
        Metrics::add(&server.metrics.refused, 1);
        return close(
            &quic,
            Code::H3_EXCESSIVE_LOAD,
            b"all connections are in use; try again later",
        );
    };
    Metrics::add(&server.metrics.accepted, 1);
    let gauge = ConnectionGauge::new(Arc::clone(&server.metrics));
    let shared = Arc::new(Shared {
        server: Arc::clone(&server),
        state: ConnectionState::new(gauge, held),
        client,
        window: SendWindow::new(quic),
        broken: AtomicUsize::new(0),
    });
    let open = Requests::new();
    // Dropping the set ends the requests, however this future ends.
    let mut requests = JoinSet::new();
    let mut closed = pin!(server.hub.closed());
    let mut look = pin!(sleep_until(open.first_look(config)));
    loop {
        tokio::select! {
            biased;
            () = &mut closed => break,
            accepted = connection.accept() => match accepted {
                Ok(Some(resolver)) => {
                    let shared = Arc::clone(&shared);
                    let open = open.one();
                    requests.spawn(async move {
                        // Whoever does not read an answer to its end has no use for a reason.
                        let _ = answer(&shared, resolver, open).await;
                    });
                }
                Ok(None) | Err(_) => return,
            },
            Some(_) = requests.join_next() => {}
            () = &mut look => {
                shared.window.narrow_after(config.stall_timeout);
                match open.next_look(config) {
                    Some(next) => {
                        look.as_mut().reset(next.min(Instant::now() + config.stall_timeout));
                    }
                    None => return,
                }
            }
        }
    }
    // What comes from now on is rejected. The first of it is named, which is the one behind the last that
    // was accepted (RFC 9114 §5.2).
    connection.inner.conn.reject_new();
    if connection.shutdown(1).await.is_err() {
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

/// Ends a connection at once.
fn close(quic: &quinn::Connection, code: Code, reason: &[u8]) {
    quic.close(VarInt::from_u64(code.value()).unwrap_or_default(), reason);
}

type Accepted = h3::server::Connection<Streams, Bytes>;

/// A connection, and HTTP/3 on it, if both come about.
async fn begin(incoming: Incoming, server: &Arc<Server>) -> Option<(quinn::Connection, Accepted)> {
    let quic = incoming.accept().ok()?.await.ok()?;
    let mut http = h3::server::builder();
    http.max_field_section_size(max_head_bytes(server.config.max_header_bytes) as u64)
        .send_grease(false)
        // All of these are what browsers ask for before they open a session of WebTransport.
        .enable_extended_connect(true)
        .enable_datagram(true)
        .enable_webtransport(true)
        .max_webtransport_sessions(MAX_STREAMS.into());
    let streams = Streams::new(quic.clone(), Arc::clone(server));
    let connection = http.build(streams).await.ok()?;
    Some((quic, connection))
}

/// What the requests of a connection share.
pub(super) struct Shared {
    pub(super) server: Arc<Server>,
    state: ConnectionState,
    client: IpAddr,
    pub(super) window: SendWindow,
    /// Requests that broke before their heads were whole.
    broken: AtomicUsize,
}

impl Shared {
    /// Sends `piece`. Flow control says when the next one may come.
    async fn send(&self, to: &mut Sending, piece: Bytes) -> Result<(), Unsent> {
        {
            let mut sending = pin!(to.send_data(piece));
            if let Poll::Ready(sent) = poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx))).await {
                return Ok(sent?);
            }
            let _widened = self.window.widen(&self.server.hub);
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
        let _widened = self.window.widen(&self.server.hub);
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

    /// Takes note of a request that broke before its head was whole.
    fn broke(&self) {
        if self.broken.fetch_add(1, Relaxed) + 1 >= MAX_BROKEN {
            close(
                self.window.quic(),
                Code::H3_EXCESSIVE_LOAD,
                b"too many requests were broken off",
            );
        }
    }
}

/// Why an answer did not get to its end.
#[derive(Debug)]
enum Unsent {
    /// Its client did not let it go on for too long.
    Stalled,
    /// Its stream or connection broke, or it was broken off.
    Broken,
}

impl From<StreamError> for Unsent {
    fn from(_: StreamError) -> Self {
        Self::Broken
    }
}

impl From<BrokenOff> for Unsent {
    fn from(_: BrokenOff) -> Self {
        Self::Broken
    }
}

/// What goes to a client as the answer to one request.
pub(super) type Sending = RequestStream<Outgoing, Bytes>;

async fn answer(
    shared: &Shared,
    resolver: RequestResolver<Streams, Bytes>,
    mut open: Open,
) -> Result<(), Unsent> {
    let Shared { server, state, client, .. } = shared;
    // Its head is accounted for as it comes; whoever opens streams and sends nothing costs something, too.
    let held = server.hub.reserve(STREAM_BYTES, Need::Connection);
    let has_memory = held.is_some();
    open.held = held.unwrap_or_default();
    let resolved = timeout(server.config.header_timeout, resolver.resolve_request()).await;
    let Ok(Ok((request, stream))) = resolved else {
        shared.broke();
        return Err(Unsent::Broken);
    };
    let (mut to_client, from_client) = stream.split();
    let (head, ()) = request.into_parts();
    let is_head = head.method == Method::HEAD;
    // As long as it waits for its answer, it is as much to hold as a stream.
    let bytes = STREAM_BYTES + header_bytes(&head);
    if !has_memory || !server.hub.grow(&mut open.held, bytes, Need::Connection) {
        let reply = Rejection::out_of_memory().into_reply();
        return shared.send_whole(&mut to_client, reply, is_head).await;
    }
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
        shared.send(&mut to_client, piece?).await?;
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
