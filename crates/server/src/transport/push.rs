//! The loop behind every stream. Transports that push differ in the framing and in what they make
//! of what the peer sends; when to read the log, how to write and when to give up is the same code.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use pushbench_wire::Transport;
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::Subscriber;
use super::outbox::{MAX_FRAMES, Outbox, try_write};
use crate::Server;
use crate::framing::{Draft, Event, Framing};

/// What one read takes from a client. It is enough for the messages of most, and the same for the
/// streams, so that none of them needs fewer reads than another. The body of a `POST` is read in
/// hyper's own, larger pieces.
pub(super) const READ_BUFFER_BYTES: usize = 1 << 10;

/// Messages taken from one client before others have their turn.
pub(super) const MAX_MESSAGES: usize = 32;

/// Reads from one client's socket before others have their turn. Without a limit a client that
/// sends as fast as it is read would keep the thread for itself.
const MAX_READS: u32 = 16;

/// Times that a stream goes on without having waited before others have their turn. A batch of
/// events takes some 10 µs, so that a stream on a busy channel keeps the thread for less than 1 ms.
const MAX_TURNS: u32 = 32;

/// Payload bytes in one write, beyond which no further event is added. It bounds what a slow reader
/// holds beside the log: this, or one event.
const MAX_BATCH_BYTES: usize = 64 << 10;

/// What differs between the transports that push.
pub(super) trait Peer {
    const TRANSPORT: Transport;
    const FRAMING: Framing;

    /// Takes what has arrived, [`MAX_MESSAGES`] at most; `line` is the way to answer and to publish.
    fn receive(&mut self, line: &mut Line<'_>) -> io::Result<Received>;

    /// Keeps the connection alive.
    ///
    /// # Errors
    /// When the peer shows no sign of life any more.
    fn heartbeat(&mut self, outbox: &mut Outbox) -> io::Result<()>;

    /// Says that the server stops.
    fn go_away(&mut self, line: &mut Line<'_>);
}

/// What came of reading.
pub(super) enum Received {
    /// Nothing is left to read for now.
    All,
    /// There may be more at once, but others are to have their turn first.
    Some,
    /// The stream ends once everything is written.
    End,
    /// The same, because what the peer has sent cannot be published.
    Rejected,
}

/// A stream's socket, what waits to be written to it, and the channel behind it.
pub(super) struct Line<'a> {
    pub(super) socket: &'a TcpStream,
    pub(super) outbox: Outbox,
    pub(super) subscriber: Subscriber,
    pub(super) server: &'a Server,
    /// How often the socket may still be read in this turn.
    reads_left: u32,
    /// Since when the socket has taken nothing, if something waits to be written.
    stalled: Option<Instant>,
}

/// Why the loop goes on.
enum Wake {
    News,
    Readable,
    Writable,
    Timer,
}

/// Sends `head` and then every event behind the subscriber's cursor, until the peer leaves or the
/// server stops.
///
/// # Errors
/// When the peer is gone or does not react: there is no use in a proper end.
pub(super) async fn drive<P: Peer>(
    socket: &TcpStream,
    head: Bytes,
    subscriber: Subscriber,
    mut peer: P,
    server: &Server,
) -> io::Result<()> {
    let mut waiter = subscriber.channel.waiter();
    let mut line = Line {
        socket,
        outbox: Outbox::default(),
        subscriber,
        server,
        reads_left: 0,
        stalled: None,
    };
    line.outbox.push(head);
    let opened_before = server.streams.fetch_add(1, Relaxed);
    let mut heartbeat = Instant::now() + first_heartbeat(opened_before, server.config.heartbeat);
    let mut timer = pin!(sleep_until(heartbeat));
    let mut ending = false;
    let mut turns = 0;
    // Even a peer that says no more behind its request gets its answer.
    line.flush()?;
    // The peer may have sent something behind its request already.
    let mut wake = Wake::Readable;
    loop {
        let mut more_to_read = false;
        match wake {
            Wake::News | Wake::Writable => {}
            Wake::Readable => {
                line.reads_left = MAX_READS;
                let received = if ending { line.discard()? } else { peer.receive(&mut line)? };
                match received {
                    Received::All => {}
                    Received::Some => more_to_read = true,
                    Received::End => ending = true,
                    Received::Rejected => {
                        server.metrics.rejected(P::TRANSPORT);
                        ending = true;
                    }
                }
                more_to_read |= line.reads_left == 0;
            }
            Wake::Timer => {
                let now = Instant::now();
                if line.stalled.is_some_and(|since| now >= since + server.config.stall_timeout) {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                if now >= heartbeat {
                    heartbeat = now + server.config.heartbeat;
                    if line.outbox.is_empty() && !ending {
                        peer.heartbeat(&mut line.outbox)?;
                    }
                }
                timer.as_mut().reset(heartbeat);
            }
        }
        if !ending && server.hub.is_closing() {
            peer.go_away(&mut line);
            ending = true;
        }
        if ending {
            line.flush()?;
            if line.outbox.is_empty() {
                return Ok(());
            }
        } else {
            line.write_news::<P>()?;
        }
        if let Some(since) = line.stalled {
            let deadline = since + server.config.stall_timeout;
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
        }
        turns += 1;
        if more_to_read || turns == MAX_TURNS {
            turns = 0;
            yield_now().await;
            // News goes before reading below, and on a busy channel there always is some.
            wake = Wake::Readable;
            continue;
        }
        let is_blocked = !line.outbox.is_empty();
        let is_due = || {
            let news = !is_blocked && line.subscriber.has_news();
            !ending && (news || server.hub.is_closing())
        };
        wake = std::future::poll_fn(|cx| {
            if waiter.poll(cx, is_due).is_ready() {
                return Poll::Ready(Wake::News);
            }
            if is_blocked && socket.poll_write_ready(cx).is_ready() {
                return Poll::Ready(Wake::Writable);
            }
            if socket.poll_read_ready(cx).is_ready() {
                return Poll::Ready(Wake::Readable);
            }
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Wake::Timer);
            }
            turns = 0;
            Poll::Pending
        })
        .await;
    }
}

/// How long after it opens a stream has its first heartbeat, when `opened_before` have opened
/// before it: a share of the interval that steps by the golden ratio, modulo 1. However many streams
/// follow each other, their shares are then spread about evenly. Streams that open together do not
/// beat together, and any time sees the average rate.
fn first_heartbeat(opened_before: u64, interval: Duration) -> Duration {
    /// The inverse of the golden ratio, as a fraction of 2⁶⁴; the product below wraps at 1.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let share = opened_before.wrapping_add(1).wrapping_mul(STEP) as f64 / 2_f64.powi(64);
    interval.mul_f64(share)
}

impl Line<'_> {
    /// Publishes what the peer has sent. Text must be UTF-8.
    pub(super) fn publish(&self, payload: &[u8], binary: bool) {
        let draft = Draft::new(None, payload, binary);
        self.server.publish(&self.subscriber.channel, vec![draft]);
    }

    /// Reads what has arrived into `buffer`; 0 is the end.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing has arrived, or this turn has no read left; else
    /// what the socket says.
    pub(super) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.reads_left == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.reads_left -= 1;
        self.socket.try_read(buffer)
    }

    /// Reads and forgets what has arrived.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the peer has closed, or what the socket says.
    pub(super) fn discard(&mut self) -> io::Result<Received> {
        let mut scratch = [0; READ_BUFFER_BYTES];
        loop {
            match self.try_read(&mut scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Received::All);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes what waits, then one batch of what is new. Events that the socket does not take whole
    /// wait in the outbox; the cursor is then behind them.
    fn write_news<P: Peer>(&mut self) -> io::Result<()> {
        self.flush()?;
        if !self.outbox.is_empty() {
            return Ok(());
        }
        let mut batch: [Option<Arc<Event>>; MAX_FRAMES] = Default::default();
        let (mut count, mut size, mut notices) = (0, 0, 0);
        let Subscriber { channel, cursor } = &mut self.subscriber;
        channel.read(*cursor, |event| {
            size += event.size_bytes();
            *cursor = event.id();
            notices += usize::from(event.is_lagged_notice());
            batch[count] = Some(event);
            count += 1;
            count < MAX_FRAMES && size < MAX_BATCH_BYTES
        });
        if count == 0 {
            return Ok(());
        }
        self.server.deliver(P::TRANSPORT, count, notices);
        let frames = || batch.iter().flatten().map(|event| event.frame(P::FRAMING));
        let mut parts = [IoSlice::new(&[]); MAX_FRAMES];
        for (part, frame) in parts.iter_mut().zip(frames()) {
            *part = IoSlice::new(frame);
        }
        let mut written = try_write(self.socket, &parts[..count])?;
        for frame in frames() {
            if written < frame.len() {
                self.outbox.push(frame.slice(written..));
            }
            written = written.saturating_sub(frame.len());
        }
        if !self.outbox.is_empty() {
            self.stalled = Some(Instant::now());
        }
        Ok(())
    }

    /// Writes what waits, and notes since when the socket has taken nothing.
    fn flush(&mut self) -> io::Result<()> {
        if self.outbox.is_empty() {
            return Ok(());
        }
        let progress = self.outbox.flush(self.socket)?;
        if self.outbox.is_empty() {
            self.stalled = None;
        } else if progress || self.stalled.is_none() {
            self.stalled = Some(Instant::now());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::Config;
    use crate::transport::{sse::Sse, tcp::Tcp, websocket::WebSocket};
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpSocket;

    const HEAD: Bytes = Bytes::from_static(b"head");

    fn server() -> Arc<Server> {
        Arc::new(Server::new(Config::default()).unwrap())
    }

    fn subscriber(server: &Server) -> Subscriber {
        Subscriber { channel: server.channel("a").unwrap(), cursor: 0 }
    }

    /// The two ends of a connection, with a receive buffer that holds far more than one turn reads.
    async fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpSocket::new_v4().unwrap();
        listener.set_recv_buffer_size(512 << 10).unwrap();
        listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = listener.listen(1).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, client)
    }

    /// Counts how often another task of this thread has its turn.
    fn count_turns() -> Arc<AtomicUsize> {
        let turns = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&turns);
        tokio::spawn(async move {
            loop {
                counter.fetch_add(1, Relaxed);
                yield_now().await;
            }
        });
        turns
    }

    /// Runs a stream on a socket in which all of `sent` has arrived, and then the end. Returns how
    /// many turns another task had meanwhile.
    async fn turns_beside_a_flood<P: Peer>(
        sent: Vec<u8>,
        protocol: impl FnOnce(&Server) -> P,
    ) -> usize {
        let (socket, mut client) = connection().await;
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
        let mut arrived = vec![0; sent.len()];
        while socket.peek(&mut arrived).await.unwrap() < sent.len() {
            yield_now().await;
        }
        let server = server();
        let turns = count_turns();
        let protocol = protocol(&server);
        let stream = async { drive(&socket, HEAD, subscriber(&server), protocol, &server).await };
        let ended = stream.await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        turns.load(Relaxed)
    }

    /// All of it is there before the stream begins, so that the socket never stops it.
    #[tokio::test]
    async fn a_client_that_floods_its_stream_leaves_others_their_turns() {
        const FLOOD_BYTES: usize = 128 << 10;
        let least = FLOOD_BYTES / (MAX_READS as usize * READ_BUFFER_BYTES) - 1;
        let junk = vec![b'x'; FLOOD_BYTES];
        let turns = turns_beside_a_flood(junk, |_| Sse).await;
        assert!(turns >= least, "SSE: {turns}, not {least}");
        let mut frame = (60_u32 << 10).to_be_bytes().to_vec();
        frame.resize(frame.len() + (60 << 10), b'x');
        let turns = turns_beside_a_flood(frame.repeat(2), |server| Tcp::new(b"", server)).await;
        assert!(turns >= least, "raw TCP: {turns}, not {least}");
        // The empty fragments of a message that never ends.
        let fragments = [&b"\x01\x80\0\0\0\0"[..], &b"\x00\x80\0\0\0\0".repeat(20_000)].concat();
        let turns = turns_beside_a_flood(fragments, |server| WebSocket::new(b"", server)).await;
        assert!(turns >= least, "WebSocket: {turns}, not {least}");
    }

    /// Notes how far into the log the stream was when it first read something.
    struct FirstReadNoted(Arc<AtomicUsize>);

    impl Peer for FirstReadNoted {
        const TRANSPORT: Transport = Transport::Sse;
        const FRAMING: Framing = Framing::Sse;

        fn receive(&mut self, line: &mut Line<'_>) -> io::Result<Received> {
            if line.try_read(&mut [0]).is_ok() {
                self.0.store(line.subscriber.cursor as usize, Relaxed);
            }
            Ok(Received::All)
        }

        fn heartbeat(&mut self, _: &mut Outbox) -> io::Result<()> {
            Ok(())
        }

        fn go_away(&mut self, _: &mut Line<'_>) {}
    }

    #[tokio::test]
    async fn a_stream_that_catches_up_leaves_others_their_turns_and_reads() {
        const EVENTS: usize = 5_000;
        let (socket, client) = connection().await;
        let server = server();
        let subscriber = subscriber(&server);
        subscriber.channel.publish((0..EVENTS).map(|_| Draft::new(None, b"", false)));
        let first_read = Arc::<AtomicUsize>::default();
        let protocol = FirstReadNoted(Arc::clone(&first_read));
        let mut stream = pin!(drive(&socket, HEAD, subscriber, protocol, &server));
        let (mut turns, mut received) = (0, Vec::new());
        while !received.ends_with(b"id: 5000\ndata: \n\n") {
            let polled = poll_fn(|cx| Poll::Ready(stream.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
            if turns == 0 {
                client.try_write(b"x").unwrap();
            }
            turns += 1;
            yield_now().await;
            while client.try_read_buf(&mut received).is_ok() {}
        }
        let first_read = first_read.load(Relaxed);
        assert!((1..EVENTS).contains(&first_read), "read behind {first_read} of {EVENTS} events");
        let least = EVENTS / (MAX_FRAMES * MAX_TURNS as usize);
        assert!(turns >= least, "{turns} turns, not {least}");
    }

    #[test]
    fn first_heartbeats_of_any_streams_in_a_row_are_spread_evenly() {
        let interval = Duration::from_secs(15);
        for (before, streams) in [(0, 20), (7, 20), (1_000, 200), (u64::MAX - 50, 200)] {
            let mut in_tenth = [0; 10];
            for stream in 0..streams {
                let first = first_heartbeat(u64::wrapping_add(before, stream), interval);
                assert!(first < interval, "{first:?}");
                in_tenth[(first.as_secs_f64() / 1.5) as usize] += 1;
            }
            let even = streams / 10;
            assert!(in_tenth.iter().all(|&count| even.abs_diff(count) <= 2), "{in_tenth:?}");
        }
    }
}
