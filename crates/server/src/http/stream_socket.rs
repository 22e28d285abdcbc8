//! A stream of HTTP/2 that carries a protocol of its own (RFC 8441), as the loop behind every stream takes a
//! socket: what can be done at once, and when there is more to do.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, Bytes, BytesMut};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much of what has arrived is taken at a time.
const PIECE_BYTES: usize = 1 << 10;

/// How much may wait until the stream takes it: a write of most batches.
const MAX_UNSENT_BYTES: usize = 16 << 10;

/// One stream.
pub(crate) struct StreamSocket {
    io: TokioIo<Upgraded>,
    /// What has arrived since it was last read.
    arrived: Option<io::Result<Bytes>>,
    unsent: BytesMut,
}

impl StreamSocket {
    pub(super) fn new(upgraded: Upgraded) -> Self {
        Self { io: TokioIo::new(upgraded), arrived: None, unsent: BytesMut::new() }
    }

    /// Waits until [`Self::try_read`] gives something.
    pub(super) fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.arrived.is_some() {
            return Poll::Ready(());
        }
        let mut piece = [0; PIECE_BYTES];
        let mut read = ReadBuf::new(&mut piece);
        let arrived = match Pin::new(&mut self.io).poll_read(cx, &mut read) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(outcome) => outcome.map(|()| Bytes::copy_from_slice(read.filled())),
        };
        self.arrived = Some(arrived);
        Poll::Ready(())
    }

    /// As [`Socket::try_read`](super::socket::Socket::try_read).
    pub(super) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.poll_read_ready(&mut Context::from_waker(Waker::noop())).is_pending() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut arrived = self.arrived.take().unwrap_or_else(|| Ok(Bytes::new()))?;
        let len = arrived.len().min(buffer.len());
        buffer[..len].copy_from_slice(&arrived[..len]);
        arrived.advance(len);
        if !arrived.is_empty() {
            self.arrived = Some(Ok(arrived));
        }
        Ok(len)
    }

    /// As much as may wait; what waits already must be none.
    pub(super) fn write(&mut self, slices: &[IoSlice<'_>]) -> usize {
        let mut written = 0;
        for slice in slices {
            let len = slice.len().min(MAX_UNSENT_BYTES - written);
            self.unsent.extend_from_slice(&slice[..len]);
            written += len;
        }
        written
    }

    /// Whether something waits to be taken.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Hands on what waits, as far as it is taken now. Returns whether that was anything.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        let before = self.unsent.len();
        match self.poll_sent(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(error)) => Err(error),
            _ => Ok(self.unsent.len() < before),
        }
    }

    /// Waits until all that waits has been taken.
    pub(super) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            match Pin::new(&mut self.io).poll_write(cx, &self.unsent) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(taken)) => self.unsent.advance(taken),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        // An idle stream keeps no memory for what once waited.
        self.unsent = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    pub(super) fn io(&mut self) -> Pin<&mut TokioIo<Upgraded>> {
        Pin::new(&mut self.io)
    }
}

/// Reads what has arrived first.
pub(super) fn poll_read(
    socket: &mut StreamSocket,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    std::task::ready!(socket.poll_read_ready(cx));
    let mut piece = vec![0; buffer.remaining().min(PIECE_BYTES)];
    let len = socket.try_read(&mut piece)?;
    buffer.put_slice(&piece[..len]);
    Poll::Ready(Ok(()))
}
