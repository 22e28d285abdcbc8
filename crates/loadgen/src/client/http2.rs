//! HTTP/2 (RFC 9113) over a [`Line`]: its handshake, and connections that several share.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Body;
use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Mutex, Notify};

use super::ClientError;
use super::pass_writes::pass_writes;
use super::tls::Line;

/// What goes with a request: all of it is there when the request is sent.
pub(super) trait RequestBody:
    Body<Data = Bytes, Error = Infallible> + Unpin + 'static
{
}

impl<B: Body<Data = Bytes, Error = Infallible> + Unpin + 'static> RequestBody for B {}

/// Runs what a connection needs beside its requests on the thread of its subscriber.
#[derive(Clone)]
struct SameThread;

impl<F: Future<Output = ()> + 'static> Executor<F> for SameThread {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// A connection that takes requests.
pub(super) struct Begun<B: RequestBody> {
    pub(super) sender: SendRequest<B>,
    connection: Rc<RefCell<Connection<TokioIo<OneRead>, B, SameThread>>>,
    /// Told when anything has come.
    came: Rc<Notify>,
}

impl<B: RequestBody> Begun<B> {
    /// Waits until the server has said that it takes WebSockets (RFC 8441 §3).
    pub(super) async fn takes_websockets(&self) {
        while !self.connection.borrow().is_extended_connect_protocol_enabled() {
            self.came.notified().await;
        }
    }
}

/// Reads from a line so that whoever waits for what came is asked before more is read: HTTP/2 would read as
/// long as there is something, and all of it had the time of the last read.
struct OneRead {
    line: Line,
    has_read: bool,
    came: Rc<Notify>,
}

/// Begins HTTP/2.
pub(super) async fn handshake<B: RequestBody>(line: Line) -> Result<Begun<B>, ClientError> {
    let came = Rc::new(Notify::new());
    let line = OneRead { line, has_read: false, came: Rc::clone(&came) };
    let (sender, connection) = Builder::new(SameThread).handshake(TokioIo::new(line)).await?;
    let connection = Rc::new(RefCell::new(connection));
    let driven = Rc::clone(&connection);
    // Ends by itself when the sender and all streams are dropped or the socket closes. Why, the streams
    // say.
    tokio::task::spawn_local(poll_fn(move |cx| {
        Pin::new(&mut *driven.borrow_mut()).poll(cx).map(drop)
    }));
    Ok(Begun { sender, connection, came })
}

impl AsyncRead for OneRead {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.has_read) {
            // Those who were woken by what came are in front.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.line).poll_read(cx, buffer);
        self.has_read = read.is_ready();
        if self.has_read {
            self.came.notify_one();
        }
        read
    }
}

impl AsyncWrite for OneRead {
    pass_writes!(line);
}

/// A connection that the subscriptions of one subscriber have in common, as the pages of an origin have in
/// a browser. The first one opens it.
#[derive(Default)]
pub(crate) struct SharedHttp2(Mutex<Option<SendRequest<Empty<Bytes>>>>);

impl fmt::Debug for SharedHttp2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedHttp2")
    }
}

impl SharedHttp2 {
    /// What takes requests; if there is none, or it has ended, that of a new connection.
    pub(super) async fn sender(
        &self,
        open: impl AsyncFnOnce() -> Result<SendRequest<Empty<Bytes>>, ClientError>,
    ) -> Result<SendRequest<Empty<Bytes>>, ClientError> {
        let mut sender = self.0.lock().await;
        if let Some(open) = sender.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(open.clone());
        }
        let new = open().await?;
        *sender = Some(new.clone());
        Ok(new)
    }
}
