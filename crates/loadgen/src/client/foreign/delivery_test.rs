//! The delivery test of recipes: our own server, described as if it were another one, over every
//! transport.

use std::sync::Arc;

use pushbench_wire::stamp::STAMP_LEN;
use pushbench_wire::{Stamp, Transport};
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::{Foreign, Values};
use crate::client::delivery_test::{HANG, Inbox, LocalFuture, Server, publish, subscription};
use crate::client::{
    ConnectionMeter, Mechanism, Subscriber, Subscription, WithSubscriber, with_subscriber,
};
use crate::scenario::{Connection, Scenario};

/// Our server as others have to be described.
const DESCRIBED: &str = r#"
name = "x"
description = "x"
servers = ["ours"]
[workload]
subscribers = 1
events_per_second = 1
payload_bytes = 64
duration = "1s"
warm_up = "1s"
[server.ours]
url = "http://localhost:1"
publish.url = "{url}/channels/{channel}/events"
sse.url = "{url}/channels/{channel}/sse"
websocket = { url = "{ws}/channels/{channel}/ws", subprotocol = "pushbench.v1" }
[server.ours.polling]
url = "{url}/channels/{channel}/poll"
headers = { Last-Event-ID = "{last}" }
cursor = { last = "/last_event_id" }
[server.ours.long-polling]
url = "{url}/channels/{channel}/long-poll?timeout_ms=200"
headers = { Last-Event-ID = "{last}" }
cursor = { last = "/last_event_id" }
"#;

fn described(server: &Server, transport: Transport, connection: Connection) -> Subscription {
    let scenario = Scenario::parse(DESCRIBED, "").unwrap();
    let mut servers = scenario.contenders.iter().filter_map(|of| of.server.as_ref());
    let recipe = &servers.next().unwrap().subscribe[&transport];
    let url = format!("http://{}", server.address);
    let ws = format!("ws://{}", server.address);
    let own = subscription(server.address, transport, connection);
    let values = [("url", url), ("ws", ws), ("channel", own.channel.clone())];
    let (recipe, values) = (Arc::clone(recipe), Values::new(values));
    Subscription { foreign: Some(Foreign { recipe, values, tls: None, trace: None }), ..own }
}

async fn publish_stamped(subscription: &Subscription, sequence: u32) {
    let mut payload = [b'.'; STAMP_LEN + 10];
    Stamp { publisher: 0, sequence, intended_ns: 1, published_ns: 1 }.write_to(&mut payload);
    publish(subscription.address, "message", &payload, false).await;
}

fn sequences(inbox: &Inbox) -> Vec<u32> {
    let stamp = |payload: &[u8]| Stamp::read_from(payload).unwrap().sequence;
    inbox.0.iter().map(|received| stamp(&received.payload)).collect()
}

/// Subscribes, is cut off, and subscribes again.
struct Delivers(Server, Subscription);

impl WithSubscriber for Delivers {
    type Output = LocalFuture<()>;

    fn with<S: Subscriber + 'static>(self) -> Self::Output {
        Box::pin(async move {
            let Self(server, subscription) = self;
            let meter = ConnectionMeter::new(Arc::default());
            let mut inbox = Inbox::default();
            let mut subscriber = S::connect(&subscription, &meter, 0).await.unwrap();
            for sequence in 0..3 {
                publish_stamped(&subscription, sequence).await;
            }
            while inbox.0.len() < 3 {
                timeout(HANG, subscriber.receive(&mut inbox)).await.expect("no hang").unwrap();
            }
            assert_eq!(sequences(&inbox), [0, 1, 2]);
            let ids: Vec<_> = inbox.0.iter().map(|received| received.id).collect();
            assert_eq!(ids, [1, 2, 3], "events are counted");
            let stopping = tokio::task::spawn_local(server.stop());
            // A poll may meet the end of the server only with the next request.
            let failing = async { while subscriber.receive(&mut inbox).await.is_ok() {} };
            timeout(HANG, failing).await.expect("the end of the server is seen");
            drop(subscriber);
            stopping.await.unwrap();
            let values = &subscription.foreign.as_ref().unwrap().values;
            let position = values.get("last").or(values.get("id"));
            let is_kept = subscription.foreign.as_ref().unwrap().recipe.subprotocol.is_none();
            assert_eq!(position.as_deref(), is_kept.then_some("3"), "where it would go on");
        })
    }
}

#[tokio::test]
async fn every_recipe_delivers_every_event_once_and_in_order() {
    let all = [Transport::Polling, Transport::LongPolling, Transport::Sse, Transport::WebSocket];
    for transport in all {
        for connection in [Connection::KeepAlive, Connection::New] {
            let server = Server::start(pushbench_server::Config::default()).await;
            let subscription = described(&server, transport, connection);
            let mechanism = Mechanism { transport, foreign: true, falls_back: false };
            let work = with_subscriber(mechanism, Delivers(server, subscription));
            LocalSet::new().run_until(work).await;
        }
    }
}

#[tokio::test]
async fn a_value_that_was_never_said_is_named() {
    let server = Server::start(pushbench_server::Config::default()).await;
    let subscription = described(&server, Transport::Sse, Connection::KeepAlive);
    let foreign = subscription.foreign.as_ref().unwrap();
    let values = Values::new([("url", "http://localhost:1".to_owned())]);
    let foreign = Some(Foreign { values, ..foreign.clone() });
    let subscription = Subscription { foreign, ..subscription };
    let meter = ConnectionMeter::new(Arc::default());
    let refused = super::ForeignStream::connect(&subscription, &meter, 0).await.err().unwrap();
    assert_eq!(refused.to_string(), "the server has not said the value of {channel}");
    server.stop().await;
}
