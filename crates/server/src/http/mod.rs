//! HTTP/1.1, HTTP/2 and HTTP/3: accepts connections, serves the requests on them and routes each request. It knows
//! neither how events are stored nor how they are framed.

mod connection;
mod connection_state;
mod event_body;
mod http2;
mod http3;
mod http3_body;
mod http3_frames;
mod http3_streams;
mod open;
mod places;
pub(crate) mod reply;
pub(crate) mod request;
mod route;
mod send_window;
pub(crate) mod socket;
mod stream_socket;
mod unsent;
pub(crate) mod webtransport;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use quinn::{Endpoint, Incoming};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::memory::{Need, Reservation};
use crate::metrics::Metrics;
use crate::{Listeners, Server, TlsListeners};
use http3::Admission;
pub(crate) use http3::endpoint as http3_endpoint;
use places::{Place, Places};
use reply::Rejection;
use socket::Socket;

/// Connections beyond the limit that are told so at the same time. Any more are closed without a
/// response.
const MAX_REFUSALS: usize = 64;

/// How long to wait for a free file descriptor when there is none.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// How often channels that nobody uses are removed.
const UNUSED_CHANNELS_INTERVAL: Duration = Duration::from_secs(10);

/// Accepts connections until `shutdown`, then waits for them to end, for [`crate::Config::grace`] at
/// most.
pub(crate) async fn serve(
    listeners: Listeners,
    http3: Option<Endpoint>,
    server: Arc<Server>,
    shutdown: impl Future<Output = ()>,
) {
    let Listeners { plain, tls } = listeners;
    let acceptor = tls.as_ref().map(|of| of.tls.acceptor());
    // Dropping the set ends the connections, however this future ends.
    let mut connections = JoinSet::new();
    let places = Places::new(server.config.max_connections);
    let mut shutdown = pin!(shutdown);
    let mut unused = tokio::time::interval(UNUSED_CHANNELS_INTERVAL);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            _ = unused.tick() => server.hub.remove_unused(),
            (accepted, acceptor) = accept(&plain, tls.as_ref().zip(acceptor.as_ref())) => match accepted {
                Ok((stream, peer)) => {
                    let of = Peer { acceptor: acceptor.cloned(), client: peer.ip() };
                    admit(stream, of, &places, &server, &mut connections);
                }
                Err(error) if affects_one_connection(&error) => {}
                Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
            },
            incoming = accept_quic(http3.as_ref()) => {
                admit_quic(incoming, &places, &server, &mut connections);
            }
        }
    }
    drop((plain, tls));
    if let Some(http3) = &http3 {
        // Its socket is still needed; who comes now is refused.
        http3.set_server_config(None);
    }
    server.hub.close();
    let ended = async {
        while connections.join_next().await.is_some() {}
        if let Some(http3) = &http3 {
            // That connections are closed has yet to be sent.
            http3.wait_idle().await;
        }
    };
    // A time-out is no error: the caller asked to stop, and what is left is closed.
    if tokio::time::timeout(server.config.grace, ended).await.is_err() {
        drop(connections);
        if let Some(http3) = http3 {
            // A client by TCP is told by its system; by QUIC it would wait for whoever is gone.
            let _ = tokio::time::timeout(connection::LINGER_TIMEOUT, http3.wait_idle()).await;
        }
    }
}

/// The next connection, and what secures it.
async fn accept<'a>(
    plain: &TcpListener,
    tls: Option<(&TlsListeners, &'a TlsAcceptor)>,
) -> (io::Result<(TcpStream, SocketAddr)>, Option<&'a TlsAcceptor>) {
    let Some((TlsListeners { tcp: secure, .. }, acceptor)) = tls else {
        return (plain.accept().await, None);
    };
    tokio::select! {
        accepted = plain.accept() => (accepted, None),
        accepted = secure.accept() => (accepted, Some(acceptor)),
    }
}

/// The next connection by QUIC.
async fn accept_quic(http3: Option<&Endpoint>) -> Incoming {
    match http3 {
        Some(http3) => match http3.accept().await {
            Some(incoming) => incoming,
            // Its socket has failed; the others go on.
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

/// Whether accepting failed for one connection only: accept(2) also returns the pending errors of the
/// new connection.
fn affects_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

/// Disables Nagle's algorithm: an event must be sent at once, not when the last one is acknowledged.
fn with_nodelay(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Who connects, and how.
struct Peer {
    acceptor: Option<TlsAcceptor>,
    client: IpAddr,
}

fn admit(
    stream: TcpStream,
    Peer { acceptor, client }: Peer,
    places: &Arc<Places>,
    server: &Arc<Server>,
    connections: &mut JoinSet<()>,
) {
    let Ok(stream) = with_nodelay(stream) else { return };
    match check_limits(client, server, places) {
        Ok((place, held)) => {
            Metrics::add(&server.metrics.accepted, 1);
            let server = Arc::clone(server);
            connections.spawn(connection::serve(stream, acceptor, client, (place, held), server));
        }
        Err(rejection) => {
            Metrics::add(&server.metrics.refused, 1);
            // Who speaks TLS could not read it.
            if acceptor.is_none()
                && connections.len() < server.config.max_connections + MAX_REFUSALS
            {
                let socket = Socket::Plain(stream);
                connections.spawn(async move { connection::reject(socket, &rejection).await });
            }
        }
    }
}

fn admit_quic(
    incoming: Incoming,
    places: &Arc<Places>,
    server: &Arc<Server>,
    connections: &mut JoinSet<()>,
) {
    // Anybody can send a packet that has another's address. Where that would be held against the other one, or
    // many do, whoever sent it has to get an answer there first. Until the handshake is over, or that answer
    // has come back, it takes nobody's place.
    let unproven = match incoming.remote_address_validated() {
        true => None,
        false => match places.admit_unproven() {
            Some(unproven) if !server.gate.counts_connections() => Some(unproven),
            _ => {
                // It can be asked once.
                let _ = incoming.retry();
                return;
            }
        },
    };
    let client = incoming.remote_address().ip();
    let admitted = match unproven {
        Some(unproven) if places.has_free() => {
            reserve(server).map(|held| (Admission::Unproven(unproven), held))
        }
        _ => check_limits(client, server, places)
            .map(|(place, held)| (Admission::Place(place), held)),
    };
    match admitted {
        Ok((admission, held)) => {
            connections.spawn(http3::serve(incoming, admission, held, Arc::clone(server)));
        }
        Err(_) => {
            Metrics::add(&server.metrics.refused, 1);
            incoming.refuse();
        }
    }
}

/// Checks that `client` may open one more connection, and reserves a place and memory for it.
fn check_limits(
    client: IpAddr,
    server: &Server,
    places: &Arc<Places>,
) -> Result<(Place, Reservation), Rejection> {
    let Some(place) = places.take() else {
        let reason = format!(
            "all {} connections of this server are in use; try again later or raise \
             max_connections",
            server.config.max_connections
        );
        return Err(Rejection::new(StatusCode::SERVICE_UNAVAILABLE, reason));
    };
    server.gate.admit_connection(client)?;
    Ok((place, reserve(server)?))
}

/// The memory of one more connection.
fn reserve(server: &Server) -> Result<Reservation, Rejection> {
    let held = server.hub.reserve(connection::HTTP_BYTES, Need::Connection);
    held.ok_or_else(Rejection::out_of_memory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn an_accepted_socket_has_no_delay() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert!(!stream.nodelay().unwrap());
        assert!(with_nodelay(stream).unwrap().nodelay().unwrap());
    }

    /// Everything that the clients of `server` may hold for what they send.
    fn hold_all(server: &Server) -> Vec<Reservation> {
        let (mut held, mut bytes) = (Vec::new(), 1 << 30);
        while bytes > 0 {
            match server.hub.reserve(bytes, Need::Input) {
                Some(more) => held.push(more),
                None => bytes /= 2,
            }
        }
        held
    }

    #[tokio::test]
    async fn who_wants_more_memory_than_there_is_gets_an_answer() {
        const WEBSOCKET: &str = "GET /channels/a/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Arc::new(Server::new(Config::default(), address, None).unwrap());
        let _kept = server.hub.channel("a").unwrap();
        tokio::spawn(serve(listener.into(), None, Arc::clone(&server), std::future::pending()));
        let ask = async |request: &[u8]| {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(request).await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            String::from_utf8_lossy(&answer).into_owned()
        };
        let end = "Host: localhost\r\nConnection: close\r\n";
        let publish = |channel| {
            format!("POST /channels/{channel}/events HTTP/1.1\r\n{end}Content-Length: 1\r\n\r\nx")
        };
        let held = hold_all(&server);
        for channel in ["a", "new"] {
            let answer = ask(publish(channel).as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
            assert!(
                answer.contains("all memory that the clients of this server may use"),
                "{answer}"
            );
        }
        let health = ask(format!("GET /healthz HTTP/1.1\r\n{end}\r\n").as_bytes()).await;
        assert!(health.starts_with("HTTP/1.1 200 "), "others can still ask how it is: {health}");
        let frame = b"\x81\x81\0\0\0\0x";
        let answer = ask(&[WEBSOCKET.as_bytes(), frame].concat()).await;
        // 1013: try again later.
        assert!(
            answer.contains("\r\n\r\n\u{fffd}\u{1f}\u{3}\u{fffd}the server has no memory left"),
            "{answer:?}"
        );
        let upgrade = "Connection: Upgrade\r\nUpgrade: pushbench-tcp\r\n";
        let tcp =
            format!("GET /channels/a/tcp HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n\0\0\0\x01x");
        let answer = ask(tcp.as_bytes()).await;
        assert!(answer.ends_with("\r\n\r\n"), "the stream ends: {answer:?}");
        drop(held);
        assert!(
            ask(publish("a").as_bytes()).await.starts_with("HTTP/1.1 200 "),
            "it is free again"
        );
    }
}
