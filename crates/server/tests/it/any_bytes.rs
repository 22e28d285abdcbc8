//! Whatever arrives, the server keeps working.

use std::io::Write;
use std::net::Shutdown;
use std::time::Duration;

use proptest::prelude::*;
use pushbench_server::Config;

use crate::support::Server;

fn server() -> Server {
    let short = Duration::from_millis(20);
    Server::start(Config {
        header_timeout: short,
        body_timeout: short,
        long_poll_timeout: short,
        max_channels: 100,
        compression: true,
        ..Config::default()
    })
}

/// Sends `bytes`, shuts down the sending side and returns what the server sends.
fn exchange(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut connection = server.connect();
    // The server may reject the request before it has read all of it.
    let _ = connection.stream.write_all(bytes);
    let _ = connection.stream.shutdown(Shutdown::Write);
    connection.rest()
}

/// Something between a valid request and noise.
fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof!["GET|POST|HEAD|OPTIONS|PUT", "[A-Z]{0,5}"];
    let segment = prop_oneof!["events|poll|long-poll|sse|ws|tcp", "[a-z/]{0,6}"];
    let path = prop_oneof![
        ("[a-c]{0,2}", segment)
            .prop_map(|(channel, segment)| format!("/channels/{channel}/{segment}")),
        "/healthz|/metrics|\\*|/",
        "/[ -~]{0,20}",
    ];
    let query = "(\\?(after|event|split|timeout_ms)=(lines|lengths|[0-9]{0,22}|[ -~]{0,5}))?";
    let header = prop_oneof![
        "(Last-Event-ID|Content-Length): [0-9a-z]{0,20}\r\n",
        "Transfer-Encoding: chunked\r\n|Expect: 100-continue\r\n|Connection: (close|Upgrade)\r\n",
        "Upgrade: (websocket|pushbench-tcp)\r\n|Sec-WebSocket-Version: 13\r\n",
        "Accept-Encoding: [a-z;=0-9*]{0,9}gzip\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate(; [a-z_]{0,22}(=[0-9\"]{0,3})?)?\r\n",
        Just("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n".to_owned()),
        "[ -~]{0,20}\r\n",
    ];
    // Most requests have one, or none would get past the check for it.
    let host = prop_oneof![4 => Just("Host: localhost\r\n"), 1 => Just("")];
    let headers = proptest::collection::vec(header, 0..8);
    let body = proptest::collection::vec(any::<u8>(), 0..40);
    (method, path, query, "1\\.[01]|2", host, headers, body).prop_map(
        |(method, path, query, version, host, headers, body)| {
            let headers = headers.concat();
            let mut request =
                format!("{method} {path}{query} HTTP/{version}\r\n{host}{headers}\r\n")
                    .into_bytes();
            request.extend_from_slice(&body);
            request
        },
    )
}

const WEBSOCKET: &[u8] =
    b"GET /channels/a/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const TCP: &[u8] = b"GET /channels/a/tcp HTTP/1.1\r\nHost: localhost\r\nUpgrade: pushbench-tcp\r\n\
    Connection: Upgrade\r\n\r\n";

#[test]
fn the_server_survives_any_requests() {
    let server = server();
    let requests = proptest::collection::vec(any_request(), 1..3);
    proptest!(|(requests in requests)| {
        let response = exchange(&server, &requests.concat());
        prop_assert!(response.is_empty() || response.starts_with(b"HTTP/1."));
        prop_assert!(!response.starts_with(b"HTTP/1.1 500"));
    });
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn the_server_survives_any_bytes() {
    let server = server();
    proptest!(|(bytes: Vec<u8>)| {
        exchange(&server, &bytes);
    });
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn the_server_survives_any_bytes_after_the_handshake() {
    let server = server();
    let request = prop_oneof![Just(WEBSOCKET), Just(TCP)];
    proptest!(|(request in request, bytes in proptest::collection::vec(any::<u8>(), 0..200))| {
        let response = exchange(&server, &[request, &bytes].concat());
        // hyper drops a client that shuts down its sending side before the response.
        prop_assert!(response.is_empty() || response.starts_with(b"HTTP/1.1 101 "));
    });
    assert_eq!(server.get("/healthz").status, 200);
}
