//! The socket of a connection, with TLS or without, or a stream of HTTP/2, for hyper and for streams alike. Streams read and
//! write what they can at once, and wait for more.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::upgrade::Upgraded;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::stream_socket::{StreamSocket, poll_read};
use crate::tls::HTTP_2;

/// The most that is encrypted and not yet sent: what a record holds at most (RFC 8446 §5.1).
const MAX_UNSENT_BYTES: usize = 16 << 10;

/// What TLS costs a connection: its state, and what is encrypted and not yet sent.
pub(crate) const TLS_BYTES: usize = MAX_UNSENT_BYTES + (16 << 10);

/// A connected socket.
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// A stream of HTTP/2.
    Stream(Box<StreamSocket>),
}

impl Socket {
    /// What is there after the handshake of TLS.
    pub(crate) async fn secured(tcp: TcpStream, acceptor: &TlsAcceptor) -> io::Result<Self> {
        let mut stream = acceptor.accept(tcp).await?;
        stream.get_mut().1.set_buffer_limit(Some(MAX_UNSENT_BYTES));
        Ok(Self::Tls(Box::new(stream)))
    }

    /// A stream of HTTP/2 that carries a protocol of its own.
    pub(super) fn of_stream(upgraded: Upgraded) -> Self {
        Self::Stream(Box::new(StreamSocket::new(upgraded)))
    }

    /// Whether both sides have agreed on HTTP/2.
    pub(super) fn speaks_http2(&self) -> bool {
        match self {
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(HTTP_2),
            Self::Plain(_) | Self::Stream(_) => false,
        }
    }

    /// The kernel's socket; a stream of HTTP/2 has none of its own.
    #[cfg(test)]
    pub(crate) fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(tcp) => Some(tcp),
            Self::Tls(stream) => Some(stream.get_ref().0),
            Self::Stream(_) => None,
        }
    }

    /// Waits until there may be something to read.
    pub(crate) fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Plain(tcp) => tcp.poll_read_ready(cx).map(drop),
            Self::Tls(stream) => stream.get_ref().0.poll_read_ready(cx).map(drop),
            Self::Stream(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Waits until something may be written.
    pub(crate) fn poll_write_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Plain(tcp) => tcp.poll_write_ready(cx).map(drop),
            Self::Tls(stream) => stream.get_ref().0.poll_write_ready(cx).map(drop),
            Self::Stream(stream) => stream.poll_sent(cx).map(drop),
        }
    }

    /// What TLS costs this connection.
    pub(crate) fn tls_bytes(&self) -> usize {
        match self {
            Self::Plain(_) | Self::Stream(_) => 0,
            Self::Tls(_) => TLS_BYTES,
        }
    }

    /// Reads what has arrived. A length of 0 means that the other side has closed.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] when nothing has arrived; otherwise what the socket or TLS reports.
    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stream = match self {
            Self::Plain(tcp) => return tcp.try_read(buffer),
            Self::Stream(stream) => return stream.try_read(buffer),
            Self::Tls(stream) => stream,
        };
        let (tcp, tls) = stream.get_mut();
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Without saying goodbye, it is an end like any other.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            if tls.read_tls(&mut AtOnce(tcp))? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(io::Error::other)?;
        }
    }

    /// Writes as much of `slices` as the socket takes now, and returns how many bytes that was, which
    /// may be 0. But for a plain one, what it has taken may be [unsent](Self::has_unsent).
    pub(crate) fn try_write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = match self {
            Self::Plain(tcp) => match slices {
                [one] => tcp.try_write(one),
                many => tcp.try_write_vectored(many),
            },
            Self::Tls(_) | Self::Stream(_) => {
                self.flush_unsent()?;
                if self.has_unsent() {
                    return Ok(0);
                }
                let written = match self {
                    Self::Tls(stream) => stream.get_mut().1.writer().write_vectored(slices),
                    Self::Stream(stream) => Ok(stream.write(slices)),
                    Self::Plain(_) => return Ok(0),
                };
                self.flush_unsent()?;
                written
            }
        };
        match written {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            other => other,
        }
    }

    /// Whether something waits, encrypted or not, that has not been taken yet.
    pub(crate) fn has_unsent(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.get_ref().1.wants_write(),
            Self::Stream(stream) => stream.has_unsent(),
        }
    }

    /// Sends what waits, as far as it is taken now. Returns whether that was anything.
    pub(crate) fn flush_unsent(&mut self) -> io::Result<bool> {
        let stream = match self {
            Self::Plain(_) => return Ok(false),
            Self::Stream(stream) => return stream.flush(),
            Self::Tls(stream) => stream,
        };
        let (tcp, tls) = stream.get_mut();
        let mut progress = false;
        while tls.wants_write() {
            match tls.write_tls(&mut AtOnce(tcp)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => progress = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(progress)
    }
}

/// A socket that never waits.
struct AtOnce<'a>(&'a TcpStream);

impl Read for AtOnce<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for AtOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Stream(stream) => poll_read(stream, cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Stream(stream) => stream.io().poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Stream(stream) => stream.io().poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Stream(_) => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Stream(stream) => stream.io().poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Stream(stream) => stream.io().poll_shutdown(cx),
        }
    }
}
