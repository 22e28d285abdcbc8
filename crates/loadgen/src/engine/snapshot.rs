//! What is known of both sides at one moment. Two snapshots bound the idle phase, and two the
//! measured window.

use nix::time::ClockId;
use pushbench_wire::clock;

use super::probe::{CpuClock, CpuTicks, MachineTime, Memory, Threads, socket_memory_bytes};
use super::publisher::Publisher;
use super::server_process::ServerHandle;
use super::subscriber_pool::{SubscriberPool, THREAD_NAME};
use crate::client::{TcpTotals, Totals};

/// One moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) at_ns: u64,
    pub(super) server_cpu_ns: u64,
    /// All of this process.
    pub(super) own_cpu_ns: u64,
    pub(super) publisher_cpu_ns: u64,
    /// Measured events that were published.
    pub(super) published: u64,
    /// This thread, which watches the trial and shows its progress.
    pub(super) engine_cpu_ns: u64,
    pub(super) totals: Totals,
    pub(super) memory: Option<Memory>,
    pub(super) machine: Option<MachineTime>,
    pub(super) server_ticks: Option<CpuTicks>,
    pub(super) server_threads: Option<Threads>,
    /// Those of the subscribers.
    pub(super) generator_threads: Option<Threads>,
    pub(super) publisher_tcp: Option<TcpTotals>,
    /// Of the whole machine.
    pub(super) socket_memory_bytes: Option<u64>,
}

/// What was done from one moment to a later one. CPU times are in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) length_ns: u64,
    pub(super) server_cpu: u64,
    /// All of this process.
    pub(super) own_cpu: u64,
    pub(super) publisher_cpu: u64,
    /// The subscribers: this process without its publisher and without the thread that watches.
    pub(super) generator_cpu: u64,
    pub(super) flow: Totals,
}

impl Snapshot {
    /// There is no publisher in the idle phase. Fails when the server has gone.
    pub(super) fn take(
        server: &ServerHandle,
        pool: &SubscriberPool,
        publisher: Option<&Publisher>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            at_ns: clock::now_ns(),
            server_cpu_ns: server.cpu.read_ns()?,
            own_cpu_ns: CpuClock::own().read_ns()?,
            publisher_cpu_ns: publisher.map_or(0, Publisher::cpu_ns),
            published: publisher.map_or(0, Publisher::published),
            engine_cpu_ns: clock::read_ns(ClockId::CLOCK_THREAD_CPUTIME_ID)?,
            totals: pool.totals(),
            memory: server.memory(),
            machine: MachineTime::read(),
            server_ticks: server.ticks(),
            server_threads: server.threads(),
            generator_threads: Threads::named(THREAD_NAME),
            publisher_tcp: publisher.and_then(Publisher::tcp),
            socket_memory_bytes: socket_memory_bytes(),
        })
    }

    /// What was done since `earlier`.
    pub(super) fn since(&self, earlier: &Self) -> Usage {
        let own_cpu = self.own_cpu_ns - earlier.own_cpu_ns;
        let publisher_cpu = self.publisher_cpu_ns - earlier.publisher_cpu_ns;
        let engine_cpu = self.engine_cpu_ns - earlier.engine_cpu_ns;
        Usage {
            length_ns: self.at_ns - earlier.at_ns,
            server_cpu: self.server_cpu_ns - earlier.server_cpu_ns,
            own_cpu,
            publisher_cpu,
            generator_cpu: own_cpu.saturating_sub(publisher_cpu + engine_cpu),
            flow: self.totals.since(&earlier.totals),
        }
    }
}
