//! The publisher: a thread that follows the open-loop schedule and publishes through the server's
//! own publish route. It never waits for an answer before it publishes the next event: answers are
//! read by a second thread, and an answer that is no 200 fails the trial.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use hdrhistogram::Histogram;
use nix::time::ClockId;
use pushbench_wire::endpoint::{BINARY_TYPE, Resource, SPLIT};
use pushbench_wire::stamp::STAMP_LEN;
use pushbench_wire::{Stamp, clock};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::pacer;
use super::send_queue::{DueEvent, filler};
use crate::client::TcpTotals;
use crate::results::latency_log;
use crate::scenario::schedule::{Due, Source};
use crate::scenario::{Content, hex};

/// How long the server may take to accept bytes or to answer: far beyond any latency worth a
/// measurement.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The most events in one request, in bytes: half of what a server takes by default, so that a
/// publisher that has fallen behind is late and not refused.
const MAX_BATCH_BYTES: usize = 512 << 10;

/// How often the reader of answers looks whether it has had the last one.
const LOOK_UP: Duration = Duration::from_millis(50);

/// The largest head of an answer.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// What the publisher follows.
pub(super) struct PublishPlan {
    /// The server.
    pub(super) address: SocketAddr,
    /// The channels, as [`Due::channel`] counts them.
    pub(super) channels: Vec<String>,
    /// How many connections receive what is published on each of them.
    pub(super) audiences: Vec<u64>,
    /// What payloads are made of.
    pub(super) content: Content,
    /// Bytes of the largest event.
    pub(super) most_payload_bytes: usize,
    /// Offset 0 of the schedule, on [`clock`].
    pub(super) start_ns: u64,
    /// Where what a connection sends goes, when it is due.
    pub(super) send_queues: Vec<mpsc::UnboundedSender<DueEvent>>,
}

/// What was published of the measured events.
#[derive(Debug)]
pub(super) struct Sent {
    /// How late they were: its own, and those that it handed to connections.
    pub(super) lateness: Histogram<u64>,
    /// How many deliveries the events call for, those of subscribers among them.
    pub(super) deliveries: u64,
    /// SHA-256 over the schedule as it was followed, in hexadecimal; empty when it was not followed
    /// to its end.
    pub(super) schedule_sha256: Option<String>,
}

/// A running publisher.
pub(super) struct Publisher {
    /// Gone once it is stopped.
    threads: Option<Threads>,
    shared: Arc<Shared>,
    /// The connection, to ask the kernel about it.
    connection: TcpStream,
}

struct Threads {
    sending: JoinHandle<anyhow::Result<(Histogram<u64>, Option<String>)>>,
    answers: JoinHandle<anyhow::Result<()>>,
}

/// A trial that fails drops its publisher, whose threads must not run into the next one. They end
/// by themselves soon; who waits for Ctrl-C should not wait for them.
impl Drop for Publisher {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

/// What the two threads and the engine share.
#[derive(Default)]
struct Shared {
    /// Whether the sending thread shall stop.
    stop: AtomicBool,
    /// Whether it has: after that no request is added.
    is_sent: AtomicBool,
    sent: AtomicU64,
    published: AtomicU64,
    deliveries: AtomicU64,
    sending_cpu_ns: AtomicU64,
    answers_cpu_ns: AtomicU64,
    failure: Mutex<Option<String>>,
}

impl Shared {
    /// Passes `outcome` on, and makes the reason of a failure known before its thread is joined.
    fn note<T>(&self, outcome: anyhow::Result<T>) -> anyhow::Result<T> {
        if let (Err(error), Ok(mut failure)) = (&outcome, self.failure.lock()) {
            failure.get_or_insert_with(|| format!("{error:#}"));
        }
        outcome
    }
}

impl Publisher {
    /// Connects, and starts to publish `schedule` at the plan's start.
    pub(super) fn start(
        plan: PublishPlan,
        schedule: impl Iterator<Item = Due> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let connect = || {
            let stream = TcpStream::connect(plan.address)?;
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            stream.set_read_timeout(Some(LOOK_UP))?;
            Ok::<_, std::io::Error>((stream.try_clone()?, stream.try_clone()?, stream))
        };
        let (reading, writing, connection) = connect()
            .with_context(|| format!("the publisher cannot connect to {}", plan.address))?;
        let shared = Arc::new(Shared::default());
        let answers = {
            let shared = Arc::clone(&shared);
            spawn("publish-answers", move || shared.note(read_answers(reading, &shared)))?
        };
        let sending = {
            let shared = Arc::clone(&shared);
            spawn("publisher", move || shared.note(publish(&plan, schedule, writing, &shared)))?
        };
        Ok(Self { threads: Some(Threads { sending, answers }), shared, connection })
    }

    /// CPU time of both threads so far.
    pub(super) fn cpu_ns(&self) -> u64 {
        self.shared.sending_cpu_ns.load(Ordering::Relaxed)
            + self.shared.answers_cpu_ns.load(Ordering::Relaxed)
    }

    /// What TCP has done for its connection so far; `None` where the kernel does not say.
    pub(super) fn tcp(&self) -> Option<TcpTotals> {
        TcpTotals::read(self.connection.as_raw_fd())
    }

    /// Measured events that were written to the server or handed to connections so far.
    pub(super) fn published(&self) -> u64 {
        self.shared.published.load(Ordering::Relaxed)
    }

    /// Why it cannot go on, as soon as it cannot.
    pub(super) fn failure(&self) -> Option<String> {
        self.shared.failure.lock().ok()?.clone()
    }

    /// Publishes no more, and returns what [`finish`](Self::finish) does.
    pub(super) fn stop(self) -> anyhow::Result<Sent> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.finish()
    }

    /// Waits until everything is published and answered.
    pub(super) fn finish(mut self) -> anyhow::Result<Sent> {
        let Threads { sending, answers } =
            self.threads.take().context("the publisher has ended before")?;
        let sent = join(sending);
        // A server that stops reading also stops answering: its answer says more than the write.
        join(answers)?;
        let (lateness, schedule_sha256) = sent?;
        let deliveries = self.shared.deliveries.load(Ordering::Relaxed);
        Ok(Sent { lateness, deliveries, schedule_sha256 })
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<JoinHandle<anyhow::Result<T>>> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .with_context(|| format!("cannot start the {name} thread"))
}

fn join<T>(thread: JoinHandle<anyhow::Result<T>>) -> anyhow::Result<T> {
    thread.join().map_err(|_| anyhow!("a publisher thread panicked"))?
}

fn publish(
    plan: &PublishPlan,
    schedule: impl Iterator<Item = Due>,
    mut stream: TcpStream,
    shared: &Shared,
) -> anyhow::Result<(Histogram<u64>, Option<String>)> {
    pacer::prepare_thread();
    let _end = EndOfSending(shared);
    let mut lateness = latency_log::histogram();
    let mut batches: Vec<Batch> = plan.channels.iter().map(|name| Batch::new(plan, name)).collect();
    let mut request = Vec::new();
    let mut schedule = schedule.peekable();
    let mut followed = Sha256::new();
    loop {
        let Some(next) = schedule.peek() else {
            return Ok((lateness, Some(hex(&followed.finalize()))));
        };
        pacer::sleep_until(plan.start_ns + next.offset_ns, &shared.stop);
        if shared.stop.load(Ordering::Relaxed) {
            return Ok((lateness, None));
        }
        let now_ns = clock::now_ns();
        request.clear();
        let (mut requests, mut measured, mut deliveries) = (0, 0, 0);
        let mut touched = Vec::new();
        while let Some(due) = schedule.next_if(|event| plan.start_ns + event.offset_ns <= now_ns) {
            let intended_ns = plan.start_ns + due.offset_ns;
            follow(&mut followed, &due);
            if due.is_measured {
                lateness.saturating_record(now_ns - intended_ns);
                measured += 1;
                deliveries += plan.audiences[due.channel as usize];
            }
            let Due { sequence, payload_bytes, .. } = due;
            if let Source::Connection(connection) = due.source {
                let due = DueEvent { intended_ns, sequence, payload_bytes };
                // Who has ended says so by itself.
                let _ = plan.send_queues[connection as usize].send(due);
                continue;
            }
            let batch = &mut batches[due.channel as usize];
            if batch.is_full() {
                batch.take_into(&mut request);
                requests += 1;
            } else if batch.events.is_empty() {
                touched.push(due.channel);
            }
            let stamp = Stamp { publisher: 0, sequence, intended_ns, published_ns: now_ns };
            batch.push(&stamp, payload_bytes);
        }
        for channel in touched {
            batches[channel as usize].take_into(&mut request);
            requests += 1;
        }
        // Counted first, so that no answer can come before its request is known.
        shared.sent.fetch_add(requests, Ordering::Release);
        stream.write_all(&request).context("the server does not take events any more")?;
        shared.published.fetch_add(measured, Ordering::Relaxed);
        shared.deliveries.fetch_add(deliveries, Ordering::Relaxed);
        shared.sending_cpu_ns.store(thread_cpu_ns(), Ordering::Relaxed);
    }
}

/// Says that nothing more is sent when the sending thread ends, were it by a panic: the reader of
/// answers waits for it.
struct EndOfSending<'a>(&'a Shared);

impl Drop for EndOfSending<'_> {
    fn drop(&mut self) {
        self.0.is_sent.store(true, Ordering::Release);
    }
}

fn thread_cpu_ns() -> u64 {
    clock::read_ns(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap_or_default()
}

/// Adds an event to what was followed.
fn follow(followed: &mut Sha256, due: &Due) {
    let source = match due.source {
        Source::Backend => 0,
        Source::Connection(connection) => u64::from(connection) + 1,
    };
    for number in
        [due.offset_ns, due.channel.into(), source, due.sequence.into(), due.payload_bytes as u64]
    {
        followed.update(number.to_le_bytes());
    }
}

/// The events of one channel that are due together, as one request.
struct Batch {
    head: String,
    content: Content,
    payload: Vec<u8>,
    events: Vec<u8>,
}

impl Batch {
    fn new(plan: &PublishPlan, channel: &str) -> Self {
        let path = Resource::Events.path(channel);
        let (split, kind) = match plan.content {
            Content::Text => ("lines", "text/plain"),
            Content::Binary => ("lengths", BINARY_TYPE),
        };
        Self {
            head: format!(
                "POST {path}?{SPLIT}={split} HTTP/1.1\r\nhost: {}\r\ncontent-type: {kind}\r\ncontent-length: ",
                plan.address
            ),
            content: plan.content,
            payload: filler(plan.content, plan.most_payload_bytes.max(STAMP_LEN)),
            events: Vec::new(),
        }
    }

    /// Whether one more event might make the request larger than the server takes.
    fn is_full(&self) -> bool {
        !self.events.is_empty() && self.events.len() + self.payload.len() >= MAX_BATCH_BYTES
    }

    fn push(&mut self, stamp: &Stamp, payload_bytes: usize) {
        stamp.write_to(&mut self.payload);
        let payload = &self.payload[..payload_bytes];
        match self.content {
            Content::Text => {
                self.events.extend_from_slice(payload);
                self.events.push(b'\n');
            }
            Content::Binary => {
                self.events.extend_from_slice(&(payload_bytes as u32).to_be_bytes());
                self.events.extend_from_slice(payload);
            }
        }
    }

    fn take_into(&mut self, request: &mut Vec<u8>) {
        request.extend_from_slice(self.head.as_bytes());
        // Writing to a `Vec` cannot fail.
        let _ = write!(request, "{}\r\n\r\n", self.events.len());
        request.append(&mut self.events);
    }
}

/// Reads one answer for every request, until all that were sent are answered.
fn read_answers(mut stream: TcpStream, shared: &Shared) -> anyhow::Result<()> {
    let mut answered = 0;
    let mut unread = Vec::new();
    let mut piece = [0; 4096];
    let mut silent_since_ns = clock::now_ns();
    loop {
        while let Some(used) = parse_answer(&unread)? {
            unread.drain(..used);
            answered += 1;
        }
        // In this order: a request that is added in between is waited for.
        let is_sent = shared.is_sent.load(Ordering::Acquire);
        if answered == shared.sent.load(Ordering::Acquire) {
            if is_sent {
                return Ok(());
            }
            silent_since_ns = clock::now_ns();
        }
        ensure!(
            unread.len() <= MAX_ANSWER_BYTES,
            "the server's answer to an event is larger than {MAX_ANSWER_BYTES} bytes"
        );
        match stream.read(&mut piece) {
            Ok(0) => bail!("the server closed the publisher's connection"),
            Ok(bytes) => {
                unread.extend_from_slice(&piece[..bytes]);
                silent_since_ns = clock::now_ns();
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let silence = Duration::from_nanos(clock::now_ns() - silent_since_ns);
                ensure!(
                    silence < TIMEOUT,
                    "the server has not answered the publisher for {TIMEOUT:?}"
                );
            }
            Err(error) => return Err(error).context("the server does not answer the publisher"),
        }
        shared.answers_cpu_ns.store(thread_cpu_ns(), Ordering::Relaxed);
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
    use super::*;
    use proptest::prelude::*;

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
