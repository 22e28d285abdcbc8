//! What the kernel has counted of every core since it started, in ticks: `/proc/stat`.

use std::collections::BTreeMap;
use std::fs;

/// The counts at one moment.
#[derive(Clone, Debug)]
pub(in crate::engine) struct MachineTime {
    /// Given to others by the hypervisor, on all cores.
    stolen: u64,
    /// All there was, on all cores.
    all: u64,
    /// What processes and threads of the kernel used of each core, without interrupts: those are
    /// caused by whoever sends and receives, and the kernel charges nobody in particular.
    tasks: BTreeMap<usize, u64>,
}

/// A tick of `/proc/stat`: the kernel has reported in 1/100 s since 2.6, whatever it counts in.
const TICK_NS: u64 = 10_000_000;

impl MachineTime {
    /// Reads `/proc/stat`.
    pub(in crate::engine) fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// From the file's text.
    pub(in crate::engine) fn parse(stat: &str) -> Option<Self> {
        let mut lines = stat.lines().map_while(|line| line.strip_prefix("cpu"));
        let (_, machine) = ticks(lines.next()?)?;
        let tasks = lines.map(|line| {
            let (core, [user, nice, system, ..]) = ticks(line)?;
            Some((core.parse().ok()?, user + nice + system))
        });
        let [.., stolen] = machine;
        Some(Self { stolen, all: machine.iter().sum(), tasks: tasks.collect::<Option<_>>()? })
    }

    /// CPU time that tasks used of `cores` since `earlier`, in nanoseconds.
    pub(in crate::engine) fn task_ns_since(&self, earlier: &Self, cores: &[usize]) -> Option<u64> {
        // Some sandboxes have the file, but nothing moves in it.
        self.all.checked_sub(earlier.all).filter(|all| *all > 0)?;
        let used = |core| self.tasks.get(core)?.checked_sub(*earlier.tasks.get(core)?);
        Some(cores.iter().map(used).sum::<Option<u64>>()? * TICK_NS)
    }

    /// The part of the time since `earlier` in which cores ran tasks, in per cent.
    pub(in crate::engine) fn busy_percent_since(&self, earlier: &Self) -> Option<f64> {
        let all = self.all.checked_sub(earlier.all).filter(|all| *all > 0)?;
        let sum = |of: &Self| of.tasks.values().sum::<u64>();
        Some(sum(self).checked_sub(sum(earlier))? as f64 / all as f64 * 100.0)
    }

    /// The stolen part of the time since `earlier`, in per cent.
    pub(in crate::engine) fn stolen_percent_since(&self, earlier: &Self) -> Option<f64> {
        let all = self.all.checked_sub(earlier.all).filter(|all| *all > 0)?;
        Some(self.stolen.checked_sub(earlier.stolen)? as f64 / all as f64 * 100.0)
    }
}

/// The name behind `cpu`, and user, nice, system, idle, iowait, irq, softirq and steal. Guest time,
/// which follows, is part of user.
fn ticks(line: &str) -> Option<(&str, [u64; 8])> {
    let (name, counts) = line.split_once(' ')?;
    let mut ticks = [0; 8];
    let mut counts = counts.split_whitespace();
    for tick in &mut ticks {
        *tick = counts.next()?.parse().ok()?;
    }
    Some((name, ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "cpu  30 0 30 160 0 0 0 0 0 0\n\
                          cpu0 10 0 10 80 0 0 0 0 0 0\n\
                          cpu2 20 0 20 80 0 0 0 0 0 0\n\
                          intr 123 0\n";
    const AFTER: &str = "cpu  53 4 42 220 1 2 8 10 5 0\n\
                         cpu0 20 1 20 149 1 2 4 3 5 0\n\
                         cpu2 33 3 22 71 0 0 4 7 0 0\n\
                         intr 456 0\n";

    #[test]
    fn of_each_core_only_what_tasks_used() {
        let (before, after) =
            (MachineTime::parse(BEFORE).unwrap(), MachineTime::parse(AFTER).unwrap());
        assert_eq!(after.task_ns_since(&before, &[0]), Some(210_000_000));
        assert_eq!(after.task_ns_since(&before, &[2]), Some(180_000_000));
        assert_eq!(after.task_ns_since(&before, &[0, 2]), Some(390_000_000));
        assert_eq!(after.task_ns_since(&before, &[1]), None, "there is no such core");
        assert_eq!(before.task_ns_since(&after, &[0]), None, "time runs forwards");
    }

    #[test]
    fn stolen_time() {
        let (before, after) =
            (MachineTime::parse(BEFORE).unwrap(), MachineTime::parse(AFTER).unwrap());
        assert_eq!(after.stolen_percent_since(&before), Some(10.0 / 120.0 * 100.0));
        assert_eq!(after.stolen_percent_since(&after), None, "no time has passed");
        assert_eq!(after.busy_percent_since(&before), Some(39.0 / 120.0 * 100.0));
        assert_eq!(after.busy_percent_since(&after), None);
    }

    #[test]
    fn text_that_is_none_of_the_kernels() {
        for text in ["", "intr 1", "cpu 1 2 x", "cpu  1 2 3 4 5 6 7 8\ncpuX 1 2 3 4 5 6 7 8\n"] {
            assert!(MachineTime::parse(text).is_none(), "{text}");
        }
        assert!(MachineTime::read().is_some());
    }
}
