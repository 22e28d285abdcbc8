//! This process, which generates the load.

use nix::unistd::Pid;

use super::process::{CpuClock, memory_of, reset_memory_peak};
use super::threads::Threads;
use super::{Observation, Observe};

/// This process as a part: all of its CPU time and memory, and what those of its threads were
/// charged that have a certain name.
pub(crate) struct OwnProcess {
    thread_name: &'static str,
    /// Whether the peak of memory counts from the beginning of this observation.
    peak_is_new: bool,
}

impl OwnProcess {
    /// Observes the threads called `thread_name`, at most 15 bytes of it. The peak of memory counts
    /// from here on.
    pub(crate) fn new(thread_name: &'static str) -> Self {
        Self { thread_name, peak_is_new: reset_memory_peak() }
    }
}

impl Observe for OwnProcess {
    fn look(&mut self) {}

    fn read(&mut self) -> Observation {
        let threads = Threads::named(self.thread_name);
        let memory = memory_of(Pid::this());
        Observation {
            cpu_is_incomplete: false,
            cpu_ns: CpuClock::own().read_ns().ok(),
            cpu_split: threads.as_ref().map(Threads::cpu_split),
            threads,
            instructions: None,
            memory_bytes: memory.map(|memory| memory.anonymous),
            memory_peak_bytes: memory.filter(|_| self.peak_is_new).map(|memory| memory.peak),
        }
    }

    fn processes(&self) -> Vec<Pid> {
        vec![Pid::this()]
    }

    fn count_instructions(&mut self, _: bool) {}
}
