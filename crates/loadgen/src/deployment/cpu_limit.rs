//! The CPU time that control groups grant this process, as a container's limit. It must not know what
//! follows from that.

use std::fs;
use std::path::{Path, PathBuf};

/// The tightest limit, at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CpuLimit {
    /// How many cores' time there is.
    pub(crate) cores: f64,
    /// How long the limit has stopped its processes so far.
    pub(crate) throttled_ns: u64,
}

impl CpuLimit {
    /// Reads it; none where there is no limit, or nothing says so.
    pub(crate) fn read() -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        Self::of(&groups, Path::new("/sys/fs/cgroup"))
    }

    /// Of the control groups in the text of `/proc/PID/cgroup`, of version 2 (Linux's
    /// admin-guide/cgroup-v2, `cpu.max`) or 1 (scheduler/sched-bwc), mounted at `root`.
    fn of(groups: &str, root: &Path) -> Option<Self> {
        let group = |line: &str| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            let path = path.trim_start_matches('/').to_owned();
            match controllers {
                "" => Some((root.to_owned(), path)),
                list if list.split(',').any(|of| of == "cpu") => {
                    let mounts = [root.join(list), root.join("cpu")];
                    Some((mounts.into_iter().find(|mount| mount.is_dir())?, path))
                }
                _ => None,
            }
        };
        let all = groups.lines().filter_map(group).flat_map(|(mount, path)| levels(&mount, &path));
        all.filter_map(|level| Self::at(&level)).min_by(|a, b| a.cores.total_cmp(&b.cores))
    }

    fn at(level: &Path) -> Option<Self> {
        let read = |file: &str| fs::read_to_string(level.join(file)).ok();
        let number = |text: String| text.trim().parse::<f64>().ok();
        let (quota, period) = match read("cpu.max") {
            Some(text) => {
                let (quota, period) = text.trim().split_once(' ')?;
                (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?)
            }
            None => (number(read("cpu.cfs_quota_us")?)?, number(read("cpu.cfs_period_us")?)?),
        };
        let stat = read("cpu.stat").unwrap_or_default();
        let count = |key: &str| -> Option<u64> {
            stat.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
        };
        let throttled_ns = count("throttled_usec ").map(|us| us.saturating_mul(1_000));
        let throttled_ns = throttled_ns.or_else(|| count("throttled_time ")).unwrap_or(0);
        // A quota of -1 is none.
        (quota > 0.0 && period > 0.0).then(|| Self { cores: quota / period, throttled_ns })
    }
}

/// The group and all that hold it. Within a container the path may be the host's, and only the mount
/// itself is there.
fn levels(mount: &Path, path: &str) -> Vec<PathBuf> {
    let group = mount.join(path);
    let above = group.ancestors().take_while(|level| level.starts_with(mount));
    above.map(Path::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (file, text) in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn the_tightest_of_all_levels_counts() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            &[
                ("a/cpu.max", "150000 100000\n"),
                ("a/cpu.stat", "usage_usec 9\nnr_throttled 3\nthrottled_usec 2500\n"),
                ("a/b/cpu.max", "max 100000\n"),
                ("a/b/c/cpu.max", "200000 100000\n"),
            ],
        );
        let limit = CpuLimit { cores: 1.5, throttled_ns: 2_500_000 };
        assert_eq!(CpuLimit::of("0::/a/b/c\n", root.path()), Some(limit));
        assert_eq!(CpuLimit::of("0::/elsewhere\n", root.path()), None);
    }

    #[test]
    fn the_mount_of_a_container_is_looked_at() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &[("cpu.max", "50000 100000\n")]);
        let limit = CpuLimit { cores: 0.5, throttled_ns: 0 };
        assert_eq!(CpuLimit::of("0::/docker/0123/not/here\n", root.path()), Some(limit));
    }

    #[test]
    fn version_1() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            &[
                ("cpu,cpuacct/docker/1/cpu.cfs_quota_us", "75000\n"),
                ("cpu,cpuacct/docker/1/cpu.cfs_period_us", "50000\n"),
                ("cpu,cpuacct/docker/1/cpu.stat", "nr_throttled 1\nthrottled_time 77\n"),
                ("cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
                ("cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ],
        );
        let groups = "5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n";
        let limit = CpuLimit { cores: 1.5, throttled_ns: 77 };
        assert_eq!(CpuLimit::of(groups, root.path()), Some(limit));
        assert_eq!(CpuLimit::of("4:cpuset:/docker/1\n", root.path()), None);
    }
}
