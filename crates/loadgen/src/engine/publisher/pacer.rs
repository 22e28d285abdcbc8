//! Waking up at a planned time, as precisely as the kernel allows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pushbench_wire::clock;

/// How long before the time the thread stops sleeping and spins. A sleep with minimal timer slack
/// ends 30 to 60 µs late at the median, and spinning costs CPU that subscribers may need.
const SPIN_NS: u64 = 80_000;

/// Asks the kernel to wake this thread without the usual 50 µs of slack. A kernel that refuses
/// only makes the publisher's lateness larger, which every trial reports.
pub(super) fn prepare_thread() {
    let _ = nix::sys::prctl::set_timerslack(1);
}

/// How often a long sleep looks whether it should go on.
const LOOK_UP_NS: u64 = 50_000_000;

/// Blocks the thread until `time_ns` of [`clock`], or until `stop` is set, which is looked at only
/// now and then.
#[expect(clippy::disallowed_methods, reason = "this is the pacer: its thread does nothing else")]
pub(super) fn sleep_until(time_ns: u64, stop: &AtomicBool) {
    loop {
        let sleep_ns = time_ns.saturating_sub(clock::now_ns()).saturating_sub(SPIN_NS);
        if sleep_ns == 0 {
            break;
        }
        if stop.load(Ordering::Relaxed) {
            return;
        }
        std::thread::sleep(Duration::from_nanos(sleep_ns.min(LOOK_UP_NS)));
    }
    while clock::now_ns() < time_ns {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_wakes_early_unless_stopped() {
        prepare_thread();
        let go_on = AtomicBool::new(false);
        for gap_ns in [0, 1_000, 100_000, 3_000_000, 60_000_000] {
            let time_ns = clock::now_ns() + gap_ns;
            sleep_until(time_ns, &go_on);
            assert!(clock::now_ns() >= time_ns);
        }
        sleep_until(0, &go_on);
        sleep_until(u64::MAX, &AtomicBool::new(true));
    }
}
