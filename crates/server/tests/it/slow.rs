//! Subscribers that do not read for a while: the server stays small, and they learn what they missed, by
//! every transport and every policy.

use std::net::TcpStream;

use pushbench_server::{Config, SlowPolicy};
use pushbench_wire::{Transport, message, poll, sse};
use tokio_tungstenite::tungstenite::{Message, WebSocket};

use crate::support::{Connection, FrameReader, LARGE_EVENTS, Server};

/// Far more than the log and the buffers of sockets hold: 50 MB.
const MEGABYTES: u64 = 50;

const PUBLISHED: u64 = MEGABYTES * LARGE_EVENTS as u64;

/// A subscriber of the channel `a`.
enum Reader {
    /// The path, and a connection that has asked.
    Poll(&'static str, Connection),
    Sse(Connection, sse::Decoder),
    WebSocket(Box<WebSocket<TcpStream>>),
    Tcp(FrameReader),
}

/// Each event's id, and how many a notice says were missed.
type Seen = Vec<(u64, Option<u64>)>;

fn seen(event: pushbench_wire::Event<'_>) -> (u64, Option<u64>) {
    let missed = (event.name == "lagged").then(|| {
        let said: serde_json::Value = serde_json::from_slice(event.payload).unwrap();
        said["missed"].as_u64().unwrap()
    });
    (event.id, missed)
}

impl Reader {
    /// One that has had everything up to `after`. It has asked, and has read nothing.
    fn open(server: &Server, transport: Transport, after: u64) -> Self {
        let path = |resource: &str| format!("/channels/a/{resource}?after={after}");
        match transport {
            Transport::Polling | Transport::LongPolling => {
                let resource = if transport == Transport::Polling { "poll" } else { "long-poll" };
                let mut connection = server.connect();
                ask(&mut connection, &path(resource));
                Self::Poll(resource, connection)
            }
            Transport::Sse => Self::Sse(server.sse(&path("sse")), sse::Decoder::new(1 << 20)),
            Transport::WebSocket => Self::WebSocket(Box::new(server.websocket(&path("ws")))),
            Transport::Tcp => Self::Tcp(server.tcp(&path("tcp"))),
        }
    }

    /// Reads up to the event `last`.
    fn read_up_to(&mut self, last: u64, all: &mut Seen) {
        while all.last().is_none_or(|(id, _)| *id < last) {
            match self {
                Self::Poll(resource, connection) => {
                    let response = connection.response();
                    assert_eq!(response.status, 200);
                    let after = poll::decode_body(&response.body, |event| all.push(seen(event)));
                    ask(connection, &format!("/channels/a/{resource}?after={}", after.unwrap()));
                }
                Self::Sse(stream, decoder) => {
                    let piece = stream.until("\n\n");
                    decoder.feed(piece.as_bytes(), |event| all.push(seen(event))).unwrap();
                }
                Self::WebSocket(socket) => {
                    let message = socket.read().unwrap();
                    if let Message::Text(text) = message {
                        all.push(seen(message::decode(text.as_bytes(), false).unwrap()));
                    }
                }
                Self::Tcp(frames) => {
                    let (binary, message) = frames.next();
                    all.push(seen(message::decode(&message, binary).unwrap()));
                }
            }
        }
    }

    /// Reads to the end of a stream that the server ends.
    fn read_to_the_end(&mut self, all: &mut Seen) {
        match self {
            Self::Poll(..) => panic!("a poll is no stream"),
            Self::Sse(stream, decoder) => {
                decoder.feed(&stream.rest(), |event| all.push(seen(event))).unwrap();
            }
            Self::WebSocket(socket) => {
                while let Ok(message) = socket.read() {
                    all.push(seen(message::decode(&message.into_data(), false).unwrap()));
                }
            }
            Self::Tcp(frames) => {
                let mut rest = &frames.0.rest()[..];
                while let Some((length, after)) = rest.split_first_chunk() {
                    let length = u32::from_be_bytes(*length) as usize;
                    let Some((message, after)) = after.split_at_checked(length) else { break };
                    all.push(seen(message::decode(message, false).unwrap()));
                    rest = after;
                }
            }
        }
    }
}

fn ask(connection: &mut Connection, target: &str) {
    connection.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
}

/// Checks that each event came once and in order, or was told missed, and says how many were.
fn accounted(all: &Seen, transport: Transport) -> u64 {
    let (mut last, mut told) = (0, 0);
    for &(id, missed) in all {
        let expected = missed.unwrap_or(1);
        assert_eq!(id, last + expected, "{transport}");
        told += missed.unwrap_or_default();
        last = id;
    }
    told
}

fn config(slow_policy: SlowPolicy) -> Config {
    Config { log_events: 2 * LARGE_EVENTS, slow_policy, ..Config::default() }
}

fn publish(server: &Server, megabytes: u64) {
    for _ in 0..megabytes {
        server.publish_a_megabyte();
    }
}

#[test]
fn whoever_did_not_read_costs_little_and_learns_what_it_missed() {
    for policy in [SlowPolicy::DropOldest, SlowPolicy::SkipToNewest] {
        let server = Server::start(config(policy));
        publish(&server, 1);
        let mut readers: Vec<_> =
            Transport::ALL.iter().map(|&of| (of, Reader::open(&server, of, 0))).collect();
        server.settle();
        publish(&server, MEGABYTES - 1);
        // The log, its frames by each transport, and what is on its way to each of five readers.
        let held = server.metric("pushbench_memory_bytes");
        assert!(held < 25 << 20, "{policy:?}: {held} bytes");
        for (transport, reader) in &mut readers {
            let mut all = Seen::new();
            reader.read_up_to(PUBLISHED, &mut all);
            let told = accounted(&all, *transport);
            assert!(told > 0, "{transport} {policy:?}");
            let last_told = all.iter().rposition(|(_, missed)| missed.is_some()).unwrap();
            let behind = all.len() - 1 - last_told;
            let expected = match policy {
                SlowPolicy::SkipToNewest => 1,
                _ => 2 * LARGE_EVENTS,
            };
            assert_eq!(behind, expected, "{transport} {policy:?}");
        }
    }
}

#[test]
fn whoever_does_not_read_may_be_disconnected_and_learns_it_when_it_comes_back() {
    let server = Server::start(config(SlowPolicy::Disconnect));
    publish(&server, 1);
    for transport in [Transport::Sse, Transport::WebSocket, Transport::Tcp] {
        let published = server.metric("pushbench_published_total");
        let mut reader = Reader::open(&server, transport, published);
        server.settle();
        publish(&server, 20);
        let name = |what: &str| format!("pushbench_{what}{{transport=\"{transport}\"}}");
        server.await_metric(&name("slow_disconnects_total"), 1);
        server.await_metric(&name("connections"), 0);
        // What the kernel had is still there.
        let mut all = vec![(published, Some(published))];
        reader.read_to_the_end(&mut all);
        let (last, _) = *all.last().unwrap();
        let now = server.metric("pushbench_published_total");
        assert!(last < now - 2 * LARGE_EVENTS as u64, "{transport}: {last} of {now}");
        // Whoever comes back from behind the log is told, and stays.
        Reader::open(&server, transport, last).read_up_to(now, &mut all);
        accounted(&all, transport);
        // One that had taken nothing yet when it fell behind was told before it was disconnected, too.
        let gone = now - 2 * LARGE_EVENTS as u64;
        let told: Vec<_> = all.iter().filter(|of| of.0 > last && of.1.is_some()).collect();
        assert_eq!(told, [&(gone, Some(gone - last))], "{transport}");
        assert_eq!(server.metric(&name("slow_disconnects_total")), 1);
    }
    for transport in [Transport::Polling, Transport::LongPolling] {
        let mut all = Seen::new();
        let now = server.metric("pushbench_published_total");
        Reader::open(&server, transport, 0).read_up_to(now, &mut all);
        assert_eq!(accounted(&all, transport), now - 2 * LARGE_EVENTS as u64, "{transport}");
    }
}
