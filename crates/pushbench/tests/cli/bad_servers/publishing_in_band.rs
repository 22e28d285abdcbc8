//! Servers that do not take events over a WebSocket as was said.

use std::io;

use super::frames::{CLOSE, PING, TEXT};
use super::server::{Hub, Peer, Request, Server, close};
use super::{Case, check, check_measured};

/// Where events go, and what is sent for each.
pub(super) const TABLE: &str = "[server.x.publish.websocket]\nurl = \"{ws}/publish\"\n\
                                send = '{\"say\":{payload|json}}'\n";
pub(super) const ACKNOWLEDGED: &str = "acknowledged = { has = \"ok\" }\n";

/// Subscribers are well, and who publishes gets this.
pub(super) fn taking(
    publish: impl Fn(&Request, &mut Peer, &Hub) -> io::Result<()> + Send + Sync + 'static,
) -> Server {
    Server::handling(move |request, peer, hub| {
        if request.path == "/publish" {
            return publish(request, peer, hub);
        }
        let events = hub.subscribe();
        peer.begin_events()?;
        for event in events {
            peer.write(&[b"data: ", &event[..], b"\n\n"].concat())?;
        }
        peer.wait()
    })
}

fn publishing(
    name: &'static str,
    more: &str,
    publish: impl Fn(&Request, &mut Peer, &Hub) -> io::Result<()> + Send + Sync + 'static,
    says: &str,
) -> Case {
    Case::new(name, "sse", taking(publish), says).published(&format!("{TABLE}{more}"))
}

#[test]
fn a_publisher_whom_the_server_does_not_want() {
    check(vec![
        publishing(
            "refused",
            "",
            |_, peer, _| peer.answer("401 Unauthorized", "", b"who are you?"),
            "the publisher cannot open its WebSocket: the server answered 401 Unauthorized: \
             \"who are you?\"; does it want a token or an Origin?",
        ),
        publishing(
            "no WebSocket",
            "",
            |_, peer, _| peer.answer("200 OK", "", b""),
            "the publisher cannot open its WebSocket: the server answered 200 OK; that does not open a \
             WebSocket: is this the right path?",
        ),
        publishing(
            "closes at once",
            "",
            |_, _, _| close(),
            "does it speak HTTP there, or does it want https?",
        ),
        publishing(
            "another answer than a step waits for",
            "steps = [{ send = \"hello\" }, { wait = { has = \"welcome\" } }]\n",
            |request, peer, _| {
                peer.open(request, "")?;
                peer.frame()?;
                peer.send(TEXT, b"go away")?;
                close()
            },
            "the publisher cannot open its WebSocket: step 2 of [server.x.publish.websocket]: the server \
             ended the connection instead of sending a message that contains \"welcome\"; before that it sent \"go away\"",
        ),
        publishing(
            "closes with a reason",
            "",
            |request, peer, _| {
                peer.open(request, "")?;
                peer.frame()?;
                peer.send(CLOSE, b"\x03\xf0too fast")?;
                peer.wait()
            },
            "the publisher's WebSocket: the server closed the connection with code 1008: \"too fast\"",
        ),
        publishing(
            "leaves",
            ACKNOWLEDGED,
            |request, peer, _| {
                peer.open(request, "")?;
                for _ in 0..3 {
                    peer.frame()?;
                    peer.send(TEXT, b"ok")?;
                }
                peer.send(CLOSE, b"")?;
                peer.wait()
            },
            "the server closed the publisher's WebSocket",
        ),
        publishing(
            "breaks",
            "",
            |request, peer, _| {
                peer.open(request, "")?;
                peer.frame()?;
                close()
            },
            "the server closed the publisher's WebSocket",
        ),
        publishing(
            "refuses an event",
            "refused = { starts = \"error\" }\n",
            |request, peer, _| {
                peer.open(request, "")?;
                peer.frame()?;
                peer.send(TEXT, b"error: not in this room")?;
                peer.wait()
            },
            "the server refused an event: \"error: not in this room\"",
        ),
        publishing(
            "acknowledges too much",
            ACKNOWLEDGED,
            |request, peer, _| {
                peer.open(request, "")?;
                peer.send(TEXT, b"ok")?;
                peer.wait()
            },
            "the server acknowledges what nobody has sent: does `acknowledged` mean another message than \
             \"ok\"?",
        ),
        publishing(
            "no frames",
            "",
            |request, peer, _| {
                peer.open(request, "")?;
                peer.frame()?;
                peer.write(&b"HTTP/1.1 500 Oops\r\n\r\n".repeat(9))?;
                peer.wait()
            },
            "the publisher's WebSocket: the server sends frames with reserved bits: does it compress \
             although nobody has asked it to?",
        ),
    ]);
}

/// Takes what is said, until the client says that it goes.
fn chat(request: &Request, peer: &mut Peer, hub: &Hub, acknowledge: bool) -> io::Result<()> {
    peer.open(request, "")?;
    peer.send(PING, b"there?")?;
    loop {
        let (first, payload) = peer.frame()?;
        match first {
            CLOSE => return peer.send(CLOSE, &payload),
            TEXT => {}
            _ => continue,
        }
        let said: serde_json::Value = serde_json::from_slice(&payload)?;
        let event = said["say"].as_str().unwrap_or_default().as_bytes();
        hub.publish(event);
        // Whoever says something hears it, too.
        peer.send(TEXT, event)?;
        if acknowledge {
            peer.send(TEXT, b"ok")?;
        }
    }
}

#[test]
fn what_is_said_is_delivered() {
    let quiet = |request: &Request, peer: &mut Peer, hub: &Hub| chat(request, peer, hub, false);
    let loud = |request: &Request, peer: &mut Peer, hub: &Hub| chat(request, peer, hub, true);
    check_measured(vec![
        publishing("nobody acknowledges", "", quiet, ""),
        publishing("each is acknowledged", ACKNOWLEDGED, loud, ""),
        publishing(
            "a connection for each channel",
            "headers = { Room = \"{channel}\" }\n",
            quiet,
            "",
        ),
    ]);
}
