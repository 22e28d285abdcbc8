//! What a raw TCP client may send, and what ends its stream.

use std::io::Write;
use std::net::Shutdown;
use std::time::Duration;

use proptest::prelude::*;
use pushbench_server::Config;

use crate::support::{Server, frame, pause};

const REJECTED: &str = "pushbench_streams_rejected_total{transport=\"tcp\"}";
const PUBLISHED: &str = "pushbench_published_total";

#[test]
fn frames_in_pieces_of_any_size_are_published() {
    let server = Server::start(Config::default());
    let text = any::<String>().prop_map(|text| (text.into_bytes(), false));
    let bytes = proptest::collection::vec(any::<u8>(), 0..3_000).prop_map(|bytes| (bytes, true));
    let events = proptest::collection::vec(prop_oneof![text, bytes], 1..5);
    let cuts = proptest::collection::vec(any::<prop::sample::Index>(), 0..8);
    proptest!(ProptestConfig::with_cases(100), |(events in events, cuts in cuts)| {
        let published = server.metric(PUBLISHED);
        let mut sender = server.tcp("/channels/a/tcp");
        sender.0.stream.set_nodelay(true).unwrap();
        let stream: Vec<u8> =
            events.iter().flat_map(|(payload, binary)| frame(payload, *binary)).collect();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        for cut in cuts.windows(2) {
            sender.0.send(&stream[cut[0]..cut[1]]);
            pause(Duration::from_micros(200));
        }
        for (id, (payload, binary)) in (published + 1..).zip(events) {
            let message = [format!("{id}\n").as_bytes(), &payload].concat();
            prop_assert_eq!(sender.next(), (binary, message));
        }
    });
    assert_eq!(server.metric(REJECTED), 0);
}

#[test]
fn more_frames_than_fit_in_one_turn_are_all_published() {
    let server = Server::start(Config::default());
    let mut sender = server.tcp("/channels/a/tcp");
    sender.0.send(frame(b"x", false).repeat(1_000));
    for id in 1..=1_000 {
        assert_eq!(sender.next(), (false, format!("{id}\nx").into_bytes()));
    }
}

#[test]
fn frames_sent_together_with_the_request_are_read() {
    let server = Server::start(Config::default());
    let mut connection = server.connect();
    let request: &[u8] =
        b"GET /channels/a/tcp HTTP/1.1\r\nHost: localhost\r\nUpgrade: pushbench-tcp\r\n\
        Connection: Upgrade\r\n\r\n";
    // The last frame is incomplete.
    connection.send([request, &frame(b"x", false).repeat(50)[..], b"\0\0\0\x02y"].concat());
    let head = connection.until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    connection.until("50\nx");
    connection.send("z");
    connection.until("51\nyz");
}

#[test]
fn a_frame_that_cannot_be_published_ends_the_stream() {
    let server = Server::start(Config { max_event_bytes: 10, ..Config::default() });
    let cases: [(&str, &[u8]); 4] = [
        ("too large, before any of it has arrived", b"\0\0\0\x0b"),
        ("bytes too large", b"\x80\0\0\x0bxxxxxxxxxxx"),
        ("the largest length", b"\xff\xff\xff\xff"),
        ("text that is not UTF-8", b"\0\0\0\x01\xff"),
    ];
    for (rejected, (name, stream)) in (1..).zip(cases) {
        let mut sender = server.tcp("/channels/a/tcp");
        sender.0.send(stream);
        assert_eq!(sender.0.rest(), b"", "{name}");
        assert_eq!(server.metric(REJECTED), rejected, "{name}");
    }
    assert_eq!(server.metric(PUBLISHED), 0);
    let mut sender = server.tcp("/channels/a/tcp");
    sender.0.send([frame(&[b'x'; 10], false), frame(&[0xff; 10], true)].concat());
    assert_eq!(
        sender.next(),
        (false, b"1\nxxxxxxxxxx".to_vec()),
        "the largest payload that is allowed"
    );
    sender.next();
    sender
        .0
        .send([frame(b"before", false), frame(b"\xff", false), frame(b"behind", false)].concat());
    sender.0.rest();
    assert_eq!(server.metric(PUBLISHED), 3, "the valid frames before it are published");
    assert_eq!(server.get("/channels/a/poll").status, 200);
}

#[test]
fn an_incomplete_frame_at_the_end_is_not_published() {
    let server = Server::start(Config::default());
    let mut sender = server.tcp("/channels/a/tcp");
    sender.0.send([frame(b"whole", false), b"\0\0\0\x05hal".to_vec()].concat());
    sender.0.stream.shutdown(Shutdown::Write).unwrap();
    server.await_metric("pushbench_connections{transport=\"tcp\"}", 0);
    assert_eq!(server.metric(PUBLISHED), 1);
    assert_eq!(server.metric(REJECTED), 0);
}

/// The server keeps reading even if the client does not, and stores no more than the log.
#[test]
fn a_client_that_sends_without_reading_costs_bounded_memory_and_is_told() {
    let server = Server::start(Config { log_events: 100, ..Config::default() });
    let mut sender = server.tcp("/channels/a/tcp");
    // Far more than the socket buffers of both sides hold.
    let frames = frame(&[b'x'; 10_000], false).repeat(100);
    for _ in 0..20 {
        sender.0.stream.write_all(&frames).unwrap();
    }
    server.await_metric(PUBLISHED, 2_000);
    assert_eq!(server.metric("pushbench_log_events"), 100);
    let (mut last, mut notices) = (0, 0);
    while last < 2_000 {
        let (_, message) = sender.next();
        let event = pushbench_wire::message::decode(&message, false).unwrap();
        notices += u64::from(event.name == "lagged");
        assert!(event.name == "lagged" || event.id == last + 1);
        last = event.id;
    }
    assert!(notices > 0);
    assert_eq!(server.metric("pushbench_lagged_total{transport=\"tcp\"}"), notices);
}
