//! A process that was started, and all its descendants: those that come and go, too, and those that
//! it has left in the background, which have another parent then and are known by a [mark](Mark).
//!
//! The kernel adds the time of a child that has ended to what its parent has
//! [waited for](super::process::Stat::waited_for), with that of the child's own children. So the
//! time of a tree is that of everyone who lives, plus what each of them has waited for. Nobody
//! waits for a process whose parent ignores `SIGCHLD`, or whose parent has ended before it: of such
//! a one the last reading is kept: what it used after that is lost, and so is one that came and went
//! between two looks. Unless we [adopt](crate::deployment::family) who has lost its parent: we leave
//! its account with the kernel until the trial is over.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use super::instructions::EventCounter;
use super::process::{CpuClock, CpuSplit, Memory, Stat, TICK_NS, shares_in};
use super::threads::Threads;
use super::{Observation, Observe};
use crate::deployment::family::{Mark, adopter, was_started};

/// The number of `SIGCHLD` on Linux.
const SIGCHLD: u32 = 17;

/// The tree below one process.
pub(super) struct ProcessTree {
    /// `/proc`.
    proc: PathBuf,
    mark: Mark,
    /// When the root started: who is older does not belong to it.
    since: u64,
    members: BTreeMap<i32, Member>,
    /// What those used that have gone, and that nobody has waited for.
    gone: Time,
    /// The most that this tree has been said to have used: what a parent has waited for is counted
    /// in whole ticks, which must not make time run backwards.
    most_ns: u64,
    /// The most that all had resident together, whenever that was read.
    peak_bytes: u64,
    /// The process that was started last on this machine when everyone was looked for.
    newest: Option<String>,
    counter: Option<EventCounter>,
}

/// CPU time.
#[derive(Clone, Copy, Debug, Default)]
struct Time {
    ns: u64,
    split: CpuSplit,
}

/// A process of the tree.
struct Member {
    clock: Option<CpuClock>,
    stat: Stat,
    /// What it and those it has waited for had used when they were last looked at.
    time: Time,
    /// Whether it waits for its children.
    waits: bool,
}

impl Time {
    fn plus(self, other: Self) -> Self {
        Self { ns: self.ns + other.ns, split: self.split.plus(other.split) }
    }
}

impl Member {
    /// `None` when it has gone, or is another one of that number.
    fn read(&self, dir: &Path) -> Option<Self> {
        Self::new(dir, self.clock).filter(|now| now.stat.started == self.stat.started)
    }

    fn new(dir: &Path, clock: Option<CpuClock>) -> Option<Self> {
        let stat = Stat::read(dir)?;
        // Its ticks stand in for a clock that cannot be read.
        let own_ns = clock.and_then(|clock| clock.read_ns().ok());
        let own_ns = own_ns.unwrap_or(stat.cpu.sum() * TICK_NS);
        let time = Time {
            ns: own_ns + stat.waited_for.sum() * TICK_NS,
            split: stat.cpu.plus(stat.waited_for),
        };
        Some(Self { clock, stat, time, waits: true })
    }
}

impl ProcessTree {
    pub(super) fn new(root: Pid, mark: Mark) -> Self {
        Self::within(PathBuf::from("/proc"), root.as_raw(), mark)
    }

    fn within(proc: PathBuf, root: i32, mark: Mark) -> Self {
        let mut tree = Self {
            proc,
            mark,
            since: 0,
            members: BTreeMap::new(),
            gone: Time::default(),
            most_ns: 0,
            peak_bytes: 0,
            newest: None,
            counter: None,
        };
        tree.admit(root);
        tree.since = tree.members.get(&root).map_or(0, |root| root.stat.started);
        tree.look();
        tree
    }

    fn dir(&self, process: i32) -> PathBuf {
        self.proc.join(process.to_string())
    }

    fn admit(&mut self, process: i32) {
        let clock = CpuClock::of(Pid::from_raw(process)).ok();
        if let Some(member) = Member::new(&self.dir(process), clock) {
            self.members.insert(process, member);
        }
    }

    /// Reads everyone again, and settles what those used that have gone.
    fn refresh(&mut self) {
        let mut gone = BTreeMap::new();
        for (process, member) in std::mem::take(&mut self.members) {
            match member.read(&self.dir(process)) {
                Some(now) => self.members.insert(process, Member { waits: member.waits, ..now }),
                None => gone.insert(process, member),
            };
        }
        for member in gone.values() {
            // Whoever ended together with its parent was waited for by that one's parent.
            let mut parent = member.stat.parent;
            while let Some(other) = gone.get(&parent).filter(|other| other.waits) {
                parent = other.stat.parent;
            }
            if !self.members.get(&parent).is_some_and(|parent| parent.waits) {
                self.gone = self.gone.plus(member.time);
            }
        }
    }

    fn file(&self, process: i32, name: &str) -> Option<String> {
        fs::read_to_string(self.dir(process).join(name)).ok()
    }

    /// Of each member that has any. What several share counts once: a process that was forked shares
    /// what it has not written to.
    fn memory(&self) -> Vec<Memory> {
        let members = self.members.keys();
        let own = members
            .filter_map(|&process| Some((process, Memory::parse(&self.file(process, "status")?)?)));
        let own: Vec<_> = own.collect();
        let is_alone = own.len() == 1;
        let share = |(process, memory): (i32, Memory)| {
            // Reading it takes long, and a process that is alone shares nothing.
            let smaps = (!is_alone).then(|| self.file(process, "smaps_rollup")).flatten();
            match smaps.as_deref().and_then(shares_in) {
                Some((anonymous, resident)) => Memory { anonymous, resident, ..memory },
                None => memory,
            }
        };
        own.into_iter().map(share).collect()
    }
}

impl Observe for ProcessTree {
    /// Reads the parents of all processes of the machine, unless none has been started since.
    fn look(&mut self) {
        self.refresh();
        let newest = newest_process(&self.proc);
        if newest.is_some() && newest == self.newest {
            return;
        }
        self.newest = newest;
        let Ok(entries) = fs::read_dir(&self.proc) else { return };
        let processes = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let mut others: BTreeMap<i32, i32> = processes
            .filter(|process| !self.members.contains_key(process))
            .filter_map(|process| Some((process, Stat::read(&self.dir(process))?)))
            .filter(|(_, stat)| stat.started >= self.since)
            .map(|(process, stat)| (process, stat.parent))
            .collect();
        let adopter = adopter().map(Pid::as_raw);
        others.retain(|&process, &mut parent| {
            let is_orphan = !self.members.contains_key(&parent)
                && self
                    .mark
                    .is_on(&self.dir(process), adopter == Some(parent) && !was_started(process));
            if is_orphan {
                self.admit(process);
            }
            !is_orphan
        });
        loop {
            let (children, rest): (BTreeMap<_, _>, _) =
                others.into_iter().partition(|(_, parent)| self.members.contains_key(parent));
            if children.is_empty() {
                break;
            }
            children.into_keys().for_each(|process| self.admit(process));
            others = rest;
        }
        for process in self.members.keys().copied().collect::<Vec<_>>() {
            let waits =
                !self.file(process, "status").is_some_and(|status| ignores_children(&status));
            self.members.entry(process).and_modify(|member| member.waits = waits);
        }
    }

    fn read(&mut self) -> Observation {
        self.refresh();
        if self.members.is_empty() {
            return Observation::default();
        }
        let time = self.members.values().fold(self.gone, |sum, member| sum.plus(member.time));
        self.most_ns = self.most_ns.max(time.ns);
        let memory = self.memory();
        let sum = |part: fn(&Memory) -> u64| memory.iter().map(part).sum();
        // The kernel keeps the peak of each process, not that of several together.
        let known = memory.iter().map(|memory| memory.peak).max().unwrap_or_default();
        self.peak_bytes = self.peak_bytes.max(known).max(sum(|memory| memory.resident));
        let is_known = !memory.is_empty();
        let threads = self.members.keys().map(|&process| Threads::of(Pid::from_raw(process)));
        Observation {
            cpu_ns: Some(self.most_ns),
            cpu_is_incomplete: self.members.values().any(|member| !member.waits),
            cpu_split: Some(time.split),
            threads: threads.flatten().reduce(Threads::and),
            instructions: self.counter.as_mut().and_then(EventCounter::read),
            memory_bytes: is_known.then(|| sum(|memory| memory.anonymous)),
            memory_peak_bytes: is_known.then_some(self.peak_bytes),
        }
    }

    fn processes(&self) -> Vec<Pid> {
        let living = self.members.iter().filter(|(_, member)| !member.stat.has_ended);
        living.map(|(&process, _)| Pid::from_raw(process)).collect()
    }

    fn count_instructions(&mut self, on: bool) {
        self.counter = on.then(|| EventCounter::instructions(self.processes())).flatten();
    }
}

/// The number that a process or thread was given last; see proc_loadavg(5).
fn newest_process(proc: &Path) -> Option<String> {
    let loads = fs::read_to_string(proc.join("loadavg")).ok()?;
    Some(loads.split_whitespace().nth(4)?.to_owned())
}

/// Whether a process with this `status` has its children end without waiting for them.
fn ignores_children(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask >> (SIGCHLD - 1) & 1 == 1)
}

#[cfg(test)]
mod tests;
