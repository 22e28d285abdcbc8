//! WebSocket (RFC 6455): the opening handshake, and what a client sends. The frames that it receives
//! are shared by all subscribers and written by the stream loop.

use std::io::{self, Read, Write};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION};
use hyper::http::request::Parts;
use pushbench_wire::Transport;
use pushbench_wire::endpoint::SUBPROTOCOL;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{
    CloseFrame, Role, WebSocketConfig, WebSocketContext,
};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::stream_protocol::{
    MAX_MESSAGES_PER_TURN, READ_BUFFER_BYTES, Received, StreamProtocol, StreamState,
};
use super::write_queue::WriteQueue;
use super::{OpenedStream, StreamTransport, Subscriber};
use crate::Server;
use crate::framing::Framing;
use crate::http::reply::Rejection;
use crate::http::request::{asks_to_upgrade, list, position};
use crate::hub::Channel;

/// The protocol that the client upgrades to (RFC 6455 §4.1).
const PROTOCOL: &str = "websocket";

/// Control frames have at most 125 bytes and are queued at once, so more is never buffered.
const WRITE_BUFFER_BYTES: usize = 1 << 10;

/// Control frames that may be queued for one client. Only a client that sends pings and does not
/// read the pongs can have so many.
const MAX_QUEUED_FRAMES: usize = 1_024;

/// Checks the client's handshake (RFC 6455 §4.2.1) and builds the server's (§4.2.2).
pub(super) fn open(channel: Arc<Channel>, request: &Parts) -> Result<OpenedStream, Rejection> {
    if !asks_to_upgrade(request, PROTOCOL) {
        return Err(Rejection::upgrade_required(
            PROTOCOL,
            "this path serves WebSocket; send an HTTP/1.1 request with Upgrade: websocket and \
             Connection: Upgrade",
        ));
    }
    if request.headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Rejection::upgrade_required(
            PROTOCOL,
            "this server speaks WebSocket version 13; send Sec-WebSocket-Version: 13",
        )
        .with_header(SEC_WEBSOCKET_VERSION, "13"));
    }
    let key = request
        .headers
        .get(SEC_WEBSOCKET_KEY)
        .filter(|key| BASE64.decode(key.as_bytes()).is_ok_and(|nonce| nonce.len() == 16))
        .ok_or_else(|| {
            Rejection::bad_request("Sec-WebSocket-Key must be 16 random bytes in base64")
        })?;
    // A client that offers no subprotocol is served too, and expects none in the response.
    let mut protocol = "";
    if request.headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        // Unlike the tokens above, its case matters (RFC 6455 §4.1).
        if !list(request, SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == SUBPROTOCOL) {
            return Err(Rejection::bad_request(format!(
                "the only subprotocol is {SUBPROTOCOL}; offer it in Sec-WebSocket-Protocol or \
                 offer none"
            )));
        }
        protocol = "Sec-WebSocket-Protocol: pushbench.v1\r\n";
    }
    let subscriber = Subscriber::at_or_latest(channel, position(request)?);
    let accept = derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 {}\r\nUpgrade: {PROTOCOL}\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: \
         {accept}\r\n{protocol}\r\n",
        StatusCode::SWITCHING_PROTOCOLS,
    );
    Ok(OpenedStream { transport: StreamTransport::WebSocket, head: head.into(), subscriber })
}

/// A client of an open WebSocket. Each message that it sends is published.
pub(super) struct WebSocket {
    context: WebSocketContext,
    /// Whether a ping was sent and the client has sent nothing since.
    awaits_pong: bool,
}

impl WebSocket {
    /// `read_ahead` is what arrived after the handshake.
    pub(super) fn new(read_ahead: &[u8], server: &Server) -> Self {
        let limit = Some(server.config.max_event_bytes);
        let config = WebSocketConfig::default()
            // Every connection has one, and the library's default is 128 KiB.
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_BUFFER_BYTES)
            .max_message_size(limit)
            .max_frame_size(limit);
        let context =
            WebSocketContext::from_partially_read(read_ahead.to_vec(), Role::Server, Some(config));
        Self { context, awaits_pong: false }
    }

    fn close(&mut self, stream: &mut StreamState<'_>, code: CloseCode, reason: &'static str) {
        let frame = CloseFrame { code, reason: reason.into() };
        // It fails only if the client has closed already, and then there is nothing left to say.
        let _ = self.context.close(&mut Socket(stream), Some(frame));
    }
}

impl StreamProtocol for WebSocket {
    const TRANSPORT: Transport = Transport::WebSocket;
    const FRAMING: Framing = Framing::WebSocket;

    fn receive(&mut self, stream: &mut StreamState<'_>) -> io::Result<Received> {
        for _ in 0..MAX_MESSAGES_PER_TURN {
            let message = self.context.read(&mut Socket(stream));
            let (payload, binary) = match &message {
                Ok(Message::Text(text)) => (text.as_bytes(), false),
                Ok(Message::Binary(bytes)) => (&bytes[..], true),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {
                    self.awaits_pong = false;
                    continue;
                }
                Err(error) => {
                    let (code, reason) = match error {
                        Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            return Ok(Received::Drained);
                        }
                        Error::ConnectionClosed | Error::AlreadyClosed => {
                            return Ok(Received::Closing);
                        }
                        Error::Capacity(_) => (CloseCode::Size, "the message is too large"),
                        Error::Utf8(_) => (CloseCode::Invalid, "the text is not UTF-8"),
                        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                        Error::Protocol(_) => (CloseCode::Protocol, "the frame violates RFC 6455"),
                        _ => return Err(io::ErrorKind::BrokenPipe.into()),
                    };
                    self.close(stream, code, reason);
                    return Ok(Received::Invalid);
                }
            };
            self.awaits_pong = false;
            stream.publish(payload, binary);
        }
        Ok(Received::More)
    }

    fn heartbeat(&mut self, queue: &mut WriteQueue) -> io::Result<()> {
        /// FIN and the opcode of a ping, no payload (RFC 6455 §5.5.2).
        const PING: &[u8] = &[0x89, 0];
        if self.awaits_pong {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.awaits_pong = true;
        queue.push(Bytes::from_static(PING));
        Ok(())
    }

    fn go_away(&mut self, stream: &mut StreamState<'_>) {
        self.close(stream, CloseCode::Away, "the server is shutting down");
    }
}

/// What the library reads from and writes to: the socket, and the queue, which keeps its control
/// frames from being written inside an event's frame.
struct Socket<'a, 'b>(&'a mut StreamState<'b>);

impl Read for Socket<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Socket<'_, '_> {
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        if self.0.queue.len() >= MAX_QUEUED_FRAMES {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.0.queue.push(Bytes::copy_from_slice(frame));
        Ok(frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
