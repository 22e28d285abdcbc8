//! What is published arrives, on every transport alike.

use std::time::Duration;

use proptest::prelude::*;
use pushbench_server::Config;
use pushbench_wire::{Transport, message, poll, sse};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Server, frame, next_message};

/// Id, name, payload and whether it is binary.
pub(crate) type Event = (u64, String, Vec<u8>, bool);

fn owned(event: pushbench_wire::Event<'_>) -> Event {
    (event.id, event.name.to_owned(), event.payload.to_owned(), event.binary)
}

fn text(id: u64, payload: &str) -> Event {
    (id, "message".to_owned(), payload.as_bytes().to_owned(), false)
}

fn lagged(id: u64, payload: &str) -> Event {
    (id, "lagged".to_owned(), payload.as_bytes().to_owned(), false)
}

/// The `count` events that a new client of the channel `a` receives, if it already has the events up
/// to `after`.
pub(crate) fn receive(
    server: &Server,
    transport: Transport,
    after: u64,
    count: usize,
) -> Vec<Event> {
    receive_of(server, "a", transport, after, count)
}

/// The same of other `channels`.
pub(crate) fn receive_of(
    server: &Server,
    channels: &str,
    transport: Transport,
    after: u64,
    count: usize,
) -> Vec<Event> {
    let path = |resource| format!("/channels/{channels}/{resource}");
    let mut events = Vec::new();
    match transport {
        Transport::Polling | Transport::LongPolling => {
            let resource = if transport == Transport::Polling { "poll" } else { "long-poll" };
            let mut after = after;
            while events.len() < count {
                let response = server.get(&format!("{}?after={after}", path(resource)));
                assert_eq!(response.status, 200, "{transport} after {after}: {}", response.text());
                after = poll::decode_body(&response.body, |e| events.push(owned(e))).unwrap();
                assert_eq!(after, events.last().unwrap().0);
            }
        }
        Transport::Sse => {
            let mut stream = server.sse(&format!("{}?after={after}", path("sse")));
            let mut decoder = sse::Decoder::new(1 << 20);
            while events.len() < count {
                let piece = stream.until("\n\n");
                decoder.feed(piece.as_bytes(), |event| events.push(owned(event))).unwrap();
            }
        }
        Transport::WebSocket => {
            let mut socket = server.websocket(&format!("{}?after={after}", path("ws")));
            while events.len() < count {
                let message = next_message(&mut socket);
                let binary = message.is_binary();
                events.push(owned(message::decode(&message.into_data(), binary).unwrap()));
            }
        }
        Transport::Tcp => {
            let mut frames = server.tcp(&format!("{}?after={after}", path("tcp")));
            while events.len() < count {
                let (binary, message) = frames.next();
                events.push(owned(message::decode(&message, binary).unwrap()));
            }
        }
    }
    events
}

#[test]
fn every_transport_delivers_and_resumes_without_loss() {
    for server in Server::plain_and_by_tls(&Config::default()) {
        server.publish_texts(&["one", "two\nlines", ""]);
        for &transport in Transport::ALL {
            let expected = [text(1, "one"), text(2, "two\nlines"), text(3, "")];
            assert_eq!(receive(&server, transport, 0, 3), expected, "{transport}");
            assert_eq!(receive(&server, transport, 2, 1), expected[2..], "{transport}");
        }
    }
}

#[test]
fn names_lines_and_bytes_survive_every_framing() {
    let server = Server::start(Config::default());
    let response = server.publish("/channels/a/events?event=tick&split=lines", b"a\nb\n");
    assert_eq!(response.text(), r#"{"id":2,"count":2}"#);
    let mut connection = server.connect();
    connection.send("POST /channels/a/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n");
    connection.send(b"Content-Type: application/octet-stream\r\n\r\n\x00\xff\n");
    assert_eq!(connection.response().text(), r#"{"id":3,"count":1}"#);
    for &transport in Transport::ALL {
        let expected = [
            (1, "tick".to_owned(), b"a".to_vec(), false),
            (2, "tick".to_owned(), b"b".to_vec(), false),
            (3, "message".to_owned(), b"\x00\xff\n".to_vec(), true),
        ];
        assert_eq!(receive(&server, transport, 0, 3), expected, "{transport}");
    }
}

#[test]
fn a_subscriber_that_fell_off_the_log_is_told_and_counted() {
    let server = Server::start(Config { log_events: 2, ..Config::default() });
    server.publish_texts(&["1", "2", "3", "4", "5"]);
    for &transport in Transport::ALL {
        let missed_two = [lagged(3, r#"{"missed":2}"#), text(4, "4"), text(5, "5")];
        assert_eq!(receive(&server, transport, 1, 3), missed_two, "{transport}");
        let ahead_of_the_log = [lagged(3, r#"{"missed":null}"#), text(4, "4"), text(5, "5")];
        assert_eq!(receive(&server, transport, 99, 3), ahead_of_the_log, "{transport}");
        let name = |what| format!("pushbench_{what}_total{{transport=\"{transport}\"}}");
        assert_eq!(server.metric(&name("lagged")), 2);
        assert_eq!(server.metric(&name("deliveries")), 4);
        assert_eq!(server.metric(&name("requests")), 2);
    }
}

#[test]
fn without_a_position_polls_start_at_the_oldest_event_and_streams_with_the_next() {
    let server = Server::start(Config { log_events: 2, ..Config::default() });
    server.publish_texts(&["1", "2", "3"]);
    for resource in ["poll", "long-poll"] {
        let response = server.get(&format!("/channels/a/{resource}"));
        let body = r#"{"events":[{"id":2,"data":"2"},{"id":3,"data":"3"}],"last_event_id":3}"#;
        assert_eq!(response.text(), body, "{resource}");
    }
    let mut sse = server.sse("/channels/a/sse");
    let mut websocket = server.websocket("/channels/a/ws");
    let mut tcp = server.tcp("/channels/a/tcp");
    server.publish_texts(&["4"]);
    assert_eq!(sse.until("\n\n"), "id: 4\ndata: 4\n\n");
    assert_eq!(next_message(&mut websocket), Message::text("4\n4"));
    assert_eq!(tcp.next(), (false, b"4\n4".to_vec()));
}

#[test]
fn an_event_source_that_reconnects_resumes() {
    let server = Server::start(Config::default());
    server.publish_texts(&["1", "2"]);
    let mut connection = server.connect();
    connection.send(
        "GET /channels/a/sse?after=0 HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 1\r\n\r\n",
    );
    let head = connection.until("\r\n\r\n");
    for header in [
        "Content-Type: text/event-stream\r\n",
        "Cache-Control: no-cache\r\n",
        "X-Accel-Buffering: no\r\n",
    ] {
        assert!(head.contains(header), "{head}");
    }
    assert!(!head.contains("Access-Control"), "{head}");
    assert_eq!(connection.until("data: 2\n\n"), "retry: 1000\n\nid: 2\ndata: 2\n\n");
}

#[test]
fn a_poll_without_new_events_gets_204() {
    let server = Server::start(Config::default());
    for target in ["/channels/a/poll", "/channels/a/long-poll?timeout_ms=1"] {
        let response = server.get(target);
        assert_eq!((response.status, response.header("cache-control")), (204, Some("no-store")));
        assert_eq!(response.header("content-length"), None);
    }
}

#[test]
fn a_long_poll_waits_for_new_events() {
    let server = Server::start(Config::default());
    let mut connection = server.connect();
    connection.send("GET /channels/a/long-poll HTTP/1.1\r\nHost: localhost\r\n\r\n");
    server.await_metric("pushbench_connections{transport=\"long-polling\"}", 1);
    server.publish_texts(&["1"]);
    assert_eq!(
        connection.response().text(),
        r#"{"events":[{"id":1,"data":"1"}],"last_event_id":1}"#
    );
    // The same connection continues with another transport, and then becomes a stream.
    assert_eq!(connection.get("/channels/a/poll?after=1", "").status, 204);
    assert_eq!(server.metric("pushbench_connections{transport=\"polling\"}"), 1);
    connection.send("GET /channels/a/sse?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.until("id: 1\ndata: 1\n\n");
    assert_eq!(server.metric("pushbench_connections{transport=\"sse\"}"), 1);
    assert_eq!(server.metric("pushbench_connections{transport=\"polling\"}"), 0);
    drop(connection);
    server.await_metric("pushbench_connections{transport=\"sse\"}", 0);
}

#[test]
fn a_long_poll_whose_client_leaves_ends_at_once() {
    let server = Server::start(Config::default());
    let mut connection = server.connect();
    connection.send("GET /channels/a/long-poll HTTP/1.1\r\nHost: localhost\r\n\r\n");
    server.await_metric("pushbench_connections{transport=\"long-polling\"}", 1);
    drop(connection);
    server.await_metric("pushbench_connections{transport=\"long-polling\"}", 0);
}

#[test]
fn a_large_response_is_split() {
    let server = Server::start(Config { max_response_bytes: 112, ..Config::default() });
    server.publish_texts(&["12345", "12345", "1", "123456789012345"]);
    let ids: Vec<_> = receive(&server, Transport::Polling, 0, 4).iter().map(|e| e.0).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    let first = server.get("/channels/a/poll?after=0");
    assert_eq!(poll::decode_body(&first.body, |_| ()).unwrap(), 2);
}

#[test]
fn many_events_reach_a_stream_in_order() {
    let server = Server::start(Config::default());
    let mut sse = server.sse("/channels/a/sse");
    let mut websocket = server.websocket("/channels/a/ws");
    let mut tcp = server.tcp("/channels/a/tcp");
    let lines = "x\n".repeat(500);
    for _ in 0..10 {
        server.publish("/channels/a/events?split=lines", lines.as_bytes());
    }
    for id in 1..=5_000 {
        assert_eq!(sse.until("\n\n"), format!("id: {id}\ndata: x\n\n"));
        assert_eq!(next_message(&mut websocket), Message::text(format!("{id}\nx")));
        assert_eq!(tcp.next(), (false, format!("{id}\nx").into_bytes()));
    }
}

#[test]
fn pipelined_requests_are_all_answered() {
    let server = Server::start(Config::default());
    let mut connection = server.connect();
    let post = "POST /channels/a/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx";
    let sse = "GET /channels/a/sse?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    connection.send(format!("{post}{post}{sse}"));
    assert_eq!(connection.response().text(), r#"{"id":1,"count":1}"#);
    assert_eq!(connection.response().text(), r#"{"id":2,"count":1}"#);
    assert!(connection.until("id: 2\ndata: x\n\n").starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn events_sent_in_band_reach_every_transport() {
    let server = Server::start(Config::default());
    let mut websocket = server.websocket("/channels/a/ws");
    let mut tcp = server.tcp("/channels/a/tcp");
    websocket.send(Message::text("hello")).unwrap();
    // Waits until the first event is published, so that the order is known.
    assert_eq!(tcp.next(), (false, b"1\nhello".to_vec()));
    tcp.send(b"\x00\xff\n", true);
    tcp.send("\u{20ac} ".as_bytes(), false);
    tcp.send(b"", false);
    // A poll does not wait for what is still on its way.
    server.await_metric("pushbench_published_total", 4);
    let expected = [
        text(1, "hello"),
        (2, "message".to_owned(), b"\x00\xff\n".to_vec(), true),
        text(3, "\u{20ac} "),
        text(4, ""),
    ];
    for &transport in Transport::ALL {
        assert_eq!(receive(&server, transport, 0, 4), expected, "{transport}");
    }
    // The senders receive their own events too.
    for (id, name, payload, binary) in expected {
        assert_eq!(name, "message");
        let message = [format!("{id}\n").as_bytes(), &payload].concat();
        let received = next_message(&mut websocket);
        assert_eq!((received.is_binary(), &received.into_data()[..]), (binary, &message[..]));
        if id > 1 {
            assert_eq!(tcp.next(), (binary, message));
        }
    }
}

#[test]
fn any_bytes_of_a_batch_survive_every_framing() {
    let server = Server::start(Config::default());
    let events = proptest::collection::vec(any::<Vec<u8>>(), 1..4);
    proptest!(ProptestConfig::with_cases(64), |(events in events)| {
        let body: Vec<u8> = events.iter().flat_map(|event| frame(event, false)).collect();
        let mut connection = server.connect();
        connection.send(format!(
            "POST /channels/a/events?split=lengths HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            body.len()
        ));
        let (after, count) = (server.metric("pushbench_published_total"), events.len());
        connection.send(&body);
        let expected = format!(r#"{{"id":{},"count":{count}}}"#, after + count as u64);
        prop_assert_eq!(connection.response().text(), expected);
        let expected: Vec<Event> = (after + 1..)
            .zip(events)
            .map(|(id, payload)| (id, "message".to_owned(), payload, true))
            .collect();
        for &transport in Transport::ALL {
            let received = receive(&server, transport, after, count);
            prop_assert_eq!(&received, &expected, "{}", transport);
        }
    });
}

#[test]
fn text_framings_carry_bytes_in_base64() {
    let server = Server::start(Config::default());
    server.tcp("/channels/a/tcp").send(b"\x00\xff\n", true);
    server.await_metric("pushbench_published_total", 1);
    let response = server.get("/channels/a/poll");
    assert_eq!(
        response.text(),
        r#"{"events":[{"id":1,"data":"AP8K","base64":true}],"last_event_id":1}"#
    );
    let mut sse = server.sse("/channels/a/sse?after=0");
    assert_eq!(sse.until("\n\n"), "id: 1\nevent: message;base64\ndata: AP8K\n\n");
}

#[test]
fn http_1_0_is_served() {
    let server = Server::start(Config::default());
    server.publish_texts(&["1"]);
    let mut connection = server.connect();
    connection.send("GET /channels/a/poll HTTP/1.0\r\n\r\n");
    assert_eq!(connection.response().status, 200);
    assert!(connection.rest().is_empty(), "the connection is closed");
    let mut stream = server.connect();
    stream.send("GET /channels/a/sse?after=0 HTTP/1.0\r\n\r\n");
    stream.until("id: 1\ndata: 1\n\n");
}

#[test]
fn a_long_poll_is_held_no_longer_than_the_servers_limit() {
    let limit = Duration::from_secs(5);
    let config = Config { long_poll_timeout: limit, ..Config::default() };
    let server = Server::start_with_manual_clock(config);
    let mut connection = server.connect();
    connection
        .send("GET /channels/a/long-poll?timeout_ms=3600000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    server.await_metric("pushbench_connections{transport=\"long-polling\"}", 1);
    server.advance(limit);
    assert_eq!(connection.response().status, 204);
}

/// A server, and the body of its response to a poll of the channel `a`, which is far more than the
/// socket buffers of both sides hold.
fn with_a_large_response() -> (Server, Vec<u8>) {
    let limit = 64 << 20;
    let server = Server::start_with_manual_clock(Config {
        log_bytes: limit,
        max_response_bytes: limit,
        ..Config::default()
    });
    for _ in 0..12 {
        server.publish_a_megabyte();
    }
    let body = server.get("/channels/a/poll").body;
    assert!(body.len() > 12 * 1_000_000);
    (server, body)
}

#[test]
fn a_stream_begins_after_the_previous_response() {
    let (server, body) = with_a_large_response();
    let mut connection = server.connect();
    connection.send(
        "GET /channels/a/poll HTTP/1.1\r\nHost: localhost\r\n\r\n\
         GET /channels/a/sse HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    // The response fills the buffers, and the stream must not begin in the middle of it.
    server.settle();
    assert!(connection.response().body == body, "the response is incomplete");
    let head = connection.until("retry: 1000\n\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    server.publish_texts(&["news"]);
    assert_eq!(connection.until("\n\n"), "id: 241\ndata: news\n\n");
}

#[test]
fn a_request_that_waits_for_the_previous_response_does_not_time_out() {
    let header_timeout = Config::default().header_timeout;
    let (server, body) = with_a_large_response();
    let mut connection = server.connect();
    connection.send("GET /channels/a/poll HTTP/1.1\r\nHost: localhost\r\n\r\n");
    server.settle();
    server.advance(header_timeout);
    connection.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    server.settle();
    server.advance(2 * header_timeout);
    assert!(connection.response().body == body, "the response is incomplete");
    assert_eq!(connection.response().status, 200);
}
