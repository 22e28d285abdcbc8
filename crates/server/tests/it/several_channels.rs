//! A subscription to several channels: their events come in one order, labelled, and one number is
//! enough to go on from.

use std::thread;

use pushbench_server::Config;
use pushbench_wire::Transport;
use tokio_tungstenite::tungstenite::Message;

use crate::delivery::{Event, receive_of};
use crate::support::{Server, next_message};

fn publish(server: &Server, channel: &str, query: &str, payload: &str) {
    let target = format!("/channels/{channel}/events{query}");
    assert_eq!(server.publish(&target, payload.as_bytes()).status, 200);
}

fn event(id: u64, name: &str, payload: &str) -> Event {
    (id, name.to_owned(), payload.as_bytes().to_owned(), false)
}

#[test]
fn every_transport_merges_them_in_the_order_of_publishing_and_resumes_anywhere() {
    let server = Server::start(Config::default());
    publish(&server, "b", "", "1");
    publish(&server, "a", "?event=tick", "2");
    publish(&server, "other", "", "3");
    publish(&server, "b", "?split=lines", "4\n5\n");
    publish(&server, "a", "", "6");
    let all = [
        event(1, "b", "1"),
        event(2, "a/tick", "2"),
        event(4, "b", "4"),
        event(5, "b", "5"),
        event(6, "a", "6"),
    ];
    for &transport in Transport::ALL {
        for after in 0..6 {
            let rest: Vec<_> = all.iter().filter(|event| event.0 > after).cloned().collect();
            let received = receive_of(&server, "a,b,empty", transport, after, rest.len());
            assert_eq!(received, rest, "{transport} after {after}");
        }
    }
    let poll = server.get("/channels/a,b/poll?after=5");
    assert_eq!(poll.text(), r#"{"events":[{"id":6,"event":"a","data":"6"}],"last_event_id":6}"#);
    assert_eq!(server.get("/channels/a,b/poll?after=6").status, 204);
    let alone = server.get("/channels/a/poll?after=1");
    assert_eq!(alone.text(), r#"{"events":[{"id":2,"data":"6"}],"last_event_id":2}"#);
}

#[test]
fn new_events_of_any_of_them_come_at_once() {
    let server = Server::start(Config::default());
    publish(&server, "a", "", "old");
    let mut sse = server.sse("/channels/a,b/sse");
    let mut websocket = server.websocket("/channels/a,b/ws");
    let mut long_poll = server.connect();
    long_poll.send("GET /channels/a,b/long-poll?after=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    server.await_metric("pushbench_connections{transport=\"long-polling\"}", 1);
    for (id, channel) in [(2, "b"), (3, "a"), (4, "b")] {
        publish(&server, channel, "", "new");
        if id == 2 {
            let first = r#"{"events":[{"id":2,"event":"b","data":"new"}],"last_event_id":2}"#;
            assert_eq!(long_poll.response().text(), first);
        }
        assert_eq!(sse.until("\n\n"), format!("id: {id}\nevent: {channel}\ndata: new\n\n"));
        assert_eq!(next_message(&mut websocket), Message::text(format!("{id} {channel}\nnew")));
    }
}

#[test]
fn each_tells_what_was_missed_of_it() {
    let server = Server::start(Config { log_events: 2, ..Config::default() });
    publish(&server, "a", "?split=lines", "1\n2\n3\n4\n");
    publish(&server, "b", "", "5");
    let lagged = |id, missed: &str| event(id, "a/lagged", &format!(r#"{{"missed":{missed}}}"#));
    let kept = [event(3, "a", "3"), event(4, "a", "4"), event(5, "b", "5")];
    for &transport in Transport::ALL {
        let missed = [&[lagged(2, "null")], &kept[..]].concat();
        assert_eq!(receive_of(&server, "a,b", transport, 1, 4), missed, "{transport}");
        assert_eq!(receive_of(&server, "a,b", transport, 2, 3), kept, "{transport}");
        // Of an earlier server: nobody knows what was missed of any of them.
        let received = receive_of(&server, "a,b", transport, 99, 5);
        let names: Vec<_> = received.iter().map(|(_, name, ..)| &name[..]).collect();
        assert_eq!(names, ["b/lagged", "a/lagged", "a", "a", "b"], "{transport}");
    }
}

#[test]
fn nothing_is_lost_or_out_of_order_beside_many_publishers() {
    const EACH: usize = 300;
    let server = Server::start(Config::default());
    let names = ["a", "b", "c", "d"];
    let mut websocket = server.websocket("/channels/a,b,c,d/ws");
    thread::scope(|threads| {
        for name in names {
            let mut connection = server.connect();
            threads.spawn(move || {
                for _ in 0..EACH {
                    let head = format!("POST /channels/{name}/events HTTP/1.1\r\nHost: localhost");
                    connection.send(format!("{head}\r\nContent-Length: 1\r\n\r\nx"));
                    assert_eq!(connection.response().status, 200);
                }
            });
        }
        let mut sse = server.sse("/channels/d,c,b,a/sse?after=0");
        for id in 1..=names.len() * EACH {
            let message = next_message(&mut websocket).into_text().unwrap();
            assert!(message.starts_with(&format!("{id} ")), "{message} is not event {id}");
            assert!(sse.until("\n\n").starts_with(&format!("id: {id}\n")), "event {id}");
        }
    });
}

#[test]
fn what_cannot_be_subscribed_to_or_published_to_is_refused() {
    let server = Server::start(Config::default());
    let too_many = (0..257).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    for (channels, why) in [
        ("a,b,a", "the channel \"a\" is there twice"),
        ("a,", "\"\" is not a valid channel name"),
        (",a", "\"\" is not a valid channel name"),
        ("a,b%2C", "\"b%2C\" is not a valid channel name"),
        (&too_many, "257 channels are too many for one subscription; the limit is 256"),
    ] {
        let response = server.get(&format!("/channels/{channels}/poll"));
        assert_eq!(response.status, 400, "{channels}");
        assert!(response.reason().contains(why), "{}", response.reason());
    }
    assert_eq!(server.publish("/channels/a,b/events", b"x").status, 400, "to one at a time");
    let mut websocket = server.websocket("/channels/a,b/ws");
    websocket.send(Message::text("to whom?")).unwrap();
    let Message::Close(Some(close)) = next_message(&mut websocket) else { panic!("no close") };
    assert_eq!(u16::from(close.code), 1008);
    assert_eq!(server.metric("pushbench_published_total"), 0);
}
