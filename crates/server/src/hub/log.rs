//! The events that a channel keeps, and what lies between two of them. It knows no subscriber.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Limits;
use crate::framing::{Event, Place};

/// The newest events, oldest first. Their ids have gaps only where a journal lost what came last.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) events: VecDeque<Arc<Event>>,
    pub(super) last_id: u64,
    pub(super) bytes: usize,
    /// The id of the last event that is no longer here, or that before the first one.
    pub(super) before_oldest: u64,
    /// Its position.
    pub(super) gone_until: u64,
    /// Behind this id there are no gaps.
    pub(super) known_from: u64,
    /// What a node did not get from its broker is before this id, or has it.
    pub(super) gap_until: u64,
    /// When this is the id before the oldest event, what is there has no room.
    pub(super) full_at: Option<u64>,
    /// New ids are larger than this.
    pub(super) skip_to: u64,
}

impl Log {
    pub(super) fn last_position(&self) -> u64 {
        self.events.back().map_or(self.gone_until, |event| event.position())
    }

    /// Whether a subscriber with this cursor was too slow. Who was before a gap is not: even the fastest one did not get
    /// what the server did not get.
    pub(super) fn is_beyond(&self, cursor: u64) -> bool {
        (self.gap_until..self.before_oldest).contains(&cursor)
    }

    /// How many of the events come before what follows `cursor`, or what has to be said before that.
    pub(super) fn find(&self, cursor: u64) -> Result<usize, Missed> {
        let Some(behind) = cursor.checked_sub(self.before_oldest) else {
            let missed = self.before_oldest - cursor;
            let missed = Some(missed).filter(|_| cursor >= self.known_from);
            return Err(Missed { skip: 0, missed });
        };
        if cursor > self.last_id {
            // It is from before a restart: of what was lost then, or of another log.
            let skip = if cursor <= self.skip_to { self.events.len() } else { 0 };
            return Err(Missed { skip, missed: None });
        }
        if self.last_id - self.before_oldest == self.events.len() as u64 {
            // The difference is at most the length of the log.
            return Ok(usize::try_from(behind).unwrap_or(usize::MAX));
        }
        let skip = self.events.partition_point(|event| event.id() <= cursor);
        let is_there = match skip.checked_sub(1) {
            None => behind == 0,
            Some(at) => self.events[at].id() == cursor,
        };
        if is_there { Ok(skip) } else { Err(Missed { skip, missed: None }) }
    }

    /// The place before the event with this number.
    pub(super) fn place_before(&self, skip: usize) -> Place {
        match skip.checked_sub(1) {
            None => Place { id: self.before_oldest, position: self.gone_until },
            Some(at) => self.events[at].place(),
        }
    }

    /// Lets what exceeds the limits go, into `too_old`.
    pub(super) fn keep_within(&mut self, limits: &Limits, too_old: &mut Vec<Arc<Event>>) {
        while self.events.len() > limits.log_events
            || (self.bytes > limits.log_bytes && self.events.len() > 1)
        {
            if let Some(event) = self.events.pop_front() {
                self.bytes -= event.size_bytes();
                (self.before_oldest, self.gone_until) = (event.id(), event.position());
                too_old.push(event);
            }
        }
    }
}

/// A cursor at which something is missing.
pub(super) struct Missed {
    /// How many events come before what can still be read.
    pub(super) skip: usize,
    /// How many are missing, if that is known.
    pub(super) missed: Option<u64>,
}
