//! Events that the CPU counts, see perf_event_open(2): only where the machine has counters and the
//! kernel lets us read them.

use nix::unistd::Pid;
use perf_event::events::{Event, Hardware};
use perf_event::{Builder, Counter};

use super::threads::thread_numbers;

/// Counts one kind of event in all threads of some processes, and in all threads and processes that
/// these start later.
pub(super) struct EventCounter(Vec<Counter>);

impl EventCounter {
    /// Counts the instructions that `processes` execute in user space from now on. Those of the
    /// kernel take a privilege, and a figure must not depend on who asks.
    pub(super) fn instructions(processes: impl IntoIterator<Item = Pid>) -> Option<Self> {
        Self::attach(processes, &Hardware::INSTRUCTIONS.into())
    }

    fn attach(processes: impl IntoIterator<Item = Pid>, event: &Event) -> Option<Self> {
        let mut counters = Vec::new();
        for process in processes {
            for thread in thread_numbers(process)? {
                let mut builder = Builder::new().kind(event.clone()).observe_pid(thread);
                builder.enabled(true).inherit(true);
                counters.push(builder.build().ok()?);
            }
        }
        (!counters.is_empty()).then_some(Self(counters))
    }

    /// How many there were so far; `None` when the counters were shared with somebody else, so
    /// that the figure would be an estimate.
    pub(super) fn read(&mut self) -> Option<u64> {
        self.0.iter_mut().try_fold(0, |sum, counter| {
            let read = counter.read_count_and_time().ok()?;
            (read.time_running == read.time_enabled).then_some(sum + read.count)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use nix::errno::Errno;

    use super::*;
    use crate::deployment::observe::process::CpuClock;
    use perf_event::events::Software;

    /// A counter that every kernel has, against the clock that it must agree with.
    #[test]
    fn the_task_clock_agrees_with_the_cpu_clock() {
        let mut child =
            Command::new("sh").args(["-c", "ulimit -t 9; while :; do :; done"]).spawn().unwrap();
        let process = Pid::from_raw(child.id().cast_signed());
        let clock = CpuClock::of(process).unwrap();
        let clock_ns = || clock.read_ns().unwrap();
        let Some(mut counter) = EventCounter::attach([process], &Software::TASK_CLOCK.into())
        else {
            child.kill().unwrap();
            child.wait().unwrap();
            // Then it is the kernel that refuses, to whomever asks.
            let refused =
                Builder::new().kind(Software::TASK_CLOCK).build().map(|_| ()).unwrap_err();
            let errno = refused.raw_os_error().map(Errno::from_raw);
            assert!(
                matches!(errno, Some(Errno::EACCES | Errno::EPERM | Errno::ENOSYS)),
                "{refused}"
            );
            return;
        };
        // Either of us may lose its core between two looks, so each look at the counter is held
        // between two at the clock.
        let mut look = || (clock_ns(), counter.read(), clock_ns());
        let first = look();
        while clock_ns() < first.2 + 100_000_000 {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let last = look();
        child.kill().unwrap();
        child.wait().unwrap();
        let counted_ns = last.1.unwrap() - first.1.unwrap();
        let (least, most) = ((last.0 - first.2) as f64 * 0.9, (last.2 - first.0) as f64 * 1.1);
        assert!(
            (least..=most).contains(&(counted_ns as f64)),
            "counted {counted_ns} ns, the clock says {least} to {most} ns"
        );
    }

    #[test]
    fn a_process_that_has_gone_has_no_counters() {
        assert!(EventCounter::instructions([Pid::from_raw(i32::MAX)]).is_none());
    }
}
