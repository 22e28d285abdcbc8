//! A control group, version 2: all that runs in it, whoever started it and whether or not it has
//! ended. Its peak of memory counts pages of files and of the kernel too.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use super::instructions::EventCounter;
use super::process::CpuSplit;
use super::threads::Threads;
use super::{Observation, Observe};

/// One group.
pub(super) struct Cgroup {
    dir: PathBuf,
    counter: Option<EventCounter>,
}

impl Cgroup {
    /// That of this folder.
    pub(super) fn of(folder: &Path) -> Self {
        Self { dir: folder.to_owned(), counter: None }
    }

    /// That of `process`, if it is another one than ours, nobody else is in it, and it accounts for
    /// memory: otherwise the tree of processes says more.
    pub(super) fn of_its_own(process: Pid) -> Option<Self> {
        let path =
            |process: &str| path_in(&fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?);
        let theirs = path(&process.to_string())?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        if theirs == path("self")? {
            return None;
        }
        let dir = mount_in(&mounts)?.join(theirs.trim_start_matches('/'));
        let group = Self { dir, counter: None };
        let is_alone = group.members().is_some_and(|all| all == [process]);
        (is_alone && group.anonymous().is_some()).then_some(group)
    }

    fn members(&self) -> Option<Vec<Pid>> {
        let numbers = fs::read_to_string(self.dir.join("cgroup.procs")).ok()?;
        numbers.lines().map(|line| Some(Pid::from_raw(line.parse().ok()?))).collect()
    }

    fn anonymous(&self) -> Option<u64> {
        self.number("memory.stat", "anon ")
    }

    /// The number behind `key` in a file of the group; the only one of the file without a key.
    fn number(&self, file: &str, key: &str) -> Option<u64> {
        let text = fs::read_to_string(self.dir.join(file)).ok()?;
        text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
    }
}

/// The path of the group of version 2 in a `cgroup` file of a process.
fn path_in(cgroup: &str) -> Option<String> {
    cgroup.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

/// Where version 2 is mounted, see proc_pid_mountinfo(5).
fn mount_in(mountinfo: &str) -> Option<&Path> {
    mountinfo.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        kind.starts_with("cgroup2 ").then(|| mount.split(' ').nth(4).map(Path::new)).flatten()
    })
}

impl Observe for Cgroup {
    fn look(&mut self) {}

    fn read(&mut self) -> Observation {
        let cpu_us = |key| self.number("cpu.stat", key);
        let split = cpu_us("user_usec ").zip(cpu_us("system_usec "));
        let threads = self.processes().into_iter().filter_map(Threads::of);
        Observation {
            cpu_is_incomplete: false,
            cpu_ns: cpu_us("usage_usec ").map(|us| us * 1_000),
            cpu_split: split.map(|(user, system)| CpuSplit { user, system }),
            threads: threads.reduce(Threads::and),
            memory_bytes: self.anonymous(),
            memory_peak_bytes: self.number("memory.peak", ""),
            instructions: self.counter.as_mut().and_then(EventCounter::read),
        }
    }

    fn processes(&self) -> Vec<Pid> {
        self.members().unwrap_or_default()
    }

    fn count_instructions(&mut self, on: bool) {
        let processes = self.members().filter(|_| on);
        self.counter = processes.and_then(EventCounter::instructions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_says_what_all_in_it_used() {
        let dir = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(dir.path().join(file), text).unwrap();
        let mut group = Cgroup { dir: dir.path().to_owned(), counter: None };
        let nothing = group.read();
        assert_eq!((nothing.cpu_ns, nothing.memory_bytes), (None, None), "no file, no figure");
        write("cpu.stat", "usage_usec 1500\nuser_usec 900\nsystem_usec 600\nnr_periods 0\n");
        write("memory.stat", "file 7\nanon 4096\nanon_thp 0\n");
        write("memory.peak", "8192\n");
        write("cgroup.procs", &format!("{}\n", Pid::this()));
        let before = group.read();
        assert_eq!(before.cpu_ns, Some(1_500_000));
        assert_eq!((before.memory_bytes, before.memory_peak_bytes), (Some(4096), Some(8192)));
        write("cpu.stat", "usage_usec 3500\nuser_usec 2400\nsystem_usec 1100\n");
        let used = group.read().since(&before);
        assert_eq!(used.cpu_ns, Some(2_000_000));
        assert_eq!((used.user_ns, used.system_ns), (Some(1_500_000.0), Some(500_000.0)));
        assert!(used.context_switches.is_some());
    }

    #[test]
    fn groups_are_found() {
        let hybrid = "4:memory:/a\n0::/user.slice/b c\n";
        assert_eq!(path_in(hybrid).as_deref(), Some("/user.slice/b c"));
        assert_eq!(path_in("4:memory:/a\n"), None);
        let mounts = "25 20 0:22 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      26 20 0:23 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_in(mounts), Some(Path::new("/sys/fs/cgroup/unified")));
        assert_eq!(mount_in("25 20 0:22 / / rw - ext4 /dev/x rw\n"), None);
        assert!(Cgroup::of_its_own(Pid::this()).is_none(), "that is ours");
    }
}
