//! From a transport to the type of its subscribers, so that all that is done with them is compiled for
//! each.

use pushbench_wire::Transport;

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

/// Does `work` with the subscribers of `transport`. The only place where the generator tells
/// transports apart.
pub(crate) fn with_subscriber<W: WithSubscriber>(transport: Transport, work: W) -> W::Output {
    match transport {
        Transport::Polling => work.with::<Polling>(),
        Transport::LongPolling => work.with::<LongPolling>(),
        Transport::Sse => work.with::<Sse>(),
        Transport::WebSocket => work.with::<WebSocket>(),
        Transport::Tcp => work.with::<Tcp>(),
    }
}
