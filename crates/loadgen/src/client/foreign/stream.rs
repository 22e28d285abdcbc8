//! One HTTP response that does not end, by a recipe: Server-Sent Events, or whatever it is split by.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::CONTENT_TYPE;
use tokio::time::sleep_until;

use super::exchange::{Exchange, not_compressed};
use super::messages::Messages;
use super::talk::{Channel, Inbox, Talk};
use super::words::{in_time, refused};
use super::{Foreign, Seen};
use crate::client::answer_body::AnswerBody;
use crate::client::http::{HttpConnection, unexpected};
use crate::client::meter::ConnectionMeter;
use crate::client::no_upstream::NoUpstream;
use crate::client::{ClientError, Sink, Subscriber, Subscription};
use crate::scenario::Split;

/// Reads a stream.
pub(crate) struct ForeignStream {
    line: Line,
    talk: Talk,
}

struct Line {
    body: AnswerBody,
    messages: Messages,
    meter: Rc<ConnectionMeter>,
    /// Dropping it would end the connection.
    _connection: HttpConnection<Full<Bytes>>,
}

impl Line {
    async fn piece(&mut self) -> Result<Bytes, ClientError> {
        let frame = self.body.frame().await.ok_or(ClientError::Ended)??;
        Ok(frame.into_data().unwrap_or_default())
    }
}

impl Channel for Line {
    async fn read(&mut self, inbox: &mut Inbox) -> Result<(), ClientError> {
        let piece = self.piece().await?;
        let at_ns = self.meter.last_read_ns();
        self.messages.feed(&piece, |message| inbox.push_back((at_ns, message.to_vec())))
    }

    async fn send(&mut self, _: String) -> Result<(), ClientError> {
        Err(ClientError::Foreign("nothing can be sent over a response: use `request`".to_owned()))
    }
}

impl Subscriber for ForeignStream {
    type Upstream = NoUpstream;

    async fn connect(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError> {
        let foreign = subscription.recipe()?;
        let mut talk = Talk::new(foreign, meter, after);
        talk.before().await?;
        let question = talk.question()?;
        let mut exchange = Exchange::new(foreign, meter);
        let (response, connection) = in_time(exchange.ask(&question)).await?;
        let status = response.status();
        if !status.is_success() {
            let headers = response.headers().clone();
            return Err(match unexpected(response).await {
                ClientError::Status { body, .. } => {
                    refused(foreign, status.as_u16(), &headers, body.as_bytes())
                }
                other => other,
            });
        }
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        foreign.see(Seen::Answered(status.as_u16(), &kind));
        not_compressed(response.headers())?;
        if foreign.recipe.split == Split::Sse {
            check_type(foreign, &kind)?;
        }
        let mut line = Line {
            body: response.into_body(),
            messages: Messages::new(foreign.recipe.split),
            meter: Rc::clone(meter),
            _connection: connection,
        };
        talk.open(&mut line).await?;
        Ok(Self { line, talk })
    }

    async fn receive(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        let received = self.receive_one(sink).await;
        if received.is_err() {
            self.talk.remember(self.line.messages.last_event_id());
        }
        received
    }

    fn retry(&self) -> Option<Duration> {
        self.line.messages.retry_ms().map(Duration::from_millis)
    }
}

impl ForeignStream {
    async fn receive_one(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        let Self { line, talk } = self;
        let mut asked = Vec::new();
        while let Some((at_ns, message)) = talk.early() {
            asked.extend(talk.take(at_ns, &message, sink).asks);
        }
        let piece = match talk.next_ping() {
            _ if !asked.is_empty() => Bytes::new(),
            None => line.piece().await?,
            Some(ping) => tokio::select! {
                piece = line.piece() => piece?,
                () = sleep_until(ping) => return talk.ping(line).await,
            },
        };
        let at_ns = line.meter.last_read_ns();
        line.messages.feed(&piece, |message| {
            asked.extend(talk.take(at_ns, message, sink).asks);
        })?;
        for reply in asked {
            talk.reply(line, reply).await?;
        }
        Ok(())
    }
}

/// An `EventSource` would refuse anything else (WHATWG HTML §9.2.5).
fn check_type(foreign: &Foreign, kind: &str) -> Result<(), ClientError> {
    if kind
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
    {
        return Ok(());
    }
    let kind = foreign.values.redact(kind);
    Err(ClientError::Foreign(format!(
        "the server answered with {}, not with text/event-stream: is this the right path?",
        if kind.is_empty() { "no content type".to_owned() } else { kind }
    )))
}
