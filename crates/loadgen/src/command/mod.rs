//! What the user can ask for, one function each, all of them free of any command line.

mod check;
mod init;
mod report;
mod schema;

pub use check::check;
pub use init::{AlreadyExists, init};
pub use report::report;
pub use schema::schema;
