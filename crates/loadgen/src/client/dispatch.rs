//! From a transport to the type of its subscribers, so that all that is done with them is compiled for
//! each.

use pushbench_wire::Transport;

use super::fallback::Fallback;
use super::foreign::{ForeignPull, ForeignStream, ForeignWebSocket};
use super::long_polling::LongPolling;
use super::polling::Polling;
use super::sse::Sse;
use super::subscriber::Subscriber;
use super::tcp::Tcp;
use super::websocket::WebSocket;

/// Something to do with a transport's own [`Subscriber`].
pub(crate) trait WithSubscriber {
    /// What it gives.
    type Output;

    /// Does it with subscribers of the type `S`.
    fn with<S: Subscriber + 'static>(self) -> Self::Output;
}

/// The mechanism of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mechanism {
    /// What it uses.
    pub(crate) transport: Transport,
    /// Whether it goes by a recipe, because the server is not ours.
    pub(crate) foreign: bool,
    /// Whether it goes on with something else where it is refused.
    pub(crate) falls_back: bool,
}

#[cfg(test)]
impl Mechanism {
    /// On a server of ours.
    pub(crate) fn own(transport: Transport) -> Self {
        Self { transport, foreign: false, falls_back: false }
    }
}

/// Does `work` with the subscribers of a mechanism. The only place where the generator tells
/// transports apart.
pub(crate) fn with_subscriber<W: WithSubscriber>(mechanism: Mechanism, work: W) -> W::Output {
    match (mechanism.transport, mechanism.foreign) {
        (Transport::Polling, false) => work.with::<Polling>(),
        (Transport::LongPolling, false) => work.with::<LongPolling>(),
        (Transport::Sse, false) => work.with::<Sse>(),
        (Transport::WebSocket, false) if mechanism.falls_back => work.with::<Fallback>(),
        (Transport::WebSocket, false) => work.with::<WebSocket>(),
        (Transport::Polling | Transport::LongPolling, true) => work.with::<ForeignPull>(),
        (Transport::Sse, true) => work.with::<ForeignStream>(),
        (Transport::WebSocket, true) => work.with::<ForeignWebSocket>(),
        // No recipe is for raw TCP, which is our own protocol.
        (Transport::Tcp, _) => work.with::<Tcp>(),
    }
}
