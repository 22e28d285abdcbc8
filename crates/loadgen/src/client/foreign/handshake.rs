//! How a WebSocket (RFC 6455) is opened by a recipe, and what is said of one that fails. It must not know
//! who reads and writes it.

use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::{ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{
    HOST, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL,
};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::exchange::{Question, closed_without_answer, not_http};
use super::words::{not_upgraded, quoted};
use super::{Foreign, Location, Seen};
use crate::client::{ClientError, MAX_EVENT_BYTES, READ_BUFFER_BYTES};

/// Codes with which a server only leaves: another connection may last longer (RFC 6455 §7.4.1, and IANA's
/// registry for the last two).
const LEAVING: [CloseCode; 4] =
    [CloseCode::Normal, CloseCode::Away, CloseCode::Restart, CloseCode::Again];

/// What asks for one.
pub(super) fn request(foreign: &Foreign, question: &Question) -> Result<Request, ClientError> {
    let location = &question.location;
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
    Ok(request)
}

/// The limits of every client.
pub(super) fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(MAX_EVENT_BYTES))
        .max_frame_size(Some(MAX_EVENT_BYTES))
}

/// Shows the answer to an open one, and refuses what nobody has offered.
pub(super) fn check_answer(foreign: &Foreign, answer: &Response) -> Result<(), ClientError> {
    let chosen = answer.headers().get(SEC_WEBSOCKET_PROTOCOL);
    let chosen = chosen.and_then(|value| value.to_str().ok()).unwrap_or_default();
    foreign.see(Seen::Answered(answer.status().as_u16(), chosen));
    match answer.headers().get(SEC_WEBSOCKET_EXTENSIONS) {
        None => Ok(()),
        Some(extension) => Err(ClientError::Foreign(format!(
            "the server chose an extension although none was offered: {}",
            quoted(foreign, extension.as_bytes())
        ))),
    }
}

/// What it means that the server closes.
pub(super) fn closed(foreign: &Foreign, close: Option<&CloseFrame>) -> ClientError {
    let Some(close) = close.filter(|close| !LEAVING.contains(&close.code)) else {
        return ClientError::Ended;
    };
    ClientError::Foreign(format!(
        "the server closed the connection with code {}{}",
        u16::from(close.code),
        match close.reason.is_empty() {
            true => String::new(),
            false => format!(": {}", quoted(foreign, close.reason.as_bytes())),
        }
    ))
}

/// What a frame carries for us: nothing if it is the protocol's own.
pub(super) fn data(message: &Message) -> &[u8] {
    match message {
        Message::Text(text) => text.as_bytes(),
        Message::Binary(bytes) => bytes,
        // `Close` and `Frame` do not get here; the others are answered inside the library.
        _ => &[],
    }
}

/// Why a handshake failed.
pub(super) fn not_opened(foreign: &Foreign, location: &Location, error: Error) -> ClientError {
    let offered = foreign.recipe.subprotocol.as_deref().unwrap_or_default();
    let error = match error {
        Error::Http(answer) => {
            let body = answer.body().as_deref().unwrap_or_default();
            return not_upgraded(foreign, answer.status().as_u16(), answer.headers(), body);
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
pub(super) fn unreadable(error: Error) -> ClientError {
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
