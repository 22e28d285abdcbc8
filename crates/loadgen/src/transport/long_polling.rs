//! Long polling: the next request goes out as soon as an answer is in.

use std::rc::Rc;

use pushbench_wire::endpoint::{Resource, TIMEOUT_MS};

use super::pull::Pull;
use super::socket::Wire;
use super::{ClientError, Sink, Subscriber, Subscription};

/// Always has a request waiting, but for the gap between an answer and the next request.
pub(crate) struct LongPolling(Pull);

impl Subscriber for LongPolling {
    async fn connect(
        subscription: &Subscription,
        wire: &Rc<Wire>,
        after: u64,
    ) -> Result<Self, ClientError> {
        let path = format!(
            "{}?{TIMEOUT_MS}={}",
            subscription.path(Resource::LongPoll),
            subscription.long_poll_timeout.as_millis()
        );
        Ok(Self(Pull::connect(subscription, &path, wire, after).await?))
    }

    async fn receive(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        self.0.ask(sink).await
    }
}
