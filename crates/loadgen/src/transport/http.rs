//! HTTP/1.1 requests over a [`Socket`], for every transport that is plain HTTP.

use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, HOST, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use pushbench_wire::endpoint::LAST_EVENT_ID;

use super::socket::{Socket, Wire};
use super::{ClientError, READ_BUFFER_BYTES, Subscription};

/// The longest part of an unexpected answer that is quoted in the error.
const MAX_QUOTED_BYTES: usize = 500;

/// One kept connection, on which requests go one after the other.
pub(super) struct HttpConnection {
    sender: SendRequest<Empty<Bytes>>,
    wire: Rc<Wire>,
}

/// A request that is sent again and again, with another position each time.
pub(super) struct HttpRequest {
    uri: Uri,
    host: HeaderValue,
    accept: HeaderValue,
}

impl HttpRequest {
    pub(super) fn new(
        subscription: &Subscription,
        path: &str,
        accept: &'static str,
    ) -> Result<Self, ClientError> {
        Ok(Self {
            uri: path.parse().map_err(hyper::http::Error::from)?,
            host: HeaderValue::try_from(subscription.address.to_string())
                .map_err(hyper::http::Error::from)?,
            accept: HeaderValue::from_static(accept),
        })
    }

    fn after(&self, id: u64) -> Result<Request<Empty<Bytes>>, ClientError> {
        Ok(Request::get(self.uri.clone())
            .header(HOST, self.host.clone())
            .header(ACCEPT, self.accept.clone())
            .header(LAST_EVENT_ID, HeaderValue::from(id))
            .body(Empty::new())?)
    }
}

impl HttpConnection {
    pub(super) async fn open(
        subscription: &Subscription,
        wire: &Rc<Wire>,
    ) -> Result<Self, ClientError> {
        let socket = Socket::open(subscription.address, wire).await?;
        let (sender, connection) = http1::Builder::new()
            .read_buf_exact_size(Some(READ_BUFFER_BYTES))
            .handshake(TokioIo::new(socket))
            .await?;
        // Ends by itself when the sender is dropped or the socket closes; the sender reports why.
        tokio::task::spawn_local(connection);
        Ok(Self { sender, wire: Rc::clone(wire) })
    }

    /// Asks for the events behind `after`.
    pub(super) async fn get(
        &mut self,
        request: &HttpRequest,
        after: u64,
    ) -> Result<Response<Incoming>, ClientError> {
        self.sender.ready().await?;
        self.wire.tally().requests.add(1);
        Ok(self.sender.send_request(request.after(after)?).await?)
    }
}

/// Turns an answer that was not asked for into an error that quotes it.
pub(super) async fn unexpected(response: Response<Incoming>) -> ClientError {
    let status: StatusCode = response.status();
    let body = match Limited::new(response.into_body(), MAX_QUOTED_BYTES).collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(_) => "(its body cannot be shown)".to_owned(),
    };
    ClientError::Status { status, body }
}
