//! One server for every transport: polling, long polling, Server-Sent Events, WebSocket and raw TCP
//! subscribers all read the same log of events. [`run`] is the only entry point.
//!
//! | route | |
//! |---|---|
//! | `POST /channels/{channel}/events` | publishes the body |
//! | `GET /channels/{channel}/poll` | returns new events at once |
//! | `GET /channels/{channel}/long-poll` | returns new events as soon as there are any |
//! | `GET /channels/{channel}/sse` | streams Server-Sent Events (WHATWG HTML §9.2) |
//! | `GET /channels/{channel}/ws` | opens a WebSocket (RFC 6455) and publishes what the client sends |
//! | `GET /channels/{channel}/tcp` | streams raw TCP frames ([`pushbench_wire::frame`]) and publishes what the client sends |
//! | `GET /healthz`, `GET /metrics` | readiness, Prometheus metrics |

mod access;
mod compression;
mod config;
mod control;
mod framing;
mod http;
mod hub;
mod inject;
mod memory;
mod metrics;
mod publish;
mod slow;
mod tls;
mod transport;
mod waiters;
mod websocket_frame;

use std::future::Future;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::net::TcpListener;

use access::Gate;
pub use access::{Access, AllowedHost, AllowedOrigin, BadHost, BadOrigin, BadToken, Token};
pub use config::{Config, ConfigError, SseFraming};
use hub::{Hub, Limits};
use hyper::header::HeaderValue;
use inject::Injector;
pub use inject::{Fault, Faults, ParseFaultError, RepeatedFault, Stall};
use memory::Memory;
use metrics::Metrics;
pub use slow::SlowPolicy;
pub use tls::{Tls, TlsError};

/// What all connections share.
#[derive(Debug)]
struct Server {
    config: Config,
    gate: Gate,
    hub: Hub,
    metrics: Arc<Metrics>,
    injector: Option<Injector>,
    /// What says where HTTP/3 is (RFC 7838), if it is served.
    alt_svc: Option<HeaderValue>,
    /// Streams opened so far, from which each stream gets its own time for heartbeats.
    streams_opened: AtomicU64,
}

/// Why a server could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A limit is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// HTTP/3 cannot be served where it should be.
    #[error("cannot serve HTTP/3 on the UDP socket")]
    Http3(#[source] std::io::Error),
    /// The listener has no address.
    #[error("cannot get the address of the listening socket")]
    Address(#[source] std::io::Error),
    /// [`Config::faults`] need a thread that could not be started.
    #[error(
        "cannot start the thread that delays events; raise the limit on threads, or inject neither \
         `delay` nor `stall`"
    )]
    Inject(#[source] std::io::Error),
}

impl Server {
    fn new(config: Config, address: SocketAddr, by_tls: Option<SocketAddr>) -> Result<Self, Error> {
        config.check()?;
        let limits = Limits {
            max_channels: config.max_channels,
            log_events: config.log_events,
            log_bytes: config.log_bytes,
            channel_idle: config.channel_idle,
            slow_policy: config.slow_policy,
        };
        let hub = Hub::new(limits, Memory::new(config.total_memory()));
        let gate = Gate::new(config.access.clone(), address, by_tls);
        let metrics = Arc::default();
        let injector = Injector::new(&config.faults, &metrics).map_err(Error::Inject)?;
        let (alt_svc, streams_opened) = (None, AtomicU64::new(0));
        Ok(Self { config, gate, hub, metrics, injector, alt_svc, streams_opened })
    }
}

/// Where a server is reached. Both serve the same.
#[derive(Debug)]
pub struct Listeners {
    /// By HTTP.
    pub plain: TcpListener,
    /// By HTTPS.
    pub tls: Option<TlsListeners>,
}

/// Where a server is reached by HTTPS, and how.
#[derive(Debug)]
pub struct TlsListeners {
    /// By HTTP/1.1 and HTTP/2.
    pub tcp: TcpListener,
    /// By HTTP/3, if that is served.
    pub udp: Option<UdpSocket>,
    /// Its certificate.
    pub tls: Tls,
}

impl From<TcpListener> for Listeners {
    fn from(plain: TcpListener) -> Self {
        Self { plain, tls: None }
    }
}

/// Serves `listeners` until `shutdown` completes, then stops gracefully: it accepts no connections,
/// answers held polls, ends streams, and closes what is still open after [`Config::grace`].
///
/// It needs a tokio runtime with I/O and time enabled, and uses all of its threads.
///
/// # Errors
/// [`Error`], always before anything is served.
pub async fn run(
    listeners: impl Into<Listeners>,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let mut listeners = listeners.into();
    let address = listeners.plain.local_addr().map_err(Error::Address)?;
    let by_tls = listeners.tls.as_ref().map(|of| of.tcp.local_addr());
    let by_tls = by_tls.transpose().map_err(Error::Address)?;
    let mut server = Server::new(config, address, by_tls)?;
    let http3 = match listeners.tls.as_mut().and_then(|of| of.udp.take().zip(Some(&of.tls))) {
        None => None,
        Some((socket, tls)) => {
            let port = socket.local_addr().map_err(Error::Address)?.port();
            // Only of digits and signs that a header may have.
            server.alt_svc = HeaderValue::try_from(format!("h3=\":{port}\"; ma=86400")).ok();
            Some(http::http3_endpoint(socket, tls, &server.config).map_err(Error::Http3)?)
        }
    };
    http::serve(listeners, http3, Arc::new(server), shutdown).await;
    Ok(())
}
