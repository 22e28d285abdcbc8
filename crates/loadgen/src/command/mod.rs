//! What the user can ask for, one function each, all of them free of any command line.

mod bench;
mod capacity;
mod check;
mod compare;
mod ending;
mod history;
mod init;
mod manifest;
mod progress;
mod report;
mod run;
mod schema;
mod selftest;
mod shorten;

pub use capacity::{CapacityOptions, capacity};
pub use check::check;
pub use compare::{CompareOptions, Compared, compare, compare_stored};
pub use ending::Ending;
pub use history::{history_add, history_show};
pub use init::{AlreadyExists, init};
pub use report::report;
pub use run::{Build, RunOptions, run};
pub use schema::schema;
pub use selftest::{Check, SelftestOptions, SelftestResult, UnknownCheck, selftest};

/// Something that a command cannot work with, and what to name instead.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);
