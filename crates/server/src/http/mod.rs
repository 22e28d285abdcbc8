//! HTTP/1.1: accepts connections, serves the requests on them and routes each request. It knows
//! neither how events are stored nor how they are framed.

mod connection;
mod connection_state;
pub(crate) mod reply;
pub(crate) mod request;
mod route;

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::Server;
use crate::memory::{Need, Reservation};
use crate::metrics::Metrics;
use reply::Rejection;

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
    listener: TcpListener,
    server: Arc<Server>,
    shutdown: impl Future<Output = ()>,
) {
    // Dropping the set ends the connections, however this future ends.
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut unused = tokio::time::interval(UNUSED_CHANNELS_INTERVAL);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            _ = unused.tick() => server.hub.remove_unused(),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => admit(stream, peer.ip(), &server, &mut connections),
                Err(error) if affects_one_connection(&error) => {}
                Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
            }
        }
    }
    drop(listener);
    server.hub.close();
    let ended = async { while connections.join_next().await.is_some() {} };
    // A time-out is no error: the caller asked to stop, and what is left is closed.
    let _ = tokio::time::timeout(server.config.grace, ended).await;
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

fn admit(stream: TcpStream, client: IpAddr, server: &Arc<Server>, connections: &mut JoinSet<()>) {
    let Ok(stream) = with_nodelay(stream) else { return };
    match check_limits(client, server, connections.len()) {
        Ok(held) => {
            Metrics::add(&server.metrics.accepted, 1);
            connections.spawn(connection::serve(stream, client, held, Arc::clone(server)));
        }
        Err(rejection) => {
            Metrics::add(&server.metrics.refused, 1);
            if connections.len() < server.config.max_connections + MAX_REFUSALS {
                connections.spawn(async move { connection::reject(stream, &rejection).await });
            }
        }
    }
}

/// Checks that `client` may open one more connection beside the `open` ones, and reserves memory for it.
fn check_limits(client: IpAddr, server: &Server, open: usize) -> Result<Reservation, Rejection> {
    let limit = server.config.max_connections;
    if open >= limit {
        let reason = format!(
            "all {limit} connections of this server are in use; try again later or raise \
             max_connections"
        );
        return Err(Rejection::new(StatusCode::SERVICE_UNAVAILABLE, reason));
    }
    server.gate.admit_connection(client)?;
    let held = server.hub.reserve(connection::HTTP_BYTES, Need::Connection);
    held.ok_or_else(Rejection::out_of_memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_accepted_socket_has_no_delay() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert!(!stream.nodelay().unwrap());
        assert!(with_nodelay(stream).unwrap().nodelay().unwrap());
    }
}
