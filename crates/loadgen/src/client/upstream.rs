//! What subscribers send themselves: over the connection that they receive on where the transport
//! has that way, and by `POST` beside it where it has not. It owns how both directions go on at
//! once; it must not know what is sent, nor when.

use std::convert::Infallible;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::post::Poster;
use super::{
    ClientError, ConnectionMeter, Sink, Subscriber, Subscription, Upstream, UpstreamEvents,
};

/// A subscriber that sends over the connection that it receives on. Its
/// [`receive`](Subscriber::receive) is cancel-safe: a call that is dropped before it completes loses
/// nothing of what has arrived, and the next one goes on from there.
pub(crate) trait SendInBand: Subscriber {
    /// What [`receive`](Subscriber::receive) waits for, so that sending can go on meanwhile.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut impl Sink,
    ) -> Poll<Result<(), ClientError>>;

    /// Takes `payload` to publish it to the channel; text must be UTF-8. Whatever was taken before
    /// must have been [sent](Self::poll_send).
    ///
    /// # Errors
    /// When the connection breaks, or text is known not to be UTF-8.
    fn start_send(&mut self, payload: &[u8], binary: bool) -> Result<(), ClientError>;

    /// Completes when the socket has all that was taken. The server may not have it yet, and does
    /// not answer.
    ///
    /// # Errors
    /// When the connection breaks.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>>;
}

/// Over the subscriber's own connection.
pub(crate) struct InBand;

impl<S: SendInBand> Upstream<S> for InBand {
    async fn open(_: &Subscription, _: &Rc<ConnectionMeter>) -> Result<Self, ClientError> {
        Ok(Self)
    }

    async fn run(
        &mut self,
        subscriber: &mut S,
        sink: &mut impl Sink,
        events: &mut impl UpstreamEvents,
    ) -> Result<Infallible, ClientError> {
        loop {
            tokio::select! {
                received = subscriber.receive(sink) => received?,
                event = events.next() => {
                    subscriber.start_send(event.bytes, event.binary)?;
                    receive_while_sending(subscriber, sink).await?;
                }
            }
        }
    }
}

/// Receives into `sink` until what `subscriber` sends is on its way: a server that waits for this
/// client to read must not be waited for.
async fn receive_while_sending(
    subscriber: &mut impl SendInBand,
    sink: &mut impl Sink,
) -> Result<(), ClientError> {
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(sent) = subscriber.poll_send(cx) {
                return Poll::Ready(sent);
            }
            ready!(subscriber.poll_receive(cx, sink))?;
        }
    })
    .await
}

impl<S: Subscriber> Upstream<S> for Poster {
    async fn open(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
    ) -> Result<Self, ClientError> {
        Self::connect(subscription, meter).await
    }

    async fn run(
        &mut self,
        subscriber: &mut S,
        sink: &mut impl Sink,
        events: &mut impl UpstreamEvents,
    ) -> Result<Infallible, ClientError> {
        tokio::select! {
            failed = receive_for_ever(subscriber, sink) => failed,
            failed = post_for_ever(self, events) => failed,
        }
    }
}

/// Receives into `sink` until that fails.
///
/// # Errors
/// Why it failed.
pub(crate) async fn receive_for_ever<S: Subscriber>(
    subscriber: &mut S,
    sink: &mut impl Sink,
) -> Result<Infallible, ClientError> {
    loop {
        subscriber.receive(sink).await?;
    }
}

async fn post_for_ever(
    poster: &mut Poster,
    events: &mut impl UpstreamEvents,
) -> Result<Infallible, ClientError> {
    loop {
        let event = events.next().await;
        poster.post(event.bytes, event.binary).await?;
    }
}
