//! Polling and long polling by a recipe: requests, and whatever is new in their answers.

use std::rc::Rc;
use std::time::Duration;

use pushbench_wire::Event;
use pushbench_wire::event::DEFAULT_NAME;
use tokio::time::{Instant, sleep_until, timeout};

use super::exchange::{Exchange, Whole, not_compressed};
use super::messages::Messages;
use super::talk::{Channel, Inbox, Talk};
use super::words::{STEP_WITHIN, quoted, refused};
use super::{Foreign, Seen};
use crate::client::meter::ConnectionMeter;
use crate::client::no_upstream::NoUpstream;
use crate::client::polling::next_slot;
use crate::client::{ClientError, Sink, Subscriber, Subscription};
use crate::scenario::Connection;

/// The shortest time from one poll that brings nothing at once to the next: a server that does not hold
/// long polls would be asked without end.
const BREATH: Duration = Duration::from_millis(5);

/// How often a session is begun again where one has ended, before that fails the trial.
const ATTEMPTS: usize = 3;

/// Asks for what is new.
pub(crate) struct ForeignPull {
    talk: Talk,
    exchange: Exchange,
    meter: Rc<ConnectionMeter>,
    keep: bool,
    /// Whether a poll has been answered as it should.
    has_asked: bool,
    /// When it asks next, and how long after that again; none of a long poll.
    slots: Option<(Instant, Duration)>,
    /// Events that the first poll has brought.
    early: Vec<(u64, u64, Vec<u8>)>,
}

/// There is no connection to send anything over.
struct NoLine;

impl Channel for NoLine {
    async fn read(&mut self, _: &mut Inbox) -> Result<(), ClientError> {
        Err(ClientError::Ended)
    }

    async fn send(&mut self, _: String) -> Result<(), ClientError> {
        Err(ClientError::Foreign("nothing can be sent between polls: use `request`".to_owned()))
    }
}

impl Subscriber for ForeignPull {
    type Upstream = NoUpstream;

    async fn connect(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError> {
        let foreign = subscription.recipe()?;
        let talk = begin(foreign, meter, after).await?;
        let interval = subscription.settings.polling_interval();
        let first = subscription.poll_epoch + subscription.poll_phase;
        let mut pull = Self {
            talk,
            exchange: Exchange::new(foreign, meter),
            meter: Rc::clone(meter),
            has_asked: false,
            keep: subscription.settings.connection() == Connection::KeepAlive,
            slots: interval.map(|interval| (next_slot(first, interval), interval)),
            early: Vec::new(),
        };
        // Many servers begin with what is new from the first request on.
        if pull.slots.is_some() {
            let mut early = Early(Vec::new());
            let asked = timeout(STEP_WITHIN, pull.ask_until_empty(&mut early)).await;
            asked.unwrap_or_else(|_| {
                Err(ClientError::Foreign(format!(
                    "the server has not answered a poll within {STEP_WITHIN:?}, or its answers do not \
                     end: is that a path for long polls or for a stream?"
                )))
            })?;
            pull.early = early.0;
        }
        Ok(pull)
    }

    async fn receive(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        for (at_ns, id, payload) in self.early.drain(..) {
            sink.on_event(
                at_ns,
                Event { id, name: DEFAULT_NAME, payload: &payload, binary: false },
            );
        }
        while let Some((at_ns, message)) = self.talk.early() {
            let asks = self.talk.take(at_ns, &message, sink).asks;
            if let Some(reply) = asks {
                self.talk.reply(&mut NoLine, reply).await?;
            }
            self.remember();
        }
        let Some((next, interval)) = self.slots else {
            let asked = Instant::now();
            let brought = self.ask(sink).await?;
            if brought == 0 && asked.elapsed() < BREATH {
                tokio::time::sleep(BREATH).await;
            }
            return Ok(());
        };
        sleep_until(next).await;
        self.ask_until_empty(sink).await?;
        self.slots = Some((next_slot(next + interval, interval), interval));
        Ok(())
    }
}

/// What was said before the first poll.
async fn begin(
    foreign: &Foreign,
    meter: &Rc<ConnectionMeter>,
    after: u64,
) -> Result<Talk, ClientError> {
    let mut attempts = 0;
    loop {
        let mut talk = Talk::new(foreign, meter, after);
        if !foreign.recipe.split.has_several() {
            talk = talk.without_last();
        }
        attempts += 1;
        match talk.before().await {
            Ok(()) => return Ok(talk),
            // It may break again meanwhile.
            Err(_) if talk.resumes() && attempts < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
}

impl ForeignPull {
    /// Keeps what the next session has to know, where each message says that and not the answer.
    fn remember(&self) {
        if self.talk.foreign.recipe.split.has_several() {
            self.talk.remember("");
        }
    }

    /// Whether that answer to a poll says that the server knows nothing of its session any more, and it is
    /// known how one goes on.
    fn has_ended(&self, status: u16) -> bool {
        let resume = self.talk.foreign.recipe.resume.as_ref();
        let goes_on = resume.is_some_and(|resume| resume.before.is_some());
        self.has_asked && goes_on && matches!(status, 400 | 404 | 410)
    }

    async fn ask_until_empty(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        while self.ask(sink).await? > 0 && self.talk.foreign.recipe.until_empty {}
        Ok(())
    }

    /// Asks once, and says how many events that brought.
    async fn ask(&mut self, sink: &mut impl Sink) -> Result<usize, ClientError> {
        let question = self.talk.question()?;
        let _waiting = self.meter.life().waits();
        let answer = self.exchange.ask_whole(&question, self.keep).await?;
        let Foreign { recipe, values, .. } = self.talk.foreign.clone();
        if self.talk.foreign.trace.is_some() {
            let shown = quoted(&self.talk.foreign, &answer.body);
            self.talk.foreign.see(Seen::Answered(answer.status, &shown));
        }
        match answer.status {
            200..=299 => {}
            // Nothing new: RFC 9110 §15.4.5, and what servers say at the end of a long poll.
            304 => return Ok(0),
            status if self.has_ended(status) => return Err(ClientError::Ended),
            408 | 504 if self.slots.is_none() => return Ok(0),
            status => {
                let Whole { headers, body, .. } = &answer;
                let why = refused(&self.talk.foreign, status, headers, body);
                return Err(match status {
                    // Where the server is restarted, it or a proxy says so: nchan with a 410.
                    410 | 502..=504 => ClientError::Away(why.to_string()),
                    _ => why,
                });
            }
        }
        self.has_asked = true;
        not_compressed(&answer.headers)?;
        let of_whole = if recipe.split.has_several() { &[][..] } else { &answer.body[..] };
        values.note(&recipe.cursor, of_whole, Some(&answer.headers));
        let at_ns = self.meter.last_read_ns();
        let (mut events, mut asked) = (0, Vec::new());
        if !answer.body.is_empty() {
            let talk = &mut self.talk;
            Messages::new(recipe.split).of_whole(&answer.body, |message| {
                let taken = talk.take(at_ns, message, sink);
                events += taken.events;
                asked.extend(taken.asks);
            })?;
        }
        if events > 0 {
            self.remember();
        }
        for reply in asked {
            self.talk.reply(&mut NoLine, reply).await?;
        }
        Ok(events)
    }
}

/// Keeps what comes before anyone receives.
struct Early(Vec<(u64, u64, Vec<u8>)>);

impl Sink for Early {
    fn on_event(&mut self, at_ns: u64, event: Event<'_>) {
        self.0.push((at_ns, event.id, event.payload.to_vec()));
    }
}
