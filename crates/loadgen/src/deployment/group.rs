//! The process group of a server.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The process group of a server: it and whoever it started, but for those that left the group. Dropping
/// it kills them.
pub(super) struct Group(Pid);

impl Group {
    /// That of the process which leads it.
    pub(super) fn of(leader: Pid) -> Self {
        Self(leader)
    }

    /// The number of the process that leads it, which is also its own.
    pub(super) fn leader(&self) -> Pid {
        self.0
    }

    pub(super) fn signal(&self, signal: impl Into<Option<Signal>>) -> nix::Result<()> {
        killpg(self.0, signal)
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
