//! Publishing over a WebSocket: each event is a message, messages follow each other without waiting, and
//! what the server sends is read and dropped, but for what acknowledges an event or refuses one.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use pushbench_wire::clock;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use super::socket_wire::{Ear, Pen, Wire};
use super::stamps::Stamps;
use super::talk::Talk;
use super::words::quoted;
use super::{Foreign, Seen};
use crate::client::http_answer::json_hint;
use crate::client::publish_link::{MOMENT, TIMEOUT};
use crate::client::publish_path::{
    Acknowledgements, OpenPath, PublishForm, PublishPath, PublishTarget, TcpProbe,
};
use crate::client::{ClientError, ConnectionMeter};
use crate::scenario::PublishSocket;

/// How long the server may take to part.
const PART_WITHIN: Duration = Duration::from_secs(2);

/// One connection, for all channels or for one of them.
pub(crate) struct SocketPublish {
    pen: Pen,
    publish: PublishSocket,
    foreign: Foreign,
    channels: Vec<String>,
    written: String,
    sent: Arc<AtomicU64>,
    failure: Option<anyhow::Error>,
}

/// What the server sends on it.
pub(crate) struct SocketAnswers {
    ear: Ear,
    talker: Talker,
    publish: PublishSocket,
    foreign: Foreign,
    next_ping: Option<Instant>,
    /// What nobody has looked at.
    heard: VecDeque<Vec<u8>>,
    /// The last message that neither acknowledged anything nor was answered.
    other: Option<Vec<u8>>,
    sent: Arc<AtomicU64>,
    acknowledged: u64,
    /// How long an acknowledgement has been waited for.
    silence: Duration,
}

impl PublishPath for SocketPublish {
    type Acknowledgements = SocketAnswers;

    fn open(target: &PublishTarget<'_>) -> anyhow::Result<OpenPath<Self>> {
        let PublishForm::Socket { publish, foreign } = &target.form else {
            bail!("the server does not take events over a WebSocket");
        };
        let talker = Talker::new()?;
        // Whoever calls this may have a runtime, within which no other can run.
        let opened = thread::scope(|scope| scope.spawn(|| talker.run(open(foreign))).join());
        let opened = opened.map_err(|_| anyhow!("a publisher thread panicked"))?;
        let Opened { wire, heard } =
            opened.map_err(|error| anyhow!("the publisher cannot open its WebSocket: {error}"))?;
        let probe = TcpProbe::default();
        probe.open(wire.tcp);
        let sent = Arc::<AtomicU64>::default();
        let path = Self {
            pen: wire.pen,
            publish: publish.clone(),
            foreign: foreign.clone(),
            channels: target.channels.to_vec(),
            written: String::new(),
            sent: Arc::clone(&sent),
            failure: None,
        };
        let ping = foreign.recipe.ping.as_ref();
        let answers = SocketAnswers {
            ear: wire.ear,
            talker,
            publish: publish.clone(),
            foreign: foreign.clone(),
            next_ping: ping.map(|ping| Instant::now() + ping.every),
            heard,
            other: None,
            sent,
            acknowledged: 0,
            silence: Duration::ZERO,
        };
        Ok(OpenPath { path, acknowledgements: answers, probe: Some(probe) })
    }

    fn push(&mut self, channel: usize, payload: &[u8]) {
        self.written.clear();
        // A scenario with such a server has text only.
        let payload = String::from_utf8_lossy(payload);
        let value = |name: &str| match name {
            "payload" => Some(payload.clone()),
            "channel" => self.channels.get(channel).map(|channel| Cow::Borrowed(&channel[..])),
            other => self.foreign.values.get(other).map(Cow::Owned),
        };
        let outcome = match self.publish.send.write(&mut self.written, value) {
            Ok(()) => {
                self.foreign.see(Seen::Sent(&self.written));
                // Counted first, so that no acknowledgement can come before its event is known.
                self.sent.fetch_add(1, Ordering::Release);
                self.pen.write(&self.written).map_err(anyhow::Error::from)
            }
            Err(name) => Err(anyhow!("the server has not said the value of {{{name}}}")),
        };
        if let Err(error) = outcome {
            self.failure.get_or_insert(error);
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let failed = self.failure.take().map_or(Ok(()), Err);
        failed
            .and_then(|()| Ok(self.pen.flush()?))
            .context("the server does not take what is published over the WebSocket")
    }
}

/// Runs what subscribers and the publisher have in common, which waits without blocking.
struct Talker(Option<Runtime>);

impl Talker {
    fn new() -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Self(Some(runtime.context("cannot start the publisher's runtime")?)))
    }

    fn run<T>(&self, talk: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        // There is one until it is dropped.
        self.0.as_ref().map_or(Err(ClientError::Ended), |runtime| runtime.block_on(talk))
    }
}

/// A trial that fails may drop it within its own runtime, where nobody may wait for another one.
impl Drop for Talker {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A connection on which events may be sent.
struct Opened {
    wire: Wire,
    /// What came behind the last message that a step waited for.
    heard: VecDeque<Vec<u8>>,
}

async fn open(foreign: &Foreign) -> Result<Opened, ClientError> {
    let mut talk = talk(foreign);
    talk.before().await?;
    let question = talk.question()?;
    let mut wire = Wire::open(foreign, &question).await?;
    talk.open(&mut wire.ear).await?;
    let heard = std::iter::from_fn(|| talk.early()).map(|(_, message)| message).collect();
    Ok(Opened { wire, heard })
}

/// Nobody counts what the publisher says and hears.
fn talk(foreign: &Foreign) -> Talk {
    Talk::new(foreign, &ConnectionMeter::new(Arc::default()), 0)
}

impl Acknowledgements for SocketAnswers {
    fn acknowledge(&mut self) -> anyhow::Result<u64> {
        if self.next_ping.is_some_and(|ping| ping <= Instant::now()) {
            let mut talk = talk(&self.foreign);
            let pinged = self.talker.run(talk.ping(&mut self.ear));
            pinged.map_err(ended)?;
            self.next_ping = talk.next_ping();
        }
        let begin_ns = clock::now_ns();
        let heard = self.ear.hear(&mut self.heard);
        // No longer than it waits: time in which this process was stopped is not the server's.
        self.silence += Duration::from_nanos(clock::now_ns() - begin_ns).min(MOMENT);
        self.take()?;
        heard.map_err(ended)?;
        if self.publish.acknowledged.is_none() {
            return Ok(0);
        }
        let to_come = self.sent.load(Ordering::Acquire).saturating_sub(self.acknowledged);
        if to_come == 0 {
            self.silence = Duration::ZERO;
        }
        ensure!(
            self.silence < TIMEOUT,
            "the server has not acknowledged {to_come} event{} of the publisher within {TIMEOUT:?}{}: does \
             `acknowledged` mean what it sends?",
            if to_come == 1 { "" } else { "s" },
            match &self.other {
                Some(other) => format!("; its last message was {}", quoted(&self.foreign, other)),
                None => "; it sent no message".to_owned(),
            }
        );
        Ok(to_come)
    }

    fn part(&mut self) -> anyhow::Result<()> {
        let closed = self.ear.close(PART_WITHIN, &mut self.heard);
        self.take()?;
        closed.map_err(ended)
    }

    fn told(&self) -> Option<String> {
        let other = self.other.as_ref()?;
        let is_echo = Stamps::default().find(other, |_| {}) > 0;
        (!is_echo).then(|| self.said(other))
    }
}

impl SocketAnswers {
    /// A message, and what may be done about it.
    fn said(&self, message: &[u8]) -> String {
        let advice = self.publish.send.advice_on_json("payload");
        let hint = json_hint(message, advice.as_deref());
        format!("{}{hint}", quoted(&self.foreign, message))
    }

    /// Looks at what was heard.
    fn take(&mut self) -> anyhow::Result<()> {
        while let Some(message) = self.heard.pop_front() {
            self.foreign.see(Seen::Received(&message));
            let is_met = |wanted: &Option<crate::scenario::Match>| {
                wanted.as_ref().is_some_and(|wanted| wanted.is_met_by(&message))
            };
            if is_met(&self.publish.refused) {
                bail!("the server refused an event: {}", self.said(&message));
            }
            if is_met(&self.publish.acknowledged) {
                ensure!(
                    self.acknowledged < self.sent.load(Ordering::Acquire),
                    "the server acknowledges what nobody has sent: does `acknowledged` mean another \
                     message than {}?",
                    quoted(&self.foreign, &message)
                );
                self.acknowledged += 1;
                self.silence = Duration::ZERO;
                self.other = None;
            } else if let Some(reply) = self.foreign.asks(&message) {
                let mut talk = talk(&self.foreign);
                let replied = self.talker.run(talk.reply(&mut self.ear, reply));
                replied.map_err(ended)?;
            } else {
                self.other = Some(message);
            }
        }
        Ok(())
    }
}

/// Why the publisher cannot go on.
fn ended(error: ClientError) -> anyhow::Error {
    match error {
        ClientError::Ended => anyhow!("the server closed the publisher's WebSocket"),
        error => anyhow!("the publisher's WebSocket: {error}"),
    }
}
