//! The socket under every client: `TCP_NODELAY`, counted in both directions, and every read is
//! timed before anything is decoded. No transport gets another one.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use nix::sys::socket::{
    Shutdown, SockaddrIn, getpeername, getsockname, setsockopt, shutdown, sockopt,
};
use pushbench_wire::clock;
use quinn::VarInt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::life::Life;
use super::pace::{Pace, Turn, poll_read_slowly};
use super::quic_totals::totals;
use super::{ClientError, Tally, TcpTotals};
use crate::scenario::{CutHow, SlowReads};

/// What the sockets of one subscriber share: its worker's counters, the time of its last read, and
/// what TCP did for those that have closed.
#[derive(Debug)]
pub(crate) struct ConnectionMeter {
    tally: Arc<Tally>,
    last_read_ns: Arc<AtomicU64>,
    open: Rc<RefCell<Vec<RawFd>>>,
    /// Of those, which end by a RST.
    doomed: Rc<RefCell<Vec<RawFd>>>,
    /// Those by QUIC, with the ended ones: it still says what they have done.
    quic: Rc<RefCell<Vec<quinn::Connection>>>,
    closed: Rc<Cell<Option<TcpTotals>>>,
    life: Rc<Life>,
    pace: Pace,
}

impl ConnectionMeter {
    pub(crate) fn new(tally: Arc<Tally>) -> Rc<Self> {
        Self::paced(tally, Pace::default())
    }

    /// That of a subscriber that reads like this when it is told to.
    pub(crate) fn of_slow(tally: Arc<Tally>, reads: SlowReads) -> Rc<Self> {
        Self::paced(tally, Pace::slow(reads))
    }

    fn paced(tally: Arc<Tally>, pace: Pace) -> Rc<Self> {
        let last_read_ns = Arc::<AtomicU64>::default();
        Rc::new(Self {
            tally,
            life: Life::new(Arc::clone(&last_read_ns)),
            pace,
            last_read_ns,
            open: Rc::default(),
            doomed: Rc::default(),
            quic: Rc::default(),
            closed: Rc::new(Cell::new(Some(TcpTotals::default()))),
        })
    }

    /// For connections beside that of the events: counted together with it, but what is read there is no
    /// event's time.
    pub(super) fn beside(&self) -> Rc<Self> {
        Rc::new(Self {
            tally: Arc::clone(&self.tally),
            last_read_ns: Arc::default(),
            open: Rc::clone(&self.open),
            doomed: Rc::clone(&self.doomed),
            quic: Rc::clone(&self.quic),
            closed: Rc::clone(&self.closed),
            life: Life::new(Arc::default()),
            pace: Pace::default(),
        })
    }

    /// What TCP has done for this subscriber so far, connections that have closed included; `None`
    /// where the kernel does not say. By HTTP/3, it is what QUIC says of its datagrams.
    pub(crate) fn tcp(&self) -> Option<TcpTotals> {
        let quic = self.quic.borrow();
        let by_quic = quic.iter().map(totals).fold(self.closed.get()?, TcpTotals::plus);
        self.open
            .borrow()
            .iter()
            .try_fold(by_quic, |sum, &socket| Some(sum.plus(TcpTotals::read(socket)?)))
    }

    /// Takes note of a connection by QUIC.
    pub(super) fn opened_quic(&self, connection: quinn::Connection) {
        self.tally.connections.add(1);
        let mut all = self.quic.borrow_mut();
        // Of those that have ended, only the sum is kept.
        all.retain(|of| {
            let is_open = of.close_reason().is_none();
            if !is_open {
                let closed = self.closed.get();
                self.closed.set(closed.map(|before| before.plus(totals(of))));
            }
            is_open
        });
        all.push(connection);
    }

    /// The counters, for what is done on the same thread where nobody sees it.
    pub(super) fn shared_tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Where the time of the last read is, likewise.
    pub(super) fn last_read(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.last_read_ns)
    }

    /// Cuts all connections that are open: whoever reads gets to the end at once, as if the other side
    /// had ended them. The server sees a FIN now, or a RST as soon as the client lets go. QUIC has one end
    /// only (RFC 9000 §10.2).
    pub(crate) fn cut(&self, how: CutHow) {
        for &socket in self.open.borrow().iter() {
            let directions = match how {
                CutHow::Close => Shutdown::Both,
                CutHow::Reset => {
                    let mut doomed = self.doomed.borrow_mut();
                    if doomed.contains(&socket) {
                        continue;
                    }
                    doomed.push(socket);
                    Shutdown::Read
                }
            };
            // It may have broken by itself.
            if shutdown(socket, directions).is_ok() {
                self.tally.cuts.add(1);
            }
        }
        let quic = self.quic.borrow();
        for connection in quic.iter().filter(|of| of.close_reason().is_none()) {
            connection.close(VarInt::from_u32(0), b"");
            self.tally.cuts.add(1);
        }
    }

    /// The ports of all connections that are open, its own and the server's, of which the network is to carry
    /// nothing more.
    pub(crate) fn ports_to_silence(&self) -> Vec<[u16; 2]> {
        let open = self.open.borrow();
        let ports = open.iter().filter_map(|&socket| {
            let own = getsockname::<SockaddrIn>(socket).ok()?.port();
            Some([own, getpeername::<SockaddrIn>(socket).ok()?.port()])
        });
        let ports: Vec<_> = ports.collect();
        if !ports.is_empty() {
            self.life.is_silenced(clock::now_ns());
            self.tally.silenced.add(ports.len() as u64);
        }
        ports
    }

    /// Lets go of all connections that are open, because nothing comes over them: others who share them see
    /// their end.
    pub(crate) fn give_up(&self) {
        for &socket in self.open.borrow().iter() {
            // It may have broken by itself.
            let _ = shutdown(socket, Shutdown::Both);
        }
        for connection in self.quic.borrow().iter() {
            connection.close(VarInt::from_u32(0), b"");
        }
    }

    /// Whether the other side still lives.
    pub(crate) fn life(&self) -> &Rc<Life> {
        &self.life
    }

    /// Lets a slow subscriber be slow, or as fast as it can.
    pub(crate) fn be_slow(&self, is_on: bool) {
        self.pace.be_slow(is_on);
    }

    /// Lets it be as fast as it can for good.
    pub(crate) fn read_on(&self) {
        self.pace.read_on();
    }

    /// The counters.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A handshake of TLS took so long.
    pub(super) fn note_handshake(&self, is_resumed: bool, took_ns: u64) {
        let Tally { handshakes, handshake_ns, resumptions, resumption_ns, .. } = &*self.tally;
        let (count, time_ns) = match is_resumed {
            true => (resumptions, resumption_ns),
            false => (handshakes, handshake_ns),
        };
        count.add(1);
        time_ns.add(took_ns);
    }

    /// When the subscriber last read anything from a socket. That is when the data that it has in
    /// hand came as long as one read is decoded before the next one is made: on one thread, and with
    /// hyper because HTTP/1.1 hands over one piece of a body at a time, and HTTP/2 is made to.
    pub(super) fn last_read_ns(&self) -> u64 {
        self.last_read_ns.load(Relaxed)
    }
}

/// What the protocol of every transport runs on.
pub(super) type Stream = Socket<TcpStream>;

/// A connection to the server, metered: what is put on top of it, such as encryption, is counted as
/// it goes over the network.
#[derive(Debug)]
pub(super) struct Socket<S: AsFd + AsRawFd> {
    stream: S,
    meter: Rc<ConnectionMeter>,
    /// When it reads on, if it is slow.
    turn: Turn,
}

impl Stream {
    pub(super) async fn open(
        address: SocketAddr,
        meter: &Rc<ConnectionMeter>,
    ) -> Result<Self, ClientError> {
        let connect = async {
            let stream = meter.pace.connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = connect.await.map_err(|source| ClientError::Connect { address, source })?;
        meter.tally.connections.add(1);
        meter.open.borrow_mut().push(stream.as_raw_fd());
        Ok(Self { stream, meter: Rc::clone(meter), turn: Turn::default() })
    }
}

impl<S: AsFd + AsRawFd> Socket<S> {
    /// Whether it is to end by a RST.
    fn is_doomed(&self) -> bool {
        self.meter.doomed.borrow().contains(&self.stream.as_raw_fd())
    }

    fn written(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = outcome {
            self.meter.tally.bytes_out.add(bytes as u64);
        }
        outcome
    }
}

/// Runs before the stream is closed, while its number is still its own.
impl<S: AsFd + AsRawFd> Drop for Socket<S> {
    fn drop(&mut self) {
        let socket = self.stream.as_raw_fd();
        self.meter.open.borrow_mut().retain(|&open| open != socket);
        let mut doomed = self.meter.doomed.borrow_mut();
        if let Some(at) = doomed.iter().position(|&one| one == socket) {
            doomed.swap_remove(at);
            let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            // It may be closed by the other side by now, and then it does not matter.
            let _ = setsockopt(&self.stream, sockopt::Linger, &at_once);
        }
        let closed = self.meter.closed.get().zip(TcpTotals::read_last(socket));
        self.meter.closed.set(closed.map(|(before, last)| before.plus(last)));
    }
}

impl<S: AsyncRead + AsFd + AsRawFd + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match self.meter.pace.now() {
            None => ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?,
            Some(reads) => {
                let Self { stream, meter, turn } = &mut *self;
                ready!(poll_read_slowly(stream, &meter.pace, reads, turn, cx, buffer))?;
            }
        }
        self.meter.last_read_ns.store(clock::now_ns(), Relaxed);
        self.meter.tally.bytes_in.add((buffer.filled().len() - before) as u64);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + AsFd + AsRawFd + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_doomed() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_doomed() {
            // A RST ends it, and no FIN before that.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn every_socket_has_nagle_off() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let meter = ConnectionMeter::new(Arc::default());
        let socket = Stream::open(listener.local_addr().unwrap(), &meter).await.unwrap();
        assert!(socket.stream.nodelay().unwrap());
    }

    #[tokio::test]
    async fn tcp_is_counted_of_open_and_of_closed_sockets() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let meter = ConnectionMeter::new(Arc::default());
        assert_eq!(meter.tcp(), Some(TcpTotals::default()));
        for connections in 1..=3 {
            let mut socket = Stream::open(listener.local_addr().unwrap(), &meter).await.unwrap();
            let (mut server, _) = listener.accept().await.unwrap();
            socket.write_all(b"question").await.unwrap();
            server.write_all(b"answer").await.unwrap();
            socket.read_exact(&mut [0; 6]).await.unwrap();
            let open = meter.tcp().unwrap();
            assert_eq!((open.bytes_out, open.bytes_in), (8 * connections, 6 * connections));
            drop(socket);
            let closed = meter.tcp().unwrap();
            assert_eq!(closed.bytes(), open.bytes());
            // FIN, FIN with ACK, ACK; and the kernel may have put off the ACK of the answer.
            let closing = closed.segments() - open.segments();
            assert!((3..=4).contains(&closing), "{closing} segments");
        }
        assert!(meter.open.borrow().is_empty());
    }

    /// What the server reads of a connection that was cut.
    async fn cut_as_seen_by_the_server(how: CutHow) -> io::Result<usize> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tally = Arc::<Tally>::default();
        let meter = ConnectionMeter::new(Arc::clone(&tally));
        let mut socket = Stream::open(listener.local_addr().unwrap(), &meter).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let client = async {
            let read = socket.read(&mut [0; 6]).await;
            assert_eq!(read.unwrap(), 0, "it is told at once");
            drop(socket);
        };
        let cut = async { meter.cut(how) };
        tokio::join!(client, cut);
        let mut totals = crate::client::Totals::default();
        totals.add(&tally);
        assert_eq!(totals.cuts, 1);
        meter.cut(how);
        assert!(meter.doomed.borrow().is_empty(), "nothing is open");
        server.read(&mut [0; 6]).await
    }

    #[tokio::test]
    async fn a_cut_is_a_fin_or_a_rst() {
        assert_eq!(cut_as_seen_by_the_server(CutHow::Close).await.unwrap(), 0);
        let reset = cut_as_seen_by_the_server(CutHow::Reset).await.unwrap_err();
        assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
    }
}
