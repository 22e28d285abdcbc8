//! What a scenario asks: the domain types, valid by construction. Reading them from a file is
//! the `read` module's part, expanding them into trials and times that of [`schedule`]. It owns
//! no I/O beyond that, and must not know how a scenario is run.
//!
//! From text to a scenario, each stage relying on the one before: TOML syntax → `shape` (keys and
//! types, by the JSON Schema) → `file` (the twin) → `check` (ranges and contradictions) → `sweep` (the same again for every
//! cell).

mod check;
mod client;
mod client_check;
mod contender;
mod defaults;
mod digest;
mod duration;
mod error;
mod fallback;
mod file;
mod gates;
mod limits;
mod lineup;
mod lineup_ways;
mod literature;
mod load;
mod log;
mod model;
mod needs;
mod network;
mod nodes;
mod nodes_check;
mod preset_files;
mod proxy;
mod quantity;
mod read;
mod road;
pub mod schedule;
mod server;
mod shape;
mod sweep;
pub mod template;
pub mod thresholds;
mod values;
mod workload;

#[cfg(test)]
mod bad_scenarios;
#[cfg(test)]
mod tests;

pub use client::{Browser, Client};
pub use contender::{
    Connection, Contender, ContenderId, Identity, LongPolling, Polling, Role, Settings, SseFraming,
    Stream,
};
pub(crate) use digest::hex;
pub use error::{Problem, ScenarioError};
pub use fallback::Fallback;
pub use file::json_schema;
pub use gates::Gate;
pub(crate) use limits::MAX_LOG_BYTES;
pub use literature::Literature;
pub use load::{LoadAxis, UnknownLoadAxis};
pub use log::Log;
pub use model::{Cell, Scenario, SweptValue};
pub use needs::{AtMost, Needs};
pub use network::{Imitation, Network};
pub use nodes::{Broker, Nodes};
pub(crate) use preset_files::preset_says_where;
pub use proxy::{Proxy, Way};
pub use road::{HttpVersion, Road};
pub use server::{
    Ask, Match, OWN_SERVER, Ping, Publish, PublishRedis, PublishRequest, PublishSocket, Ready,
    Recipe, Reply, Request, Resume, SECOND_PORT, SeenBy, Server, Source, Split, Start, Step,
    Template, Token, Trust, preset_names, preset_text, websocket_url, with_loopback,
};
pub use sweep::{Amount, BASE_CELL, labels_of};
pub use thresholds::Threshold;
pub use workload::{
    Arrivals, Bursts, Content, CutHow, FAULTS_END, Fault, FaultKind, Membership, PayloadBytes,
    Phase, Popularity, Reconnect, ReconnectBy, RestartHow, Rows, Slow, SlowPolicy, SlowReads,
    Trace, Upstream, Workload, is_of_share,
};
