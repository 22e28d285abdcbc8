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
use tokio::task::coop::consume_budget;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::Subscriber;
use super::outbox::{MAX_FRAMES, Outbox, try_write};
use crate::Server;
use crate::framing::{Draft, Event, Framing};
use crate::http::discard;

/// What one read takes from a client. It is enough for the messages of most, and the same for the
/// streams, so that none of them needs fewer reads than another. The body of a `POST` is read in
/// hyper's own, larger pieces.
pub(super) const READ_BUFFER_BYTES: usize = 1 << 10;

/// Messages taken from one client before others have their turn.
pub(super) const MAX_MESSAGES: usize = 32;

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
}

/// Why the loop goes on.
enum Wake {
    News,
    Readable,
    Writable,
    Timer,
}

/// What came of writing.
enum Written {
    /// Everything there was.
    All,
    /// A batch, and there may be more in the log.
    Batch,
    /// The socket takes no more for now.
    Blocked,
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
    let mut line = Line { socket, outbox: Outbox::default(), subscriber, server };
    line.outbox.push(head);
    let opened_before = server.streams.fetch_add(1, Relaxed);
    let mut heartbeat = Instant::now() + first_heartbeat(opened_before, server.config.heartbeat);
    let mut timer = pin!(sleep_until(heartbeat));
    let mut stalled: Option<Instant> = None;
    let mut ending = false;
    // Even a peer that says no more behind its request gets its answer.
    line.flush(&mut stalled)?;
    // The peer may have sent something behind its request already.
    let mut wake = Wake::Readable;
    loop {
        let mut more_to_read = false;
        match wake {
            Wake::News | Wake::Writable => {}
            Wake::Readable if ending => discard(socket)?,
            Wake::Readable => match peer.receive(&mut line)? {
                Received::All => {}
                Received::Some => more_to_read = true,
                Received::End => ending = true,
                Received::Rejected => {
                    server.metrics.rejected(P::TRANSPORT);
                    ending = true;
                }
            },
            Wake::Timer => {
                let now = Instant::now();
                if stalled.is_some_and(|since| now >= since + server.config.stall_timeout) {
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
            line.flush(&mut stalled)?;
            if line.outbox.is_empty() {
                return Ok(());
            }
        } else {
            while matches!(line.write_news::<P>(&mut stalled)?, Written::Batch) {
                consume_budget().await;
            }
        }
        if let Some(since) = stalled {
            let deadline = since + server.config.stall_timeout;
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
        }
        if more_to_read {
            yield_now().await;
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
            timer.as_mut().poll(cx).map(|()| Wake::Timer)
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

    /// Writes what waits, then what is new. Events that the socket does not take whole wait in the
    /// outbox; the cursor is then behind them.
    fn write_news<P: Peer>(&mut self, stalled: &mut Option<Instant>) -> io::Result<Written> {
        self.flush(stalled)?;
        if !self.outbox.is_empty() {
            return Ok(Written::Blocked);
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
            return Ok(Written::All);
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
            *stalled = Some(Instant::now());
            return Ok(Written::Blocked);
        }
        let full = count == MAX_FRAMES || size >= MAX_BATCH_BYTES;
        Ok(if full { Written::Batch } else { Written::All })
    }

    /// Writes what waits, and notes since when the socket has taken nothing.
    fn flush(&mut self, stalled: &mut Option<Instant>) -> io::Result<()> {
        if self.outbox.is_empty() {
            return Ok(());
        }
        let progress = self.outbox.flush(self.socket)?;
        if self.outbox.is_empty() {
            *stalled = None;
        } else if progress || stalled.is_none() {
            *stalled = Some(Instant::now());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
