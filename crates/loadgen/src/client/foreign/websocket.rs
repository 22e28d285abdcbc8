//! WebSocket (RFC 6455) by a recipe.

use std::rc::Rc;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::sleep_until;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::Foreign;
use super::handshake::{check_answer, closed, config, data, not_opened, request, unreadable};
use super::messages::Messages;
use super::talk::{Channel, Inbox, Talk};
use super::words::in_time;
use crate::client::meter::ConnectionMeter;
use crate::client::no_upstream::NoUpstream;
use crate::client::socket::Stream;
use crate::client::tls::Secured;
use crate::client::{ClientError, Sink, Subscriber, Subscription};
use crate::scenario::Split;

/// Reads and writes the messages of one connection. Pings of the protocol are answered as it demands.
pub(crate) struct ForeignWebSocket {
    line: Line,
    talk: Talk,
}

/// The connection.
struct Line {
    stream: WebSocketStream<Secured<Stream>>,
    meter: Rc<ConnectionMeter>,
    foreign: Foreign,
}

impl Line {
    /// The data of the next frame; empty for one that has none.
    async fn frame(&mut self) -> Result<Message, ClientError> {
        let message = self.stream.next().await.ok_or(ClientError::Ended)?;
        match message.map_err(unreadable)? {
            Message::Close(close) => Err(closed(&self.foreign, close.as_ref())),
            message => Ok(message),
        }
    }
}

impl Channel for Line {
    async fn read(&mut self, inbox: &mut Inbox) -> Result<(), ClientError> {
        let message = self.frame().await?;
        let data = data(&message);
        let at_ns = self.meter.last_read_ns();
        if data.is_empty() {
            return Ok(());
        }
        Messages::new(self.foreign.recipe.split)
            .of_whole(data, |message| inbox.push_back((at_ns, message.to_vec())))
    }

    async fn send(&mut self, text: String) -> Result<(), ClientError> {
        Ok(self.stream.send(Message::text(text)).await?)
    }
}

impl Subscriber for ForeignWebSocket {
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
        let location = &question.location;
        let socket = location.connect(foreign, meter).await?;
        let request = request(foreign, &question)?;
        meter.tally().requests.add(1);
        let opening = tokio_tungstenite::client_async_with_config(request, socket, Some(config()));
        let (stream, answer) =
            in_time(async { opening.await.map_err(|error| not_opened(foreign, location, error)) })
                .await?;
        check_answer(foreign, &answer)?;
        let mut line = Line { stream, meter: Rc::clone(meter), foreign: foreign.clone() };
        talk.open(&mut line).await?;
        Ok(Self { line, talk })
    }

    async fn receive(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        let received = self.receive_one(sink).await;
        if received.is_err() {
            self.talk.remember("");
        }
        received
    }
}

impl ForeignWebSocket {
    async fn receive_one(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        while let Some((at_ns, message)) = self.talk.early() {
            self.enter(at_ns, &message, sink).await?;
        }
        let message = match self.talk.next_ping() {
            None => self.line.frame().await?,
            // Reading is cancel-safe: what has come of a frame stays in the stream.
            Some(ping) => tokio::select! {
                message = self.line.frame() => message?,
                () = sleep_until(ping) => return self.talk.ping(&mut self.line).await,
            },
        };
        let at_ns = self.line.meter.last_read_ns();
        let data = data(&message);
        if data.is_empty() {
            return Ok(());
        }
        let split = self.talk.foreign.recipe.split;
        if split == Split::None {
            return self.enter(at_ns, data, sink).await;
        }
        let mut asked = Vec::new();
        let talk = &mut self.talk;
        Messages::new(split).of_whole(data, |message| {
            asked.extend(talk.take(at_ns, message, sink).asks);
        })?;
        for reply in asked {
            self.talk.reply(&mut self.line, reply).await?;
        }
        Ok(())
    }

    async fn enter(
        &mut self,
        at_ns: u64,
        message: &[u8],
        sink: &mut impl Sink,
    ) -> Result<(), ClientError> {
        match self.talk.take(at_ns, message, sink).asks {
            Some(reply) => self.talk.reply(&mut self.line, reply).await,
            None => Ok(()),
        }
    }
}
