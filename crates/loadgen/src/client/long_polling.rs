//! Long polling: the next request goes out as soon as an answer is in.

use std::rc::Rc;
use std::time::Duration;

use pushbench_wire::endpoint::{Resource, TIMEOUT_MS};

use super::post::Poster;
use super::pull::Pull;
use super::socket::ConnectionMeter;
use super::{ClientError, Sink, Subscriber, Subscription};

/// Always has a request waiting, but for the gap between an answer and the next request.
pub(crate) struct LongPolling {
    pull: Pull,
    /// What is asked from the second request on; gone once it is asked.
    later: Option<String>,
}

impl Subscriber for LongPolling {
    type Upstream = Poster;

    async fn connect(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError> {
        let path = subscription.path(Resource::LongPoll);
        let held_for = |timeout: Duration| format!("{path}?{TIMEOUT_MS}={}", timeout.as_millis());
        let first = held_for(subscription.first_long_poll_timeout);
        let later = Some(held_for(subscription.long_poll_timeout));
        Ok(Self { pull: Pull::connect(subscription, &first, meter, after).await?, later })
    }

    async fn receive(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        self.pull.ask(sink).await?;
        if let Some(path) = self.later.take() {
            self.pull.ask_from_now_on(&path)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pushbench_wire::Event;
    use tokio::task::LocalSet;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::client::{Tally, Totals};
    use crate::scenario::Connection;
    use crate::scenario::schedule::first_long_poll_timeouts;

    struct Nothing;

    impl Sink for Nothing {
        fn on_event(&mut self, _: u64, event: Event<'_>) {
            panic!("nobody published event {}", event.id);
        }
    }

    /// With the clock paused the real server's timeouts come as soon as nothing else is to be done.
    #[tokio::test(start_paused = true)]
    async fn idle_subscribers_time_out_at_an_even_rate_from_the_start() {
        const SUBSCRIBERS: u32 = 120;
        const TIMEOUT: Duration = Duration::from_secs(30);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = pushbench_server::Config::default();
        let server = tokio::spawn(pushbench_server::run(listener, config, std::future::pending()));
        let tally = Arc::new(Tally::default());
        let subscribers = LocalSet::new();
        for first in first_long_poll_timeouts(1, SUBSCRIBERS, TIMEOUT) {
            let subscription = Subscription {
                address,
                channel: "quiet".into(),
                poll_interval: Duration::from_secs(1),
                poll_epoch: Instant::now(),
                poll_phase: Duration::ZERO,
                long_poll_timeout: TIMEOUT,
                first_long_poll_timeout: first,
                connection: Connection::KeepAlive,
            };
            let meter = ConnectionMeter::new(Arc::clone(&tally));
            subscribers.spawn_local(async move {
                let mut subscriber = LongPolling::connect(&subscription, &meter, 0).await?;
                loop {
                    subscriber.receive(&mut Nothing).await?;
                }
                #[expect(unreachable_code, reason = "it names the type of the error")]
                Ok::<(), ClientError>(())
            });
        }
        let requests = || {
            let mut totals = Totals::default();
            totals.add(&tally);
            totals.requests
        };
        subscribers
            .run_until(async {
                sleep(Duration::from_secs(1)).await;
                let mut before = requests();
                // Two rounds of timeouts: the first ones and the full ones behind them.
                for window in 0..20 {
                    sleep(Duration::from_secs(3)).await;
                    let now = requests();
                    // 120 subscribers, 3 s of 30 s each. The ends of a window cut two slices, and
                    // what is late by the socket's way through the kernel moves one more.
                    assert!((now - before).abs_diff(12) <= 2, "window {window}: {}", now - before);
                    before = now;
                }
            })
            .await;
        server.abort();
    }
}
