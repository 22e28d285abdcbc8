//! A connection to Redis: bytes that come and go, at once as far as the socket takes them. It knows no command.

use std::io;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::resp::{Parsed, Value, parse};

/// How much is read at once at least.
const READ_BYTES: usize = 16 << 10;

/// How much is read before what has come is looked at.
const MOST_READ_BYTES: usize = 1 << 20;

/// How much of a buffer is kept that was larger once.
const KEPT_BYTES: usize = 64 << 10;

/// How long Redis may take to be connected to.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    inbox: Vec<u8>,
    /// How many bytes there must be before it makes sense to look at them.
    needed: usize,
    /// What is to be sent.
    pub(super) outbox: Vec<u8>,
    sent: usize,
    /// When something came last.
    pub(super) heard: Instant,
}

impl Link {
    /// Connects to a host and a port.
    pub(super) async fn open(address: &str) -> io::Result<Self> {
        let connected = timeout(CONNECT_WITHIN, TcpStream::connect(address)).await;
        let stream = connected.map_err(|_| io::ErrorKind::TimedOut)??;
        // Where nobody listens, the kernel may take the same port for this end (RFC 9293 §3.5).
        if stream.local_addr()? == stream.peer_addr()? {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        // An event must be sent at once, not when the last one is acknowledged.
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            inbox: Vec::new(),
            needed: 1,
            outbox: Vec::new(),
            sent: 0,
            heard: Instant::now(),
        })
    }

    /// Sends as much as the socket takes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.outbox.len() {
            match self.stream.try_write(&self.outbox[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Moving the rest costs as much as was sent, at most.
                    if self.sent > self.outbox.len() / 2 {
                        self.outbox.drain(..self.sent);
                        self.sent = 0;
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.sent = 0;
        self.outbox.clear();
        self.outbox.shrink_to(KEPT_BYTES);
        Ok(())
    }

    /// Waits until something has come or more can be sent, and does that. Nothing is lost if nobody waits any longer.
    pub(super) async fn exchange(&mut self) -> io::Result<()> {
        let interest = match self.outbox.is_empty() {
            true => Interest::READABLE,
            false => Interest::READABLE | Interest::WRITABLE,
        };
        let ready = self.stream.ready(interest).await?;
        if ready.is_readable() {
            self.read()?;
        }
        self.flush()
    }

    fn read(&mut self) -> io::Result<()> {
        let before = self.inbox.len();
        while self.inbox.len() - before < MOST_READ_BYTES {
            self.inbox.reserve(READ_BYTES);
            match self.stream.try_read_buf(&mut self.inbox) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => self.heard = Instant::now(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What has come, and is not yet taken, if it is worth a look. It has to be given back.
    pub(super) fn take_inbox(&mut self) -> Option<Vec<u8>> {
        (self.inbox.len() >= self.needed).then(|| std::mem::take(&mut self.inbox))
    }

    /// Gives the inbox back, of which so much was taken. What is left needs so many bytes.
    pub(super) fn put_back(&mut self, mut inbox: Vec<u8>, taken: usize, needed: usize) {
        inbox.drain(..taken);
        if inbox.is_empty() {
            inbox.shrink_to(KEPT_BYTES);
        }
        (self.inbox, self.needed) = (inbox, needed);
    }

    /// Sends what is in the outbox, waits for the one reply, and gives what `read` makes of it.
    pub(super) async fn ask<T>(
        &mut self,
        read: impl FnOnce(Value<'_>) -> Result<T, String>,
    ) -> Result<T, String> {
        self.flush().map_err(|error| words_of(&error))?;
        loop {
            let exchanged = self.exchange().await.map_err(|error| words_of(&error));
            let Some(inbox) = self.take_inbox() else {
                exchanged?;
                continue;
            };
            match parse(&inbox) {
                Ok(Parsed::Needs(needed)) => {
                    self.put_back(inbox, 0, needed);
                    exchanged?;
                }
                // What came before the end counts.
                Ok(Parsed::Whole(value, len)) => {
                    let answer = read(value);
                    self.put_back(inbox, len, 1);
                    return answer;
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

/// What has become of a connection.
pub(super) fn words_of(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it has closed the connection".to_owned(),
        io::ErrorKind::TimedOut => format!("it did not answer within {CONNECT_WITHIN:?}"),
        _ => error.to_string(),
    }
}
