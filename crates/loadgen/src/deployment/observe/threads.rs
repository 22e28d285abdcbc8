//! What the kernel has charged to each thread of a process.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nix::unistd::Pid;

use super::process::{CpuSplit, Stat};

/// What some threads of a process have used so far, by their numbers.
#[derive(Clone, Debug)]
pub(crate) struct Threads(BTreeMap<i32, ThreadUse>);

/// What threads have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ThreadUse {
    /// CPU time, in ticks.
    cpu: CpuSplit,
    /// How often they left their core, by themselves or not.
    pub(super) context_switches: u64,
    /// How long they were ready to run but had no core, where the kernel says so.
    pub(super) wait_ns: Option<u64>,
}

impl Threads {
    /// A single one, which has waited for a core for so long.
    #[cfg(test)]
    pub(crate) fn waited(wait_ns: Option<u64>) -> Self {
        Self(BTreeMap::from([(1, ThreadUse { wait_ns, ..ThreadUse::default() })]))
    }

    /// All threads of `process`; `None` when it has gone.
    pub(super) fn of(process: Pid) -> Option<Self> {
        Self::read(process, |_| true)
    }

    /// The threads of this process that have `name`, which has 15 bytes at most.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::read(Pid::this(), |found| found == name)
    }

    fn read(process: Pid, wanted: impl Fn(&str) -> bool) -> Option<Self> {
        let mut threads = BTreeMap::new();
        for number in thread_numbers(process)? {
            let path = format!("/proc/{process}/task/{number}");
            // A thread may end between one look and the next.
            let Ok(stat) = fs::read_to_string(format!("{path}/stat")) else { continue };
            if name_in(&stat).is_some_and(&wanted)
                && let Some(used) = ThreadUse::read(&stat, Path::new(&path))
            {
                threads.insert(number, used);
            }
        }
        Some(Self(threads))
    }

    /// These threads and others.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The CPU time of all of them, in ticks.
    pub(super) fn cpu_split(&self) -> CpuSplit {
        self.0.values().fold(CpuSplit::default(), |sum, thread| sum.plus(thread.cpu))
    }

    /// What these threads have used since `earlier`. What a thread that has ended used in the
    /// meantime is not known any more.
    pub(super) fn since(&self, earlier: &Self) -> Option<ThreadUse> {
        let mut sum = ThreadUse { wait_ns: Some(0), ..ThreadUse::default() };
        for (number, now) in &self.0 {
            let used = match earlier.0.get(number) {
                Some(before) => now.since(before)?,
                None => *now,
            };
            sum = sum.plus(&used);
        }
        Some(sum)
    }
}

impl ThreadUse {
    fn read(stat: &str, thread: &Path) -> Option<Self> {
        let status = fs::read_to_string(thread.join("status")).ok()?;
        let schedstat = fs::read_to_string(thread.join("schedstat")).ok();
        Some(Self {
            cpu: Stat::parse(stat)?.cpu,
            context_switches: switches_in(&status)?,
            wait_ns: schedstat.and_then(|text| text.split_whitespace().nth(1)?.parse().ok()),
        })
    }

    fn plus(&self, other: &Self) -> Self {
        Self {
            cpu: self.cpu.plus(other.cpu),
            context_switches: self.context_switches + other.context_switches,
            wait_ns: self.wait_ns.zip(other.wait_ns).map(|(mine, theirs)| mine + theirs),
        }
    }

    fn since(&self, earlier: &Self) -> Option<Self> {
        let wait_ns = self.wait_ns.zip(earlier.wait_ns);
        Some(Self {
            cpu: self.cpu.since(earlier.cpu)?,
            context_switches: self.context_switches.checked_sub(earlier.context_switches)?,
            wait_ns: wait_ns.and_then(|(now, before)| now.checked_sub(before)),
        })
    }
}

/// The numbers of all threads of `process`.
pub(super) fn thread_numbers(process: Pid) -> Option<Vec<i32>> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    Some(tasks.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// The thread's name in its `stat`.
fn name_in(stat: &str) -> Option<&str> {
    Some(stat.split_once('(')?.1.rsplit_once(')')?.0)
}

/// Both kinds of context switches in a `status`.
fn switches_in(status: &str) -> Option<u64> {
    let count = |key: &str| -> Option<u64> {
        status.lines().find_map(|line| line.strip_prefix(key))?.trim().parse().ok()
    };
    Some(count("voluntary_ctxt_switches:")? + count("nonvoluntary_ctxt_switches:")?)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn only_the_threads_of_that_name_are_counted() {
        const NAME: &str = "counted (one)";
        let (ask, asked) = mpsc::channel::<()>();
        let (answer, answers) = mpsc::channel();
        let thread = std::thread::Builder::new().name(NAME.into()).spawn(move || {
            while asked.recv().is_ok() {
                answer.send(()).unwrap();
            }
        });
        let turn = || {
            ask.send(()).unwrap();
            answers.recv().unwrap();
        };
        turn();
        let before = Threads::named(NAME).unwrap();
        assert_eq!(before.0.len(), 1);
        for _ in 0..100 {
            turn();
        }
        let after = Threads::named(NAME).unwrap();
        let used = after.since(&before).unwrap();
        assert!(used.context_switches > 0, "it waited for each of 100 turns: {used:?}");
        assert_eq!(before.since(&after), None, "nothing runs backwards");
        assert!(Threads::of(Pid::this()).unwrap().0.len() > 1, "and there are others");
        drop(ask);
        thread.unwrap().join().unwrap();
        assert!(Threads::of(Pid::from_raw(i32::MAX)).is_none());
    }

    #[test]
    fn a_thread_that_is_new_counts_whole() {
        let used = |switches, wait_ns| ThreadUse {
            context_switches: switches,
            wait_ns,
            ..ThreadUse::default()
        };
        let earlier = Threads(BTreeMap::from([(1, used(5, Some(50))), (2, used(7, Some(70)))]));
        let later = Threads(BTreeMap::from([(1, used(6, Some(80))), (3, used(2, Some(9)))]));
        let sum = later.since(&earlier).unwrap();
        assert_eq!((sum.context_switches, sum.wait_ns), (3, Some(39)));
        let silent = Threads(BTreeMap::from([(1, used(6, None))]));
        assert_eq!(silent.since(&earlier).unwrap().wait_ns, None);
    }

    #[test]
    fn switches() {
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n";
        assert_eq!(switches_in(status), Some(15));
        assert_eq!(switches_in("voluntary_ctxt_switches:\t12\n"), None);
        assert_eq!(name_in("12 (a) b) S 1"), Some("a) b"));
    }
}
