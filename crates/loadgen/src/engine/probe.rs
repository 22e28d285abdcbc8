//! What the operating system says about processes and the machine. What it does not say is `None`.

mod machine_time;

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context as _;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use pushbench_wire::clock;

use crate::results::model::Machine;

pub(crate) use machine_time::MachineTime;

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

/// The number behind `key` in text such as `/proc/meminfo`, whose kB are KiB.
fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// How the cores that this process may use are divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cores {
    /// Those of the server.
    pub(crate) server: Vec<usize>,
    /// Those of the generator: the same when there is only one.
    pub(crate) generator: Vec<usize>,
}

impl Cores {
    /// Halves the cores that this process may use; the server gets the smaller half. Threads of
    /// one physical core stay together, because they slow each other down.
    pub(crate) fn divide() -> anyhow::Result<Self> {
        let allowed =
            sched_getaffinity(Pid::from_raw(0)).context("cannot read the CPU affinity")?;
        let cpus = (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap_or(false));
        let mut cores = BTreeMap::<String, Vec<usize>>::new();
        for cpu in cpus {
            let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
            let siblings = fs::read_to_string(path).unwrap_or_else(|_| cpu.to_string());
            cores.entry(siblings).or_default().push(cpu);
        }
        let mut cores: Vec<_> = cores.into_values().collect();
        cores.sort_unstable();
        Ok(Self::halve(&cores))
    }

    fn halve(cores: &[Vec<usize>]) -> Self {
        if cores.len() < 2 {
            return Self { server: cores.concat(), generator: cores.concat() };
        }
        let (server, generator) = cores.split_at(cores.len() / 2);
        Self { server: server.concat(), generator: generator.concat() }
    }

    /// Whether both sides have to share what there is.
    pub(crate) fn are_shared(&self) -> bool {
        self.server == self.generator
    }

    /// The cores of both sides, each once.
    pub(crate) fn all(&self) -> Vec<usize> {
        let mut all = [&self.server[..], &self.generator].concat();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Confines the calling thread, and all threads that it starts, to the generator's cores.
    pub(crate) fn confine_generator(&self) -> anyhow::Result<()> {
        let mut set = CpuSet::new();
        for &core in &self.generator {
            set.set(core)
                .with_context(|| format!("core {core} is beyond what the kernel counts"))?;
        }
        sched_setaffinity(Pid::from_raw(0), &set).context("cannot set the CPU affinity")
    }
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

/// What the manifest says about the machine.
pub(crate) fn machine(cores: &Cores) -> Machine {
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let numbers = |cores: &[usize]| cores.iter().map(|&core| core as u32).collect::<Vec<_>>();
    Machine {
        kernel: read("/proc/sys/kernel/osrelease").unwrap_or_default(),
        cpu_model: read("/proc/cpuinfo").and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        }),
        cpu_governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        cores: cores.all().len() as u32,
        server_cores: numbers(&cores.server),
        generator_cores: numbers(&cores.generator),
        memory_bytes: read("/proc/meminfo")
            .and_then(|text| kilobytes(&text, "MemTotal:"))
            .map(|kilobytes| kilobytes * 1024),
        congestion_control: read("/proc/sys/net/ipv4/tcp_congestion_control"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_never_shares_a_core_unless_there_is_one() {
        let halves = |cores: &[&[usize]]| {
            let cores: Vec<_> = cores.iter().map(|threads| threads.to_vec()).collect();
            let Cores { server, generator } = Cores::halve(&cores);
            (server, generator)
        };
        assert_eq!(halves(&[&[3]]), (vec![3], vec![3]));
        assert_eq!(halves(&[&[0], &[1]]), (vec![0], vec![1]));
        assert_eq!(halves(&[&[0], &[2], &[5]]), (vec![0], vec![2, 5]));
        assert_eq!(halves(&[&[0, 2], &[1, 3]]), (vec![0, 2], vec![1, 3]), "threads of one core");
    }

    #[test]
    fn this_process_has_memory_and_a_clock() {
        let memory = memory_of(Pid::this()).unwrap();
        assert!(memory.anonymous > 0 && memory.peak > 0);
        assert!(CpuClock::of(Pid::this()).unwrap().read_ns().unwrap() > 0);
        assert!(memory_of(Pid::from_raw(i32::MAX)).is_none());
    }
}
