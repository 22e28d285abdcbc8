//! How long things last: heartbeats, time-outs, slow readers, and the end of the server.

use std::io::ErrorKind;
use std::time::Duration;

use pushbench_server::Config;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{Server, pause};

const SHORT: Duration = Duration::from_millis(100);

#[test]
fn an_idle_stream_is_kept_alive() {
    let server = Server::start(Config { heartbeat: SHORT, ..Config::default() });
    let mut sse = server.sse("/channels/a/sse");
    assert_eq!(sse.until("\n\n"), ":\n\n");
    let mut tcp = server.tcp("/channels/a/tcp");
    for _ in 0..2 {
        assert_eq!(tcp.next(), (false, Vec::new()), "an empty frame");
    }
    // Answering pings, which the client does while it reads, keeps a WebSocket open.
    let mut socket = server.websocket("/channels/a/ws");
    for _ in 0..5 {
        assert_eq!(socket.read().unwrap(), Message::Ping(Vec::new().into()));
    }
    server.publish_texts(&["1"]);
    assert_eq!(crate::support::next_message(&mut socket), Message::text("1\n1"));
}

#[test]
fn streams_that_open_together_do_not_beat_together() {
    // The 13th comes first, after 0.034 of the interval.
    let interval = Duration::from_secs(20);
    let server = Server::start(Config { heartbeat: interval, ..Config::default() });
    let mut streams: Vec<_> = (0..13).map(|_| server.sse("/channels/a/sse")).collect();
    assert_eq!(streams[12].until("\n\n"), ":\n\n");
}

#[test]
fn a_websocket_that_answers_no_ping_is_dropped() {
    let server = Server::start(Config { heartbeat: SHORT, ..Config::default() });
    let _silent = server.websocket("/channels/a/ws");
    server.await_metric("pushbench_connections{transport=\"websocket\"}", 1);
    server.await_metric("pushbench_connections{transport=\"websocket\"}", 0);
}

#[test]
fn an_idle_connection_outlives_the_header_timeout_but_not_the_keep_alive() {
    let config =
        Config { header_timeout: SHORT, keep_alive: Duration::from_secs(1), ..Config::default() };
    let server = Server::start(config);
    let mut connection = server.connect();
    for _ in 0..3 {
        assert_eq!(connection.get("/healthz", "").status, 200);
        pause(3 * SHORT);
    }
    assert_eq!(connection.rest(), b"");
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let server = Server::start(Config { header_timeout: SHORT, ..Config::default() });
    assert_eq!(server.connect().rest(), b"");
}

#[test]
fn headers_that_trickle_in_are_cut_off() {
    let server = Server::start(Config { header_timeout: 3 * SHORT, ..Config::default() });
    let mut connection = server.connect();
    assert_eq!(connection.get("/healthz", "").status, 200);
    connection.send("GET /healthz HTTP/1.1\r\n");
    for _ in 0..4 {
        pause(SHORT);
        // The server may have closed already.
        let _ = std::io::Write::write_all(&mut connection.stream, b"A: b\r\n");
    }
    assert_eq!(connection.response().status, 408);
}

#[test]
fn headers_that_begin_during_the_answer_before_are_cut_off_too() {
    let server = Server::start(Config { header_timeout: 3 * SHORT, ..Config::default() });
    let mut connection = server.connect();
    connection.send("GET /channels/a/long-poll?timeout_ms=600 HTTP/1.1\r\nHost: x\r\n\r\n");
    pause(SHORT);
    connection.send("GET /healthz HTTP/1.1\r\n");
    assert_eq!(connection.response().status, 204);
    assert_eq!(connection.response().status, 408);
}

#[test]
fn a_body_does_not_count_as_the_next_headers() {
    let server = Server::start(Config { header_timeout: SHORT, ..Config::default() });
    let mut connection = server.connect();
    connection.send("POST /channels/a/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n");
    pause(SHORT / 2);
    connection.send("x");
    assert_eq!(connection.response().status, 200);
    pause(3 * SHORT);
    assert_eq!(connection.get("/healthz", "").status, 200);
}

#[test]
fn a_slow_reader_costs_bounded_memory_and_is_told() {
    let server = Server::start(Config { log_events: 100, ..Config::default() });
    let mut slow = server.sse("/channels/a/sse");
    // Far more than the socket buffers of both sides take.
    let body = format!("{}\n", "x".repeat(10_000)).repeat(100);
    let rounds = 20;
    for _ in 0..rounds {
        assert_eq!(server.publish("/channels/a/events?split=lines", body.as_bytes()).status, 200);
    }
    assert_eq!(server.metric("pushbench_log_events"), 100);
    let mut decoder = pushbench_wire::sse::Decoder::new(1 << 20);
    let (mut last, mut notices) = (0, 0);
    while last < 100 * rounds {
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

#[test]
fn a_reader_that_takes_nothing_is_dropped() {
    let server = Server::start(Config { stall_timeout: 3 * SHORT, ..Config::default() });
    let _stuck = [server.sse("/channels/a/sse"), server.sse("/channels/b/sse")];
    let idle = server.sse("/channels/c/sse");
    let body = format!("{}\n", "x".repeat(10_000)).repeat(100);
    for _ in 0..20 {
        server.publish("/channels/a/events?split=lines", body.as_bytes());
        server.publish("/channels/b/events?split=lines", body.as_bytes());
    }
    server.await_metric("pushbench_connections{transport=\"sse\"}", 1);
    drop(idle);
}

#[test]
fn a_stopping_server_ends_everything_in_its_way() {
    let mut server = Server::start(Config::default());
    let mut idle = server.connect();
    assert_eq!(idle.get("/healthz", "").status, 200);
    let mut held = server.connect();
    held.send("GET /channels/a/long-poll HTTP/1.1\r\nHost: x\r\n\r\n");
    server.await_metric("pushbench_connections{transport=\"long-polling\"}", 1);
    let mut sse = server.sse("/channels/a/sse");
    let mut tcp = server.tcp("/channels/a/tcp");
    let mut socket = server.websocket("/channels/a/ws");
    let address = server.address;

    let stopped = server.stop();
    assert_eq!(held.response().status, 204);
    assert_eq!(held.rest(), b"");
    assert_eq!(sse.rest(), b"");
    assert_eq!(tcp.0.rest(), b"");
    let Message::Close(Some(frame)) = socket.read().unwrap() else { panic!("no close frame") };
    assert_eq!(u16::from(frame.code), 1001);
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed | Error::Protocol(_))));
    assert_eq!(idle.rest(), b"");
    drop((held, sse, tcp, socket, idle));
    stopped();
    let refused = std::net::TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_stopping_server_does_not_wait_for_those_who_never_end() {
    let mut server = Server::start(Config { grace: SHORT, ..Config::default() });
    let mut stuck = server.connect();
    stuck.send("POST /channels/a/events HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n");
    pause(SHORT);
    server.stop()();
    assert_eq!(stuck.rest(), b"");
}
