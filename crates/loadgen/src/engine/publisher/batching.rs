//! Which events go together: all that are due when the publisher wakes up. It must not know how they
//! get to the server, nor who waits for the next one.

use std::iter::Peekable;

use hdrhistogram::Histogram;
use pushbench_wire::Stamp;
use sha2::{Digest as _, Sha256};

use super::PublishPlan;
use crate::engine::filler::Filler;
use crate::engine::send_queue::DueEvent;
use crate::results::latency_log;
use crate::scenario::hex;
use crate::scenario::schedule::{Due, Source};

/// A schedule that is followed.
pub(super) struct Batching<S: Iterator<Item = Due>> {
    plan: PublishPlan,
    schedule: Peekable<S>,
    filler: Filler,
    lateness: Histogram<u64>,
    /// Every event that was taken, for the hash.
    taken: Sha256,
}

/// The measured events of one batch, and the deliveries that they call for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) measured: u64,
    pub(super) deliveries: u64,
}

/// How a schedule was followed.
pub(super) struct Followed {
    /// How late the measured events were.
    pub(super) lateness: Histogram<u64>,
    /// SHA-256 over all events, in hexadecimal; empty when it was not followed to its end.
    pub(super) schedule_sha256: Option<String>,
}

impl<S: Iterator<Item = Due>> Batching<S> {
    pub(super) fn new(plan: PublishPlan, schedule: S) -> Self {
        Self {
            filler: Filler::new(plan.content, plan.most_payload_bytes),
            plan,
            schedule: schedule.peekable(),
            lateness: latency_log::histogram(),
            taken: Sha256::new(),
        }
    }

    /// When the next event is due; `None` when there is none any more.
    pub(super) fn next_due_ns(&mut self) -> Option<u64> {
        Some(self.plan.start_ns + self.schedule.peek()?.offset_ns)
    }

    /// Takes every event that is due by `now_ns`: hands those of connections to them, and the others
    /// to `push` with their channel.
    pub(super) fn take(&mut self, now_ns: u64, mut push: impl FnMut(usize, &[u8])) -> Batch {
        let plan = &self.plan;
        let mut batch = Batch::default();
        let is_due = |due: &Due| plan.start_ns + due.offset_ns <= now_ns;
        while let Some(due) = self.schedule.next_if(is_due) {
            let intended_ns = plan.start_ns + due.offset_ns;
            let Due { sequence, payload_bytes, .. } = due;
            record(&mut self.taken, &due);
            if due.is_measured {
                self.lateness.saturating_record(now_ns - intended_ns);
                batch.measured += 1;
                batch.deliveries += plan.audiences[due.channel as usize];
            }
            match due.source {
                Source::Connection(connection) => {
                    let due = DueEvent { intended_ns, sequence, payload_bytes };
                    // Who has ended says so by itself.
                    let _ = plan.send_queues[connection as usize].send(due);
                }
                Source::Backend => {
                    let publisher = if plan.stamp_channels { stamped(due.channel) } else { 0 };
                    let stamp = Stamp { publisher, sequence, intended_ns, published_ns: now_ns };
                    push(due.channel as usize, self.filler.payload(&stamp, payload_bytes));
                }
            }
        }
        batch
    }

    /// When it was followed to its end.
    pub(super) fn followed(self) -> Followed {
        let schedule_sha256 = Some(hex(&self.taken.finalize()));
        Followed { lateness: self.lateness, schedule_sha256 }
    }

    /// When it was not.
    pub(super) fn stopped(self) -> Followed {
        Followed { lateness: self.lateness, schedule_sha256: None }
    }
}

/// A channel as stamps have it. There are hardly more than fit.
pub(in crate::engine) fn stamped(channel: u32) -> u16 {
    channel as u16
}

/// Adds an event to what was taken.
fn record(taken: &mut Sha256, due: &Due) {
    let source = match due.source {
        Source::Backend => 0,
        Source::Connection(connection) => u64::from(connection) + 1,
    };
    for number in
        [due.offset_ns, due.channel.into(), source, due.sequence.into(), due.payload_bytes as u64]
    {
        taken.update(number.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::scenario::Content;
    use pushbench_wire::stamp::STAMP_LEN;

    #[test]
    fn what_is_due_together_goes_together() {
        let due = |offset_ns, channel, source, is_measured| Due {
            offset_ns,
            channel,
            source,
            sequence: offset_ns as u32,
            payload_bytes: STAMP_LEN + channel as usize,
            is_measured,
        };
        let schedule = [
            due(10, 0, Source::Backend, false),
            due(20, 1, Source::Backend, true),
            due(30, 1, Source::Connection(0), true),
            due(40, 0, Source::Backend, true),
        ];
        let (queue, mut sent) = mpsc::unbounded_channel();
        let plan = PublishPlan {
            audiences: vec![5, 7],
            content: Content::Text,
            stamp_channels: false,
            most_payload_bytes: STAMP_LEN + 1,
            start_ns: 1_000,
            send_queues: vec![queue],
        };
        let mut batching = Batching::new(plan, schedule.into_iter());
        let mut pushed = Vec::new();
        let mut take = |batching: &mut Batching<_>, now_ns| {
            batching.take(now_ns, |channel, payload| {
                let stamp = Stamp::read_from(payload).unwrap();
                pushed.push((channel, payload.len(), stamp.sequence, stamp.published_ns));
            })
        };
        assert_eq!(batching.next_due_ns(), Some(1_010));
        assert_eq!(take(&mut batching, 1_009), Batch::default(), "nothing is due");
        assert_eq!(take(&mut batching, 1_035), Batch { measured: 2, deliveries: 14 });
        assert_eq!(batching.next_due_ns(), Some(1_040));
        assert_eq!(take(&mut batching, 1_040), Batch { measured: 1, deliveries: 5 });
        assert_eq!(batching.next_due_ns(), None);
        let expected =
            [(0, STAMP_LEN, 10, 1_035), (1, STAMP_LEN + 1, 20, 1_035), (0, STAMP_LEN, 40, 1_040)];
        assert_eq!(pushed, expected);
        let handed = sent.try_recv().unwrap();
        assert_eq!((handed.intended_ns, handed.sequence), (1_030, 30));
        assert!(sent.try_recv().is_err(), "one event is a connection's");
        let followed = batching.followed();
        assert_eq!((followed.lateness.len(), followed.lateness.max()), (3, 15));
        assert!(followed.schedule_sha256.is_some_and(|hash| hash.len() == 64));
    }

    #[test]
    fn a_schedule_that_was_not_followed_has_no_hash() {
        let plan = PublishPlan {
            audiences: vec![],
            content: Content::Binary,
            stamp_channels: false,
            most_payload_bytes: 0,
            start_ns: 0,
            send_queues: vec![],
        };
        let batching = Batching::new(plan, std::iter::empty());
        assert_eq!(batching.stopped().schedule_sha256, None);
    }
}
