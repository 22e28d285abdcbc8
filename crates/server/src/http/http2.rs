//! One connection by HTTP/2: hyper serves its requests, and each event stream is the body of an answer.
//! A WebSocket is a stream of the connection, too (RFC 8441).

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::{Instant, sleep_until};

use super::connection_state::ConnectionState;
use super::event_body::{Answered, EventBody};
use super::route;
use super::socket::Socket;
use crate::Server;
use crate::memory::{Need, Reservation};
use crate::metrics::ConnectionGauge;
use crate::transport::{self, Answer};

/// Requests of one connection that may be open at the same time: as many as RFC 9113 §6.5.2 advises at
/// least, and more than a page has streams.
const MAX_STREAMS: u32 = 256;

/// What an open stream costs: its task, its state in HTTP/2, and the frames that wait for its window.
const STREAM_BYTES: usize = 8 << 10;

/// Serves an accepted connection of `client` to its end. What it holds is accounted for in `held`.
pub(super) async fn serve(socket: Socket, client: IpAddr, held: Reservation, server: &Arc<Server>) {
    let config = &server.config;
    let gauge = ConnectionGauge::new(Arc::clone(&server.metrics));
    let state = Arc::new(ConnectionState::new(gauge, held));
    let open = Arc::new(AtomicUsize::new(0));
    let service = service_fn(|request: Request<Incoming>| {
        let (server, state) = (Arc::clone(server), Arc::clone(&state));
        let open = Open::one(&open);
        async move { Ok::<_, Infallible>(answer(server, &state, client, request, open).await) }
    });
    let header_bytes = u32::try_from(config.max_header_bytes).unwrap_or(u32::MAX);
    let mut connection = pin!(
        http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(header_bytes.saturating_mul(2))
            .enable_connect_protocol()
            .serve_connection(TokioIo::new(socket), service)
    );
    let mut closed = pin!(server.hub.closed());
    let mut draining = false;
    let mut idle_since = Instant::now();
    let mut was_used = false;
    let mut timer = pin!(sleep_until(idle_since + config.header_timeout));
    poll_fn(|cx| {
        if !draining && closed.as_mut().poll(cx).is_ready() {
            draining = true;
            connection.as_mut().graceful_shutdown();
        }
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if open.load(Relaxed) > 0 {
            was_used = true;
            idle_since = Instant::now();
        }
        let limit = if was_used { config.keep_alive } else { config.header_timeout };
        while timer.as_mut().poll(cx).is_ready() {
            let deadline = idle_since + limit;
            if open.load(Relaxed) == 0 && Instant::now() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline.max(Instant::now() + config.header_timeout));
        }
        Poll::Pending
    })
    .await;
}

/// A request that is not over yet.
pub(super) struct Open(Arc<AtomicUsize>);

impl Open {
    fn one(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Relaxed);
        Self(Arc::clone(all))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

async fn answer(
    server: Arc<Server>,
    state: &ConnectionState,
    client: IpAddr,
    mut request: Request<Incoming>,
    open: Open,
) -> Response<Answered> {
    let upgrade = transport::is_websocket_connect(request.method(), request.extensions())
        .then(|| hyper::upgrade::on(&mut request));
    let has_body = !request.body().is_end_stream();
    state.request_began();
    let answer = route::answer(&server, state, client, request).await;
    state.request_handled(has_body);
    let opened = match answer {
        Answer::Reply(mut reply) => {
            // HTTP/2 has no such header (RFC 9113 §8.2.2).
            reply.headers_mut().remove(hyper::header::CONNECTION);
            reply.headers_mut().remove(hyper::header::UPGRADE);
            return reply.map(|body| Answered::Whole(body, open));
        }
        Answer::Stream(opened) => opened,
    };
    let Some(held) = server.hub.reserve(STREAM_BYTES, Need::Connection) else {
        let reply = super::reply::Rejection::out_of_memory().into_reply();
        return reply.map(|body| Answered::Whole(body, open));
    };
    match upgrade {
        None => {
            let (headers, first, subscriber) = opened.into_parts();
            let body = EventBody::new(first, subscriber, server, held, open);
            let mut response = Response::new(Answered::Events(Box::new(body)));
            *response.headers_mut() = headers;
            response
        }
        Some(upgrade) => {
            let headers = opened.headers().clone();
            tokio::spawn(async move {
                let _open = open;
                let Ok(upgraded) = upgrade.await else { return };
                let mut socket = Socket::of_stream(upgraded);
                let run = transport::run_stream(&mut socket, Bytes::new(), opened, held, &server);
                if run.await.is_ok() {
                    // Whoever is still there sees the end.
                    let _ = tokio::io::AsyncWriteExt::shutdown(&mut socket).await;
                }
            });
            let mut response = Response::new(Answered::Nothing);
            *response.headers_mut() = headers;
            response
        }
    }
}
