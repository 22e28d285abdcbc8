//! What may make the figures of a deployment those of something else. It must not know what is measured.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::bail;
use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};
use nix::unistd::Pid;

use super::listener::{Listener, listener};

/// What Linux calls a file system that is only in memory and has no swap; nix does not name it.
const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);

/// What was noticed while servers were started and ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Doubts {
    /// Whether the kernel does not say of a server that it listens at its address itself.
    pub(crate) listener_is_untold: bool,
    /// Whether a server that was asked to end did not in time, and was killed.
    pub(crate) had_to_be_killed: bool,
    /// Whether the folder of its log is in memory.
    pub(crate) log_is_in_memory: bool,
}

impl Doubts {
    /// A server keeps its log in this folder.
    pub(super) fn of_log_in(&mut self, folder: &Path) {
        self.log_is_in_memory |= is_in_memory(folder);
    }

    /// Looks whether a server, whose processes these are, listens at its address itself.
    ///
    /// # Errors
    /// When somebody else does.
    pub(super) fn look_who_listens(
        &mut self,
        what: &str,
        address: SocketAddr,
        members: &[Pid],
    ) -> anyhow::Result<()> {
        match listener(address, members) {
            Listener::Known => {}
            Listener::Untold => self.listener_is_untold = true,
            Listener::Other(who) => bail!(
                "{what} says that it listens on {address}, but {who}, which it has not started: CPU and \
                 memory would be those of another process; end that one, or let it announce its own \
                 address"
            ),
        }
        Ok(())
    }
}

/// Whether what is written there is on no disk. What the system does not tell is taken for a disk.
fn is_in_memory(folder: &Path) -> bool {
    statfs(folder).is_ok_and(|about| [TMPFS_MAGIC, RAMFS_MAGIC].contains(&about.filesystem_type()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_no_disk() {
        // Linux has it wherever there are POSIX semaphores.
        assert!(is_in_memory(Path::new("/dev/shm")));
        assert!(!is_in_memory(Path::new("/proc")));
        assert!(!is_in_memory(Path::new("/no/such/folder")));
    }

    #[test]
    fn somebody_else_at_the_address_is_noticed() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let mut doubts = Doubts::default();
        let refused = doubts.look_who_listens("the server", address, &[]).unwrap_err();
        assert!(refused.to_string().contains("which it has not started"), "{refused}");
        assert!(doubts.look_who_listens("the server", address, &[Pid::this()]).is_ok());
    }
}
