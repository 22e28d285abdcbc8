//! What ends with time: heartbeats, time-outs, slow readers, and the end of the server.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use pushbench_server::Config;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{Connection, LARGE_EVENTS, Server, next_message};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_idle_stream_is_kept_alive() {
    let config = Config { heartbeat: SECOND, ..Config::default() };
    let server = Server::start_with_manual_clock(config);
    let mut sse = server.sse("/channels/a/sse");
    let mut tcp = server.tcp("/channels/a/tcp");
    let mut websocket = server.websocket("/channels/a/ws");
    for _ in 0..5 {
        server.advance(SECOND);
        assert_eq!(sse.until("\n\n"), ":\n\n");
        assert_eq!(tcp.next(), (false, Vec::new()), "an empty frame");
        assert_eq!(websocket.read().unwrap(), Message::Ping(Vec::new().into()));
        // Sends the pong, without which the server would close the WebSocket.
        websocket.flush().unwrap();
        server.settle();
    }
    server.publish_texts(&["1"]);
    assert_eq!(next_message(&mut websocket), Message::text("1\n1"));
}

#[test]
fn streams_that_open_together_do_not_send_their_heartbeats_together() {
    let config = Config { heartbeat: 100 * SECOND, ..Config::default() };
    let server = Server::start_with_manual_clock(config);
    let mut streams: Vec<_> = (0..13).map(|_| server.sse("/channels/a/sse")).collect();
    // The 13th stream is first, after 3.4 % of the interval, and then the 5th, after 9.0 %.
    server.advance(4 * SECOND);
    assert_eq!(streams[12].until("\n\n"), ":\n\n");
    assert!(streams.iter().all(Connection::is_quiet));
    server.advance(6 * SECOND);
    assert_eq!(streams[4].until("\n\n"), ":\n\n");
    assert!(streams.iter().all(Connection::is_quiet));
}

#[test]
fn a_websocket_that_answers_no_ping_is_closed() {
    let config = Config { heartbeat: SECOND, ..Config::default() };
    let server = Server::start_with_manual_clock(config);
    let _silent = server.websocket("/channels/a/ws");
    let connections = "pushbench_connections{transport=\"websocket\"}";
    server.advance(SECOND);
    assert_eq!(server.metric(connections), 1, "the first ping");
    server.advance(SECOND);
    assert_eq!(server.metric(connections), 0);
}

#[test]
fn a_websocket_that_sends_slowly_is_not_silent() {
    let config = Config { heartbeat: 2 * SECOND, ..Config::default() };
    let server = Server::start_with_manual_clock(config);
    let mut slow = server.websocket("/channels/a/ws");
    let connections = "pushbench_connections{transport=\"websocket\"}";
    slow.get_mut().write_all(b"\x81\xe4\0\0\0\0").unwrap();
    for _ in 0..20 {
        server.settle();
        server.advance(SECOND);
        slow.get_mut().write_all(b"x").unwrap();
    }
    assert_eq!(server.metric(connections), 1, "a byte of one frame every second");
    server.advance(2 * SECOND);
    assert_eq!(server.metric(connections), 1, "the first ping");
    server.advance(2 * SECOND);
    assert_eq!(server.metric(connections), 0, "silent for two intervals");
}

#[test]
fn an_idle_connection_outlives_the_header_timeout_but_not_the_keep_alive() {
    let config = Config { header_timeout: SECOND, keep_alive: 10 * SECOND, ..Config::default() };
    let server = Server::start_with_manual_clock(config);
    let mut connection = server.connect();
    for _ in 0..3 {
        assert_eq!(connection.get("/healthz", "").status, 200);
        server.advance(9 * SECOND);
    }
    assert!(connection.is_quiet());
    server.advance(SECOND);
    assert_eq!(connection.rest(), b"");
}

#[test]
fn a_connection_without_a_request_is_closed() {
    let config = Config { header_timeout: SECOND, ..Config::default() };
    let server = Server::start_with_manual_clock(config);
    let mut connection = server.connect();
    server.settle();
    server.advance(SECOND / 2);
    assert!(connection.is_quiet());
    server.advance(SECOND / 2);
    assert_eq!(connection.rest(), b"");
}

#[test]
fn headers_that_arrive_slowly_are_rejected() {
    let config = Config { header_timeout: 3 * SECOND, ..Config::default() };
    let server = Server::start_with_manual_clock(config);
    let mut connection = server.connect();
    assert_eq!(connection.get("/healthz", "").status, 200);
    connection.send("GET /healthz HTTP/1.1\r\n");
    for _ in 0..2 {
        server.settle();
        server.advance(SECOND);
        connection.send("A: b\r\n");
    }
    assert!(connection.is_quiet());
    server.advance(SECOND);
    assert_eq!(connection.response().status, 408);
}

#[test]
fn headers_that_begin_during_the_previous_response_are_rejected_too() {
    let config = Config { header_timeout: SECOND, ..Config::default() };
    let server = Server::start_with_manual_clock(config);
    let mut connection = server.connect();
    connection
        .send("GET /channels/a/long-poll?timeout_ms=2000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    server.settle();
    connection.send("GET /healthz HTTP/1.1\r\n");
    server.settle();
    server.advance(2 * SECOND);
    assert_eq!(connection.response().status, 204);
    server.advance(SECOND);
    assert_eq!(connection.response().status, 408);
}

#[test]
fn a_body_is_not_mistaken_for_the_next_headers() {
    let config = Config { header_timeout: SECOND, ..Config::default() };
    let server = Server::start_with_manual_clock(config);
    let mut connection = server.connect();
    connection
        .send("POST /channels/a/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n");
    server.settle();
    connection.send("x");
    assert_eq!(connection.response().status, 200);
    server.advance(2 * SECOND);
    assert_eq!(connection.get("/healthz", "").status, 200);
}

#[test]
fn a_slow_reader_costs_bounded_memory_and_is_told_what_it_missed() {
    let config = Config { log_events: LARGE_EVENTS, ..Config::default() };
    for server in Server::plain_and_by_tls(&config) {
        let mut slow = server.sse("/channels/a/sse");
        let megabytes = 20;
        for _ in 0..megabytes {
            server.publish_a_megabyte();
        }
        assert_eq!(server.metric("pushbench_log_events"), LARGE_EVENTS as u64);
        let mut decoder = pushbench_wire::sse::Decoder::new(1 << 20);
        let (mut last, mut notices) = (0, 0);
        while last < megabytes * LARGE_EVENTS as u64 {
            let piece = slow.until("\n\n");
            decoder
                .feed(piece.as_bytes(), |event| {
                    if event.name == "lagged" {
                        let missed = format!(r#"{{"missed":{}}}"#, event.id - last);
                        assert_eq!(event.payload, missed.as_bytes());
                        notices += 1;
                    } else {
                        assert_eq!(event.id, last + 1);
                    }
                    last = event.id;
                })
                .unwrap();
        }
        assert!(notices > 0);
        assert_eq!(server.metric("pushbench_lagged_total{transport=\"sse\"}"), notices);
    }
}

#[test]
fn a_reader_that_accepts_nothing_is_disconnected() {
    let config = Config { stall_timeout: SECOND, ..Config::default() };
    let server = Server::start_with_manual_clock(config);
    let _stuck = [server.sse("/channels/a/sse"), server.sse("/channels/a/sse")];
    let _idle = server.sse("/channels/b/sse");
    for _ in 0..20 {
        server.publish_a_megabyte();
    }
    let connections = "pushbench_connections{transport=\"sse\"}";
    assert_eq!(server.metric(connections), 3);
    server.advance(SECOND);
    assert_eq!(server.metric(connections), 1);
    server.advance(10 * SECOND);
    assert_eq!(server.metric(connections), 1, "a stream with nothing to send is not stalled");
}

#[test]
fn a_stopping_server_ends_every_connection_gracefully() {
    let mut server = Server::start(Config::default());
    let mut idle = server.connect();
    assert_eq!(idle.get("/healthz", "").status, 200);
    let mut held = server.connect();
    held.send("GET /channels/a/long-poll HTTP/1.1\r\nHost: localhost\r\n\r\n");
    server.await_metric("pushbench_connections{transport=\"long-polling\"}", 1);
    let mut sse = server.sse("/channels/a/sse");
    let mut tcp = server.tcp("/channels/a/tcp");
    let mut socket = server.websocket("/channels/a/ws");
    let address = server.address;

    server.stop();
    assert_eq!(held.response().status, 204);
    assert_eq!(held.rest(), b"");
    assert_eq!(sse.rest(), b"");
    assert_eq!(tcp.0.rest(), b"");
    let Message::Close(Some(frame)) = socket.read().unwrap() else { panic!("no close frame") };
    assert_eq!(u16::from(frame.code), 1001);
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed | Error::Protocol(_))));
    assert_eq!(idle.rest(), b"");
    drop((held, sse, tcp, socket, idle));
    server.stopped(Duration::ZERO);
    let refused = std::net::TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_stopping_server_does_not_wait_for_clients_that_never_end() {
    let config = Config { grace: SECOND, ..Config::default() };
    let mut server = Server::start_with_manual_clock(config);
    let mut stuck = server.connect();
    stuck.send("POST /channels/a/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n");
    server.settle();
    server.stop();
    server.stopped(SECOND);
    assert_eq!(stuck.rest(), b"");
}
