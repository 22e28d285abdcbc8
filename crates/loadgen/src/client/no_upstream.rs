//! Subscribers of other servers, and those that fall back, only receive: a scenario that has them send is
//! refused when it is read.

use std::convert::Infallible;
use std::rc::Rc;

use crate::client::{
    ClientError, ConnectionMeter, Sink, Subscriber, Subscription, Upstream, UpstreamEvents,
};

/// Sends nothing.
pub(crate) struct NoUpstream;

impl NoUpstream {
    fn refusal() -> ClientError {
        ClientError::Foreign("these subscribers cannot send".to_owned())
    }
}

impl<S: Subscriber> Upstream<S> for NoUpstream {
    async fn open(_: &Subscription, _: &Rc<ConnectionMeter>) -> Result<Self, ClientError> {
        Err(Self::refusal())
    }

    async fn run(
        &mut self,
        _: &mut S,
        _: &mut impl Sink,
        _: &mut impl UpstreamEvents,
    ) -> Result<Infallible, ClientError> {
        Err(Self::refusal())
    }
}
