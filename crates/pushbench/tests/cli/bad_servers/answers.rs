//! What a server answers when somebody subscribes.

use super::server::{Server, close};
use super::{Case, check};

/// Answers everybody who subscribes so.
fn answering(status: &'static str, headers: &'static str, body: impl Into<String>) -> Server {
    let body = body.into();
    Server::new(move |_, peer, _| peer.answer(status, headers, body.as_bytes()))
}

const TRANSPORTS: [&str; 4] = ["polling", "long-polling", "sse", "websocket"];

#[test]
fn nobody_listens() {
    let cases = TRANSPORTS.map(|transport| {
        Case::new("nobody", transport, Server::nobody(), "X")
    });
    check(cases.into());
}

#[test]
fn a_wrong_path() {
    let cases = TRANSPORTS.map(|transport| {
        let server = answering("404 Not Found", "content-type: text/plain\r\n", "no such page");
        Case::new("404", transport, server, "X")
    });
    check(cases.into());
}

#[test]
fn other_answers() {
    let page = format!("<html><body>{}</body></html>", "<p>Internal Server Error</p>".repeat(5_000));
    let html = "content-type: text/html\r\n";
    let json = "content-type: application/json\r\n";
    let mut cases = Vec::new();
    for transport in ["sse", "websocket", "long-polling"] {
        let mut add = |name, server| cases.push(Case::new(name, transport, server, "X"));
        add("401", answering("401 Unauthorized", json, "{\"error\":\"no token\"}"));
        add("403", answering("403 Forbidden", "", ""));
        add("426", answering("426 Upgrade Required", "upgrade: websocket\r\n", "Upgrade Required"));
        add("500", answering("500 Internal Server Error", html, page.clone()));
        add("302", answering("302 Found", "location: /login\r\n", ""));
        add("html", answering("200 OK", html, "<!doctype html><title>Welcome</title>"));
        add("json", answering("200 OK", json, "{\"events\":[]}"));
        add("garbage", Server::new(|_, peer, _| {
            peer.write(b"\x15\x03\x01\x00\x02\x02\x46")?;
            close()
        }));
        add("closes", Server::new(|_, _, _| close()));
        add("endless", Server::new(|_, peer, _| {
            peer.write(b"HTTP/1.1 500 Oops\r\ncontent-type: text/plain\r\n\r\n")?;
            loop {
                peer.write(&[b'x'; 1000])?;
            }
        }));
    }
    check(cases);
}
