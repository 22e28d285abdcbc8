//! The body of an answer by HTTP/2 or HTTP/3: whole, or an event stream that goes on. Flow control asks for what comes
//! next, so a subscriber that does not read stays behind in the log and holds nothing.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use pushbench_wire::Transport;
use tokio::time::{Instant, Sleep, sleep_until};

use super::open::Open;
use crate::compression::Compression;
use crate::framing::{Form, Framing};
use crate::transport::{Limit, Subscriber, SubscriberWaiter, first_heartbeat};
use crate::{Server, SlowPolicy};

/// Events that are taken from the log at once.
const LIMIT: Limit = Limit { events: 16, bytes: 64 << 10 };

/// What an answer has as its body.
pub(super) enum Answered {
    /// All of it is there.
    Whole(Full<Bytes>, #[expect(dead_code, reason = "counts until it is dropped")] Open),
    /// It goes on.
    Events(Box<EventBody>),
    /// What follows is another protocol.
    Nothing,
}

impl Body for Answered {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(whole, _) => Pin::new(whole).poll_frame(cx),
            Self::Events(events) => events.poll_next(cx).map(|piece| Some(Ok(Frame::data(piece?)))),
            Self::Nothing => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole, _) => whole.is_end_stream(),
            Self::Events(_) => false,
            Self::Nothing => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole, _) => whole.size_hint(),
            Self::Events(_) => SizeHint::default(),
            // A length would forbid what follows.
            Self::Nothing => SizeHint::default(),
        }
    }
}

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
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(next) = self.next.pop_front() {
                return Poll::Ready(Some(next));
            }
            let Self { subscriber, server, waiter, .. } = self;
            if server.hub.is_closing() {
                let is_over = std::mem::replace(&mut self.is_ending, true);
                return Poll::Ready(self.compression.end().filter(|_| !is_over));
            }
            if subscriber.has_new_events() {
                if server.hub.is_out_of_memory() {
                    return Poll::Ready(None);
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
