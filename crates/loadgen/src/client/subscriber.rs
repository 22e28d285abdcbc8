//! What a subscriber of any transport does: it receives, and it may send. It must not know how.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use super::{ClientError, ConnectionMeter, Sink, Subscription};

/// One subscriber of a channel. Its futures run on one thread, so they need not be `Send`.
pub(crate) trait Subscriber: Sized {
    /// How what it sends itself gets to its channel.
    type Upstream: Upstream<Self>;

    /// Connects, to receive the events behind `after`.
    async fn connect(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError>;

    /// Waits for the next arrival and pushes every event in it into `sink`, as it is decoded.
    async fn receive(&mut self, sink: &mut impl Sink) -> Result<(), ClientError>;

    /// How long the server has asked it to wait before it connects again; none where no server can.
    fn retry(&self) -> Option<Duration> {
        None
    }
}

/// The payload of an event that is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload<'a> {
    /// UTF-8 unless it is binary.
    pub(crate) bytes: &'a [u8],
    /// Whether `bytes` are arbitrary.
    pub(crate) binary: bool,
}

/// Gives what a subscriber sends, when it is due.
pub(crate) trait UpstreamEvents {
    /// Waits until the next event is due, and for ever when there is none. Then the event counts as
    /// sent: it is not asked for again, even if the connection breaks.
    ///
    /// It must be cancel-safe: a call that is dropped before it completes has taken nothing.
    async fn next(&mut self) -> Payload<'_>;
}

/// How the events of a subscriber `S` get to its channel: [`InBand`](super::upstream::InBand), or a
/// [`Poster`](super::post::Poster).
pub(crate) trait Upstream<S>: Sized {
    /// Opens what it takes beside the connection of the subscriber. `meter` must not be that of the
    /// subscriber.
    ///
    /// # Errors
    /// When there is no connection.
    async fn open(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
    ) -> Result<Self, ClientError>;

    /// Receives into `sink` and sends what `events` gives, both at once, until either fails.
    ///
    /// # Errors
    /// Why it failed; then neither the subscriber nor this can be used any further.
    async fn run(
        &mut self,
        subscriber: &mut S,
        sink: &mut impl Sink,
        events: &mut impl UpstreamEvents,
    ) -> Result<Infallible, ClientError>;
}
