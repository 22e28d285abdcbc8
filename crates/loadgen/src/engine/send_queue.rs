//! What a subscriber sends: the publisher, which keeps the time, hands every event that is due to the
//! connection that sends it. It knows no transport.

use pushbench_wire::{Stamp, clock};
use tokio::sync::mpsc;

use super::filler::Filler;
use crate::client::{Payload, UpstreamEvents};
use crate::scenario::Content;

/// An event that a subscriber is to send now.
#[derive(Clone, Copy, Debug)]
pub(super) struct DueEvent {
    /// When it was meant to be sent, on [`clock`].
    pub(super) intended_ns: u64,
    /// Which one of this subscriber's on the channel.
    pub(super) sequence: u32,
    pub(super) payload_bytes: usize,
}

/// What a connection is to send, and what it sends it as.
#[derive(Debug)]
pub(super) struct SendPlan {
    pub(super) due: mpsc::UnboundedReceiver<DueEvent>,
    pub(super) content: Content,
    pub(super) most_payload_bytes: usize,
}

/// The events of one connection, as they are due.
pub(super) struct SendQueue {
    due: mpsc::UnboundedReceiver<DueEvent>,
    publisher: u16,
    filler: Filler,
}

impl SendQueue {
    pub(super) fn new(plan: SendPlan, publisher: u16) -> Self {
        let filler = Filler::new(plan.content, plan.most_payload_bytes);
        Self { due: plan.due, publisher, filler }
    }
}

impl UpstreamEvents for SendQueue {
    async fn next(&mut self) -> Payload<'_> {
        let Some(due) = self.due.recv().await else { return std::future::pending().await };
        let now_ns = clock::now_ns();
        let stamp = Stamp {
            publisher: self.publisher,
            sequence: due.sequence,
            intended_ns: due.intended_ns,
            published_ns: now_ns,
        };
        let binary = self.filler.is_binary();
        Payload { bytes: self.filler.payload(&stamp, due.payload_bytes), binary }
    }
}
