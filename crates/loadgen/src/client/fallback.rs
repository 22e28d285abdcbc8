//! A WebSocket where one can be had, and else what comes next: as libraries do it whose users sit behind
//! anything. It only receives.

use std::rc::Rc;
use std::time::Duration;

use pushbench_wire::Transport;
use tokio::time::timeout;

use super::foreign::NoUpstream;
use super::long_polling::LongPolling;
use super::sse::Sse;
use super::websocket::WebSocket;
use super::{ClientError, ConnectionMeter, Sink, Subscriber, Subscription};

/// What a subscriber got.
pub(crate) enum Fallback {
    WebSocket(WebSocket),
    Sse(Sse),
    LongPolling(LongPolling),
}

impl Fallback {
    async fn by(
        transport: Transport,
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError> {
        Ok(match transport {
            Transport::Sse => Self::Sse(Sse::connect(subscription, meter, after).await?),
            Transport::LongPolling => {
                Self::LongPolling(LongPolling::connect(subscription, meter, after).await?)
            }
            _ => Self::WebSocket(WebSocket::connect(subscription, meter, after).await?),
        })
    }
}

impl Subscriber for Fallback {
    type Upstream = NoUpstream;

    /// Tries one after the other, each for as long as is said. A hanging handshake is a refusal, too.
    async fn connect(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError> {
        let Some(fallback) = subscription.settings.fallback() else {
            return Self::by(Transport::WebSocket, subscription, meter, after).await;
        };
        let order = [Transport::WebSocket].into_iter().chain(fallback.order.iter().copied());
        let mut reasons = Vec::new();
        for transport in order {
            let connecting = Self::by(transport, subscription, meter, after);
            let reason = match timeout(fallback.after, connecting).await {
                Ok(Ok(connected)) => {
                    if !reasons.is_empty() {
                        meter.tally().fallbacks.add(1);
                    }
                    return Ok(connected);
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => took_too_long(fallback.after),
            };
            reasons.push(format!("{}: {reason}", transport.label()));
        }
        Err(ClientError::Foreign(format!("nothing of it works; {}", reasons.join("; "))))
    }

    async fn receive(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        match self {
            Self::WebSocket(subscriber) => subscriber.receive(sink).await,
            Self::Sse(subscriber) => subscriber.receive(sink).await,
            Self::LongPolling(subscriber) => subscriber.receive(sink).await,
        }
    }
}

fn took_too_long(limit: Duration) -> String {
    format!("no answer within {limit:?}")
}
