//! What happens, the same for every transport: who subscribes to what, who publishes how much, and
//! when.

mod arrivals;
mod contradictions;
mod faults;
mod faults_file;
mod faults_values;
pub(super) mod file;
mod life_values;
mod membership;
mod model;
mod payload;
mod slow;
mod slow_file;
mod slow_values;
mod timeline;
mod trace;
mod upstream;
mod values;

pub use arrivals::Arrivals;
pub(super) use arrivals::{Nominal, PoissonEvents, Span};
pub(super) use contradictions::{check_together, check_trace};
pub use faults::{CutHow, FAULTS_END, Fault, FaultKind, Reconnect, ReconnectBy};
pub use membership::Membership;
pub(super) use model::events_within;
pub use model::{Bursts, Phase, Popularity, Upstream, Workload};
pub use payload::{Content, PayloadBytes};
pub use slow::{Slow, SlowPolicy, SlowReads, is_of_share};
pub(super) use timeline::Timeline;
pub use trace::{Rows, Trace};
pub(super) use upstream::{Sent, Upstreams};
