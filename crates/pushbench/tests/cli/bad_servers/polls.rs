//! Polls whose answers bring nothing, or too much.

use std::thread;
use std::time::Duration;

use super::server::{Server, close};
use super::{Case, check};

#[test]
fn polls_in_vain() {
    let mut cases = Vec::new();
    for transport in ["polling", "long-polling"] {
        let nothing = Server::new(|_, peer, _| peer.answer("204 No Content", "", b""));
        cases.push(Case::new("nothing", transport, nothing, "X"));
        let too_much = Server::new(|_, peer, _| peer.answer("200 OK", "", &vec![b'x'; 65 << 20]));
        cases.push(Case::new("too much", transport, too_much, "X"));
        let half = Server::new(|_, peer, _| {
            peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")?;
            close()
        });
        cases.push(Case::new("half", transport, half, "X"));
        let slow = Server::new(|_, peer, _| {
            peer.write(b"HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                peer.write(b"x")?;
                thread::park_timeout(Duration::from_millis(20));
            }
        });
        cases.push(Case::new("no end", transport, slow, "X"));
    }
    check(cases);
}
