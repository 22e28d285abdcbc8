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
    fn this_process_has_memory_and_a_clock() {
        let memory = memory_of(Pid::this()).unwrap();
        assert!(memory.anonymous > 0 && memory.peak > 0);
        assert!(CpuClock::of(Pid::this()).unwrap().read_ns().unwrap() > 0);
        assert!(memory_of(Pid::from_raw(i32::MAX)).is_none());
    }
}
