//! Replays a scenario over every transport against a real server, records what each one costs and
//! loses, and renders the comparison.
//!
//! Modules import downwards only, in this order: [`command`] → [`render`] → [`document`] → [`analysis`] →
//! `engine` → [`results`], `client`, `deployment` → [`scenario`] → [`metric`] (`render`, `document` and `analysis`
//! never see `engine`: they work from files alone).

pub mod analysis;
mod client;
pub mod command;
mod deployment;
pub mod document;
mod engine;
pub mod metric;
pub mod render;
pub mod results;
pub mod scenario;
