//! One connection by HTTP/2: hyper serves its requests, and each event stream is the body of an answer.
//! A WebSocket is a stream of the connection, too (RFC 8441).

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::LINGER_TIMEOUT;
use super::connection_state::ConnectionState;
use super::event_body::{Answered, EventBody, Whole};
use super::open::{MAX_STREAMS, Open, Requests};
use super::reply::{self, Rejection, Reply};
use super::request::header_bytes;
use super::route;
use super::socket::Socket;
use super::unsent::Unsent;
use crate::Server;
use crate::memory::{Need, Reservation};
use crate::metrics::ConnectionGauge;
use crate::transport::{self, Answer};

/// How much of an answer may wait for the window of its client: as much as for TLS.
const MAX_SEND_BUFFER: usize = 16 << 10;

/// What a request costs until its answer is over, beside its headers: its task, its state in HTTP/2, and
/// what waits for its window. An event that is larger than that waits as a part of its log, which counts it.
const STREAM_BYTES: usize = MAX_SEND_BUFFER + (8 << 10);

/// Serves an accepted connection of `client` to its end. What it holds is accounted for in `held`.
pub(super) async fn serve(socket: Socket, client: IpAddr, held: Reservation, server: &Arc<Server>) {
    let config = &server.config;
    let gauge = ConnectionGauge::new(Arc::clone(&server.metrics));
    let state = Arc::new(ConnectionState::new(gauge, held));
    let (open, unsent) = (Requests::new(), Arc::<Unsent>::default());
    let service = service_fn(|request: Request<Incoming>| {
        let (server, state) = (Arc::clone(server), Arc::clone(&state));
        let (open, unsent) = (open.one(), Arc::clone(&unsent));
        async move {
            let alt_svc = server.alt_svc.clone();
            let mut response = answer(server, &state, client, request, open, &unsent).await;
            reply::advertise(&mut response, alt_svc.as_ref());
            Ok::<_, Infallible>(response)
        }
    });
    let header_bytes = u32::try_from(config.max_header_bytes).unwrap_or(u32::MAX);
    let mut connection = pin!(
        http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(header_bytes.saturating_mul(2))
            .max_send_buf_size(MAX_SEND_BUFFER)
            .enable_connect_protocol()
            // Who is gone answers no ping. Streams that nobody reads are not written to, so nothing
            // else would notice.
            .timer(TokioTimer::new())
            .keep_alive_interval(config.heartbeat)
            .keep_alive_timeout(config.stall_timeout)
            .serve_connection(TokioIo::new(socket), service)
    );
    let mut closed = pin!(server.hub.closed());
    let mut draining = false;
    let mut stall_look = Instant::now() + config.stall_timeout;
    let mut timer = pin!(sleep_until(stall_look.min(open.first_look(config))));
    poll_fn(|cx| {
        if !draining && closed.as_mut().poll(cx).is_ready() {
            draining = true;
            connection.as_mut().graceful_shutdown();
        }
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        while timer.as_mut().poll(cx).is_ready() {
            let Some(next) = open.next_look(config) else { return Poll::Ready(()) };
            let now = Instant::now();
            if now >= stall_look {
                // hyper gives no hold of a single stream, so the connection ends.
                if unsent.has_stalled() {
                    return Poll::Ready(());
                }
                stall_look = now + config.stall_timeout;
            }
            timer.as_mut().reset(next.min(stall_look));
        }
        Poll::Pending
    })
    .await;
}

/// Leaves what a HEAD request is to know about the body (RFC 9110 §9.3.2).
fn leave_out_body(reply: &mut Reply) {
    let body = std::mem::take(reply.body_mut());
    if let Some(length @ 1..) = body.size_hint().exact() {
        reply.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
}

async fn answer(
    server: Arc<Server>,
    state: &ConnectionState,
    client: IpAddr,
    request: Request<Incoming>,
    mut open: Open,
    unsent: &Arc<Unsent>,
) -> Response<Answered> {
    let (head, body) = request.into_parts();
    // As long as it waits for its answer, it is as much to hold as a stream.
    let bytes = STREAM_BYTES + header_bytes(&head);
    let Some(held) = server.hub.reserve(bytes, Need::Connection) else {
        return Whole::of(Rejection::out_of_memory().into_reply(), unsent.one(), open).await;
    };
    open.held = held;
    let mut request = Request::from_parts(head, body);
    let upgrade = transport::is_websocket_connect(request.method(), request.extensions())
        .then(|| hyper::upgrade::on(&mut request));
    let is_head = *request.method() == Method::HEAD;
    let has_body = !request.body().is_end_stream();
    state.request_began();
    let answer = route::answer(&server, state, client, request).await;
    state.request_handled(has_body);
    let opened = match answer {
        Answer::Reply(mut reply) => {
            // By HTTP/2, hyper leaves that to its service.
            if is_head {
                leave_out_body(&mut reply);
            }
            return Whole::of(reply, unsent.one(), open).await;
        }
        Answer::Stream(opened) => opened,
    };
    match upgrade {
        None => {
            let (headers, first, compression, subscriber) = opened.into_parts();
            let body = EventBody::new(first, compression, subscriber, server, open);
            let mut response = Response::new(Answered::Events(Box::new(body)));
            *response.headers_mut() = headers;
            response
        }
        Some(upgrade) => {
            let headers = opened.headers().clone();
            tokio::spawn(async move {
                let Ok(upgraded) = upgrade.await else { return };
                let mut socket = Socket::of_stream(upgraded);
                let held = std::mem::take(&mut open.held);
                let run = transport::run_stream(&mut socket, Bytes::new(), opened, held, &server);
                if run.await.is_ok() {
                    // Whoever is still there sees the end.
                    let _ = timeout(LINGER_TIMEOUT, socket.shutdown()).await;
                }
            });
            let mut response = Response::new(Answered::Nothing);
            *response.headers_mut() = headers;
            response
        }
    }
}
