//! What the publisher is told.

use tokio::sync::mpsc;

use crate::engine::send_queue::DueEvent;
use crate::scenario::Content;

/// What the publisher follows.
pub(in crate::engine) struct PublishPlan {
    /// How many connections receive what is published on each channel, as [`Due::channel`](crate::scenario::schedule::Due::channel) counts
    /// them.
    pub(in crate::engine) audiences: Vec<u64>,
    /// Whether stamps have the channel where they otherwise have the publisher: a server that is not ours
    /// may send events to whom they do not concern.
    pub(in crate::engine) stamp_channels: bool,
    /// What payloads are made of.
    pub(in crate::engine) content: Content,
    /// Bytes of the largest event.
    pub(in crate::engine) most_payload_bytes: usize,
    /// Offset 0 of the schedule, on [`clock`](pushbench_wire::clock).
    pub(in crate::engine) start_ns: u64,
    /// Where what a connection sends goes, when it is due.
    pub(in crate::engine) send_queues: Vec<mpsc::UnboundedSender<DueEvent>>,
}
