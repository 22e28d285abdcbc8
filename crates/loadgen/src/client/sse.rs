//! Server-Sent Events: one response that does not end.

use std::rc::Rc;

use http_body_util::BodyExt as _;
use hyper::StatusCode;
use pushbench_wire::Transport;
use pushbench_wire::endpoint::Resource;
use pushbench_wire::sse::Decoder;

use super::answer_body::AnswerBody;
use super::http::{HttpConnection, HttpRequest, unexpected};
use super::post::Poster;
use super::socket::ConnectionMeter;
use super::{ClientError, MAX_EVENT_BYTES, Sink, Subscriber, Subscription};

/// Reads an event stream.
pub(crate) struct Sse {
    body: AnswerBody,
    decoder: Decoder,
    meter: Rc<ConnectionMeter>,
    /// Dropping it would end the connection.
    _connection: HttpConnection,
}

impl Subscriber for Sse {
    type Upstream = Poster;

    async fn connect(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError> {
        let mut connection = HttpConnection::for_events(subscription, meter).await?;
        let path = subscription.path(Resource::Subscribe(Transport::Sse));
        let request = HttpRequest::new(subscription, &path, "text/event-stream")?;
        let response = connection.get(&request, after).await?;
        if response.status() != StatusCode::OK {
            return Err(unexpected(response).await);
        }
        Ok(Self {
            body: response.into_body(),
            decoder: Decoder::new(MAX_EVENT_BYTES),
            meter: Rc::clone(meter),
            _connection: connection,
        })
    }

    async fn receive(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        let frame = self.body.frame().await.ok_or(ClientError::Ended)??;
        if let Ok(piece) = frame.into_data() {
            let at_ns = self.meter.last_read_ns();
            self.decoder.feed(&piece, |event| sink.on_event(at_ns, event))?;
        }
        Ok(())
    }
}
