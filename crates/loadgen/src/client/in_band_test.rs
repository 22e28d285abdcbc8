//! What sending over the connection that one receives on must not break: nothing is lost when
//! receiving is given up, and nobody stops receiving because the socket takes no more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pushbench_wire::frame::UPGRADE_TOKEN;
use pushbench_wire::{Event, Transport, frame, message};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::delivery_test::{HANG, Inbox, Server, publish, subscription};
use super::tcp::Tcp;
use super::upstream::{InBand, SendInBand};
use super::upstream_test::Shared;
use super::websocket::WebSocket;
use super::{ConnectionMeter, Payload, Upstream as _, UpstreamEvents};
use crate::scenario::Connection;

/// A line to `server` that carries what follows the head of its answer a few bytes at a time, each
/// time it is allowed to.
async fn trickle(server: SocketAddr, allowed: Arc<Semaphore>) -> SocketAddr {
    const HEAD_END: &[u8] = b"\r\n\r\n";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        client.set_nodelay(true).unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) =
            TcpStream::connect(server).await.unwrap().into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
        let mut head = Vec::new();
        while !head.ends_with(HEAD_END) {
            head.push(from_server.read_u8().await.unwrap());
        }
        to_client.write_all(&head).await.unwrap();
        let mut piece = [0; 7];
        // It ends with either side.
        while let Ok(count @ 1..) = from_server.read(&mut piece).await {
            allowed.acquire().await.unwrap().forget();
            if to_client.write_all(&piece[..count]).await.is_err() {
                return;
            }
        }
    });
    address
}

async fn receives_though_dropped<S: SendInBand>(server: SocketAddr) {
    let allowed = Arc::new(Semaphore::new(0));
    let meter = ConnectionMeter::new(Arc::default());
    let address = trickle(server, Arc::clone(&allowed)).await;
    let subscription = subscription(address, Transport::Tcp, Connection::KeepAlive);
    let mut subscriber = S::connect(&subscription, &meter, 0).await.unwrap();
    let payloads: Vec<_> = (0..10_u8).map(|n| vec![n; 50 * usize::from(n)]).collect();
    for payload in &payloads {
        publish(server, "message", payload, true).await;
    }
    let mut inbox = Inbox::default();
    let mut dropped = 0;
    let receive = async {
        while inbox.0.len() < payloads.len() {
            tokio::select! {
                biased;
                received = subscriber.receive(&mut inbox) => received.unwrap(),
                () = yield_now() => {
                    dropped += 1;
                    if allowed.available_permits() == 0 {
                        allowed.add_permits(1);
                    }
                }
            }
        }
    };
    timeout(HANG, receive).await.expect("no hang");
    let received: Vec<_> = inbox.0.into_iter().map(|event| event.payload).collect();
    assert!(received == payloads);
    let pieces = payloads.concat().len() / 7;
    assert!(dropped >= pieces, "dropped {dropped} times, with {pieces} pieces");
}

/// On which `InBand` relies.
#[tokio::test]
async fn receiving_in_band_is_cancel_safe() {
    let server = Server::start(pushbench_server::Config::default()).await;
    receives_though_dropped::<WebSocket>(server.address).await;
    server.stop().await;
    let server = Server::start(pushbench_server::Config::default()).await;
    receives_though_dropped::<Tcp>(server.address).await;
    server.stop().await;
}

/// More than the sockets of both sides hold.
const LARGE: usize = 16 << 20;

/// One event of that size.
struct Large {
    event: Vec<u8>,
    is_sent: bool,
}

impl UpstreamEvents for Large {
    async fn next(&mut self) -> Payload<'_> {
        if std::mem::replace(&mut self.is_sent, true) {
            std::future::pending::<()>().await;
        }
        Payload { bytes: &self.event, binary: true }
    }
}

/// A server that answers the request with `answer`, and sends `event` once the client has begun to
/// send. It reads on only when that was `received`. Gives how much it has read then.
async fn busy_talker(
    listener: TcpListener,
    answer: impl Fn(&str) -> String,
    event: Vec<u8>,
    received: Arc<Notify>,
) -> usize {
    let (mut client, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    client.write_all(answer(&String::from_utf8(head).unwrap()).as_bytes()).await.unwrap();
    client.peek(&mut [0]).await.unwrap();
    client.write_all(&event).await.unwrap();
    received.notified().await;
    let (mut total, mut piece) = (0, vec![0; 1 << 20]);
    while total < LARGE {
        total += client.read(&mut piece).await.unwrap();
    }
    total
}

async fn receives_while_it_sends<S: SendInBand>(answer: impl Fn(&str) -> String, event: Vec<u8>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let subscription =
        subscription(listener.local_addr().unwrap(), Transport::Tcp, Connection::KeepAlive);
    let received = Arc::new(Notify::new());
    let server = busy_talker(listener, answer, event, Arc::clone(&received));
    let client = async {
        let meter = ConnectionMeter::new(Arc::default());
        let mut subscriber = S::connect(&subscription, &meter, 0).await.unwrap();
        let inbox = Shared::default();
        let (mut sink, mut events) =
            (inbox.clone(), Large { event: vec![7; LARGE], is_sent: false });
        let is_received = async {
            while inbox.0.borrow().0.is_empty() {
                sleep(Duration::from_millis(1)).await;
            }
            received.notify_one();
            std::future::pending::<()>().await;
        };
        let mut upstream = InBand;
        tokio::select! {
            Err(error) = upstream.run(&mut subscriber, &mut sink, &mut events) => panic!("{error}"),
            () = is_received => unreachable!("it waits for the server"),
        }
    };
    let done = async {
        tokio::select! {
            total = server => assert!(total >= LARGE),
            () = client => unreachable!("it goes on until the server is done"),
        }
    };
    timeout(HANG, done).await.expect("the server sends, and reads only then");
}

/// As with a transport that sends by POST beside the connection that it receives on.
#[tokio::test]
async fn a_socket_that_takes_no_more_does_not_stop_receiving() {
    let event = Event { id: 1, name: "message", payload: b"meanwhile", binary: true };
    let switching = |upgrade: &str, more: &str| {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {upgrade}\r\n{more}\r\n"
        )
    };
    let mut framed = Vec::new();
    frame::encode(&event, &mut framed);
    receives_while_it_sends::<Tcp>(|_| switching(UPGRADE_TOKEN, ""), framed).await;

    let mut framed = vec![];
    message::encode(&event, &mut framed);
    // A whole binary message, unmasked, with a length of one byte (RFC 6455 §5.2).
    framed.splice(0..0, [0x82, u8::try_from(framed.len()).unwrap()]);
    let answer = |head: &str| {
        let line = |name: &str| {
            let found = head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            });
            found.unwrap()
        };
        let accept = derive_accept_key(line("sec-websocket-key").as_bytes());
        let protocol = line("sec-websocket-protocol");
        let more =
            format!("sec-websocket-accept: {accept}\r\nsec-websocket-protocol: {protocol}\r\n");
        switching("websocket", &more)
    };
    receives_while_it_sends::<WebSocket>(answer, framed).await;
}
