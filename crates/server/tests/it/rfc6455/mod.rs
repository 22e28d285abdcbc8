//! RFC 6455 as the server keeps it, with the compression of RFC 7692 and without: what a client sends, and the
//! one right answer to each.

mod control;
mod deflate;
mod frames;
mod handshakes;
mod text;

use std::io::{Read, Write};
use std::net::Shutdown;

use flate2::{Decompress, FlushDecompress};
use pushbench_server::Config;

use crate::in_runtime::without_heartbeats;
use crate::support::{Connection, Server};

/// The largest message that the server takes here: more than 16 bits can count.
const MAX_BYTES: usize = 70_000;

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// What a client sends after the handshake, and what comes back.
struct Case {
    name: String,
    sent: Vec<u8>,
    /// The messages that are published and so come back, as `(opcode, payload)`.
    messages: Vec<(u8, Vec<u8>)>,
    pongs: Vec<Vec<u8>>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The connection stays open, until the client closes it with 1000.
    Open,
    /// The server closes with this code, or without one, as the client did.
    Closes(Option<u16>),
}

impl Case {
    /// The client violates the protocol, and the server closes with `code`.
    fn fails(name: impl Into<String>, sent: Vec<u8>, code: u16) -> Self {
        let end = End::Closes(Some(code));
        Self { name: name.into(), sent, messages: Vec::new(), pongs: Vec::new(), end }
    }

    /// The client sends this one message.
    fn message(name: impl Into<String>, sent: Vec<u8>, opcode: u8, payload: &[u8]) -> Self {
        let messages = vec![(opcode, payload.to_vec())];
        Self { name: name.into(), sent, messages, pongs: Vec::new(), end: End::Open }
    }
}

/// How a length is written.
#[derive(Clone, Copy, Debug)]
enum Length {
    Bits7,
    Bits16,
    Bits64,
}

/// A frame with any first byte and any way to write its length, masked.
fn raw_frame(first: u8, length: Length, len: u64, payload: &[u8]) -> Vec<u8> {
    masked_frame(first, length, len, payload, [0x37, 0xfa, 0x21, 0x3d])
}

fn masked_frame(first: u8, length: Length, len: u64, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    let mut frame = vec![first];
    match length {
        Length::Bits7 => frame.push(MASKED | len as u8),
        Length::Bits16 => {
            frame.push(MASKED | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        Length::Bits64 => {
            frame.push(MASKED | 127);
            frame.extend(len.to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A frame as it should be.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        0..=125 => Length::Bits7,
        126..=65_535 => Length::Bits16,
        _ => Length::Bits64,
    };
    raw_frame(first, length, payload.len() as u64, payload)
}

/// A close with a code.
fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes()[..], reason].concat())
}

/// The opcode and the payload of the next frame of the server; `None` at the end.
fn next_frame(connection: &mut Connection) -> Option<(u8, Vec<u8>)> {
    let stream = &mut connection.stream;
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    let is_deflated = head[0] & 0x40 != 0;
    assert_eq!(head[0] & 0xb0, FIN, "whole, and no reserved bit");
    let len = match head[1] {
        126 => {
            let mut len = [0; 2];
            stream.read_exact(&mut len).unwrap();
            usize::from(u16::from_be_bytes(len))
        }
        127 => {
            let mut len = [0; 8];
            stream.read_exact(&mut len).unwrap();
            u64::from_be_bytes(len) as usize
        }
        len => {
            assert!(len < 126, "not masked");
            usize::from(len)
        }
    };
    let mut payload = vec![0; len];
    stream.read_exact(&mut payload).unwrap();
    if is_deflated {
        let mut message = Vec::with_capacity(2 * MAX_BYTES);
        payload.extend([0, 0, 0xff, 0xff]);
        let mut inflater = Decompress::new(false);
        inflater.decompress_vec(&payload, &mut message, FlushDecompress::Sync).unwrap();
        payload = message;
    }
    Some((head[0] & 0xf, payload))
}

/// Sends what `case` sends, in pieces, and compares what comes back.
fn check(server: &Server, case: &Case, channel: &str, extension: &str, piece: usize) {
    let mut connection = server.connect();
    connection.send(format!(
        "GET /channels/{channel}/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extension}\r\n"
    ));
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", case.name);
    let is_agreed = String::from_utf8(head).unwrap().contains("permessage-deflate");
    assert_eq!(is_agreed, !extension.is_empty(), "{}", case.name);
    for piece in case.sent.chunks(piece) {
        // The server may have closed already.
        let _ = connection.stream.write_all(piece);
    }
    let (mut messages, mut pongs, mut end) = (Vec::new(), Vec::new(), None);
    let mut asked = false;
    while end.is_none() {
        let is_complete = messages.len() >= case.messages.len() && pongs.len() >= case.pongs.len();
        if case.end == End::Open && is_complete && !asked {
            asked = true;
            connection.send(close(1000, b""));
        }
        match next_frame(&mut connection) {
            Some((TEXT | BINARY, _)) if end.is_some() => panic!("{}: after the close", case.name),
            Some((opcode @ (TEXT | BINARY), message)) => {
                let id_end = message.iter().position(|&byte| byte == b'\n').unwrap();
                messages.push((opcode, message[id_end + 1..].to_vec()));
            }
            Some((PONG, payload)) => pongs.push(payload),
            Some((CLOSE, payload)) => {
                end = Some(payload.first_chunk().map(|code| u16::from_be_bytes(*code)));
            }
            other => panic!("{}: {other:?}", case.name),
        }
    }
    let expected = match case.end {
        End::Open => Some(1000),
        End::Closes(code) => code,
    };
    assert_eq!(end, Some(expected), "{}: how it ends", case.name);
    // A server that closes need not send what has just been published.
    let arrived = if case.end == End::Open {
        messages == case.messages
    } else {
        case.messages.starts_with(&messages)
    };
    assert!(arrived, "{}: the messages", case.name);
    assert_eq!(pongs, case.pongs, "{}", case.name);
    let _ = connection.stream.shutdown(Shutdown::Write);
    assert_eq!(next_frame(&mut connection), None, "{}: nothing follows", case.name);
}

#[test]
fn every_frame_gets_the_answer_of_rfc_6455() {
    let config = Config { max_event_bytes: MAX_BYTES, ..without_heartbeats() };
    let cases: Vec<_> =
        [frames::cases(), control::cases(), text::cases()].into_iter().flatten().collect();
    assert!(cases.len() > 300, "{} cases", cases.len());
    check_all(&config, &cases, "");
}

#[test]
fn every_frame_gets_the_answer_of_rfc_7692_where_messages_may_be_compressed() {
    let config = Config { max_event_bytes: MAX_BYTES, compression: true, ..without_heartbeats() };
    let mut cases = deflate::cases();
    assert!(cases.len() > 60, "{} cases", cases.len());
    let without = [frames::cases(), control::cases(), text::cases()].into_iter().flatten();
    // The bit that says that a message is compressed is no longer reserved.
    let says_it = ["opcode 1, reserved 0x40", "opcode 2, reserved 0x40"];
    cases.extend(without.filter(|case| !says_it.contains(&&case.name[..])));
    check_all(&config, &cases, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
}

fn check_all(config: &Config, cases: &[Case], extension: &str) {
    for server in Server::plain_and_by_tls(config) {
        for (number, case) in cases.iter().enumerate() {
            check(&server, case, &format!("whole-{number}"), extension, usize::MAX);
            // However the network cuts it.
            if case.sent.len() < 100 {
                check(&server, case, &format!("bytes-{number}"), extension, 1);
            }
        }
    }
}
