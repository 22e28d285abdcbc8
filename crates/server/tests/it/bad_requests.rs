//! Every kind of bad request that the server detects, with the exact response.

mod cases;

use std::time::Duration;

use pushbench_server::Config;

use crate::support::{Response, Server};
use cases::{BODY_TIMEOUT, HEADER_TIMEOUT, cases, get};

struct Case {
    name: &'static str,
    request: String,
    status: u16,
    reason: &'static str,
    /// How long the server waits before it responds.
    waits: Duration,
    /// A header that the response must have.
    header: Option<(&'static str, &'static str)>,
}

#[test]
fn every_bad_request_gets_its_status_and_reason() {
    let server = Server::start_with_manual_clock(Config {
        max_event_bytes: 100,
        max_body_bytes: 1_000,
        max_header_bytes: 2_000,
        max_channels: 3,
        header_timeout: HEADER_TIMEOUT,
        body_timeout: BODY_TIMEOUT,
        ..Config::default()
    });
    for channel in ["a", "b", "c"] {
        assert_eq!(server.publish(&format!("/channels/{channel}/events"), b"x").status, 200);
    }
    for case in cases() {
        let mut connection = server.connect();
        connection.send(&case.request);
        if !case.waits.is_zero() {
            server.settle();
            server.advance(case.waits);
        }
        let response = connection.response();
        assert_eq!(
            (response.status, response.reason().as_str()),
            (case.status, case.reason),
            "{}",
            case.name
        );
        if let Some((name, value)) = case.header {
            assert_eq!(response.header(name), Some(value), "{}", case.name);
        }
    }
    assert_eq!(server.metric("pushbench_published_total"), 3, "nothing else was published");
}

/// Separate, because the table holds only text.
#[test]
fn text_must_be_utf8() {
    let server = Server::start(Config::default());
    let response = server.publish("/channels/a/events", b"ab\xff");
    assert_eq!(response.status, 400);
    assert_eq!(
        response.reason(),
        "the body is not UTF-8 at byte 2; publish binary events with Content-Type: \
         application/octet-stream"
    );
}

/// hyper itself responds to these, without a body.
#[test]
fn a_request_that_is_not_http_is_rejected() {
    let server = Server::start(Config::default());
    for request in ["GARBAGE\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /\u{1} HTTP/1.1\r\n\r\n"] {
        let mut connection = server.connect();
        connection.send(request);
        assert_eq!(connection.response().status, 400, "{request:?}");
    }
    let mut connection = server.connect();
    connection.send(get("/healthz", &format!("X: {}\r\n", "x".repeat(40_000))));
    assert_eq!(connection.response().status, 431);
}

#[test]
fn a_connection_beyond_the_limit_gets_a_reason() {
    let server = Server::start(Config { max_connections: 1, ..Config::default() });
    let mut first = server.connect();
    assert_eq!(first.get("/healthz", "").status, 200);
    let refused: Response = server.get("/healthz");
    assert_eq!(refused.status, 503);
    assert_eq!(
        refused.reason(),
        "all 1 connections of this server are in use; try again later or raise max_connections"
    );
    assert_eq!(first.get("/healthz", "").status, 200, "the open connection is still served");
}

#[test]
fn a_client_that_keeps_sending_can_still_read_the_response() {
    let server = Server::start(Config { max_body_bytes: 1_000, ..Config::default() });
    // More than the socket buffers hold, so that the server must read while the client writes.
    let response = server.publish("/channels/a/events", &vec![b'x'; 8 << 20]);
    assert_eq!(response.status, 413);
    assert_eq!(response.header("connection"), Some("close"));
}
