//! A part whose process was replaced by another one: what both used is one account.

use nix::unistd::Pid;

use super::{Observation, Observe};

/// The process that is there now, and what the one before had used.
pub(super) struct Successor {
    before: Observation,
    now: Box<dyn Observe>,
}

impl Successor {
    /// Of a window in which one follows the other, nobody knows the instructions: those with which the new one
    /// has started are not counted.
    pub(super) fn new(before: Observation, now: Box<dyn Observe>) -> Self {
        Self { before: Observation { instructions: None, ..before }, now }
    }
}

impl Observe for Successor {
    fn look(&mut self) {
        self.now.look();
    }

    fn read(&mut self) -> Observation {
        let (before, now) = (&self.before, self.now.read());
        let both = |one: Option<u64>, other: Option<u64>| Some(one? + other?);
        Observation {
            cpu_ns: both(before.cpu_ns, now.cpu_ns),
            cpu_is_incomplete: before.cpu_is_incomplete || now.cpu_is_incomplete,
            cpu_split: before.cpu_split.zip(now.cpu_split).map(|(one, other)| one.plus(other)),
            threads: before.threads.clone().zip(now.threads).map(|(one, other)| one.and(other)),
            instructions: both(before.instructions, now.instructions),
            memory_bytes: now.memory_bytes,
            memory_peak_bytes: before
                .memory_peak_bytes
                .zip(now.memory_peak_bytes)
                .map(|(one, other)| one.max(other)),
        }
    }

    fn processes(&self) -> Vec<Pid> {
        self.now.processes()
    }

    fn count_instructions(&mut self, on: bool) {
        if on {
            // What was counted before is of another window.
            self.before.instructions = Some(0);
        }
        self.now.count_instructions(on);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::observe::Threads;

    struct Fixed(Observation);

    impl Observe for Fixed {
        fn look(&mut self) {}

        fn read(&mut self) -> Observation {
            self.0.clone()
        }

        fn processes(&self) -> Vec<Pid> {
            vec![Pid::from_raw(7)]
        }

        fn count_instructions(&mut self, on: bool) {
            self.0.instructions = on.then_some(5);
        }
    }

    #[test]
    fn what_both_used_is_added_and_what_both_had_is_not() {
        let before = Observation {
            cpu_ns: Some(100),
            threads: Some(Threads::waited(Some(3))),
            instructions: Some(10),
            memory_bytes: Some(50),
            memory_peak_bytes: Some(80),
            ..Observation::default()
        };
        let now = Observation {
            cpu_ns: Some(30),
            threads: Some(Threads::waited(Some(3))),
            memory_bytes: Some(40),
            memory_peak_bytes: Some(60),
            ..Observation::default()
        };
        let mut part = Successor::new(before.clone(), Box::new(Fixed(now)));
        let both = part.read();
        assert_eq!((both.cpu_ns, both.instructions), (Some(130), None));
        assert_eq!((both.memory_bytes, both.memory_peak_bytes), (Some(40), Some(80)));
        assert_eq!(part.processes(), [Pid::from_raw(7)]);
        part.count_instructions(true);
        assert_eq!(part.read().instructions, Some(5), "of another window");
        let unknown = Observation { cpu_ns: None, ..before };
        let mut part = Successor::new(unknown, Box::new(Fixed(Observation::default())));
        assert_eq!(part.read().cpu_ns, None, "what is not known of one is not known of both");
    }
}
