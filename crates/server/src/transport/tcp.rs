//! Raw TCP, the reference: length-prefixed frames ([`pushbench_wire::frame`]) in both directions, on
//! the socket that is left after an HTTP upgrade (RFC 9110 §7.8).

use std::io;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::http::request::Parts;
use pushbench_wire::Transport;
use pushbench_wire::frame::{self, FirstFrame, HEARTBEAT, UPGRADE_TOKEN};

use super::stream_protocol::{
    MAX_MESSAGES_PER_TURN, OutOfMemory, READ_BUFFER_BYTES, Received, StreamProtocol, StreamState,
};
use super::{Channels, OpenedStream, StreamTransport, Subscriber};
use crate::Server;
use crate::compression::Compression;
use crate::framing::Framing;
use crate::http::reply::Rejection;
use crate::http::request::{asks_to_upgrade, position};

/// Checks the client's request to upgrade (RFC 9110 §7.8) and builds the server's response.
pub(super) fn open(channels: Channels, request: &Parts) -> Result<OpenedStream, Rejection> {
    if !asks_to_upgrade(request, UPGRADE_TOKEN) {
        return Err(Rejection::upgrade_required(
            UPGRADE_TOKEN,
            format!(
                "this path serves raw TCP; send an HTTP/1.1 request with Upgrade: {UPGRADE_TOKEN} \
                 and Connection: Upgrade"
            ),
        ));
    }
    let subscriber = Subscriber::at_or_latest(channels, position(request)?);
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: {UPGRADE_TOKEN}\r\nConnection: Upgrade\r\n\r\n"
    );
    let (transport, headers) = (StreamTransport::Tcp, HeaderMap::new());
    let (is_chunked, compression) = (false, Compression::None);
    Ok(OpenedStream { transport, head: head.into(), headers, is_chunked, compression, subscriber })
}

/// A client of raw TCP. Each frame that it sends is published.
pub(super) struct Tcp {
    /// What has arrived and is not published yet, which is little more than one frame.
    unread: Vec<u8>,
    max_event_bytes: usize,
}

impl Tcp {
    /// `read_ahead` is what arrived after the request.
    pub(super) fn new(read_ahead: &[u8], server: &Server) -> Self {
        Self { unread: read_ahead.to_vec(), max_event_bytes: server.config.max_event_bytes }
    }

    /// Reads once. Returns whether anything had arrived.
    fn read(&mut self, stream: &mut StreamState<'_>) -> io::Result<bool> {
        let mut buffer = [0; READ_BUFFER_BYTES];
        match stream.try_read(&mut buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => {
                self.unread.extend_from_slice(&buffer[..len]);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl StreamProtocol for Tcp {
    const TRANSPORT: Transport = Transport::Tcp;
    const FRAMING: Framing = Framing::Tcp;

    fn receive(&mut self, stream: &mut StreamState<'_>) -> io::Result<Received> {
        let (mut published, mut used) = (0, 0);
        let received = loop {
            match frame::split_first(&self.unread[used..], self.max_event_bytes) {
                Ok(FirstFrame::Complete { payload, binary, rest }) => {
                    if !binary && std::str::from_utf8(payload).is_err() {
                        break Received::Invalid;
                    }
                    if stream.publish(payload, binary).is_err() {
                        break Received::Invalid;
                    }
                    used = self.unread.len() - rest.len();
                    published += 1;
                    if published == MAX_MESSAGES_PER_TURN {
                        break Received::More;
                    }
                }
                Ok(FirstFrame::Incomplete { .. }) => {
                    self.unread.drain(..used);
                    used = 0;
                    if !self.read(stream)? {
                        break Received::Drained;
                    }
                }
                // The protocol has no frame for an error: all that the client sees is the end.
                Err(frame::TooLarge { .. }) => break Received::Invalid,
            }
        };
        self.unread.drain(..used);
        if self.unread.is_empty() {
            // An idle stream keeps no memory for what it once read.
            self.unread = Vec::new();
        }
        match stream.hold(self.unread.capacity()) {
            Ok(()) => Ok(received),
            Err(OutOfMemory) => Ok(Received::Invalid),
        }
    }

    fn heartbeat(&mut self, stream: &mut StreamState<'_>) -> io::Result<()> {
        stream.queue.push(Bytes::from_static(&HEARTBEAT));
        Ok(())
    }

    fn go_away(&mut self, _: &mut StreamState<'_>) {}
}
