//! How fast a slow subscriber takes what has come. It is decided at the socket, so that the server meets
//! what it would in life: a receive window that closes. It must not know what is read.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Sleep, sleep};

use crate::scenario::SlowReads;

/// What a slow subscriber's socket is asked to keep unread, so that the server soon finds it full. The
/// kernel takes twice that, for what it needs beside.
const RECEIVE_BUFFER_BYTES: u32 = 4 << 10;

/// A read takes what comes in this time, at most.
const TURN: Duration = Duration::from_millis(50);

/// How fast the sockets of a subscriber are read.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How it reads when it is slow; none of one that never is.
    slowly: Cell<Option<SlowReads>>,
    /// Whether it is slow now.
    is_on: Cell<bool>,
    /// Those who read as fast as they can from now on are woken.
    wakers: RefCell<Vec<Waker>>,
}

impl Pace {
    pub(super) fn slow(reads: SlowReads) -> Self {
        Self { slowly: Cell::new(Some(reads)), ..Self::default() }
    }

    /// A connection whose socket keeps little unread, if it is ever slow.
    pub(super) async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        if self.slowly.get().is_none() {
            return TcpStream::connect(address).await;
        }
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        socket.connect(address).await
    }

    /// How it reads now; none of one that reads as fast as it can.
    pub(super) fn now(&self) -> Option<SlowReads> {
        if self.is_on.get() { self.slowly.get() } else { None }
    }

    /// Lets it be slow, or as fast as it can.
    pub(super) fn be_slow(&self, is_on: bool) {
        self.is_on.set(is_on);
        if !is_on {
            self.wakers.borrow_mut().drain(..).for_each(Waker::wake);
        }
    }

    /// Lets it be as fast as it can for good.
    pub(super) fn read_on(&self) {
        self.slowly.set(None);
        self.be_slow(false);
    }

    fn wait(&self, cx: &Context<'_>) {
        let mut wakers = self.wakers.borrow_mut();
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
    }
}

/// What a socket waits for before it reads on.
#[derive(Debug, Default)]
pub(super) struct Turn(Option<Pin<Box<Sleep>>>);

/// Reads from `stream` as slowly as `pace` has it now.
pub(super) fn poll_read_slowly<S: AsyncRead + Unpin>(
    stream: &mut S,
    pace: &Pace,
    reads: SlowReads,
    turn: &mut Turn,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    pace.wait(cx);
    let SlowReads::BytesPerSecond(rate) = reads else { return Poll::Pending };
    if let Some(pause) = &mut turn.0 {
        ready!(pause.as_mut().poll(cx));
        turn.0 = None;
    }
    let rate = f64::from(rate);
    let most = ((rate * TURN.as_secs_f64()) as usize).max(1).min(buffer.remaining());
    let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
    ready!(Pin::new(stream).poll_read(cx, &mut part))?;
    let read = part.filled().len();
    buffer.advance(read);
    turn.0 = Some(Box::pin(sleep(Duration::from_secs_f64(read as f64 / rate))));
    Poll::Ready(Ok(()))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{Instant, timeout};

    use super::*;

    async fn read(source: &mut &[u8], pace: &Pace, turn: &mut Turn) -> usize {
        poll_fn(|cx| {
            let mut buffer = [0; 1 << 10];
            let mut read = ReadBuf::new(&mut buffer);
            let polled = match pace.now() {
                Some(reads) => poll_read_slowly(source, pace, reads, turn, cx, &mut read),
                None => Pin::new(&mut *source).poll_read(cx, &mut read),
            };
            polled.map(|done| done.map(|()| read.filled().len()).unwrap())
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept_and_given_up() {
        let pace = Pace::slow(SlowReads::BytesPerSecond(2_000));
        let (mut source, mut turn) = (&[7; 10_000][..], Turn::default());
        pace.be_slow(true);
        let begun = Instant::now();
        let mut taken = 0;
        while taken < 4_000 {
            taken += read(&mut source, &pace, &mut turn).await;
        }
        let took = begun.elapsed().as_secs_f64();
        assert!((1.9..=2.1).contains(&took), "{taken} bytes in {took} s");
        pace.read_on();
        pace.be_slow(true);
        assert_eq!(read(&mut source, &pace, &mut turn).await, 1 << 10, "for good");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_reads_nothing_is_woken_when_it_reads_on() {
        let pace = Pace::slow(SlowReads::Nothing);
        let (mut source, mut turn) = (&b"news"[..], Turn::default());
        assert_eq!(pace.now(), None, "not yet");
        pace.be_slow(true);
        let waited = timeout(Duration::from_secs(9), read(&mut source, &pace, &mut turn)).await;
        assert!(waited.is_err());
        let reading = read(&mut source, &pace, &mut turn);
        let resuming = async {
            tokio::task::yield_now().await;
            pace.read_on();
        };
        assert_eq!(tokio::join!(reading, resuming).0, 4);
    }
}
