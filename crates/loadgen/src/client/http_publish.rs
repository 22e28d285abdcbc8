//! Publishing by HTTP: the events of a channel that go out together are one `POST`, requests follow
//! each other without waiting, and an answer that does not take the events is an error.

use std::io::{self, ErrorKind, Read as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use pushbench_wire::clock;

use super::http_answer::{Answer, Told, parse};
use super::publish_form::{ChannelRequests, Requested, requests};
use super::publish_link::{End, Link, MOMENT, Requests, TIMEOUT, is_end};
use super::publish_path::{
    Acknowledgements, OpenPath, PublishForm, PublishPath, PublishTarget, TcpProbe,
};
use super::publish_stream::{PublishStream, Secure};

/// How often it is tried to reach a server that is away.
const TRY_AGAIN: Duration = Duration::from_millis(10);

/// How long a server may be away: longer than it may take to end, to stay down and to get ready.
const AWAY: Duration = Duration::from_secs(75);

/// The largest answer.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// One connection at a time, on which everything is published.
pub(crate) struct HttpPublish {
    channels: Vec<ChannelRequests>,
    /// Channels that have events to send, in the order in which these came.
    touched: Vec<usize>,
    /// What goes out next, but for the events that are still in their batches.
    requests: Requests,
    shared: Arc<Shared>,
}

/// The answers on that connection.
pub(crate) struct HttpAnswers {
    /// The connection that is read; none between two.
    stream: Option<PublishStream>,
    /// Its number.
    number: u64,
    /// How many answers came over it.
    on_connection: u64,
    /// Whether the server has ended a connection with the first answer over it.
    one_at_a_time: bool,
    unread: Vec<u8>,
    told: Told,
    /// How long an answer has been waited for, or the server itself.
    silence: Duration,
    /// Since when a server that comes back says that it cannot take events yet.
    unready_since_ns: Option<u64>,
    /// How a server is reached that comes back; none if its end is an error.
    way_back: Option<(SocketAddr, Option<Secure>)>,
    shared: Arc<Shared>,
}

/// What both share.
struct Shared {
    /// Requests sent, and answered.
    sent: AtomicU64,
    answered: AtomicU64,
    /// Whoever sends has it while it does. Nobody else wants it as long as the connection lasts, or
    /// answers would wait for what is sent.
    link: Mutex<Link>,
    /// That there is another connection.
    connected: Condvar,
}

impl Shared {
    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PublishPath for HttpPublish {
    type Acknowledgements = HttpAnswers;

    fn open(target: &PublishTarget<'_>) -> anyhow::Result<OpenPath<Self>> {
        let probe = TcpProbe::default();
        let Requested { address, secure, channels, told } = requests(target)?;
        let hint = match &target.form {
            PublishForm::Requests { .. } => ": is `publish.url` right?",
            _ => "",
        };
        let returns = target.returns_as.is_some();
        let link = Link::open(address, secure, probe.clone(), returns);
        let link = link.map_err(|error| anyhow!("{error:#}{hint}"))?;
        let way_back = link.returns().then(|| link.way());
        let shared = Arc::new(Shared {
            sent: AtomicU64::default(),
            answered: AtomicU64::default(),
            link: Mutex::new(link),
            connected: Condvar::new(),
        });
        Ok(OpenPath {
            acknowledgements: HttpAnswers {
                stream: None,
                number: 0,
                on_connection: 0,
                one_at_a_time: false,
                unread: Vec::new(),
                told,
                silence: Duration::ZERO,
                unready_since_ns: None,
                way_back,
                shared: Arc::clone(&shared),
            },
            path: Self { channels, touched: Vec::new(), requests: Requests::default(), shared },
            probe: Some(probe),
        })
    }

    fn push(&mut self, channel: usize, payload: &[u8]) {
        if self.channels[channel].push(payload, &mut self.requests) {
            self.touched.push(channel);
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        for channel in self.touched.drain(..) {
            self.channels[channel].finish(&mut self.requests);
        }
        let mut link = self.shared.link();
        // Counted first, so that no answer can come before its request is known.
        self.shared.sent.fetch_add(self.requests.count(), Ordering::Release);
        let answered = self.shared.answered.load(Ordering::Acquire);
        if link.send(&mut self.requests, answered)? {
            self.shared.connected.notify_one();
        }
        Ok(())
    }
}

impl Acknowledgements for HttpAnswers {
    fn acknowledge(&mut self) -> anyhow::Result<u64> {
        if self.is_connected()? {
            if self.way_back.is_some() {
                // What has waited for the server goes out in pieces.
                let answered = self.answered();
                self.shared.link().write(answered)?;
            }
            self.read()?;
        }
        let sent = self.shared.sent.load(Ordering::Acquire);
        let to_come = sent.saturating_sub(self.answered());
        if self.stream.is_none() && self.way_back.is_some() {
            ensure!(self.silence < AWAY, "the server has not come back within {AWAY:?}");
            return Ok(to_come);
        }
        if to_come == 0 {
            self.silence = Duration::ZERO;
        }
        ensure!(
            self.silence < TIMEOUT,
            "the server has not answered {to_come} requests of the publisher within {TIMEOUT:?}"
        );
        Ok(to_come)
    }
}

impl HttpAnswers {
    fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Waits a moment for a connection if there is none.
    fn is_connected(&mut self) -> anyhow::Result<bool> {
        if self.stream.is_some() {
            return Ok(true);
        }
        let begin_ns = clock::now_ns();
        let mut link = self.shared.link();
        let mut another = link.another(self.number)?;
        if another.is_none() {
            let moment = match &self.way_back {
                None => MOMENT,
                Some((address, secure)) => {
                    drop(link);
                    // Whoever sends does not wait for that.
                    let opened = PublishStream::open(*address, secure.as_ref(), TIMEOUT, MOMENT);
                    link = self.shared.link();
                    if let Ok(stream) = opened.and_then(ensure_other_end) {
                        link.resume(stream, self.answered())?;
                    }
                    TRY_AGAIN
                }
            };
            another = link.another(self.number)?;
            if another.is_none() {
                let wait = self.shared.connected.wait_timeout(link, moment);
                link = wait.unwrap_or_else(PoisonError::into_inner).0;
                another = link.another(self.number)?;
            }
        }
        drop(link);
        let Some((stream, number)) = another else {
            if self.way_back.is_some() {
                // Time in which this process was stopped is not the server's.
                self.silence += Duration::from_nanos(clock::now_ns() - begin_ns).min(MOMENT);
            }
            return Ok(false);
        };
        (self.stream, self.number, self.on_connection) = (Some(stream), number, 0);
        if self.way_back.is_some() {
            self.silence = Duration::ZERO;
        }
        Ok(true)
    }

    /// Reads what has come within a moment.
    fn read(&mut self) -> anyhow::Result<()> {
        let mut piece = [0; 4096];
        let begin_ns = clock::now_ns();
        let read = loop {
            let Some(stream) = &mut self.stream else { return Ok(()) };
            match stream.read(&mut piece) {
                // Somebody has stopped this process for a while, in which much may have come.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        // No longer than it waits: time in which this process was stopped is not the server's.
        self.silence += Duration::from_nanos(clock::now_ns() - begin_ns).min(MOMENT);
        match read {
            Ok(bytes @ 1..) => {
                self.unread.extend_from_slice(&piece[..bytes]);
                self.take_answers(false)
            }
            Ok(0) => self.over(),
            Err(error) if is_end(&error) || self.is_cut_off(&error) => self.over(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(())
            }
            Err(error) => Err(error).context("the server does not answer the publisher"),
        }
    }

    /// Whether a server that comes back has ended in the middle of something.
    fn is_cut_off(&self, error: &io::Error) -> bool {
        self.way_back.is_some() && error.kind() == ErrorKind::UnexpectedEof
    }

    /// Nothing more comes over this connection.
    fn over(&mut self) -> anyhow::Result<()> {
        self.take_answers(true)?;
        if self.stream.is_none() {
            return Ok(());
        }
        ensure!(
            self.way_back.is_some() || self.unread.iter().all(|byte| b"\r\n".contains(byte)),
            "the server closed the publisher's connection in the middle of an answer"
        );
        self.ended(End::Sudden)
    }

    fn take_answers(&mut self, is_over: bool) -> anyhow::Result<()> {
        loop {
            let answer = match parse(&self.unread, is_over, &self.told) {
                Err(error) if self.way_back.is_some() && is_unready(&self.unread) => {
                    return self.unready(error);
                }
                answer => answer?,
            };
            match answer {
                Answer::Partial => break,
                Answer::Interim { length } => drop(self.unread.drain(..length)),
                Answer::TooLate => return self.ended(End::Sudden),
                Answer::Accepted { length, closes } => {
                    self.unread.drain(..length);
                    self.enter(closes)?;
                    if self.stream.is_none() {
                        return Ok(());
                    }
                }
            }
        }
        ensure!(
            self.unread.len() <= MAX_ANSWER_BYTES,
            "the server's answer to an event is larger than {MAX_ANSWER_BYTES} bytes"
        );
        Ok(())
    }

    /// One more request is answered.
    fn enter(&mut self, closes: bool) -> anyhow::Result<()> {
        if self.shared.sent.load(Ordering::Acquire) == self.answered() {
            bail!("the server answers what nobody has asked");
        }
        let answered = self.shared.answered.fetch_add(1, Ordering::Release) + 1;
        self.on_connection += 1;
        self.silence = Duration::ZERO;
        self.unready_since_ns = None;
        match closes {
            true if self.on_connection == 1 => self.ended(End::AnnouncedAtOnce),
            true => self.ended(End::Announced),
            // The next one waits for this answer.
            false if self.one_at_a_time => self.shared.link().write(answered),
            false => Ok(()),
        }
    }

    /// The server is there, but cannot take events: it is asked again, as if it were away.
    fn unready(&mut self, error: anyhow::Error) -> anyhow::Result<()> {
        let now_ns = clock::now_ns();
        let since_ns = *self.unready_since_ns.get_or_insert(now_ns);
        if Duration::from_nanos(now_ns - since_ns) > AWAY {
            return Err(error);
        }
        let link = self.shared.link();
        // Nobody opens another connection meanwhile.
        drop(self.shared.connected.wait_timeout(link, TRY_AGAIN));
        self.ended(End::Sudden)
    }

    fn ended(&mut self, end: End) -> anyhow::Result<()> {
        self.stream = None;
        self.unread.clear();
        self.one_at_a_time |= end == End::AnnouncedAtOnce;
        self.shared.link().ended(end, self.answered())
    }
}

/// Whether an answer is one of a server that is starting, or of a proxy before it (RFC 9110 §15.6.3–5).
fn is_unready(answer: &[u8]) -> bool {
    matches!(answer.get(9..12), Some(b"502" | b"503" | b"504"))
}

/// A connection that does not lead to itself, as one can at a port at which nobody listens (RFC 9293 §3.5).
fn ensure_other_end(stream: PublishStream) -> io::Result<PublishStream> {
    let tcp = stream.tcp()?;
    match tcp.local_addr()? == tcp.peer_addr()? {
        true => Err(ErrorKind::ConnectionRefused.into()),
        false => Ok(stream),
    }
}

#[cfg(test)]
mod tests;
