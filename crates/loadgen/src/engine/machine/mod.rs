//! The machine as a whole: what the kernel says about it, and what it grants to this process. What it
//! does not say is `None`.

mod time;

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::deployment::{Cores, CpuLimit};
use crate::results::model::Machine;

pub(super) use time::MachineTime;

/// How much of the machine's CPU time is used within `span`, in per cent. None where nobody says.
pub(crate) async fn busy_percent(span: Duration) -> Option<f64> {
    let before = MachineTime::read()?;
    tokio::time::sleep(span).await;
    MachineTime::read()?.busy_percent_since(&before)
}

/// What the kernel has allocated for its own objects, sockets among them, on the whole machine: reads
/// `/proc/meminfo`.
pub(super) fn slab_bytes() -> Option<u64> {
    meminfo_bytes(&fs::read_to_string("/proc/meminfo").ok()?, "Slab:")
}

fn meminfo_bytes(meminfo: &str, key: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
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

/// Makes sure that as many connections can have a port each.
///
/// # Errors
/// When they cannot, with what to do about it.
pub(crate) fn check_ports(connections: u64) -> anyhow::Result<()> {
    let Some(ports) = local_ports().filter(|ports| *ports < connections) else { return Ok(()) };
    anyhow::bail!(
        "{connections} connections take a local port each, but `net.ipv4.ip_local_port_range` has only \
         {ports}: widen it (`sysctl -w net.ipv4.ip_local_port_range='1024 65535'`, as root) or lower \
         `subscribers`"
    )
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
        cpu_limit_cores: CpuLimit::read().map(|limit| limit.cores),
        server_cores: numbers(&cores.server),
        generator_cores: numbers(&cores.generator),
        memory_bytes: read("/proc/meminfo").and_then(|text| meminfo_bytes(&text, "MemTotal:")),
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
        let all = local_ports().unwrap();
        assert!(all > 1_000 && check_ports(all).is_ok());
        let error = check_ports(all + 1).unwrap_err().to_string();
        assert!(error.contains("take a local port each, but"), "{error}");
    }

    #[test]
    fn kernel_memory() {
        let meminfo = "MemTotal:       16 kB\nSlab:            2 kB\nHugePages_Total: 0\n";
        assert_eq!(meminfo_bytes(meminfo, "Slab:"), Some(2_048));
        assert_eq!(meminfo_bytes(meminfo, "HugePages_Total:"), None);
        assert!(slab_bytes().is_some());
    }
}
