//! How far a connection is with its current request. The connection's task, its socket and the
//! request's handler share it. It decides nothing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use pushbench_wire::Transport;

use super::socket::Socket;
use crate::memory::{Need, Reservation};
use crate::metrics::ConnectionGauge;
use crate::transport::OpenedStream;

/// The state of one connection, behind a lock that is never held for long.
pub(super) struct ConnectionState(Mutex<Inner>);

/// What [`ConnectionState`] holds.
pub(super) struct Inner {
    phase: Phase,
    /// Requests so far.
    requests: u64,
    /// Whether part of the next request arrived before the response to this one was sent.
    read_ahead: bool,
    /// Whether the client may still be sending when the connection ends.
    pub(super) linger: bool,
    /// The stream that a request has opened.
    pub(super) opened_stream: Option<Box<OpenedStream>>,
    /// Counts the connection under the transport that it uses.
    pub(super) gauge: ConnectionGauge,
    /// The memory of the connection.
    pub(super) held: Reservation,
}

/// How far a connection is with its current request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between two requests.
    Idle,
    /// Part of a request's head has arrived.
    Head,
    /// A request is being handled.
    Handling,
    /// Its response is being sent.
    Sending,
}

impl ConnectionState {
    /// The state of a connection on which nothing has arrived yet.
    pub(super) fn new(gauge: ConnectionGauge, held: Reservation) -> Self {
        Self(Mutex::new(Inner {
            phase: Phase::Idle,
            requests: 0,
            read_ahead: false,
            linger: false,
            opened_stream: None,
            gauge,
            held,
        }))
    }

    /// Records that the client may still be sending when the connection ends.
    pub(super) fn set_linger(&self) {
        self.lock().linger = true;
    }

    /// Counts the connection under `transport` from now on.
    pub(super) fn use_transport(&self, transport: Transport) {
        self.lock().gauge.set(transport);
    }

    /// The current phase, and the number of requests so far.
    pub(super) fn phase(&self) -> (Phase, u64) {
        let inner = self.lock();
        (inner.phase, inner.requests)
    }

    /// Records that the head of a request has arrived.
    pub(super) fn request_began(&self) {
        let mut inner = self.lock();
        inner.phase = Phase::Handling;
        inner.requests += 1;
        inner.read_ahead = false;
    }

    /// Records that a request is handled, so that its response will be sent.
    pub(super) fn request_handled(&self, had_body: bool) {
        let mut inner = self.lock();
        inner.phase = Phase::Sending;
        // What arrived after the head was the body.
        inner.read_ahead &= !had_body;
    }

    /// Records that hyper has large buffers, which it may keep. Returns whether there is memory for them.
    fn has_large_buffers(&self, bytes: usize) -> bool {
        self.lock().held.resize(bytes, Need::Input)
    }

    fn has_read(&self) {
        let mut inner = self.lock();
        match inner.phase {
            Phase::Idle => inner.phase = Phase::Head,
            Phase::Head => {}
            Phase::Handling | Phase::Sending => inner.read_ahead = true,
        }
    }

    /// hyper flushes the socket only when it has written everything.
    fn has_flushed(&self) {
        let mut inner = self.lock();
        if inner.phase == Phase::Sending {
            inner.phase = if inner.read_ahead { Phase::Head } else { Phase::Idle };
        }
    }

    /// Locks the state.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that records when something has arrived on it, and when everything is sent.
pub(super) struct TrackedSocket {
    inner: TokioIo<Socket>,
    state: Arc<ConnectionState>,
    /// What the connection costs when hyper's buffers are as large as they may be.
    large_bytes: usize,
}

/// hyper reads into at most so much until a head or a body is larger than most.
const USUAL_READ_BYTES: usize = 20 << 10;

impl TrackedSocket {
    /// Records what happens on `socket` in `state`.
    pub(super) fn new(socket: Socket, state: Arc<ConnectionState>, large_bytes: usize) -> Self {
        Self { inner: TokioIo::new(socket), state, large_bytes }
    }

    /// The socket itself.
    pub(super) fn into_socket(self) -> Socket {
        self.inner.into_inner()
    }
}

impl Read for TrackedSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > USUAL_READ_BYTES && !self.state.has_large_buffers(self.large_bytes)
        {
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, buffer));
        self.state.has_read();
        Poll::Ready(read)
    }
}

impl Write for TrackedSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.inner).poll_flush(cx));
        self.state.has_flushed();
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
