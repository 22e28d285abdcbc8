//! One subscriber of a worker: it connects, connects again when its connection breaks, and enters
//! what it receives.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pushbench_wire::event::is_lagged_name;
use pushbench_wire::{Event, Stamp, clock};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::watch::{unless_silent, within};
use super::{Signal, apart};
use crate::client::{
    ClientError, ConnectionMeter, Sink, Subscriber, Subscription, Tally, Upstream as _,
    receive_for_ever,
};
use crate::engine::delivery_tracker::DeliveryTracker;
use crate::engine::recorder::Recorder;
use crate::engine::send_queue::SendQueue;
use crate::scenario::schedule::ReconnectWaits;

/// How long the head of a stream may take before its subscriber counts as connected without it, where
/// something between may hold it back.
const HEAD_WITHIN: Duration = Duration::from_secs(1);

/// What a subscriber needs to connect, and to connect again.
pub(super) struct Connector {
    pub(super) subscription: Subscription,
    /// The servers that it may connect to: the first one is where it goes.
    pub(super) ring: VecDeque<SocketAddr>,
    pub(super) meter: Rc<ConnectionMeter>,
    /// That of the connection that it sends over, if that is another one.
    pub(super) beside: Rc<ConnectionMeter>,
    pub(super) permits: Rc<Semaphore>,
    pub(super) signals: mpsc::UnboundedSender<Signal>,
    pub(super) head_may_wait: bool,
    /// Whether it goes on when it cannot connect again.
    pub(super) is_patient: bool,
    /// How long nothing may come before it takes its connection for dead.
    pub(super) dead_after: Option<Duration>,
}

impl Connector {
    /// A subscriber, and how long it took to connect, in nanoseconds.
    async fn connect<S: Subscriber>(
        &self,
        after: u64,
        is_new: &mut bool,
    ) -> Result<(S, u64), ClientError> {
        // Whoever is slow is not so before it is subscribed.
        self.meter.be_slow(false);
        // Closed never. Whoever comes back waits for nobody.
        let permit = match *is_new {
            true => Some(self.permits.acquire().await),
            false => None,
        };
        let begun_ns = clock::now_ns();
        let mut connecting = pin!(S::connect(&self.subscription, &self.meter, after));
        if self.head_may_wait {
            if let Ok(connected) = timeout(HEAD_WITHIN, &mut connecting).await {
                return Ok((connected?, clock::now_ns() - begun_ns));
            }
            // The first event may have to push it out, and none is published before all are there.
            drop(permit);
            self.announce(is_new);
        }
        Ok((connecting.await?, clock::now_ns() - begun_ns))
    }

    /// The same, for as long as nobody who comes back takes it for dead.
    async fn connect_in_time<S: Subscriber>(
        &self,
        after: u64,
        is_new: &mut bool,
    ) -> Result<(S, u64), ClientError> {
        let comes_back = !*is_new;
        let connecting = self.connect(after, is_new);
        match self.dead_after.filter(|_| comes_back) {
            Some(dead_after) => within(&self.meter, dead_after, connecting).await,
            None => connecting.await,
        }
    }

    async fn open<S: Subscriber>(&self, is_new: bool) -> Result<S::Upstream, ClientError> {
        let _permit = match is_new {
            true => Some(self.permits.acquire().await),
            false => None,
        };
        S::Upstream::open(&self.subscription, &self.beside).await
    }

    /// Goes to the next server where nobody answers at this one.
    fn go_on(&mut self, error: &ClientError) {
        if error.is_no_connection() && self.ring.len() > 1 {
            self.ring.rotate_left(1);
            self.subscription.address = self.ring[0];
        }
    }

    /// Says that the subscriber is connected, the first time that it is.
    fn announce(&self, is_new: &mut bool) {
        if std::mem::take(is_new) {
            let _ = self.signals.send(Signal::Connected);
        }
    }
}

/// Runs one subscriber until its worker stops.
pub(super) async fn subscribe<S: Subscriber>(
    mut connector: Connector,
    mut log: EventLog,
    mut queue: Option<SendQueue>,
    waits: ReconnectWaits,
) {
    let Err(error) =
        receive_until_failure::<S>(&mut connector, &mut log, queue.as_mut(), waits).await;
    // Nobody listens any more when the trial is over.
    let _ = connector.signals.send(Signal::Failed(error.to_string()));
}

async fn receive_until_failure<S: Subscriber>(
    connector: &mut Connector,
    log: &mut EventLog,
    mut queue: Option<&mut SendQueue>,
    mut waits: ReconnectWaits,
) -> Result<Infallible, ClientError> {
    let mut is_new = true;
    // Attempts since the connection broke.
    let mut failed = 0;
    loop {
        let (mut subscriber, took_ns): (S, _) =
            match connector.connect_in_time(log.last_event_id, &mut is_new).await {
                Ok(connected) => connected,
                Err(error) if connector.is_patient && !is_new => {
                    connector.go_on(&error);
                    failed += 1;
                    tokio::time::sleep(waits.next(failed)).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
        failed = 0;
        if is_new {
            log.recorder.borrow_mut().connects.saturating_record(took_ns);
        }
        log.is_connected(clock::now_ns());
        connector.meter.be_slow(true);
        // A stream always owes something, if only a heartbeat.
        let is_stream = connector.subscription.settings.heartbeat().is_some();
        let waiting = is_stream.then(|| connector.meter.life().waits());
        let receiving = async {
            match queue.as_deref_mut() {
                None => {
                    connector.announce(&mut is_new);
                    receive_for_ever(&mut subscriber, log).await
                }
                Some(queue) => match connector.open::<S>(is_new).await {
                    Ok(mut upstream) => {
                        connector.announce(&mut is_new);
                        upstream.run(&mut subscriber, log, queue).await
                    }
                    Err(error) => Err(error),
                },
            }
        };
        let Err(error) =
            unless_silent(&connector.meter, connector.dead_after, is_stream, receiving).await;
        drop(waiting);
        waits.is_told(subscriber.retry());
        // Polls connect again by themselves, and may be cut off before they are connected.
        let is_away = error.is_no_connection() || error.is_unavailable();
        let may_go_on = connector.is_patient && !is_new && is_away;
        if !error.is_broken_connection() && !may_go_on {
            return Err(error);
        }
        log.breaks(clock::now_ns(), &error, connector.meter.life().notices_silence());
        connector.go_on(&error);
        tokio::time::sleep(waits.next(failed)).await;
    }
}

/// Enters what one subscriber receives.
pub(super) struct EventLog {
    /// None while deliveries are only counted.
    pub(super) tracker: Option<DeliveryTracker>,
    /// The publisher in the stamps of what its subscriber sends.
    pub(super) receiver: u16,
    pub(super) recorder: Rc<RefCell<Recorder>>,
    pub(super) tally: Arc<Tally>,
    /// The last read of its connection that brought an event. Those who share the connection share it.
    pub(super) last_read_ns: Rc<Cell<u64>>,
    pub(super) last_event_id: u64,
    /// When its connection broke, if it is not connected again.
    pub(super) away_since_ns: Option<u64>,
    /// The same, if nothing has come since.
    pub(super) silent_since_ns: Option<u64>,
    /// Whether its subscriber is slow: what it receives is accounted apart.
    pub(super) is_slow: bool,
}

impl EventLog {
    /// Its connection is broken by now, of which the network may have carried nothing since `silenced_ns`.
    pub(super) fn breaks(&mut self, now_ns: u64, reason: &ClientError, silenced_ns: Option<u64>) {
        if self.is_slow {
            // The server may end its stream on purpose.
            return;
        }
        if let Some(silenced_ns) = silenced_ns {
            self.recorder
                .borrow_mut()
                .notices
                .saturating_record(now_ns.saturating_sub(silenced_ns));
        }
        self.away_since_ns = Some(now_ns);
        self.silent_since_ns.get_or_insert(now_ns);
        let account = &mut self.recorder.borrow_mut().account;
        account.reconnects += 1;
        account.found_dead += u64::from(matches!(reason, ClientError::Silent(_)));
        account.first_reconnect.get_or_insert_with(|| reason.to_string());
    }

    /// It is connected by now, again or for the first time.
    pub(super) fn is_connected(&mut self, now_ns: u64) {
        if let Some(since_ns) = self.away_since_ns.take() {
            let took_ns = now_ns.saturating_sub(since_ns);
            self.recorder.borrow_mut().reconnects.saturating_record(took_ns);
        }
    }
}

/// Nothing more comes.
impl Drop for EventLog {
    fn drop(&mut self) {
        if let Some(tracker) = self.tracker.as_ref().filter(|_| self.is_slow) {
            let slow = &mut self.recorder.borrow_mut().account.slow;
            slow.untold += tracker.last_id().saturating_sub(self.last_event_id);
        }
    }
}

impl Sink for EventLog {
    fn on_other(&mut self, message: &[u8]) {
        const KEPT_BYTES: usize = 300;
        self.recorder.borrow_mut().account.first_other.get_or_insert_with(|| {
            String::from_utf8_lossy(&message[..message.len().min(KEPT_BYTES)]).into_owned()
        });
    }

    fn on_event(&mut self, at_ns: u64, event: Event<'_>) {
        let before = std::mem::replace(&mut self.last_event_id, event.id);
        if self.is_slow {
            self.tally.slow_events.add(1);
            let account = &mut self.recorder.borrow_mut().account;
            return apart::enter(account, self.tracker.as_mut(), before, &event);
        }
        if self.last_read_ns.replace(at_ns) != at_ns {
            self.tally.reads.add(1);
        }
        if is_lagged_name(event.name) {
            self.recorder.borrow_mut().account.lagged += 1;
            return;
        }
        if let Some(since_ns) = self.silent_since_ns {
            self.silent_since_ns = None;
            let took_ns = at_ns.saturating_sub(since_ns);
            self.recorder.borrow_mut().recoveries.saturating_record(took_ns);
        }
        self.tally.deliveries.add(1);
        self.tally.payload_bytes.add(event.payload.len() as u64);
        let Some(tracker) = &mut self.tracker else { return };
        let mut recorder = self.recorder.borrow_mut();
        match Stamp::read_from(event.payload) {
            Some(stamp) => {
                if recorder.enter(tracker, self.receiver, &stamp, at_ns) {
                    self.tally.measured.add(1);
                }
            }
            None => recorder.account.unknown += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Totals;
    use crate::engine::fixture::{EVENTS, tracker, window};

    /// Two events of one read, and a third one; what was counted and what recorded.
    fn received(tracker: Option<DeliveryTracker>) -> (Totals, Recorder) {
        received_by(tracker, false)
    }

    fn received_by(tracker: Option<DeliveryTracker>, is_slow: bool) -> (Totals, Recorder) {
        let tally = Arc::new(Tally::default());
        let recorder = Rc::new(RefCell::new(Recorder::new(window())));
        let mut log = EventLog {
            tracker,
            receiver: 1,
            recorder: Rc::clone(&recorder),
            tally: Arc::clone(&tally),
            last_read_ns: Rc::default(),
            last_event_id: 0,
            away_since_ns: None,
            silent_since_ns: Some(400),
            is_slow,
        };
        let mut payload = [0; pushbench_wire::stamp::STAMP_LEN];
        for (at_ns, sequence) in [(1_000, 0), (1_000, 1), (2_000, 2)] {
            Stamp { publisher: 0, sequence, intended_ns: 500, published_ns: 600 }
                .write_to(&mut payload);
            let id = u64::from(sequence) + 1;
            log.on_event(at_ns, Event { id, name: "message", payload: &payload, binary: false });
        }
        assert_eq!(log.last_event_id, 3, "to resume from");
        log.breaks(3_000, &ClientError::Ended, None);
        log.is_connected(4_000);
        drop(log);
        let mut totals = Totals::default();
        totals.add(&tally);
        (totals, Rc::into_inner(recorder).unwrap().into_inner())
    }

    #[test]
    fn what_is_received_is_counted_and_recorded() {
        let (totals, recorder) = received(Some(tracker()));
        assert_eq!((totals.reads, totals.deliveries, totals.measured), (2, 3, 3));
        assert_eq!((recorder.account.delivered, recorder.corrected().len()), (3, 3));
        assert_eq!((recorder.recoveries.len(), recorder.recoveries.max()), (1, 600));
        assert_eq!((recorder.account.reconnects, recorder.reconnects.len()), (1, 1));
    }

    #[test]
    fn what_a_slow_one_receives_and_what_it_never_hears_of_is_apart() {
        let (totals, Recorder { account, reconnects, .. }) = received_by(Some(tracker()), true);
        assert_eq!((totals.slow_events, totals.deliveries, account.delivered), (3, 0, 0));
        assert_eq!((account.slow.delivered, account.slow.untold), (3, u64::from(EVENTS) - 3));
        assert_eq!((account.reconnects, account.first_reconnect, reconnects.len()), (0, None, 0));
    }

    #[test]
    fn without_a_tracker_it_is_only_counted() {
        let (totals, recorder) = received(None);
        assert_eq!((totals.reads, totals.deliveries, totals.measured), (2, 3, 0));
        assert_eq!((recorder.account.delivered, recorder.corrected().len()), (0, 0));
    }
}
