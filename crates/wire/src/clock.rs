//! The one clock that measurements use: `CLOCK_MONOTONIC`, which all processes of one host share.

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`. Comparable between processes of one host, not between hosts.
#[must_use]
pub fn now_ns() -> u64 {
    read_ns(ClockId::CLOCK_MONOTONIC).unwrap_or_else(|error| {
        // The kernel has had this clock since 2.6: a failure means a broken sandbox, and no
        // measurement could go on without it.
        panic!("CLOCK_MONOTONIC cannot be read: {error}")
    })
}

/// Nanoseconds of any clock, such as the CPU clock of a process.
///
/// # Errors
/// What the kernel says, for instance `ESRCH` when the process of a CPU clock has gone.
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
