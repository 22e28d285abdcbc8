//! Publishing by HTTP: the events of a channel that go out together are one `POST`, requests follow
//! each other without waiting, and an answer that is no 200 is an error.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use pushbench_wire::clock;
use pushbench_wire::endpoint::{BINARY_TYPE, Resource, SPLIT};

use super::publish_path::{Acknowledgements, OpenPath, PublishPath, PublishTarget, TcpProbe};
use crate::scenario::Content;

/// How long the server may take to accept bytes or to answer: far beyond any latency worth a
/// measurement.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The most events in one request, in bytes: half of what a server takes by default, so that a
/// publisher that has fallen behind is late and not refused.
const MAX_BATCH_BYTES: usize = 512 << 10;

/// How long answers are waited for at a time.
const MOMENT: Duration = Duration::from_millis(50);

/// The largest head of an answer.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// One connection, on which everything is published.
pub(crate) struct HttpPublish {
    stream: TcpStream,
    batches: Vec<Batch>,
    /// Channels that have events to send, in the order in which these came.
    touched: Vec<usize>,
    /// What goes out next, but for the events that are still in their batches.
    requests: Vec<u8>,
    /// How many requests those are.
    complete: u64,
    sent: Arc<AtomicU64>,
}

/// The answers on that connection.
pub(crate) struct HttpAnswers {
    stream: TcpStream,
    /// Requests sent.
    sent: Arc<AtomicU64>,
    answered: u64,
    unread: Vec<u8>,
    silent_since_ns: u64,
}

impl PublishPath for HttpPublish {
    type Acknowledgements = HttpAnswers;

    fn open(target: &PublishTarget<'_>) -> anyhow::Result<OpenPath<Self>> {
        let connect = || {
            let stream = TcpStream::connect(target.address)?;
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            stream.set_read_timeout(Some(MOMENT))?;
            Ok::<_, std::io::Error>((stream.try_clone()?, stream.try_clone()?, stream))
        };
        let (reading, connection, stream) = connect()
            .with_context(|| format!("the publisher cannot connect to {}", target.address))?;
        let sent = Arc::<AtomicU64>::default();
        let batch = |channel: &String| Batch::new(target.address, channel, target.content);
        Ok(OpenPath {
            acknowledgements: HttpAnswers {
                stream: reading,
                sent: Arc::clone(&sent),
                answered: 0,
                unread: Vec::new(),
                silent_since_ns: clock::now_ns(),
            },
            path: Self {
                stream,
                batches: target.channels.iter().map(batch).collect(),
                touched: Vec::new(),
                requests: Vec::new(),
                complete: 0,
                sent,
            },
            probe: Some(TcpProbe::new(connection)),
        })
    }

    fn push(&mut self, channel: usize, payload: &[u8]) {
        let batch = &mut self.batches[channel];
        if batch.events.is_empty() {
            self.touched.push(channel);
        } else if batch.events.len() + payload.len() >= MAX_BATCH_BYTES {
            batch.take_into(&mut self.requests);
            self.complete += 1;
        }
        batch.push(payload);
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        for channel in self.touched.drain(..) {
            self.batches[channel].take_into(&mut self.requests);
            self.complete += 1;
        }
        // Counted first, so that no answer can come before its request is known.
        self.sent.fetch_add(std::mem::take(&mut self.complete), Ordering::Release);
        let written = self.stream.write_all(&self.requests);
        self.requests.clear();
        written.context("the server stopped accepting events")
    }
}

/// Whether a read only says that nothing has come, be it that somebody stopped this process meanwhile.
fn is_nothing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// The events of one channel that are due together, as one request.
struct Batch {
    head: String,
    content: Content,
    events: Vec<u8>,
}

impl Batch {
    fn new(address: SocketAddr, channel: &str, content: Content) -> Self {
        let path = Resource::Events.path(channel);
        let (split, kind) = match content {
            Content::Text => ("lines", "text/plain"),
            Content::Binary => ("lengths", BINARY_TYPE),
        };
        let head = format!(
            "POST {path}?{SPLIT}={split} HTTP/1.1\r\nhost: {address}\r\ncontent-type: {kind}\r\ncontent-length: "
        );
        Self { head, content, events: Vec::new() }
    }

    fn push(&mut self, payload: &[u8]) {
        match self.content {
            Content::Text => {
                self.events.extend_from_slice(payload);
                self.events.push(b'\n');
            }
            Content::Binary => {
                self.events.extend_from_slice(&(payload.len() as u32).to_be_bytes());
                self.events.extend_from_slice(payload);
            }
        }
    }

    fn take_into(&mut self, requests: &mut Vec<u8>) {
        requests.extend_from_slice(self.head.as_bytes());
        // Writing to a `Vec` cannot fail.
        let _ = write!(requests, "{}\r\n\r\n", self.events.len());
        requests.append(&mut self.events);
    }
}

impl Acknowledgements for HttpAnswers {
    fn acknowledge(&mut self) -> anyhow::Result<u64> {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece) {
            Ok(0) => bail!("the server closed the publisher's connection"),
            Ok(bytes) => {
                self.unread.extend_from_slice(&piece[..bytes]);
                self.silent_since_ns = clock::now_ns();
            }
            Err(error) if is_nothing(&error) => {}
            Err(error) => return Err(error).context("the server does not answer the publisher"),
        }
        while let Some(used) = parse_answer(&self.unread)? {
            self.unread.drain(..used);
            self.answered += 1;
        }
        ensure!(
            self.unread.len() <= MAX_ANSWER_BYTES,
            "the server's answer to an event is larger than {MAX_ANSWER_BYTES} bytes"
        );
        let to_come = self.sent.load(Ordering::Acquire).saturating_sub(self.answered);
        if to_come == 0 {
            self.silent_since_ns = clock::now_ns();
        }
        let silence = Duration::from_nanos(clock::now_ns() - self.silent_since_ns);
        ensure!(silence < TIMEOUT, "the server has not answered the publisher for {TIMEOUT:?}");
        Ok(to_come)
    }
}

/// The length of the answer at the head of `bytes`, once it is whole.
fn parse_answer(bytes: &[u8]) -> anyhow::Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) =
        answer.parse(bytes).context("the server's answer to an event is not HTTP")?
    else {
        return Ok(None);
    };
    let length: usize = answer
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok())
        .context("the server's answer to an event has no content-length")?;
    let end = head.saturating_add(length);
    let Some(body) = bytes.get(head..end) else { return Ok(None) };
    match answer.code {
        Some(200) => Ok(Some(end)),
        code => bail!(
            "the server refused an event with {}: {}",
            code.unwrap_or_default(),
            String::from_utf8_lossy(body)
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use proptest::prelude::*;

    fn open(address: SocketAddr, content: Content) -> OpenPath<HttpPublish> {
        let channels = ["one", "two"].map(str::to_owned);
        HttpPublish::open(&PublishTarget { address, channels: &channels, content }).unwrap()
    }

    #[test]
    fn events_of_a_channel_share_a_request() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let OpenPath { mut path, mut acknowledgements, probe } = open(address, Content::Text);
        let mut server = listener.accept().unwrap().0;
        path.push(1, b"a");
        path.push(0, b"bc");
        path.push(1, b"d");
        path.flush().unwrap();
        let head = |channel: &str, length: usize| {
            let path = Resource::Events.path(channel);
            format!(
                "POST {path}?split=lines HTTP/1.1\r\nhost: {address}\r\n\
                 content-type: text/plain\r\ncontent-length: {length}\r\n\r\n"
            )
        };
        let expected = format!("{}a\nd\n{}bc\n", head("two", 4), head("one", 3));
        let mut read = vec![0; expected.len()];
        server.read_exact(&mut read).unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), expected);
        assert_eq!(probe.unwrap().read().unwrap().bytes_out, expected.len() as u64);

        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        for to_come in [1, 0] {
            server.write_all(answer.as_bytes()).unwrap();
            while acknowledgements.acknowledge().unwrap() > to_come {}
        }
        drop(server);
        let gone = loop {
            if let Err(error) = acknowledgements.acknowledge() {
                break error.to_string();
            }
        };
        assert_eq!(gone, "the server closed the publisher's connection");
    }

    #[test]
    fn a_request_is_not_larger_than_a_server_takes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut path = open(listener.local_addr().unwrap(), Content::Binary).path;
        let event = vec![7; MAX_BATCH_BYTES / 4];
        for _ in 0..10 {
            path.push(0, &event);
        }
        let waiting = path.batches[0].events.len();
        assert!(waiting < MAX_BATCH_BYTES, "{waiting} bytes");
        assert_eq!(path.complete, 3, "with three events each");
    }

    #[test]
    fn answers() {
        let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{\"id\":1}HTTP/1.1 2";
        assert_eq!(parse_answer(ok).unwrap(), Some(ok.len() - 10));
        assert_eq!(parse_answer(&ok[..40]).unwrap(), None);
        let refused = b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: 3\r\n\r\nbig";
        assert_eq!(
            parse_answer(refused).unwrap_err().to_string(),
            "the server refused an event with 413: big"
        );
        assert!(parse_answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse_answer(b"SSH-2.0\r\n\r\n").is_err());
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_panic(bytes: Vec<u8>, length: u64) {
            let _ = parse_answer(&bytes);
            let _ = parse_answer(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes());
        }
    }
}
