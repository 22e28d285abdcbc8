//! One server for every transport: polling, long polling, Server-Sent Events, WebSocket and raw TCP
//! read the same log of events, each by its own cursor. [`run`] is the only way in.
//!
//! | route | |
//! |---|---|
//! | `POST /channels/{channel}/events` | publishes the body |
//! | `GET /channels/{channel}/poll` | what is new, at once |
//! | `GET /channels/{channel}/long-poll` | what is new, as soon as there is something |
//! | `GET /channels/{channel}/sse` | a stream of Server-Sent Events (WHATWG HTML §9.2) |
//! | `GET /channels/{channel}/ws` | a WebSocket (RFC 6455); publishes what the client sends |
//! | `GET /channels/{channel}/tcp` | frames on the bare socket ([`pushbench_wire::frame`]), both ways as well |
//! | `GET /healthz`, `GET /metrics` | readiness, Prometheus text |

mod config;
mod control;
mod framing;
mod http;
mod hub;
mod inject;
mod metrics;
mod publish;
mod transport;
mod waiters;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::net::TcpListener;

pub use config::{Config, ConfigError};
use hub::{Hub, Limits};
use inject::Injector;
pub use inject::{BadFault, Fault, Faults, RepeatedFault, Stall};
use metrics::Metrics;

/// What all connections of one server share.
#[derive(Debug)]
struct Server {
    config: Config,
    hub: Hub,
    metrics: Arc<Metrics>,
    injector: Option<Injector>,
    /// Streams opened so far, which keeps their heartbeats apart.
    streams: AtomicU64,
}

/// Why a server could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A limit is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The faults of [`Config::faults`] need a thread that the system has not.
    #[error(
        "cannot start the thread that delays events; allow this process one more, or inject \
         neither delay nor stall"
    )]
    Inject(#[source] std::io::Error),
}

impl Server {
    fn new(config: Config) -> Result<Self, Error> {
        config.check()?;
        let hub = Hub::new(Limits {
            max_channels: config.max_channels,
            log_events: config.log_events,
            log_bytes: config.log_bytes,
        });
        let metrics = Arc::default();
        let injector = Injector::new(&config.faults, &metrics).map_err(Error::Inject)?;
        Ok(Self { config, hub, metrics, injector, streams: AtomicU64::new(0) })
    }
}

/// Serves `listener` until `shutdown` completes, then stops gracefully: no new connections, held
/// polls are answered, streams are ended, and what is still open after [`Config::grace`] is cut.
///
/// It needs a tokio runtime with I/O and time enabled, and runs on as many threads as that has.
///
/// # Errors
/// Before anything is served.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let server = Arc::new(Server::new(config)?);
    http::serve(listener, server, shutdown).await;
    Ok(())
}
