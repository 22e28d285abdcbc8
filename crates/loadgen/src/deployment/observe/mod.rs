//! What the operating system says about a part of a deployment: a process with all its descendants,
//! a control group, or this process. It must not know what the part does, nor when it is measured.
//! What the system does not say is `None`, never 0.

mod cgroup;
mod gone;
mod instructions;
mod observation;
mod own_process;
mod process;
mod successor;
mod threads;
mod tree;

use std::path::Path;

use nix::unistd::Pid;

use super::family::Mark;
pub(crate) use observation::{Observation, Observe, Used};
pub(crate) use own_process::OwnProcess;
#[cfg(test)]
pub(crate) use threads::Threads;

use cgroup::Cgroup;
use gone::Gone;
use successor::Successor;
use tree::ProcessTree;

/// The way for all that runs in the control group of version 2 whose folder is this.
pub(super) fn control_group(folder: &Path) -> Box<dyn Observe> {
    Box::new(Cgroup::of(folder))
}

/// The way for a part whose process takes the place of one that had used this.
pub(super) fn follow(before: Observation, now: Box<dyn Observe>) -> Box<dyn Observe> {
    Box::new(Successor::new(before, now))
}

/// The way for a part that is killed, of which this was seen just before.
pub(super) fn gone(alive: Observation, part: Box<dyn Observe>) -> Box<dyn Observe> {
    Box::new(Gone::new(alive, part))
}

/// The way for a process that was started with `mark`: by its control group if it was given one of its own, as
/// service managers do, and otherwise by the tree of processes below it.
pub(super) fn started_process(process: Pid, mark: Mark) -> Box<dyn Observe> {
    match Cgroup::of_its_own(process) {
        Some(cgroup) => Box::new(cgroup),
        None => Box::new(ProcessTree::new(process, mark)),
    }
}
