//! What polling and long polling share: one request, its answer, and the position behind it.

use std::rc::Rc;

use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};

use super::http::{HttpConnection, HttpRequest, unexpected};
use super::socket::ConnectionMeter;
use super::{ClientError, MAX_EVENT_BYTES, Sink, Subscription};
use crate::scenario::Connection;

/// The largest poll body that is read: a poll may bring many events.
const MAX_BODY_BYTES: usize = 64 * MAX_EVENT_BYTES;

/// What the answer shall be.
const ACCEPTED: &str = "application/json";

/// A client that asks for what is new.
pub(super) struct Pull {
    subscription: Subscription,
    meter: Rc<ConnectionMeter>,
    request: HttpRequest,
    /// The connection that the next request may use.
    kept: Option<HttpConnection>,
    last_event_id: u64,
    /// Gathers a body that comes in pieces.
    body: Vec<u8>,
}

impl Pull {
    pub(super) async fn connect(
        subscription: &Subscription,
        path: &str,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError> {
        let kept = match subscription.settings.connection() {
            Connection::KeepAlive => Some(HttpConnection::open(subscription, meter).await?),
            Connection::New => None,
        };
        Ok(Self {
            subscription: subscription.clone(),
            meter: Rc::clone(meter),
            request: HttpRequest::new(subscription, path, ACCEPTED)?,
            kept,
            last_event_id: after,
            body: Vec::new(),
        })
    }

    /// Asks for another path with the next request.
    pub(super) fn ask_from_now_on(&mut self, path: &str) -> Result<(), ClientError> {
        self.request = HttpRequest::new(&self.subscription, path, ACCEPTED)?;
        Ok(())
    }

    /// Sends one request and hands the events of its answer to `sink`.
    pub(super) async fn ask(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        let mut connection = match self.kept.take() {
            Some(kept) => kept,
            None => HttpConnection::open(&self.subscription, &self.meter).await?,
        };
        let response = connection.get(&self.request, self.last_event_id).await?;
        match response.status() {
            StatusCode::OK => self.read(response.into_body(), sink).await?,
            StatusCode::NO_CONTENT => {}
            _ => return Err(unexpected(response).await),
        }
        if self.subscription.settings.connection() == Connection::KeepAlive {
            self.kept = Some(connection);
        }
        Ok(())
    }

    async fn read(&mut self, mut body: Incoming, sink: &mut impl Sink) -> Result<(), ClientError> {
        self.body.clear();
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame?.into_data() else { continue };
            if self.body.is_empty() && body.is_end_stream() {
                self.last_event_id = deliver_poll(&piece, self.meter.last_read_ns(), sink)?;
                return Ok(());
            }
            if self.body.len() + piece.len() > MAX_BODY_BYTES {
                return Err(ClientError::TooLarge { limit: MAX_BODY_BYTES });
            }
            self.body.extend_from_slice(&piece);
        }
        self.last_event_id = deliver_poll(&self.body, self.meter.last_read_ns(), sink)?;
        Ok(())
    }
}

/// Decodes a poll body into `sink`.
fn deliver_poll(body: &[u8], at_ns: u64, sink: &mut impl Sink) -> Result<u64, ClientError> {
    Ok(pushbench_wire::poll::decode_body(body, |event| sink.on_event(at_ns, event))?)
}
