//! WebSocket, subprotocol `pushbench.v1` (RFC 6455, [`pushbench_wire::message`]).

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use pushbench_wire::Transport;
use pushbench_wire::endpoint::{AFTER, Resource, SUBPROTOCOL};
use pushbench_wire::message;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};

use super::socket::ConnectionMeter;
use super::tls::Line;
use super::upstream::{InBand, SendInBand};
use super::{ClientError, MAX_EVENT_BYTES, READ_BUFFER_BYTES, Sink, Subscriber, Subscription};

/// Reads and writes the messages of one connection. Pings are answered as the protocol demands.
pub(crate) struct WebSocket {
    stream: WebSocketStream<Line>,
    meter: Rc<ConnectionMeter>,
}

impl Subscriber for WebSocket {
    type Upstream = InBand;

    async fn connect(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError> {
        let socket = subscription.connect(meter).await?;
        let path = subscription.path(Resource::Subscribe(Transport::WebSocket));
        let mut request =
            format!("ws://{}{path}?{AFTER}={after}", subscription.address).into_client_request()?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .max_message_size(Some(MAX_EVENT_BYTES))
            .max_frame_size(Some(MAX_EVENT_BYTES));
        meter.tally().requests.add(1);
        let (stream, _) =
            tokio_tungstenite::client_async_with_config(request, socket, Some(config))
                .await
                .map_err(not_opened)?;
        Ok(Self { stream, meter: Rc::clone(meter) })
    }

    /// Cancel-safe: what has been read of a message stays in `stream`.
    async fn receive(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        poll_fn(|cx| self.poll_receive(cx, sink)).await
    }
}

/// An answer that opens no WebSocket is no broken connection: another one would get it as well.
fn not_opened(error: Error) -> ClientError {
    match error {
        Error::Http(answer) => ClientError::Status {
            status: answer.status(),
            body: answer
                .body()
                .as_deref()
                .map(|body| String::from_utf8_lossy(body).into_owned())
                .unwrap_or_default(),
        },
        other => other.into(),
    }
}

impl SendInBand for WebSocket {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut impl Sink,
    ) -> Poll<Result<(), ClientError>> {
        let message = ready!(self.stream.poll_next_unpin(cx)).ok_or(ClientError::Ended)??;
        let at_ns = self.meter.last_read_ns();
        match &message {
            Message::Text(text) => sink.on_event(at_ns, message::decode(text.as_bytes(), false)?),
            Message::Binary(bytes) => sink.on_event(at_ns, message::decode(bytes, true)?),
            Message::Close(_) => return Poll::Ready(Err(ClientError::Ended)),
            // `Frame` is never read; the others are answered inside the library.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(&mut self, payload: &[u8], binary: bool) -> Result<(), ClientError> {
        // A message owns what it holds.
        let payload = Bytes::copy_from_slice(payload);
        let message =
            if binary { Message::Binary(payload) } else { Message::Text(payload.try_into()?) };
        Ok(self.stream.start_send_unpin(message)?)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        Poll::Ready(Ok(ready!(self.stream.poll_flush_unpin(cx))?))
    }
}
