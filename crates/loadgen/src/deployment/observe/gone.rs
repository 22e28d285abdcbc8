//! A part that was killed, and does not come back: what it used is still told, and it has no memory any more.

use nix::unistd::Pid;

use super::{Observation, Observe};

/// A part that has gone, and what was seen of it just before.
pub(super) struct Gone {
    alive: Observation,
    part: Box<dyn Observe>,
}

impl Gone {
    pub(super) fn new(alive: Observation, part: Box<dyn Observe>) -> Self {
        Self { alive, part }
    }
}

impl Observe for Gone {
    fn look(&mut self) {
        self.part.look();
    }

    fn read(&mut self) -> Observation {
        let now = self.part.read();
        Observation {
            // As long as nobody takes notice of its end, the system has its account.
            cpu_ns: now.cpu_ns.or(self.alive.cpu_ns),
            cpu_split: now.cpu_split.or(self.alive.cpu_split),
            threads: self.alive.threads.clone(),
            memory_bytes: Some(0),
            memory_peak_bytes: self.alive.memory_peak_bytes,
            ..now
        }
    }

    fn processes(&self) -> Vec<Pid> {
        self.part.processes()
    }

    fn count_instructions(&mut self, on: bool) {
        self.part.count_instructions(on);
    }
}
