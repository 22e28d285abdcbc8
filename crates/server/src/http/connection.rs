//! One connection: hyper serves its requests until one of them opens a stream. Then the socket is
//! taken back from hyper, whose buffers are freed, and handed to the transport.

use std::future::{Future, pending, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::connection_state::{ConnectionState, Phase, TrackedSocket};
use super::http2;
use super::places::Place;
use super::reply::{self, Rejection};
use super::route;
use super::socket::{Socket, TLS_BYTES};
use crate::Server;
use crate::memory::{Need, Reservation};
use crate::metrics::ConnectionGauge;
use crate::transport::{self, Answer, OpenedStream};

/// hyper's limit on headers as a multiple of ours, so that it is this server that refuses them, in
/// JSON.
const HEADER_HEADROOM: usize = 2;

/// hyper accepts no smaller limit on its buffers.
const MIN_HYPER_BUFFER: usize = 8 << 10;

/// What a connection costs: its task, its socket and hyper's buffers.
pub(super) const HTTP_BYTES: usize = 16 << 10;

/// What it costs after it has become a stream, beside what the client has begun to send: its task, its
/// socket, its place among those to wake and the frames of the queue, without their content.
const STREAM_BYTES: usize = 4 << 10;

/// How long a client may take to read the end: of a stream, or why it is rejected.
pub(super) const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves one accepted connection of `client` to its end, with TLS if there is an `acceptor`.
/// It has its place until then. What it holds is accounted for in `held`.
pub(super) async fn serve(
    tcp: TcpStream,
    acceptor: Option<TlsAcceptor>,
    client: IpAddr,
    (_place, mut held): (Place, Reservation),
    server: Arc<Server>,
) {
    let socket = match acceptor {
        None => Socket::Plain(tcp),
        Some(acceptor) => {
            if !server.hub.grow(&mut held, HTTP_BYTES + TLS_BYTES, Need::Connection) {
                return;
            }
            // TLS says itself what is wrong.
            match Box::pin(secured(tcp, &acceptor, &server)).await {
                Some(socket) => socket,
                None => return,
            }
        }
    };
    if socket.speaks_http2() {
        return Box::pin(http2::serve(socket, client, held, &server)).await;
    }
    // Boxed, so that the task of a stream does not keep the memory that hyper needed before.
    match Box::pin(serve_requests(socket, client, held, &server)).await {
        HttpEnd::Done => {}
        HttpEnd::Linger(socket) => linger(socket).await,
        HttpEnd::TimedOut(socket) => {
            let timeout = server.config.header_timeout;
            let rejection = Rejection::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the headers did not arrive within {timeout:?}; send them without delay"),
            );
            reject(socket, &rejection).await;
        }
        HttpEnd::Stream { mut socket, read_ahead, opened, gauge, held } => {
            if transport::run_stream(&mut socket, read_ahead, opened, held, &server).await.is_ok() {
                close(socket).await;
            }
            drop(gauge);
        }
    }
}

/// The socket after the handshake of TLS, if there is one in time.
async fn secured(tcp: TcpStream, acceptor: &TlsAcceptor, server: &Server) -> Option<Socket> {
    let handshake = Socket::secured(tcp, acceptor);
    timeout(server.config.header_timeout, handshake).await.ok()?.ok()
}

/// Sends `rejection` to a client that hyper does not serve, and closes.
pub(super) async fn reject(mut socket: Socket, rejection: &Rejection) {
    let sent = timeout(LINGER_TIMEOUT, socket.write_all(&rejection.to_bytes())).await;
    if matches!(sent, Ok(Ok(()))) {
        close(socket).await;
    }
}

/// Closes in the order that lets the client read everything that was sent.
async fn close(mut socket: Socket) {
    // TLS says goodbye, which waits for room like anything else.
    let shutdown = timeout(LINGER_TIMEOUT, socket.shutdown()).await;
    if matches!(shutdown, Ok(Ok(()))) {
        linger(socket).await;
    }
}

/// Reads until the client closes too. Closing a socket with unread input resets the connection,
/// which can destroy a response that is still on its way (RFC 9112 §9.6).
async fn linger(mut socket: Socket) {
    let mut discarded = tokio::io::sink();
    let closed = tokio::io::copy(&mut socket, &mut discarded);
    // The connection ends in any case, whether in time, too late or with an error.
    let _ = timeout(LINGER_TIMEOUT, closed).await;
}

/// How the HTTP part of a connection ended.
enum HttpEnd {
    /// Nothing is left to do.
    Done,
    /// Everything is sent and the sending side is shut down, but the client may still be sending.
    Linger(Socket),
    /// The headers of a request took too long.
    TimedOut(Socket),
    /// A request opened a stream. `read_ahead` is what hyper has already read after it.
    Stream {
        socket: Socket,
        read_ahead: Bytes,
        opened: Box<OpenedStream>,
        gauge: ConnectionGauge,
        held: Reservation,
    },
}

async fn serve_requests(
    socket: Socket,
    client: IpAddr,
    held: Reservation,
    server: &Arc<Server>,
) -> HttpEnd {
    let config = &server.config;
    let gauge = ConnectionGauge::new(Arc::clone(&server.metrics));
    let state = Arc::new(ConnectionState::new(gauge, held));
    let by_tls = socket.tls_bytes() > 0;
    let service = service_fn(|request: Request<Incoming>| {
        let (server, state) = (Arc::clone(server), Arc::clone(&state));
        async move {
            let has_body = !request.body().is_end_stream();
            state.request_began();
            let answer = route::answer(&server, &state, client, request).await;
            state.request_handled(has_body);
            match answer {
                Answer::Reply(mut reply) => {
                    reply::advertise(&mut reply, server.alt_svc.as_ref().filter(|_| by_tls));
                    Ok::<_, std::convert::Infallible>(reply)
                }
                Answer::Stream(opened) => {
                    state.lock().opened_stream = Some(opened);
                    // The connection is taken from hyper before it could wait for this.
                    pending().await
                }
            }
        }
    });
    let max_buffer = (config.max_header_bytes * HEADER_HEADROOM).max(MIN_HYPER_BUFFER);
    let large_bytes = HTTP_BYTES + socket.tls_bytes() + 2 * max_buffer;
    let io = TrackedSocket::new(socket, Arc::clone(&state), large_bytes);
    let mut connection =
        http1::Builder::new().max_buf_size(max_buffer).serve_connection(io, service);

    let mut closed = pin!(server.hub.closed());
    let mut draining = false;
    let mut phase = state.phase();
    let mut since = Instant::now();
    let mut timer = pin!(sleep_until(since + config.header_timeout));
    let cause = poll_fn(|cx| {
        if !draining && closed.as_mut().poll(cx).is_ready() {
            draining = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if Pin::new(&mut connection).poll(cx).is_ready() {
            return Poll::Ready(EndCause::Hyper);
        }
        if state.lock().opened_stream.is_some() {
            return Poll::Ready(EndCause::StreamOpened);
        }
        // hyper's own header time-out also runs while a persistent connection is idle, and it has
        // no other limit for that. Hence both limits are enforced here.
        let now = state.phase();
        if now != phase {
            phase = now;
            since = Instant::now();
        }
        let limit = match phase {
            (Phase::Handling, _) => return Poll::Pending,
            (Phase::Sending, _) | (Phase::Idle, 1..) => config.keep_alive,
            (Phase::Idle, 0) | (Phase::Head, _) => config.header_timeout,
        };
        let deadline = since + limit;
        if deadline < timer.deadline() {
            timer.as_mut().reset(deadline);
        }
        // A later deadline leaves the timer as it is, so that a request does not touch it.
        loop {
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(EndCause::Timeout(phase.0));
            }
            timer.as_mut().reset(deadline);
        }
    })
    .await;

    let parts = connection.into_parts();
    let socket = parts.io.into_socket();
    let mut state = state.lock();
    match cause {
        EndCause::Hyper if state.linger => HttpEnd::Linger(socket),
        EndCause::Timeout(Phase::Head) => HttpEnd::TimedOut(socket),
        EndCause::Hyper | EndCause::Timeout(_) => HttpEnd::Done,
        EndCause::StreamOpened => {
            let Some(opened) = state.opened_stream.take() else { return HttpEnd::Done };
            let gauge = std::mem::replace(
                &mut state.gauge,
                ConnectionGauge::new(Arc::clone(&server.metrics)),
            );
            let mut held = std::mem::take(&mut state.held);
            held.resize(STREAM_BYTES + socket.tls_bytes(), Need::Connection);
            HttpEnd::Stream { socket, read_ahead: parts.read_buf, opened, gauge, held }
        }
    }
}

/// What ended the HTTP part of a connection.
enum EndCause {
    Hyper,
    StreamOpened,
    Timeout(Phase),
}

#[cfg(test)]
mod tests {
    use super::super::places::Places;
    use super::*;
    use crate::Config;

    /// A server holds thousands of streams, so what one costs beside its socket must stay small.
    #[tokio::test]
    async fn the_task_of_a_connection_is_small() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (address, client) = (listener.local_addr().unwrap(), stream.local_addr().unwrap().ip());
        let server = Arc::new(Server::new(Config::default(), address, None).unwrap());
        let place = Places::new(1).take().unwrap();
        let task = serve(stream, None, client, (place, Reservation::default()), server);
        assert!(size_of_val(&task) < 1_536, "{} bytes", size_of_val(&task));
    }
}
