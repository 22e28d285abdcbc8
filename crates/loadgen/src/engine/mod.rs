//! Runs trials: starts the server, drives subscribers and publisher, and records. It must not know
//! how results are stored, analysed or shown.

mod costs;
mod delivery_tracker;
pub(crate) mod fairness;
#[cfg(test)]
mod fixture;
mod measurement;
mod pacer;
pub(crate) mod probe;
mod publisher;
mod recorder;
mod send_queue;
mod server_command;
mod server_process;
mod snapshot;
mod subscriber_pool;
mod trial;
mod validity;

pub(crate) use measurement::samples_for;
pub(crate) use trial::{Phase, TrialPlan, planned_length};
