//! A WebSocket where one can be had, and else what comes next: as libraries do it whose users sit behind
//! anything. It only receives.

use std::rc::Rc;
use std::time::Duration;

use pushbench_wire::Transport;
use tokio::time::timeout;

use super::long_polling::LongPolling;
use super::no_upstream::NoUpstream;
use super::sse::Sse;
use super::websocket::WebSocket;
use super::{ClientError, ConnectionMeter, Sink, Subscriber, Subscription};
use crate::scenario::{self, Connection, Settings};

/// How long a long poll is held: the server's usual limit.
const HELD_FOR: Duration = Duration::from_secs(30);

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
                let asked =
                    scenario::LongPolling { timeout: HELD_FOR, connection: Connection::KeepAlive };
                let subscription = Subscription {
                    settings: Settings::LongPolling(asked),
                    first_long_poll_timeout: HELD_FOR,
                    ..subscription.clone()
                };
                Self::LongPolling(LongPolling::connect(&subscription, meter, after).await?)
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
        let Some(fallback) = &subscription.fallback else {
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

    fn retry(&self) -> Option<Duration> {
        match self {
            Self::Sse(subscriber) => subscriber.retry(),
            Self::WebSocket(_) | Self::LongPolling(_) => None,
        }
    }
}

fn took_too_long(limit: Duration) -> String {
    format!("no answer within {limit:?}")
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::LocalSet;

    use super::*;
    use crate::client::delivery_test::{HANG, Inbox, Server, publish, subscription};
    use crate::client::{Tally, Totals};
    use crate::scenario;

    /// What somebody between does with a request for a WebSocket, and for an event stream.
    #[derive(Clone, Copy)]
    enum Between {
        Refuses(&'static str),
        Hangs,
        Passes,
    }

    /// A relay to `server` that treats requests by their path.
    async fn relay(server: SocketAddr, websocket: Between, sse: Between) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut head = [0; 4096];
                    let length = client.peek(&mut head).await.unwrap();
                    let head = String::from_utf8_lossy(&head[..length]).into_owned();
                    let between = match head.split(['?', ' ']).nth(1).unwrap() {
                        path if path.ends_with("/ws") => websocket,
                        path if path.ends_with("/sse") => sse,
                        _ => Between::Passes,
                    };
                    match between {
                        Between::Passes => {
                            let mut server = TcpStream::connect(server).await.unwrap();
                            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                        }
                        Between::Refuses(status) => {
                            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                            client.write_all(answer.as_bytes()).await.unwrap();
                            let _ = client.read_to_end(&mut Vec::new()).await;
                        }
                        Between::Hangs => {
                            let _ = client.read_to_end(&mut Vec::new()).await;
                        }
                    }
                });
            }
        });
        address
    }

    /// What a subscriber got that may fall back, and how many did.
    async fn got(websocket: Between, sse: Between) -> (&'static str, u64) {
        let server = Server::start(pushbench_server::Config::default()).await;
        let address = relay(server.address, websocket, sse).await;
        let asked = subscription(address, Transport::WebSocket, scenario::Connection::KeepAlive);
        let fallback = scenario::Fallback {
            order: vec![Transport::Sse, Transport::LongPolling],
            after: Duration::from_millis(500),
        };
        let asked = Subscription { fallback: Some(fallback), ..asked };
        let tally = Arc::new(Tally::default());
        let meter = ConnectionMeter::new(Arc::clone(&tally));
        let mut subscriber = Fallback::connect(&asked, &meter, 0).await.unwrap();
        publish(server.address, "message", b"news", false).await;
        let mut inbox = Inbox::default();
        while inbox.0.is_empty() {
            timeout(HANG, subscriber.receive(&mut inbox)).await.expect("no hang").unwrap();
        }
        assert_eq!(inbox.0[0].payload, b"news");
        let mut totals = Totals::default();
        totals.add(&tally);
        let got = match subscriber {
            Fallback::WebSocket(_) => "websocket",
            Fallback::Sse(_) => "sse",
            Fallback::LongPolling(_) => "long-polling",
        };
        (got, totals.fallbacks)
    }

    #[tokio::test]
    async fn whoever_refuses_a_websocket_gets_what_comes_next() {
        use Between::{Hangs, Passes, Refuses};
        let all = async {
            for (websocket, sse, expected) in [
                (Passes, Passes, ("websocket", 0)),
                (Refuses("403 Forbidden"), Passes, ("sse", 1)),
                (Refuses("426 Upgrade Required"), Passes, ("sse", 1)),
                // Someone between who knows no upgrade answers as if it were any request.
                (Refuses("200 OK"), Passes, ("sse", 1)),
                (Hangs, Passes, ("sse", 1)),
                (Refuses("403 Forbidden"), Refuses("502 Bad Gateway"), ("long-polling", 1)),
                (Hangs, Hangs, ("long-polling", 1)),
            ] {
                assert_eq!(got(websocket, sse).await, expected);
            }
        };
        LocalSet::new().run_until(all).await;
    }
}
