//! HTTP requests over a [`Line`], for every transport that is plain HTTP or begins with it.

use std::error::Error as _;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h3::error::StreamError;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::client::conn::http2;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, UPGRADE,
};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use pushbench_wire::endpoint::LAST_EVENT_ID;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::answer_body::AnswerBody;
use super::gzip_answer::ACCEPTED_ENCODING;
use super::http2::{RequestBody, handshake as handshake_http2};
use super::http3::Http3Sender;
use super::meter::ConnectionMeter;
use super::publish_link::is_end;
use super::tls::Line;
use super::{ClientError, Http, READ_BUFFER_BYTES, Subscription};

/// The longest part of an unexpected answer that is quoted in the error.
const MAX_QUOTED_BYTES: usize = 500;

/// How long that may take to come.
const QUOTED_WITHIN: Duration = Duration::from_secs(2);

/// One kept connection, on which requests go one after the other.
pub(super) struct HttpConnection<B = Empty<Bytes>> {
    sender: Sender<B>,
    meter: Rc<ConnectionMeter>,
}

/// What takes requests.
enum Sender<B> {
    Http1(SendRequest<B>),
    Http2(http2::SendRequest<B>),
    Http3(Box<Http3Sender>),
}

/// A request that is sent again and again, with another position each time.
pub(super) struct HttpRequest {
    uri: Uri,
    host: Option<HeaderValue>,
    accept: HeaderValue,
    accepts_gzip: bool,
}

impl HttpRequest {
    pub(super) fn new(
        subscription: &Subscription,
        path: &str,
        accept: &'static str,
    ) -> Result<Self, ClientError> {
        let (uri, host) = subscription.target(path)?;
        let accepts_gzip = subscription.compression;
        Ok(Self { uri, host, accept: HeaderValue::from_static(accept), accepts_gzip })
    }

    fn after(&self, id: u64) -> Result<Request<Empty<Bytes>>, ClientError> {
        let mut request = Request::get(self.uri.clone())
            .header(ACCEPT, self.accept.clone())
            .header(LAST_EVENT_ID, HeaderValue::from(id))
            .body(Empty::new())?;
        if let Some(host) = &self.host {
            request.headers_mut().insert(HOST, host.clone());
        }
        if self.accepts_gzip {
            let gzip = HeaderValue::from_static(ACCEPTED_ENCODING);
            request.headers_mut().insert(ACCEPT_ENCODING, gzip);
        }
        Ok(request)
    }
}

impl<B: RequestBody> HttpConnection<B> {
    pub(super) async fn open(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
    ) -> Result<Self, ClientError> {
        let sender = match subscription.http {
            Http::Http1 => return Self::over(subscription.connect(meter).await?, meter).await,
            Http::Http2(_) => {
                let socket = subscription.connect(meter).await?;
                Sender::Http2(handshake_http2(socket).await?.sender)
            }
            Http::Http3(_) | Http::WebTransport => Sender::Http3(Box::new(
                Http3Sender::open(subscription.address, subscription.tls.as_ref(), meter).await?,
            )),
        };
        Ok(Self { sender, meter: Rc::clone(meter) })
    }

    /// HTTP over a connection that is there.
    pub(super) async fn over<S: AsyncRead + AsyncWrite + Unpin + 'static>(
        socket: S,
        meter: &Rc<ConnectionMeter>,
    ) -> Result<Self, ClientError> {
        let (sender, connection) = handshake(socket).await?;
        // Ends by itself when the sender is dropped or the socket closes; the sender reports why.
        tokio::task::spawn_local(connection);
        Ok(Self { sender: Sender::Http1(sender), meter: Rc::clone(meter) })
    }

    /// Sends one request and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<B>,
    ) -> Result<Response<AnswerBody>, ClientError> {
        match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await?,
            Sender::Http2(sender) => sender.ready().await?,
            Sender::Http3(_) => {}
        }
        self.meter.tally().requests.add(1);
        Ok(match &mut self.sender {
            Sender::Http1(sender) => sender.send_request(request).await?.map(Into::into),
            Sender::Http2(sender) => sender.send_request(request).await?.map(Into::into),
            Sender::Http3(sender) => sender
                .send(whole(request).await)
                .await?
                .map(|body| AnswerBody::Http3(Box::new(body))),
        })
    }
}

impl HttpConnection {
    /// One to receive events over, which may be shared.
    pub(super) async fn for_events(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
    ) -> Result<Self, ClientError> {
        let sender = match &subscription.http {
            Http::Http1 | Http::WebTransport => return Self::open(subscription, meter).await,
            Http::Http2(shared) => {
                let open = async || {
                    let line = subscription.connect(meter).await?;
                    Ok(handshake_http2(line).await?.sender)
                };
                Sender::Http2(shared.sender(open).await?)
            }
            Http::Http3(shared) => Sender::Http3(Box::new(
                shared.sender(subscription.address, subscription.tls.as_ref(), meter).await?,
            )),
        };
        Ok(Self { sender, meter: Rc::clone(meter) })
    }

    /// Asks for the events behind `after`.
    pub(super) async fn get(
        &mut self,
        request: &HttpRequest,
        after: u64,
    ) -> Result<Response<AnswerBody>, ClientError> {
        self.send(request.after(after)?).await
    }
}

/// A request with its body, which is there, and how long that is: hyper says so itself.
async fn whole<B: RequestBody>(request: Request<B>) -> Request<Bytes> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.unwrap_or_else(|never| match never {}).to_bytes();
    if !body.is_empty() {
        head.headers.insert(CONTENT_LENGTH, body.len().into());
    }
    Request::from_parts(head, body)
}

async fn handshake<B: RequestBody, S: AsyncRead + AsyncWrite + Unpin>(
    socket: S,
) -> Result<(SendRequest<B>, Connection<TokioIo<S>, B>), ClientError> {
    let mut http = http1::Builder::new();
    http.read_buf_exact_size(Some(READ_BUFFER_BYTES));
    Ok(http.handshake(TokioIo::new(socket)).await?)
}

/// Asks for the events behind `after` over `protocol` (RFC 9110 §7.8). Gives the socket, and what was
/// read from it behind the head of the answer; nothing of HTTP is left then.
pub(super) async fn upgrade(
    subscription: &Subscription,
    meter: &Rc<ConnectionMeter>,
    path: &str,
    protocol: &'static str,
    after: u64,
) -> Result<(Line, Bytes), ClientError> {
    let mut request = HttpRequest::new(subscription, path, "*/*")?.after(after)?;
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    request.headers_mut().insert(UPGRADE, HeaderValue::from_static(protocol));
    let socket = subscription.connect(meter).await?;
    let (mut sender, connection) = handshake(socket).await?;
    meter.tally().requests.add(1);
    // It owns the sender, whose end is that of a connection that is not handed over.
    let ask = async move {
        let response = sender.send_request(request).await?;
        match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => Ok(()),
            _ => Err(unexpected(response).await),
        }
    };
    let (answer, ended) = tokio::join!(ask, connection.without_shutdown());
    answer?;
    let parts = ended?;
    Ok((parts.io.into_inner(), parts.read_buf))
}

/// Whether a request got no answer because the connection had ended: a server may do that whenever
/// nothing is asked (RFC 9112 §9.5).
pub(super) fn met_the_end(error: &ClientError) -> bool {
    let error = match error {
        ClientError::Http(error) => error,
        ClientError::Http3(StreamError::ConnectionError { .. }) => return true,
        _ => return false,
    };
    let source = error.source().and_then(|source| source.downcast_ref());
    error.is_closed()
        || error.is_canceled()
        || error.is_incomplete_message()
        || source.is_some_and(is_end)
}

/// Turns an answer that was not asked for into an error that quotes the beginning of it.
pub(super) async fn unexpected(response: Response<impl Into<AnswerBody>>) -> ClientError {
    let status: StatusCode = response.status();
    let mut body = response.into_body().into();
    let mut quoted = Vec::new();
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            quoted.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            if quoted.len() >= MAX_QUOTED_BYTES {
                break;
            }
        }
    };
    // What does not come soon is not worth waiting for.
    let _ = timeout(QUOTED_WITHIN, read).await;
    quoted.truncate(MAX_QUOTED_BYTES);
    ClientError::Status { status, body: String::from_utf8_lossy(&quoted).into_owned() }
}
