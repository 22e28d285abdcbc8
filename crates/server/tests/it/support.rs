//! A server on a free port, and clients for it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use pushbench_server::Config;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// Far beyond what anything here takes: a test that would hang fails instead.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    runtime: Runtime,
    served: Option<tokio::task::JoinHandle<Result<(), pushbench_server::Error>>>,
}

impl Server {
    pub(crate) fn start(config: Config) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = runtime.spawn(pushbench_server::run(listener, config, async {
            let _ = stopped.await;
        }));
        Self { address, stop: Some(stop), runtime, served: Some(served) }
    }

    /// Asks it to stop; the returned function waits until it has.
    pub(crate) fn stop(&mut self) -> impl FnOnce() + '_ {
        let _ = self.stop.take().unwrap().send(());
        let served = self.served.take().unwrap();
        let runtime = &self.runtime;
        move || runtime.block_on(within_patience(served)).unwrap().unwrap()
    }

    pub(crate) fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).unwrap();
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
            "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
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

    pub(crate) fn sse(&self, target: &str) -> Connection {
        let mut connection = self.connect();
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
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
            "GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: pushbench-tcp\r\nConnection: Upgrade\r\n\r\n"
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
        for _ in 0..500 {
            last = self.metric(name);
            if last == value {
                return;
            }
            pause(Duration::from_millis(10));
        }
        panic!("{name} is {last}, not {value}");
    }
}

async fn within_patience<T>(
    task: tokio::task::JoinHandle<T>,
) -> Result<T, tokio::time::error::Elapsed> {
    tokio::time::timeout(PATIENCE, async { task.await.unwrap() }).await
}

#[allow(clippy::disallowed_methods, reason = "a client that waits, not a measurement")]
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
        self.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n"));
        self.response()
    }

    /// Reads up to and with `end`; what is not UTF-8 becomes U+FFFD.
    pub(crate) fn until(&mut self, end: &str) -> String {
        loop {
            let found = self.read.windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(at) = found {
                let bytes: Vec<u8> = self.read.drain(..at + end.len()).collect();
                return text(&bytes);
            }
            assert!(self.read_some() > 0, "closed before {end:?}: {:?}", text(&self.read));
        }
    }

    pub(crate) fn response(&mut self) -> Response {
        let head = self.until("\r\n\r\n");
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut response = Response { status, headers, body: Vec::new() };
        let length = response.header("content-length").map_or(0, |length| length.parse().unwrap());
        response.body = self.exactly(length);
        response
    }

    /// Reads to the end of the connection; a reset is one too.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.read_some() > 0 {}
        std::mem::take(&mut self.read)
    }

    fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.read_some() > 0, "closed before {length} bytes: {:?}", text(&self.read));
        }
        self.read.drain(..length).collect()
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

/// A connection that raw TCP has taken over.
pub(crate) struct FrameReader(pub(crate) Connection);

impl FrameReader {
    /// Publishes in-band.
    pub(crate) fn send(&mut self, payload: &[u8], binary: bool) {
        self.0.send(frame(payload, binary));
    }

    /// Whether the next frame is binary, and its message: empty in a heartbeat.
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

/// The next message with events, past pings.
pub(crate) fn next_message(socket: &mut WebSocket<TcpStream>) -> Message {
    loop {
        match socket.read().unwrap() {
            Message::Ping(_) | Message::Pong(_) => {}
            message => return message,
        }
    }
}
