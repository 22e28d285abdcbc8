//! WebSocket (RFC 6455): the opening handshake, and the answers to what a client sends. The frames that
//! it receives are shared by all subscribers and written by the stream loop.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hyper::header::{
    HeaderValue, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};
use pushbench_wire::Transport;
use pushbench_wire::endpoint::SUBPROTOCOL;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::client_frames::{CLOSE, ClientFrames, Item, PING, PONG, Violation};
use super::stream_protocol::{
    MAX_MESSAGES_PER_TURN, NotPublished, OutOfMemory, READ_BUFFER_BYTES, Received, StreamProtocol,
    StreamState,
};
use super::write_queue::{MAX_FRAMES_PER_WRITE, WriteQueue};
use super::{
    Channels, OpenedStream, StreamTransport, Subscriber, is_websocket_connect, permessage_deflate,
};
use crate::Server;
use crate::compression::Compression;
use crate::framing::Framing;
use crate::http::reply::Rejection;
use crate::http::request::{asks_to_upgrade, list, position};

/// The protocol that the client upgrades to (RFC 6455 §4.1).
pub(super) const PROTOCOL: &str = "websocket";

/// Frames that may be queued for one client: those of a batch of events, and pongs. Only a client that
/// sends pings and does not read the pongs can have so many.
const MAX_QUEUED_FRAMES: usize = 2 * MAX_FRAMES_PER_WRITE;

/// Checks the client's handshake (RFC 6455 §4.2.1) and builds the server's (§4.2.2).
pub(super) fn open(
    server: &Server,
    channels: Channels,
    request: &Parts,
) -> Result<OpenedStream, Rejection> {
    // RFC 8441 §5: what HTTP/2 does otherwise is to ask by CONNECT, and to need no key.
    let by_http2 = is_websocket_connect(&request.method, &request.extensions);
    if !by_http2 && !asks_to_upgrade(request, PROTOCOL) {
        return Err(Rejection::upgrade_required(
            PROTOCOL,
            "this path serves WebSocket; send an HTTP/1.1 request with Upgrade: websocket and \
             Connection: Upgrade",
        ));
    }
    for name in [SEC_WEBSOCKET_VERSION, SEC_WEBSOCKET_KEY] {
        if request.headers.get_all(&name).iter().count() > 1 {
            return Err(Rejection::bad_request(format!(
                "{name} is there more than once; send one"
            )));
        }
    }
    if request.headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Rejection::upgrade_required(
            PROTOCOL,
            "this server speaks WebSocket version 13; send Sec-WebSocket-Version: 13",
        )
        .with_header(SEC_WEBSOCKET_VERSION, "13"));
    }
    // A client that offers no subprotocol is served too, and expects none in the response.
    let mut headers = HeaderMap::new();
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
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    // Who offers nothing that can be met is served as it is (RFC 7692 §5.1).
    let extension =
        server.config.compression.then(|| permessage_deflate::agreed(request)).flatten();
    let mut extensions = String::new();
    let mut compression = Compression::None;
    if let Some(agreed) = extension {
        extensions = format!("Sec-WebSocket-Extensions: {agreed}\r\n");
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(agreed));
        compression = Compression::Messages;
    }
    let (transport, is_chunked) = (StreamTransport::WebSocket, false);
    if by_http2 {
        let subscriber = Subscriber::at_or_latest(channels, position(request)?);
        let head = Bytes::new();
        return Ok(OpenedStream { transport, head, headers, is_chunked, compression, subscriber });
    }
    let key = request
        .headers
        .get(SEC_WEBSOCKET_KEY)
        .filter(|key| BASE64.decode(key.as_bytes()).is_ok_and(|nonce| nonce.len() == 16))
        .ok_or_else(|| {
            Rejection::bad_request("Sec-WebSocket-Key must be 16 random bytes in base64")
        })?;
    let subscriber = Subscriber::at_or_latest(channels, position(request)?);
    let accept = derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 {}\r\nUpgrade: {PROTOCOL}\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: \
         {accept}\r\n{protocol}{extensions}\r\n",
        StatusCode::SWITCHING_PROTOCOLS,
    );
    let head = head.into();
    Ok(OpenedStream { transport, head, headers, is_chunked, compression, subscriber })
}

/// A client of an open WebSocket. Each message that it sends is published.
pub(super) struct WebSocket {
    frames: ClientFrames,
    /// Whether a ping was sent and nothing has arrived since.
    awaits_pong: bool,
}

impl WebSocket {
    /// `read_ahead` is what arrived after the handshake. Messages may be compressed if it `inflates` them.
    pub(super) fn new(read_ahead: &[u8], inflates: bool, server: &Server) -> Self {
        let frames = ClientFrames::new(read_ahead, inflates, server.config.max_event_bytes);
        Self { frames, awaits_pong: false }
    }

    /// Reads once. Returns whether anything had arrived. Whatever it is, the client is there.
    fn read(&mut self, stream: &mut StreamState<'_>) -> io::Result<bool> {
        let mut buffer = [0; READ_BUFFER_BYTES];
        match stream.try_read(&mut buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => {
                self.awaits_pong = false;
                self.frames.push(&buffer[..len]);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn receive_messages(&mut self, stream: &mut StreamState<'_>) -> io::Result<Received> {
        for _ in 0..MAX_MESSAGES_PER_TURN {
            let item = loop {
                match self.frames.next() {
                    Ok(None) => {}
                    Ok(Some(item)) => break item,
                    Err(violation) => {
                        let (code, reason) = describe(violation);
                        return Ok(reject(stream, code, reason));
                    }
                }
                if !self.read(stream)? {
                    return Ok(Received::Drained);
                }
            };
            match item {
                Item::Message { payload, binary } => match stream.publish(payload, binary) {
                    Ok(()) => {}
                    Err(NotPublished::OutOfMemory) => {
                        return Ok(reject(stream, TRY_AGAIN_LATER, OUT_OF_MEMORY));
                    }
                    Err(NotPublished::NoBroker) => {
                        return Ok(reject(stream, TRY_AGAIN_LATER, NO_BROKER));
                    }
                    Err(NotPublished::ToWhich) => {
                        return Ok(reject(stream, POLICY_VIOLATION, SEVERAL_CHANNELS));
                    }
                },
                Item::Ping(payload) => queue_pong(&mut stream.queue, payload),
                Item::Fragment | Item::Pong => {}
                Item::Close(code) => {
                    // Answered with the same code (RFC 6455 §5.5.1).
                    let code = code.map(u16::to_be_bytes);
                    stream.queue.push(control_frame(CLOSE, code.as_ref().map_or(&[], |code| code)));
                    return Ok(Received::Closing);
                }
            }
        }
        Ok(Received::More)
    }
}

impl StreamProtocol for WebSocket {
    const TRANSPORT: Transport = Transport::WebSocket;
    const FRAMING: Framing = Framing::WebSocket;

    fn receive(&mut self, stream: &mut StreamState<'_>) -> io::Result<Received> {
        let received = self.receive_messages(stream)?;
        if matches!(received, Received::Closing | Received::Invalid) {
            // Nothing that it holds is needed any more, and there is only one close.
            self.frames = ClientFrames::new(&[], false, 0);
            return Ok(received);
        }
        match stream.hold(self.frames.shrink()) {
            Ok(()) => Ok(received),
            Err(OutOfMemory) => Ok(reject(stream, TRY_AGAIN_LATER, OUT_OF_MEMORY)),
        }
    }

    fn heartbeat(&mut self, stream: &mut StreamState<'_>) -> io::Result<()> {
        if self.awaits_pong {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.awaits_pong = true;
        stream.queue.push(control_frame(PING, &[]));
        Ok(())
    }

    fn go_away(&mut self, stream: &mut StreamState<'_>) {
        close(stream, GOING_AWAY, "the server is shutting down");
    }
}

/// The close code and the reason for `violation` (RFC 6455 §7.4.1).
fn describe(violation: Violation) -> (u16, &'static str) {
    match violation {
        Violation::Protocol => (1002, "the frame violates RFC 6455"),
        Violation::NotUtf8 => (1007, "the text is not UTF-8"),
        Violation::NotDeflated => (1007, "the message cannot be inflated"),
        Violation::TooLarge => (1009, "the message is too large"),
    }
}

const GOING_AWAY: u16 = 1001;
const POLICY_VIOLATION: u16 = 1008;
const TRY_AGAIN_LATER: u16 = 1013;
const OUT_OF_MEMORY: &str = "the server has no memory left";
const NO_BROKER: &str = "the broker of this server cannot be reached";
const SEVERAL_CHANNELS: &str = "publish with POST, as this socket has several channels";

fn reject(stream: &mut StreamState<'_>, code: u16, reason: &str) -> Received {
    close(stream, code, reason);
    Received::Invalid
}

fn close(stream: &mut StreamState<'_>, code: u16, reason: &str) {
    let payload = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
    stream.queue.push(control_frame(CLOSE, &payload));
}

/// Queues the answer to a ping. A client that does not read gets an answer to the last of its pings
/// only (§5.5.3).
fn queue_pong(queue: &mut WriteQueue, payload: &[u8]) {
    let pong = control_frame(PONG, payload);
    if queue.len() < MAX_QUEUED_FRAMES { queue.push(pong) } else { queue.replace_last(pong) }
}

/// An unmasked control frame with at most 125 bytes (§5.5).
fn control_frame(opcode: u8, payload: &[u8]) -> Bytes {
    const FIN: u8 = 0x80;
    let len = u8::try_from(payload.len()).unwrap_or_default();
    [&[FIN | opcode, len], payload].concat().into()
}
