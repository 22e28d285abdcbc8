//! Servers that do not take events as was said.

use super::server::{Peer, Server, close};
use super::{Case, check};

/// Subscribers are well, and events are answered so.
fn taking(answer: fn(&mut Peer) -> std::io::Result<()>) -> Server {
    Server::handling(move |request, peer, _| {
        if request.method == "POST" {
            return answer(peer);
        }
        peer.begin_events()?;
        peer.wait()
    })
}

fn publishing(name: &'static str, server: Server, says: &str) -> Case {
    Case::new(name, "sse", server, says)
}

#[test]
fn events_that_are_refused() {
    check(vec![
        publishing(
            "404",
            taking(|peer| {
                let page = "<html>\n<title>404</title>\n<h1>Not Found</h1>\n</html>\n";
                peer.answer("404 Not Found", "content-type: text/html\r\n", page.as_bytes())
            }),
            "the server refused an event with 404: <html> <title>404</title> <h1>Not Found</h1> </html>; is this the right path, and the right method?",
        ),
        publishing(
            "401",
            taking(|peer| peer.answer("401 Unauthorized", "", b"")),
            "the server refused an event with 401; does it want a token?",
        ),
        publishing(
            "302",
            taking(|peer| peer.answer("302 Found", "location: /login\r\n", b"")),
            "the server refused an event with 302; it redirects to /login, which is not followed",
        ),
        publishing(
            "an error in the body",
            taking(|peer| peer.answer("200 OK", "", br#"{"error":{"code":102}}"#)),
            "the server refused an event: {\"error\":{\"code\":102}}",
        )
        .publishing("refused = '\"error\"'\n"),
        publishing(
            "nobody",
            taking(|_| close()),
            "Connection refused (os error 111): is `publish.url` right?",
        )
        .published("[server.x.publish]\nurl = \"http://127.0.0.1:1/\"\n"),
        publishing(
            "415",
            taking(|peer| peer.answer("415 Unsupported Media Type", "", b"")),
            "the server refused an event with 415; does it want another `Content-Type` in `publish.headers`?",
        ),
        publishing(
            "no JSON",
            taking(|peer| peer.answer("400 Bad Request", "", b"Unexpected token p in JSON")),
            "the server refused an event with 400: Unexpected token p in JSON; in JSON, write {payload|json}",
        )
        .publishing("body = '{\"text\": {payload}}'\n"),
        publishing(
            "quotes twice",
            taking(|peer| peer.answer("422 Unprocessable", "", b"json_invalid")),
            "the server refused an event with 422: json_invalid; {payload|json} brings its quotes: write none \
             around it",
        )
        .publishing("body = '{\"text\": \"{payload|json}\"}'\n"),
        publishing(
            "right JSON",
            taking(|peer| peer.answer("400 Bad Request", "", b"bad JSON")),
            "the server refused an event with 400: bad JSON",
        )
        .publishing("body = '{\"text\": {payload|json}}'\n"),
        publishing(
            "closes",
            taking(|_| close()),
            "the server closed the publisher's connection with …",
        ),
        publishing(
            "garbage",
            taking(|peer| {
                peer.write(b"\x15\x03\x01\x00\x02\x02\x46")?;
                close()
            }),
            "the server's answer to an event is not HTTP: invalid HTTP version",
        ),
        publishing(
            "no end",
            taking(|peer| {
                peer.write(b"HTTP/1.1 200 OK\r\n\r\n")?;
                loop {
                    peer.write(&[b'x'; 1000])?;
                }
            }),
            "the server's answer to an event is larger than 65536 bytes",
        ),
    ]);
}
