//! What a server answers when somebody subscribes.

use super::server::{Server, close};
use super::{Case, check};

const TRANSPORTS: [&str; 4] = ["polling", "long-polling", "sse", "websocket"];

const TEXT: &str = "content-type: text/plain\r\n";
const HTML: &str = "content-type: text/html; charset=utf-8\r\n";
const JSON: &str = "content-type: application/json\r\n";

/// Answers everybody who subscribes so.
fn answering(status: &'static str, headers: &'static str, body: impl Into<String>) -> Server {
    let body = body.into();
    Server::new(move |_, peer, _| peer.answer(status, headers, body.as_bytes()))
}

/// The same server over transports that do not care what is answered if it is no success.
fn over_all(name: &'static str, server: impl Fn() -> Server, says: &str) -> Vec<Case> {
    TRANSPORTS.map(|transport| Case::new(name, transport, server(), says)).into()
}

#[test]
fn nobody_listens() {
    let says = "nobody listens at AT: does the server run, and is `url` in [server.x] right?";
    let mut cases = over_all("nobody", Server::nobody, says);
    for case in &mut cases {
        // Who publishes would be the first to find out.
        let other = Server::new(|_, peer, _| peer.answer("404 Not Found", "", b""));
        case.publish_at(other.address);
    }
    check(cases);
}

#[test]
fn tls() {
    let server = || answering("200 OK", TEXT, "");
    let says = "no TLS with AT: received corrupt message of type InvalidContentType (does it speak TLS at \
                this port? else use http://)";
    let alert = || {
        Server::new(|_, peer, _| {
            peer.write(b"\x15\x03\x01\x00\x02\x02\x46")?;
            close()
        })
    };
    let garbage = |transport, why: &str| {
        let says = format!(
            "what the server at AT answers is not HTTP ({why}): is this the right port, or does it want \
             https?"
        );
        Case::new("a server that speaks it", transport, alert(), &says)
    };
    let mut cases = vec![
        garbage("polling", "invalid HTTP version parsed"),
        garbage("long-polling", "invalid HTTP version parsed"),
        garbage("sse", "invalid HTTP version parsed"),
        garbage("websocket", "invalid HTTP version"),
    ];
    for transport in ["sse", "websocket"] {
        let mut case = Case::new("asked for", transport, server(), says);
        case.tables = case.tables.replace("http://AT", "https://AT");
        cases.push(case);
    }
    check(cases);
}

#[test]
fn a_wrong_path() {
    let server = || answering("404 Not Found", TEXT, "no such page");
    let says = "the server answered 404 Not Found: \"no such page\"; is this the right path?";
    check(over_all("404", server, says));
}

#[test]
fn nobody_may() {
    let server = || answering("401 Unauthorized", JSON, "{\"error\":\"no token\"}");
    let says = "the server answered 401 Unauthorized: \"{\\\"error\\\":\\\"no token\\\"}\"; \
                does it want a token or an Origin?";
    let mut cases = over_all("401", server, says);
    let says = "the server answered 403 Forbidden; does it want a token or an Origin?";
    cases.extend(over_all("403", || answering("403 Forbidden", "", ""), says));
    check(cases);
}

#[test]
fn another_protocol_or_place() {
    let upgrade = || answering("426 Upgrade Required", "upgrade: websocket\r\n", "");
    let says = "the server answered 426 Upgrade Required; it wants another protocol here, such as \
                WebSocket";
    let mut cases = over_all("426", upgrade, says);
    let found = || answering("302 Found", "location: http://a.example/login\r\n", "");
    let says = "the server answered 302 Found; it redirects to \"http://a.example/login\", which is not \
                followed: use that URL";
    cases.extend(over_all("302", found, says));
    check(cases);
}

#[test]
fn a_server_that_is_broken() {
    let page = format!("<html>\n{}</html>", "<p>Internal Server Error</p>\n".repeat(5_000));
    let line = "<p>Internal Server Error</p>\\n";
    let quoted: String = format!("<html>\\n{}", line.repeat(10)) + "<p>";
    let says = format!("the server answered 500 Internal Server Error: \"{quoted}\"…");
    let mut cases =
        over_all("500", move || answering("500 Internal Server Error", HTML, page.clone()), &says);
    // It has no end, and need not be read to it.
    let endless = || {
        Server::new(|_, peer, _| {
            peer.write(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")?;
            loop {
                peer.write(&[b'x'; 1000])?;
            }
        })
    };
    let says = format!("the server answered 503 Service Unavailable: \"{}\"…", "x".repeat(300));
    cases.extend(over_all("endless", endless, &says));
    let says = "the server at AT closed a new connection without an answer: does it speak HTTP there, or \
                does it want https?";
    cases.extend(over_all("closes", || Server::new(|_, _, _| close()), says));
    check(cases);
}

#[test]
fn something_else_with_200() {
    const PAGE: &str = "<!doctype html><title>Welcome</title>";
    let page = || answering("200 OK", HTML, PAGE);
    let json = || answering("200 OK", JSON, "[]");
    check(vec![
        Case::new(
            "html",
            "sse",
            page(),
            "the server answered with text/html; charset=utf-8, not with text/event-stream: is this the \
             right path?",
        ),
        Case::new(
            "json",
            "sse",
            json(),
            "the server answered with application/json, not with text/event-stream: is this the right \
             path?",
        ),
        Case::new(
            "no type",
            "sse",
            answering("200 OK", "", "data: a\n\n"),
            "the server answered with no content type, not with text/event-stream: is this the right \
             path?",
        ),
        Case::new(
            "html",
            "websocket",
            page(),
            "the server answered 200 OK: \"<!doctype html><title>Welcome</title>\"; that does not open a \
             WebSocket: is this the right path?",
        ),
        Case::new(
            "html",
            "polling",
            page(),
            "no event was recognised in what the server sent; the first message that nothing is said of: \
             \"<!doctype html><title>Welcome</title>\"",
        ),
        Case::new(
            "json",
            "long-polling",
            json(),
            "no event was recognised in what the server sent; the first message that nothing is said of: \
             \"[]\"",
        ),
    ]);
}
