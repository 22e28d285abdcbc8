//! The socket under every client: `TCP_NODELAY`, counted in both directions, and every read is
//! timed before anything is decoded. No transport gets another one.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::ClientError;
use super::meter::ConnectionMeter;
use super::pace::{Turn, poll_read_slowly};

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
            let stream = meter.pace().connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = connect.await.map_err(|source| ClientError::Connect { address, source })?;
        meter.opened(stream.as_raw_fd());
        Ok(Self { stream, meter: Rc::clone(meter), turn: Turn::default() })
    }
}

impl<S: AsFd + AsRawFd> Socket<S> {
    /// Whether it is to end by a RST.
    fn is_doomed(&self) -> bool {
        self.meter.is_doomed(self.stream.as_raw_fd())
    }

    fn written(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = outcome {
            self.meter.has_written(bytes);
        }
        outcome
    }
}

/// Runs before the stream is closed, while its number is still its own.
impl<S: AsFd + AsRawFd> Drop for Socket<S> {
    fn drop(&mut self) {
        if self.is_doomed() {
            let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            // It may be closed by the other side by now, and then it does not matter.
            let _ = setsockopt(&self.stream, sockopt::Linger, &at_once);
        }
        self.meter.closes(self.stream.as_raw_fd());
    }
}

impl<S: AsyncRead + AsFd + AsRawFd + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match self.meter.pace().now() {
            None => ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?,
            Some(reads) => {
                let Self { stream, meter, turn } = &mut *self;
                ready!(poll_read_slowly(stream, meter.pace(), reads, turn, cx, buffer))?;
            }
        }
        self.meter.has_read(buffer.filled().len() - before);
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
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::client::{Tally, TcpTotals};
    use crate::scenario::CutHow;

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
        assert!(meter.ports_to_silence().is_empty(), "nothing is open");
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
        let mut again = crate::client::Totals::default();
        again.add(&tally);
        assert_eq!(again.cuts, 1, "nothing is open");
        server.read(&mut [0; 6]).await
    }

    #[tokio::test]
    async fn a_cut_is_a_fin_or_a_rst() {
        assert_eq!(cut_as_seen_by_the_server(CutHow::Close).await.unwrap(), 0);
        let reset = cut_as_seen_by_the_server(CutHow::Reset).await.unwrap_err();
        assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
    }
}
