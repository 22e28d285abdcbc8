//! HTTP/3 (RFC 9114) over a [`QuicLine`], and connections that several share.

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use h3::client::{RequestStream, SendRequest};
use h3_quinn::{BidiStream, Connection, OpenStreams};
use hyper::{Request, Response};
use tokio::sync::Mutex;

use super::ClientError;
use super::meter::ConnectionMeter;
use super::quic::QuicLine;
use super::tls::Tls;

/// What takes requests of one connection. It ends with the last of these, and of the answers.
#[derive(Clone)]
pub(super) struct Http3Sender {
    requests: SendRequest<OpenStreams, Bytes>,
    line: Arc<QuicLine>,
}

impl Http3Sender {
    /// Connects to a server of ours.
    pub(super) async fn open(
        address: SocketAddr,
        tls: Option<&Tls>,
        meter: &Rc<ConnectionMeter>,
    ) -> Result<Self, ClientError> {
        let no_tls = || ClientError::Foreign("HTTP/3 needs TLS, and nobody says how".to_owned());
        let line = Arc::new(QuicLine::open(address, tls.ok_or_else(no_tls)?, meter).await?);
        let mut http = h3::client::builder();
        http.send_grease(false);
        let (mut driver, requests) = http.build(Connection::new(line.connection().clone())).await?;
        // Ends by itself with the connection. Why, the streams say.
        tokio::task::spawn_local(async move {
            driver.wait_idle().await;
        });
        Ok(Self { requests, line })
    }

    /// Whether nothing more can be asked.
    pub(super) fn is_closed(&self) -> bool {
        self.line.is_closed()
    }

    /// Sends one request and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Bytes>,
    ) -> Result<Response<Http3Body>, ClientError> {
        let (head, body) = request.into_parts();
        let mut stream = self.requests.send_request(Request::from_parts(head, ())).await?;
        if !body.is_empty() {
            stream.send_data(body).await?;
        }
        stream.finish().await?;
        let response = stream.recv_response().await?;
        let line = Arc::clone(&self.line);
        Ok(response.map(|()| Http3Body { stream, _line: line }))
    }
}

/// The body of an answer.
pub(super) struct Http3Body {
    stream: RequestStream<BidiStream<Bytes>, Bytes>,
    _line: Arc<QuicLine>,
}

impl Http3Body {
    /// What comes next; nothing behind the last piece.
    pub(super) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, ClientError>> {
        let piece = ready!(self.stream.poll_recv_data(cx))?;
        Poll::Ready(Ok(piece.map(|mut piece| piece.copy_to_bytes(piece.remaining()))))
    }
}

/// A connection that the subscriptions of one subscriber have in common, as by HTTP/2. The first one opens it.
#[derive(Default)]
pub(crate) struct SharedHttp3(Mutex<Option<Http3Sender>>);

impl fmt::Debug for SharedHttp3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedHttp3")
    }
}

impl SharedHttp3 {
    /// What takes requests; if there is none, or it has ended, that of a new connection.
    pub(super) async fn sender(
        &self,
        address: SocketAddr,
        tls: Option<&Tls>,
        meter: &Rc<ConnectionMeter>,
    ) -> Result<Http3Sender, ClientError> {
        let mut sender = self.0.lock().await;
        if let Some(open) = sender.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(open.clone());
        }
        let new = Http3Sender::open(address, tls, meter).await?;
        *sender = Some(new.clone());
        Ok(new)
    }
}
