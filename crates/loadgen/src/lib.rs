//! Replays a scenario over every transport against a real server, records what each one costs and
//! loses, and renders the comparison.
//!
//! Modules import downwards only, in this order: [`command`] → `campaign`, [`report`] → [`analysis`] →
//! `engine` → [`results`], `client`, `deployment` → [`scenario`] → [`metric`] (`report` and `analysis`
//! never see `engine`: they work from files alone; `campaign` never sees `report`: it measures).

pub mod analysis;
mod campaign;
mod client;
pub mod command;
mod deployment;
mod engine;
pub mod metric;
pub mod report;
pub mod results;
pub mod scenario;
