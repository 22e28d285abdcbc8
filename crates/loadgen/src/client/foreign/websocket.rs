//! WebSocket (RFC 6455) by a recipe.

use std::rc::Rc;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::sleep_until;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::{ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{
    HOST, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};

use super::exchange::{closed_without_answer, not_http};
use super::messages::Messages;
use super::no_upstream::NoUpstream;
use super::talk::{Channel, Inbox, Talk};
use super::words::{in_time, quoted, refused};
use super::{Foreign, Location, Seen};
use crate::client::socket::{ConnectionMeter, Stream};
use crate::client::tls::Secured;
use crate::client::{
    ClientError, MAX_EVENT_BYTES, READ_BUFFER_BYTES, Sink, Subscriber, Subscription,
};
use crate::scenario::Split;

/// Codes with which a server only leaves: another connection may last longer (RFC 6455 §7.4.1, and IANA's
/// registry for the last two).
const LEAVING: [CloseCode; 4] =
    [CloseCode::Normal, CloseCode::Away, CloseCode::Restart, CloseCode::Again];

/// Reads and writes the messages of one connection. Pings of the protocol are answered as it demands.
pub(crate) struct ForeignWebSocket {
    line: Line,
    talk: Talk,
}

/// The connection.
struct Line {
    stream: WebSocketStream<Secured<Stream>>,
    meter: Rc<ConnectionMeter>,
    foreign: Foreign,
}

impl Line {
    /// The data of the next frame; empty for one that has none.
    async fn frame(&mut self) -> Result<Message, ClientError> {
        let message = self.stream.next().await.ok_or(ClientError::Ended)?;
        match message.map_err(unreadable)? {
            Message::Close(Some(close)) if LEAVING.contains(&close.code) => Err(ClientError::Ended),
            Message::Close(Some(close)) => Err(ClientError::Foreign(format!(
                "the server closed the connection with code {}{}",
                u16::from(close.code),
                match close.reason.is_empty() {
                    true => String::new(),
                    false => format!(": {}", quoted(&self.foreign, close.reason.as_bytes())),
                }
            ))),
            Message::Close(None) => Err(ClientError::Ended),
            message => Ok(message),
        }
    }
}

/// What a frame carries for us: nothing if it is the protocol's own.
fn data(message: &Message) -> &[u8] {
    match message {
        Message::Text(text) => text.as_bytes(),
        Message::Binary(bytes) => bytes,
        // `Close` and `Frame` do not get here; the others are answered inside the library.
        _ => &[],
    }
}

/// Why a handshake failed.
fn not_opened(foreign: &Foreign, location: &Location, error: Error) -> ClientError {
    let offered = foreign.recipe.subprotocol.as_deref().unwrap_or_default();
    let error = match error {
        Error::Http(answer) => {
            let body = answer.body().as_deref().unwrap_or_default();
            return refused(foreign, answer.status().as_u16(), answer.headers(), body);
        }
        Error::Protocol(error) => error,
        other => return other.into(),
    };
    ClientError::Foreign(match error {
        ProtocolError::HandshakeIncomplete => return closed_without_answer(location),
        ProtocolError::HttparseError(why) => return not_http(location, &why),
        ProtocolError::SecWebSocketSubProtocolError(error) => match error {
            SubProtocolError::InvalidSubProtocol => {
                format!("the server chose another subprotocol than {offered:?}")
            }
            SubProtocolError::NoSubProtocol => {
                format!("the server did not choose the subprotocol {offered:?}: does it know it?")
            }
            SubProtocolError::ServerSentSubProtocolNoneRequested => {
                "the server chose a subprotocol although none was offered: name it as `subprotocol`"
                    .to_owned()
            }
        },
        error => format!("the server does not open a WebSocket: {error}"),
    })
}

/// Why nothing more can be read. What breaks the protocol would do so over another connection, too.
fn unreadable(error: Error) -> ClientError {
    ClientError::Foreign(match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return ClientError::Ended,
        Error::Protocol(ProtocolError::NonZeroReservedBits) => {
            "the server sends frames with reserved bits: does it compress although nobody has asked it to?"
                .to_owned()
        }
        Error::Protocol(error) => format!("the server breaks the WebSocket protocol: {error}"),
        Error::Capacity(_) => {
            format!("the server sent a message of more than {MAX_EVENT_BYTES} bytes")
        }
        Error::Utf8(error) => format!("the server sent text that is not UTF-8: {error}"),
        other => return other.into(),
    })
}

impl Channel for Line {
    async fn read(&mut self, inbox: &mut Inbox) -> Result<(), ClientError> {
        let message = self.frame().await?;
        let data = data(&message);
        let at_ns = self.meter.last_read_ns();
        if data.is_empty() {
            return Ok(());
        }
        Messages::new(self.foreign.recipe.split)
            .of_whole(data, |message| inbox.push_back((at_ns, message.to_vec())))
    }

    async fn send(&mut self, text: String) -> Result<(), ClientError> {
        Ok(self.stream.send(Message::text(text)).await?)
    }
}

impl Subscriber for ForeignWebSocket {
    type Upstream = NoUpstream;

    async fn connect(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError> {
        let foreign = subscription.recipe()?;
        let mut talk = Talk::new(foreign, meter, after);
        talk.before().await?;
        let question = talk.question()?;
        let location = &question.location;
        let socket = location.connect(foreign.tls.as_ref(), meter).await?;
        let mut request = format!("ws://host{}", location.path).into_client_request()?;
        let headers = request.headers_mut();
        headers.insert(HOST, location.host_header());
        if let Some(subprotocol) = &foreign.recipe.subprotocol {
            let value = HeaderValue::try_from(subprotocol).map_err(hyper::http::Error::from)?;
            headers.insert(SEC_WEBSOCKET_PROTOCOL, value);
        }
        for (name, value) in &question.headers {
            headers.insert(name, value.clone());
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .max_message_size(Some(MAX_EVENT_BYTES))
            .max_frame_size(Some(MAX_EVENT_BYTES));
        meter.tally().requests.add(1);
        let opening = tokio_tungstenite::client_async_with_config(request, socket, Some(config));
        let (stream, answer) =
            in_time(async { opening.await.map_err(|error| not_opened(foreign, location, error)) })
                .await?;
        let chosen = answer.headers().get(SEC_WEBSOCKET_PROTOCOL);
        let chosen = chosen.and_then(|value| value.to_str().ok()).unwrap_or_default();
        foreign.see(Seen::Answered(answer.status().as_u16(), chosen));
        if let Some(extension) = answer.headers().get(SEC_WEBSOCKET_EXTENSIONS) {
            return Err(ClientError::Foreign(format!(
                "the server chose an extension although none was offered: {}",
                quoted(foreign, extension.as_bytes())
            )));
        }
        let mut line = Line { stream, meter: Rc::clone(meter), foreign: foreign.clone() };
        talk.open(&mut line).await?;
        Ok(Self { line, talk })
    }

    async fn receive(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        let received = self.receive_one(sink).await;
        if received.is_err() {
            self.talk.remember("");
        }
        received
    }
}

impl ForeignWebSocket {
    async fn receive_one(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        while let Some((at_ns, message)) = self.talk.early() {
            self.enter(at_ns, &message, sink).await?;
        }
        let message = match self.talk.next_ping() {
            None => self.line.frame().await?,
            // Reading is cancel-safe: what has come of a frame stays in the stream.
            Some(ping) => tokio::select! {
                message = self.line.frame() => message?,
                () = sleep_until(ping) => return self.talk.ping(&mut self.line).await,
            },
        };
        let at_ns = self.line.meter.last_read_ns();
        let data = data(&message);
        if data.is_empty() {
            return Ok(());
        }
        let split = self.talk.foreign.recipe.split;
        if split == Split::None {
            return self.enter(at_ns, data, sink).await;
        }
        let mut asked = Vec::new();
        let talk = &mut self.talk;
        Messages::new(split).of_whole(data, |message| {
            asked.extend(talk.take(at_ns, message, sink).asks);
        })?;
        for reply in asked {
            self.talk.reply(&mut self.line, reply).await?;
        }
        Ok(())
    }

    async fn enter(
        &mut self,
        at_ns: u64,
        message: &[u8],
        sink: &mut impl Sink,
    ) -> Result<(), ClientError> {
        match self.talk.take(at_ns, message, sink).asks {
            Some(reply) => self.talk.reply(&mut self.line, reply).await,
            None => Ok(()),
        }
    }
}
