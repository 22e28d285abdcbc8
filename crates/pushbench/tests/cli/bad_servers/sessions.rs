//! Sessions that outlive a connection, and those that do not, as Socket.IO has them: whatever a subscriber
//! misses is told by the server too, and must be what was counted.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::frames::TEXT;
use super::server::{Hub, Peer, Request, Server, close, lock};
use super::{Case, Ran, assert_values, check_measured, measured};

/// How many events a first connection carries: the last of them is in the measured time.
const LASTS: usize = 12;

fn case(name: &'static str, preset: &str, server: Server) -> Case {
    let tables = format!("[server.x]\nurl = \"http://AT\"\npreset = \"{preset}\"\n");
    Case { tables, ..Case::new(name, "websocket", server, "") }
}

/// The message of an event, whose offset is its place in the log.
fn event(hub: &Hub, place: usize) -> String {
    loop {
        if let Some(payload) = hub.log().get(place) {
            return format!("42[\"event\",{:?},\"{place}\"]", String::from_utf8_lossy(payload));
        }
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Sends events from this place on, so many of them.
fn send_events(peer: &mut Peer, hub: &Hub, from: usize, count: usize) -> io::Result<()> {
    (from..from.saturating_add(count))
        .try_for_each(|place| peer.send(TEXT, event(hub, place).as_bytes()))
}

fn expect(peer: &mut Peer, message: &str) -> io::Result<()> {
    match peer.receive()? == message {
        true => Ok(()),
        false => Err(ErrorKind::InvalidData.into()),
    }
}

/// Ends the first connections. Whoever comes again gets what has come since the offset that it names, or
/// else begins anew, and how much it has missed is added to `missed`.
fn breaking(missed: &Arc<AtomicUsize>) -> Server {
    let missed = Arc::clone(missed);
    Server::new(move |request, peer, hub| {
        peer.open(request, "")?;
        peer.send(TEXT, br#"0{"sid":"s"}"#)?;
        let asked = peer.receive()?;
        let offset = asked.strip_prefix(r#"40{"pid":"p","offset":""#);
        let offset = offset.and_then(|rest| rest.strip_suffix("\"}")?.parse::<usize>().ok());
        let published = hub.log().len();
        // One event is sent before what everybody waits for, as Socket.IO does.
        let from = match offset {
            Some(offset) => {
                send_events(peer, hub, offset + 1, 1)?;
                offset + 2
            }
            None => {
                missed.fetch_add(published.saturating_sub(LASTS), Ordering::Relaxed);
                published
            }
        };
        peer.send(TEXT, br#"40{"sid":"s","pid":"p"}"#)?;
        assert!(peer.receive()?.starts_with("421[\"subscribe\","));
        peer.send(TEXT, b"431[]")?;
        let is_first = from < LASTS;
        send_events(peer, hub, from, if is_first { LASTS - from } else { usize::MAX })?;
        close()
    })
}

#[test]
fn what_a_broken_connection_has_missed_is_counted() {
    let missed = Arc::new(AtomicUsize::new(0));
    let forgetful = case("forgetful", "socketio", breaking(&missed));
    let ran = Ran::of(&forgetful);
    let missed = missed.load(Ordering::Relaxed) as f64;
    assert!(missed > 0.0, "it is away for a while: {}", ran.said);
    if let Some(row) = measured(&ran) {
        assert_values(&forgetful, &row, &[("delivered", 40.0 - missed), ("lost", missed)]);
    }
}

#[test]
fn what_it_has_missed_is_had_again_by_the_last_offset() {
    let missed = Arc::new(AtomicUsize::new(0));
    check_measured(vec![case("recovers", "socketio-recovery", breaking(&missed))]);
    assert_eq!(missed.load(Ordering::Relaxed), 0);
}

/// Breaks each of the first two sessions with the connection of a poll that is open, as Socket.IO does. Later
/// ones go on behind the offset that they name.
fn breaking_polls() -> Server {
    let sessions: Mutex<Vec<Session>> = Mutex::default();
    Server::handling(move |request, peer, hub| {
        let sid = request.path.split_once("&sid=");
        let Some(number) = sid.and_then(|(_, sid)| sid.parse::<usize>().ok()) else {
            if request.method == "POST" {
                hub.publish(&request.body);
                return peer.answer("204 No Content", "", b"");
            }
            let mut sessions = lock(&sessions);
            sessions.push(Session { polls: 0, next: 0 });
            let opened = format!("0{{\"sid\":\"{}\"}}", sessions.len() - 1);
            return peer.answer("200 OK", "", opened.as_bytes());
        };
        if request.method == "POST" {
            let said = String::from_utf8_lossy(&request.body);
            let offset = said.strip_prefix(r#"40{"pid":"p","offset":""#);
            let offset = offset.and_then(|rest| rest.strip_suffix("\"}")?.parse::<usize>().ok());
            if let Some(offset) = offset {
                lock(&sessions)[number].next = offset + 1;
            }
            return peer.answer("200 OK", "", b"ok");
        }
        let (polls, next) = {
            let session = &mut lock(&sessions)[number];
            session.polls += 1;
            (session.polls, session.next)
        };
        if number < 2 && next >= LASTS {
            // It is over from then on.
            lock(&sessions)[number].next = usize::MAX;
            let unknown = br#"{"code":1,"message":"Session ID unknown"}"#;
            return match next {
                usize::MAX => peer.answer("400 Bad Request", "", unknown),
                _ => close(),
            };
        }
        let connected = "40{\"sid\":\"s\",\"pid\":\"p\"}".to_owned();
        let messages = match (polls, next) {
            (1, 0) => vec![connected],
            // What was missed comes first.
            (1, _) => vec![event(hub, next), connected],
            (2, _) => vec!["431[\"ok\"]".to_owned()],
            _ => {
                let first = event(hub, next);
                let has_second = hub.log().len() > next + 1;
                [first].into_iter().chain(has_second.then(|| event(hub, next + 1))).collect()
            }
        };
        let events = messages.iter().filter(|message| message.starts_with("42")).count();
        lock(&sessions)[number].next += events;
        peer.answer("200 OK", "", messages.join("\x1e").as_bytes())
    })
}

#[test]
fn what_polls_have_missed_is_had_again_by_the_last_offset() {
    let case = case("recovers by polls", "socketio-recovery", breaking_polls());
    let case = Case { transport: "long-polling", ..case };
    check_measured(vec![case]);
}

/// A session that begins with polls: how many it has answered, and which event is its next one.
struct Session {
    polls: usize,
    next: usize,
}

/// Lets a WebSocket take over. Later sessions have events, and a ping, on the poll that is open meanwhile.
fn upgrading() -> Server {
    let sessions: Mutex<Vec<Session>> = Mutex::default();
    Server::handling(move |request, peer, hub| {
        let number = request.path.split_once("&sid=").and_then(|(_, sid)| sid.parse().ok());
        match (&request.method[..], number) {
            ("POST", None) => {
                hub.publish(&request.body);
                peer.answer("204 No Content", "", b"")
            }
            ("POST", Some(_)) => peer.answer("200 OK", "", b"ok"),
            (_, None) => {
                let mut sessions = lock(&sessions);
                let number = sessions.len();
                let next = if number < 2 { 0 } else { LASTS };
                sessions.push(Session { polls: 0, next });
                peer.answer("200 OK", "", format!("0{{\"sid\":\"{number}\"}}").as_bytes())
            }
            (_, Some(number)) if request.header("upgrade").is_some() => {
                take_over(request, peer, hub, &sessions, number)
            }
            (_, Some(number)) => {
                let (polls, next) = {
                    let session = &mut lock(&sessions)[number];
                    session.polls += 1;
                    (session.polls, session.next)
                };
                let answer = match polls {
                    1 => "40{\"sid\":\"s\"}".to_owned(),
                    2 => "431[\"ok\"]".to_owned(),
                    _ if next == 0 => "6".to_owned(),
                    _ => {
                        let both = [event(hub, next), event(hub, next + 1)];
                        lock(&sessions)[number].next += 2;
                        both.join("\x1e2\x1e")
                    }
                };
                peer.answer("200 OK", "", answer.as_bytes())
            }
        }
    })
}

fn take_over(
    request: &Request,
    peer: &mut Peer,
    hub: &Hub,
    sessions: &Mutex<Vec<Session>>,
    number: usize,
) -> io::Result<()> {
    peer.open(request, "")?;
    expect(peer, "2probe")?;
    peer.send(TEXT, b"3probe")?;
    expect(peer, "5")?;
    let next = lock(sessions)[number].next;
    if next == 0 {
        send_events(peer, hub, next, LASTS)?;
        return close();
    }
    // To the ping of the poll.
    expect(peer, "3")?;
    send_events(peer, hub, next, usize::MAX)
}

#[test]
fn what_comes_by_a_poll_while_a_websocket_takes_over_counts_once() {
    check_measured(vec![case("upgrades", "socketio-upgrade", upgrading())]);
}
