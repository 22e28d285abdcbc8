//! What a run, a comparison and a search leave on disk, from which everything else can be rendered
//! again. It owns the schema and the writing of files, which are whole or appended to by whole lines;
//! it must not know how figures come about or how they look.

mod browser;
pub mod capacity;
pub mod comparison;
#[cfg(test)]
pub(crate) mod fixture;
pub mod folder;
mod formula_safe;
pub mod history;
pub mod latency_log;
mod listed;
pub mod model;
mod proxy;
mod record;
mod setting;
pub mod shortening;
pub mod store;
mod trial;
mod warning;

pub use crate::metric::{Metric, Unit};
pub use crate::scenario::ContenderId;
pub use browser::UsedBrowser;
pub use capacity::Capacity;
pub use comparison::Comparison;
pub use latency_log::{Entry, Interval, LatencyLog};
pub use model::{Manifest, Run};
pub use proxy::UsedProxy;
pub use record::{Record, Stored};
pub use store::Store;
pub use trial::{Outcome, PartUse, Trial};
pub use warning::{Side, Warning};
