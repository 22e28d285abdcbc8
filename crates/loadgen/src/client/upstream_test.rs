//! Members of one channel that all send and all receive: every transport, through its real client,
//! against the real server.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pushbench_wire::{Event, Transport};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};

use super::delivery_test::{HANG, Inbox, LocalFuture, Received, Server, subscription};
use super::post::Poster;
use super::tcp::Tcp;
use super::upstream::SendInBand;
use super::websocket::WebSocket;
use super::{
    ClientError, ConnectionMeter, Mechanism, Payload, Sink, Subscriber, Subscription, Tally,
    Totals, Upstream, UpstreamEvents, WithSubscriber, with_subscriber,
};
use crate::scenario::Connection;

const MEMBERS: u8 = 4;

/// Events that each member sends.
const EVENTS: u8 = 25;

/// Events of one member, one after another at equal distances.
struct Script {
    events: std::vec::IntoIter<Vec<u8>>,
    binary: bool,
    /// Lives longer than a call of `next`, which is dropped with every event that is received.
    timer: Pin<Box<Sleep>>,
    current: Vec<u8>,
}

impl Script {
    const PACE: Duration = Duration::from_millis(3);

    fn new(events: Vec<Vec<u8>>, binary: bool) -> Self {
        let timer = Box::pin(sleep_until(Instant::now() + Self::PACE));
        Self { events: events.into_iter(), binary, timer, current: Vec::new() }
    }
}

impl UpstreamEvents for Script {
    async fn next(&mut self) -> Payload<'_> {
        self.timer.as_mut().await;
        let Some(event) = self.events.next() else { return std::future::pending().await };
        let next = self.timer.deadline() + Self::PACE;
        self.timer.as_mut().reset(next);
        self.current = event;
        Payload { bytes: &self.current, binary: self.binary }
    }
}

/// What a member sends: who it is, which event it is, and then anything.
fn events_of(member: u8, binary: bool) -> Vec<Vec<u8>> {
    let mut random = ChaCha8Rng::seed_from_u64(member.into());
    (0..EVENTS)
        .map(|sequence| {
            let mut event = vec![member + b'A', sequence + b'A'];
            if binary {
                let mut bytes = vec![0; usize::from(sequence) * 50];
                random.fill_bytes(&mut bytes);
                event.extend_from_slice(b"\n\0\r\n");
                event.extend_from_slice(&bytes);
            } else {
                event.extend_from_slice("\n\"\u{20ac}\u{0}\"".repeat(sequence.into()).as_bytes());
            }
            event
        })
        .collect()
}

/// An inbox that can be looked into while it is filled.
#[derive(Clone, Default)]
pub(super) struct Shared(pub(super) Rc<RefCell<Inbox>>);

impl Sink for Shared {
    fn on_event(&mut self, at_ns: u64, event: Event<'_>) {
        self.0.borrow_mut().on_event(at_ns, event);
    }
}

/// Runs all members until each has what all have sent. Returns what each has received, and what
/// that took.
async fn converse<S: Subscriber + 'static>(
    subscription: &Subscription,
    binary: bool,
) -> (Vec<Vec<Received>>, Totals) {
    let tally = Arc::new(Tally::default());
    let mut members = Vec::new();
    // All are there before the first one says anything.
    for _ in 0..MEMBERS {
        let meter = ConnectionMeter::new(Arc::clone(&tally));
        let beside = ConnectionMeter::new(Arc::clone(&tally));
        let subscriber = S::connect(subscription, &meter, 0).await.unwrap();
        let upstream = S::Upstream::open(subscription, &beside).await.unwrap();
        members.push((subscriber, upstream));
    }
    let mut inboxes = Vec::new();
    let mut running = Vec::new();
    for (member, (mut subscriber, mut upstream)) in (0..).zip(members) {
        let inbox = Shared::default();
        inboxes.push(inbox.clone());
        let mut sink = inbox;
        let mut script = Script::new(events_of(member, binary), binary);
        running.push(tokio::task::spawn_local(async move {
            let Err(error) = upstream.run(&mut subscriber, &mut sink, &mut script).await;
            error
        }));
    }
    let all = usize::from(MEMBERS) * usize::from(EVENTS);
    let everyone_has_all = async {
        while !inboxes.iter().all(|inbox| inbox.0.borrow().0.len() >= all) {
            if let Some(member) = running.iter().position(JoinHandle::is_finished) {
                panic!("member {member}: {}", running.swap_remove(member).await.unwrap());
            }
            sleep(Duration::from_millis(5)).await;
        }
        // Whatever comes again comes soon.
        sleep(Duration::from_millis(30)).await;
    };
    timeout(HANG, everyone_has_all).await.expect("no hang");
    for member in running {
        member.abort();
    }
    let mut totals = Totals::default();
    totals.add(&tally);
    let received = inboxes.iter().map(|inbox| std::mem::take(&mut inbox.0.borrow_mut().0));
    (received.collect(), totals)
}

struct Converse {
    subscription: Subscription,
    binary: bool,
}

impl WithSubscriber for Converse {
    type Output = LocalFuture<(Vec<Vec<Received>>, Totals)>;

    fn with<S: Subscriber + 'static>(self) -> Self::Output {
        Box::pin(async move { converse::<S>(&self.subscription, self.binary).await })
    }
}

#[tokio::test]
async fn members_that_all_send_all_receive_everything_once() {
    for &transport in Transport::ALL {
        for (binary, compression) in [(false, false), (true, false), (false, true), (true, true)] {
            let compression = compression && transport != Transport::Tcp;
            let config = pushbench_server::Config { compression, ..Default::default() };
            let server = Server::start(config).await;
            let plain = subscription(server.address, transport, Connection::KeepAlive);
            let subscription = Subscription { compression, ..plain };
            let clients = LocalSet::new();
            let talk =
                with_subscriber(Mechanism::own(transport), Converse { subscription, binary });
            let (received, totals) = clients.run_until(talk).await;
            drop(clients);
            server.stop().await;

            for inbox in &received {
                assert_eq!(inbox, &received[0], "{transport}: one order for all");
                for sender in 0..MEMBERS {
                    let from_sender =
                        inbox.iter().filter(|event| event.payload[0] == sender + b'A');
                    let payloads: Vec<_> = from_sender.map(|event| event.payload.clone()).collect();
                    let sent = events_of(sender, binary);
                    assert!(payloads == sent, "{transport}: what {sender} sent, in its order");
                }
                assert_eq!(inbox.len(), usize::from(MEMBERS) * usize::from(EVENTS), "{transport}");
                assert!(inbox.iter().all(|event| event.binary == binary), "{transport}");
                assert!(inbox.iter().map(|event| event.id).eq(1..=inbox.len() as u64));
            }
            let (members, sent) = (u64::from(MEMBERS), u64::from(MEMBERS) * u64::from(EVENTS));
            match transport {
                Transport::WebSocket | Transport::Tcp => {
                    assert_eq!((totals.connections, totals.requests), (members, members));
                }
                Transport::Sse => {
                    assert_eq!(totals.connections, 2 * members);
                    assert_eq!(totals.requests, members + sent);
                }
                Transport::Polling | Transport::LongPolling => {
                    assert_eq!(totals.connections, 2 * members, "{transport}");
                    assert!(totals.requests > sent, "{transport}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_event_that_is_refused_is_an_error() {
    let config = pushbench_server::Config { max_event_bytes: 10, ..Default::default() };
    let server = Server::start(config).await;
    let address = server.address;
    let clients = LocalSet::new();
    let send = async {
        let subscription = subscription(address, Transport::Sse, Connection::KeepAlive);
        let meter = ConnectionMeter::new(Arc::default());
        let mut poster = Poster::connect(&subscription, &meter).await.unwrap();
        poster.post(b"small", false).await.unwrap();
        let error = poster.post(&[b'x'; 11], true).await.unwrap_err();
        assert!(!error.is_broken_connection());
        let reason = "the server answered 413 Payload Too Large: {\"error\":\"an event of the body \
                      has 11 bytes; the limit is 10\"}";
        assert_eq!(error.to_string(), reason);

        let mut websocket = WebSocket::connect(&subscription, &meter, 1).await.unwrap();
        let error = websocket.start_send(b"\xff", false).unwrap_err();
        assert!(matches!(error, ClientError::NotText(_)), "{error}");
        websocket.start_send(&[b'x'; 11], true).unwrap();
        poll_fn(|cx| websocket.poll_send(cx)).await.unwrap();
        let error = websocket.receive(&mut Inbox::default()).await.unwrap_err();
        assert!(matches!(error, ClientError::Ended), "{error}");

        let mut tcp = Tcp::connect(&subscription, &meter, 1).await.unwrap();
        tcp.start_send(b"\xff", false).unwrap();
        poll_fn(|cx| tcp.poll_send(cx)).await.unwrap();
        let error = tcp.receive(&mut Inbox::default()).await.unwrap_err();
        assert!(matches!(error, ClientError::Ended), "{error}");
    };
    timeout(HANG, clients.run_until(send)).await.expect("no hang");
    drop(clients);
    server.stop().await;
}

#[tokio::test]
async fn a_poster_whose_server_has_gone_says_so() {
    let server = Server::start(pushbench_server::Config::default()).await;
    let subscription = subscription(server.address, Transport::Sse, Connection::KeepAlive);
    let clients = LocalSet::new();
    let send = async {
        let meter = ConnectionMeter::new(Arc::default());
        let mut poster = Poster::connect(&subscription, &meter).await.unwrap();
        poster.post(b"first", false).await.unwrap();
        server.stop().await;
        let error = poster.post(b"second", false).await.unwrap_err();
        assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    };
    timeout(HANG, clients.run_until(send)).await.expect("no hang");
}
