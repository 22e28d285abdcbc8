//! What a streaming transport implements, and the stream on which it does so: a socket, the frames
//! queued for it and the channel it reads. Reads and writes are limited in size; when to do them is
//! decided by the stream loop.

use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::Bytes;
use pushbench_wire::Transport;
use tokio::time::Instant;

use super::chunks::Chunk;
use super::subscriber::{Limit, Subscriber};
use super::write_queue::{MAX_FRAMES_PER_WRITE, WriteQueue};
use crate::compression::Compression;
use crate::framing::{Event, Form, Framing, NewEvent};
use crate::http::socket::Socket;
use crate::memory::{Need, Reservation};
use crate::metrics::Metrics;
use crate::{Server, SlowPolicy};

/// Messages handled for one client before other tasks get a turn.
pub(super) const MAX_MESSAGES_PER_TURN: usize = 32;

/// The size of one read. It is enough for most messages, and the same for every stream, so that no
/// transport needs fewer reads than another. The body of a `POST` is read in hyper's own, larger
/// pieces.
pub(super) const READ_BUFFER_BYTES: usize = 1 << 10;

/// Reads from one client's socket before other tasks get a turn. Without a limit, a client that
/// sends as fast as it is read would keep the thread to itself.
pub(super) const MAX_READS_PER_TURN: u32 = 16;

/// Payload bytes in one write after which no further event is added. It bounds what a slow reader
/// holds in memory beside the log: this much, or one event.
const MAX_BATCH_BYTES: usize = 64 << 10;

/// What differs between the streaming transports.
pub(super) trait StreamProtocol {
    const TRANSPORT: Transport;
    const FRAMING: Framing;

    /// Handles what the client has sent, up to [`MAX_MESSAGES_PER_TURN`] messages. `stream` is used
    /// to read, to reply and to publish.
    ///
    /// # Errors
    /// When the client has disconnected or the socket fails.
    fn receive(&mut self, stream: &mut StreamState<'_>) -> io::Result<Received>;

    /// Queues a heartbeat.
    ///
    /// # Errors
    /// When the client has not answered the previous one.
    fn heartbeat(&mut self, stream: &mut StreamState<'_>) -> io::Result<()>;

    /// Tells the client that the server is shutting down, if the protocol can.
    fn go_away(&mut self, stream: &mut StreamState<'_>);
}

/// The result of reading from a client.
pub(super) enum Received {
    /// Everything that was read has been handled.
    Drained,
    /// There are more messages to handle.
    More,
    /// The client closes the stream, which ends once everything queued is written.
    Closing,
    /// The client sent something that cannot be published. The stream ends likewise.
    Invalid,
}

/// There is no memory for what a client sends.
#[derive(Debug)]
pub(super) struct OutOfMemory;

/// Why something that a client has sent is not published.
#[derive(Debug)]
pub(super) enum NotPublished {
    OutOfMemory,
    /// It is subscribed to several channels.
    ToWhich,
    /// The broker cannot be reached.
    NoBroker,
}

/// What a stream reads from, writes to and publishes to.
pub(super) struct StreamState<'a> {
    pub(super) queue: WriteQueue,
    pub(super) subscriber: Subscriber,
    pub(super) socket: &'a mut Socket,
    pub(super) server: &'a Server,
    /// Whether events go in chunks.
    is_chunked: bool,
    /// How they are compressed.
    pub(super) compression: Compression,
    /// The memory of the stream, of which `own_bytes` are its own, and the rest is what its client has
    /// begun to send.
    held: Reservation,
    own_bytes: usize,
    reads_left: u32,
    /// Whether it has been up to date, or was told what it missed: what it misses from then on is because it
    /// is slow.
    was_in_the_log: bool,
    /// When the socket last accepted something, while something is queued.
    stalled_since: Option<Instant>,
}

impl<'a> StreamState<'a> {
    /// A stream whose first output is `head`.
    pub(super) fn new(
        socket: &'a mut Socket,
        head: Bytes,
        subscriber: Subscriber,
        held: Reservation,
        server: &'a Server,
    ) -> Self {
        let mut queue = WriteQueue::default();
        if !head.is_empty() {
            queue.push(head);
        }
        let own_bytes = held.bytes();
        let was_in_the_log = !subscriber.has_fallen_behind();
        Self {
            queue,
            subscriber,
            socket,
            server,
            is_chunked: false,
            compression: Compression::None,
            held,
            own_bytes,
            reads_left: 0,
            was_in_the_log,
            stalled_since: None,
        }
    }

    /// The same, of which events go in chunks if that is so: what is written at once is one.
    pub(super) fn chunked(self, is_chunked: bool) -> Self {
        Self { is_chunked, ..self }
    }

    /// The same, which is compressed like this.
    pub(super) fn compressed(self, compression: Compression) -> Self {
        Self { compression, ..self }
    }

    /// Allows [`MAX_READS_PER_TURN`] reads again.
    pub(super) fn start_reading(&mut self) {
        self.reads_left = MAX_READS_PER_TURN;
    }

    /// Whether this turn may read no more, although more may have arrived.
    pub(super) fn read_limit_reached(&self) -> bool {
        self.reads_left == 0
    }

    /// Reads what has arrived into `buffer` and returns its length. A length of 0 means that the
    /// client has closed its side.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing has arrived or this turn may read no more;
    /// otherwise what the socket reports.
    pub(super) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads_left = self.reads_left.checked_sub(1).ok_or(io::ErrorKind::WouldBlock)?;
        self.socket.try_read(buffer)
    }

    /// Reads what has arrived and discards it.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the client has closed its side; otherwise what the
    /// socket reports.
    pub(super) fn discard_input(&mut self) -> io::Result<()> {
        let mut discarded = [0; READ_BUFFER_BYTES];
        loop {
            match self.try_read(&mut discarded) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Publishes what the client has sent. Text must be UTF-8.
    ///
    /// # Errors
    /// Why it is not published.
    pub(super) fn publish(&self, payload: &[u8], binary: bool) -> Result<(), NotPublished> {
        let channel = self.subscriber.only_channel().ok_or(NotPublished::ToWhich)?;
        let cost = NewEvent::cost(None, payload.len());
        let held = self.server.hub.reserve(cost, Need::Input);
        let held = held.ok_or(NotPublished::OutOfMemory)?;
        let event = NewEvent::new(None, payload, binary, held);
        if let Some(broker) = &self.server.broker {
            if !channel.is_shared() || !broker.publish_in_band(channel.name(), vec![event]) {
                return Err(NotPublished::NoBroker);
            }
            Metrics::add(&self.server.metrics.published, 1);
            return Ok(());
        }
        match self.server.publish_unanswered(channel, event) {
            true => Ok(()),
            // It is told to come back later, as when there is no memory.
            false => Err(NotPublished::OutOfMemory),
        }
    }

    /// Accounts for `bytes` of what the client has begun to send.
    ///
    /// # Errors
    /// [`OutOfMemory`], and then the stream has to end.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), OutOfMemory> {
        let total = self.own_bytes + bytes;
        let is_same = self.held.bytes() == total;
        let fits = is_same || self.server.hub.grow(&mut self.held, total, Need::Input);
        if fits { Ok(()) } else { Err(OutOfMemory) }
    }

    /// Writes what is queued, then one batch of new events. What the socket does not accept is
    /// queued, and the cursor moves past it.
    pub(super) fn write_new_events<P: StreamProtocol>(&mut self) -> io::Result<()> {
        self.flush()?;
        if self.is_blocked() {
            return Ok(());
        }
        if self.subscriber.has_new_events() && self.server.hub.is_out_of_memory() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let mut batch: [Option<(usize, Arc<Event>)>; MAX_FRAMES_PER_WRITE] = Default::default();
        let (mut count, mut notices) = (0, 0);
        let limit = Limit { events: MAX_FRAMES_PER_WRITE, bytes: MAX_BATCH_BYTES };
        self.subscriber.read(limit, |channel, event| {
            notices += usize::from(event.is_lagged_notice());
            batch[count] = Some((channel, event));
            count += 1;
        });
        if count == 0 {
            return Ok(());
        }
        self.was_in_the_log = true;
        self.server.deliver(P::TRANSPORT, count, notices);
        let subscriber = &self.subscriber;
        let frames_of = |form: Form| {
            let events = batch.iter().flatten();
            events.map(move |(channel, event)| subscriber.frame(*channel, event, form))
        };
        self.compression.add(frames_of(P::FRAMING.into()));
        let form = self.compression.form(P::FRAMING);
        let frames = || frames_of(form);
        let chunk = self.is_chunked.then(|| Chunk::of(frames().map(Bytes::len).sum()));
        let pieces = || {
            let before = chunk.iter().map(|chunk| &chunk.size);
            before.chain(frames()).chain(chunk.iter().map(|chunk| &chunk.end))
        };
        let mut slices = [IoSlice::new(&[]); MAX_FRAMES_PER_WRITE + 2];
        let mut filled = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces()) {
            *slice = IoSlice::new(piece);
            filled += 1;
        }
        let mut written = self.socket.try_write(&slices[..filled])?;
        for piece in pieces() {
            if written < piece.len() {
                self.queue.push(piece.slice(written..));
            }
            written = written.saturating_sub(piece.len());
        }
        if self.is_blocked() {
            self.stalled_since = Some(Instant::now());
        }
        Ok(())
    }

    /// Whether its client is to be disconnected when it falls behind the log.
    pub(super) fn may_not_fall_behind(&self) -> bool {
        self.server.config.slow_policy == SlowPolicy::Disconnect && self.was_in_the_log
    }

    /// Whether the socket takes no more for now.
    pub(super) fn is_blocked(&self) -> bool {
        !self.queue.is_empty() || self.socket.has_unsent()
    }

    /// Writes as much of the queue as the socket accepts now.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.is_blocked() {
            return Ok(());
        }
        let progress = self.socket.flush_unsent()? | self.queue.flush(self.socket)?;
        if !self.is_blocked() {
            self.stalled_since = None;
        } else if progress || self.stalled_since.is_none() {
            self.stalled_since = Some(Instant::now());
        }
        Ok(())
    }

    /// When a client that accepts nothing is to be disconnected, if anything is queued for it.
    pub(super) fn stall_deadline(&self) -> Option<Instant> {
        self.stalled_since.map(|since| since + self.server.config.stall_timeout)
    }
}
