//! Which processes belong to a server that was started: the mark that they inherit from it, and who
//! adopts those whose parent has ended before them.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::prctl;
use nix::unistd::Pid;

/// The variable that holds the mark in a server's environment.
const VARIABLE: &str = "PUSHBENCH_SERVER";

/// Tells the processes of one server from all others of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark(String);

impl Mark {
    /// Another one each time.
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(format!("{}-{}", Pid::this(), NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// What the environment of the server gets.
    pub(super) fn variable(&self) -> (&'static str, &str) {
        (VARIABLE, &self.0)
    }

    /// Whether a process without a parent in the family belongs to it. One that has overwritten its
    /// environment, or cleared it, is known by who has adopted it.
    pub(super) fn is_on(&self, process: &Path, adopted: bool) -> bool {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let mut variables = environment.split(|&byte| byte == 0);
        let value = variables
            .find_map(|variable| variable.strip_prefix(VARIABLE.as_bytes())?.strip_prefix(b"="));
        value.map_or(adopted, |value| value == self.0.as_bytes())
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
