//! What does not come: each of these takes as long as pushbench waits for it.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::frames::TEXT;
use super::publishing_in_band::{ACKNOWLEDGED, TABLE, taking};
use super::redis::redis;
use super::server::Server;
use super::{Bench, Case, check};

#[test]
fn what_never_comes_is_not_awaited_for_ever() {
    const STEPS: &str = "steps = [{ wait = { starts = \"welcome\" } }]\n";
    check(vec![
        Case::new(
            "no message that a step waits for",
            "websocket",
            Server::new(|request, peer, _| {
                peer.open(request, "")?;
                peer.wait()
            }),
            "step 1 of [server.x.websocket]: the server sent no message that begins with \"welcome\" within \
             10s, and no other",
        )
        .with(STEPS),
        Case::new(
            "a message that comes when something was sent",
            "websocket",
            Server::new(|request, peer, _| {
                peer.open(request, "")?;
                peer.send(TEXT, b"who are you?")?;
                peer.wait()
            }),
            "step 1 of [server.x.websocket]: the server sent no message that begins with \"welcome\" within \
             10s; the last message was \"who are you?\". A step waits before it sends: put `send` into a step \
             of its own, before it",
        )
        .with("steps = [{ send = \"hello\", wait = { starts = \"welcome\" } }]\n"),
        Case::new(
            "no answer to a subscriber",
            "sse",
            Server::new(|_, peer, _| peer.wait()),
            "the server has not answered within 10s: does it keep the head of its answer until there is an event?",
        ),
        Case::new(
            "no answer to an event",
            "sse",
            Server::handling(|request, peer, _| {
                if request.method != "POST" {
                    peer.begin_events()?;
                }
                peer.wait()
            }),
            " requests of the publisher within 30s",
        ),
        Case::new(
            "no acknowledgement of an event",
            "sse",
            taking(|request, peer, _| {
                peer.open(request, "")?;
                peer.wait()
            }),
            " events of the publisher within 30s; it sent no message: does `acknowledged` mean what it sends?",
        )
        .published(&format!("{TABLE}{ACKNOWLEDGED}")),
        Case::new(
            "another acknowledgement of an event",
            "sse",
            taking(|request, peer, _| {
                peer.open(request, "")?;
                peer.send(TEXT, b"yes")?;
                peer.wait()
            }),
            " events of the publisher within 30s; its last message was \"yes\": does `acknowledged` mean what it \
             sends?",
        )
        .published(&format!("{TABLE}{ACKNOWLEDGED}")),
        Case::new(
            "no answer of Redis",
            "sse",
            Server::new(|_, peer, _| {
                peer.begin_events()?;
                peer.wait()
            }),
            "has not answered 1 command of the publisher within 10s: is it Redis?",
        )
        .published(&format!(
            "[server.x.publish]\nredis.url = \"redis://{}/1\"\n",
            redis(|commands| loop {
                commands.next()?;
            })
        )),
        Case::new(
            "no answer to a WebSocket",
            "websocket",
            Server::new(|_, peer, _| peer.wait()),
            "the server has not answered within 10s: does it keep the head of its answer until there is an event?",
        ),
        Case::new(
            "polls that do not end",
            "polling",
            Server::new(|_, peer, _| {
                peer.write(b"HTTP/1.1 200 OK\r\n\r\n")?;
                loop {
                    peer.write(b"x")?;
                    thread::park_timeout(Duration::from_millis(20));
                }
            }),
            "the server has not answered a poll within 10s, or its answers do not end: is that a path for long polls or for a stream?",
        ),
        Case::new(
            "no answer to a request before it",
            "sse",
            Server::new(|_, peer, _| peer.wait()),
            "GET http://AT/join: the server has not answered within 10s",
        )
        .with("before = [{ request = \"GET {url}/join\" }]\n"),
        Case::command(
            "a port that is never opened",
            "sleep 1000",
            "",
            "the server did not take connections at AT within 30s",
        ),
        Case::command(
            "another port",
            &format!("{} serve --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_pushbench")),
            "",
            ": does `command` pass {port}?",
        ),
    ]);
}

#[test]
fn ctrl_c_does_not_wait_for_a_publisher_that_connects() {
    let case = Case::new("none", "sse", taking(|_, peer, _| peer.wait()), "").published(TABLE);
    let bench = Bench::new();
    bench.scenario(&case.scenario());
    let mut run = bench.start_run();
    run.wait_for("warming up");
    #[expect(clippy::disallowed_methods, reason = "it measures no server")]
    let asked = Instant::now();
    run.signal(Signal::SIGINT);
    let (code, said) = run.finish();
    assert_eq!(code, Some(130), "{said}");
    // Whoever waits for the publisher has both to tell, and tells either.
    assert!(!said.contains("has not answered within"), "it was waited for: {said}");
    // It has just begun to wait, for 10 s.
    assert!(asked.elapsed() < Duration::from_secs(8), "it was waited for: {said}");
}
