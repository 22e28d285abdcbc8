//! What is kept of a trial of a self-test.

use crate::results::Trial;

/// A trial of a self-test.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tested {
    /// Which side of its unit, as an index into [`faults`](super::experiment::Experiment::faults).
    pub(super) side: usize,
    pub(super) trial: Trial,
    /// How far its latencies are from the uniform law, where that is asked.
    pub(super) distance: Option<f64>,
}
