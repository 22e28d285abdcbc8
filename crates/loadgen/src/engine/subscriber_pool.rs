//! The subscribers of a trial, on one worker thread per core of the generator.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use pushbench_wire::event::LAGGED_NAME;
use pushbench_wire::{Event, Stamp, Transport};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::LocalSet;

use super::delivery_tracker::{DeliveryTracker, ExpectedEvents};
use super::recorder::{Recorder, Window};
use super::send_queue::{SendPlan, SendQueue};
use crate::client::{
    ClientError, ConnectionMeter, LongPolling, Polling, Sink, Sse, Subscriber, Subscription, Tally,
    Tcp, TcpTotals, Totals, Upstream as _, WebSocket, receive_for_ever,
};

/// Connections that one worker opens at the same time: below any listen backlog, so that a flood
/// of connects does not become a measurement of SYN retries.
const CONNECTS_AT_ONCE: usize = 32;

/// How long a subscriber whose connection broke waits before it connects again.
const RECONNECT_AFTER: Duration = Duration::from_millis(100);

/// Connections that the kernel is asked about before the worker looks after its subscribers again:
/// about a microsecond each.
const ASKED_AT_ONCE: usize = 32;

/// The name of every worker thread, by which the operating system's account of them is found.
pub(super) const THREAD_NAME: &str = "subscribers";

/// What a subscriber reports while it runs.
#[derive(Debug)]
pub(super) enum Signal {
    /// It is connected.
    Connected,
    /// It cannot go on.
    Failed(String),
}

/// Asks a worker what has gone over its connections.
type Question = oneshot::Sender<Option<Traffic>>;

/// What has gone over the subscribers' connections so far, by two accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    /// The kernel's.
    pub(super) tcp: TcpTotals,
    /// Bytes of the streams in both directions, as the sockets were read and written: just before
    /// the kernel was asked about the first connection.
    pub(super) stream_bytes_before: u64,
    /// The same just after it was asked about the last.
    pub(super) stream_bytes_after: u64,
}

impl Traffic {
    /// Asks the kernel about every connection: a system call each. The worker looks after its
    /// subscribers in between, so that none of them waits for long.
    async fn read(tally: &Tally, meters: &[Rc<ConnectionMeter>]) -> Option<Self> {
        let stream_bytes = || {
            let mut totals = Totals::default();
            totals.add(tally);
            totals.bytes_in + totals.bytes_out
        };
        let stream_bytes_before = stream_bytes();
        let mut tcp = TcpTotals::default();
        for some in meters.chunks(ASKED_AT_ONCE) {
            for meter in some {
                tcp = tcp.plus(meter.tcp()?);
            }
            tokio::task::yield_now().await;
        }
        Some(Self { tcp, stream_bytes_before, stream_bytes_after: stream_bytes() })
    }

    fn plus(self, other: Self) -> Self {
        Self {
            tcp: self.tcp.plus(other.tcp),
            stream_bytes_before: self.stream_bytes_before + other.stream_bytes_before,
            stream_bytes_after: self.stream_bytes_after + other.stream_bytes_after,
        }
    }
}

/// A connection of a subscriber to one of its channels.
pub(super) struct SubscriberSpec {
    pub(super) subscription: Subscription,
    /// What it is to receive.
    pub(super) expected: Arc<ExpectedEvents>,
    /// The publisher in the stamps of what its subscriber sends.
    pub(super) publisher: u16,
    /// What it is to send; nothing in a scenario in which subscribers only listen.
    pub(super) sends: Option<SendPlan>,
}

/// All subscribers of a trial.
pub(super) struct SubscriberPool {
    workers: Vec<WorkerHandle>,
    signals: mpsc::UnboundedReceiver<Signal>,
}

struct WorkerHandle {
    tally: Arc<Tally>,
    questions: mpsc::UnboundedSender<Question>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<anyhow::Result<Recorder>>,
}

impl SubscriberPool {
    /// Starts `threads` workers, which begin to connect at once. The threads have the cores of the
    /// calling thread.
    pub(super) fn start(
        transport: Transport,
        subscribers: Vec<SubscriberSpec>,
        window: &Window,
        record: bool,
        threads: usize,
    ) -> anyhow::Result<Self> {
        let (sender, signals) = mpsc::unbounded_channel();
        let share = subscribers.len().div_ceil(threads).max(1);
        let mut subscribers = subscribers.into_iter();
        let mut shares = Vec::new();
        while subscribers.len() > 0 {
            shares.push(subscribers.by_ref().take(share).collect());
        }
        let workers = shares
            .into_iter()
            .map(|subscribers| {
                let tally = Arc::new(Tally::default());
                let (stop, stopped) = oneshot::channel();
                let (questions, asked) = mpsc::unbounded_channel();
                let worker = Worker {
                    subscribers,
                    window: window.clone(),
                    record,
                    tally: Arc::clone(&tally),
                    signals: sender.clone(),
                    asked,
                    stopped,
                };
                // The only place where the generator tells transports apart.
                let work = move || match transport {
                    Transport::Polling => worker.run::<Polling>(),
                    Transport::LongPolling => worker.run::<LongPolling>(),
                    Transport::Sse => worker.run::<Sse>(),
                    Transport::WebSocket => worker.run::<WebSocket>(),
                    Transport::Tcp => worker.run::<Tcp>(),
                };
                let thread = std::thread::Builder::new()
                    .name(THREAD_NAME.into())
                    .spawn(work)
                    .context("cannot start a worker thread")?;
                Ok(WorkerHandle { tally, questions, stop, thread })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { workers, signals })
    }

    /// The next report of a subscriber; waits for ever when there is none.
    pub(super) async fn signal(&mut self) -> Signal {
        match self.signals.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }

    /// What all workers have done to the network so far.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for worker in &self.workers {
            totals.add(&worker.tally);
        }
        totals
    }

    /// What has gone over all connections so far, closed ones included; `None` where the kernel
    /// does not say. It costs the workers a system call per connection: ask outside the measured
    /// window.
    pub(super) async fn traffic(&self) -> Option<Traffic> {
        let ask = |worker: &WorkerHandle| {
            let (question, answer) = oneshot::channel();
            worker.questions.send(question).ok()?;
            Some(answer)
        };
        let answers: Option<Vec<_>> = self.workers.iter().map(ask).collect();
        let mut all = Traffic::default();
        for answer in answers? {
            all = all.plus(answer.await.ok()??);
        }
        Some(all)
    }

    /// Ends all subscribers and hands over what they recorded.
    pub(super) fn stop(self) -> anyhow::Result<Recorder> {
        let mut threads = Vec::new();
        for worker in self.workers {
            // The worker may have ended by itself.
            let _ = worker.stop.send(());
            threads.push(worker.thread);
        }
        let mut all: Option<Recorder> = None;
        for thread in threads {
            let recorder = thread.join().map_err(|_| anyhow!("a worker thread panicked"))??;
            match &mut all {
                None => all = Some(recorder),
                Some(all) => all.merge(&recorder),
            }
        }
        all.ok_or_else(|| anyhow!("there were no subscribers"))
    }
}

/// What one worker thread has to do.
struct Worker {
    subscribers: Vec<SubscriberSpec>,
    window: Window,
    record: bool,
    tally: Arc<Tally>,
    signals: mpsc::UnboundedSender<Signal>,
    asked: mpsc::UnboundedReceiver<Question>,
    stopped: oneshot::Receiver<()>,
}

impl Worker {
    /// Runs the subscribers until the worker is stopped.
    fn run<S: Subscriber + 'static>(self) -> anyhow::Result<Recorder> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime of a worker")?;
        let recorder = Rc::new(RefCell::new(Recorder::new(self.window)));
        let tasks = LocalSet::new();
        let permits = Rc::new(Semaphore::new(CONNECTS_AT_ONCE));
        let mut meters = Vec::with_capacity(self.subscribers.len());
        for SubscriberSpec { subscription, expected, publisher, sends } in self.subscribers {
            let [meter, beside] = [(); 2].map(|()| ConnectionMeter::new(Arc::clone(&self.tally)));
            meters.push(Rc::clone(&meter));
            if sends.is_some() {
                meters.push(Rc::clone(&beside));
            }
            let connector = Connector {
                subscription,
                meter,
                beside,
                permits: Rc::clone(&permits),
                signals: self.signals.clone(),
            };
            let log = EventLog {
                tracker: self.record.then(|| DeliveryTracker::new(expected)),
                receiver: publisher,
                recorder: Rc::clone(&recorder),
                tally: Arc::clone(&self.tally),
                last_read_ns: 0,
                last_event_id: 0,
            };
            let queue = sends.map(|plan| SendQueue::new(plan, publisher));
            tasks.spawn_local(subscribe::<S>(connector, log, queue));
        }
        let answer = answer_until(self.stopped, self.asked, async || {
            Traffic::read(&self.tally, &meters).await
        });
        runtime.block_on(tasks.run_until(answer));
        drop(tasks);
        drop(runtime);
        Rc::try_unwrap(recorder)
            .map(RefCell::into_inner)
            .map_err(|_| anyhow!("a subscriber outlived its worker"))
    }
}

/// Answers every question until the worker is stopped.
async fn answer_until(
    mut stopped: oneshot::Receiver<()>,
    mut asked: mpsc::UnboundedReceiver<Question>,
    traffic: impl AsyncFn() -> Option<Traffic>,
) {
    loop {
        tokio::select! {
            // An error means that the trial was dropped, which stops the worker as well.
            _ = &mut stopped => return,
            Some(question) = asked.recv() => {
                // Who asked may have given up.
                let _ = question.send(traffic().await);
            }
        }
    }
}

/// What a subscriber needs to connect, and to connect again.
struct Connector {
    subscription: Subscription,
    meter: Rc<ConnectionMeter>,
    /// That of the connection that it sends over, if that is another one.
    beside: Rc<ConnectionMeter>,
    permits: Rc<Semaphore>,
    signals: mpsc::UnboundedSender<Signal>,
}

impl Connector {
    async fn connect<S: Subscriber>(&self, after: u64) -> Result<S, ClientError> {
        // Closed never.
        let _permit = self.permits.acquire().await;
        S::connect(&self.subscription, &self.meter, after).await
    }

    async fn open<S: Subscriber>(&self) -> Result<S::Upstream, ClientError> {
        let _permit = self.permits.acquire().await;
        S::Upstream::open(&self.subscription, &self.beside).await
    }

    /// Says that the subscriber is connected, the first time that it is.
    fn announce(&self, is_new: &mut bool) {
        if std::mem::take(is_new) {
            let _ = self.signals.send(Signal::Connected);
        }
    }
}

/// Runs one subscriber until its worker stops.
async fn subscribe<S: Subscriber>(
    connector: Connector,
    mut log: EventLog,
    mut queue: Option<SendQueue>,
) {
    let Err(error) = receive_until_failure::<S>(&connector, &mut log, queue.as_mut()).await;
    // Nobody listens any more when the trial is over.
    let _ = connector.signals.send(Signal::Failed(error.to_string()));
}

async fn receive_until_failure<S: Subscriber>(
    connector: &Connector,
    log: &mut EventLog,
    mut queue: Option<&mut SendQueue>,
) -> Result<Infallible, ClientError> {
    let mut is_new = true;
    loop {
        let mut subscriber: S = connector.connect(log.last_event_id).await?;
        let Err(error) = match queue.as_deref_mut() {
            None => {
                connector.announce(&mut is_new);
                receive_for_ever(&mut subscriber, log).await
            }
            Some(queue) => {
                let mut upstream = connector.open::<S>().await?;
                connector.announce(&mut is_new);
                upstream.run(&mut subscriber, log, queue).await
            }
        };
        if !error.is_broken_connection() {
            return Err(error);
        }
        log.reconnects(&error);
        tokio::time::sleep(RECONNECT_AFTER).await;
    }
}

/// Enters what one subscriber receives.
struct EventLog {
    /// None while deliveries are only counted.
    tracker: Option<DeliveryTracker>,
    /// The publisher in the stamps of what its subscriber sends.
    receiver: u16,
    recorder: Rc<RefCell<Recorder>>,
    tally: Arc<Tally>,
    last_read_ns: u64,
    last_event_id: u64,
}

impl EventLog {
    fn reconnects(&self, reason: &ClientError) {
        let account = &mut self.recorder.borrow_mut().account;
        account.reconnects += 1;
        account.first_reconnect.get_or_insert_with(|| reason.to_string());
    }
}

impl Sink for EventLog {
    fn on_event(&mut self, at_ns: u64, event: Event<'_>) {
        self.last_event_id = event.id;
        if at_ns != self.last_read_ns {
            self.last_read_ns = at_ns;
            self.tally.reads.add(1);
        }
        if event.name == LAGGED_NAME {
            self.recorder.borrow_mut().account.lagged += 1;
            return;
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
    use crate::engine::fixture::{tracker, window};

    /// Two events of one read, and a third one; what was counted and what recorded.
    fn received(tracker: Option<DeliveryTracker>) -> (Totals, Recorder) {
        let tally = Arc::new(Tally::default());
        let recorder = Rc::new(RefCell::new(Recorder::new(window())));
        let mut log = EventLog {
            tracker,
            receiver: 1,
            recorder: Rc::clone(&recorder),
            tally: Arc::clone(&tally),
            last_read_ns: 0,
            last_event_id: 0,
        };
        let mut payload = [0; pushbench_wire::stamp::STAMP_LEN];
        for (at_ns, sequence) in [(1_000, 0), (1_000, 1), (2_000, 2)] {
            Stamp { publisher: 0, sequence, intended_ns: 500, published_ns: 600 }
                .write_to(&mut payload);
            let id = u64::from(sequence) + 1;
            log.on_event(at_ns, Event { id, name: "message", payload: &payload, binary: false });
        }
        assert_eq!(log.last_event_id, 3, "to resume from");
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
    }

    #[tokio::test]
    async fn subscribers_go_on_while_the_kernel_is_asked() {
        let tally = Arc::new(Tally::default());
        let meters: Vec<_> =
            (0..10 * ASKED_AT_ONCE).map(|_| ConnectionMeter::new(Arc::clone(&tally))).collect();
        let subscribers = LocalSet::new();
        let receiving = Arc::clone(&tally);
        subscribers.spawn_local(async move {
            loop {
                receiving.bytes_in.add(1);
                tokio::task::yield_now().await;
            }
        });
        let traffic = subscribers.run_until(Traffic::read(&tally, &meters)).await.unwrap();
        assert_eq!(traffic.tcp, TcpTotals::default());
        let meanwhile = traffic.stream_bytes_after - traffic.stream_bytes_before;
        assert!(meanwhile >= 9, "they had their turn {meanwhile} times");
    }

    #[test]
    fn without_a_tracker_it_is_only_counted() {
        let (totals, recorder) = received(None);
        assert_eq!((totals.reads, totals.deliveries, totals.measured), (2, 3, 0));
        assert_eq!((recorder.account.delivered, recorder.corrected().len()), (0, 0));
    }
}
