//! What the kernel says about the machine as a whole.

use std::fs;

use nix::unistd::{SysconfVar, sysconf};

use super::{Cores, kilobytes};
use crate::results::model::Machine;

/// What the kernel has counted of all cores since it started, in ticks of 10 ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MachineTime {
    /// Used by any process or by the kernel.
    busy: u64,
    /// Given to others by the hypervisor.
    stolen: u64,
    all: u64,
}

/// A tick of `/proc/stat`: the kernel has reported in 1/100 s since 2.6, whatever it counts in.
const TICK_NS: u64 = 10_000_000;

impl MachineTime {
    /// Reads the first line of `/proc/stat`.
    pub(crate) fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    fn parse(stat: &str) -> Option<Self> {
        let fields: Vec<u64> = stat
            .lines()
            .next()?
            .strip_prefix("cpu ")?
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        // user nice system idle iowait irq softirq steal; guest time is part of user.
        let (stolen, all) = (*fields.get(7)?, fields[..8].iter().sum::<u64>());
        Some(Self { busy: all - stolen - fields[3] - fields[4], stolen, all })
    }

    /// CPU time that was used since `earlier`, on all cores.
    pub(crate) fn busy_ns_since(self, earlier: Self) -> Option<u64> {
        Some(self.busy.checked_sub(earlier.busy)? * TICK_NS)
    }

    /// The stolen part of the time since `earlier`, in per cent.
    pub(crate) fn stolen_percent_since(self, earlier: Self) -> Option<f64> {
        let all = self.all.checked_sub(earlier.all).filter(|all| *all > 0)?;
        Some(self.stolen.checked_sub(earlier.stolen)? as f64 / all as f64 * 100.0)
    }
}

/// Memory that the buffers of all TCP sockets of the machine take, in bytes, to whole pages: reads
/// `/proc/net/sockstat`.
pub(crate) fn socket_memory_bytes() -> Option<u64> {
    let pages = socket_pages(&fs::read_to_string("/proc/net/sockstat").ok()?)?;
    let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * u64::try_from(page_bytes).ok()?)
}

fn socket_pages(sockstat: &str) -> Option<u64> {
    let tcp = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = tcp.split_whitespace().skip_while(|word| *word != "mem");
    words.nth(1)?.parse().ok()
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
    fn stolen_time() {
        let before = MachineTime::parse("cpu  10 0 10 80 0 0 0 0 0 0\ncpu0 …").unwrap();
        let after = MachineTime::parse("cpu  20 0 20 150 0 0 0 10 0 0\n").unwrap();
        assert_eq!(after.stolen_percent_since(before), Some(10.0));
        assert_eq!(after.busy_ns_since(before), Some(200_000_000));
        assert_eq!(after.stolen_percent_since(after), None, "no time has passed");
        assert!(MachineTime::parse("cpu 1 2 x").is_none());
        assert!(MachineTime::read().is_some());
    }

    #[test]
    fn socket_memory() {
        let sockstat =
            "sockets: used 9\nTCP: inuse 5 orphan 0 tw 1 alloc 8 mem 12\nUDP: inuse 0 mem 3\n";
        assert_eq!(socket_pages(sockstat), Some(12));
        assert_eq!(socket_pages("UDP: inuse 0 mem 3\n"), None);
        assert_eq!(socket_pages("TCP: inuse 5 mem\n"), None);
        assert!(socket_memory_bytes().is_some());
    }
}
