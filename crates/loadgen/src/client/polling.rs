//! Polling: one request at every interval.

use std::rc::Rc;
use std::time::Duration;

use pushbench_wire::Transport;
use pushbench_wire::endpoint::Resource;
use tokio::time::Instant;

use super::meter::ConnectionMeter;
use super::post::Poster;
use super::pull::Pull;
use super::{ClientError, Sink, Subscriber, Subscription};

/// Asks at `phase`, `phase + interval`, …: the interval counts from request to request, and a slot
/// that passes while an answer is awaited is left out.
pub(crate) struct Polling {
    pull: Pull,
    next: Instant,
    interval: Duration,
}

impl Subscriber for Polling {
    type Upstream = Poster;

    async fn connect(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError> {
        let pull = Pull::connect(
            subscription,
            &subscription.path(Resource::Subscribe(Transport::Polling)),
            meter,
            after,
        )
        .await?;
        let interval = subscription.settings.polling_interval().unwrap_or_default();
        let first = subscription.poll_epoch + subscription.poll_phase;
        Ok(Self { pull, next: next_slot(first, interval), interval })
    }

    async fn receive(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        tokio::time::sleep_until(self.next).await;
        self.pull.ask(sink).await?;
        self.next = next_slot(self.next + self.interval, self.interval);
        Ok(())
    }
}

/// The first of `from`, `from + interval`, … that has not passed.
pub(super) fn next_slot(from: Instant, interval: Duration) -> Instant {
    let behind = Instant::now().saturating_duration_since(from);
    if behind.is_zero() {
        return from;
    }
    from + interval.mul_f64(behind.div_duration_f64(interval).ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn slots_that_passed_are_left_out() {
        let interval = Duration::from_millis(100);
        let epoch = Instant::now();
        assert_eq!(next_slot(epoch, interval), epoch);
        tokio::time::advance(Duration::from_millis(250)).await;
        assert_eq!(next_slot(epoch, interval), epoch + interval * 3);
        assert_eq!(next_slot(epoch + interval * 5, interval), epoch + interval * 5);
    }
}
