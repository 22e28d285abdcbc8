//! A server injects exactly the faults that it was given, on every transport.

use std::time::Duration;

use nix::time::ClockId;
use pushbench_server::{Config, Faults};
use pushbench_wire::{Transport, clock};

use crate::delivery::receive;
use crate::support::Server;

fn start(faults: &[&str]) -> Server {
    let faults = Faults::new(faults.iter().map(|fault| fault.parse().unwrap())).unwrap();
    Server::start(Config { faults, ..Config::default() })
}

fn injected(server: &Server, fault: &str) -> u64 {
    server.metric(&format!("pushbench_injected_total{{fault=\"{fault}\"}}"))
}

fn publish(server: &Server, text: &str) -> String {
    server.publish("/channels/a/events", text.as_bytes()).text()
}

/// The response to publishing one event that is not in the log yet, and perhaps never will be.
const UNKNOWN_ID: &str = r#"{"id":null,"count":1}"#;

/// Publishes `1` to `7`, one by one, and returns the ids in the responses.
fn publish_seven(server: &Server) -> Vec<Option<u64>> {
    (1..=7)
        .map(|number| {
            let response: serde_json::Value =
                serde_json::from_str(&publish(server, &number.to_string())).unwrap();
            assert_eq!(response["count"], 1);
            response["id"].as_u64()
        })
        .collect()
}

/// Checks that every transport receives `payloads`, with ids that count from 1.
#[track_caller]
fn assert_received(server: &Server, payloads: &[&str]) {
    for &transport in Transport::ALL {
        let events = receive(server, transport, 0, payloads.len());
        let ids: Vec<_> = events.iter().map(|event| event.0).collect();
        assert_eq!(ids, (1..=payloads.len() as u64).collect::<Vec<_>>(), "{transport}");
        let received: Vec<_> =
            events.iter().map(|event| String::from_utf8_lossy(&event.2)).collect();
        assert_eq!(received, payloads, "{transport}");
    }
    assert_eq!(server.metric("pushbench_log_events"), payloads.len() as u64);
}

#[test]
fn without_faults_none_are_counted() {
    let server = start(&[]);
    assert_eq!(publish_seven(&server), (1..=7).map(Some).collect::<Vec<_>>());
    assert_received(&server, &["1", "2", "3", "4", "5", "6", "7"]);
    for fault in ["delay", "stall", "drop", "duplicate", "reorder", "cpu"] {
        assert_eq!(injected(&server, fault), 0, "{fault}");
    }
}

#[test]
fn every_nth_event_is_dropped() {
    let server = start(&["drop=1/3"]);
    let ids = [Some(1), Some(2), None, Some(3), Some(4), None, Some(5)];
    assert_eq!(publish_seven(&server), ids);
    assert_received(&server, &["1", "2", "4", "5", "7"]);
    assert_eq!((injected(&server, "drop"), server.metric("pushbench_published_total")), (2, 7));
}

#[test]
fn every_nth_event_is_appended_twice() {
    let server = start(&["duplicate=1/3"]);
    let ids = [Some(1), Some(2), Some(4), Some(5), Some(6), Some(8), Some(9)];
    assert_eq!(publish_seven(&server), ids);
    assert_received(&server, &["1", "2", "3", "3", "4", "5", "6", "6", "7"]);
    assert_eq!(injected(&server, "duplicate"), 2);
}

#[test]
fn every_nth_event_is_swapped_with_the_next() {
    let server = start(&["reorder=1/3"]);
    let ids = [Some(1), Some(2), None, Some(4), Some(5), None, Some(7)];
    assert_eq!(publish_seven(&server), ids);
    assert_received(&server, &["1", "2", "4", "3", "5", "7", "6"]);
    assert_eq!(injected(&server, "reorder"), 2);
}

#[test]
fn every_line_of_a_request_counts_for_its_channel() {
    let server = start(&["drop=1/3"]);
    let publish = |channel, body| {
        server.publish(&format!("/channels/{channel}/events?split=lines"), body).text()
    };
    assert_eq!(publish("a", b"1\n2"), r#"{"id":2,"count":2}"#);
    assert_eq!(publish("b", b"1\n2"), r#"{"id":2,"count":2}"#);
    assert_eq!(publish("a", b"3"), UNKNOWN_ID);
    assert_eq!(publish("a", b"4\n5\n6"), r#"{"id":4,"count":3}"#);
    assert_eq!(publish("b", b"3"), UNKNOWN_ID);
    assert_eq!(injected(&server, "drop"), 3);
    let events = receive(&server, Transport::Sse, 0, 4);
    let payloads: Vec<_> = events.into_iter().map(|event| event.2).collect();
    assert_eq!(payloads, [b"1", b"2", b"4", b"5"]);
}

#[test]
fn a_delayed_event_is_not_visible_before_its_time() {
    let server = start(&["delay=50ms", "drop=1/2", "reorder=1/3"]);
    for text in ["1", "2", "3"] {
        assert_eq!(publish(&server, text), UNKNOWN_ID);
    }
    assert_eq!(receive(&server, Transport::LongPolling, 0, 1).len(), 1);
    let published_ns = clock::now_ns();
    for text in ["4", "5"] {
        assert_eq!(publish(&server, text), UNKNOWN_ID);
    }
    assert_eq!(receive(&server, Transport::LongPolling, 1, 2).len(), 2);
    assert!(clock::now_ns() - published_ns >= 50_000_000);
    assert_received(&server, &["1", "5", "3"]);
    assert_eq!((injected(&server, "delay"), injected(&server, "stall")), (3, 0));
}

#[test]
fn a_stopping_server_does_not_wait_for_delayed_events() {
    let mut server = start(&["delay=1m"]);
    assert_eq!(publish(&server, "1"), UNKNOWN_ID);
    assert_eq!(server.get("/channels/a/poll").status, 204);
    server.stop();
    server.stopped(Duration::ZERO);
}

#[test]
fn an_event_published_during_a_stall_is_visible_at_its_end() {
    const PERIOD_NS: u64 = 400_000_000;
    let server = start(&["stall=360ms/400ms"]);
    let mut held = 0;
    while held == 0 {
        let after = server.metric("pushbench_log_events");
        let before_ns = clock::now_ns();
        assert_eq!(publish(&server, "1"), UNKNOWN_ID);
        let after_ns = clock::now_ns();
        receive(&server, Transport::LongPolling, after, 1);
        // Only if the whole request lay within one stall is it certain that the event did.
        let end_ns = before_ns.next_multiple_of(PERIOD_NS);
        if end_ns - before_ns <= 360_000_000 && after_ns < end_ns {
            assert!(clock::now_ns() >= end_ns);
            held = injected(&server, "stall");
            assert!(held > 0, "the event was held back, but not counted");
        }
    }
}

#[test]
fn every_delivery_burns_cpu_time() {
    let cpu_ns = || clock::read_ns(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap();
    let server = start(&["cpu=2ms"]);
    server.publish_texts(&["1", "2", "3"]);
    assert_eq!(injected(&server, "cpu"), 0, "publishing is not a delivery");
    for (transports, &transport) in (1..).zip(Transport::ALL) {
        let start_ns = cpu_ns();
        // Three events at once, and then the last of them alone.
        assert_eq!(receive(&server, transport, 0, 3).len(), 3);
        assert_eq!(receive(&server, transport, 2, 1).len(), 1);
        assert!(cpu_ns() - start_ns >= 4 * 2_000_000, "{transport}");
        assert_eq!(injected(&server, "cpu"), transports * 4, "{transport}");
    }
}

#[test]
fn a_lagged_notice_is_not_a_delivery() {
    let faults = Faults::new(["cpu=1us".parse().unwrap()]).unwrap();
    let server = Server::start(Config { faults, log_events: 1, ..Config::default() });
    server.publish_texts(&["1", "2"]);
    assert_eq!(receive(&server, Transport::Sse, 0, 2)[1].2, b"2");
    assert_eq!(injected(&server, "cpu"), 1);
}
