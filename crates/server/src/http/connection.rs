//! One connection: hyper serves its requests until one of them opens a stream. Then the socket is
//! taken out of hyper, whose buffers are freed, and handed to the transport.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use pushbench_wire::Transport;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::reply::Rejection;
use super::route;
use crate::Server;
use crate::metrics::ConnectionGauge;
use crate::transport::{self, Answer, Takeover};

/// How much larger than our own limit on headers hyper's is, so that we can answer in JSON.
const HEADER_HEADROOM: usize = 2;

/// hyper refuses a smaller limit on its buffers.
const MIN_HYPER_BUFFER: usize = 8 << 10;

/// How long a peer that was turned down may take to read why.
const LINGER: Duration = Duration::from_secs(1);

/// Serves one accepted connection to its end.
pub(super) async fn serve(stream: TcpStream, server: Arc<Server>) {
    // Boxed, so that a stream's task does not keep the room that hyper needed before.
    match Box::pin(serve_requests(stream, &server)).await {
        End::Done => {}
        End::Linger(stream) => linger(stream).await,
        End::TimedOut(stream) => {
            let timeout = server.config.header_timeout;
            let rejection = Rejection::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the headers did not arrive within {timeout:?}; send them at once"),
            );
            refuse(stream, &rejection).await;
        }
        End::TakenOver { stream, read_ahead, takeover, gauge } => {
            if transport::push(&stream, read_ahead, takeover, &server).await.is_ok() {
                end(stream).await;
            }
            drop(gauge);
        }
    }
}

/// Sends `rejection` to a peer that hyper does not serve, and closes.
pub(super) async fn refuse(mut stream: TcpStream, rejection: &Rejection) {
    let sent = tokio::time::timeout(LINGER, stream.write_all(&rejection.to_bytes())).await;
    if matches!(sent, Ok(Ok(()))) {
        end(stream).await;
    }
}

/// Closes in the order that lets the peer read all that was sent.
async fn end(mut stream: TcpStream) {
    if stream.shutdown().await.is_ok() {
        linger(stream).await;
    }
}

/// Reads on until the peer closes too: closing a socket with unread input resets the connection,
/// which can destroy an answer that is still on its way (RFC 9112 §9.6).
async fn linger(mut stream: TcpStream) {
    let mut discarded = tokio::io::sink();
    let closed = tokio::io::copy(&mut stream, &mut discarded);
    let _ = tokio::time::timeout(LINGER, closed).await;
}

/// How the HTTP part of a connection ended.
enum End {
    /// Nothing is left to do.
    Done,
    /// All was said and the write side is shut, but the peer may still be sending.
    Linger(TcpStream),
    /// The headers of a request took too long.
    TimedOut(TcpStream),
    /// A request opened a stream, on which the peer may already have sent `read_ahead`.
    TakenOver { stream: TcpStream, read_ahead: Bytes, takeover: Takeover, gauge: ConnectionGauge },
}

async fn serve_requests(stream: TcpStream, server: &Arc<Server>) -> End {
    let config = &server.config;
    let exchange = Arc::new(Exchange::new(ConnectionGauge::new(Arc::clone(&server.metrics))));
    let service = service_fn(|request: Request<Incoming>| {
        let (server, exchange) = (Arc::clone(server), Arc::clone(&exchange));
        async move {
            let has_body = !request.body().is_end_stream();
            exchange.begin();
            let answer = route::answer(&server, &exchange, request).await;
            exchange.end(has_body);
            match answer {
                Answer::Reply(reply) => Ok::<_, std::convert::Infallible>(reply),
                Answer::TakeOver(takeover) => {
                    exchange.state().takeover = Some(takeover);
                    // The connection is taken apart before anyone waits for this.
                    std::future::pending().await
                }
            }
        }
    });
    let max_buffer = (config.max_header_bytes * HEADER_HEADROOM).max(MIN_HYPER_BUFFER);
    let io = Watched { inner: TokioIo::new(stream), exchange: Arc::clone(&exchange) };
    let mut connection =
        http1::Builder::new().max_buf_size(max_buffer).serve_connection(io, service);

    let mut closed = pin!(server.hub.closed());
    let mut draining = false;
    let mut progress = exchange.progress();
    let mut since = Instant::now();
    let mut timer = pin!(tokio::time::sleep_until(since + config.header_timeout));
    let cause = std::future::poll_fn(|cx| {
        if !draining && closed.as_mut().poll(cx).is_ready() {
            draining = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if Pin::new(&mut connection).poll(cx).is_ready() {
            return Poll::Ready(Cause::Hyper);
        }
        if exchange.state().takeover.is_some() {
            return Poll::Ready(Cause::Takeover);
        }
        // hyper's own header time-out also runs while a kept connection is idle, and there is no
        // other for that; hence both are kept here.
        let now = exchange.progress();
        if now != progress {
            progress = now;
            since = Instant::now();
        }
        let limit = match progress {
            (Phase::Serving, _) => return Poll::Pending,
            (Phase::Sending, _) | (Phase::Idle, 1..) => config.keep_alive,
            (Phase::Idle, 0) | (Phase::Head, _) => config.header_timeout,
        };
        let deadline = since + limit;
        if deadline < timer.deadline() {
            timer.as_mut().reset(deadline);
        }
        // A later deadline leaves the timer as it is, so that a request costs no work on it.
        loop {
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(Cause::Timeout(progress.0));
            }
            timer.as_mut().reset(deadline);
        }
    })
    .await;

    let parts = connection.into_parts();
    let stream = parts.io.inner.into_inner();
    let mut state = exchange.state();
    match cause {
        Cause::Hyper if state.linger => End::Linger(stream),
        Cause::Timeout(Phase::Head) => End::TimedOut(stream),
        Cause::Hyper | Cause::Timeout(_) => End::Done,
        Cause::Takeover => {
            let Some(takeover) = state.takeover.take() else { return End::Done };
            let gauge = std::mem::replace(
                &mut state.gauge,
                ConnectionGauge::new(Arc::clone(&server.metrics)),
            );
            End::TakenOver { stream, read_ahead: parts.read_buf, takeover, gauge }
        }
    }
}

/// What ended the HTTP part.
enum Cause {
    Hyper,
    Takeover,
    Timeout(Phase),
}

/// What a connection's task, its socket and its current request tell each other.
pub(super) struct Exchange(Mutex<State>);

struct State {
    phase: Phase,
    /// Requests so far.
    requests: u64,
    /// Whether part of the next request has arrived before this one's answer was sent.
    read_ahead: bool,
    /// Whether the peer may still be sending when the connection ends.
    linger: bool,
    takeover: Option<Takeover>,
    gauge: ConnectionGauge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Between two requests.
    Idle,
    /// Part of a request's head has arrived.
    Head,
    /// A request is being answered.
    Serving,
    /// Its answer is on its way.
    Sending,
}

impl Exchange {
    fn new(gauge: ConnectionGauge) -> Self {
        Self(Mutex::new(State {
            phase: Phase::Idle,
            requests: 0,
            read_ahead: false,
            linger: false,
            takeover: None,
            gauge,
        }))
    }

    /// Notes that the peer may still be sending when the connection ends.
    pub(super) fn linger(&self) {
        self.state().linger = true;
    }

    /// Counts the connection under `transport` from now on.
    pub(super) fn use_transport(&self, transport: Transport) {
        self.state().gauge.set(transport);
    }

    fn begin(&self) {
        let mut state = self.state();
        state.phase = Phase::Serving;
        state.requests += 1;
        state.read_ahead = false;
    }

    fn end(&self, had_body: bool) {
        let mut state = self.state();
        state.phase = Phase::Sending;
        // What came behind the head was the body.
        state.read_ahead &= !had_body;
    }

    fn has_read(&self) {
        let mut state = self.state();
        match state.phase {
            Phase::Idle => state.phase = Phase::Head,
            Phase::Head => {}
            Phase::Serving | Phase::Sending => state.read_ahead = true,
        }
    }

    /// hyper flushes the socket only when it has written all it had.
    fn has_flushed(&self) {
        let mut state = self.state();
        if state.phase == Phase::Sending {
            state.phase = if state.read_ahead { Phase::Head } else { Phase::Idle };
        }
    }

    fn progress(&self) -> (Phase, u64) {
        let state = self.state();
        (state.phase, state.requests)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that notes when something has arrived on it, and when all is sent.
struct Watched {
    inner: TokioIo<TcpStream>,
    exchange: Arc<Exchange>,
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, buffer));
        self.exchange.has_read();
        Poll::Ready(read)
    }
}

impl Write for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.inner).poll_flush(cx));
        self.exchange.has_flushed();
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    /// Thousands of streams are held at once: what one costs beside its socket must stay small.
    #[tokio::test]
    async fn the_task_of_a_connection_is_small() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let server = Arc::new(Server::new(Config::default()).unwrap());
        let task = serve(stream, server);
        assert!(size_of_val(&task) < 1_536, "{} bytes", size_of_val(&task));
    }
}
