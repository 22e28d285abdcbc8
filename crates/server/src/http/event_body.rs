//! The body of an answer by HTTP/2 or HTTP/3: whole, or an event stream that goes on. Flow control asks for what comes
//! next, so a subscriber that does not read stays behind in the log and holds nothing.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::{Body, Frame, SizeHint};
use pushbench_wire::Transport;
use tokio::time::{Instant, Sleep, sleep_until};

use super::open::Open;
use super::reply::Reply;
use super::unsent::Waiting;
use crate::compression::Compression;
use crate::framing::{Form, Framing};
use crate::transport::{Limit, Subscriber, SubscriberWaiter, first_heartbeat};
use crate::{Server, SlowPolicy};

/// Events that are taken from the log at once.
const LIMIT: Limit = Limit { events: 16, bytes: 64 << 10 };

/// How much of an answer is handed on at once. That it goes on is seen in such steps.
const PIECE_BYTES: usize = 64 << 10;

/// What an answer has as its body.
pub(super) enum Answered {
    /// All of it is there.
    Whole(Whole),
    /// It goes on.
    Events(Box<EventBody>),
    /// What follows is another protocol.
    Nothing,
}

impl Body for Answered {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Whole(whole) => Poll::Ready(whole.next().map(|piece| Ok(Frame::data(piece)))),
            Self::Events(events) => events.poll_next(cx).map(|piece| Some(piece?.map(Frame::data))),
            Self::Nothing => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.rest.is_empty(),
            Self::Events(_) => false,
            Self::Nothing => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => SizeHint::with_exact(whole.rest.len() as u64),
            Self::Events(_) => SizeHint::default(),
            // A length would forbid what follows.
            Self::Nothing => SizeHint::default(),
        }
    }
}

/// A body that is there.
pub(super) struct Whole {
    rest: Bytes,
    waiting: Waiting,
    _open: Open,
}

impl Whole {
    /// Of `reply`. Until it has gone, it is one of those that wait.
    pub(super) async fn of(reply: Reply, waiting: Waiting, open: Open) -> Response<Answered> {
        let (head, body) = reply.into_parts();
        let rest = body.collect().await.unwrap_or_else(|never| match never {}).to_bytes();
        Response::from_parts(head, Answered::Whole(Self { rest, waiting, _open: open }))
    }

    fn next(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            return None;
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
        self.waiting.renew();
        Some(self.waiting.piece(piece))
    }
}

/// An event stream ends before its time. Its client must not take what it has for all.
#[derive(Debug, thiserror::Error)]
#[error("the server has no memory left for the rest of the stream")]
pub(super) struct BrokenOff;

/// An event stream.
pub(super) struct EventBody {
    subscriber: Subscriber,
    compression: Compression,
    /// Whether its end was given.
    is_ending: bool,
    waiter: SubscriberWaiter,
    /// Whether what it misses is because it is slow, and not from before it came.
    was_in_the_log: bool,
    server: Arc<Server>,
    /// Frames that have not been asked for yet.
    next: VecDeque<Bytes>,
    heartbeat: Pin<Box<Sleep>>,
    _open: Open,
}

impl EventBody {
    /// One that begins with `first`.
    pub(super) fn new(
        first: Bytes,
        compression: Compression,
        subscriber: Subscriber,
        server: Arc<Server>,
        open: Open,
    ) -> Self {
        Self {
            waiter: subscriber.waiter(),
            was_in_the_log: !subscriber.has_fallen_behind(),
            subscriber,
            compression,
            is_ending: false,
            next: VecDeque::from([first]),
            heartbeat: Box::pin(sleep_until(Instant::now() + first_heartbeat(&server))),
            server,
            _open: open,
        }
    }

    /// What comes next; nothing behind the last one.
    ///
    /// # Errors
    /// [`BrokenOff`] when there is no memory for the rest.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            if let Some(next) = self.next.pop_front() {
                return Poll::Ready(Some(Ok(next)));
            }
            let Self { subscriber, server, waiter, .. } = self;
            if server.hub.is_closing() {
                let is_over = std::mem::replace(&mut self.is_ending, true);
                return Poll::Ready(self.compression.end().filter(|_| !is_over).map(Ok));
            }
            if subscriber.has_new_events() {
                if server.hub.is_out_of_memory() {
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
                let disconnects = server.config.slow_policy == SlowPolicy::Disconnect;
                if disconnects && self.was_in_the_log && subscriber.has_fallen_behind() {
                    server.metrics.too_slow(Transport::Sse);
                    return Poll::Ready(None);
                }
                self.was_in_the_log = true;
                self.take();
                if self.next.is_empty() {
                    // What is newest may not be readable yet. Its publisher may need this very thread.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                continue;
            }
            let is_due = || subscriber.has_new_events() || server.hub.is_closing();
            if waiter.poll(cx, is_due).is_ready() {
                continue;
            }
            if self.heartbeat.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.heartbeat.as_mut().reset(Instant::now() + self.server.config.heartbeat);
            self.next.push_back(self.compression.heartbeat());
        }
    }

    /// Takes what is new from the log.
    fn take(&mut self) {
        let (mut events, mut notices) = (Vec::with_capacity(LIMIT.events), 0);
        self.subscriber.read(LIMIT, |channel, event| {
            notices += usize::from(event.is_lagged_notice());
            events.push((channel, event));
        });
        self.server.deliver(Transport::Sse, events.len(), notices);
        let subscriber = &self.subscriber;
        let frames_of = |form: Form| {
            events.iter().map(move |(channel, event)| subscriber.frame(*channel, event, form))
        };
        self.compression.add(frames_of(Framing::Sse.into()));
        self.next.extend(frames_of(self.compression.form(Framing::Sse)).cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::http::open::Requests;
    use crate::memory::Need;
    use crate::transport::Channels;

    #[tokio::test]
    async fn a_stream_for_which_there_is_no_memory_does_not_end_as_if_it_were_whole() {
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Arc::new(Server::new(Config::default(), address, None).unwrap());
        let channel = server.hub.channel("a").unwrap();
        // From before the server began, so there is something to tell.
        let subscriber = Subscriber::at_or_latest(Channels::One(channel), Some(7));
        let first = Bytes::from_static(b"retry");
        let open = Requests::new().one();
        let none = Compression::default();
        let mut body = EventBody::new(first, none, subscriber, Arc::clone(&server), open);
        let mut next = async || std::future::poll_fn(|cx| body.poll_next(cx)).await;
        assert_eq!(next().await.unwrap().unwrap(), "retry");
        let (mut held, mut bytes) = (Vec::new(), 1 << 30);
        while bytes > 0 {
            match server.hub.reserve(bytes, Need::Connection) {
                Some(more) => held.push(more),
                None => bytes /= 2,
            }
        }
        assert!(next().await.unwrap().is_err());
        drop(held);
        let notice = next().await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&notice).contains("event: lagged\n"), "{notice:?}");
        server.hub.close();
        assert!(next().await.is_none());
    }
}
