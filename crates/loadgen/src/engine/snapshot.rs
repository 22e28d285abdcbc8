//! What is known of both sides at one moment. Two snapshots bound the measured window.

use nix::time::ClockId;
use pushbench_wire::clock;

use super::crew::{Crew, THREAD_NAME};
use super::probe::{CpuClock, CpuTicks, MachineTime, Memory, Threads, socket_memory_bytes};
use super::publisher::Publisher;
use super::server_process::ServerHandle;
use crate::transport::{TcpTotals, Totals};

/// One moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) at_ns: u64,
    pub(super) server_cpu_ns: u64,
    /// All of this process.
    pub(super) own_cpu_ns: u64,
    pub(super) publisher_cpu_ns: u64,
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

impl Snapshot {
    /// Fails when the server has gone.
    pub(super) fn take(
        server: &ServerHandle,
        crew: &Crew,
        publisher: &Publisher,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            at_ns: clock::now_ns(),
            server_cpu_ns: server.cpu.read_ns()?,
            own_cpu_ns: CpuClock::own().read_ns()?,
            publisher_cpu_ns: publisher.cpu_ns(),
            engine_cpu_ns: clock::read_ns(ClockId::CLOCK_THREAD_CPUTIME_ID)?,
            totals: crew.totals(),
            memory: server.memory(),
            machine: MachineTime::read(),
            server_ticks: server.ticks(),
            server_threads: server.threads(),
            generator_threads: Threads::named(THREAD_NAME),
            publisher_tcp: publisher.tcp(),
            socket_memory_bytes: socket_memory_bytes(),
        })
    }
}
