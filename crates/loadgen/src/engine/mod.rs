//! Runs trials: starts the deployment, drives subscribers and publisher, and records. It must not know
//! how results are stored, analysed or shown.

mod contention;
mod costs;
mod delivery_tracker;
mod distance;
mod execution;
pub(crate) mod fairness;
mod filler;
#[cfg(test)]
mod fixture;
mod foreign_place;
pub(crate) mod machine;
mod measurement;
mod page_account;
mod phase;
mod pool;
pub(crate) mod probe;
mod probe_notes;
mod publisher;
mod publishing;
mod recognised;
mod recorder;
pub(crate) mod remote;
mod send_queue;
mod slow_account;
mod snapshot;
mod sockets;
mod start;
mod steps;
mod subscriptions;
pub(crate) mod token;
mod traffic;
mod trial;
mod validity;

pub(crate) use crate::deployment::network::prepare as prepare_networks;
pub(crate) use crate::deployment::{
    Cores, NotStarted, adopt_orphans, browser_version, proxy_version,
};
pub(crate) use measurement::samples_for;
pub(crate) use phase::Phase;
pub(crate) use trial::{TrialPlan, planned_length};
