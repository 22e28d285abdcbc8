//! What the program does: one function for each command.

mod report;

pub use report::report;
