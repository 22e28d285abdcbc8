//! What the kernel says about one process, and what it grants this one.

use std::fs;

use anyhow::Context as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use pushbench_wire::clock;

use super::kilobytes;

/// The CPU clock of a process: nanoseconds of all its threads, living and ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuClock(ClockId);

impl CpuClock {
    /// That of another process.
    pub(crate) fn of(process: Pid) -> nix::Result<Self> {
        clock_getcpuclockid(process).map(Self)
    }

    /// That of this process.
    pub(crate) const fn own() -> Self {
        Self(ClockId::CLOCK_PROCESS_CPUTIME_ID)
    }

    /// CPU time used so far. Fails when the process has gone.
    pub(crate) fn read_ns(self) -> nix::Result<u64> {
        clock::read_ns(self.0)
    }
}

/// User and system time of a process or thread, in ticks of 10 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuTicks {
    user: u64,
    system: u64,
}

impl CpuTicks {
    /// Those of all threads of `process`, living and ended: reads `/proc/PID/stat`.
    pub(crate) fn of(process: Pid) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
    }

    pub(super) fn parse(stat: &str) -> Option<Self> {
        // The name stands in brackets and may hold anything, brackets too.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse().ok();
        Some(Self { user: ticks()?, system: ticks()? })
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { user: self.user + other.user, system: self.system + other.system }
    }

    /// What has come since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Option<Self> {
        Some(Self {
            user: self.user.checked_sub(earlier.user)?,
            system: self.system.checked_sub(earlier.system)?,
        })
    }

    /// Divides an exact time into user and system time as these ticks are divided; `None` without
    /// a tick.
    pub(crate) fn divide(self, total_ns: u64) -> Option<(f64, f64)> {
        let all = (self.user + self.system) as f64;
        let share = |ticks: u64| total_ns as f64 * ticks as f64 / all;
        (all > 0.0).then(|| (share(self.user), share(self.system)))
    }
}

/// Forgets the largest resident memory of this process, so that [`Memory::peak`] counts from now
/// on. Says whether the kernel did.
pub(crate) fn reset_memory_peak() -> bool {
    // 5 is for the peak, see proc_pid_clear_refs(5).
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Resident and anonymous: its own, without the pages of files and libraries.
    pub(crate) anonymous: u64,
    /// The most that was ever resident, files included.
    pub(crate) peak: u64,
}

/// Reads `/proc/PID/status`.
pub(crate) fn memory_of(process: Pid) -> Option<Memory> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    Some(Memory {
        anonymous: kilobytes(&status, "RssAnon:")? * 1024,
        peak: kilobytes(&status, "VmHWM:")? * 1024,
    })
}

/// Files that are open besides the subscribers' sockets.
pub(crate) const OTHER_FILES: u64 = 100;

/// Makes room for `sockets` open sockets, which the server inherits.
pub(crate) fn reserve_files(sockets: u64) -> anyhow::Result<()> {
    let needed = sockets + OTHER_FILES;
    let (soft, hard) =
        getrlimit(Resource::RLIMIT_NOFILE).context("cannot read the open-file limit")?;
    anyhow::ensure!(
        needed <= hard,
        "{sockets} subscribers take {needed} open files, but this process may have {hard}: \
         raise the limit (`ulimit -Hn {needed}`, as root) or lower `subscribers`"
    );
    if soft < needed {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
            .context("cannot raise the open-file limit")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_divide_an_exact_time() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 120 40 9 9 20 0 1 0 5";
        let ticks = CpuTicks::parse(stat).unwrap();
        assert_eq!(ticks, CpuTicks { user: 120, system: 40 });
        let earlier = CpuTicks { user: 60, system: 20 };
        assert_eq!(ticks.since(earlier).unwrap().divide(1_000), Some((750.0, 250.0)));
        assert_eq!(ticks.since(ticks).unwrap().divide(1_000), None, "no tick fell");
        assert_eq!(earlier.since(ticks), None);
        assert_eq!(CpuTicks::parse("7 (a) S 1"), None);
        assert!(CpuTicks::of(Pid::this()).is_some());
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
            println!("skipped: this kernel does not reset the peak");
        }
    }

    #[test]
    fn this_process_has_memory_and_a_clock() {
        let memory = memory_of(Pid::this()).unwrap();
        assert!(memory.anonymous > 0 && memory.peak > 0);
        assert!(CpuClock::of(Pid::this()).unwrap().read_ns().unwrap() > 0);
        assert!(memory_of(Pid::from_raw(i32::MAX)).is_none());
    }
}
