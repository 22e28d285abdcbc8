//! Several servers with a Redis between them: they are one to their subscribers, whatever becomes of the connection.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use pushbench_server::{BrokerMode, Config, check_broker};
use pushbench_wire::Transport;
use tokio_tungstenite::tungstenite::Message;

use crate::delivery::{Event, receive_of};
use crate::redis::{Redis, config};
use crate::support::{Connection, Server, next_message, pause};

fn nodes(redis: &Redis, mode: BrokerMode, count: usize) -> Vec<Server> {
    let start = |_| {
        let node = Server::start(redis.config(mode));
        // One after the other, so that the connection of the first is the oldest.
        node.settle();
        node
    };
    (0..count).map(start).collect()
}

fn publish(server: &Server, channel: &str, payload: &str) -> String {
    let answer = server.publish(&format!("/channels/{channel}/events"), payload.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

fn event(id: u64, name: &str, payload: &str) -> Event {
    (id, name.to_owned(), payload.as_bytes().to_owned(), false)
}

fn lagged(id: u64, missed: &str) -> Event {
    event(id, "lagged", &format!(r#"{{"missed":{missed}}}"#))
}

/// Lets every node have a channel from now on.
fn attach(nodes: &[Server], channel: &str) {
    for node in nodes {
        assert_eq!(node.get(&format!("/channels/{channel}/poll")).status, 204);
    }
}

/// What a stream brings next.
fn next(sse: &mut Connection) -> String {
    loop {
        let event = sse.until("\n\n");
        if !event.starts_with(':') {
            return event;
        }
    }
}

#[test]
fn what_is_published_on_any_node_reaches_all_with_the_same_ids() {
    for mode in BrokerMode::ALL {
        let redis = Redis::start();
        let nodes = nodes(&redis, mode, 3);
        attach(&nodes, "a");
        let mut websockets: Vec<_> =
            nodes.iter().map(|node| node.websocket("/channels/a/ws")).collect();
        for id in 1..=5 {
            let answer = publish(&nodes[id % 3], "a", &id.to_string());
            assert_eq!(answer, format!(r#"{{"id":{id},"count":1}}"#), "{mode}");
        }
        websockets[1].send(Message::text("6")).unwrap();
        let lines = nodes[2].publish("/channels/a/events?split=lines&event=tick", b"7\n8\n");
        assert_eq!(lines.status, 200);
        for websocket in &mut websockets {
            let mut all = Vec::new();
            for _ in 0..8 {
                all.push(next_message(websocket).into_text().unwrap().to_string());
            }
            // Nobody knows when what came from the socket was published.
            let bodies: Vec<_> = all.iter().map(|of| of.split_once('\n').unwrap().1).collect();
            let mut sorted = bodies.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, ["1", "2", "3", "4", "5", "6", "7", "8"], "{mode}: {all:?}");
            assert_eq!(bodies[..5], ["1", "2", "3", "4", "5"], "{mode}");
            let number =
                |of: &String| of.split([' ', '\n']).next().unwrap().parse::<u64>().unwrap();
            let ids = all.iter().map(number);
            assert!(ids.eq(1..=8), "{mode}: {all:?}");
        }
        // Everybody has the same log.
        let log = nodes[0].get("/channels/a/poll?after=3").text();
        for node in &nodes[1..] {
            assert_eq!(node.get("/channels/a/poll?after=3").text(), log, "{mode}");
            assert_eq!(node.metric("pushbench_broker_missed_events_total"), 0);
        }
    }
}

#[test]
fn every_transport_goes_on_at_another_node() {
    let redis = Redis::start();
    let nodes = nodes(&redis, BrokerMode::PubSub, 2);
    attach(&nodes, "a");
    for id in 1..=5 {
        publish(&nodes[0], "a", &id.to_string());
    }
    for node in &nodes {
        // Who is ahead of a node waits until it has what there is.
        assert_eq!(node.get("/channels/a/poll?after=5").status, 204);
    }
    for &transport in Transport::ALL {
        for after in 0..5 {
            let rest: Vec<_> =
                (after + 1..=5).map(|id| event(id, "message", &id.to_string())).collect();
            for node in &nodes {
                let received = receive_of(node, "a", transport, after, rest.len());
                assert_eq!(received, rest, "{transport} after {after}");
            }
        }
    }
}

#[test]
fn a_node_that_did_not_know_the_channel_fetches_what_there_was_or_tells_that_it_was_missed() {
    for mode in BrokerMode::ALL {
        let redis = Redis::start();
        let writer = Server::start(redis.config(mode));
        for id in 1..=5 {
            publish(&writer, "a", &id.to_string());
            publish(&writer, "b", "x");
        }
        for &transport in Transport::ALL {
            // A node that has just been started, as after a restart.
            let node = Server::start(redis.config(mode));
            let received = receive_of(
                &node,
                "a",
                transport,
                2,
                if mode == BrokerMode::Streams { 3 } else { 1 },
            );
            let rest: Vec<_> = (3..=5).map(|id| event(id, "message", &id.to_string())).collect();
            if mode == BrokerMode::Streams {
                assert_eq!(received, rest, "{transport}");
                let whole = node.get("/channels/a/poll").text();
                assert!(whole.starts_with(r#"{"events":[{"id":1,"data":"1"}"#), "{whole}");
                // Positions alternate.
                let both = receive_of(&node, "a,b", transport, 6, 4);
                let positions: Vec<_> = both.iter().map(|(position, ..)| *position).collect();
                assert_eq!(positions, [7, 8, 9, 10], "{transport}");
            } else {
                assert_eq!(received, [lagged(5, "3")], "{transport}: exactly so many");
                let now = receive_of(&node, "a", transport, 5, 0);
                assert_eq!(now, [], "{transport}: nothing was missed");
            }
        }
    }
}

/// The ids of what comes, with those that a notice says were missed.
fn accounted(sse: &mut Connection, until: u64) -> (u64, u64) {
    let (mut last, mut missed) = (0, 0);
    while last < until {
        let event = next(sse);
        let id: u64 =
            event.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().parse().unwrap();
        if event.contains("event: lagged") {
            let told = event.split("\"missed\":").nth(1).unwrap();
            let told: u64 = told.split('}').next().unwrap().parse().unwrap();
            assert_eq!(id, last + told, "{event}");
            missed += told;
        } else {
            assert_eq!(
                id,
                last + 1,
                "no event is skipped in silence, and none comes twice: {event}"
            );
        }
        last = id;
    }
    (last, missed)
}

#[test]
fn a_connection_that_broke_costs_nothing_with_streams_and_is_told_without() {
    for mode in BrokerMode::ALL {
        let redis = Redis::start();
        let nodes = nodes(&redis, mode, 3);
        let mut streams: Vec<_> =
            nodes.iter().map(|node| node.sse("/channels/a/sse?after=0")).collect();
        let mut both = nodes[2].sse("/channels/a,b/sse?after=0");
        for round in 1..=10 {
            // Of all but the first node, whose connection is the oldest.
            let list = redis.command("CLIENT LIST TYPE pubsub");
            let ids = list.lines().filter_map(|line| line.strip_prefix("id=")?.split(' ').next());
            let ids: Vec<_> = ids.skip(1).collect();
            assert_eq!(ids.len(), 2, "{list}");
            for id in ids {
                redis.command(&format!("CLIENT KILL ID {id}"));
            }
            // They wait for 50 ms before they come back.
            for _ in 0..5 {
                publish(&nodes[0], "a", "x");
                publish(&nodes[0], "b", "x");
            }
            for node in &nodes {
                node.await_metric("pushbench_broker_connected", 1);
                let reached = format!("/channels/a/poll?after={}", 5 * round);
                while node.get(&reached).status != 204 {
                    pause(Duration::from_millis(5));
                }
            }
        }
        let told: Vec<_> = streams.iter_mut().map(|sse| accounted(sse, 50).1).collect();
        assert_eq!(told[0], 0, "{mode}");
        for (node, missed) in nodes.iter().zip(&told).skip(1) {
            assert!(node.metric("pushbench_broker_connections_total") > 10, "{mode}");
            // Who was behind misses what is still in the log, too, when a gap empties it.
            assert!(node.metric("pushbench_broker_missed_events_total") <= 2 * *missed, "{mode}");
            assert_eq!(*missed == 0, mode == BrokerMode::Streams, "{mode}: {told:?}");
        }
        if mode == BrokerMode::Streams {
            // What was missed of several channels comes in the order of all.
            let names = (0..100).map(|_| next(&mut both));
            let position =
                |event: String| event[4..event.find('\n').unwrap()].parse::<u64>().unwrap();
            let positions = names.map(position);
            assert!(positions.eq(1..=100));
        }
    }
}

#[test]
fn ids_that_nobody_has_are_told_as_missed() {
    for mode in [BrokerMode::PubSub, BrokerMode::Streams] {
        let redis = Redis::start();
        let nodes = nodes(&redis, mode, 2);
        let mut sse = nodes[1].sse("/channels/a/sse");
        publish(&nodes[0], "a", "1");
        assert_eq!(next(&mut sse), "id: 1\ndata: 1\n\n");
        // As if three events had gone elsewhere.
        redis.command("HINCRBY pushbench:#ids a 3");
        redis.command("HINCRBY pushbench:#ids #order 3");
        publish(&nodes[0], "a", "5");
        assert_eq!(next(&mut sse), "id: 4\nevent: lagged\ndata: {\"missed\":3}\n\n", "{mode}");
        assert_eq!(next(&mut sse), "id: 5\ndata: 5\n\n", "{mode}");
    }
}

#[test]
fn without_redis_subscribers_stay_and_publishers_are_told() {
    for mode in BrokerMode::ALL {
        let redis = Redis::start();
        let port = redis.port;
        let nodes = nodes(&redis, mode, 2);
        let mut sse = nodes[1].sse("/channels/a/sse");
        let mut websocket = nodes[1].websocket("/channels/a/ws");
        publish(&nodes[0], "a", "1");
        assert_eq!(next(&mut sse), "id: 1\ndata: 1\n\n");
        assert_eq!(next_message(&mut websocket), Message::text("1\n1"));
        drop(redis);
        for node in &nodes {
            node.await_metric("pushbench_broker_connected", 0);
        }
        let refused = nodes[0].publish("/channels/a/events", b"lost");
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
        let reason = refused.reason();
        assert!(
            reason.starts_with(&format!("the broker redis://127.0.0.1:{port} cannot be reached (")),
            "{reason}"
        );
        assert!(reason.ends_with("): nothing was published; try again later"), "{reason}");
        // Who is ahead, or wants what this node does not have, cannot be served; the others can.
        assert_eq!(nodes[1].get("/channels/a/poll?after=0").status, 200);
        assert_eq!(nodes[1].get("/channels/a/poll?after=7").status, 503);
        let unknown = nodes[1].get("/channels/new/poll");
        assert!(unknown.reason().contains("nobody knows what this subscriber has missed"));
        websocket.send(Message::text("lost")).unwrap();
        let Message::Close(Some(close)) = next_message(&mut websocket) else { panic!("no close") };
        assert_eq!(close.reason, "the broker of this server cannot be reached");
        assert!(sse.is_quiet());
        // An empty one: what it knew of ids is lost, and nobody takes a new event for an old one.
        let _redis = (0..100)
            .find_map(|_| {
                Redis::start_on(port).or_else(|| {
                    pause(Duration::from_millis(20));
                    None
                })
            })
            .unwrap();
        for node in &nodes {
            node.await_metric("pushbench_broker_connected", 1);
        }
        publish(&nodes[0], "a", "2");
        let notice = next(&mut sse);
        assert!(notice.ends_with("event: lagged\ndata: {\"missed\":null}\n\n"), "{notice}");
        let event = next(&mut sse);
        assert!(event.ends_with("\ndata: 2\n\n"), "{event}");
        let id: u64 = event[4..event.find('\n').unwrap()].parse().unwrap();
        assert!((1_700_000_000_000_000..1 << 53).contains(&id), "{id}");
        let resumed = receive_of(&nodes[1], "a", Transport::Sse, 1, 2);
        assert_eq!(resumed[1].2, b"2", "{resumed:?}");
        assert!(resumed[0].1 == "lagged");
    }
}

#[test]
fn a_redis_that_is_silent_is_given_up_and_found_again() {
    let redis = Redis::start();
    let nodes = nodes(&redis, BrokerMode::Streams, 2);
    attach(&nodes, "a");
    publish(&nodes[0], "a", "1");
    redis.signal(Signal::SIGSTOP);
    let refused = nodes[0].publish("/channels/a/events", b"2");
    assert_eq!(refused.status, 503);
    let reason = refused.reason();
    assert!(reason.contains("it has not answered within 5s"), "{reason}");
    assert!(reason.contains("is not known"), "{reason}");
    redis.signal(Signal::SIGCONT);
    nodes[0].await_metric("pushbench_broker_connected", 1);
    let answer = publish(&nodes[0], "a", "3");
    let id = &answer[6..answer.find(',').unwrap()];
    // Who is ahead of a node waits until it has what there is.
    assert_eq!(nodes[1].get(&format!("/channels/a/poll?after={id}")).status, 204);
    let events = nodes[1].get("/channels/a/poll?after=1").text();
    assert!(events.contains(r#""data":"3""#), "{events}");
}

#[test]
fn a_server_with_faults_or_without_its_broker_does_not_start() {
    let redis = Redis::start();
    let faults = pushbench_server::Faults::new(["drop=1/10".parse().unwrap()]).unwrap();
    let both = Config { faults, ..redis.config(BrokerMode::PubSub) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = |config: Config| {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            pushbench_server::run(listener, config, std::future::pending()).await.unwrap_err()
        })
    };
    assert!(run(both).to_string().contains("injects no faults"));
    let with_first_id = Config { first_id: 2, ..redis.config(BrokerMode::PubSub) };
    assert!(run(with_first_id).to_string().contains("takes their ids from it"));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = run(config(nobody, BrokerMode::PubSub)).to_string();
    assert!(
        error.starts_with(&format!("cannot use the broker redis://127.0.0.1:{nobody}: ")),
        "{error}"
    );
    assert!(error.contains("refused"), "{error}");
}

/// Why a server that says this, whatever it is asked, is no broker.
fn refusal(says: &'static [u8], mode: BrokerMode) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let fake = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1_024]);
        stream.write_all(says).unwrap();
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(check_broker(&config(port, mode))).unwrap_err().to_string();
    fake.join().unwrap();
    let begin = format!("cannot use the broker redis://127.0.0.1:{port}: ");
    error.strip_prefix(&begin).unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[test]
fn who_is_no_redis_or_too_old_is_named() {
    let hello = b"%2\r\n+server\r\n+redis\r\n+version\r\n$6\r\n6.0.16\r\n";
    for (says, mode, words) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            BrokerMode::PubSub,
            "it does not speak the protocol of Redis",
        ),
        (b"-ERR unknown command `HELLO`\r\n", BrokerMode::Streams, "it is older than Redis 6"),
        (
            b"-NOAUTH HELLO must be called with the client already authenticated\r\n",
            BrokerMode::PubSub,
            "it wants a password",
        ),
        (b"+OK\r\n", BrokerMode::PubSub, "is it Redis?"),
        (b"", BrokerMode::PubSub, "it has closed the connection"),
        (hello, BrokerMode::Sharded, "it is Redis 6.0.16, and the mode sharded needs Redis 7"),
    ] {
        let error = refusal(says, mode);
        assert!(error.contains(words), "{error}");
    }
}
