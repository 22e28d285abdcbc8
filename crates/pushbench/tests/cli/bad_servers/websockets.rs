//! WebSockets that are none, or not the one that was described.

use super::frames::{BINARY, CLOSE, COMPRESSED, CONTINUES, ENDS, PING, TEXT, TEXT_BEGINS};
use super::server::{Server, close};
use super::{Case, NOTHING_LASTED, check, check_measured};

const OFFERS: &str = "subprotocol = \"events.v1\"\n";

fn websocket(name: &'static str, server: Server, says: &str) -> Case {
    Case::new(name, "websocket", server, says)
}

#[test]
fn a_handshake_that_is_none() {
    check(vec![
        websocket(
            "another subprotocol",
            Server::new(|request, peer, _| peer.open(request, "sec-websocket-protocol: chat\r\n")),
            "the server chose another subprotocol than \"events.v1\"",
        )
        .with(OFFERS),
        websocket(
            "no subprotocol",
            Server::new(|request, peer, _| peer.open(request, "")),
            "the server did not choose the subprotocol \"events.v1\": does it know it?",
        )
        .with(OFFERS),
        websocket(
            "a subprotocol that nobody wants",
            Server::new(|request, peer, _| peer.open(request, "sec-websocket-protocol: chat\r\n")),
            "the server chose a subprotocol although none was offered: name it as `subprotocol`",
        ),
        websocket(
            "another key",
            Server::new(|_, peer, _| peer.open_with("bm90IHlvdXJzIGF0IGFsbCE=", "")),
            "the server does not open a WebSocket: Key mismatch in \"Sec-WebSocket-Accept\" header",
        ),
        websocket(
            "an extension that nobody wants",
            Server::new(|request, peer, _| {
                peer.open(request, "sec-websocket-extensions: permessage-deflate\r\n")?;
                peer.wait()
            }),
            "the server chose an extension although none was offered: \"permessage-deflate\"",
        ),
    ]);
}

#[test]
fn an_upgrade_that_is_refused() {
    check(vec![
        websocket(
            "400",
            Server::new(|_, peer, _| peer.answer("400 Bad Request", "", b"no such room")),
            "the server answered 400 Bad Request: \"no such room\"; is this the right path?",
        ),
        websocket(
            "chunks",
            Server::new(|_, peer, _| {
                peer.write(
                    b"HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n\
                      7\r\nCannot \r\n7\r\nGET /ws\r\n0\r\n\r\n",
                )?;
                close()
            }),
            "the server answered 404 Not Found: \"Cannot GET /ws\"; is this the right path?",
        ),
    ]);
}

#[test]
fn a_subscriber_who_has_to_join() {
    let greeting = || {
        Server::new(|request, peer, _| {
            peer.open(request, "")?;
            peer.send(TEXT, b"hello")?;
            peer.wait()
        })
    };
    let says = "the first message that nothing is said of: \"hello\": does one have to join first? \
                [server.x.websocket] has no `steps`";
    let mut silent = websocket("no steps", greeting(), says);
    silent.tables = silent.tables.replace("{ws}/events/{channel}/{subscriber}", "{ws}/");
    let mut joined = websocket(
        "steps that do not help",
        greeting(),
        "the first message that nothing is said of: \"hello\"",
    );
    joined.tables = joined.tables.replace("{ws}/events/{channel}/{subscriber}", "{ws}/");
    let joined = joined.with("steps = [{ send = \"join\" }]\n");
    check(vec![silent, joined]);
}

#[test]
fn a_connection_that_does_not_last() {
    check(vec![
        websocket(
            "closes at once",
            Server::new(|request, peer, _| {
                peer.open(request, "")?;
                close()
            }),
            NOTHING_LASTED,
        ),
        websocket(
            "closes by the protocol",
            Server::new(|request, peer, _| {
                peer.open(request, "")?;
                peer.send(CLOSE, &1000_u16.to_be_bytes())?;
                peer.wait()
            }),
            NOTHING_LASTED,
        ),
        websocket(
            "policy",
            Server::new(|request, peer, _| {
                peer.open(request, "")?;
                peer.send(CLOSE, b"\x03\xf0who are you?")?;
                peer.wait()
            }),
            "the server closed the connection with code 1008: \"who are you?\"",
        ),
        websocket(
            "compressed",
            Server::new(|request, peer, hub| {
                let events = hub.subscribe();
                peer.open(request, "")?;
                for payload in events {
                    peer.send(TEXT | COMPRESSED, &payload)?;
                }
                close()
            }),
            "the server sends frames with reserved bits: does it compress although nobody has asked it to?",
        ),
        websocket(
            "no text",
            Server::new(|request, peer, _| {
                peer.open(request, "")?;
                peer.send(TEXT, b"\xff\xfe")?;
                peer.wait()
            }),
            "the server sent text that is not UTF-8…",
        ),
        websocket(
            "a message that does not end",
            Server::new(|request, peer, _| {
                peer.open(request, "")?;
                peer.send(TEXT_BEGINS, b"a")?;
                loop {
                    peer.send(CONTINUES, &[b'a'; 60_000])?;
                }
            }),
            "the server sent a message of more than 1048576 bytes",
        ),
    ]);
}

#[test]
fn steps_that_lead_nowhere() {
    const STEPS: &str = "steps = [{ wait = { has = \"welcome\" }, capture = { session = \"/session/id\" } }, \
                         { send = \"join {session}\" }]\n";
    check(vec![
        websocket(
            "no pointer",
            Server::new(|request, peer, _| {
                peer.open(request, "")?;
                peer.send(TEXT, br#"{"type":"welcome","session":"s"}"#)?;
                peer.wait()
            }),
            "the server's message has no value for {session}: \"{\\\"type\\\":\\\"welcome\\\",\\\"session\\\":\\\"s\\\"}\"",
        )
        .with(STEPS),
        websocket(
            "closes instead",
            Server::new(|request, peer, _| {
                peer.open(request, "")?;
                peer.send(TEXT, br#"{"type":"error"}"#)?;
                close()
            }),
            "step 1 of [server.x.websocket]: the server ended the connection instead of sending a message that \
             contains \"welcome\"; before that it sent \"{\\\"type\\\":\\\"error\\\"}\"",
        )
        .with(STEPS),
        websocket(
            "closes instead, and says nothing",
            Server::new(|request, peer, _| {
                peer.open(request, "")?;
                close()
            }),
            "the server ended the connection instead of sending a message that contains \"welcome\"",
        )
        .with(STEPS),
    ]);
}

/// Answers `GET {url}/join` so.
fn joining(status: &'static str, body: &'static str) -> Server {
    Server::new(move |request, peer, _| match &request.path[..] {
        "/join" => peer.answer(status, "", body.as_bytes()),
        _ => {
            peer.open(request, "")?;
            peer.wait()
        }
    })
}

#[test]
fn requests_before_it_that_lead_nowhere() {
    const BEFORE: &str = "before = [{ request = \"GET {url}/join\", wait = { has = \"session\" }, \
                          capture = { session = \"/session/id\" } }]\n";
    check(vec![
        websocket(
            "404",
            joining("404 Not Found", ""),
            "GET http://AT/join: the server answered 404 Not Found; is this the right path?",
        )
        .with(BEFORE),
        websocket(
            "another answer",
            joining("200 OK", "{\"error\":1}"),
            "the answer to GET http://AT/join has no value for {session}: \"{\\\"error\\\":1}\"",
        )
        .with(BEFORE),
        websocket(
            "no pointer",
            joining("200 OK", "{\"session\":1}"),
            "the answer to GET http://AT/join has no value for {session}: \"{\\\"session\\\":1}\"",
        )
        .with(BEFORE),
    ]);
}

#[test]
fn what_is_unusual_but_right() {
    check_measured(vec![
        websocket(
            "fragments",
            Server::new(|request, peer, hub| {
                let events = hub.subscribe();
                peer.open(request, "")?;
                for payload in events {
                    let (begin, rest) = payload.split_at(payload.len() / 3);
                    let (middle, end) = rest.split_at(rest.len() / 2);
                    peer.send(TEXT_BEGINS, begin)?;
                    // Between the parts, others may come (RFC 6455 §5.4).
                    peer.send(PING, b"")?;
                    peer.send(CONTINUES, middle)?;
                    peer.send(CONTINUES, b"")?;
                    peer.send(ENDS, end)?;
                }
                close()
            }),
            "",
        ),
        websocket(
            "binary",
            Server::new(|request, peer, hub| {
                let events = hub.subscribe();
                peer.open(request, "")?;
                for payload in events {
                    peer.send(BINARY, &[b"\0\xff", &payload[..], b"\xfe"].concat())?;
                }
                close()
            }),
            "",
        ),
        websocket(
            "pings",
            Server::new(|request, peer, hub| {
                let events = hub.subscribe();
                peer.open(request, "")?;
                for (payload, number) in events.iter().zip(0_u8..) {
                    peer.send(PING, &[b'p', number])?;
                    peer.expect_pong(&[b'p', number])?;
                    peer.send(TEXT, &payload)?;
                }
                close()
            }),
            "",
        ),
    ]);
}
