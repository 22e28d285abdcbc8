//! A server on a free port, and clients for it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use pushbench_server::{Config, Listeners, Tls, TlsListeners};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// Far longer than anything here takes: a test that would hang fails instead.
const PATIENCE: Duration = Duration::from_secs(60);

/// The number of events of [`Server::publish_a_megabyte`].
pub(crate) const LARGE_EVENTS: usize = 20;

/// A server on a thread of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Where it is by TLS, and its certificate.
    pub(crate) tls: SocketAddr,
    /// Where it is by HTTP/3.
    pub(crate) http3: SocketAddr,
    certificate: String,
    stop: Option<oneshot::Sender<()>>,
    clock: mpsc::UnboundedSender<Advance>,
    result: Receiver<Result<(), pushbench_server::Error>>,
    /// Ends the thread when it is dropped.
    _alive: oneshot::Sender<()>,
}

/// Advances the server's clock, and confirms it.
struct Advance(Duration, SyncSender<()>);

impl Server {
    pub(crate) fn start(config: Config) -> Self {
        Self::start_on(runtime::Builder::new_multi_thread().worker_threads(2), config)
    }

    /// A server, and one whose clients all come by TLS.
    pub(crate) fn plain_and_by_tls(config: &Config) -> [Self; 2] {
        let mut by_tls = Self::start(config.clone());
        by_tls.address = crate::tls::forward(by_tls.tls, by_tls.trust());
        [Self::start(config.clone()), by_tls]
    }

    /// What trusts this server, and nobody else.
    pub(crate) fn trust(&self) -> Arc<ClientConfig> {
        let certificates = CertificateDer::pem_slice_iter(self.certificate.as_bytes());
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.map(Result::unwrap));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    }

    /// Starts a server whose clock only moves with [`Self::advance`]. Its time-outs then depend on
    /// no speed, and no test has to wait for them.
    pub(crate) fn start_with_manual_clock(config: Config) -> Self {
        Self::start_on(runtime::Builder::new_current_thread().start_paused(true), config)
    }

    fn start_on(runtime: &mut runtime::Builder, config: Config) -> Self {
        let runtime = runtime.enable_all().build().unwrap();
        let listener = || runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let (plain, secure) = (listener(), listener());
        let (address, tls) = (plain.local_addr().unwrap(), secure.local_addr().unwrap());
        let (secured, certificate) = Tls::self_signed(vec!["localhost".to_owned()]).unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let http3 = udp.local_addr().unwrap();
        let secure = TlsListeners { tcp: secure, udp: Some(udp), tls: secured };
        let listeners = Listeners { plain, tls: Some(secure) };
        let (stop, stopped) = oneshot::channel();
        let (alive, dropped) = oneshot::channel();
        let (clock, advances) = mpsc::unbounded_channel();
        let (served, result) = sync_channel(1);
        std::thread::spawn(move || {
            // A paused clock moves by itself while the runtime is idle, but not while a blocking
            // task runs.
            let (running, ended) = sync_channel::<()>(0);
            runtime.spawn_blocking(move || ended.recv());
            let serve = runtime.spawn(pushbench_server::run(listeners, config, async {
                let _ = stopped.await;
            }));
            runtime.block_on(async {
                tokio::select! {
                    result = serve => {
                        // Nobody may be interested.
                        let _ = served.send(result.unwrap());
                    }
                    () = advance_clock(advances) => {}
                    _ = dropped => {}
                }
            });
            drop(running);
        });
        Self { address, tls, http3, certificate, stop: Some(stop), clock, result, _alive: alive }
    }

    /// Advances the manual clock. Whatever is due then has happened when this returns.
    pub(crate) fn advance(&self, duration: Duration) {
        let (done, confirmed) = sync_channel(1);
        // It fails only if the server has ended, which the test notices otherwise.
        if self.clock.send(Advance(duration, done)).is_ok() {
            let _ = confirmed.recv_timeout(PATIENCE);
        }
    }

    /// Waits until the server has handled what has been sent to it so far.
    pub(crate) fn settle(&self) {
        assert_eq!(self.get("/healthz").status, 200);
    }

    /// Asks the server to stop.
    pub(crate) fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Waits until the server has stopped. A manual clock is advanced by `step` meanwhile.
    pub(crate) fn stopped(self, step: Duration) {
        for _ in 0..PATIENCE.as_millis() {
            if let Ok(result) = self.result.recv_timeout(Duration::from_millis(1)) {
                return result.unwrap();
            }
            if !step.is_zero() {
                self.advance(step);
            }
        }
        panic!("the server does not stop");
    }

    pub(crate) fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Connection { stream, read: Vec::new() }
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.connect().get(target, "")
    }

    pub(crate) fn publish(&self, target: &str, body: &[u8]) -> Response {
        let mut connection = self.connect();
        connection.send(format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        connection.send(body);
        connection.response()
    }

    /// Publishes texts to the channel `a`, one event each.
    pub(crate) fn publish_texts(&self, texts: &[&str]) {
        for text in texts {
            assert_eq!(self.publish("/channels/a/events", text.as_bytes()).status, 200);
        }
    }

    /// Publishes [`LARGE_EVENTS`] events of 50,000 bytes each to the channel `a`. A dozen of these
    /// are far more than the socket buffers of both sides hold.
    pub(crate) fn publish_a_megabyte(&self) {
        let body = frame(&[b'x'; 50_000], false).repeat(LARGE_EVENTS);
        assert_eq!(self.publish("/channels/a/events?split=lengths", &body).status, 200);
    }

    pub(crate) fn sse(&self, target: &str) -> Connection {
        let mut connection = self.connect();
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let head = connection.until("retry: 1000\n\n");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        connection
    }

    pub(crate) fn websocket(&self, target: &str) -> WebSocket<TcpStream> {
        let request = format!("ws://{}{target}", self.address).into_client_request().unwrap();
        tungstenite::client(request, self.connect().stream).unwrap().0
    }

    pub(crate) fn tcp(&self, target: &str) -> FrameReader {
        let mut connection = self.connect();
        connection.send(format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: pushbench-tcp\r\nConnection: Upgrade\r\n\r\n"
        ));
        let head = connection.until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
        assert!(head.contains("Upgrade: pushbench-tcp\r\nConnection: Upgrade\r\n"), "{head}");
        FrameReader(connection)
    }

    /// The value of one line of `/metrics`.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// Waits until a metric has a value.
    pub(crate) fn await_metric(&self, name: &str, value: u64) {
        let mut last = 0;
        for _ in 0..PATIENCE.as_millis() {
            last = self.metric(name);
            if last == value {
                return;
            }
            pause(Duration::from_millis(1));
        }
        panic!("{name} is {last}, not {value}");
    }
}

async fn advance_clock(mut advances: mpsc::UnboundedReceiver<Advance>) {
    while let Some(Advance(duration, done)) = advances.recv().await {
        tokio::time::advance(duration).await;
        // The timers have woken their tasks, which run while this yields.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let _ = done.send(());
    }
}

#[allow(clippy::disallowed_methods, reason = "a client that waits; it measures nothing")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// One TCP connection to the server.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    pub(crate) fn get(&mut self, target: &str, headers: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"));
        self.response()
    }

    /// Whether nothing has arrived that is not read yet.
    pub(crate) fn is_quiet(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        self.read.is_empty() && peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Reads up to and including `end`. What is not UTF-8 becomes U+FFFD.
    pub(crate) fn until(&mut self, end: &str) -> String {
        let mut searched = 0;
        loop {
            let rest = &self.read[searched..];
            let found = rest.windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(at) = found {
                return text(&self.take(searched + at + end.len()));
            }
            searched = (self.read.len() + 1).saturating_sub(end.len());
            assert!(self.read_some() > 0, "closed before {end:?}: {:?}", text(&self.read));
        }
    }

    pub(crate) fn response(&mut self) -> Response {
        let mut response = self.response_head();
        let length = response.header("content-length").map_or(0, |length| length.parse().unwrap());
        response.body = self.exactly(length);
        response
    }

    pub(crate) fn response_head(&mut self) -> Response {
        let head = self.until("\r\n\r\n");
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Response { status, headers, body: Vec::new() }
    }

    /// Reads to the end of the connection. A reset is an end too.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.read_some() > 0 {}
        std::mem::take(&mut self.read)
    }

    /// What has arrived, and something has if this returns.
    pub(crate) fn some(&mut self) -> Vec<u8> {
        assert!(!self.read.is_empty() || self.read_some() > 0, "closed");
        std::mem::take(&mut self.read)
    }

    pub(crate) fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.read_some() > 0, "closed before {length} bytes: {:?}", text(&self.read));
        }
        self.take(length)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.read.split_off(length);
        std::mem::replace(&mut self.read, rest)
    }

    fn read_some(&mut self) -> usize {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                count
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("{error}; so far {:?}", text(&self.read)),
        }
    }
}

/// A frame as a client of raw TCP sends it.
pub(crate) fn frame(payload: &[u8], binary: bool) -> Vec<u8> {
    let header = payload.len() as u32 | u32::from(binary) << 31;
    [&header.to_be_bytes()[..], payload].concat()
}

/// A connection of raw TCP.
pub(crate) struct FrameReader(pub(crate) Connection);

impl FrameReader {
    /// Publishes in-band.
    pub(crate) fn send(&mut self, payload: &[u8], binary: bool) {
        self.0.send(frame(payload, binary));
    }

    /// Whether the next frame is binary, and its message, which is empty in a heartbeat.
    pub(crate) fn next(&mut self) -> (bool, Vec<u8>) {
        let header = u32::from_be_bytes(self.0.exactly(4).try_into().unwrap());
        (header >> 31 == 1, self.0.exactly((header & 0x7fff_ffff) as usize))
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The values of a header that is there several times.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub(crate) fn text(&self) -> String {
        text(&self.body)
    }

    /// The reason in the body of an error, which must be JSON.
    pub(crate) fn reason(&self) -> String {
        let json: serde_json::Value = serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()));
        assert_eq!(self.header("content-type"), Some("application/json"));
        json["error"].as_str().unwrap().to_owned()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The next message with an event, after any pings.
pub(crate) fn next_message(socket: &mut WebSocket<TcpStream>) -> Message {
    loop {
        match socket.read().unwrap() {
            Message::Ping(_) | Message::Pong(_) => {}
            message => return message,
        }
    }
}
