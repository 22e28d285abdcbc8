//! Server-Sent Events (WHATWG HTML §9.2): one response that ends with its connection.

use std::io;

use bytes::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, VARY,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Version};
use pushbench_wire::{Transport, sse};

use super::stream_protocol::{Received, StreamProtocol, StreamState};
use super::write_queue::WriteQueue;
use super::{Channels, OpenedStream, StreamTransport, Subscriber};
use crate::Server;
use crate::framing::Framing;
use crate::http::reply::Rejection;
use crate::http::request::position;

/// The head of every stream. The body has neither a length nor chunks and ends with the connection:
/// §9.2.7 warns that chunking can delay events, and HTTP/1.0 clients can read it too.
const HEAD: &str = "HTTP/1.1 200 OK\r\n\
    Content-Type: text/event-stream\r\n\
    Cache-Control: no-cache\r\n\
    X-Accel-Buffering: no\r\n\
    Connection: close\r\n";

/// Opens an event stream, which pages of `origin` may read, if they need to be told.
pub(super) fn open(
    server: &Server,
    channels: Channels,
    request: &Parts,
    origin: Option<&HeaderValue>,
) -> Result<OpenedStream, Rejection> {
    let subscriber = Subscriber::at_or_latest(channels, position(request)?);
    let retry_ms = server.config.reconnect_delay.as_millis();
    if request.version == Version::HTTP_2 {
        let head = format!("retry: {retry_ms}\n\n").into();
        let headers = http2_headers(origin);
        return Ok(OpenedStream { transport: StreamTransport::Sse, head, headers, subscriber });
    }
    let mut head = HEAD.as_bytes().to_vec();
    if let Some(origin) = origin {
        head.extend_from_slice(b"Access-Control-Allow-Origin: ");
        head.extend_from_slice(origin.as_bytes());
        head.extend_from_slice(b"\r\nVary: Origin\r\n");
    }
    head.extend_from_slice(format!("\r\nretry: {retry_ms}\n\n").as_bytes());
    let headers = HeaderMap::new();
    Ok(OpenedStream { transport: StreamTransport::Sse, head: head.into(), headers, subscriber })
}

/// The same headers by HTTP/2, which says itself where a body ends.
fn http2_headers(origin: Option<&HeaderValue>) -> HeaderMap {
    let fixed = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let mut headers: HeaderMap =
        fixed.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(VARY, HeaderValue::from_static("Origin"));
    }
    headers
}

/// A client of an event stream. It only reads; whatever it sends is discarded.
pub(super) struct Sse;

impl StreamProtocol for Sse {
    const TRANSPORT: Transport = Transport::Sse;
    const FRAMING: Framing = Framing::Sse;

    fn receive(&mut self, stream: &mut StreamState<'_>) -> io::Result<Received> {
        stream.discard_input().map(|()| Received::Drained)
    }

    fn heartbeat(&mut self, queue: &mut WriteQueue) -> io::Result<()> {
        queue.push(Bytes::from_static(sse::HEARTBEAT.as_bytes()));
        Ok(())
    }

    fn go_away(&mut self, _: &mut StreamState<'_>) {}
}
