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

use nix::sys::socket::{setsockopt, sockopt};
use pushbench_wire::clock;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{
    AsyncTimer, AsyncUdpSocket, ClientConfig, Endpoint, EndpointConfig, Runtime, TokioRuntime,
    TransportConfig, UdpPoller, VarInt,
};
use tokio::time::timeout;

use super::meter::ConnectionMeter;
use super::tls::Tls;
use super::{ClientError, Tally};

/// How long a handshake may take. Nobody says so where UDP is blocked: there is just no answer.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// What the kernel may keep until it is read: more than the window of a stream (1.25 MB), with what each datagram
/// costs beside its bytes. What does not fit is lost.
const SOCKET_BUFFER: usize = 4 << 20;

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
        // Whatever the system allows: TCP's buffer grows, and this one does not.
        let _ = setsockopt(&socket, sockopt::RcvBuf, &SOCKET_BUFFER);
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &SOCKET_BUFFER);
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Notify;
    use tokio::task::LocalSet;

    use super::*;
    use crate::client::Totals;
    use crate::client::delivery_test::HANG;

    /// A socket on which a datagram has always come.
    #[derive(Debug, Default)]
    struct Flood {
        reads: AtomicUsize,
    }

    impl AsyncUdpSocket for Flood {
        fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
            unreachable!("nothing is sent")
        }

        fn try_send(&self, _: &Transmit<'_>) -> io::Result<()> {
            Ok(())
        }

        fn poll_recv(
            &self,
            _: &mut Context<'_>,
            _: &mut [IoSliceMut<'_>],
            meta: &mut [RecvMeta],
        ) -> Poll<io::Result<usize>> {
            self.reads.fetch_add(1, Relaxed);
            meta[0].len = 7;
            Poll::Ready(Ok(1))
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// What comes goes from the socket's task to the connection's, and from there to the subscriber's.
    #[tokio::test]
    async fn a_subscriber_is_asked_for_what_came_before_more_is_read() {
        const READS: usize = 50;
        let (flood, tally) = (Arc::new(Flood::default()), Arc::new(Tally::default()));
        let metered = Metered {
            inner: Arc::<Flood>::clone(&flood),
            tally: Arc::clone(&tally),
            last_read_ns: Arc::default(),
            turns: AtomicU8::new(0),
        };
        let last_read_ns = Arc::clone(&metered.last_read_ns);
        let (to_connection, to_subscriber) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let tasks = LocalSet::new();
        let came = Rc::clone(&to_connection);
        tasks.spawn_local(poll_fn(move |cx| {
            let mut meta = [RecvMeta::default()];
            // As QUIC does it: as long as there is anything.
            while let Poll::Ready(read) = metered.poll_recv(cx, &mut [], &mut meta) {
                assert_eq!(read.unwrap(), 1);
                came.notify_one();
            }
            Poll::<()>::Pending
        }));
        let (came, decrypted) = (to_connection, Rc::clone(&to_subscriber));
        tasks.spawn_local(async move {
            loop {
                came.notified().await;
                decrypted.notify_one();
            }
        });
        let subscriber = tasks.spawn_local(async move {
            let mut last = 0;
            for read in 1..=READS {
                to_subscriber.notified().await;
                assert_eq!(
                    flood.reads.load(Relaxed),
                    read,
                    "what has come has the time of its read"
                );
                let at_ns = last_read_ns.load(Relaxed);
                assert!(last < at_ns);
                last = at_ns;
            }
        });
        timeout(HANG, tasks.run_until(subscriber)).await.expect("no hang").unwrap();
        let mut totals = Totals::default();
        totals.add(&tally);
        assert!(totals.bytes_in >= 7 * READS as u64, "{totals:?}");
    }
}
