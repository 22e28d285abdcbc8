//! Polls whose answers bring nothing, or too much.

use std::thread;
use std::time::Duration;

use super::server::{Server, close};
use super::{Case, NOTHING_CAME, check};

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
    cases.push(Case::new("half", "long-polling", half(), NOTHING_CAME));
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
