//! Connections by QUIC (RFC 9000): each has a UDP socket of its own, as each browser has. Datagrams are counted
//! and timed at the socket, below all that QUIC does with them.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pushbench_wire::clock;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{
    AsyncTimer, AsyncUdpSocket, ClientConfig, Endpoint, EndpointConfig, Runtime, TokioRuntime,
    TransportConfig, UdpPoller, VarInt,
};
use tokio::time::timeout;

use super::socket::ConnectionMeter;
use super::tls::Tls;
use super::{ClientError, Tally};

/// How long a handshake may take. Nobody says so where UDP is blocked: there is just no answer.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// H3_NO_ERROR (RFC 9114 §8.1).
const NO_ERROR: VarInt = VarInt::from_u32(0x100);

/// A connection, which ends with this.
pub(super) struct QuicLine {
    connection: quinn::Connection,
    /// Its socket ends with it.
    _endpoint: Endpoint,
}

impl QuicLine {
    /// Connects to `address`.
    pub(super) async fn open(
        address: SocketAddr,
        tls: &Tls,
        meter: &Rc<ConnectionMeter>,
    ) -> Result<Self, ClientError> {
        let failed = |source| ClientError::Connect { address, source };
        let any: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).map_err(failed)?;
        let socket = Arc::new(Metered {
            inner: TokioRuntime.wrap_udp_socket(socket).map_err(failed)?,
            tally: meter.shared_tally(),
            last_read_ns: meter.last_read(),
            turns: AtomicU8::new(0),
        });
        let config = EndpointConfig::default();
        let endpoint =
            Endpoint::new_with_abstract_socket(config, None, socket, Arc::new(SameThread));
        let endpoint = endpoint.map_err(failed)?;
        let no_tls = |source| ClientError::Tls { address, source };
        let crypto = QuicClientConfig::try_from(tls.config()).map_err(io::Error::other);
        let mut config = ClientConfig::new(Arc::new(crypto.map_err(no_tls)?));
        let mut transport = TransportConfig::default();
        // Whether anybody is there is the server's to ask.
        transport.max_idle_timeout(None);
        config.transport_config(Arc::new(transport));
        let name = address.ip().to_string();
        let connecting = endpoint.connect_with(config, address, &name).map_err(io::Error::other);
        let connected = timeout(HANDSHAKE_WITHIN, connecting.map_err(failed)?).await;
        let connected = connected.map_err(|_| failed(no_answer()))?;
        let connection = connected.map_err(|error| no_tls(io::Error::other(error)))?;
        meter.opened_quic(connection.clone());
        Ok(Self { connection, _endpoint: endpoint })
    }

    pub(super) fn connection(&self) -> &quinn::Connection {
        &self.connection
    }

    /// Whether it has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.connection.close_reason().is_some()
    }
}

impl Drop for QuicLine {
    fn drop(&mut self) {
        self.connection.close(NO_ERROR, b"");
    }
}

fn no_answer() -> io::Error {
    io::Error::other(format!(
        "no answer by UDP within {HANDSHAKE_WITHIN:?}: does anything between block UDP, or does the server speak \
         no HTTP/3?"
    ))
}

/// Runs what a connection needs on the thread of its subscriber.
#[derive(Debug)]
struct SameThread;

impl Runtime for SameThread {
    fn new_timer(&self, at: std::time::Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::task::spawn_local(future);
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(socket)
    }
}

/// Turns that others have behind a read before the next one: the connection's, which decrypts what came, and
/// then the subscriber's.
const TURNS: u8 = 2;

/// A socket that counts and times what goes through it. Whoever waits for what came is asked before more is
/// read: QUIC would read as long as there is something, and all of it had the time of the last read.
struct Metered {
    inner: Arc<dyn AsyncUdpSocket>,
    tally: Arc<Tally>,
    last_read_ns: Arc<AtomicU64>,
    /// How many turns are left.
    turns: AtomicU8,
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl AsyncUdpSocket for Metered {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.inner).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.inner.try_send(transmit)?;
        self.tally.bytes_out.add(transmit.contents.len() as u64);
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let turns = self.turns.load(Relaxed);
        if turns > 0 {
            self.turns.store(turns - 1, Relaxed);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = ready!(self.inner.poll_recv(cx, buffers, meta))?;
        self.last_read_ns.store(clock::now_ns(), Relaxed);
        self.turns.store(TURNS, Relaxed);
        let bytes: usize = meta.iter().take(read).map(|of| of.len).sum();
        self.tally.bytes_in.add(bytes as u64);
        Poll::Ready(Ok(read))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}
