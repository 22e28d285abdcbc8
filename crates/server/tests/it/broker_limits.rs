//! What a server with a broker does not do, and how much of what it missed it reads at once.

use pushbench_server::{BrokerMode, Config, SlowPolicy};

use crate::redis::Redis;
use crate::support::{Server, next_message};

#[test]
fn a_request_that_says_which_one_it_is_gets_no_promise_that_is_not_kept() {
    let redis = Redis::start();
    let node = Server::start(redis.config(BrokerMode::PubSub));
    let target = "/channels/a/events";
    let answer = node.publish(&format!("{target}?publisher=me&sequence=7"), b"x");
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.reason().contains("leave out publisher and sequence"), "{}", answer.text());
    assert_eq!(node.publish(target, b"x").text(), r#"{"id":1,"count":1}"#, "nothing was published");
}

#[test]
fn who_is_told_of_what_the_server_did_not_get_is_not_too_slow() {
    for slow_policy in [SlowPolicy::Disconnect, SlowPolicy::SkipToNewest] {
        let redis = Redis::start();
        let node = Server::start(Config { slow_policy, ..redis.config(BrokerMode::PubSub) });
        let mut sse = node.sse("/channels/a/sse");
        let mut websocket = node.websocket("/channels/a/ws");
        let publish = |lines: &[u8]| {
            assert_eq!(node.publish("/channels/a/events?split=lines", lines).status, 200);
        };
        publish(b"1\n");
        assert_eq!(sse.until("\n\n"), "id: 1\ndata: 1\n\n");
        next_message(&mut websocket);
        // As if three events had gone elsewhere.
        redis.command("HINCRBY pushbench:#ids a 3");
        redis.command("HINCRBY pushbench:#ids #order 3");
        publish(b"5\n6\n");
        let lagged = "id: 4\nevent: lagged\ndata: {\"missed\":3}\n\n";
        for expected in [lagged, "id: 5\ndata: 5\n\n", "id: 6\ndata: 6\n\n"] {
            assert_eq!(sse.until("\n\n"), expected, "{slow_policy:?}");
        }
        for id in ["4", "5", "6"] {
            let message = next_message(&mut websocket).into_text().unwrap();
            assert!(message.starts_with(id), "{slow_policy:?}: {message}");
        }
    }
}

/// Publishes 40 MB to some channels, which is more than Redis holds back for a connection with subscriptions.
fn publish_much(node: &Server, channels: &[&str]) -> u64 {
    let events = [b"x".repeat(60 << 10), b"\n".to_vec()].concat().repeat(10);
    let rounds = 64 / channels.len();
    for _ in 0..rounds {
        for channel in channels {
            let target = format!("/channels/{channel}/events?split=lines");
            assert_eq!(node.publish(&target, &events).status, 200);
        }
    }
    10 * rounds as u64
}

#[test]
fn much_that_was_missed_is_read_a_little_at_a_time() {
    let redis = Redis::start();
    let nodes = [(); 2].map(|()| Server::start(redis.config(BrokerMode::Streams)));
    let channels = ["a", "b", "c", "d"];
    for channel in channels {
        assert_eq!(nodes[1].get(&format!("/channels/{channel}/poll")).status, 204);
    }
    nodes[0].settle();
    // The second one, which alone has subscriptions, cannot come back for a while.
    redis.command("ACL SETUSER default -eval");
    redis.command("CLIENT KILL TYPE pubsub");
    nodes[1].await_metric("pushbench_broker_connected", 0);
    let last = publish_much(&nodes[0], &channels);
    redis.command("ACL SETUSER default +eval");
    nodes[1].await_metric("pushbench_broker_connected", 1);
    for channel in channels {
        let answer = nodes[1].get(&format!("/channels/{channel}/poll?after={last}"));
        assert_eq!(answer.status, 204, "{channel}: {}", answer.text());
    }
    assert_eq!(nodes[1].metric("pushbench_broker_missed_events_total"), 0);
    assert_eq!(nodes[1].metric("pushbench_broker_connections_total"), 2);
}

#[test]
fn much_that_came_before_the_log_is_read_a_little_at_a_time() {
    let redis = Redis::start();
    let nodes = [(); 2].map(|()| Server::start(redis.config(BrokerMode::Streams)));
    publish_much(&nodes[0], &["a"]);
    let answer = nodes[1].get("/channels/a/poll?after=0");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(nodes[1].metric("pushbench_broker_connections_total"), 1);
}

#[test]
fn a_channel_that_had_no_events_yet_has_lost_none() {
    for mode in BrokerMode::ALL {
        let redis = Redis::start();
        let nodes = [(); 2].map(|()| Server::start(redis.config(mode)));
        assert_eq!(nodes[1].get("/channels/a/poll").status, 204);
        for _ in 0..5 {
            assert_eq!(nodes[0].publish("/channels/a/events", b"x").status, 200);
        }
        // Nobody was here for the other channel before.
        let mut sse = nodes[1].sse("/channels/a,b/sse?after=3");
        for position in [4, 5] {
            let event = sse.until("\n\n");
            assert!(event.starts_with(&format!("id: {position}\n")), "{mode}: {event}");
            assert!(!event.contains("lagged"), "{mode}: {event}");
        }
        assert_eq!(nodes[0].publish("/channels/b/events", b"y").status, 200);
        assert!(sse.until("\n\n").starts_with("id: 6\n"), "{mode}");
    }
}
