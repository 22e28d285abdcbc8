//! Which processes belong to a server that was started: the mark that they inherit from it, and who
//! adopts those whose parent has ended before them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::prctl;
use nix::unistd::Pid;

/// The variable that holds the mark in a server's environment.
const VARIABLE: &str = "PUSHBENCH_SERVER";

/// Tells the processes of one server from all others of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    text: String,
    /// Whether those belong to it who have lost their parent and bear no mark.
    adopts: bool,
}

/// The processes that were started and have not been waited for: their parent is who adopts, too.
static STARTED: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A process that is known to have been started, as long as this is kept.
pub(super) struct Started(Pid);

impl Started {
    pub(super) fn note(process: Pid) -> Self {
        started().insert(process.as_raw());
        Self(process)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        started().remove(&self.0.as_raw());
    }
}

/// Whether it was started rather than adopted.
pub(super) fn was_started(process: i32) -> bool {
    started().contains(&process)
}

fn started() -> MutexGuard<'static, BTreeSet<i32>> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mark {
    /// Another one each time.
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let text = format!("{}-{}", Pid::this(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self { text, adopts: true }
    }

    /// Another one, of what stays in the foreground: who has lost a parent and bears no mark was started
    /// by somebody else.
    pub(super) fn of_foreground() -> Self {
        Self { adopts: false, ..Self::new() }
    }

    /// What the environment of the server gets.
    pub(super) fn variable(&self) -> (&'static str, &str) {
        (VARIABLE, &self.text)
    }

    /// Whether a process without a parent in the family belongs to it. One that has overwritten its
    /// environment, or cleared it, is known by who has adopted it.
    pub(super) fn is_on(&self, process: &Path, adopted: bool) -> bool {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let mut variables = environment.split(|&byte| byte == 0);
        let value = variables
            .find_map(|variable| variable.strip_prefix(VARIABLE.as_bytes())?.strip_prefix(b"="));
        value.map_or(adopted && self.adopts, |value| value == self.text.as_bytes())
    }
}

/// From now on, this process becomes the parent of descendants whose own parents end: what a server
/// has started in the background is still found, and what it used is kept until its end.
///
/// # Errors
/// A kernel that refuses.
pub(crate) fn adopt_orphans() -> nix::Result<()> {
    prctl::set_child_subreaper(true)
}

/// Whoever [adopts](adopt_orphans) orphans, if that is us.
pub(super) fn adopter() -> Option<Pid> {
    prctl::get_child_subreaper().is_ok_and(|adopts| adopts).then(Pid::this)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_bears_no_mark_belongs_to_who_adopts() {
        let folder = tempfile::tempdir().unwrap();
        let is_on = |mark: &Mark, environment: &str, adopted| {
            fs::write(folder.path().join("environ"), environment).unwrap();
            mark.is_on(folder.path(), adopted)
        };
        let (server, proxy) = (Mark::new(), Mark::of_foreground());
        let own = format!("A=b\0{VARIABLE}={}\0", server.text);
        assert!(is_on(&server, &own, false) && !is_on(&proxy, &own, true));
        assert!(is_on(&server, "A=b\0", true) && !is_on(&server, "A=b\0", false));
        assert!(!is_on(&proxy, "A=b\0", true), "another one has started it");
    }

    #[test]
    fn what_was_started_is_known_until_it_has_ended() {
        let process = Pid::from_raw(i32::MAX);
        let started = Started::note(process);
        assert!(was_started(process.as_raw()));
        drop(started);
        assert!(!was_started(process.as_raw()));
    }
}
