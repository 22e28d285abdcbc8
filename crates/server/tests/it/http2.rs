//! HTTP/2: many requests on one connection, event streams under flow control, and what it has no place for.

use std::io::Read as _;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::ext::Protocol;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pushbench_server::Config;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::in_runtime::{HANG, run, wait_while, without_heartbeats};
use crate::support::{LARGE_EVENTS, Server};

struct Client(SendRequest<Empty<Bytes>>);

/// A connection by TLS on which HTTP/2 is agreed.
async fn connect(server: &Server) -> TlsStream<TcpStream> {
    let mut trust = (*server.trust()).clone();
    trust.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect(server.tls).await.unwrap();
    let connector = TlsConnector::from(std::sync::Arc::new(trust));
    connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap()
}

impl Client {
    async fn connect(server: &Server) -> Self {
        Self::with_window(server, 65_535).await.0
    }

    /// One whose streams take so much until it is read, and its connection.
    async fn with_window(server: &Server, bytes: u32) -> (Self, JoinHandle<hyper::Result<()>>) {
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .initial_stream_window_size(bytes)
            .handshake(TokioIo::new(connect(server).await))
            .await
            .unwrap();
        (Self(sender), tokio::spawn(connection))
    }

    async fn get(&mut self, path: &str) -> Response<Incoming> {
        let request = Request::get(format!("https://localhost{path}")).body(Empty::new()).unwrap();
        timeout(HANG, self.0.send_request(request)).await.expect("no hang").unwrap()
    }
}

/// The next piece of a body as text.
async fn next(body: &mut Incoming) -> String {
    let frame = timeout(HANG, body.frame()).await.expect("no hang").unwrap().unwrap();
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

#[test]
fn one_connection_carries_many_streams_and_polls() {
    let server = Server::start(without_heartbeats());
    run(async {
        let mut client = Client::connect(&server).await;
        let mut streams = Vec::new();
        for channel in 0..50 {
            let response = client.get(&format!("/channels/c{channel}/sse")).await;
            assert_eq!(response.headers()["content-type"], "text/event-stream");
            assert!(!response.headers().contains_key("connection"));
            let mut body = response.into_body();
            assert_eq!(next(&mut body).await, "retry: 1000\n\n");
            streams.push(body);
        }
        for (channel, body) in streams.iter_mut().enumerate() {
            server.publish(&format!("/channels/c{channel}/events"), b"x");
            assert_eq!(next(body).await, "id: 1\ndata: x\n\n");
        }
        let poll = client.get("/channels/c7/poll").await.into_body().collect().await.unwrap();
        assert_eq!(&poll.to_bytes()[..], br#"{"events":[{"id":1,"data":"x"}],"last_event_id":1}"#);
        assert_eq!(client.get("/channels/c7/poll?after=1").await.status(), 204);
        assert_eq!(server.metric("pushbench_connections{transport=\"polling\"}"), 1, "one in all");
    });
}

#[test]
fn a_stream_that_is_not_read_costs_bounded_memory_and_is_told_what_it_missed() {
    let server = Server::start(Config { log_events: LARGE_EVENTS, ..Config::default() });
    run(async {
        let mut client = Client::connect(&server).await;
        let mut body = client.get("/channels/a/sse").await.into_body();
        for _ in 0..20 {
            server.publish_a_megabyte();
        }
        let mut decoder = pushbench_wire::sse::Decoder::new(1 << 20);
        let (mut last, mut notices) = (0, 0);
        while last < 20 * LARGE_EVENTS as u64 {
            let frame = timeout(HANG, body.frame()).await.expect("no hang").unwrap().unwrap();
            decoder
                .feed(&frame.into_data().unwrap(), |event| {
                    notices += u64::from(event.name == "lagged");
                    last = event.id;
                })
                .unwrap();
        }
        assert!(notices > 0);
        // Others on the connection are not held up by it.
        assert_eq!(client.get("/healthz").await.status(), 200);
    });
}

#[test]
fn a_heartbeat_comes_on_a_silent_stream() {
    let config = Config { heartbeat: Duration::from_millis(50), ..Config::default() };
    let server = Server::start(config);
    run(async {
        let mut client = Client::connect(&server).await;
        let mut body = client.get("/channels/a/sse").await.into_body();
        assert_eq!(next(&mut body).await, "retry: 1000\n\n");
        for _ in 0..2 {
            assert_eq!(next(&mut body).await, pushbench_wire::sse::HEARTBEAT);
        }
    });
}

#[test]
fn a_compressed_stream_ends_with_its_checksum() {
    let mut server = Server::start(Config { compression: true, ..Config::default() });
    run(async {
        let mut client = Client::connect(&server).await;
        let request = Request::get("https://localhost/channels/a/sse")
            .header("accept-encoding", "gzip")
            .body(Empty::new())
            .unwrap();
        let response = client.0.send_request(request).await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip");
        assert_eq!(response.headers()["vary"], "Accept-Encoding");
        server.publish_texts(&["x"]);
        server.await_metric("pushbench_deliveries_total{transport=\"sse\"}", 1);
        server.stop();
        let body = timeout(HANG, response.into_body().collect()).await.expect("no hang").unwrap();
        let (body, mut text) = (body.to_bytes(), String::new());
        flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "retry: 1000\n\nid: 1\ndata: x\n\n");
    });
    server.stopped(Duration::ZERO);
}

#[test]
fn a_stopping_server_ends_streams_and_connections() {
    let mut server = Server::start(Config::default());
    let mut client = None;
    let runtime =
        runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connected = Client::connect(&server).await;
        let mut body = connected.get("/channels/a/sse").await.into_body();
        assert_eq!(next(&mut body).await, "retry: 1000\n\n");
        server.stop();
        let rest = timeout(HANG, body.collect()).await.expect("no hang").unwrap();
        assert_eq!(rest.to_bytes(), "", "it ends as it should");
        client = Some(connected);
    });
    server.stopped(Duration::ZERO);
}

#[test]
fn polls_that_are_held_are_accounted_for() {
    let server = Server::start(Config::default());
    run(async {
        let mut client = Client::connect(&server).await;
        assert_eq!(client.get("/channels/a/poll").await.status(), 204);
        let before = server.metric("pushbench_memory_bytes");
        let polls: Vec<_> = (0..20)
            .map(|_| {
                let request = Request::get("https://localhost/channels/a/long-poll?after=0");
                tokio::spawn(client.0.send_request(request.body(Empty::new()).unwrap()))
            })
            .collect();
        wait_while("they are accounted for", || {
            server.metric("pushbench_memory_bytes") < before + 20 * (24 << 10)
        })
        .await;
        server.publish_texts(&["x"]);
        for poll in polls {
            assert_eq!(timeout(HANG, poll).await.unwrap().unwrap().unwrap().status(), 200);
        }
    });
}

#[test]
fn a_head_has_the_length_of_the_body_and_no_body() {
    let server = Server::start(Config::default());
    run(async {
        let mut client = Client::connect(&server).await;
        let length = client.get("/healthz").await.headers()["content-length"].clone();
        let request = Request::head("https://localhost/healthz").body(Empty::new()).unwrap();
        let response = client.0.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-length"], length);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "");
    });
}

#[test]
fn a_client_that_answers_no_ping_is_disconnected() {
    let (beat, long) = (Duration::from_millis(50), Duration::from_secs(3_600));
    let config =
        Config { heartbeat: beat, stall_timeout: beat, header_timeout: long, ..Config::default() };
    let server = Server::start(config);
    run(async {
        let mut tls = connect(&server).await;
        // Empty settings, and nothing more.
        let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        tls.write_all(hello).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut tls, &mut answer);
        // It may be cut off.
        let _ = timeout(HANG, read).await.expect("the connection ends");
    });
}

#[test]
fn an_answer_that_is_never_taken_is_not_kept_for_ever() {
    let config = Config { stall_timeout: Duration::from_secs(1), ..Config::default() };
    let server = Server::start(config);
    server.publish_a_megabyte();
    // What an answer is made of is kept with the events.
    server.get("/channels/a/poll");
    // That answer may be counted for a moment longer.
    let before = (0..50).map(|_| server.metric("pushbench_memory_bytes")).min().unwrap();
    run(async {
        // None of it may be sent, or a little, or nearly all.
        for window in [0, 1, 1_000_000] {
            let (mut client, connection) = Client::with_window(&server, window).await;
            let _unread = client.get("/channels/a/poll").await;
            let kept = server.metric("pushbench_memory_bytes");
            assert!(kept > before + 900_000, "{window}: {before} bytes before, {kept} with it");
            let _by_the_server = timeout(HANG, connection).await.expect("it ends").unwrap();
            wait_while("it is free", || server.metric("pushbench_memory_bytes") > before).await;
        }
    });
}

#[test]
fn an_answer_that_is_taken_slowly_is_given_time() {
    let stall = Duration::from_secs(2);
    let config = Config { stall_timeout: stall, ..Config::default() };
    let server = Server::start(config);
    server.publish_a_megabyte();
    run(async {
        let mut body = Client::connect(&server).await.get("/channels/a/poll").await.into_body();
        let mut read = 0;
        while let Some(frame) = timeout(HANG, body.frame()).await.expect("no hang") {
            let piece = frame.unwrap().into_data().unwrap();
            read += piece.len();
            // In all, longer than it may take if it does not go on. Some pieces are single bytes.
            if piece.len() > 1 {
                tokio::time::sleep(stall * 3 / 64).await;
            }
        }
        assert!(read >= 1_000_000, "{read} bytes");
    });
}

#[test]
fn what_is_refused_says_why() {
    let server = Server::start(Config::default());
    run(async {
        let mut client = Client::connect(&server).await;
        assert_eq!(client.get("/nothing").await.status(), 404);
        assert_eq!(client.get("/channels/a/ws").await.status(), 426);
        assert_eq!(client.get("/channels/a/tcp").await.status(), 426);
        for (path, protocol, version, status) in [
            ("/channels/a/ws", "websocket", "12", 426),
            ("/channels/a/ws", "connect-udp", "13", 405),
            ("/channels/a/sse", "websocket", "13", 405),
            ("/channels/a/ws", "websocket", "13", 200),
        ] {
            let mut request = Request::builder()
                .method(Method::CONNECT)
                .uri(format!("https://localhost{path}"))
                .header("sec-websocket-version", version)
                .body(Empty::new())
                .unwrap();
            request.extensions_mut().insert(Protocol::from_static(protocol));
            let response = client.0.send_request(request).await.unwrap();
            assert_eq!(response.status(), status, "{path} {protocol} {version}");
        }
    });
}

#[test]
fn garbage_ends_the_connection_alone() {
    let server = Server::start(Config::default());
    run(async {
        let mut tls = connect(&server).await;
        tls.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut tls, &mut answer);
        // It may be cut off.
        let _ = timeout(HANG, read).await.expect("no hang");
        assert!(!answer.starts_with(b"HTTP/1"), "{answer:?}");
    });
    server.settle();
}
