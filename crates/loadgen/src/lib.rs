//! Checks scenarios, and renders what a run has left.

pub mod analysis;
pub mod command;
pub mod report;
pub mod results;
pub mod scenario;
