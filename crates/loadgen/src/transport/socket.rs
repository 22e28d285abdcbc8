//! The socket under every client: `TCP_NODELAY`, counted in both directions, and every read is
//! timed before anything is decoded. No transport gets another one.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pushbench_wire::clock;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{ClientError, Tally};

/// What the sockets of one subscriber share: its worker's counters and the time of its last read.
#[derive(Debug)]
pub(crate) struct Wire {
    tally: Arc<Tally>,
    last_read_ns: Cell<u64>,
}

impl Wire {
    pub(crate) fn new(tally: Arc<Tally>) -> Rc<Self> {
        Rc::new(Self { tally, last_read_ns: Cell::new(0) })
    }

    /// The counters.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// When the subscriber last read anything from a socket.
    pub(super) fn last_read_ns(&self) -> u64 {
        self.last_read_ns.get()
    }
}

/// A connection to the server.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    wire: Rc<Wire>,
}

impl Socket {
    pub(super) async fn open(address: SocketAddr, wire: &Rc<Wire>) -> Result<Self, ClientError> {
        let connect = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = connect.await.map_err(|source| ClientError::Connect { address, source })?;
        wire.tally.connections.add(1);
        Ok(Self { stream, wire: Rc::clone(wire) })
    }

    fn written(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = outcome {
            self.wire.tally.bytes_out.add(bytes as u64);
        }
        outcome
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.wire.last_read_ns.set(clock::now_ns());
        self.wire.tally.bytes_in.add((buffer.filled().len() - before) as u64);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
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
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_socket_has_nagle_off() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Wire::new(Arc::default());
        let socket = Socket::open(listener.local_addr().unwrap(), &wire).await.unwrap();
        assert!(socket.stream.nodelay().unwrap());
    }
}
