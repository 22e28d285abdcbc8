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
            "X",
        ),
        publishing("401", taking(|peer| peer.answer("401 Unauthorized", "", b"")), "X"),
        publishing(
            "302",
            taking(|peer| peer.answer("302 Found", "location: /login\r\n", b"")),
            "X",
        ),
        publishing(
            "an error in the body",
            taking(|peer| peer.answer("200 OK", "", br#"{"error":{"code":102}}"#)),
            "X",
        )
        .publishing("refused = '\"error\"'\n"),
        publishing("closes", taking(|_| close()), "X"),
        publishing(
            "garbage",
            taking(|peer| {
                peer.write(b"\x15\x03\x01\x00\x02\x02\x46")?;
                close()
            }),
            "X",
        ),
        publishing(
            "no end",
            taking(|peer| {
                peer.write(b"HTTP/1.1 200 OK\r\n\r\n")?;
                loop {
                    peer.write(&[b'x'; 1000])?;
                }
            }),
            "X",
        ),
    ]);
}
