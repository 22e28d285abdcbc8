//! Publishing beside a transport that only receives: one event per `POST`, as an application does
//! that has long polling or SSE.

use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use pushbench_wire::endpoint::{BINARY_TYPE, Resource};

use super::http::{HttpConnection, host, unexpected};
use super::socket::ConnectionMeter;
use super::{ClientError, Subscription};

/// Publishes to one channel over one kept connection. It does not connect again when that breaks.
///
/// A server may close a connection that is idle for too long: `pushbench serve` does after
/// `--keep-alive`, two minutes unless it is told otherwise.
pub(crate) struct Poster {
    connection: HttpConnection<Full<Bytes>>,
    uri: Uri,
    host: HeaderValue,
}

impl Poster {
    /// Connects. `meter` must be its own: that of the subscriber tells when that one has read.
    ///
    /// # Errors
    /// When there is no connection.
    pub(super) async fn connect(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
    ) -> Result<Self, ClientError> {
        let path = subscription.path(Resource::Events);
        Ok(Self {
            connection: HttpConnection::open(subscription, meter).await?,
            uri: path.parse().map_err(hyper::http::Error::from)?,
            host: host(subscription.address)?,
        })
    }

    /// Publishes `payload` and waits until that is answered, so that the next event cannot overtake
    /// it. A call that is dropped before it completes leaves open whether the event is published,
    /// and the connection unusable.
    ///
    /// # Errors
    /// When the connection breaks, or the answer is not 200.
    pub(super) async fn post(&mut self, payload: &[u8], binary: bool) -> Result<(), ClientError> {
        let mut request = Request::post(self.uri.clone()).header(HOST, self.host.clone());
        if binary {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static(BINARY_TYPE));
        }
        let body = Full::new(Bytes::copy_from_slice(payload));
        let response = self.connection.send(request.body(body)?).await?;
        if response.status() != StatusCode::OK {
            return Err(unexpected(response).await);
        }
        let mut answer = response.into_body();
        while let Some(frame) = answer.frame().await {
            frame?;
        }
        Ok(())
    }
}
