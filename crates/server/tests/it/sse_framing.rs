//! Event streams in chunks, and without the hint to nginx: like those of most servers.

use std::time::Duration;

use pushbench_server::{Config, SseFraming};

use crate::support::{LARGE_EVENTS, Server};

fn chunked() -> Config {
    Config { sse_framing: SseFraming::Chunked, accel_buffering_hint: false, ..Config::default() }
}

/// The body of what came in chunks, and how many there were before the last one.
fn unchunked(mut body: &[u8]) -> (Vec<u8>, usize) {
    let (mut content, mut chunks) = (Vec::new(), 0);
    loop {
        let line = body.windows(2).position(|of| of == b"\r\n").unwrap();
        let size = std::str::from_utf8(&body[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let chunk = &body[line + 2..];
        assert_eq!(&chunk[size..size + 2], b"\r\n");
        if size == 0 {
            assert_eq!(chunk.len(), 2, "nothing comes behind the last one");
            return (content, chunks);
        }
        content.extend_from_slice(&chunk[..size]);
        body = &chunk[size + 2..];
        chunks += 1;
    }
}

#[test]
fn each_write_is_a_chunk_and_the_last_one_ends_the_body() {
    let mut server = Server::start_with_manual_clock(chunked());
    let mut stream = server.connect();
    stream.send("GET /channels/a/sse HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = stream.response_head();
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    assert_eq!(head.header("x-accel-buffering"), None);
    assert_eq!(stream.until("\n\n\r\n"), "d\r\nretry: 1000\n\n\r\n");
    server.publish_texts(&["one"]);
    let event = "id: 1\ndata: one\n\n";
    assert_eq!(stream.until("\n\n\r\n"), format!("{:x}\r\n{event}\r\n", event.len()));
    server.advance(Config::default().heartbeat);
    assert_eq!(stream.until("\n\r\n"), "3\r\n:\n\n\r\n");
    // Far more than the socket takes at once.
    server.publish_a_megabyte();
    server.stop();
    let (body, chunks) = unchunked(&stream.rest());
    assert!(body.len() > LARGE_EVENTS * 50_000, "{} bytes", body.len());
    assert!((1..=LARGE_EVENTS).contains(&chunks), "{chunks} chunks");
    server.stopped(Duration::from_secs(1));
}

#[test]
fn a_client_of_http_1_0_gets_no_chunks() {
    let server = Server::start(chunked());
    let mut stream = server.connect();
    stream.send("GET /channels/a/sse HTTP/1.0\r\nHost: localhost\r\n\r\n");
    let head = stream.response_head();
    assert_eq!(head.header("transfer-encoding"), None);
    assert_eq!(stream.until("\n\n"), "retry: 1000\n\n");
}

#[test]
fn usually_there_is_the_hint_and_no_chunk() {
    let server = Server::start(Config::default());
    let mut stream = server.connect();
    stream.send("GET /channels/a/sse HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = stream.response_head();
    assert_eq!(head.header("transfer-encoding"), None);
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
}
