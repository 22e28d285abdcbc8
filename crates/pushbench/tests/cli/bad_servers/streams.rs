//! Event streams that are none, end, or say something else.

use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use pushbench_wire::stamp::STAMP_LEN;

use super::server::{Hub, Server, close};
use super::{Case, NOTHING_LASTED, check, check_measured, check_trial};

/// A stream in which each event is what `change` makes of it, given how many came before it.
fn changing(change: fn(usize, Vec<u8>, &Hub) -> Vec<Vec<u8>>) -> Server {
    Server::new(move |_, peer, hub| {
        let events = hub.subscribe();
        peer.begin_events()?;
        for (before, payload) in events.iter().enumerate() {
            for message in change(before, payload, hub) {
                peer.write(&[b"data: ", &message[..], b"\n\n"].concat())?;
            }
        }
        close()
    })
}

fn sse(name: &'static str, server: Server, says: &str) -> Case {
    Case::new(name, "sse", server, says)
}

#[test]
fn a_stream_that_is_none() {
    check(vec![
        sse(
            "ends at once",
            Server::new(|_, peer, _| {
                peer.begin_events()?;
                close()
            }),
            NOTHING_LASTED,
        ),
        sse(
            "compressed",
            Server::new(|_, peer, _| {
                let headers = "content-type: text/event-stream\r\ncontent-encoding: gzip\r\n";
                peer.answer("200 OK", headers, b"\x1f\x8b\x08")
            }),
            "the server compresses its answer although nobody has asked it to",
        ),
        sse(
            "a line that does not end",
            Server::new(|_, peer, _| {
                peer.begin_events()?;
                loop {
                    peer.write(&[b'x'; 10_000])?;
                }
            }),
            "the server sent more than 1048576 bytes in which no message ends: is `split` right?",
        ),
        sse(
            "an event that does not end",
            Server::new(|_, peer, _| {
                peer.begin_events()?;
                loop {
                    peer.write(b"data: and so on\n")?;
                }
            }),
            "the server sent more than 1048576 bytes in which no message ends: is `split` right?",
        ),
        sse(
            "no chunks",
            Server::new(|_, peer, _| {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                            transfer-encoding: chunked\r\n\r\ndata: hello\n\n";
                peer.write(head.as_bytes())?;
                peer.wait()
            }),
            NOTHING_LASTED,
        ),
    ]);
}

#[test]
fn events_that_nobody_knows() {
    check(vec![
        sse(
            "no stamp",
            changing(|before, _, _| vec![format!("{{\"price\":{before}}}").into_bytes()]),
            "no event was recognised in what the server sent; the first message that nothing is said of: \"{\\\"price\\\":0}\"",
        ),
        sse(
            "a digit that is none",
            changing(|_, mut payload, _| {
                payload[STAMP_LEN - 1] = b'?';
                vec![payload]
            }),
            "no event was recognised in what the server sent; the first message that nothing is said of: \"pb0…",
        ),
        sse(
            "another digit",
            changing(|_, mut payload, _| {
                // That of sequences which no trial has.
                payload[6] = b'e';
                vec![payload]
            }),
            " deliveries were of events that this trial did not publish…",
        ),
    ]);
}

#[test]
fn deliveries_that_are_not_as_published() {
    let twice = changing(|_, payload, _| vec![payload.clone(), payload]);
    check_trial(&sse("twice", twice, ""), &[("delivered", 40.0), ("duplicated", 40.0)]);
    let tenth = changing(|before, payload, _| match before % 10 {
        9 => Vec::new(),
        _ => vec![payload],
    });
    check_trial(&sse("every tenth", tenth, ""), &[("delivered", 36.0), ("lost", 4.0)]);
    // Warm-up has four events.
    let swapped = changing(|before, payload, hub| match before {
        10 => Vec::new(),
        11 => vec![payload, hub.log()[10].clone()],
        _ => vec![payload],
    });
    check_trial(&sse("swapped", swapped, ""), &[("delivered", 40.0), ("reordered", 2.0)]);
}

#[test]
fn payloads_within_something_else() {
    check_measured(vec![
        sse(
            "base64",
            changing(|before, payload, _| {
                let encoded = BASE64.encode(payload);
                vec![format!("{{\"n\":{before},\"data\":\"{encoded}\"}}").into_bytes()]
            }),
            "",
        ),
        sse(
            "JSON in JSON",
            changing(|_, payload, _| {
                let text = String::from_utf8(payload).unwrap();
                let inner = serde_json::json!({ "event": { "text": text } }).to_string();
                vec![serde_json::json!([{ "data": inner }, 1]).to_string().into_bytes()]
            }),
            "",
        ),
    ]);
}

#[test]
fn streams_that_are_unusual_but_right() {
    check_measured(vec![
        sse(
            "CR and fields in any order",
            Server::new(|_, peer, hub| {
                let events = hub.subscribe();
                let head = "HTTP/1.1 200 \r\nContent-Type: Text/Event-Stream;charset=utf-8\r\n\r\n\
                            retry: 10\r\r:\r\r";
                peer.write(head.as_bytes())?;
                for (payload, number) in events.iter().zip(0..) {
                    let id = format!("retry:5\rid: {number}\rdata: {{\rdata:");
                    peer.write(&[id.as_bytes(), &payload[..], b"\rdata\revent: x\r\r"].concat())?;
                }
                close()
            }),
            "",
        ),
        sse(
            "byte by byte",
            Server::new(|_, peer, hub| {
                let events = hub.subscribe();
                peer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                    transfer-encoding: chunked\r\n\r\n",
                )?;
                for payload in events {
                    for byte in [b"data: ", &payload[..], b"\n\n"].concat() {
                        peer.write(&[b'1', b'\r', b'\n', byte, b'\r', b'\n'])?;
                    }
                }
                close()
            }),
            "",
        ),
        sse(
            "many in one",
            Server::new(|_, peer, hub| {
                let events = hub.subscribe();
                peer.begin_events()?;
                while let Ok(first) = events.recv() {
                    // Whatever else has come by then; the last ones come by themselves.
                    thread::park_timeout(Duration::from_millis(60));
                    let all: Vec<_> = [first].into_iter().chain(events.try_iter()).collect();
                    let texts: Vec<_> = all.iter().map(|of| String::from_utf8_lossy(of)).collect();
                    let message = serde_json::json!({ "events": texts }).to_string();
                    peer.write(format!("data: {message}\n\n").as_bytes())?;
                }
                close()
            }),
            "",
        ),
    ]);
}
