//! The connection that is published over, which a server may end whenever it is idle, and the requests
//! on it that have not been answered. It must not know what they say.
//!
//! No event is published twice: a request is sent again only if the server has certainly not read it.
//! That is so for those behind an answer with `Connection: close` (RFC 9112 §9.6). And for those that
//! met the end of a connection which was idle before they were sent: the server closed it without
//! having seen them, so not a byte of an answer came. Should the next connection end the same way, the
//! trial fails. (RFC 9110 §9.2.2, RFC 9112 §9.3.1.)
//!
//! A publisher that returns is another matter: its server ends on purpose, and what was not answered is sent
//! again to the one that takes its place. Ours knows by the number of a request whether it has it already.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::publish_path::TcpProbe;
use super::publish_stream::{PublishStream, Secure};

/// How long the server may take to accept bytes or to answer: far beyond any latency worth a
/// measurement.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// How long answers are waited for at a time.
pub(super) const MOMENT: Duration = Duration::from_millis(50);

/// The most that is kept of requests without an answer.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// The same for a server that is away and comes back.
const MAX_KEPT_WHILE_AWAY_BYTES: usize = 256 << 20;

/// How much of what has waited is written before answers are read: a server may read nothing more until it can
/// send them.
const PIECE_BYTES: usize = 64 << 10;

/// The most requests without an answer on a connection to a server that comes back: as many as have room for their
/// answers in the buffers between, so that the server can always send them, and so reads on.
const MAX_UNANSWERED: u64 = 128;

/// Requests, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Requests {
    bytes: Vec<u8>,
    lengths: VecDeque<usize>,
    /// How many were ever added.
    added: u64,
}

impl Requests {
    /// Lets `write` add one, whose number, from 1, it is told.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>, u64)) {
        let before = self.bytes.len();
        self.added += 1;
        write(&mut self.bytes, self.added);
        self.lengths.push_back(self.bytes.len() - before);
    }

    pub(super) fn count(&self) -> u64 {
        self.lengths.len() as u64
    }
}

/// The connection, as the thread that sends has it; the one that takes answers needs it only when the
/// connection has ended.
pub(super) struct Link {
    address: SocketAddr,
    secure: Option<Secure>,
    probe: TcpProbe,
    stream: Option<PublishStream>,
    /// How many there were.
    connections: u64,
    /// Without answer; the first one is that with the number `first`.
    kept: Requests,
    first: u64,
    /// How many of `kept`, and of its bytes, have been answered, and are to be forgotten.
    begin: usize,
    /// How many requests were given, and written.
    given: u64,
    written: u64,
    /// How many bytes of `kept` have not been written.
    unwritten_bytes: usize,
    /// The request before which the connection was last idle.
    idle_before: u64,
    /// The request that the connection was opened for; none for the first connection.
    opened_for: Option<u64>,
    /// Whether the server takes one request per connection. Then the next one waits for the answer.
    one_at_a_time: bool,
    /// Whether a server that ends comes back.
    returns: bool,
}

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its last answer said so, and was the only one.
    AnnouncedAtOnce,
    /// Its last answer said so.
    Announced,
    /// Without notice.
    Sudden,
}

impl Link {
    pub(super) fn open(
        address: SocketAddr,
        secure: Option<Secure>,
        probe: TcpProbe,
        returns: bool,
    ) -> anyhow::Result<Self> {
        let mut link = Self {
            address,
            secure,
            probe,
            stream: None,
            connections: 0,
            kept: Requests::default(),
            first: 0,
            begin: 0,
            given: 0,
            written: 0,
            unwritten_bytes: 0,
            idle_before: 0,
            opened_for: None,
            one_at_a_time: false,
            returns,
        };
        link.connect()?;
        Ok(link)
    }

    /// What takes another connection to the same server.
    pub(super) fn way(&self) -> (SocketAddr, Option<Secure>) {
        (self.address, self.secure.clone())
    }

    pub(super) fn returns(&self) -> bool {
        self.returns
    }

    /// Goes on over a connection that somebody else has opened.
    pub(super) fn resume(&mut self, stream: PublishStream, answered: u64) -> anyhow::Result<()> {
        self.probe.open(stream.tcp().context("the publisher's new connection has gone")?);
        self.stream = Some(stream);
        self.connections += 1;
        self.write(answered)
    }

    fn connect(&mut self) -> anyhow::Result<()> {
        let connect = || {
            let secure = self.secure.as_ref();
            let stream = PublishStream::open(self.address, secure, TIMEOUT, MOMENT)?;
            Ok::<_, std::io::Error>((stream.tcp()?, stream))
        };
        let (probed, stream) = connect()
            .with_context(|| format!("the publisher cannot connect to {}", self.address))?;
        self.probe.open(probed);
        self.stream = Some(stream);
        self.connections += 1;
        Ok(())
    }

    /// The connection for the thread that reads, if it is another one than that with this number; and
    /// its number.
    pub(super) fn another(&self, number: u64) -> anyhow::Result<Option<(PublishStream, u64)>> {
        let Some(stream) = self.stream.as_ref().filter(|_| self.connections != number) else {
            return Ok(None);
        };
        let stream = stream.try_clone().context("cannot read what the server answers")?;
        Ok(Some((stream, self.connections)))
    }

    /// Sends `requests`, when so many of those before were answered. Says whether that took another
    /// connection.
    pub(super) fn send(&mut self, requests: &mut Requests, answered: u64) -> anyhow::Result<bool> {
        let connections = self.connections;
        self.forget(answered);
        if answered == self.given {
            self.idle_before = self.given;
        }
        self.given += requests.count();
        self.unwritten_bytes += requests.bytes.len();
        self.kept.bytes.append(&mut requests.bytes);
        self.kept.lengths.append(&mut requests.lengths);
        self.write(answered)?;
        Ok(self.connections > connections)
    }

    /// Writes what may be written, on a new connection if there is none.
    pub(super) fn write(&mut self, answered: u64) -> anyhow::Result<()> {
        let most = match (self.one_at_a_time, self.returns) {
            (true, _) => 1,
            (false, true) => MAX_UNANSWERED,
            (false, false) => u64::MAX,
        };
        let until = self.given.min(answered.saturating_add(most));
        if until <= self.written {
            return self.limit();
        }
        if self.stream.is_none() {
            if self.returns {
                return self.limit();
            }
            self.connect()?;
            self.opened_for = Some(self.written);
        }
        let from = self.kept.bytes.len() - self.unwritten_bytes;
        let next = (self.written - self.first) as usize;
        let (until, length) = match until == self.given {
            true if !self.returns || self.unwritten_bytes <= PIECE_BYTES => {
                (until, self.unwritten_bytes)
            }
            _ => self.piece(next, until),
        };
        self.written = until;
        self.unwritten_bytes -= length;
        let Some(stream) = &mut self.stream else { bail!("there is no connection") };
        match stream.write_all(&self.kept.bytes[from..from + length]) {
            // Whoever reads sees that it has ended, and what is to be sent again.
            Err(error) if is_end(&error) => {}
            written => written.context("the server stopped accepting events")?,
        }
        self.limit()
    }

    /// A part of what waits, from the request at `next` to that with the number `most`: the number of its last
    /// one, and its length.
    fn piece(&self, next: usize, most: u64) -> (u64, usize) {
        let (mut until, mut length) = (self.written, 0);
        for bytes in self.kept.lengths.iter().skip(next).take((most - self.written) as usize) {
            if length > 0 && length + bytes > PIECE_BYTES {
                break;
            }
            until += 1;
            length += bytes;
        }
        (until, length)
    }

    /// How many requests are written without an answer.
    #[cfg(test)]
    pub(super) fn unanswered(&self, answered: u64) -> u64 {
        self.written.saturating_sub(answered)
    }

    /// What is too much to be kept cannot be sent again.
    fn limit(&mut self) -> anyhow::Result<()> {
        if self.returns {
            ensure!(
                self.kept.bytes.len() - self.begin <= MAX_KEPT_WHILE_AWAY_BYTES,
                "more than {MAX_KEPT_WHILE_AWAY_BYTES} bytes of events wait for the server to come back: let it \
                 stay down for less, or lower the rate"
            );
            return Ok(());
        }
        if self.kept.bytes.len() - self.begin > MAX_KEPT_BYTES {
            ensure!(
                self.written == self.given,
                "the server ends each connection after one request, and takes events too slowly for that"
            );
            self.forget(self.written);
        }
        Ok(())
    }

    /// Forgets requests up to that number.
    fn forget(&mut self, until: u64) {
        for _ in self.first..until {
            self.begin += self.kept.lengths.pop_front().unwrap_or_default();
        }
        self.first = self.first.max(until);
        if self.begin * 2 >= self.kept.bytes.len() {
            self.kept.bytes.drain(..self.begin);
            self.begin = 0;
        }
    }

    /// The connection has ended, when so many requests were answered: those that the server has not
    /// read go over another one, which is opened when there are any.
    ///
    /// # Errors
    /// When the server may have read some without answering.
    pub(super) fn ended(&mut self, end: End, answered: u64) -> anyhow::Result<()> {
        self.stream = None;
        self.probe.close();
        self.one_at_a_time |= end == End::AnnouncedAtOnce;
        let unanswered = self.written.saturating_sub(answered);
        let met_the_end = self.idle_before == answered && self.opened_for != Some(answered);
        if self.returns {
            self.forget(answered);
            self.written = answered;
            self.unwritten_bytes = self.kept.bytes.len() - self.begin;
            return Ok(());
        }
        if unanswered > 0 {
            ensure!(
                (end != End::Sudden || met_the_end) && self.first <= answered,
                "the server closed the publisher's connection with {unanswered} request{} unanswered",
                if unanswered == 1 { "" } else { "s" }
            );
            self.forget(answered);
            self.written = answered;
            self.unwritten_bytes = self.kept.bytes.len() - self.begin;
        }
        self.write(answered)
    }
}

/// Whether an error says that the other side has closed the connection.
pub(super) fn is_end(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted
    )
}
