//! What the user can ask for, one function each, all of them free of any command line.

mod bench;
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

pub use check::check;
pub use compare::{CompareOptions, Compared, Unusable, compare, compare_stored};
pub use ending::Ending;
pub use history::{history_add, history_show};
pub use init::{AlreadyExists, init};
pub use report::report;
pub use run::{Build, RunOptions, run};
pub use schema::schema;
pub use selftest::{Check, SelftestOptions, SelftestResult, UnknownCheck, selftest};
