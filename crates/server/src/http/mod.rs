//! HTTP/1.1: accepts connections, serves requests on them, and finds the route of each. It knows
//! neither how events are kept nor how they are framed.

mod connection;
pub(crate) mod reply;
pub(crate) mod request;
mod route;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::Server;
use crate::metrics::Metrics;
use reply::Rejection;

/// Connections beyond the limit that may be told so at the same time; the rest is cut unheard.
const MAX_REFUSALS: usize = 64;

/// How long to wait for a file descriptor to become free when there is none.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Accepts until `shutdown`, then waits for the connections to end, at most the server's grace.
pub(crate) async fn serve(
    listener: TcpListener,
    server: Arc<Server>,
    shutdown: impl Future<Output = ()>,
) {
    // Dropping the set ends the connections, whatever ends this future.
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => admit(stream, &server, &mut connections),
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
            }
        }
    }
    drop(listener);
    server.hub.close();
    let ended = async { while connections.join_next().await.is_some() {} };
    // Too late is not an error: the caller asked to stop, and what is left is cut.
    let _ = tokio::time::timeout(server.config.grace, ended).await;
}

/// Whether accepting failed for the one connection only (accept(2) passes its errors on).
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

/// An event must leave at once, not when the last one is acknowledged.
fn without_delay(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn admit(stream: TcpStream, server: &Arc<Server>, connections: &mut JoinSet<()>) {
    let limit = server.config.max_connections;
    let Ok(stream) = without_delay(stream) else { return };
    if connections.len() < limit {
        Metrics::add(&server.metrics.accepted, 1);
        connections.spawn(connection::serve(stream, Arc::clone(server)));
        return;
    }
    Metrics::add(&server.metrics.refused, 1);
    if connections.len() < limit + MAX_REFUSALS {
        let reason = format!("{limit} connections are open, the most that this server takes");
        let rejection = Rejection::new(StatusCode::SERVICE_UNAVAILABLE, reason);
        connections.spawn(async move { connection::refuse(stream, &rejection).await });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_accepted_socket_does_not_wait_for_acknowledgements() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert!(!stream.nodelay().unwrap());
        assert!(without_delay(stream).unwrap().nodelay().unwrap());
    }
}
