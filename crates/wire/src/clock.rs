//! The only clock for measurements: `CLOCK_MONOTONIC`, which all processes of a host share.

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`. They can be compared between processes of one host, but not
/// between hosts.
#[must_use]
pub fn now_ns() -> u64 {
    read_ns(ClockId::CLOCK_MONOTONIC).unwrap_or_else(|error| {
        // Linux has had this clock since 2.6, so a failure means a broken sandbox, and nothing can
        // be measured without it.
        panic!("cannot read CLOCK_MONOTONIC: {error}")
    })
}

/// Nanoseconds of any clock, such as the CPU clock of a process.
///
/// # Errors
/// What the kernel reports, for instance `ESRCH` when the process of a CPU clock has ended.
pub fn read_ns(clock: ClockId) -> nix::Result<u64> {
    let time = clock_gettime(clock)?;
    let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec()).unwrap_or_default();
    Ok(seconds * 1_000_000_000 + nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_runs_backwards() {
        let mut before = now_ns();
        for _ in 0..1_000 {
            let now = now_ns();
            assert!(now >= before);
            before = now;
        }
    }
}
