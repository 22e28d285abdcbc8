//! The machine as a whole: what the kernel says about it, and what it grants to this process. What it
//! does not say is `None`.

mod time;

use std::fs;

use anyhow::Context as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{SysconfVar, sysconf};

use crate::deployment::Cores;
use crate::results::model::Machine;

pub(super) use time::MachineTime;

/// Memory that the buffers of all TCP sockets of the machine take, in bytes, to whole pages: reads
/// `/proc/net/sockstat`.
pub(super) fn socket_memory_bytes() -> Option<u64> {
    let pages = socket_pages(&fs::read_to_string("/proc/net/sockstat").ok()?)?;
    let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * u64::try_from(page_bytes).ok()?)
}

fn socket_pages(sockstat: &str) -> Option<u64> {
    let tcp = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = tcp.split_whitespace().skip_while(|word| *word != "mem");
    words.nth(1)?.parse().ok()
}

/// How many ports connections from this machine to one address can have: reads
/// `net.ipv4.ip_local_port_range`.
pub(crate) fn local_ports() -> Option<u64> {
    port_range(&fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?)
}

fn port_range(text: &str) -> Option<u64> {
    let mut ends = text.split_whitespace().map(|end| end.parse::<u64>().ok());
    let (first, last) = (ends.next()??, ends.next()??);
    (last + 1).checked_sub(first)
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
        memory_bytes: read("/proc/meminfo").and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
            let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kibibytes * 1024)
        }),
        congestion_control: read("/proc/sys/net/ipv4/tcp_congestion_control"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        assert_eq!(port_range("32768\t60999\n"), Some(28_232));
        assert_eq!(port_range("9 1"), None);
        assert_eq!(port_range("x"), None);
        assert!(local_ports().is_some_and(|ports| ports > 1_000));
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
