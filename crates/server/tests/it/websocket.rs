//! What a WebSocket client may send, and how a WebSocket ends.

use std::io::Write;
use std::net::TcpStream;

use pushbench_server::Config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocket;
use tokio_tungstenite::tungstenite::{Error, Message, client};

use crate::support::{Server, next_message};

/// Reads until the close frame and returns its code.
fn close_code(socket: &mut WebSocket<TcpStream>) -> u16 {
    loop {
        if let Message::Close(frame) = socket.read().unwrap() {
            return frame.unwrap().code.into();
        }
    }
}

#[test]
fn messages_of_a_client_are_published() {
    let server = Server::start(Config::default());
    let mut sender = server.websocket("/channels/a/ws");
    let mut other = server.websocket("/channels/a/ws");
    sender.send(Message::text("hello")).unwrap();
    sender.send(Message::binary(&b"\xff\x00"[..])).unwrap();
    for socket in [&mut sender, &mut other] {
        assert_eq!(next_message(socket), Message::text("1\nhello"));
        assert_eq!(next_message(socket), Message::binary(&b"2\n\xff\x00"[..]));
    }
    assert_eq!(server.metric("pushbench_published_total"), 2);
}

#[test]
fn more_messages_than_fit_in_one_turn_are_all_published() {
    let server = Server::start(Config::default());
    let mut sender = server.websocket("/channels/a/ws");
    for _ in 0..1_000 {
        sender.write(Message::text("x")).unwrap();
    }
    sender.flush().unwrap();
    for id in 1..=1_000 {
        assert_eq!(next_message(&mut sender), Message::text(format!("{id}\nx")));
    }
}

#[test]
fn a_frame_sent_together_with_the_handshake_is_read() {
    let server = Server::start(Config::default());
    let mut connection = server.connect();
    connection.send(
        b"GET /channels/a/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
          \x81\x81\0\0\0\0x",
    );
    let head = connection.until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    // The example of RFC 6455 §1.3.
    assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    assert_eq!(connection.until("1\nx"), "\u{fffd}\u{3}1\nx");
}

#[test]
fn the_subprotocol_is_negotiated() {
    let server = Server::start(Config::default());
    let url = format!("ws://{}/channels/a/ws", server.address);
    for (offered, chosen) in [("x, pushbench.v1", Some("pushbench.v1")), ("", None)] {
        let mut request = url.clone().into_client_request().unwrap();
        if !offered.is_empty() {
            request.headers_mut().insert("sec-websocket-protocol", offered.parse().unwrap());
        }
        let (_, response) = client(request, server.connect().stream).unwrap();
        let answered = response.headers().get("sec-websocket-protocol");
        assert_eq!(answered.map(|value| value.to_str().unwrap()), chosen);
    }
}

#[test]
fn each_error_has_its_close_code() {
    let server = Server::start(Config { max_event_bytes: 10, ..Config::default() });
    let cases: [(&str, &[u8], u16); 6] = [
        ("too large", b"\x81\x8b\0\0\0\0xxxxxxxxxxx", 1009),
        ("too large in fragments", b"\x01\x88\0\0\0\0xxxxxxxx\x80\x88\0\0\0\0xxxxxxxx", 1009),
        ("not UTF-8", b"\x81\x81\0\0\0\0\xff", 1007),
        ("not masked", b"\x81\x01x", 1002),
        ("a reserved opcode", b"\x83\x80\0\0\0\0", 1002),
        ("a reserved bit", b"\xc1\x81\0\0\0\0x", 1002),
    ];
    for (name, frames, code) in cases {
        let mut socket = server.websocket("/channels/a/ws");
        socket.get_mut().write_all(frames).unwrap();
        assert_eq!(close_code(&mut socket), code, "{name}");
    }
    assert_eq!(server.metric("pushbench_published_total"), 0);
    assert_eq!(server.metric("pushbench_streams_rejected_total{transport=\"websocket\"}"), 6);
}

#[test]
fn a_client_that_closes_gets_a_close_frame_back() {
    let server = Server::start(Config::default());
    let mut socket = server.websocket("/channels/a/ws");
    socket.close(None).unwrap();
    let ended = loop {
        if let Err(error) = socket.read() {
            break error;
        }
    };
    assert!(matches!(ended, Error::ConnectionClosed), "{ended}");
    drop(socket);
    server.await_metric("pushbench_connections{transport=\"websocket\"}", 0);
}

#[test]
fn a_client_that_pings_without_reading_costs_little_and_gets_its_last_pong() {
    let server = Server::start(Config::default());
    let mut socket = server.websocket("/channels/a/ws");
    let before = server.metric("pushbench_memory_bytes");
    let ping = |payload: &[u8; 125]| [&b"\x89\xfd\0\0\0\0"[..], payload].concat();
    let many = ping(&[b'x'; 125]).repeat(512);
    // The pongs fill the socket buffers, and then the server's queue.
    for _ in 0..200 {
        socket.get_mut().write_all(&many).unwrap();
    }
    socket.get_mut().write_all(&ping(&[b'z'; 125])).unwrap();
    let after = server.metric("pushbench_memory_bytes");
    assert!(after < before + (32 << 10), "{before} bytes before, {after} after");
    while socket.read().unwrap() != Message::Pong(vec![b'z'; 125].into()) {}
}
