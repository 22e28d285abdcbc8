//! What a client by HTTP/3 can do with single streams that no library does: frames cut as it likes, streams that
//! nobody wants, and looking at how a stream ends.

use std::time::Duration;

use pushbench_server::Config;
use quinn::{Connection, Endpoint, ReadError, RecvStream, SendStream};
use tokio::time::timeout;

use crate::http3::{Client, connect, next};
use crate::in_runtime::{HANG, run, wait_while, without_heartbeats};
use crate::support::{LARGE_EVENTS, Server};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;

const REQUEST_REJECTED: u32 = 0x10b;
const REQUEST_CANCELLED: u32 = 0x10c;

/// A connection whose streams are written by hand.
struct Raw {
    connection: Connection,
    /// Its socket lives as long.
    _endpoint: Endpoint,
}

/// One request of it.
struct Exchange {
    outgoing: SendStream,
    incoming: RecvStream,
}

impl Raw {
    async fn connect(server: &Server) -> Self {
        let (endpoint, connection) = connect(server).await;
        Self { connection, _endpoint: endpoint }
    }

    /// Opens a stream and sends `bytes` on it.
    async fn send(&self, bytes: &[u8]) -> Exchange {
        let (mut outgoing, incoming) = self.connection.open_bi().await.unwrap();
        outgoing.write_all(bytes).await.unwrap();
        Exchange { outgoing, incoming }
    }

    /// Whether a new request is answered.
    async fn is_served(&self) -> bool {
        let mut health = self.send(&request(GET, "/healthz")).await;
        health.outgoing.finish().unwrap();
        health.answer().await.is_ok_and(|answer| answer.starts_with(&[HEADERS]))
    }

    /// The next stream of the server that begins with `kind`.
    async fn stream(&self, kind: &[u8]) -> RecvStream {
        loop {
            let accepted = timeout(HANG, self.connection.accept_uni()).await.expect("no hang");
            let mut stream = accepted.unwrap();
            let mut begin = vec![0; kind.len()];
            let first = stream.read_exact(&mut begin[..1]).await;
            if first.is_ok() && begin[0] == kind[0] {
                stream.read_exact(&mut begin[1..]).await.unwrap();
                assert_eq!(begin, kind);
                return stream;
            }
            // The others are as long as the connection.
            std::mem::forget(stream);
        }
    }
}

impl Exchange {
    /// All of the answer.
    async fn answer(&mut self) -> Result<Vec<u8>, quinn::ReadToEndError> {
        timeout(HANG, self.incoming.read_to_end(1 << 20)).await.expect("no hang")
    }

    /// The code of the reset with which the answer ends.
    async fn reset(&mut self) -> u64 {
        reset(&mut self.incoming).await
    }
}

/// The code of the reset with which `stream` ends.
async fn reset(stream: &mut RecvStream) -> u64 {
    loop {
        let read = stream.read_chunk(usize::MAX, true);
        match timeout(HANG, read).await.expect("no hang") {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ends as if it were whole"),
            Err(ReadError::Reset(code)) => return code.into_inner(),
            Err(error) => panic!("{error}"),
        }
    }
}

const GET: u8 = 17;
const POST: u8 = 20;
const CONNECT: u8 = 15;

/// The HEADERS of a request; methods are those of QPACK's static table (RFC 9204, appendix A).
fn request(method: u8, path: &str) -> Vec<u8> {
    const HTTPS: u8 = 23;
    let literal =
        |name: u8, value: &str| [&[0x50 | name, value.len() as u8][..], value.as_bytes()].concat();
    let head = [0, 0, 0xc0 | method, 0xc0 | HTTPS];
    let head = [&head[..], &literal(0, "localhost"), &literal(1, path)].concat();
    match method {
        CONNECT => {
            let protocol = [&[0x27, 2][..], b":protocol", &[12], b"webtransport"].concat();
            frame(HEADERS, &[head, protocol].concat())
        }
        _ => frame(HEADERS, &head),
    }
}

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = 0x4000 | payload.len() as u16;
    [&[kind][..], &length.to_be_bytes(), payload].concat()
}

#[test]
fn an_empty_frame_does_not_end_a_body() {
    let server = Server::start(Config::default());
    run(async {
        let client = Raw::connect(&server).await;
        let head = request(POST, "/channels/a/events");
        let unknown = frame(0x21, b"nothing");
        let body = [frame(DATA, b""), frame(DATA, b"ne"), unknown, frame(DATA, b"")].concat();
        let mut publish = client.send(&[head, body, frame(DATA, b"ws")].concat()).await;
        publish.outgoing.write_all(&frame(DATA, b"")).await.unwrap();
        publish.outgoing.finish().unwrap();
        publish.answer().await.unwrap();
        let poll = server.get("/channels/a/poll").text();
        assert_eq!(poll, r#"{"events":[{"id":1,"data":"news"}],"last_event_id":1}"#);
    });
}

#[test]
fn a_body_that_is_cut_off_is_not_taken_for_all() {
    let server = Server::start(Config::default());
    run(async {
        let client = Raw::connect(&server).await;
        let head = request(POST, "/channels/a/events");
        let mut publish = client.send(&[head, frame(DATA, b"news")].concat()).await;
        // A frame of four bytes, of which one comes.
        publish.outgoing.write_all(&[DATA, 4, b'x']).await.unwrap();
        publish.outgoing.finish().unwrap();
        let closed = timeout(HANG, client.connection.closed()).await.expect("no hang").to_string();
        // H3_FRAME_ERROR (RFC 9114 §7.1).
        assert!(closed.contains("262"), "{closed}");
    });
    assert_eq!(server.get("/channels/a/poll").status, 204);
}

#[test]
fn what_is_gathered_is_bounded_and_accounted_for() {
    let server = Server::start(Config::default());
    run(async {
        let client = Raw::connect(&server).await;
        assert!(client.is_served().await);
        // A frame of a gigabyte, and one of 40,000 bytes.
        for begin in [[HEADERS, 0xbf, 0, 0, 0], [4, 0xbf, 0, 0, 0], [7, 0x80, 0, 0x9c, 0x40]] {
            let mut endless = client.send(&begin).await;
            assert_eq!(endless.reset().await, 0x107, "H3_EXCESSIVE_LOAD");
        }
        let before = server.metric("pushbench_memory_bytes");
        let mut begun = Vec::new();
        for _ in 0..20 {
            // 10,000 bytes are to come.
            begun.push(client.send(&[HEADERS, 0x67, 0x10, 0, 0]).await);
        }
        // What they are, and what is to come; less what was still being given back.
        let more = 20 * ((8 << 10) + 10_000) - (40 << 10);
        wait_while("they are accounted for", || {
            server.metric("pushbench_memory_bytes") < before + more
        })
        .await;
        for stream in &mut begun {
            stream.outgoing.reset(REQUEST_CANCELLED.into()).unwrap();
        }
        wait_while("they are free", || server.metric("pushbench_memory_bytes") > before).await;
        assert!(client.is_served().await);
    });
}

#[test]
fn many_small_frames_are_one_body() {
    let server = Server::start(Config::default());
    run(async {
        let client = Raw::connect(&server).await;
        let mut publish = client.send(&request(POST, "/channels/a/events")).await;
        for _ in 0..50 {
            publish.outgoing.write_all(&frame(DATA, b"x").repeat(1_000)).await.unwrap();
        }
        publish.outgoing.finish().unwrap();
        publish.answer().await.unwrap();
        assert!(server.get("/channels/a/poll").text().contains(&"x".repeat(50_000)));
    });
}

#[test]
fn a_request_that_never_comes_whole_is_broken_off() {
    let config = Config { header_timeout: Duration::from_millis(200), ..Config::default() };
    let server = Server::start(config);
    run(async {
        let client = Raw::connect(&server).await;
        let mut slow = client.send(&[HEADERS, 100]).await;
        assert_eq!(slow.reset().await, u64::from(REQUEST_CANCELLED));
        assert!(client.is_served().await, "the connection goes on");
    });
}

#[test]
fn who_breaks_off_too_many_requests_is_disconnected() {
    let server = Server::start(Config::default());
    run(async {
        let client = Raw::connect(&server).await;
        let broken = async {
            loop {
                let Ok((mut outgoing, _)) = client.connection.open_bi().await else { return };
                // It may be over by now.
                let _ = outgoing.write_all(&[HEADERS, 100]).await;
                let _ = outgoing.reset(REQUEST_CANCELLED.into());
            }
        };
        timeout(HANG, broken).await.expect("no hang");
        let closed = client.connection.closed().await.to_string();
        assert!(closed.contains("263"), "H3_EXCESSIVE_LOAD: {closed}");
        assert!(Raw::connect(&server).await.is_served().await);
    });
}

#[test]
fn a_request_that_comes_too_late_is_rejected_and_the_first_such_is_named() {
    let mut server = Server::start(Config { grace: Duration::from_secs(1), ..Config::default() });
    run(async {
        let client = Raw::connect(&server).await;
        let mut control = client.stream(&[0]).await;
        assert!(client.is_served().await);
        // Its body never ends, so the server waits for it as long as it waits at all.
        let mut held = client.send(&request(POST, "/channels/a/events")).await;
        assert!(client.is_served().await, "so the one before it is there, too");
        server.stop();
        let named = async {
            let mut last = Vec::new();
            loop {
                let mut byte = [0];
                control.read_exact(&mut byte).await.unwrap();
                last.push(byte[0]);
                if let [.., GOAWAY, 1, id] = last[..] {
                    return id;
                }
            }
        };
        // Three requests were accepted: 0, 4 and 8.
        assert_eq!(timeout(HANG, named).await.expect("no hang"), 12);
        let mut late = client.send(&request(GET, "/healthz")).await;
        assert_eq!(late.reset().await, u64::from(REQUEST_REJECTED));
        held.outgoing.write_all(&frame(DATA, b"x")).await.unwrap();
        timeout(HANG, client.connection.closed()).await.expect("it is not waited for for ever");
    });
    server.stopped(Duration::ZERO);
}

#[test]
fn a_stream_that_a_page_opens_is_refused_alone() {
    let server = Server::start(without_heartbeats());
    run(async {
        let client = Raw::connect(&server).await;
        let mut session = client.send(&request(CONNECT, "/channels/a/sse")).await;
        let mut events = client.stream(&[0x40, 0x54]).await;
        let mut begin = [0; 8 + 13];
        events.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin[8..], b"retry: 1000\n\n");
        let mut page = client.send(b"\x40\x41\0from the page").await;
        assert_eq!(page.reset().await, 0x3994_bd84, "it was not wanted");
        let mut one_way = client.connection.open_uni().await.unwrap();
        one_way.write_all(b"\x40\x54\0from the page").await.unwrap();
        let stopped = timeout(HANG, one_way.stopped()).await.expect("no hang").unwrap();
        assert!(stopped.is_some());
        server.publish_texts(&["x"]);
        let mut event = [0; 14];
        events.read_exact(&mut event).await.unwrap();
        assert_eq!(&event, b"id: 1\ndata: x\n");
        session.outgoing.finish().unwrap();
        assert!(reset(&mut events).await > 0, "a session that ends takes its streams along");
    });
}

#[test]
fn a_stream_that_is_not_read_is_broken_off() {
    let config = Config {
        stall_timeout: Duration::from_secs(1),
        heartbeat: Duration::from_millis(200),
        log_events: LARGE_EVENTS,
        ..Config::default()
    };
    let server = Server::start(config);
    run(async {
        let client = Raw::connect(&server).await;
        let mut answer = client.send(&request(GET, "/channels/a/sse")).await;
        answer.outgoing.finish().unwrap();
        let _session = client.send(&request(CONNECT, "/channels/a/sse")).await;
        let mut events = client.stream(&[0x40, 0x54]).await;
        server.publish_a_megabyte();
        // It is read only when its time is over.
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(answer.reset().await, u64::from(REQUEST_CANCELLED));
        assert!(reset(&mut events).await > 0);
        assert!(client.is_served().await, "the connection goes on");
    });
}

#[test]
fn memory_that_waiting_streams_needed_is_given_back() {
    let config = Config {
        stall_timeout: Duration::from_secs(3),
        heartbeat: Duration::from_millis(200),
        header_timeout: Duration::from_millis(200),
        ..Config::default()
    };
    let server = Server::start(config);
    run(async {
        let mut client = Client::connect(&server).await;
        let (_, mut body) = client.get("/channels/a/sse").await;
        assert_eq!(next(&mut body).await.unwrap(), "retry: 1000\n\n");
        let memory = || server.metric("pushbench_memory_bytes");
        let before = memory();
        // It is larger than what may wait at first.
        let large = "x".repeat(50_000);
        server.publish_texts(&[&large]);
        let mut read = 0;
        while read < large.len() {
            read += next(&mut body).await.unwrap().len();
        }
        let wide = before + (240 << 10);
        assert!(memory() >= wide, "{before} bytes before, now {}", memory());
        wait_while("it is given back", || memory() >= wide).await;
    });
}
