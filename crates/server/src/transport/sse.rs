//! Server-Sent Events (WHATWG HTML §9.2): one response that ends with its connection.

use std::io;

use bytes::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName,
    HeaderValue, VARY,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Version};
use pushbench_wire::Transport;

use super::chunks::{LAST_CHUNK, chunk};
use super::stream_protocol::{Received, StreamProtocol, StreamState};
use super::{Channels, OpenedStream, StreamTransport, Subscriber};
use crate::compression::{Compression, GZIP, VARIES};
use crate::framing::Framing;
use crate::http::reply::Rejection;
use crate::http::request::position;
use crate::{Server, SseFraming};

/// The head of every stream.
const HEAD: &str = "HTTP/1.1 200 OK\r\n\
    Content-Type: text/event-stream\r\n\
    Cache-Control: no-cache\r\n\
    Connection: close\r\n";

/// Opens an event stream, which pages of `origin` may read, if they need to be told.
pub(super) fn open(
    server: &Server,
    channels: Channels,
    request: &Parts,
    origin: Option<&HeaderValue>,
) -> Result<OpenedStream, Rejection> {
    let subscriber = Subscriber::at_or_latest(channels, position(request)?);
    let transport = StreamTransport::Sse;
    let retry = format!("retry: {}\n\n", server.config.reconnect_delay.as_millis());
    // A session of WebTransport has no head that could say so.
    let is_gzip = request.method != Method::CONNECT && server.compresses_for(request);
    let (compression, first) = match is_gzip {
        true => Compression::gzip(retry.as_bytes()),
        false => (Compression::None, Bytes::from(retry)),
    };
    if request.version >= Version::HTTP_2 {
        let (head, is_chunked) = (first, false);
        let headers = framed_headers(server, origin, is_gzip);
        return Ok(OpenedStream { transport, head, headers, is_chunked, compression, subscriber });
    }
    let mut head = HEAD.as_bytes().to_vec();
    if server.config.accel_buffering_hint {
        head.extend_from_slice(b"X-Accel-Buffering: no\r\n");
    }
    // RFC 9112 §6.1: never to a client of HTTP/1.0.
    let is_chunked =
        server.config.sse_framing == SseFraming::Chunked && request.version == Version::HTTP_11;
    if is_chunked {
        head.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    if server.config.compression {
        head.extend_from_slice(b"Vary: Accept-Encoding\r\n");
    }
    if is_gzip {
        head.extend_from_slice(b"Content-Encoding: gzip\r\n");
    }
    if let Some(origin) = origin {
        head.extend_from_slice(b"Access-Control-Allow-Origin: ");
        head.extend_from_slice(origin.as_bytes());
        head.extend_from_slice(b"\r\nVary: Origin\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(&if is_chunked { chunk(&first) } else { first });
    let (head, headers) = (head.into(), HeaderMap::new());
    Ok(OpenedStream { transport, head, headers, is_chunked, compression, subscriber })
}

/// The same headers by HTTP/2 and HTTP/3, which say themselves where a body ends.
fn framed_headers(server: &Server, origin: Option<&HeaderValue>, is_gzip: bool) -> HeaderMap {
    let fixed = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    let mut headers: HeaderMap =
        fixed.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
    if server.config.accel_buffering_hint {
        let name = HeaderName::from_static("x-accel-buffering");
        headers.insert(name, HeaderValue::from_static("no"));
    }
    if server.config.compression {
        let (name, value) = VARIES;
        headers.append(name, value);
    }
    if is_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(GZIP));
    }
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    headers
}

/// A client of an event stream. It only reads; whatever it sends is discarded.
pub(super) struct Sse {
    pub(super) is_chunked: bool,
}

impl StreamProtocol for Sse {
    const TRANSPORT: Transport = Transport::Sse;
    const FRAMING: Framing = Framing::Sse;

    fn receive(&mut self, stream: &mut StreamState<'_>) -> io::Result<Received> {
        stream.discard_input().map(|()| Received::Drained)
    }

    fn heartbeat(&mut self, stream: &mut StreamState<'_>) -> io::Result<()> {
        let comment = stream.compression.heartbeat();
        stream.queue.push(if self.is_chunked { chunk(&comment) } else { comment });
        Ok(())
    }

    fn go_away(&mut self, stream: &mut StreamState<'_>) {
        if let Some(end) = stream.compression.end() {
            stream.queue.push(if self.is_chunked { chunk(&end) } else { end });
        }
        if self.is_chunked {
            stream.queue.push(LAST_CHUNK);
        }
    }
}
