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
mod tls;
mod transport;
mod waiters;
mod websocket_frame;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::net::TcpListener;

use access::Gate;
pub use access::{Access, AllowedHost, AllowedOrigin, BadHost, BadOrigin, BadToken, Token};
pub use config::{Config, ConfigError, SseFraming};
use hub::{Hub, Limits};
use inject::Injector;
pub use inject::{Fault, Faults, ParseFaultError, RepeatedFault, Stall};
use memory::Memory;
use metrics::Metrics;
pub use tls::{Tls, TlsError};

/// What all connections share.
#[derive(Debug)]
struct Server {
    config: Config,
    gate: Gate,
    hub: Hub,
    metrics: Arc<Metrics>,
    injector: Option<Injector>,
    /// Streams opened so far, from which each stream gets its own time for heartbeats.
    streams_opened: AtomicU64,
}

/// Why a server could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A limit is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
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
        };
        let hub = Hub::new(limits, Memory::new(config.total_memory()));
        let gate = Gate::new(config.access.clone(), address, by_tls);
        let metrics = Arc::default();
        let injector = Injector::new(&config.faults, &metrics).map_err(Error::Inject)?;
        Ok(Self { config, gate, hub, metrics, injector, streams_opened: AtomicU64::new(0) })
    }
}

/// Where a server is reached. Both serve the same.
#[derive(Debug)]
pub struct Listeners {
    /// By HTTP.
    pub plain: TcpListener,
    /// By HTTPS, and how.
    pub tls: Option<(TcpListener, Tls)>,
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
    let listeners = listeners.into();
    let address = listeners.plain.local_addr().map_err(Error::Address)?;
    let by_tls = listeners.tls.as_ref().map(|(listener, _)| listener.local_addr());
    let by_tls = by_tls.transpose().map_err(Error::Address)?;
    let server = Arc::new(Server::new(config, address, by_tls)?);
    http::serve(listeners, server, shutdown).await;
    Ok(())
}
