//! Subscribers on worker threads of this process, one per core of the generator.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context as _, anyhow};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::LocalSet;

use super::subscriber::{Connector, EventLog, subscribe};
use super::{Comeback, PoolPlan, Signal, SubscriberPool, SubscriberSpec, Traffic};
use crate::client::{
    ConnectionMeter, Http, Subscriber, Tally, TcpTotals, Totals, WithSubscriber, with_subscriber,
};
use crate::engine::delivery_tracker::DeliveryTracker;
use crate::engine::recorder::{Recorder, Window};
use crate::engine::send_queue::SendQueue;
use crate::scenario::schedule::ReconnectWaits;
use crate::scenario::{CutHow, is_of_share};

/// Connections that one worker opens at the same time: below any listen backlog, so that a flood
/// of connects does not become a measurement of SYN retries.
const CONNECTS_AT_ONCE: usize = 32;

/// Connections that the kernel is asked about before the worker looks after its subscribers again:
/// about a microsecond each.
const ASKED_AT_ONCE: usize = 32;

/// The name of every worker thread, by which the operating system's account of them is found.
pub(in crate::engine) const THREAD_NAME: &str = "subscribers";

/// What a worker is to do beside.
enum Order {
    /// To say what has gone over its connections.
    Traffic(oneshot::Sender<Option<Traffic>>),
    /// To cut the connections of this share of all subscribers.
    Cut(CutHow, f64),
    /// To say which ports the connections of this share of all subscribers have.
    Ports(f64, oneshot::Sender<Vec<[u16; 2]>>),
    /// Since when the network carries nothing of these.
    Silenced(u64),
    /// To have slow subscribers read as fast as they can.
    ReadOn,
}

/// Worker threads, with a share of the subscribers each. They have the cores of the thread that
/// started them.
pub(in crate::engine) struct ThreadPool {
    workers: Vec<WorkerHandle>,
    signals: mpsc::UnboundedReceiver<Signal>,
}

struct WorkerHandle {
    tally: Arc<Tally>,
    orders: mpsc::UnboundedSender<Order>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<anyhow::Result<Recorder>>,
}

impl SubscriberPool for ThreadPool {
    fn connect(plan: PoolPlan) -> anyhow::Result<Self> {
        let PoolPlan { mechanism, subscribers, window, record, workers, place, comeback, .. } =
            plan;
        let (sender, signals) = mpsc::unbounded_channel();
        let shares = shares(subscribers, workers);
        let workers = shares
            .into_iter()
            .map(|subscribers| {
                let tally = Arc::new(Tally::default());
                let (stop, stopped) = oneshot::channel();
                let (orders, ordered) = mpsc::unbounded_channel();
                let worker = Worker {
                    subscribers,
                    window: window.clone(),
                    record,
                    tally: Arc::clone(&tally),
                    signals: sender.clone(),
                    ordered,
                    stopped,
                    comeback,
                };
                let place = place.clone();
                let thread = std::thread::Builder::new()
                    .name(THREAD_NAME.into())
                    .spawn(move || {
                        if let Some(place) = place {
                            place.move_in()?;
                        }
                        with_subscriber(mechanism, worker)
                    })
                    .context("cannot start a worker thread")?;
                Ok(WorkerHandle { tally, orders, stop, thread })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { workers, signals })
    }

    async fn signal(&mut self) -> Signal {
        match self.signals.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for worker in &self.workers {
            totals.add(&worker.tally);
        }
        totals
    }

    async fn traffic(&self) -> Option<Traffic> {
        let ask = |worker: &WorkerHandle| {
            let (question, answer) = oneshot::channel();
            worker.orders.send(Order::Traffic(question)).ok()?;
            Some(answer)
        };
        let answers: Option<Vec<_>> = self.workers.iter().map(ask).collect();
        let mut all = Traffic::default();
        for answer in answers? {
            all = all.plus(answer.await.ok()??);
        }
        Some(all)
    }

    fn cut(&self, how: CutHow, share: f64) {
        for worker in &self.workers {
            // One that has ended has said why.
            let _ = worker.orders.send(Order::Cut(how, share));
        }
    }

    async fn ports_to_silence(&self, share: f64) -> anyhow::Result<Vec<[u16; 2]>> {
        let mut ports = Vec::new();
        for worker in &self.workers {
            let (question, answer) = oneshot::channel();
            // One that has ended has said why.
            let _ = worker.orders.send(Order::Ports(share, question));
            ports.extend(answer.await.context("a worker has ended")?);
        }
        Ok(ports)
    }

    fn are_silenced(&self, since_ns: u64) {
        for worker in &self.workers {
            let _ = worker.orders.send(Order::Silenced(since_ns));
        }
    }

    fn read_on(&self) {
        for worker in &self.workers {
            let _ = worker.orders.send(Order::ReadOn);
        }
    }

    fn stop(self) -> anyhow::Result<Recorder> {
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

/// As many as there are workers, if there are enough; those that share a connection are in one.
fn shares(subscribers: Vec<SubscriberSpec>, workers: usize) -> Vec<Vec<SubscriberSpec>> {
    let share = subscribers.len().div_ceil(workers).max(1);
    let mut shares: Vec<Vec<SubscriberSpec>> = Vec::new();
    for one in subscribers {
        match shares.last_mut() {
            Some(last) if last.len() < share || last.last().is_some_and(|of| of.shares(&one)) => {
                last.push(one);
            }
            _ => shares.push(vec![one]),
        }
    }
    shares
}

/// What one worker thread has to do.
struct Worker {
    subscribers: Vec<SubscriberSpec>,
    window: Window,
    record: bool,
    tally: Arc<Tally>,
    signals: mpsc::UnboundedSender<Signal>,
    ordered: mpsc::UnboundedReceiver<Order>,
    stopped: oneshot::Receiver<()>,
    comeback: Comeback,
}

impl WithSubscriber for Worker {
    type Output = anyhow::Result<Recorder>;

    /// Runs the subscribers until the worker is stopped.
    fn with<S: Subscriber + 'static>(self) -> Self::Output {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime of a worker")?;
        let recorder = Rc::new(RefCell::new(Recorder::new(self.window)));
        let tasks = LocalSet::new();
        let permits = Rc::new(Semaphore::new(CONNECTS_AT_ONCE));
        let mut meters = Vec::with_capacity(self.subscribers.len());
        // Whose each of them is.
        let mut owners = Vec::with_capacity(self.subscribers.len());
        // What goes to slow subscribers is no cost of the others.
        let (of_the_slow, mut slow_meters) = (Arc::<Tally>::default(), Vec::new());
        let Comeback { reconnect, seed, is_patient } = self.comeback;
        let mut before: Option<(Http, Rc<ConnectionMeter>, Rc<Cell<u64>>)> = None;
        for spec in self.subscribers {
            let SubscriberSpec {
                subscription,
                ring,
                connection,
                subscriber,
                head_may_wait,
                expected,
                publisher,
                sends,
                slow,
            } = spec;
            let beside = ConnectionMeter::new(Arc::clone(&self.tally));
            let meter = match slow {
                Some(reads) => ConnectionMeter::of_slow(Arc::clone(&of_the_slow), reads),
                None => ConnectionMeter::new(Arc::clone(&self.tally)),
            };
            let (meter, last_read_ns) = match before.take() {
                // What reads for one, reads for the other.
                Some((http, meter, last)) if http.shares_connection_with(&subscription.http) => {
                    (meter, last)
                }
                _ if slow.is_some() => {
                    slow_meters.push((Rc::clone(&meter), subscriber));
                    (meter, Rc::default())
                }
                _ => {
                    meters.push(Rc::clone(&meter));
                    owners.push(subscriber);
                    (meter, Rc::default())
                }
            };
            before = Some((subscription.http.clone(), Rc::clone(&meter), Rc::clone(&last_read_ns)));
            if sends.is_some() {
                meters.push(Rc::clone(&beside));
                owners.push(subscriber);
            }
            let connector = Connector {
                subscription,
                ring: ring.into(),
                meter,
                beside,
                permits: Rc::clone(&permits),
                signals: self.signals.clone(),
                head_may_wait,
                is_patient,
                dead_after: reconnect.dead_after,
            };
            let log = EventLog {
                tracker: self.record.then(|| DeliveryTracker::new(expected)),
                receiver: publisher,
                recorder: Rc::clone(&recorder),
                tally: Arc::clone(&self.tally),
                last_read_ns,
                last_event_id: 0,
                away_since_ns: None,
                silent_since_ns: None,
                is_slow: slow.is_some(),
            };
            let queue = sends.map(|plan| SendQueue::new(plan, publisher));
            let waits = ReconnectWaits::new(seed, connection, reconnect);
            tasks.spawn_local(subscribe::<S>(connector, log, queue, waits));
        }
        let hit = |share| {
            let others = meters.iter().zip(owners.iter().copied());
            let slow = slow_meters.iter().map(|(meter, owner)| (meter, *owner));
            let all = others.chain(slow);
            all.filter(move |(_, owner)| is_of_share(*owner, share)).map(|(meter, _)| meter)
        };
        let obey = async |order| match order {
            // Who asked may have given up.
            Order::Traffic(question) => drop(question.send(traffic(&self.tally, &meters).await)),
            Order::Cut(how, share) => hit(share).for_each(|meter| meter.cut(how)),
            Order::Ports(share, question) => {
                let ports = hit(share).flat_map(|meter| meter.ports_to_silence());
                drop(question.send(ports.collect()));
            }
            Order::Silenced(since_ns) => {
                hit(1.0).for_each(|of| of.life().was_silenced(since_ns));
            }
            Order::ReadOn => slow_meters.iter().for_each(|(meter, _)| meter.read_on()),
        };
        runtime.block_on(tasks.run_until(obey_until(self.stopped, self.ordered, obey)));
        drop(tasks);
        drop(runtime);
        Rc::try_unwrap(recorder)
            .map(RefCell::into_inner)
            .map_err(|_| anyhow!("a subscriber outlived its worker"))
    }
}

/// Does what it is ordered to until the worker is stopped.
async fn obey_until(
    mut stopped: oneshot::Receiver<()>,
    mut ordered: mpsc::UnboundedReceiver<Order>,
    obey: impl AsyncFn(Order),
) {
    loop {
        tokio::select! {
            // An error means that the trial was dropped, which stops the worker as well.
            _ = &mut stopped => return,
            Some(order) = ordered.recv() => obey(order).await,
        }
    }
}

/// Asks the kernel about every connection: a system call each. The worker looks after its
/// subscribers in between, so that none of them waits for long.
async fn traffic(tally: &Tally, meters: &[Rc<ConnectionMeter>]) -> Option<Traffic> {
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
    Some(Traffic { tcp, stream_bytes_before, stream_bytes_after: stream_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let answer = subscribers.run_until(traffic(&tally, &meters)).await.unwrap();
        assert_eq!(answer.tcp, TcpTotals::default());
        let meanwhile = answer.stream_bytes_after - answer.stream_bytes_before;
        assert!(meanwhile >= 9, "they had their turn {meanwhile} times");
    }
}
