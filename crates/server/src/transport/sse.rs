//! Server-Sent Events (WHATWG HTML §9.2): one response that ends with its connection.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use pushbench_wire::{Transport, sse};

use super::outbox::Outbox;
use super::push::{Line, Peer, Received};
use super::{Stream, Subscriber, Takeover};
use crate::Server;
use crate::framing::Framing;
use crate::http::reply::Rejection;
use crate::http::request::position;
use crate::hub::Channel;

/// The head of every stream. The body has no length and no chunks, but ends with the connection:
/// §9.2.7 warns that chunking can hold events back, and HTTP/1.0 clients can read it too.
const HEAD: &str = "HTTP/1.1 200 OK\r\n\
    Content-Type: text/event-stream\r\n\
    Cache-Control: no-cache\r\n\
    X-Accel-Buffering: no\r\n\
    Access-Control-Allow-Origin: *\r\n\
    Connection: close\r\n\r\n";

pub(super) fn open(
    server: &Server,
    channel: Arc<Channel>,
    request: &Parts,
) -> Result<Takeover, Rejection> {
    let subscriber = Subscriber::live_unless(channel, position(request)?);
    let retry_ms = server.config.reconnect_delay.as_millis();
    let head = format!("{HEAD}retry: {retry_ms}\n\n").into();
    Ok(Takeover { stream: Stream::Sse, head, subscriber })
}

/// The reader of a stream, which has nothing to say.
pub(super) struct Sse;

impl Peer for Sse {
    const TRANSPORT: Transport = Transport::Sse;
    const FRAMING: Framing = Framing::Sse;

    fn receive(&mut self, line: &mut Line<'_>) -> io::Result<Received> {
        line.discard()
    }

    fn heartbeat(&mut self, outbox: &mut Outbox) -> io::Result<()> {
        outbox.push(Bytes::from_static(sse::HEARTBEAT.as_bytes()));
        Ok(())
    }

    fn go_away(&mut self, _: &mut Line<'_>) {}
}
