//! WebSocket, subprotocol `pushbench.v1` (RFC 6455, [`pushbench_wire::message`]).

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Empty;
use hyper::client::conn::http2::SendRequest;
use hyper::ext::Protocol;
use hyper::header::{
    HeaderValue, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use pushbench_wire::Transport;
use pushbench_wire::deflate::{deflate, inflate};
use pushbench_wire::endpoint::{AFTER, Resource, SUBPROTOCOL};
use pushbench_wire::message;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::compressed_frames::{Mark, Unmarked};
use super::http::unexpected;
use super::meter::ConnectionMeter;
use super::tls::Line;
use super::upstream::{InBand, SendInBand};
use super::{
    ClientError, Http, MAX_EVENT_BYTES, READ_BUFFER_BYTES, Sink, Subscriber, Subscription, http2,
};

/// Reads and writes the messages of one connection. Pings are answered as the protocol demands.
pub(crate) struct WebSocket {
    stream: WebSocketStream<Unmarked<Line>>,
    /// Whether messages may be compressed.
    is_compressed: bool,
    /// What a compressed one was.
    inflated: Vec<u8>,
    meter: Rc<ConnectionMeter>,
}

impl Subscriber for WebSocket {
    type Upstream = InBand;

    async fn connect(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError> {
        let path = subscription.path(Resource::Subscribe(Transport::WebSocket));
        let path = format!("{path}?{AFTER}={after}");
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .max_message_size(Some(MAX_EVENT_BYTES))
            .max_frame_size(Some(MAX_EVENT_BYTES));
        meter.tally().requests.add(1);
        let is_compressed = subscription.compression;
        let stream = match &subscription.http {
            // WebSockets are no streams of HTTP/3 here.
            Http::Http1 | Http::Http3(_) | Http::WebTransport => {
                let socket = subscription.connect(meter).await?;
                let url = format!("ws://{}{path}", subscription.address);
                let mut request = url.into_client_request()?;
                let protocol = HeaderValue::from_static(SUBPROTOCOL);
                request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
                let socket = match is_compressed {
                    true => Unmarked::behind_an_answer(socket),
                    false => Unmarked::plain(socket),
                };
                if is_compressed {
                    let offer = HeaderValue::from_static(OFFER);
                    request.headers_mut().insert(SEC_WEBSOCKET_EXTENSIONS, offer);
                }
                let opened = client_async_with_config(request, socket, Some(config)).await;
                let (stream, answer) = opened.map_err(not_opened)?;
                if is_compressed {
                    ensure_agreed(answer.headers())?;
                }
                stream
            }
            Http::Http2(shared) => {
                let open = async || opened(subscription.connect(meter).await?).await;
                let sender = shared.sender(open).await?;
                let stream = stream_of_http2(subscription, sender, &path).await?;
                let stream = match is_compressed {
                    true => Unmarked::of_frames(stream),
                    false => Unmarked::plain(stream),
                };
                WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await
            }
        };
        let (meter, inflated) = (Rc::clone(meter), Vec::new());
        Ok(Self { stream, is_compressed, inflated, meter })
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

impl WebSocket {
    /// What the frames of a message said, which was just given.
    fn mark_of(&mut self, message: &Message) -> Option<Mark> {
        let is_data = matches!(message, Message::Text(_) | Message::Binary(_));
        if is_data { self.stream.get_mut().next_mark() } else { None }
    }
}

/// What is offered: any window, and messages by themselves (RFC 7692 §7.1).
const OFFER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits";

/// Sees that the server compresses messages, each by itself.
fn ensure_agreed(answer: &HeaderMap) -> Result<(), ClientError> {
    let agreed = answer.get(SEC_WEBSOCKET_EXTENSIONS).and_then(|value| value.to_str().ok());
    let agreed = agreed.unwrap_or_default();
    let has = |wanted: &str| agreed.split(';').any(|part| part.trim() == wanted);
    let wanted = ["permessage-deflate", "server_no_context_takeover", "client_no_context_takeover"];
    // A window of less would forbid what is sent.
    if wanted.into_iter().all(has) && !agreed.contains("client_max_window_bits") {
        return Ok(());
    }
    let why = match agreed {
        "" => "its WebSocket has no extension".to_owned(),
        other => format!("its WebSocket has the extension {other:?}, not {:?}", wanted.join("; ")),
    };
    Err(ClientError::NotCompressed(why))
}

impl SendInBand for WebSocket {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut impl Sink,
    ) -> Poll<Result<(), ClientError>> {
        let message = ready!(self.stream.poll_next_unpin(cx)).ok_or(ClientError::Ended)??;
        let at_ns = self.meter.last_read_ns();
        let mark = self.mark_of(&message);
        if let (Message::Binary(bytes), Some(Mark { is_deflated: true, is_text })) =
            (&message, mark)
        {
            inflate(bytes, MAX_EVENT_BYTES, &mut self.inflated)?;
            if is_text {
                // As the library does with what is not compressed.
                std::str::from_utf8(&self.inflated)?;
            }
            sink.on_event(at_ns, message::decode(&self.inflated, !is_text)?);
            return Poll::Ready(Ok(()));
        }
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
        if self.is_compressed {
            let mut deflated = Vec::new();
            deflate(payload, &mut deflated);
            if deflated.len() < payload.len() {
                if !binary {
                    std::str::from_utf8(payload)?;
                }
                let kind = if binary { Data::Binary } else { Data::Text };
                let mut frame = Frame::message(deflated, OpCode::Data(kind), true);
                frame.header_mut().rsv1 = true;
                return Ok(self.stream.start_send_unpin(Message::Frame(frame))?);
            }
        }
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

/// How long a server may take to say what it can do.
const SETTINGS_WITHIN: Duration = Duration::from_secs(5);

/// A connection of HTTP/2 that takes WebSockets.
async fn opened(line: Line) -> Result<SendRequest<Empty<Bytes>>, ClientError> {
    let begun = http2::handshake(line).await?;
    // A client must not ask before (RFC 8441 §4).
    if timeout(SETTINGS_WITHIN, begun.takes_websockets()).await.is_err() {
        return Err(ClientError::Foreign(
            "the server takes no WebSocket by HTTP/2: it does not say SETTINGS_ENABLE_CONNECT_PROTOCOL"
                .to_owned(),
        ));
    }
    Ok(begun.sender)
}

/// A stream of HTTP/2 for a WebSocket at `path` (RFC 8441 §5).
async fn stream_of_http2(
    subscription: &Subscription,
    mut sender: SendRequest<Empty<Bytes>>,
    path: &str,
) -> Result<Line, ClientError> {
    let (uri, _) = subscription.target(path)?;
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(uri)
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
    let mut request = request.body(Empty::new())?;
    if subscription.compression {
        let offer = HeaderValue::from_static(OFFER);
        request.headers_mut().insert(SEC_WEBSOCKET_EXTENSIONS, offer);
    }
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(unexpected(response).await);
    }
    if subscription.compression {
        ensure_agreed(response.headers())?;
    }
    Ok(Line::Stream(TokioIo::new(hyper::upgrade::on(response).await?)))
}
