//! Which cores each side has.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context as _;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::cpu_limit::CpuLimit;

/// How the cores that this process may use are divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cores {
    /// Those of the server.
    pub(crate) server: Vec<usize>,
    /// Those of the generator: the same when there is only one.
    pub(crate) generator: Vec<usize>,
}

impl Cores {
    /// Halves the cores that this process may use; the server gets the smaller half. Threads of
    /// one physical core stay together, because they slow each other down.
    pub(crate) fn divide() -> anyhow::Result<Self> {
        let allowed =
            sched_getaffinity(Pid::from_raw(0)).context("cannot read the CPU affinity")?;
        let cpus = (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap_or(false));
        let mut cores = BTreeMap::<String, Vec<usize>>::new();
        for cpu in cpus {
            let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
            let siblings = fs::read_to_string(path).unwrap_or_else(|_| cpu.to_string());
            cores.entry(siblings).or_default().push(cpu);
        }
        let mut cores: Vec<_> = cores.into_values().collect();
        cores.sort_unstable();
        Ok(Self::halve(&within(cores, CpuLimit::read())))
    }

    fn halve(cores: &[Vec<usize>]) -> Self {
        if cores.len() < 2 {
            return Self { server: cores.concat(), generator: cores.concat() };
        }
        let (server, generator) = cores.split_at(cores.len() / 2);
        Self { server: server.concat(), generator: generator.concat() }
    }

    /// Whether both sides have to share what there is.
    pub(crate) fn are_shared(&self) -> bool {
        self.server == self.generator
    }

    /// The cores of both sides, each once.
    pub(crate) fn all(&self) -> Vec<usize> {
        let mut all = [&self.server[..], &self.generator].concat();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Confines the calling thread, and all threads that it starts, to the generator's cores.
    pub(crate) fn confine_generator(&self) -> anyhow::Result<()> {
        confine(&set_of(&self.generator)?)
    }

    /// Calls `start` while this thread is on the server's cores: a process that it starts has them, and
    /// so has whatever that one starts, even if it does not know `--cpus`.
    pub(super) fn on_those_of_server<T>(&self, start: impl FnOnce() -> T) -> anyhow::Result<T> {
        let ours = sched_getaffinity(Pid::from_raw(0)).context("cannot read the CPU affinity")?;
        confine(&set_of(&self.server)?)?;
        let started = start();
        confine(&ours)?;
        Ok(started)
    }
}

fn set_of(cores: &[usize]) -> anyhow::Result<CpuSet> {
    let mut set = CpuSet::new();
    for &core in cores {
        set.set(core).with_context(|| format!("core {core} is beyond what the kernel counts"))?;
    }
    Ok(set)
}

fn confine(set: &CpuSet) -> anyhow::Result<()> {
    sched_setaffinity(Pid::from_raw(0), set).context("cannot set the CPU affinity")
}

/// The first cores, as many as a limit has time for: threads on more of them would only use it up sooner,
/// and then all would stop.
fn within(cores: Vec<Vec<usize>>, limit: Option<CpuLimit>) -> Vec<Vec<usize>> {
    let most = limit.map_or(usize::MAX, |limit| limit.cores.ceil() as usize);
    let mut left = most.max(1);
    let mut kept = Vec::new();
    for mut threads in cores {
        threads.truncate(left);
        left -= threads.len();
        kept.extend((!threads.is_empty()).then_some(threads));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_decides_how_many_cores_there_are() {
        let kept = |limit: Option<f64>| {
            let limit = limit.map(|cores| CpuLimit { cores, throttled_ns: 0 });
            within(vec![vec![0, 1], vec![2, 3]], limit).concat()
        };
        assert_eq!(kept(None), [0, 1, 2, 3]);
        assert_eq!(kept(Some(2.5)), [0, 1, 2]);
        assert_eq!(kept(Some(0.5)), [0]);
    }

    #[test]
    fn the_server_never_shares_a_core_unless_there_is_one() {
        let halves = |cores: &[&[usize]]| {
            let cores: Vec<_> = cores.iter().map(|threads| threads.to_vec()).collect();
            let Cores { server, generator } = Cores::halve(&cores);
            (server, generator)
        };
        assert_eq!(halves(&[&[3]]), (vec![3], vec![3]));
        assert_eq!(halves(&[&[0], &[1]]), (vec![0], vec![1]));
        assert_eq!(halves(&[&[0], &[2], &[5]]), (vec![0], vec![2, 5]));
        assert_eq!(halves(&[&[0, 2], &[1, 3]]), (vec![0, 2], vec![1, 3]), "threads of one core");
    }
}
