//! What the operating system says about processes and the machine. What it does not say is `None`.

mod cores;
mod instructions;
mod machine;
mod machine_time;
mod process;
mod threads;

pub(crate) use cores::Cores;
pub(crate) use instructions::EventCounter;
pub(crate) use machine::{local_ports, machine, socket_memory_bytes};
pub(crate) use machine_time::MachineTime;
pub(crate) use process::{
    CpuClock, CpuTicks, Memory, OTHER_FILES, memory_of, reserve_files, reset_memory_peak,
};
pub(crate) use threads::Threads;

/// The number behind `key` in text such as `/proc/meminfo`, whose kB are KiB.
fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
