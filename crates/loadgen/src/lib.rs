//! Replays a scenario for every contender against a real server, records what each one costs and
//! loses, and renders the comparison.
//!
//! Modules import downwards only, in this order: [`command`] → `campaign`, [`render`] → [`document`] →
//! [`analysis`] → `engine` → [`results`], `client`, `deployment` → [`scenario`] → [`metric`],
//! `text`, `input`. `analysis`,
//! `document` and `render` never see `engine`: they work from files alone. `campaign` never sees
//! `document`: it measures.

pub mod analysis;
mod campaign;
mod client;
pub mod command;
mod deployment;
pub mod document;
mod engine;
mod input;
pub mod metric;
pub mod render;
pub mod results;
pub mod scenario;
mod text;
