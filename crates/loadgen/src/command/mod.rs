//! What the user can ask for, one function each, all of them free of any command line.

mod capacity;
mod check;
mod compare;
mod error;
mod folklore;
mod guide;
mod history;
mod init;
mod probe;
mod report;
mod run;
mod schema;
mod screen;
mod selftest;
mod status;
mod table;

pub use crate::campaign::selftest::Check;
pub use crate::campaign::{Invocation, Unusable};
pub use capacity::{CapacityOptions, capacity};
pub use check::check;
pub use compare::{CompareOptions, compare, compare_stored};
pub use error::AlreadyExists;
pub use folklore::{FolkloreOptions, Table, folklore};
pub use guide::{GuideOptions, guide};
pub use history::{history_add, history_show};
pub use init::init;
pub use probe::{ProbeOptions, probe};
pub use report::report;
pub use run::{RunOptions, run};
pub use schema::schema;
pub use selftest::{SelftestOptions, selftest};
pub use status::ExitStatus;
pub use table::{TableOptions, table, table_rows};

pub use crate::text::say;

use crate::results::store::Loaded;

/// What was read, having said what of it is missing.
fn told<T>(loaded: Loaded<T>) -> T {
    loaded.warnings().for_each(|warning| say(&warning.to_string()));
    loaded.content
}
