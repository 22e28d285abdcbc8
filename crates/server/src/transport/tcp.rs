//! Raw TCP, the yardstick: frames with a length before them ([`pushbench_wire::frame`]), both ways
//! on a socket on which, after the 101, nothing of HTTP is left (RFC 9110 §7.8).

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use pushbench_wire::Transport;
use pushbench_wire::endpoint::TCP_UPGRADE;
use pushbench_wire::frame::{self, First, HEARTBEAT};

use super::outbox::Outbox;
use super::push::{Line, MAX_MESSAGES, Peer, READ_BUFFER_BYTES, Received};
use super::{Stream, Subscriber, Takeover};
use crate::Server;
use crate::framing::Framing;
use crate::http::reply::Rejection;
use crate::http::request::{asks_to_upgrade, position};
use crate::hub::Channel;

pub(super) fn open(channel: Arc<Channel>, request: &Parts) -> Result<Takeover, Rejection> {
    if !asks_to_upgrade(request, TCP_UPGRADE) {
        return Err(Rejection::upgrade_required(
            TCP_UPGRADE,
            format!(
                "this is raw TCP: send an HTTP/1.1 request with Upgrade: {TCP_UPGRADE} and \
                 Connection: Upgrade"
            ),
        ));
    }
    let subscriber = Subscriber::live_unless(channel, position(request)?);
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: {TCP_UPGRADE}\r\nConnection: Upgrade\r\n\r\n"
    );
    Ok(Takeover { stream: Stream::Tcp, head: head.into(), subscriber })
}

/// The client at the other end. Each frame that it sends is published.
pub(super) struct Tcp {
    /// What has arrived and is not published yet: little more than one frame.
    unread: Vec<u8>,
    max_event_bytes: usize,
}

impl Tcp {
    /// `read_ahead` is what arrived behind the request.
    pub(super) fn new(read_ahead: &[u8], server: &Server) -> Self {
        Self { unread: read_ahead.to_vec(), max_event_bytes: server.config.max_event_bytes }
    }

    /// Reads once; returns whether anything had arrived.
    fn read(&mut self, line: &mut Line<'_>) -> io::Result<bool> {
        let mut buffer = [0; READ_BUFFER_BYTES];
        match line.try_read(&mut buffer) {
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

impl Peer for Tcp {
    const TRANSPORT: Transport = Transport::Tcp;
    const FRAMING: Framing = Framing::Tcp;

    fn receive(&mut self, line: &mut Line<'_>) -> io::Result<Received> {
        let (mut published, mut used) = (0, 0);
        let received = loop {
            match frame::first(&self.unread[used..], self.max_event_bytes) {
                Ok(First::Whole { payload, binary, rest }) => {
                    if !binary && std::str::from_utf8(payload).is_err() {
                        break Received::Rejected;
                    }
                    line.publish(payload, binary);
                    used = self.unread.len() - rest.len();
                    published += 1;
                    if published == MAX_MESSAGES {
                        break Received::Some;
                    }
                }
                Ok(First::Part { .. }) => {
                    self.unread.drain(..used);
                    used = 0;
                    if !self.read(line)? {
                        break Received::All;
                    }
                }
                // There is no frame to say so in: that the stream ends is all that the client hears.
                Err(frame::TooLarge { .. }) => break Received::Rejected,
            }
        };
        self.unread.drain(..used);
        if self.unread.is_empty() {
            // An idle stream holds no memory for what it once read.
            self.unread = Vec::new();
        }
        Ok(received)
    }

    fn heartbeat(&mut self, outbox: &mut Outbox) -> io::Result<()> {
        outbox.push(Bytes::from_static(&HEARTBEAT));
        Ok(())
    }

    fn go_away(&mut self, _: &mut Line<'_>) {}
}
