//! What is observed of a part, whatever it is, and what it used from one observation to the next.

use nix::unistd::Pid;

use super::process::CpuSplit;
use super::threads::Threads;

/// A way to observe a part.
pub(crate) trait Observe {
    /// Finds out what belongs to the part by now. It costs more than reading: do it outside of what
    /// is measured.
    fn look(&mut self);

    /// What the part has used so far.
    fn read(&mut self) -> Observation;

    /// The processes that belonged to the part when it was last looked at, and live.
    fn processes(&self) -> Vec<Pid>;

    /// Begins or ends counting instructions, which costs the part a little while it goes on.
    fn count_instructions(&mut self, on: bool);
}

/// What a part has used up to one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observation {
    /// CPU time of all its threads, those that have ended too.
    pub(crate) cpu_ns: Option<u64>,
    /// Whether processes of it may have used some that nobody has an account of.
    pub(crate) cpu_is_incomplete: bool,
    /// How that divides into user and system time.
    pub(crate) cpu_split: Option<CpuSplit>,
    /// What its living threads have been charged.
    pub(crate) threads: Option<Threads>,
    /// Instructions in user space since counting began.
    pub(crate) instructions: Option<u64>,
    /// Anonymous resident memory: without the pages of files and libraries.
    pub(crate) memory_bytes: Option<u64>,
    /// The most that was ever resident, files included.
    pub(crate) memory_peak_bytes: Option<u64>,
}

/// What a part, or several together, used between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Used {
    /// CPU time of all threads.
    pub(crate) cpu_ns: Option<u64>,
    /// The part of it spent in user space, and in the kernel.
    pub(crate) user_ns: Option<f64>,
    pub(crate) system_ns: Option<f64>,
    /// How long threads were ready to run but had no core, added up.
    pub(crate) cpu_wait_ns: Option<u64>,
    /// How often threads left their core, by themselves or not.
    pub(crate) context_switches: Option<u64>,
    /// Instructions in user space.
    pub(crate) instructions: Option<u64>,
}

impl Observation {
    /// What was used since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Used {
        let between = |now: Option<u64>, before: Option<u64>| now?.checked_sub(before?);
        let cpu_ns = between(self.cpu_ns, earlier.cpu_ns);
        let split = self.cpu_split.zip(earlier.cpu_split);
        let divided = split.and_then(|(now, before)| now.since(before)?.divide(cpu_ns?));
        let threads = self.threads.as_ref().zip(earlier.threads.as_ref());
        let threads = threads.and_then(|(now, before)| now.since(before));
        Used {
            cpu_ns,
            user_ns: divided.map(|(user, _)| user),
            system_ns: divided.map(|(_, system)| system),
            cpu_wait_ns: threads.and_then(|used| used.wait_ns),
            context_switches: threads.map(|used| used.context_switches),
            instructions: between(self.instructions, earlier.instructions),
        }
    }
}

impl Used {
    /// The same with another CPU time, divided in the same way.
    pub(crate) fn with_cpu(self, cpu_ns: Option<u64>) -> Self {
        let share = cpu_ns.zip(self.cpu_ns).filter(|(_, all)| *all > 0);
        let share = share.map(|(part, all)| part as f64 / all as f64);
        let scaled = |time: Option<f64>| Some(time? * share?);
        Self { cpu_ns, user_ns: scaled(self.user_ns), system_ns: scaled(self.system_ns), ..self }
    }

    /// All parts together. What is not known of one of them is not known of all.
    pub(crate) fn sum(parts: impl IntoIterator<Item = Self>) -> Self {
        fn both<T: std::ops::Add<Output = T>>(one: Option<T>, other: Option<T>) -> Option<T> {
            Some(one? + other?)
        }
        let sum = parts.into_iter().reduce(|sum, part| Self {
            cpu_ns: both(sum.cpu_ns, part.cpu_ns),
            user_ns: both(sum.user_ns, part.user_ns),
            system_ns: both(sum.system_ns, part.system_ns),
            cpu_wait_ns: both(sum.cpu_wait_ns, part.cpu_wait_ns),
            context_switches: both(sum.context_switches, part.context_switches),
            instructions: both(sum.instructions, part.instructions),
        });
        sum.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_of_one_part_is_not_known_of_all() {
        let part = |cpu_ns, context_switches| Used { cpu_ns, context_switches, ..Used::default() };
        let sum = Used::sum([part(Some(3), Some(7)), part(Some(4), None)]);
        assert_eq!(sum, part(Some(7), None));
        assert_eq!(Used::sum([]), Used::default(), "of no part nothing is known");
    }

    #[test]
    fn what_was_not_observed_is_empty() {
        let seen = Observation { cpu_ns: Some(5), instructions: Some(9), ..Observation::default() };
        assert_eq!(seen.since(&Observation::default()), Used::default());
        assert_eq!(Observation::default().since(&seen), Used::default());
        let later =
            Observation { cpu_ns: Some(8), instructions: Some(9), ..Observation::default() };
        let used = later.since(&seen);
        assert_eq!((used.cpu_ns, used.instructions), (Some(3), Some(0)));
        assert_eq!(seen.since(&later).cpu_ns, None, "nothing runs backwards");
    }
}
