//! Polls whose answers bring nothing, or too much.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::server::{Peer, Server, close, lock};
use super::{Case, NOTHING_CAME, NOTHING_LASTED, check, check_measured};

const PULLS: [&str; 2] = ["polling", "long-polling"];

fn over_both(name: &'static str, server: impl Fn() -> Server, says: &str) -> Vec<Case> {
    PULLS.map(|transport| Case::new(name, transport, server(), says)).into()
}

#[test]
fn polls_that_bring_nothing() {
    let nothing = || Server::new(|_, peer, _| peer.answer("204 No Content", "", b""));
    let mut cases = over_both("nothing", nothing, NOTHING_CAME);
    let half = || {
        Server::new(|_, peer, _| {
            peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")?;
            close()
        })
    };
    let says = "the connection broke: error reading a body from connection";
    cases.push(Case::new("half", "polling", half(), says));
    cases.push(Case::new("half", "long-polling", half(), NOTHING_LASTED));
    let endless = Server::new(|_, peer, _| {
        peer.write(b"HTTP/1.1 200 OK\r\n\r\n")?;
        loop {
            peer.write(b"x")?;
            thread::park_timeout(Duration::from_millis(20));
        }
    });
    cases.push(Case::new("no end", "long-polling", endless, NOTHING_CAME));
    check(cases);
}

#[test]
fn polls_that_bring_too_much() {
    let large = || Server::new(|_, peer, _| peer.answer("200 OK", "", &vec![b'x'; 65 << 20]));
    let says = "the server sent an answer of more than 67108864 bytes";
    let mut cases = over_both("65 MiB", large, says);
    let packed = || {
        Server::new(|_, peer, _| {
            peer.answer("200 OK", "content-encoding: gzip\r\n", b"\x1f\x8b\x08")
        })
    };
    let says = "the server compresses its answer although nobody has asked it to";
    cases.extend(over_both("compressed", packed, says));
    check(cases);
}

/// The events behind as many as a subscriber has got, in `answer`.
fn polled(answer: fn(&mut Peer, &[u8]) -> io::Result<()>) -> Server {
    let taken = Mutex::new(BTreeMap::new());
    Server::new(move |request, peer, hub| {
        let new = {
            let (mut taken, log) = (lock(&taken), hub.log());
            let before =
                std::mem::replace(taken.entry(request.path.clone()).or_insert(0), log.len());
            log[before..].join(&b"|"[..])
        };
        answer(peer, &new)
    })
}

#[test]
fn polls_that_are_unusual_but_right() {
    check_measured(vec![
        Case::new(
            "HTTP/1.0",
            "polling",
            polled(|peer, new| {
                peer.write(&[b"HTTP/1.0 200 OK\r\n\r\n", new].concat())?;
                close()
            }),
            "",
        ),
        Case::new(
            "hints before the answer",
            "polling",
            polled(|peer, new| {
                peer.write(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")?;
                peer.answer("200 OK", "", new)
            }),
            "",
        ),
        Case::new(
            "chunks",
            "long-polling",
            polled(|peer, new| {
                peer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
                for piece in new.chunks(50) {
                    let size = format!("{:X};why=not\r\n", piece.len());
                    peer.write(&[size.as_bytes(), piece, b"\r\n"].concat())?;
                }
                peer.write(b"0\r\nx-trailer: 1\r\n\r\n")
            }),
            "",
        ),
        Case::new(
            "timeouts of a gateway",
            "long-polling",
            polled(|peer, new| match new {
                b"" => peer.answer("504 Gateway Timeout", "", b"<html>"),
                new => peer.answer("200 OK", "connection: close\r\n", new),
            }),
            "",
        ),
    ]);
}
