//! Long polling: the next request goes out as soon as an answer is in.

use std::rc::Rc;
use std::time::Duration;

use pushbench_wire::Transport;
use pushbench_wire::endpoint::{Resource, TIMEOUT_MS};

use super::meter::ConnectionMeter;
use super::post::Poster;
use super::pull::Pull;
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
        let path = subscription.path(Resource::Subscribe(Transport::LongPolling));
        let held_for = |timeout: Duration| format!("{path}?{TIMEOUT_MS}={}", timeout.as_millis());
        let first = held_for(subscription.first_long_poll_timeout);
        let later = Some(held_for(subscription.settings.long_poll_timeout().unwrap_or_default()));
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
    use std::net::SocketAddr;
    use std::sync::Arc;

    use pushbench_wire::Event;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::LocalSet;
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::client::delivery_test::HANG;
    use crate::scenario::schedule::first_long_poll_timeouts;
    use crate::scenario::{Connection, LongPolling as Asked, Settings};

    struct Nothing;

    impl Sink for Nothing {
        fn on_event(&mut self, _: u64, event: Event<'_>) {
            panic!("nobody published event {}", event.id);
        }
    }

    /// Answers one connection that nothing is new, and gives how long each request wanted to wait.
    async fn answer(listener: TcpListener, requests: usize) -> Vec<Duration> {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while asked.len() < requests {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let (_, held) = head.split_once(&format!("?{TIMEOUT_MS}=")).unwrap();
            let held = held.split_whitespace().next().unwrap().parse().unwrap();
            asked.push(Duration::from_millis(held));
            client.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
        asked
    }

    async fn poll(address: SocketAddr, first: Duration, then: Duration, requests: usize) {
        let subscription = Subscription {
            address,
            channel: "quiet".into(),
            settings: Settings::LongPolling(Asked {
                timeout: then,
                connection: Connection::KeepAlive,
            }),
            poll_epoch: Instant::now(),
            poll_phase: Duration::ZERO,
            first_long_poll_timeout: first,
            tls: None,
            http: crate::client::Http::Http1,
            compression: false,
            fallback: None,
            foreign: None,
        };
        let meter = ConnectionMeter::new(Arc::default());
        let mut subscriber = LongPolling::connect(&subscription, &meter, 0).await.unwrap();
        for _ in 0..requests {
            subscriber.receive(&mut Nothing).await.unwrap();
        }
    }

    /// What a server is asked to wait decides when a subscriber asks again while nothing happens.
    #[tokio::test]
    async fn idle_subscribers_time_out_at_an_even_rate_from_the_start() {
        const SUBSCRIBERS: u32 = 120;
        const TIMEOUT: Duration = Duration::from_secs(30);
        const REQUESTS: usize = 3;
        let mut timeouts = Vec::new();
        for first in first_long_poll_timeouts(1, SUBSCRIBERS, TIMEOUT) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let both = async {
                tokio::join!(answer(listener, REQUESTS), poll(address, first, TIMEOUT, REQUESTS)).0
            };
            let asked = timeout(HANG, LocalSet::new().run_until(both)).await.expect("no hang");
            timeouts.extend(asked.iter().scan(Duration::ZERO, |time, held| {
                *time += *held;
                Some(*time)
            }));
        }
        // Two rounds of timeouts: the first ones and the full ones behind them.
        for window in 0..20 {
            let span = Duration::from_secs(3) * window..Duration::from_secs(3) * (window + 1);
            let count = timeouts.iter().filter(|time| span.contains(*time)).count();
            // 120 subscribers, 3 s of 30 s each. Whole slices: only rounding to milliseconds moves
            // one over an edge.
            assert!(count.abs_diff(12) <= 1, "window {window}: {count}");
        }
    }
}
