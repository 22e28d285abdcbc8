//! A thread that lets the packets of one direction wait. Whatever it is too late by, it writes down.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{PipeReader, PipeWriter, pipe};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use hdrhistogram::Histogram;
use nix::sys::prctl::set_timerslack;
use nix::time::ClockId;
use nix::unistd::gettid;
use pushbench_wire::clock;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::account::{Reading, lateness};
use super::namespace::Namespace;
use super::nfqueue::{PacketQueue, Verdict};

/// What a direction does to a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    pub(super) delay: Duration,
    /// By how much the delay is longer or shorter at most.
    pub(super) jitter: Duration,
    pub(super) loss: f64,
}

/// Packets that go with one verdict. The kernel hands on one after the other meanwhile, each of which takes
/// some microseconds.
const AT_ONCE: usize = 16;

/// Connections whose last packet is remembered, before those of whom nothing waits are forgotten.
const REMEMBERED: usize = 10_000;

/// The longest that a packet may have been on its way here; more is a clock that was set.
const LONGEST_UNREAD_NS: u64 = 10_000_000_000;

/// A running thread. Dropping it ends it; what waits by then is lost.
pub(super) struct DelayThread {
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
    account: Arc<Account>,
}

/// What the thread tells.
struct Account {
    cpu_ns: AtomicU64,
    packets: AtomicU64,
    lost: AtomicU64,
    lateness: Mutex<Histogram<u64>>,
    /// The number of the thread.
    thread: AtomicI32,
    failure: Mutex<Option<String>>,
}

impl DelayThread {
    /// Delays what the queue of `namespace` gets, as soon as this returns.
    pub(super) fn start(namespace: &Namespace, fate: Fate, seed: u64) -> anyhow::Result<Self> {
        let account = Arc::new(Account {
            cpu_ns: AtomicU64::default(),
            packets: AtomicU64::default(),
            lost: AtomicU64::default(),
            lateness: Mutex::new(lateness()),
            thread: AtomicI32::default(),
            failure: Mutex::default(),
        });
        let (stopped, stop) = pipe().context("cannot make a pipe")?;
        let (ready, is_ready) = mpsc::channel();
        let (namespace, shared) = (namespace.clone(), Arc::clone(&account));
        let thread = std::thread::Builder::new().name("network".into()).spawn(move || {
            shared.thread.store(gettid().as_raw(), Ordering::Relaxed);
            // Without it, it wakes up a little later.
            let _ = set_timerslack(1);
            let queue = namespace.move_in();
            let queue = queue.and_then(|()| PacketQueue::bind(!fate.jitter.is_zero()));
            let queue = match queue {
                Ok(queue) => queue,
                Err(error) => return drop(ready.send(Err(error))),
            };
            let _ = ready.send(Ok(()));
            let line = Line {
                queue,
                fate,
                chance: ChaCha8Rng::seed_from_u64(seed),
                waiting: BTreeSet::new(),
                last: HashMap::new(),
                account: &shared,
            };
            if let Err(error) = line.run(&stopped) {
                let mut failure = shared.failure.lock().unwrap_or_else(PoisonError::into_inner);
                *failure = Some(format!("{error:#}"));
            }
        });
        let thread = thread.context("cannot start a thread for the network")?;
        is_ready.recv().map_err(|_| anyhow!("a thread of the network panicked"))??;
        Ok(Self { stop: Some(stop), thread: Some(thread), account })
    }

    /// What it has done so far.
    ///
    /// # Errors
    /// Why it does no more.
    pub(super) fn reading(&self) -> anyhow::Result<Reading> {
        let Account { cpu_ns, packets, lost, lateness, thread, failure } = &*self.account;
        let failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = &*failure {
            return Err(anyhow!("the network broke down: {reason}"));
        }
        Ok(Reading {
            cpu_ns: cpu_ns.load(Ordering::Relaxed),
            packets: packets.load(Ordering::Relaxed),
            lost: lost.load(Ordering::Relaxed),
            overflown: overflown(thread.load(Ordering::Relaxed)).unwrap_or_default(),
            lateness: Some(lateness.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        })
    }
}

/// Packets that the kernel dropped because nobody fetched them in time: what the table of queues says of the
/// network that a thread is in.
fn overflown(thread: i32) -> Option<u64> {
    let process = std::process::id();
    let path = format!("/proc/{process}/task/{thread}/net/netfilter/nfnetlink_queue");
    dropped_in(&fs::read_to_string(path).ok()?)
}

/// Number, reader, waiting, mode, range, dropped as too many, dropped as unread.
fn dropped_in(table: &str) -> Option<u64> {
    let fields: Vec<&str> = table.lines().next()?.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(number(5)? + number(6)?)
}

impl Drop for DelayThread {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The packets that wait.
struct Line<'a> {
    queue: PacketQueue,
    fate: Fate,
    chance: ChaCha8Rng,
    /// Numbers of packets, by when they are due; where those are the same, in their order.
    waiting: BTreeSet<(u64, u32)>,
    /// When the last packet of each connection is due: the next one is no sooner.
    last: HashMap<u32, u64>,
    account: &'a Account,
}

impl Line<'_> {
    fn run(mut self, stop: &PipeReader) -> anyhow::Result<()> {
        loop {
            self.release()?;
            let cpu_ns = clock::read_ns(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap_or_default();
            self.account.cpu_ns.store(cpu_ns, Ordering::Relaxed);
            let due = self.waiting.first().map(|(due, _)| *due);
            let patience = due.map(|due| Duration::from_nanos(due.saturating_sub(clock::now_ns())));
            if !self.queue.wait(patience, stop)? {
                return Ok(());
            }
            self.read()?;
        }
    }

    /// Takes note of what has come.
    fn read(&mut self) -> anyhow::Result<()> {
        let mut dropped = Vec::new();
        let now_ns = clock::now_ns();
        let calendar_ns = clock::read_ns(ClockId::CLOCK_REALTIME).unwrap_or_default();
        let Self { queue, fate, chance, waiting, last, account } = self;
        let mut packets = 0;
        queue.read(|packet| {
            packets += 1;
            if fate.loss > 0.0 && chance.random_bool(fate.loss) {
                dropped.push(packet.id);
                return;
            }
            // It may have come after the clock was read, too.
            let age = packet.arrived_ns.and_then(|arrived| calendar_ns.checked_sub(arrived));
            let age = age.filter(|age| *age < LONGEST_UNREAD_NS).unwrap_or_default();
            let mut delay_ns = fate.delay.as_nanos() as u64;
            let jitter_ns = fate.jitter.as_nanos() as u64;
            if jitter_ns > 0 {
                delay_ns = chance.random_range(delay_ns - jitter_ns..=delay_ns + jitter_ns);
            }
            let mut due = now_ns - age + delay_ns;
            // Without jitter all are of one line: one verdict is of all up to a number.
            let before = last.entry(packet.connection).or_default();
            due = due.max(*before);
            *before = due;
            waiting.insert((due, packet.id));
        })?;
        if last.len() > REMEMBERED {
            last.retain(|_, due| *due > now_ns);
        }
        account.packets.fetch_add(packets, Ordering::Relaxed);
        account.lost.fetch_add(dropped.len() as u64, Ordering::Relaxed);
        dropped.into_iter().try_for_each(|id| queue.decide(id, Verdict::Drop))
    }

    /// Lets go what is due.
    fn release(&mut self) -> anyhow::Result<()> {
        loop {
            let now = clock::now_ns();
            let first = self.waiting.iter().take(AT_ONCE);
            let due: Vec<(u64, u32)> = first.take_while(|(due, _)| *due <= now).copied().collect();
            let Some((_, last)) = due.last() else { return Ok(()) };
            // With jitter, the order is another one than that of the numbers.
            match (self.fate.jitter.is_zero(), due.len()) {
                (true, 2..) => self.queue.accept_up_to(*last)?,
                _ => due.iter().try_for_each(|(_, id)| self.queue.decide(*id, Verdict::Accept))?,
            }
            let mut lateness = self.account.lateness.lock().unwrap_or_else(PoisonError::into_inner);
            for key in &due {
                lateness.saturating_record(now - key.0);
                self.waiting.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_what_it_dropped() {
        let table = "    0  12345     7 1     0     3     2      190  1\n";
        assert_eq!(dropped_in(table), Some(5));
        assert_eq!(dropped_in(""), None);
    }
}
