//! One server for every transport: polling, long polling, Server-Sent Events, WebSocket and raw TCP
//! subscribers all read the same log of events. [`run`] is the entry point, or its two halves: [`prepare`] and
//! [`Prepared::serve`].
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
mod broker;
mod compression;
mod config;
mod control;
mod framing;
mod http;
mod hub;
mod inject;
mod journal;
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
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use access::Gate;
pub use access::{Access, AllowedHost, AllowedOrigin, BadHost, BadOrigin, BadToken, Token};
use broker::Broker;
pub use broker::{BrokerConfig, BrokerError, BrokerMode, BrokerUrl};
pub use config::{Config, ConfigError, SseFraming};
use hub::{Hub, Limits};
use hyper::header::HeaderValue;
use inject::Injector;
pub use inject::{Fault, Faults, ParseFaultError, RepeatedFault, Stall};
use journal::Journal;
pub use journal::{DiskLog, LogSync};
use memory::{Memory, for_clients};
use metrics::Metrics;
use publish::Publishers;
use quinn::Endpoint;
pub use slow::SlowPolicy;
pub use tls::{Tls, TlsError};

/// What all connections share.
#[derive(Debug)]
struct Server {
    config: Config,
    gate: Gate,
    hub: Arc<Hub>,
    /// Where events are on disk before anybody sees them, if they are.
    journal: Option<Journal>,
    /// Those that number their requests. Where there is a journal, it knows them.
    publishers: Mutex<Publishers>,
    metrics: Arc<Metrics>,
    injector: Option<Injector>,
    /// What it shares its events by, if it is one of several.
    broker: Option<Broker>,
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
    /// The log cannot be kept in its folder.
    #[error("cannot keep the log in {}; choose another folder", .0.display())]
    Log(PathBuf, #[source] std::io::Error),
    /// [`Config::faults`] act on a log in memory.
    #[error(
        "faults are injected into a log in memory only; leave out the log on disk, or the faults"
    )]
    FaultsOnDisk,
    /// The broker cannot be used.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// Faults are those of a server alone.
    #[error("a server that shares its events by a broker injects no faults; leave out one of both")]
    FaultsWithBroker,
    /// The ids of several servers are those of their broker, which keeps what they missed.
    #[error(
        "a server that shares its events by a broker takes their ids from it: leave out the log on disk and \
         the first id, or the broker"
    )]
    LogWithBroker,
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
        if config.broker.is_some() && !config.faults.is_empty() {
            return Err(Error::FaultsWithBroker);
        }
        // An id that Redis has not given would seem to be from a deployment whose data it has lost.
        if config.broker.is_some() && (config.log.is_some() || config.first_id != 1) {
            return Err(Error::LogWithBroker);
        }
        let limits = Limits {
            max_channels: config.max_channels,
            log_events: config.log_events,
            log_bytes: config.log_bytes,
            channel_idle: config.channel_idle,
            slow_policy: config.slow_policy,
        };
        let hub = Arc::new(Hub::new(limits, Memory::new(for_clients(config.total_memory()))));
        let journal = match &config.log {
            Some(_) if !config.faults.is_empty() => return Err(Error::FaultsOnDisk),
            Some(log) => Some(open_journal(log, &hub)?),
            None => {
                hub.begin_at(config.first_id - 1);
                None
            }
        };
        let gate = Gate::new(config.access.clone(), address, by_tls);
        let metrics = Arc::default();
        let injector = Injector::new(&config.faults, &metrics).map_err(Error::Inject)?;
        let (alt_svc, streams_opened) = (None, AtomicU64::new(0));
        let publishers = Mutex::default();
        let broker = config.broker.clone().map(Broker::new);
        Ok(Self {
            config,
            gate,
            hub,
            journal,
            publishers,
            metrics,
            injector,
            broker,
            alt_svc,
            streams_opened,
        })
    }
}

/// Opens the journal, and says what was in it where that is not all that was ever there.
fn open_journal(log: &DiskLog, hub: &Arc<Hub>) -> Result<Journal, Error> {
    let (journal, report) =
        Journal::open(log, hub).map_err(|error| Error::Log(log.folder.clone(), error))?;
    if let Some(said) = report.in_a_line() {
        journal::complain(&said);
    }
    Ok(journal)
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

/// A server that is ready to serve.
#[derive(Debug)]
pub struct Prepared {
    listeners: Listeners,
    http3: Option<Endpoint>,
    server: Arc<Server>,
}

/// Reads the log back, if there is one on disk, and prepares to serve `listeners`.
///
/// It needs a tokio runtime with I/O and time enabled.
///
/// # Errors
/// [`Error`].
pub fn prepare(listeners: impl Into<Listeners>, config: Config) -> Result<Prepared, Error> {
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
    Ok(Prepared { listeners, http3, server: Arc::new(server) })
}

impl Prepared {
    /// Serves until `shutdown` completes, then stops gracefully: it accepts no connections, answers held
    /// polls, ends streams, and closes what is still open after [`Config::grace`].
    ///
    /// It uses all threads of the runtime.
    ///
    /// # Errors
    /// [`Error::Broker`], before anything is served.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let Self { listeners, http3, server } = self;
        let mut shares = JoinSet::new();
        if let Some(config) = &server.config.broker {
            let joined = broker::join_first(config).await?;
            // Dropping the set ends it.
            shares.spawn(broker::serve(Arc::clone(&server), joined));
        }
        http::serve(listeners, http3, Arc::clone(&server), shutdown).await;
        // The journal writes what it still has, which no thread that serves should wait for.
        let close = move || server.journal.as_ref().map(Journal::close);
        let _ = tokio::task::spawn_blocking(close).await;
        Ok(())
    }
}

/// [Prepares](prepare) to serve `listeners`, and [serves](Prepared::serve) until `shutdown` completes.
///
/// # Errors
/// [`Error`], always before anything is served.
pub async fn run(
    listeners: impl Into<Listeners>,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    prepare(listeners, config)?.serve(shutdown).await
}

/// Whether a server with this configuration can use its broker, before anybody is told that it is ready.
///
/// # Errors
/// Why it cannot.
pub async fn check_broker(config: &Config) -> Result<(), BrokerError> {
    match &config.broker {
        None => Ok(()),
        Some(config) => broker::check(config).await,
    }
}
