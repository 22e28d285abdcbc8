//! What the kernel says about one process.

use std::fs;
use std::path::Path;

use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use pushbench_wire::clock;

/// A tick of the files in `/proc`: the kernel has reported in 1/100 s since 2.6, whatever it counts
/// in.
pub(super) const TICK_NS: u64 = 10_000_000;

/// The CPU clock of a process: nanoseconds of all its threads, living and ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct CpuClock(ClockId);

impl CpuClock {
    /// That of another process.
    pub(super) fn of(process: Pid) -> nix::Result<Self> {
        clock_getcpuclockid(process).map(Self)
    }

    /// That of this process.
    pub(super) const fn own() -> Self {
        Self(ClockId::CLOCK_PROCESS_CPUTIME_ID)
    }

    /// CPU time used so far. Fails when the process has gone.
    pub(super) fn read_ns(self) -> nix::Result<u64> {
        clock::read_ns(self.0)
    }
}

/// User and system time in some unit: what divides an exact time into both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuSplit {
    pub(super) user: u64,
    pub(super) system: u64,
}

/// A kernel looks at what runs with each tick, so fewer of them divide a time by chance.
const LEAST_TICKS: u64 = 50;

impl CpuSplit {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { user: self.user + other.user, system: self.system + other.system }
    }

    /// What has come since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Option<Self> {
        Some(Self {
            user: self.user.checked_sub(earlier.user)?,
            system: self.system.checked_sub(earlier.system)?,
        })
    }

    pub(super) fn sum(self) -> u64 {
        self.user + self.system
    }

    /// Divides an exact time into user and system time as these divide; `None` when they are too few to
    /// tell.
    pub(super) fn divide(self, total_ns: u64) -> Option<(f64, f64)> {
        let all = self.sum() as f64;
        let share = |part: u64| total_ns as f64 * part as f64 / all;
        (self.sum() >= LEAST_TICKS).then(|| (share(self.user), share(self.system)))
    }
}

/// The fields of a `stat` file that are used here, of a process or a thread; see proc_pid_stat(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Whether it has ended, and only its account is left: nobody has waited for it yet.
    pub(super) has_ended: bool,
    pub(super) parent: i32,
    /// In ticks, of all threads of a process, living and ended.
    pub(super) cpu: CpuSplit,
    /// The same of the children that it has waited for, and of those that they have.
    pub(super) waited_for: CpuSplit,
    /// When it started, in ticks from boot: tells it from another that gets its number later.
    pub(super) started: u64,
}

impl Stat {
    /// Reads `DIR/stat`; `None` when it has gone.
    pub(super) fn read(dir: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(dir.join("stat")).ok()?)
    }

    pub(super) fn parse(stat: &str) -> Option<Self> {
        // The name stands in brackets and may hold anything, brackets too.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse().ok();
        Some(Self {
            has_ended: matches!(*fields.first()?, "Z" | "X"),
            parent: fields.get(1)?.parse().ok()?,
            cpu: CpuSplit { user: number(11)?, system: number(12)? },
            waited_for: CpuSplit { user: number(13)?, system: number(14)? },
            started: number(19)?,
        })
    }
}

/// Forgets the largest resident memory of this process, so that [`Memory::peak`] counts from now
/// on. Says whether the kernel did.
pub(super) fn reset_memory_peak() -> bool {
    // 5 is for the peak, see proc_pid_clear_refs(5).
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// Resident and anonymous: its own, without the pages of files and libraries.
    pub(super) anonymous: u64,
    /// Resident now, files included.
    pub(super) resident: u64,
    /// The most that was ever resident.
    pub(super) peak: u64,
}

impl Memory {
    /// From the text of `/proc/PID/status`.
    pub(super) fn parse(status: &str) -> Option<Self> {
        Some(Self {
            anonymous: bytes_in(status, "RssAnon:")?,
            resident: bytes_in(status, "VmRSS:")?,
            peak: bytes_in(status, "VmHWM:")?,
        })
    }
}

/// What a process has of memory that it shares with others, each page divided by how many share it:
/// from the text of `/proc/PID/smaps_rollup`, anonymous and all.
pub(super) fn shares_in(smaps: &str) -> Option<(u64, u64)> {
    Some((bytes_in(smaps, "Pss_Anon:")?, bytes_in(smaps, "Pss:")?))
}

/// The bytes behind `key` in a file of `/proc` that counts in KiB.
fn bytes_in(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Reads `/proc/PID/status`.
pub(super) fn memory_of(process: Pid) -> Option<Memory> {
    Memory::parse(&fs::read_to_string(format!("/proc/{process}/status")).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::observe::{Observe as _, OwnProcess};

    #[test]
    fn ticks_divide_an_exact_time() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 120 40 9 8 20 0 1 0 5";
        let stat = Stat::parse(stat).unwrap();
        let ticks = CpuSplit { user: 120, system: 40 };
        let waited_for = CpuSplit { user: 9, system: 8 };
        assert_eq!(stat, Stat { has_ended: false, parent: 1, cpu: ticks, waited_for, started: 5 });
        let earlier = CpuSplit { user: 60, system: 20 };
        assert_eq!(ticks.since(earlier).unwrap().divide(1_000), Some((750.0, 250.0)));
        assert_eq!(ticks.since(ticks).unwrap().divide(1_000), None, "no tick fell");
        assert_eq!(CpuSplit { user: 49, system: 0 }.divide(1_000), None, "too few to tell");
        assert_eq!(earlier.since(ticks), None);
        assert_eq!(Stat::parse("7 (a) S 1"), None);
        assert!(Stat::read(Path::new("/proc/self")).is_some());
    }

    #[test]
    fn the_memory_peak_can_start_again() {
        let peak = || memory_of(Pid::this()).unwrap().peak;
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        let high = peak();
        drop(block);
        if reset_memory_peak() {
            assert!(peak() < high, "{high} is forgotten");
        } else {
            // Then the peak is not said to be one of the trial.
            let mut own = OwnProcess::new("nobody");
            assert_eq!(own.read().memory_peak_bytes, None);
        }
    }

    #[test]
    fn this_process_has_memory_and_a_clock() {
        let memory = memory_of(Pid::this()).unwrap();
        assert!(memory.anonymous > 0 && memory.resident > memory.anonymous);
        assert!(memory.peak >= memory.resident);
        assert!(CpuClock::of(Pid::this()).unwrap().read_ns().unwrap() > 0);
        assert!(memory_of(Pid::from_raw(i32::MAX)).is_none());
    }
}
