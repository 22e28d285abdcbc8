//! Compression: every transport that has it, through its real client, against the real server.

use std::rc::Rc;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};
use pushbench_server::Config;
use pushbench_wire::Transport;
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::delivery_test::{
    Delivers, DeliversSeveral, HANG, Inbox, LocalFuture, Server, publish, subscription,
};
use super::{
    ConnectionMeter, Mechanism, Subscriber, Subscription, Tally, Totals, WithSubscriber,
    with_subscriber,
};
use crate::scenario::{Connection, HttpVersion};

fn compressing() -> Config {
    Config { compression: true, ..Config::default() }
}

/// Those that have compression.
fn transports() -> impl Iterator<Item = Transport> {
    Transport::ALL.iter().copied().filter(|&transport| transport != Transport::Tcp)
}

#[tokio::test]
async fn every_transport_delivers_every_event_once_and_in_order_compressed() {
    for transport in transports() {
        for connection in [Connection::KeepAlive, Connection::New] {
            for by_tls in [None, Some(HttpVersion::Http1), Some(HttpVersion::Http2)] {
                let server = Server::start(compressing()).await;
                let plain = server.subscription(transport, connection, by_tls);
                let subscription = Subscription { compression: true, ..plain };
                let several = subscription.clone();
                let work = Delivers(server.address, subscription);
                LocalSet::new().run_until(with_subscriber(Mechanism::own(transport), work)).await;
                server.stop().await;
                if by_tls.is_none() && connection == Connection::KeepAlive {
                    let server = Server::start(compressing()).await;
                    let several = Subscription { address: server.address, ..several };
                    let work = DeliversSeveral(several);
                    LocalSet::new()
                        .run_until(with_subscriber(Mechanism::own(transport), work))
                        .await;
                    server.stop().await;
                }
            }
        }
    }
}

/// Publishes these and receives them; what came from the network meanwhile.
async fn carries<S: Subscriber>(
    subscription: Subscription,
    payloads: Rc<Vec<(Vec<u8>, bool)>>,
) -> (Vec<(Vec<u8>, bool)>, u64) {
    let tally = Arc::new(Tally::default());
    let meter = ConnectionMeter::new(Arc::clone(&tally));
    let mut subscriber = S::connect(&subscription, &meter, 0).await.unwrap();
    for (payload, binary) in payloads.iter() {
        publish(subscription.address, "message", payload, *binary).await;
    }
    let mut inbox = Inbox::default();
    while inbox.0.len() < payloads.len() {
        timeout(HANG, subscriber.receive(&mut inbox)).await.expect("no hang").unwrap();
    }
    let mut totals = Totals::default();
    totals.add(&tally);
    (inbox.0.into_iter().map(|event| (event.payload, event.binary)).collect(), totals.bytes_in)
}

struct Carries(Subscription, Rc<Vec<(Vec<u8>, bool)>>);

impl WithSubscriber for Carries {
    type Output = LocalFuture<(Vec<(Vec<u8>, bool)>, u64)>;

    fn with<S: Subscriber + 'static>(self) -> Self::Output {
        Box::pin(carries::<S>(self.0, self.1))
    }
}

/// What a subscriber received of these, with compression or without, and the bytes that it read.
fn received(
    transport: Transport,
    compression: bool,
    payloads: &[(Vec<u8>, bool)],
) -> (Vec<(Vec<u8>, bool)>, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::start(compressing()).await;
        let plain = subscription(server.address, transport, Connection::KeepAlive);
        let work = Carries(Subscription { compression, ..plain }, Rc::new(payloads.to_vec()));
        let received =
            LocalSet::new().run_until(with_subscriber(Mechanism::own(transport), work)).await;
        server.stop().await;
        received
    })
}

#[test]
fn any_payload_survives() {
    // Bytes, and text that SSE carries as it is: every line of it ends in a line feed.
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..3_000).prop_map(|bytes| (bytes, true)),
        ("[^\r]{0,300}", 1..20_usize)
            .prop_map(|(text, times)| (text.repeat(times).into_bytes(), false)),
        (any::<u8>(), 0..60_000_usize).prop_map(|(byte, count)| (vec![byte; count], true)),
    ];
    let payloads = proptest::collection::vec(payload, 1..5);
    let mut runner = TestRunner::new(Runs::with_cases(12));
    let outcome = runner.run(&payloads, |payloads| {
        for transport in transports() {
            prop_assert_eq!(&received(transport, true, &payloads).0, &payloads, "{}", transport);
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn what_is_regular_takes_fewer_bytes_and_what_is_not_hardly_more() {
    let regular: Vec<_> = (0..20).map(|_| (br#"{"price":12.5},"#.repeat(100), false)).collect();
    // Without any pattern, however it is looked at.
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let noise: Vec<_> = (0..20).map(|_| ((0..1_500).map(|_| noise()).collect(), true)).collect();
    for transport in transports() {
        let bytes =
            |compression, payloads: &[_]| received(transport, compression, payloads).1 as f64;
        let ratio = |payloads: &[_]| bytes(true, payloads) / bytes(false, payloads);
        assert!(ratio(&regular) < 0.3, "{transport}: {}", ratio(&regular));
        assert!(ratio(&noise) < 1.05, "{transport}: {}", ratio(&noise));
    }
}

/// Whether a subscriber that wants compression says so of a server that has none.
async fn notices<S: Subscriber>(subscription: Subscription) -> String {
    let meter = ConnectionMeter::new(Arc::default());
    let receive = async {
        let mut subscriber = S::connect(&subscription, &meter, 0).await?;
        subscriber.receive(&mut Inbox::default()).await
    };
    let error = timeout(HANG, receive).await.expect("no hang").expect_err("it is not compressed");
    assert!(!error.is_broken_connection(), "another connection would get the same");
    error.to_string()
}

struct Notices(Subscription);

impl WithSubscriber for Notices {
    type Output = LocalFuture<String>;

    fn with<S: Subscriber + 'static>(self) -> Self::Output {
        Box::pin(notices::<S>(self.0))
    }
}

#[tokio::test]
async fn a_server_that_does_not_compress_is_an_error() {
    for transport in transports() {
        for by_tls in [None, Some(HttpVersion::Http2)] {
            let server = Server::start(Config::default()).await;
            let plain = server.subscription(transport, Connection::KeepAlive, by_tls);
            publish(server.address, "message", &[b'x'; 500], false).await;
            let work = Notices(Subscription { compression: true, ..plain });
            let error =
                LocalSet::new().run_until(with_subscriber(Mechanism::own(transport), work)).await;
            assert!(
                error.starts_with("the server was asked to compress: "),
                "{transport}: {error}"
            );
            server.stop().await;
        }
    }
}
