//! What the operating system says about processes and the machine. What it does not say is `None`.

mod cores;
mod machine;
mod process;

pub(crate) use cores::Cores;
pub(crate) use machine::{MachineTime, machine};
pub(crate) use process::{CpuClock, Memory, OTHER_FILES, memory_of, reserve_files};

/// The number behind `key` in text such as `/proc/meminfo`, whose kB are KiB.
fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
