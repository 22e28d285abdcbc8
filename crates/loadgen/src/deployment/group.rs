//! The process group of a server.

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The process group of a server: it and whoever it started, but for those that left the group. Dropping
/// it kills them.
pub(super) struct Group {
    leader: Pid,
    is_over: bool,
}

impl Group {
    /// That of the process which leads it.
    pub(super) fn of(leader: Pid) -> Self {
        Self { leader, is_over: false }
    }

    /// The number of the process that leads it, which is also its own.
    pub(super) fn leader(&self) -> Pid {
        self.leader
    }

    /// All have gone, and were waited for. From now on its number may be that of others, who get no signal.
    pub(super) fn is_over(&mut self) {
        self.is_over = true;
    }

    pub(super) fn signal(&self, signal: impl Into<Option<Signal>>) -> nix::Result<()> {
        if self.is_over { Err(Errno::ESRCH) } else { killpg(self.leader, signal) }
    }

    /// Whether anyone is in it.
    pub(super) fn is_there(&self) -> bool {
        self.signal(None).is_ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // When all have gone, there is nobody to hear it.
        let _ = self.signal(Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_number_of_a_group_that_is_over_gets_no_signal() {
        use std::os::unix::process::CommandExt as _;
        use std::process::{Command, Stdio};
        let start = || {
            let mut command = Command::new("sh");
            command.args(["-c", "read -r line; exit 7"]).stdin(Stdio::piped()).process_group(0);
            let other = command.spawn().unwrap();
            let group = Group::of(Pid::from_raw(other.id().try_into().unwrap()));
            (other, group)
        };
        let (mut other, mut group) = start();
        assert!(group.is_there());
        group.is_over();
        assert!(!group.is_there());
        drop(group);
        assert_eq!(other.wait().unwrap().code(), Some(7), "it was not this one's");
        let (mut own, group) = start();
        drop(group);
        assert_eq!(own.wait().unwrap().code(), None);
    }
}
