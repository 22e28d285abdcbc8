//! The delivery test: every transport, through its real client, against the real server.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pushbench_wire::endpoint::{EVENT_NAME, Resource};
use pushbench_wire::{Event, Transport, clock};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::{Instant, timeout};

use super::{
    ConnectionMeter, Http, Mechanism, Sink, Subscriber, Subscription, Tally, Tls, Totals,
    WithSubscriber, with_subscriber,
};
use crate::scenario::{self, Connection, HttpVersion, Settings, Stream};

const CHANNEL: &str = "news";

/// Far longer than anything here takes: only a hang reaches it.
pub(super) const HANG: Duration = Duration::from_secs(20);

/// What a test does with the client of a transport.
pub(super) type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// An event as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) payload: Vec<u8>,
    pub(super) binary: bool,
}

#[derive(Default)]
pub(super) struct Inbox(pub(super) Vec<Received>);

impl Sink for Inbox {
    fn on_event(&mut self, at_ns: u64, event: Event<'_>) {
        assert!((1..=clock::now_ns()).contains(&at_ns), "the time of the read");
        self.0.push(Received {
            id: event.id,
            name: event.name.to_owned(),
            payload: event.payload.to_owned(),
            binary: event.binary,
        });
    }
}

/// Publishes through the server's own route.
pub(super) async fn publish(address: SocketAddr, name: &str, payload: &[u8], binary: bool) {
    publish_to(address, CHANNEL, name, payload, binary).await;
}

async fn publish_to(address: SocketAddr, channel: &str, name: &str, payload: &[u8], binary: bool) {
    let url = format!("http://{address}{}?{EVENT_NAME}={name}", Resource::Events.path(channel));
    let kind = if binary { "application/octet-stream" } else { "text/plain" };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(url).header("content-type", kind).body(payload.to_owned());
    request.send().await.unwrap().error_for_status().unwrap();
}

pub(super) fn subscription(
    address: SocketAddr,
    transport: Transport,
    connection: Connection,
) -> Subscription {
    let interval = Duration::from_millis(5);
    let timeout = Duration::from_millis(200);
    Subscription {
        address,
        channel: CHANNEL.into(),
        settings: match transport {
            Transport::Polling => Settings::Polling(scenario::Polling { interval, connection }),
            Transport::LongPolling => {
                Settings::LongPolling(scenario::LongPolling { timeout, connection })
            }
            // The client of a stream has nothing to set.
            _ => Settings::Stream(Stream::every(Duration::from_secs(15))),
        },
        poll_epoch: Instant::now(),
        poll_phase: Duration::ZERO,
        first_long_poll_timeout: Duration::from_millis(50),
        tls: None,
        http: Http::Http1,
        compression: false,
        fallback: None,
        foreign: None,
    }
}

/// A server on a free port.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// Where it is by TLS, and whom to trust there, by each version of HTTP.
    tls: [(SocketAddr, Tls); 4],
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), pushbench_server::Error>>,
}

impl Server {
    pub(super) async fn start(config: pushbench_server::Config) -> Self {
        let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = plain.local_addr().unwrap();
        let tls = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = tls.local_addr().unwrap();
        let (secured, certificate) =
            pushbench_server::Tls::self_signed(vec![at.ip().to_string()]).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), certificate).unwrap();
        let trust = |at, http| (at, Tls::trusting(file.path(), http).unwrap());
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let by_tls = [
            trust(at, HttpVersion::Http1),
            trust(at, HttpVersion::Http2),
            trust(udp.local_addr().unwrap(), HttpVersion::Http3),
            trust(udp.local_addr().unwrap(), HttpVersion::WebTransport),
        ];
        let tls = pushbench_server::TlsListeners { tcp: tls, udp: Some(udp), tls: secured };
        let listeners = pushbench_server::Listeners { plain, tls: Some(tls) };
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(pushbench_server::run(listeners, config, async {
            let _ = stopped.await;
        }));
        Self { address, tls: by_tls, stop, served }
    }

    /// A subscription to it, by TLS and this HTTP, or without.
    pub(super) fn subscription(
        &self,
        transport: Transport,
        connection: Connection,
        by_tls: Option<HttpVersion>,
    ) -> Subscription {
        let plain = subscription(self.address, transport, connection);
        let [http1, http2, http3, webtransport] = &self.tls;
        let (http, (address, tls)) = match by_tls {
            None => return plain,
            Some(HttpVersion::Http1) => (Http::Http1, http1),
            Some(HttpVersion::Http2) => (Http::Http2(Arc::default()), http2),
            Some(HttpVersion::Http3) => (Http::Http3(Arc::default()), http3),
            Some(HttpVersion::WebTransport) => (Http::WebTransport, webtransport),
        };
        Subscription { address: *address, tls: Some(tls.clone()), http, ..plain }
    }

    pub(super) async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(HANG, self.served).await.expect("the server stops").unwrap().unwrap();
    }
}

/// Receives until `inbox` holds `count` events.
async fn receive<S: Subscriber>(subscriber: &mut S, inbox: &mut Inbox, count: usize) {
    while inbox.0.len() < count {
        timeout(HANG, subscriber.receive(inbox)).await.expect("no hang").unwrap();
    }
}

/// Events of every kind, published before and while a subscriber is there, and after it was cut
/// off, all arrive once, in order and unchanged.
async fn delivers<S: Subscriber>(address: SocketAddr, subscription: Subscription) {
    let published: [(&str, &[u8], bool); 6] = [
        ("message", b"plain", false),
        ("price", "two\nlines, \u{20ac} and \"quotes\"".as_bytes(), false),
        ("message", b"", false),
        ("image", &[0, 255, 10, 13, 200], true),
        ("message", b"while it was away", false),
        ("message", b"at the end", false),
    ];
    let expected: Vec<Received> = (1..)
        .zip(published)
        .map(|(id, (name, payload, binary))| Received {
            id,
            name: name.to_owned(),
            payload: payload.to_owned(),
            binary,
        })
        .collect();
    let publish_range = async |range: std::ops::Range<usize>| {
        for (name, payload, binary) in &published[range] {
            publish(address, name, payload, *binary).await;
        }
    };

    let tally = Arc::new(Tally::default());
    let meter = ConnectionMeter::new(Arc::clone(&tally));
    let mut inbox = Inbox::default();
    publish_range(0..1).await;
    let mut subscriber = S::connect(&subscription, &meter, 0).await.unwrap();
    receive(&mut subscriber, &mut inbox, 1).await;
    publish_range(1..4).await;
    receive(&mut subscriber, &mut inbox, 4).await;
    drop(subscriber);
    publish_range(4..5).await;
    let mut subscriber = S::connect(&subscription, &meter, 4).await.unwrap();
    publish_range(5..6).await;
    receive(&mut subscriber, &mut inbox, 6).await;
    assert_eq!(inbox.0, expected);

    let mut totals = Totals::default();
    totals.add(&tally);
    // By HTTP/2 and HTTP/3, what ends is a stream, and the connection is there for the next one.
    let is_its_own = matches!(subscription.http, Http::Http1 | Http::WebTransport);
    let least = if is_its_own { 2 } else { 1 };
    assert!(totals.connections >= least && totals.requests >= 2, "{totals:?}");
    assert!(totals.bytes_in > 200 && totals.bytes_out > 200, "{totals:?}");
}

pub(super) struct Delivers(pub(super) SocketAddr, pub(super) Subscription);

impl WithSubscriber for Delivers {
    type Output = LocalFuture<()>;

    fn with<S: Subscriber + 'static>(self) -> Self::Output {
        Box::pin(delivers::<S>(self.0, self.1))
    }
}

/// Two subscriptions have the connection of HTTP/2 or HTTP/3 that they share, and all their events.
async fn shares_a_connection<S: Subscriber>(address: SocketAddr, subscription: Subscription) {
    let tally = Arc::new(Tally::default());
    let meter = ConnectionMeter::new(Arc::clone(&tally));
    let other = Subscription { channel: "sports".to_owned(), ..subscription.clone() };
    assert!(subscription.http.shares_connection_with(&other.http));
    let mut inboxes = [Inbox::default(), Inbox::default()];
    let mut one = S::connect(&subscription, &meter, 0).await.unwrap();
    let mut two = S::connect(&other, &meter, 0).await.unwrap();
    publish_to(address, "sports", "message", b"1", false).await;
    receive(&mut two, &mut inboxes[1], 1).await;
    publish_to(address, CHANNEL, "message", b"2", false).await;
    receive(&mut one, &mut inboxes[0], 1).await;
    let payloads = inboxes.map(|inbox| inbox.0[0].payload.clone());
    assert_eq!(payloads, [b"2".to_vec(), b"1".to_vec()]);
    let mut totals = Totals::default();
    totals.add(&tally);
    assert_eq!(totals.connections, 1);
    assert!(meter.tcp().unwrap().bytes_in > 0);
}

struct SharesAConnection(SocketAddr, Subscription);

impl WithSubscriber for SharesAConnection {
    type Output = LocalFuture<()>;

    fn with<S: Subscriber + 'static>(self) -> Self::Output {
        Box::pin(shares_a_connection::<S>(self.0, self.1))
    }
}

#[tokio::test]
async fn subscriptions_of_http_2_and_of_http_3_share_a_connection() {
    for http in [HttpVersion::Http2, HttpVersion::Http3] {
        for &transport in Transport::ALL.iter().filter(|of| speaks(**of, Some(http))) {
            let server = Server::start(pushbench_server::Config::default()).await;
            let subscription = server.subscription(transport, Connection::KeepAlive, Some(http));
            let work = SharesAConnection(server.address, subscription);
            LocalSet::new().run_until(with_subscriber(Mechanism::own(transport), work)).await;
            server.stop().await;
        }
    }
}

const VERSIONS: [HttpVersion; 4] =
    [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Http3, HttpVersion::WebTransport];

/// Raw TCP begins with what HTTP/1.1 alone has, WebSockets are left out of HTTP/3, and by WebTransport there are
/// event streams.
fn speaks(transport: Transport, by_tls: Option<HttpVersion>) -> bool {
    match by_tls {
        None | Some(HttpVersion::Http1) => true,
        Some(HttpVersion::Http2) => transport != Transport::Tcp,
        Some(HttpVersion::Http3) => !matches!(transport, Transport::Tcp | Transport::WebSocket),
        Some(HttpVersion::WebTransport) => transport == Transport::Sse,
    }
}

/// Events of several channels come over one connection, in the order in which they were published, and
/// one id is enough to go on from.
async fn delivers_several<S: Subscriber>(mut subscription: Subscription) {
    subscription.channel = format!("{CHANNEL},sports,weather");
    let address = subscription.address;
    let tally = Arc::new(Tally::default());
    let meter = ConnectionMeter::new(Arc::clone(&tally));
    let mut inbox = Inbox::default();
    publish_to(address, "sports", "message", b"1", false).await;
    publish_to(address, CHANNEL, "price", b"2", false).await;
    let mut subscriber = S::connect(&subscription, &meter, 1).await.unwrap();
    receive(&mut subscriber, &mut inbox, 1).await;
    publish_to(address, "sports", "message", b"3", false).await;
    receive(&mut subscriber, &mut inbox, 2).await;
    drop(subscriber);
    publish_to(address, "weather", "message", b"4", false).await;
    let mut subscriber = S::connect(&subscription, &meter, 3).await.unwrap();
    receive(&mut subscriber, &mut inbox, 3).await;
    let received: Vec<_> =
        inbox.0.iter().map(|of| (of.id, &of.name[..], &of.payload[..])).collect();
    assert_eq!(received, [(2, "news/price", &b"2"[..]), (3, "sports", b"3"), (4, "weather", b"4")]);
    let mut totals = Totals::default();
    totals.add(&tally);
    assert_eq!(totals.connections, 2, "one at a time");
}

pub(super) struct DeliversSeveral(pub(super) Subscription);

impl WithSubscriber for DeliversSeveral {
    type Output = LocalFuture<()>;

    fn with<S: Subscriber + 'static>(self) -> Self::Output {
        Box::pin(delivers_several::<S>(self.0))
    }
}

#[tokio::test]
async fn every_transport_carries_several_channels() {
    for &transport in Transport::ALL {
        let server = Server::start(pushbench_server::Config::default()).await;
        let subscription = subscription(server.address, transport, Connection::KeepAlive);
        let work = DeliversSeveral(subscription);
        LocalSet::new().run_until(with_subscriber(Mechanism::own(transport), work)).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn every_transport_delivers_every_event_once_and_in_order() {
    for &transport in Transport::ALL {
        for connection in [Connection::KeepAlive, Connection::New] {
            let ways = [None].into_iter().chain(VERSIONS.map(Some));
            for by_tls in ways.filter(|by_tls| speaks(transport, *by_tls)) {
                let server = Server::start(pushbench_server::Config::default()).await;
                let subscription = server.subscription(transport, connection, by_tls);
                let client = LocalSet::new();
                let work = Delivers(server.address, subscription);
                client.run_until(with_subscriber(Mechanism::own(transport), work)).await;
                drop(client);
                server.stop().await;
            }
        }
    }
}
