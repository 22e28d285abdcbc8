//! How far a trial is.

/// Where a trial stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Phase {
    /// The server starts.
    Start,
    /// Subscribers connect: how many are.
    Connect(u64),
    /// All are connected, and nothing is published.
    Idle,
    /// Events flow, unmeasured.
    WarmUp,
    /// Events flow and are measured: deliveries so far.
    Measure(u64),
    /// The measured window is over.
    Measured,
    /// The last deliveries are awaited: how many are missing.
    Drain(u64),
}
