//! HTTP/3: many requests on one connection, event streams under flow control, and what it has no place for.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use h3::client::{RequestStream, SendRequest};
use h3_quinn::{BidiStream, OpenStreams};
use hyper::{Method, Request, Response, Version};
use pushbench_server::Config;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connecting, Connection, ConnectionError, Endpoint, TransportConfig};
use tokio::time::timeout;

use crate::in_runtime::{HANG, run, wait_while, without_heartbeats};
use crate::support::{LARGE_EVENTS, Server};

pub(crate) struct Client {
    sender: SendRequest<OpenStreams, Bytes>,
    pub(crate) quic: Connection,
    /// Its socket lives as long.
    _endpoint: Endpoint,
}

pub(crate) type Stream = RequestStream<BidiStream<Bytes>, Bytes>;

/// What begins to speak a protocol by QUIC to whoever is at `address` and should be the server.
pub(crate) fn begin(
    server: &Server,
    address: SocketAddr,
    protocol: &[u8],
) -> (Endpoint, Connecting) {
    let mut trust = (*server.trust()).clone();
    trust.alpn_protocols = vec![protocol.to_vec()];
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(trust).unwrap()));
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(65_535_u32.into());
    config.transport_config(Arc::new(transport));
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let connecting = endpoint.connect_with(config, address, "localhost").unwrap();
    (endpoint, connecting)
}

/// What speaks a protocol to a server by QUIC, if that lets it.
pub(crate) async fn try_connect(
    server: &Server,
    protocol: &[u8],
) -> (Endpoint, Result<Connection, ConnectionError>) {
    let (endpoint, connecting) = begin(server, server.http3, protocol);
    let connected = timeout(HANG, connecting).await.expect("no hang");
    (endpoint, connected)
}

pub(crate) async fn connect(server: &Server) -> (Endpoint, Connection) {
    let (endpoint, connected) = try_connect(server, b"h3").await;
    (endpoint, connected.unwrap())
}

impl Client {
    pub(crate) async fn connect(server: &Server) -> Self {
        let (endpoint, quic) = connect(server).await;
        let http = h3::client::new(h3_quinn::Connection::new(quic.clone()));
        let (mut driver, sender) = timeout(HANG, http).await.expect("no hang").unwrap();
        tokio::spawn(async move { driver.wait_idle().await });
        Self { sender, quic, _endpoint: endpoint }
    }

    /// The head of the answer, and what brings its body.
    async fn send(&mut self, request: Request<Bytes>) -> (Response<()>, Stream) {
        let (head, body) = request.into_parts();
        let answered = async {
            let mut stream = self.sender.send_request(Request::from_parts(head, ())).await.unwrap();
            if !body.is_empty() {
                // The server may answer without reading it.
                let _ = stream.send_data(body).await;
            }
            let _ = stream.finish().await;
            (stream.recv_response().await.unwrap(), stream)
        };
        timeout(HANG, answered).await.expect("no hang")
    }

    pub(crate) async fn get(&mut self, path: &str) -> (Response<()>, Stream) {
        self.send(request(Method::GET, path, "")).await
    }
}

fn request(method: Method, path: &str, body: &'static str) -> Request<Bytes> {
    let url = format!("https://localhost{path}");
    Request::builder().method(method).uri(url).body(Bytes::from_static(body.as_bytes())).unwrap()
}

/// The next piece of a body as text; none behind the last one.
pub(crate) async fn next(body: &mut Stream) -> Option<String> {
    Some(String::from_utf8(piece(body).await?.to_vec()).unwrap())
}

/// The next piece of a body; none behind the last one.
async fn piece(body: &mut Stream) -> Option<Bytes> {
    let mut piece = timeout(HANG, body.recv_data()).await.expect("no hang").unwrap()?;
    Some(piece.copy_to_bytes(piece.remaining()))
}

async fn rest(body: &mut Stream) -> String {
    let mut all = String::new();
    while let Some(piece) = next(body).await {
        all.push_str(&piece);
    }
    all
}

#[test]
fn one_connection_carries_many_streams_and_polls() {
    let server = Server::start(without_heartbeats());
    run(async {
        let mut client = Client::connect(&server).await;
        let mut streams = Vec::new();
        for channel in 0..50 {
            let (response, mut body) = client.get(&format!("/channels/c{channel}/sse")).await;
            assert_eq!(response.version(), Version::HTTP_3);
            assert_eq!(response.headers()["content-type"], "text/event-stream");
            assert!(!response.headers().contains_key("connection"));
            assert_eq!(next(&mut body).await.unwrap(), "retry: 1000\n\n");
            streams.push(body);
        }
        for (channel, body) in streams.iter_mut().enumerate() {
            server.publish(&format!("/channels/c{channel}/events"), b"x");
            assert_eq!(next(body).await.unwrap(), "id: 1\ndata: x\n\n");
        }
        let (response, mut poll) = client.get("/channels/c7/poll").await;
        let body = r#"{"events":[{"id":1,"data":"x"}],"last_event_id":1}"#;
        assert_eq!(rest(&mut poll).await, body);
        assert_eq!(response.headers()["content-length"], body.len().to_string());
        assert!(response.headers().contains_key("date"));
        let (response, mut nothing) = client.get("/channels/c7/poll?after=1").await;
        assert_eq!(response.status(), 204);
        assert_eq!(rest(&mut nothing).await, "");
        assert_eq!(server.metric("pushbench_connections{transport=\"polling\"}"), 1, "one in all");
    });
}

#[test]
fn a_client_publishes_and_hears_of_it() {
    let server = Server::start(Config::default());
    run(async {
        let mut client = Client::connect(&server).await;
        let held = client
            .sender
            .send_request(request(Method::GET, "/channels/a/long-poll?after=0", "").map(drop));
        let mut held = held.await.unwrap();
        held.finish().await.unwrap();
        let (response, mut answer) =
            client.send(request(Method::POST, "/channels/a/events", "news")).await;
        assert_eq!(
            (response.status().as_u16(), &rest(&mut answer).await[..]),
            (200, r#"{"id":1,"count":1}"#)
        );
        let response = timeout(HANG, held.recv_response()).await.expect("no hang").unwrap();
        assert_eq!(response.status(), 200);
        let body = r#"{"events":[{"id":1,"data":"news"}],"last_event_id":1}"#;
        assert_eq!(rest(&mut held).await, body);
    });
}

#[test]
fn a_body_is_as_long_as_its_client_says() {
    let server = Server::start(Config::default());
    run(async {
        let mut client = Client::connect(&server).await;
        for (length, status) in [("4", 200), ("3", 400), ("5", 400), ("2000000", 413)] {
            let mut publish = request(Method::POST, "/channels/a/events", "news");
            publish.headers_mut().insert("content-length", length.parse().unwrap());
            let (response, _) = client.send(publish).await;
            assert_eq!(response.status(), status, "{length}");
        }
    });
}

#[test]
fn a_stream_that_is_not_read_costs_bounded_memory_and_is_told_what_it_missed() {
    let server = Server::start(Config { log_events: LARGE_EVENTS, ..Config::default() });
    run(async {
        let mut client = Client::connect(&server).await;
        let (_, mut body) = client.get("/channels/a/sse").await;
        for _ in 0..20 {
            server.publish_a_megabyte();
        }
        let mut decoder = pushbench_wire::sse::Decoder::new(1 << 20);
        let (mut last, mut notices) = (0, 0);
        while last < 20 * LARGE_EVENTS as u64 {
            let piece = next(&mut body).await.unwrap();
            decoder
                .feed(piece.as_bytes(), |event| {
                    notices += u64::from(event.name == "lagged");
                    last = event.id;
                })
                .unwrap();
        }
        assert!(notices > 0);
        // Others on the connection are not held up by it.
        assert_eq!(client.get("/healthz").await.0.status(), 200);
    });
}

#[test]
fn a_heartbeat_comes_on_a_silent_stream() {
    let config = Config { heartbeat: Duration::from_millis(50), ..Config::default() };
    let server = Server::start(config);
    run(async {
        let mut client = Client::connect(&server).await;
        let (_, mut body) = client.get("/channels/a/sse").await;
        assert_eq!(next(&mut body).await.unwrap(), "retry: 1000\n\n");
        for _ in 0..2 {
            assert_eq!(next(&mut body).await.unwrap(), pushbench_wire::sse::HEARTBEAT);
        }
    });
}

#[test]
fn answers_and_streams_are_compressed() {
    let mut server = Server::start(Config { compression: true, ..without_heartbeats() });
    let text = "all work and no play ".repeat(20);
    server.publish_texts(&[&text]);
    run(async {
        let mut client = Client::connect(&server).await;
        let plain = server.get("/channels/a/poll").text();
        let mut bodies = Vec::new();
        for path in ["/channels/a/poll", "/channels/a/long-poll", "/channels/a/sse?after=0"] {
            let mut get = request(Method::GET, path, "");
            get.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
            let (response, body) = client.send(get).await;
            assert_eq!(response.headers()["content-encoding"], "gzip", "{path}");
            assert_eq!(response.headers()["vary"], "Accept-Encoding", "{path}");
            bodies.push((body, response.headers().get("content-length").cloned()));
        }
        server.await_metric("pushbench_deliveries_total{transport=\"sse\"}", 1);
        server.stop();
        let stream = format!("retry: 1000\n\nid: 1\ndata: {text}\n\n");
        for ((mut body, length), content) in bodies.into_iter().zip([&plain, &plain, &stream]) {
            let mut gzip = Vec::new();
            while let Some(piece) = piece(&mut body).await {
                gzip.extend_from_slice(&piece);
            }
            assert!(length.is_none_or(|length| length == gzip.len().to_string()));
            assert!(gzip.len() < content.len() / 2, "{} bytes", gzip.len());
            let mut text = String::new();
            flate2::read::GzDecoder::new(&gzip[..]).read_to_string(&mut text).unwrap();
            assert_eq!(text, *content);
        }
    });
    server.stopped(Duration::ZERO);
}

#[test]
fn a_stopping_server_ends_streams_and_connections() {
    let mut server = Server::start(Config::default());
    run(async {
        let mut client = Client::connect(&server).await;
        let (_, mut body) = client.get("/channels/a/sse").await;
        assert_eq!(next(&mut body).await.unwrap(), "retry: 1000\n\n");
        server.stop();
        assert_eq!(rest(&mut body).await, "", "it ends as it should");
        let closed = timeout(HANG, client.quic.closed()).await.expect("no hang").to_string();
        // H3_NO_ERROR (RFC 9114 §8.1).
        assert!(closed.contains("256"), "{closed}");
    });
    server.stopped(Duration::ZERO);
}

#[test]
fn streams_that_their_clients_leave_are_noticed() {
    let config = Config { heartbeat: Duration::from_millis(50), ..Config::default() };
    let server = Server::start(config);
    run(async {
        let mut client = Client::connect(&server).await;
        // Else what is new would be the channel.
        assert_eq!(client.get("/channels/a/poll").await.0.status(), 204);
        let before = server.metric("pushbench_memory_bytes");
        let (_, body) = client.get("/channels/a/sse").await;
        assert!(server.metric("pushbench_memory_bytes") > before);
        drop(body);
        wait_while("it ends with the next heartbeat", || {
            server.metric("pushbench_memory_bytes") > before
        })
        .await;
        assert_eq!(client.get("/healthz").await.0.status(), 200);
        client.quic.close(0_u32.into(), b"");
        wait_while("it is gone", || server.metric("pushbench_connections{transport=\"sse\"}") > 0)
            .await;
    });
}

#[test]
fn polls_that_are_held_are_accounted_for() {
    let server = Server::start(Config::default());
    run(async {
        let mut client = Client::connect(&server).await;
        assert_eq!(client.get("/channels/a/poll").await.0.status(), 204);
        let before = server.metric("pushbench_memory_bytes");
        let mut polls = Vec::new();
        for _ in 0..20 {
            let ask = request(Method::GET, "/channels/a/long-poll?after=0", "").map(drop);
            let mut poll = client.sender.send_request(ask).await.unwrap();
            poll.finish().await.unwrap();
            polls.push(poll);
        }
        wait_while("they are accounted for", || {
            server.metric("pushbench_memory_bytes") < before + 20 * (8 << 10)
        })
        .await;
        server.publish_texts(&["x"]);
        for mut poll in polls {
            let response = timeout(HANG, poll.recv_response()).await.expect("no hang").unwrap();
            assert_eq!(response.status(), 200);
        }
    });
}

#[test]
fn a_head_has_the_length_of_the_body_and_no_body() {
    let server = Server::start(Config::default());
    run(async {
        let mut client = Client::connect(&server).await;
        let length = client.get("/healthz").await.0.headers()["content-length"].clone();
        let (response, mut body) = client.send(request(Method::HEAD, "/healthz", "")).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-length"], length);
        assert_eq!(rest(&mut body).await, "");
    });
}

#[test]
fn what_is_refused_says_why() {
    let server = Server::start(Config::default());
    run(async {
        let mut client = Client::connect(&server).await;
        for (method, path, body, status) in [
            (Method::GET, "/nothing", "", 404),
            (Method::GET, "/channels/a/ws", "", 426),
            (Method::GET, "/channels/a/tcp", "", 426),
            (Method::DELETE, "/channels/a/poll", "", 405),
            (Method::GET, "/channels/a/poll", "a body", 400),
        ] {
            let (response, mut why) = client.send(request(method, path, body)).await;
            assert_eq!(response.status(), status, "{path}");
            // RFC 9114 §4.2.
            assert!(!response.headers().contains_key("connection"), "{response:?}");
            assert!(!response.headers().contains_key("upgrade"), "{response:?}");
            assert!(rest(&mut why).await.starts_with("{\"error\":"), "{path}");
        }
        let mut elsewhere = request(Method::GET, "/healthz", "");
        *elsewhere.uri_mut() = "https://elsewhere.example/healthz".parse().unwrap();
        assert_eq!(client.send(elsewhere).await.0.status(), 403);
        let mut large = request(Method::GET, "/healthz", "");
        large.headers_mut().insert("x-large", "x".repeat(20 << 10).parse().unwrap());
        assert_eq!(client.send(large).await.0.status(), 431);
        assert_eq!(client.get("/healthz").await.0.status(), 200, "the connection goes on");
    });
}
