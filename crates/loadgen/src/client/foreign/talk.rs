//! What is said on a connection beside events: the steps that open it, replies, and pings. It must not
//! know what carries the messages.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use pushbench_wire::Event;
use pushbench_wire::event::DEFAULT_NAME;
use tokio::time::{Instant, timeout};

use super::exchange::{Exchange, Known, Question};
use super::messages::Messages;
use super::stamps::Stamps;
use super::words::{STEP_WITHIN, described, not_met, place_of, quoted, refused};
use super::{Foreign, Seen};
use crate::client::meter::ConnectionMeter;
use crate::client::{ClientError, Sink};
use crate::scenario::{Match, Recipe, Reply, Request, Source, Split, Step, Template};

/// Messages, each with the time at which it was read.
pub(super) type Inbox = VecDeque<(u64, Vec<u8>)>;

/// A connection that carries messages.
pub(super) trait Channel {
    /// Waits for what comes next, which may be no whole message.
    async fn read(&mut self, inbox: &mut Inbox) -> Result<(), ClientError>;

    /// Sends a message.
    async fn send(&mut self, text: String) -> Result<(), ClientError>;
}

/// One subscriber's part of the talk.
pub(super) struct Talk {
    pub(super) foreign: Foreign,
    stamps: Stamps,
    /// For requests beside the connection.
    beside: Exchange,
    /// Of those.
    meter: Rc<ConnectionMeter>,
    known: Known,
    known_beside: Known,
    /// Messages with events that came before anyone received.
    early: Inbox,
    next_ping: Option<Instant>,
    /// How many events have come: the id of the last one.
    events: u64,
    /// The last message with an event, if something is to be known of it.
    last: Vec<u8>,
    keeps_last: bool,
}

/// What was in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// So many events.
    pub(super) events: usize,
    /// Something that this reply of the recipe answers.
    pub(super) asks: Option<usize>,
}

impl Talk {
    /// With a subscriber that had received so many events over connections before this one.
    pub(super) fn new(foreign: &Foreign, meter: &Rc<ConnectionMeter>, events: u64) -> Self {
        let beside = meter.beside();
        let next_ping = foreign.recipe.ping.as_ref().map(|ping| Instant::now() + ping.every);
        Self {
            foreign: foreign.clone(),
            stamps: Stamps::default(),
            beside: Exchange::new(foreign, &beside),
            meter: beside,
            known: Known::default(),
            known_beside: Known::default(),
            early: Inbox::new(),
            next_ping,
            events,
            last: Vec::new(),
            keeps_last: foreign.recipe.cursor.iter().any(|(_, source)| *source != Source::SseId),
        }
    }

    /// Whether it goes on where an earlier connection ended.
    pub(super) fn resumes(&self) -> bool {
        self.events > 0
    }

    /// The request that opens a connection, or a poll.
    pub(super) fn question(&mut self) -> Result<Question, ClientError> {
        let recipe = Arc::clone(&self.foreign.recipe);
        let ask = &recipe.ask;
        let resume = recipe.resume.as_ref().filter(|_| self.resumes());
        let url = resume.and_then(|resume| resume.url.as_ref()).unwrap_or(&ask.url);
        let more = resume.map_or(&[][..], |resume| &resume.headers);
        let headers = ask.headers.iter().chain(more);
        Question::new(&self.foreign, &ask.method, url, headers, ask.body.as_ref(), &mut self.known)
    }

    /// The requests that come before it.
    pub(super) async fn before(&mut self) -> Result<(), ClientError> {
        let recipe = Arc::clone(&self.foreign.recipe);
        let resume = recipe.resume.as_ref().filter(|_| self.resumes());
        let again = resume.and_then(|resume| resume.before.as_ref());
        for step in again.unwrap_or(&recipe.before) {
            if let Some(request) = &step.request {
                self.request(request, step, Some("before")).await?;
            }
        }
        if !steps(&recipe, self.resumes()).iter().any(|step| step.request.is_some()) {
            self.part_with_beside();
        }
        Ok(())
    }

    /// Ends the connection beside, unless it will be used again: a subscriber has as many as it takes.
    fn part_with_beside(&mut self) {
        let recipe = &self.foreign.recipe;
        let later = recipe.replies.iter().any(|reply| reply.request.is_some())
            || recipe.ping.as_ref().is_some_and(|ping| ping.request.is_some());
        if !later {
            self.beside.part();
        }
    }

    /// The steps that open it.
    pub(super) async fn open(&mut self, channel: &mut impl Channel) -> Result<(), ClientError> {
        let recipe = Arc::clone(&self.foreign.recipe);
        let mut inbox = Inbox::new();
        for step in steps(&recipe, self.resumes()) {
            if let Some(request) = &step.request {
                self.request(request, step, None).await?;
                continue;
            }
            if let Some(wanted) = &step.wait {
                let mut last = None;
                let waiting = self.wait(channel, &mut inbox, wanted, step, &mut last);
                let waited = timeout(STEP_WITHIN, waiting).await;
                waited.unwrap_or_else(|_| {
                    Err(not_met(&self.foreign, step, wanted, last.as_deref(), false))
                })?;
            }
            if let Some(send) = &step.send {
                self.say(channel, None, send).await?;
            }
        }
        // What came behind the last message that was waited for.
        self.early.append(&mut inbox);
        self.part_with_beside();
        Ok(())
    }

    async fn wait(
        &mut self,
        channel: &mut impl Channel,
        inbox: &mut Inbox,
        wanted: &Match,
        step: &Step,
        last: &mut Option<String>,
    ) -> Result<(), ClientError> {
        loop {
            let Some((at_ns, message)) = inbox.pop_front() else {
                match channel.read(inbox).await {
                    Ok(()) => continue,
                    Err(error) => {
                        if !error.is_broken_connection() {
                            return Err(error);
                        }
                        return Err(not_met(&self.foreign, step, wanted, last.as_deref(), true));
                    }
                }
            };
            self.foreign.see(Seen::Received(&message));
            let is_met = wanted.is_met_by(&message);
            if is_met {
                self.note(&step.capture, &message)?;
            }
            let has_events = self.stamps.find(&message, |_| {}) > 0;
            if has_events {
                self.early.push_back((at_ns, message.clone()));
            }
            if is_met {
                return Ok(());
            }
            if has_events {
                continue;
            }
            match self.foreign.asks(&message) {
                Some(reply) => self.reply(channel, reply).await?,
                None => *last = Some(quoted(&self.foreign, &message)),
            }
        }
    }

    fn note(&self, sources: &[(String, Source)], message: &[u8]) -> Result<(), ClientError> {
        match self.foreign.values.note(sources, message, None).first() {
            None => Ok(()),
            Some(missing) => Err(ClientError::Foreign(format!(
                "the server's message has no value for {{{missing}}}: {}",
                quoted(&self.foreign, message)
            ))),
        }
    }

    async fn request(
        &mut self,
        request: &Request,
        step: &Step,
        list: Option<&str>,
    ) -> Result<(), ClientError> {
        let answer = self.post(request, step.send.as_ref()).await?;
        self.keep_early(&answer.body)?;
        let missing = self.note_answer(&step.capture, &answer)?;
        let quoted = || quoted(&self.foreign, &answer.body);
        if let Some(missing) = missing.first() {
            return Err(ClientError::Foreign(format!(
                "the answer to {} {} has no value for {{{missing}}}: {}",
                request.method,
                self.foreign.values.redact(&self.foreign.values.fill(&request.url)?),
                quoted()
            )));
        }
        match &step.wait {
            Some(wanted) if !wanted.is_met_by(&answer.body) => Err(ClientError::Foreign(format!(
                "{}: the server answered {} instead of something that {}",
                place_of(&self.foreign, step, list),
                quoted(),
                described(wanted)
            ))),
            _ => Ok(()),
        }
    }

    /// Takes values from an answer, of which the first message that has them all counts.
    fn note_answer(
        &self,
        sources: &[(String, Source)],
        answer: &super::exchange::Whole,
    ) -> Result<Vec<String>, ClientError> {
        let note = |of: &[u8]| self.foreign.values.note(sources, of, Some(&answer.headers));
        let mut missing = note(&answer.body);
        if self.foreign.recipe.split.has_several() {
            Messages::new(self.foreign.recipe.split).of_whole(&answer.body, |message| {
                if !missing.is_empty() {
                    missing = note(message);
                }
            })?;
        }
        Ok(missing)
    }

    /// Keeps what of an answer nobody has waited for: events, and what wants a reply.
    fn keep_early(&mut self, body: &[u8]) -> Result<(), ClientError> {
        let at_ns = self.meter.last_read_ns();
        // What is asked beside a stream of events is not answered by one.
        let split = match self.foreign.recipe.split {
            Split::Sse => Split::None,
            split => split,
        };
        let Self { foreign, stamps, early, .. } = self;
        Messages::new(split).of_whole(body, |message| {
            let asks = foreign.recipe.replies.iter().any(|reply| reply.to.is_met_by(message));
            if asks || stamps.find(message, |_| {}) > 0 {
                early.push_back((at_ns, message.to_vec()));
            }
        })
    }

    async fn post(
        &mut self,
        request: &Request,
        send: Option<&Template>,
    ) -> Result<super::exchange::Whole, ClientError> {
        let headers = self.foreign.recipe.ask.headers.iter();
        let Request { method, url } = request;
        let known = &mut self.known_beside;
        let question = Question::new(&self.foreign, method, url, headers, send, known)?;
        let values = &self.foreign.values;
        let asked = format!("{method} {}", values.redact(&values.fill(url)?));
        let answered = timeout(STEP_WITHIN, self.beside.ask_whole(&question, true)).await;
        let answer = answered.unwrap_or_else(|_| {
            Err(ClientError::Foreign(format!(
                "{asked}: the server has not answered within {STEP_WITHIN:?}"
            )))
        })?;
        let shown = quoted(&self.foreign, &answer.body);
        self.foreign.see(Seen::Answered(answer.status, &shown));
        match answer.status {
            200..=299 => Ok(answer),
            status => {
                let why = refused(&self.foreign, status, &answer.headers, &answer.body);
                Err(ClientError::Foreign(format!("{asked}: {why}")))
            }
        }
    }

    /// Enters a message: every event in it goes to `sink`.
    pub(super) fn take(&mut self, at_ns: u64, message: &[u8], sink: &mut impl Sink) -> Taken {
        let events = &mut self.events;
        let count = self.stamps.find(message, |payload| {
            *events += 1;
            let event = Event { id: *events, name: DEFAULT_NAME, payload, binary: false };
            sink.on_event(at_ns, event);
        });
        self.foreign.see(Seen::Received(message));
        let asks = self.foreign.asks(message);
        if count > 0 {
            if self.keeps_last {
                self.last.clear();
                self.last.extend_from_slice(message);
            }
        } else if asks.is_none() {
            sink.on_other(message);
        }
        Taken { events: count, asks }
    }

    /// Answers as the recipe says.
    pub(super) async fn reply(
        &mut self,
        channel: &mut impl Channel,
        number: usize,
    ) -> Result<(), ClientError> {
        let recipe = Arc::clone(&self.foreign.recipe);
        let Reply { request, send, .. } = &recipe.replies[number];
        self.say(channel, request.as_ref(), send).await
    }

    /// Sends something, beside the connection if by a request.
    async fn say(
        &mut self,
        channel: &mut impl Channel,
        request: Option<&Request>,
        send: &Template,
    ) -> Result<(), ClientError> {
        if let Some(request) = request {
            return self.post(request, Some(send)).await.map(drop);
        }
        let text = self.foreign.values.fill(send)?;
        self.foreign.see(Seen::Sent(&text));
        channel.send(text).await
    }

    /// When the client has to say something by itself; none if it never has to.
    pub(super) fn next_ping(&self) -> Option<Instant> {
        self.next_ping
    }

    /// Says it.
    pub(super) async fn ping(&mut self, channel: &mut impl Channel) -> Result<(), ClientError> {
        let recipe = Arc::clone(&self.foreign.recipe);
        let Some(ping) = &recipe.ping else { return Ok(()) };
        self.next_ping = Some(Instant::now() + ping.every);
        self.say(channel, ping.request.as_ref(), &ping.send).await
    }

    /// Does without the last message: whoever polls notes what is to be known with each answer.
    pub(super) fn without_last(mut self) -> Self {
        self.keeps_last = false;
        self
    }

    /// What came before anyone received.
    pub(super) fn early(&mut self) -> Option<(u64, Vec<u8>)> {
        self.early.pop_front()
    }

    /// Keeps what the next connection has to know to go on where this one ended.
    pub(super) fn remember(&self, sse_id: &str) {
        let Foreign { recipe, values, .. } = &self.foreign;
        values.note(&recipe.cursor, &self.last, None);
        let ids = recipe.cursor.iter().filter(|(_, source)| *source == Source::SseId);
        for name in ids.map(|(name, _)| &name[..]).chain(["id"]) {
            if !sse_id.is_empty() {
                values.set(name, sse_id.to_owned());
            }
        }
    }
}

/// What follows once the connection is open.
fn steps(recipe: &Recipe, resumes: bool) -> &[Step] {
    let resume = recipe.resume.as_ref().filter(|_| resumes);
    resume.and_then(|resume| resume.steps.as_ref()).unwrap_or(&recipe.steps)
}
