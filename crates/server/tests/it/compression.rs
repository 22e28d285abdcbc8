//! Compression: who gets it, what it looks like, and what becomes of a client that abuses it.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use flate2::bufread::GzDecoder;
use flate2::{Decompress, FlushDecompress};
use pushbench_server::{Config, SseFraming};

use crate::support::{Connection, LARGE_EVENTS, Response, Server};

fn compressing() -> Config {
    Config { compression: true, ..Config::default() }
}

const GZIP: &str = "Accept-Encoding: br, gzip;q=0.5\r\n";

/// What a body as gzip holds, whose checksum and length are there and right.
fn gunzipped(body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut rest = body;
    GzDecoder::new(&mut rest).read_to_end(&mut content).unwrap();
    assert!(rest.is_empty(), "nothing follows");
    content
}

fn vary(response: &Response) -> Option<&str> {
    response.header("vary")
}

#[test]
fn an_answer_is_gzip_for_those_who_take_it_if_it_is_smaller_then() {
    let server = Server::start(compressing());
    let large = "all work and no play ".repeat(20);
    server.publish_texts(&[&large, "small", &large]);
    for path in ["poll", "long-poll"] {
        let target = format!("/channels/a/{path}");
        let plain = server.get(&target);
        assert_eq!(
            (plain.header("content-encoding"), vary(&plain)),
            (None, Some("Accept-Encoding"))
        );
        let small = server.connect().get(&target, GZIP);
        assert_eq!(small.header("content-encoding"), Some("gzip"));
        assert_eq!(vary(&small), Some("Accept-Encoding"));
        assert_eq!(small.header("content-type"), Some("application/json"));
        assert_eq!(gunzipped(&small.body), plain.body);
        assert!(small.body.len() < plain.body.len() / 2, "{} bytes", small.body.len());
        for refused in ["", "Accept-Encoding: gzip;q=0, *\r\n", "Accept-Encoding: br\r\n"] {
            let response = server.connect().get(&target, refused);
            assert_eq!(response.header("content-encoding"), None, "{refused}");
            assert_eq!(response.body, plain.body);
        }
        // An envelope and little in it: gzip would add to it.
        server.publish("/channels/b/events", b"small");
        let tiny = server.connect().get(&format!("/channels/b/{path}?after=0"), GZIP);
        assert_eq!((tiny.header("content-encoding"), vary(&tiny)), (None, Some("Accept-Encoding")));
        let nothing = server.connect().get(&format!("{target}?after=3&timeout_ms=1"), GZIP);
        assert_eq!((nothing.status, nothing.header("content-encoding")), (204, None));
    }
}

#[test]
fn who_may_read_from_elsewhere_and_who_takes_gzip_are_both_told() {
    let mut config = compressing();
    config.access.origins = vec!["https://app.example".parse().unwrap()];
    let server = Server::start(config);
    server.publish_texts(&["x"]);
    let response = server.connect().get("/channels/a/poll", "Origin: https://app.example\r\n");
    let mut connection = server.connect();
    connection.send(
        "GET /channels/a/sse HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\n\r\n",
    );
    for response in [response, connection.response_head()] {
        assert_eq!(response.all("vary"), ["Accept-Encoding", "Origin"]);
    }
}

#[test]
fn without_the_setting_nothing_is_compressed() {
    let server = Server::start(Config::default());
    server.publish_texts(&[&"x".repeat(1_000)]);
    let poll = server.connect().get("/channels/a/poll", GZIP);
    assert_eq!((poll.header("content-encoding"), vary(&poll)), (None, None));
    let mut stream = server.connect();
    stream.send(format!("GET /channels/a/sse HTTP/1.1\r\nHost: localhost\r\n{GZIP}\r\n"));
    let head = stream.response_head();
    assert_eq!((head.header("content-encoding"), vary(&head)), (None, None));
    let mut socket = server.connect();
    let head = upgrade(&mut socket, "permessage-deflate");
    assert_eq!((head.status, head.header("sec-websocket-extensions")), (101, None));
}

/// What an event stream holds that came in chunks.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let line = body.windows(2).position(|of| of == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap(), 16).unwrap();
        let chunk = &body[line + 2..];
        if size == 0 {
            assert_eq!(chunk, b"\r\n");
            return content;
        }
        content.extend_from_slice(&chunk[..size]);
        body = &chunk[size + 2..];
    }
}

#[test]
fn an_event_stream_is_one_member_that_ends_with_the_server() {
    for sse_framing in [SseFraming::Close, SseFraming::Chunked] {
        let mut server = Server::start_with_manual_clock(Config { sse_framing, ..compressing() });
        let mut stream = server.connect();
        stream.send(format!("GET /channels/a/sse HTTP/1.1\r\nHost: localhost\r\n{GZIP}\r\n"));
        let head = stream.response_head();
        assert_eq!(head.header("content-encoding"), Some("gzip"));
        assert_eq!(vary(&head), Some("Accept-Encoding"));
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        server.publish_texts(&["one"]);
        server.advance(Config::default().heartbeat);
        // Far more than the socket takes at once, if it were not so regular.
        server.publish_a_megabyte();
        server
            .await_metric("pushbench_deliveries_total{transport=\"sse\"}", LARGE_EVENTS as u64 + 1);
        server.stop();
        let mut body = stream.rest();
        if sse_framing == SseFraming::Chunked {
            body = unchunked(&body);
        }
        let content = String::from_utf8(gunzipped(&body)).unwrap();
        let expected = "retry: 1000\n\nid: 1\ndata: one\n\n:\n\n";
        assert!(content.starts_with(expected), "{:?}", &content[..100]);
        assert!(content.len() > LARGE_EVENTS * 50_000);
        server.stopped(Duration::from_secs(1));
    }
}

#[test]
fn an_event_is_there_when_it_is_flushed() {
    let server = Server::start(compressing());
    let mut stream = server.connect();
    stream.send(format!("GET /channels/a/sse HTTP/1.1\r\nHost: localhost\r\n{GZIP}\r\n"));
    stream.response_head();
    let mut decoder = flate2::write::GzDecoder::new(Vec::new());
    for (number, text) in ["first", "second", "third"].into_iter().enumerate() {
        server.publish_texts(&[text]);
        let expected = format!("id: {}\ndata: {text}\n\n", number + 1);
        while !decoder.get_ref().ends_with(expected.as_bytes()) {
            decoder.write_all(&stream.some()).unwrap();
            decoder.flush().unwrap();
        }
    }
}

/// Asks for a WebSocket with these extensions.
pub(crate) fn upgrade(connection: &mut Connection, extensions: &str) -> Response {
    connection.send(format!(
        "GET /channels/a/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: {extensions}\r\n\r\n"
    ));
    connection.response_head()
}

#[test]
fn messages_are_compressed_for_those_who_offer_it() {
    let server = Server::start(compressing());
    let mut socket = server.connect();
    let head = upgrade(&mut socket, "permessage-deflate; client_max_window_bits");
    assert_eq!(head.status, 101);
    assert_eq!(
        head.header("sec-websocket-extensions"),
        Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
    );
    let text = "all work and no play ".repeat(20);
    server.publish_texts(&[&text, "x"]);
    let compressed = socket.exactly(2);
    assert_eq!(compressed[0], 0xc1, "text, whole and compressed");
    let payload = [&socket.exactly(compressed[1].into())[..], &[0, 0, 0xff, 0xff]].concat();
    let mut message = Vec::with_capacity(1_000);
    let mut inflater = Decompress::new(false);
    inflater.decompress_vec(&payload, &mut message, FlushDecompress::Sync).unwrap();
    assert_eq!(message, format!("1\n{text}").into_bytes());
    assert_eq!(socket.exactly(5), b"\x81\x032\nx", "what would become larger stays as it is");
    // Who offers nothing that can be met gets what everybody gets.
    let mut socket = server.connect();
    let head = upgrade(&mut socket, "permessage-deflate; server_max_window_bits=9");
    assert_eq!((head.status, head.header("sec-websocket-extensions")), (101, None));
    server.publish_texts(&["plain"]);
    assert_eq!(socket.exactly(9), b"\x81\x073\nplain");
}
