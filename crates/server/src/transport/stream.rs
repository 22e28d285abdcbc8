//! The loop behind every stream. The streaming transports differ in their framing and in how they
//! handle what the client sends. When to read the log, when to write and when to give up is the same
//! code for all of them.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::stream_protocol::{Received, StreamProtocol, StreamState};
use crate::Server;

/// Turns that a stream may take in a row without waiting for anything, before other tasks get one.
/// Writing a batch of events takes about 10 µs, so a stream on a busy channel keeps its thread for
/// less than 1 ms.
const MAX_TURNS_IN_A_ROW: u32 = 32;

/// Why a stream takes its next turn.
enum Wake {
    NewEvents,
    Readable,
    Writable,
    Timer,
}

/// Sends what is queued and then every event after the subscriber's cursor, until the client disconnects or
/// the server stops.
///
/// # Errors
/// When the client has disconnected or does not respond, so that there is no point in closing the
/// connection gracefully.
pub(super) async fn run<P: StreamProtocol>(
    mut stream: StreamState<'_>,
    mut protocol: P,
) -> io::Result<()> {
    let server = stream.server;
    let mut waiter = stream.subscriber.waiter();
    let mut heartbeat = Instant::now() + first_heartbeat_of(server);
    let mut timer = pin!(sleep_until(heartbeat));
    let mut ending = false;
    let mut turns_in_a_row = 0;
    // A client that has already closed its sending side still gets the response.
    stream.flush()?;
    // The client may have sent something right after its request.
    let mut wake = Wake::Readable;
    loop {
        let mut more_to_read = false;
        match wake {
            Wake::NewEvents | Wake::Writable => {}
            Wake::Readable => {
                stream.start_reading();
                let received = if ending {
                    stream.discard_input().map(|()| Received::Drained)?
                } else {
                    protocol.receive(&mut stream)?
                };
                more_to_read = stream.read_limit_reached();
                match received {
                    Received::Drained => {}
                    Received::More => more_to_read = true,
                    Received::Closing => ending = true,
                    Received::Invalid => {
                        server.metrics.rejected(P::TRANSPORT);
                        ending = true;
                    }
                }
            }
            Wake::Timer => {
                let now = Instant::now();
                if stream.stall_deadline().is_some_and(|deadline| now >= deadline) {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                if now >= heartbeat {
                    heartbeat = now + server.config.heartbeat;
                    if !stream.is_blocked() && !ending {
                        protocol.heartbeat(&mut stream)?;
                    }
                }
                timer.as_mut().reset(heartbeat);
            }
        }
        if !ending && stream.may_not_fall_behind() && stream.subscriber.has_fallen_behind() {
            server.metrics.too_slow(P::TRANSPORT);
            // What it has been sent is with the kernel. It would not read a goodbye.
            return Err(io::ErrorKind::TimedOut.into());
        }
        if !ending && server.hub.is_closing() {
            protocol.go_away(&mut stream);
            ending = true;
        }
        if ending {
            stream.flush()?;
            if !stream.is_blocked() {
                return Ok(());
            }
        } else {
            stream.write_new_events::<P>()?;
        }
        if let Some(deadline) = stream.stall_deadline()
            && deadline < timer.deadline()
        {
            timer.as_mut().reset(deadline);
        }
        turns_in_a_row += 1;
        if more_to_read || turns_in_a_row == MAX_TURNS_IN_A_ROW {
            turns_in_a_row = 0;
            yield_now().await;
            // New events are checked before the socket below, and a busy channel always has some.
            wake = Wake::Readable;
            continue;
        }
        let is_blocked = stream.is_blocked();
        let may_not_fall_behind = stream.may_not_fall_behind();
        let is_due = || {
            let has_new_events = !is_blocked && stream.subscriber.has_new_events();
            let is_too_slow = may_not_fall_behind && stream.subscriber.has_fallen_behind();
            !ending && (has_new_events || is_too_slow || server.hub.is_closing())
        };
        wake = poll_fn(|cx| {
            if waiter.poll(cx, is_due).is_ready() {
                return Poll::Ready(Wake::NewEvents);
            }
            if is_blocked && stream.socket.poll_write_ready(cx).is_ready() {
                return Poll::Ready(Wake::Writable);
            }
            if stream.socket.poll_read_ready(cx).is_ready() {
                return Poll::Ready(Wake::Readable);
            }
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Wake::Timer);
            }
            turns_in_a_row = 0;
            Poll::Pending
        })
        .await;
    }
}

/// The time from opening the next stream to its first heartbeat.
pub(crate) fn first_heartbeat_of(server: &Server) -> Duration {
    let opened_before = server.streams_opened.fetch_add(1, Relaxed);
    first_heartbeat(opened_before, server.config.heartbeat)
}

/// The time from opening a stream to its first heartbeat, when `opened_before` streams were opened
/// before it.
///
/// It is a fraction of the interval that advances by the golden ratio, modulo 1, with each stream.
/// The fractions of any number of consecutive streams are spread evenly, so streams that open
/// together do not send their heartbeats together.
fn first_heartbeat(opened_before: u64, interval: Duration) -> Duration {
    /// The inverse of the golden ratio, as a fraction of 2⁶⁴; the product below wraps at 1.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let fraction = opened_before.wrapping_add(1).wrapping_mul(STEP) as f64 / 2_f64.powi(64);
    interval.mul_f64(fraction)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::Config;
    use crate::transport::Subscriber;
    use bytes::Bytes;
    use tokio::net::TcpStream;

    use crate::framing::{Framing, NewEvent};
    use crate::http::socket::Socket;
    use crate::memory::{Need, Reservation};
    use crate::transport::stream_protocol::{MAX_READS_PER_TURN, READ_BUFFER_BYTES};
    use crate::transport::write_queue::MAX_FRAMES_PER_WRITE;
    use crate::transport::{sse::Sse, tcp::Tcp, websocket::WebSocket};
    use pushbench_wire::Transport;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpSocket;

    const HEAD: Bytes = Bytes::from_static(b"head");

    fn server() -> Server {
        Server::new(Config::default(), "127.0.0.1:0".parse().unwrap(), None).unwrap()
    }

    fn subscriber(server: &Server) -> Subscriber {
        Subscriber::at_or_latest(server.channels("a").unwrap(), Some(0))
    }

    fn stream<'a>(
        socket: &'a mut Socket,
        subscriber: Subscriber,
        server: &'a Server,
    ) -> StreamState<'a> {
        let held = server.hub.reserve(0, Need::Connection).unwrap();
        StreamState::new(socket, HEAD, subscriber, held, server)
    }

    /// The server's and the client's end of a connection. The server's receive buffer holds far more
    /// than one turn reads.
    async fn connection() -> (Socket, TcpStream) {
        let listener = TcpSocket::new_v4().unwrap();
        listener.set_recv_buffer_size(512 << 10).unwrap();
        listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = listener.listen(1).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Socket::Plain(listener.accept().await.unwrap().0), client)
    }

    /// Counts the turns that another task of this thread gets.
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

    /// Runs a stream whose client has sent `input` and closed. All of it is in the socket before the
    /// stream starts, so that the stream never has to wait. Returns how many turns another task got.
    async fn turns_beside_a_flood<P: StreamProtocol>(
        input: Vec<u8>,
        protocol: impl FnOnce(&Server) -> P,
    ) -> usize {
        let (mut socket, mut client) = connection().await;
        client.write_all(&input).await.unwrap();
        client.shutdown().await.unwrap();
        let mut arrived = vec![0; input.len()];
        while socket.tcp().unwrap().peek(&mut arrived).await.unwrap() < input.len() {
            yield_now().await;
        }
        let server = server();
        let protocol = protocol(&server);
        let turns = count_turns();
        let stream = stream(&mut socket, subscriber(&server), &server);
        let ended = run(stream, protocol).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        turns.load(Relaxed)
    }

    #[tokio::test]
    async fn a_client_that_floods_its_stream_does_not_starve_other_tasks() {
        const FLOOD_BYTES: usize = 128 << 10;
        let least = FLOOD_BYTES / (MAX_READS_PER_TURN as usize * READ_BUFFER_BYTES) - 1;
        let text = vec![b'x'; FLOOD_BYTES];
        let turns = turns_beside_a_flood(text, |_| Sse { is_chunked: false }).await;
        assert!(turns >= least, "SSE: {turns} turns, not {least}");
        // Frames so large that the number of messages alone limits nothing.
        let payload = vec![b'x'; 60 << 10];
        let frames = [&(60_u32 << 10).to_be_bytes()[..], &payload].concat().repeat(2);
        let turns = turns_beside_a_flood(frames, |server| Tcp::new(b"", server)).await;
        assert!(turns >= least, "raw TCP: {turns} turns, not {least}");
        // Empty fragments of one message that never ends.
        let fragments = [&b"\x01\x80\0\0\0\0"[..], &b"\x00\x80\0\0\0\0".repeat(20_000)].concat();
        let turns =
            turns_beside_a_flood(fragments, |server| WebSocket::new(b"", false, server)).await;
        assert!(turns >= least, "WebSocket: {turns} turns, not {least}");
    }

    /// Stores the stream's cursor when it reads something.
    struct CursorAtRead(Arc<AtomicUsize>);

    impl StreamProtocol for CursorAtRead {
        const TRANSPORT: Transport = Transport::Sse;
        const FRAMING: Framing = Framing::Sse;

        fn receive(&mut self, stream: &mut StreamState<'_>) -> io::Result<Received> {
            if stream.try_read(&mut [0]).is_ok() {
                self.0.store(stream.subscriber.only_cursor() as usize, Relaxed);
            }
            Ok(Received::Drained)
        }

        fn heartbeat(&mut self, _: &mut StreamState<'_>) -> io::Result<()> {
            Ok(())
        }

        fn go_away(&mut self, _: &mut StreamState<'_>) {}
    }

    #[tokio::test]
    async fn a_stream_that_always_has_new_events_reads_too_and_does_not_starve_other_tasks() {
        const EVENTS: usize = 5_000;
        let (mut socket, client) = connection().await;
        let server = server();
        let subscriber = subscriber(&server);
        server
            .channel("a")
            .unwrap()
            .publish((0..EVENTS).map(|_| NewEvent::new(None, b"", false, Reservation::default())));
        let cursor_at_read = Arc::<AtomicUsize>::default();
        let protocol = CursorAtRead(Arc::clone(&cursor_at_read));
        let mut stream = pin!(run(stream(&mut socket, subscriber, &server), protocol));
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
        let cursor_at_read = cursor_at_read.load(Relaxed);
        assert!((1..EVENTS).contains(&cursor_at_read), "read after event {cursor_at_read}");
        let least = EVENTS / (MAX_FRAMES_PER_WRITE * MAX_TURNS_IN_A_ROW as usize);
        assert!(turns >= least, "{turns} turns, not {least}");
    }

    #[test]
    fn first_heartbeats_of_consecutive_streams_are_spread_evenly() {
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
