//! The talk with a page: its clock is compared with ours, it is told what to do, what it hands over is entered, and whoever
//! lost its connection is told when to come back. It must not know when a trial's steps begin and end.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use pushbench_wire::event::{DEFAULT_NAME, LAGGED_NAME};
use pushbench_wire::{Event, clock};
use tokio::sync::{mpsc, oneshot};

use super::control::Link;
use super::message::Said;
use super::page_clock::{Exchange, Offset};
use super::plan::PagePlan;
use crate::client::{ClientError, Sink as _, Tally};
use crate::deployment::within;
use crate::engine::delivery_tracker::DeliveryTracker;
use crate::engine::page_account::PageAccount;
use crate::engine::pool::subscriber::EventLog;
use crate::engine::pool::{PoolPlan, Signal};
use crate::engine::recorder::Recorder;
use crate::scenario::schedule::ReconnectWaits;

/// How long a browser may take to start and to open its page.
const PAGE_WITHIN: Duration = Duration::from_secs(18);

/// How long a page may take to say what time it is, as often as it is asked.
const TIMES_WITHIN: Duration = Duration::from_secs(10);

/// How often it is asked: among so many, some meet neither side at work.
const EXCHANGES: u32 = 100;

/// A subscriber in the page.
struct Seat {
    log: EventLog,
    waits: ReconnectWaits,
    is_new: bool,
    is_away: bool,
    /// Attempts since its connection broke.
    failed: u32,
}

/// What becomes of what the page says.
struct Entries<'a> {
    seats: Vec<Seat>,
    recorder: &'a Rc<RefCell<Recorder>>,
    signals: &'a mpsc::UnboundedSender<Signal>,
    is_patient: bool,
    /// Of the page's clock; none before it was compared.
    offset: Option<Offset>,
    resolution_ms: f64,
    /// Events that the page has handled, and how long that took.
    cost: (u64, f64),
}

/// Talks to the page that a browser opens, until it is stopped.
pub(super) async fn talk(
    plan: PoolPlan,
    tally: &Arc<Tally>,
    recorder: &Rc<RefCell<Recorder>>,
    signals: &mpsc::UnboundedSender<Signal>,
    mut stopped: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let PoolPlan { mechanism, subscribers, record, comeback, page, .. } = plan;
    let mut page = page.context("nobody has opened a browser")?;
    let told = PagePlan::of(mechanism.transport, &subscribers, page.certificate.take());
    let told = serde_json::to_string(&told).context("a page cannot be told what to do")?;
    let seats = subscribers.into_iter().map(|spec| Seat {
        log: EventLog {
            tracker: record.then(|| DeliveryTracker::new(spec.expected)),
            receiver: spec.publisher,
            recorder: Rc::clone(recorder),
            tally: Arc::clone(tally),
            last_read_ns: Rc::default(),
            last_event_id: 0,
            away_since_ns: None,
            silent_since_ns: None,
            is_slow: false,
        },
        waits: ReconnectWaits::new(comeback.seed, spec.connection, comeback.reconnect),
        is_new: true,
        is_away: false,
        failed: 0,
    });
    let mut entries = Entries {
        seats: seats.collect(),
        recorder,
        signals,
        is_patient: comeback.is_patient,
        offset: None,
        resolution_ms: 0.0,
        cost: (0, 0.0),
    };
    let begun = async {
        let called = async {
            let mut link = page.called().await?;
            let said = link.hear().await?;
            anyhow::Ok((link, said))
        };
        let called = within(PAGE_WITHIN, called).await;
        let (mut link, said) = called.with_context(|| {
            format!("the browser did not open its page within {PAGE_WITHIN:?}")
        })??;
        entries.enter(&said, &mut link).await?;
        let _ = signals.send(Signal::Opened);
        entries.offset = Some(compare(&mut link, &mut entries).await?);
        link.say(format!("plan {told}")).await?;
        anyhow::Ok(link)
    };
    let mut link = tokio::select! {
        _ = &mut stopped => return Ok(()),
        begun = begun => begun?,
    };
    loop {
        tokio::select! {
            order = &mut stopped => match order {
                Ok(()) => break,
                // The trial was given up.
                Err(_) => return Ok(()),
            },
            said = link.hear() => entries.enter(&said?, &mut link).await?,
        }
    }
    let after = compare(&mut link, &mut entries).await?;
    let (events, handler_ms) = entries.cost;
    let before = entries.offset.context("the clock of the page was never compared")?;
    recorder.borrow_mut().page = Some(PageAccount {
        uncertainty_ns: before.uncertainty_ns(after),
        contradicts: before.contradicts || after.contradicts,
        events,
        handler_ns: handler_ms * 1e6,
    });
    Ok(())
}

/// Compares the clock of the page with ours. What it says meanwhile is entered as ever.
async fn compare(link: &mut Link, entries: &mut Entries<'_>) -> anyhow::Result<Offset> {
    let exchanges = async {
        let mut exchanges = Vec::new();
        for number in 0..EXCHANGES {
            let asked_ns = clock::now_ns();
            link.say(format!("ping {number}")).await?;
            exchanges.push(loop {
                let said = link.hear().await?;
                let answered_ns = clock::now_ns();
                match Said::read(&said) {
                    Ok(Said::Pong { number: of, at_ms: page_ms }) if of == number => {
                        break Exchange { asked_ns, page_ms, answered_ns };
                    }
                    _ => entries.enter(&said, link).await?,
                }
            });
        }
        anyhow::Ok(exchanges)
    };
    let exchanges = within(TIMES_WITHIN, exchanges).await;
    let exchanges = exchanges.with_context(|| {
        format!("the page in the browser did not answer within {TIMES_WITHIN:?}")
    })??;
    Offset::of(&exchanges, entries.resolution_ms).context("the page was not asked for its time")
}

impl Entries<'_> {
    /// Enters a message of the page, and answers what there is to answer.
    async fn enter(&mut self, message: &str, link: &mut Link) -> anyhow::Result<()> {
        for line in message.lines() {
            if let Some((subscriber, wait)) = self.line(Said::read(line)?)? {
                let wait_ms = wait.as_secs_f64() * 1e3;
                link.say(format!("again {subscriber} {wait_ms}")).await?;
            }
        }
        Ok(())
    }

    /// Enters a line. The answer is who is to come back after how long.
    fn line(&mut self, said: Said<'_>) -> anyhow::Result<Option<(usize, Duration)>> {
        match said {
            Said::Page { resolution_ms } => self.resolution_ms = resolution_ms,
            // Of a question that nobody waits for any more.
            Said::Pong { .. } => {}
            Said::Cost { events, ms } => self.cost = (events, ms),
            Said::Open { subscriber, at_ms, took_ms } => {
                let at_ns = self.ours_ns(at_ms)?;
                let seat = self.seat(subscriber)?;
                (seat.failed, seat.is_away) = (0, false);
                if std::mem::take(&mut seat.is_new) {
                    if let Some(took_ms) = took_ms {
                        let took_ns = (took_ms * 1e6) as u64;
                        self.recorder.borrow_mut().connects.saturating_record(took_ns);
                    }
                    let _ = self.signals.send(Signal::Connected);
                } else {
                    seat.log.is_connected(at_ns);
                }
            }
            Said::Event { subscriber, at_ms, stamp } => {
                self.event(subscriber, at_ms, DEFAULT_NAME, stamp)?;
            }
            Said::Lagged { subscriber, at_ms } => self.event(subscriber, at_ms, LAGGED_NAME, "")?,
            Said::Away { subscriber, at_ms, reason } => {
                self.breaks(subscriber, at_ms, reason)?;
            }
            Said::Lost { subscriber, at_ms, reason } => {
                if let Some(wait) = self.breaks(subscriber, at_ms, reason)? {
                    return Ok(Some((subscriber, wait)));
                }
            }
            Said::Broken { reason } => bail!("the page in the browser broke: {reason}"),
            Said::Failed { subscriber, reason } => {
                self.seat(subscriber)?;
                let _ = self.signals.send(Signal::Failed(reason.to_owned()));
            }
        }
        Ok(None)
    }

    fn seat(&mut self, subscriber: usize) -> anyhow::Result<&mut Seat> {
        let seats = self.seats.len();
        match self.seats.get_mut(subscriber) {
            Some(seat) => Ok(seat),
            None => bail!("the page in the browser speaks of subscriber {subscriber} of {seats}"),
        }
    }

    fn ours_ns(&self, at_ms: f64) -> anyhow::Result<u64> {
        let offset = self.offset.context("the page in the browser began before it was told to")?;
        Ok(offset.ours_ns(at_ms))
    }

    fn event(
        &mut self,
        subscriber: usize,
        at_ms: f64,
        name: &str,
        payload: &str,
    ) -> anyhow::Result<()> {
        let at_ns = self.ours_ns(at_ms)?;
        let event = Event { id: 0, name, payload: payload.as_bytes(), binary: false };
        self.seat(subscriber)?.log.on_event(at_ns, event);
        Ok(())
    }

    /// A subscriber is not subscribed any more, or still not. The answer is how long it is to wait, unless that
    /// ends the trial.
    fn breaks(
        &mut self,
        subscriber: usize,
        at_ms: f64,
        reason: &str,
    ) -> anyhow::Result<Option<Duration>> {
        let at_ns = self.ours_ns(at_ms)?;
        let is_patient = self.is_patient;
        let seat = self.seat(subscriber)?;
        if seat.is_new || (seat.is_away && !is_patient) {
            let _ = self.signals.send(Signal::Failed(reason.to_owned()));
            return Ok(None);
        }
        if std::mem::replace(&mut seat.is_away, true) {
            seat.failed += 1;
        } else {
            seat.log.breaks(at_ns, &ClientError::Page(reason.to_owned()), None);
        }
        Ok(Some(seat.waits.next(seat.failed)))
    }
}

#[cfg(test)]
mod tests {
    use pushbench_wire::Stamp;
    use pushbench_wire::stamp::STAMP_LEN;

    use super::*;
    use crate::engine::fixture::{tracker, window};
    use crate::scenario::Reconnect;

    /// A page with one subscriber, whose clock is ours from 1 s on.
    struct Bench {
        recorder: Rc<RefCell<Recorder>>,
        sender: mpsc::UnboundedSender<Signal>,
        signals: mpsc::UnboundedReceiver<Signal>,
    }

    impl Bench {
        fn new() -> Self {
            let (sender, signals) = mpsc::unbounded_channel();
            Self { recorder: Rc::new(RefCell::new(Recorder::new(window()))), sender, signals }
        }

        fn entries(&self, is_patient: bool) -> Entries<'_> {
            let exchange =
                Exchange { asked_ns: 1_000_000_000, page_ms: 0.0, answered_ns: 1_000_000_000 };
            let log = EventLog {
                tracker: Some(tracker()),
                receiver: 1,
                recorder: Rc::clone(&self.recorder),
                tally: Arc::default(),
                last_read_ns: Rc::default(),
                last_event_id: 0,
                away_since_ns: None,
                silent_since_ns: None,
                is_slow: false,
            };
            let waits = ReconnectWaits::new(1, 0, Reconnect::USUAL);
            Entries {
                seats: vec![Seat { log, waits, is_new: true, is_away: false, failed: 0 }],
                recorder: &self.recorder,
                signals: &self.sender,
                is_patient,
                offset: Offset::of(&[exchange], 0.0),
                resolution_ms: 0.0,
                cost: (0, 0.0),
            }
        }

        fn signalled(&mut self) -> Vec<String> {
            std::iter::from_fn(|| self.signals.try_recv().ok())
                .map(|of| format!("{of:?}"))
                .collect()
        }
    }

    fn read(entries: &mut Entries<'_>, line: &str) -> Option<(usize, Duration)> {
        entries.line(Said::read(line).unwrap()).unwrap()
    }

    fn stamped(sequence: u32) -> String {
        let mut payload = [0; STAMP_LEN];
        Stamp { publisher: 0, sequence, intended_ns: 1_000_000, published_ns: 1_000_000 }
            .write_to(&mut payload);
        String::from_utf8(payload.to_vec()).unwrap()
    }

    #[test]
    fn what_the_page_says_is_entered_as_what_a_client_of_ours_receives() {
        let mut bench = Bench::new();
        let mut entries = bench.entries(true);
        read(&mut entries, "open 0 1.000 1.500");
        for sequence in [0, 2, 1, 2] {
            read(&mut entries, &format!("event 0 5.250 {}", stamped(sequence)));
        }
        read(&mut entries, "lagged 0 6.0");
        read(&mut entries, "event 0 7.0 of somebody else");
        read(&mut entries, "cost 6 0.5");
        assert_eq!(entries.cost, (6, 0.5));
        drop(entries);
        assert_eq!(bench.signalled(), ["Connected"]);
        let recorder = bench.recorder.borrow();
        let account = &recorder.account;
        assert_eq!((account.delivered, account.duplicated, account.reordered), (3, 1, 1));
        assert_eq!((account.lagged, account.unknown), (1, 1));
        let slowest = recorder.corrected().max();
        assert!(
            slowest.abs_diff(1_004_250_000) < 2_000_000,
            "{slowest}: 1 s and 5.25 ms, less 1 ms"
        );
        assert_eq!(recorder.connects.len(), 1);
    }

    #[test]
    fn whoever_loses_its_connection_is_told_when_to_come_back() {
        let mut bench = Bench::new();
        let mut entries = bench.entries(true);
        read(&mut entries, "open 0 1 1");
        let usual = Reconnect::USUAL;
        let waits = ["lost 0 10 cut", "lost 0 20 refused", "lost 0 30 refused"]
            .map(|line| read(&mut entries, line).unwrap().1);
        assert_eq!(waits, [0, 1, 2].map(|failed| usual.longest(failed)));
        read(&mut entries, "open 0 60 1");
        assert_eq!(read(&mut entries, "away 0 70 cut"), None, "it comes back by itself");
        read(&mut entries, "open 0 80 1");
        assert_eq!(read(&mut entries, "lost 0 90 cut").unwrap().1, usual.longest(0));
        drop(entries);
        assert_eq!(bench.signalled(), ["Connected"]);
        let recorder = bench.recorder.borrow();
        assert_eq!((recorder.account.reconnects, recorder.reconnects.len()), (3, 2));
        assert!(recorder.reconnects.max().abs_diff(50_000_000) < 100_000, "from 10 to 60 ms");
        assert_eq!(recorder.account.first_reconnect.as_deref(), Some("cut"));
    }

    #[test]
    fn who_cannot_connect_ends_the_trial_unless_something_breaks_on_purpose() {
        let mut bench = Bench::new();
        let mut entries = bench.entries(true);
        assert_eq!(read(&mut entries, "lost 0 1 refused"), None);
        drop(entries);
        assert_eq!(bench.signalled(), ["Failed(\"refused\")"]);
        let mut entries = bench.entries(false);
        read(&mut entries, "open 0 1 1");
        assert!(read(&mut entries, "lost 0 2 cut").is_some(), "once, as it may be the network");
        assert_eq!(read(&mut entries, "lost 0 3 refused"), None);
        assert!(entries.line(Said::read("open 1 2 3").unwrap()).is_err(), "there is only one");
        drop(entries);
        assert_eq!(bench.signalled(), ["Connected", "Failed(\"refused\")"]);
    }
}
