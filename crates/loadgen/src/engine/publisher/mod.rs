//! The publisher: a thread that follows the open-loop schedule. Pacing says when events are due,
//! batching which of them go together, and a [`PublishPath`] how they get to the server. It never
//! waits for an answer before it publishes the next event: other threads take the answers.

mod batching;
mod pacer;
mod plan;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use hdrhistogram::Histogram;
use nix::time::ClockId;
use pushbench_wire::clock;

use crate::client::{Acknowledgements, OpenPath, PublishPath, TcpProbe, TcpTotals};
use crate::deployment::LOOK;
use crate::scenario::schedule::Due;
pub(super) use batching::stamped;
pub(super) use plan::PublishPlan;

use batching::{Batching, Followed};

/// What was sent of the measured events.
#[derive(Debug)]
pub(super) struct Sent {
    /// How late they were: its own, and those that it handed to connections.
    pub(super) lateness: Histogram<u64>,
    /// How many deliveries the events call for, those of subscribers among them.
    pub(super) deliveries: u64,
    /// SHA-256 over the schedule as it was followed, in hexadecimal; empty when it was not followed
    /// to its end.
    pub(super) schedule_sha256: Option<String>,
    /// The last thing that the server said to the publisher of its own accord.
    pub(super) told: Option<String>,
}

/// A running publisher.
pub(super) struct Publisher {
    /// Gone once it is stopped.
    threads: Option<Threads>,
    shared: Arc<Shared>,
    /// Of each path.
    probes: Vec<Option<TcpProbe>>,
}

struct Threads {
    sending: JoinHandle<anyhow::Result<Followed>>,
    /// One for each path.
    answers: Vec<JoinHandle<anyhow::Result<()>>>,
}

/// A trial that fails drops its publisher, whose threads must not run into the next one. They end
/// by themselves soon; who waits for Ctrl-C should not wait for them.
impl Drop for Publisher {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

/// What the threads and the engine share.
struct Shared {
    /// Whether the sending thread shall stop.
    stop: AtomicBool,
    /// Whether it has: after that nothing is sent.
    is_sent: AtomicBool,
    published: AtomicU64,
    deliveries: AtomicU64,
    sending_cpu_ns: AtomicU64,
    /// Of each thread that takes answers.
    answers_cpu_ns: Vec<AtomicU64>,
    failure: Mutex<Option<String>>,
    told: Mutex<Option<String>>,
}

impl Shared {
    /// Passes `outcome` on, and makes the reason of a failure known before its thread is joined.
    fn note<T>(&self, outcome: anyhow::Result<T>) -> anyhow::Result<T> {
        if let (Err(error), Ok(mut failure)) = (&outcome, self.failure.lock()) {
            failure.get_or_insert_with(|| format!("{error:#}"));
        }
        outcome
    }
}

impl Publisher {
    /// Starts to publish `schedule` at the plan's start: over several paths the n-th channel over
    /// the n-th path, and so on in turn.
    pub(super) fn start<P: PublishPath>(
        plan: PublishPlan,
        schedule: impl Iterator<Item = Due> + Send + 'static,
        open: Vec<OpenPath<P>>,
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            stop: AtomicBool::default(),
            is_sent: AtomicBool::default(),
            published: AtomicU64::default(),
            deliveries: AtomicU64::default(),
            sending_cpu_ns: AtomicU64::default(),
            answers_cpu_ns: open.iter().map(|_| AtomicU64::default()).collect(),
            failure: Mutex::default(),
            told: Mutex::default(),
        });
        let (mut paths, mut probes, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for OpenPath { path, mut acknowledgements, probe } in open {
            let (number, shared) = (paths.len(), Arc::clone(&shared));
            paths.push(path);
            probes.push(probe);
            answers.push(spawn("publish-answers", move || {
                shared.note(take_answers(&mut acknowledgements, &shared, number))
            })?);
        }
        let sending = {
            let shared = Arc::clone(&shared);
            let batching = Batching::new(plan, schedule);
            spawn("publisher", move || shared.note(publish(batching, &mut paths, &shared)))?
        };
        Ok(Self { threads: Some(Threads { sending, answers }), shared, probes })
    }

    /// CPU time of all its threads so far.
    pub(super) fn cpu_ns(&self) -> u64 {
        let answers =
            self.shared.answers_cpu_ns.iter().map(|cpu_ns| cpu_ns.load(Ordering::Relaxed));
        self.shared.sending_cpu_ns.load(Ordering::Relaxed) + answers.sum::<u64>()
    }

    /// What TCP has done for its connections so far; `None` where the kernel does not say.
    pub(super) fn tcp(&self) -> Option<TcpTotals> {
        self.probes
            .iter()
            .try_fold(TcpTotals::default(), |sum, probe| Some(sum.plus(probe.as_ref()?.read()?)))
    }

    /// What its connections have had for addresses.
    pub(super) fn addresses(&self) -> BTreeSet<SocketAddr> {
        self.probes.iter().flatten().flat_map(TcpProbe::addresses).collect()
    }

    /// Measured events that were written to the server or handed to connections so far.
    pub(super) fn published(&self) -> u64 {
        self.shared.published.load(Ordering::Relaxed)
    }

    /// Why it cannot go on, as soon as it cannot.
    pub(super) fn failure(&self) -> Option<String> {
        self.shared.failure.lock().ok()?.clone()
    }

    /// Waits until everything is published, or publishes no more after `patience`, and then until all
    /// of it is answered.
    pub(super) fn finish(mut self, patience: Option<Duration>) -> anyhow::Result<Sent> {
        let Threads { sending, answers } =
            self.threads.take().context("the publisher has ended before")?;
        if let Some(patience) = patience {
            let end_ns = clock::now_ns() + patience.as_nanos() as u64;
            while !sending.is_finished() && clock::now_ns() < end_ns {
                std::thread::park_timeout(patience.min(LOOK));
            }
            self.shared.stop.store(true, Ordering::Relaxed);
        }
        let sent = join(sending);
        // A server that stops reading also stops answering: its answer says more than the write.
        answers.into_iter().try_for_each(join)?;
        let Followed { lateness, schedule_sha256 } = sent?;
        let deliveries = self.shared.deliveries.load(Ordering::Relaxed);
        let told = self.shared.told.lock().ok().and_then(|mut told| told.take());
        Ok(Sent { lateness, deliveries, schedule_sha256, told })
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<JoinHandle<anyhow::Result<T>>> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .with_context(|| format!("cannot start the {name} thread"))
}

fn join<T>(thread: JoinHandle<anyhow::Result<T>>) -> anyhow::Result<T> {
    thread.join().map_err(|_| anyhow!("a publisher thread panicked"))?
}

fn publish<P: PublishPath>(
    mut batching: Batching<impl Iterator<Item = Due>>,
    paths: &mut [P],
    shared: &Shared,
) -> anyhow::Result<Followed> {
    pacer::prepare_thread();
    let _end = EndOfSending(shared);
    let count = paths.len();
    while let Some(due_ns) = batching.next_due_ns() {
        pacer::sleep_until(due_ns, &shared.stop);
        if shared.stop.load(Ordering::Relaxed) {
            return Ok(batching.stopped());
        }
        let batch = batching.take(clock::now_ns(), |channel, payload| {
            paths[channel % count].push(channel, payload);
        });
        paths.iter_mut().try_for_each(P::flush)?;
        shared.published.fetch_add(batch.measured, Ordering::Relaxed);
        shared.deliveries.fetch_add(batch.deliveries, Ordering::Relaxed);
        shared.sending_cpu_ns.store(thread_cpu_ns(), Ordering::Relaxed);
    }
    Ok(batching.followed())
}

/// Says that nothing more is sent when the sending thread ends, even by a panic: whoever takes the
/// answers waits for it.
struct EndOfSending<'a>(&'a Shared);

impl Drop for EndOfSending<'_> {
    fn drop(&mut self) {
        self.0.is_sent.store(true, Ordering::Release);
    }
}

/// Takes answers until there is one to all that was sent.
fn take_answers(
    acknowledgements: &mut impl Acknowledgements,
    shared: &Shared,
    number: usize,
) -> anyhow::Result<()> {
    loop {
        // In this order: what is sent in between is waited for.
        let is_sent = shared.is_sent.load(Ordering::Acquire);
        if acknowledgements.acknowledge()? == 0 && is_sent {
            let parted = acknowledgements.part();
            if let (Some(told), Ok(mut known)) = (acknowledgements.told(), shared.told.lock()) {
                known.get_or_insert(told);
            }
            return parted;
        }
        shared.answers_cpu_ns[number].store(thread_cpu_ns(), Ordering::Relaxed);
    }
}

fn thread_cpu_ns() -> u64 {
    clock::read_ns(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap_or_default()
}

#[cfg(test)]
mod tests;
