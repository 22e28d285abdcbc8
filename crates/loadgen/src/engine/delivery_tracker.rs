//! Which of the measured events of its channel a connection has received: what makes losses,
//! duplicates and reordering exact figures. As every event has one place, all that was expected has
//! come from every publisher to everyone when as many places are taken as there are.

use std::ops::Range;
use std::sync::Arc;

use crate::scenario::schedule::MeasuredRange;

/// The measured events of a channel: the same for all its connections.
#[derive(Debug)]
pub(super) struct ExpectedEvents {
    /// In ascending order of publishers.
    entries: Vec<Entry>,
    events: u64,
}

#[derive(Debug)]
struct Entry {
    publisher: u16,
    measured: Range<u32>,
    /// The place of its first measured event among those of the channel.
    first_place: u64,
}

impl ExpectedEvents {
    pub(super) fn new(ranges: &[MeasuredRange]) -> Self {
        let mut events = 0;
        let entry = |range: &MeasuredRange| {
            let first_place = events;
            events += u64::from(range.measured.end - range.measured.start);
            Entry { publisher: range.publisher, measured: range.measured.clone(), first_place }
        };
        let entries = ranges.iter().map(entry).collect();
        Self { entries, events }
    }
}

/// What one connection has received.
#[derive(Debug)]
pub(super) struct DeliveryTracker {
    expected: Arc<ExpectedEvents>,
    /// One bit for every measured event.
    seen: Box<[u64]>,
    /// What follows the highest sequence so far, for every publisher.
    next: Box<[u32]>,
}

/// What an event is to the subscriber that receives it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Receipt {
    /// Later than all before from its publisher.
    InOrder,
    /// After a later one.
    Reordered,
    /// Not for the first time.
    Duplicate,
    /// Of the warm-up.
    Unmeasured,
    /// None that this trial publishes.
    Unknown,
}

impl DeliveryTracker {
    pub(super) fn new(expected: Arc<ExpectedEvents>) -> Self {
        Self {
            seen: vec![0; expected.events.div_ceil(u64::BITS.into()) as usize].into(),
            next: vec![0; expected.entries.len()].into(),
            expected,
        }
    }

    /// The id of the last event of the channel: ids count up from 1, over all that is published.
    pub(super) fn last_id(&self) -> u64 {
        self.expected.entries.iter().map(|entry| u64::from(entry.measured.end)).sum()
    }

    /// Whether the event of `publisher` with this sequence is a measured one.
    pub(super) fn measures(&self, publisher: u16, sequence: u32) -> bool {
        let entries = &self.expected.entries;
        let of = entries.binary_search_by_key(&publisher, |entry| entry.publisher);
        of.is_ok_and(|index| entries[index].measured.contains(&sequence))
    }

    /// Enters the event of `publisher` with this sequence.
    pub(super) fn enter(&mut self, publisher: u16, sequence: u32) -> Receipt {
        let entries = &self.expected.entries;
        let Ok(index) = entries.binary_search_by_key(&publisher, |entry| entry.publisher) else {
            return Receipt::Unknown;
        };
        let Entry { measured, first_place, .. } = &entries[index];
        if sequence < measured.start {
            return Receipt::Unmeasured;
        }
        if sequence >= measured.end {
            return Receipt::Unknown;
        }
        let place = first_place + u64::from(sequence - measured.start);
        let word = (place / u64::from(u64::BITS)) as usize;
        let bit = 1 << (place % u64::from(u64::BITS));
        if self.seen[word] & bit != 0 {
            return Receipt::Duplicate;
        }
        self.seen[word] |= bit;
        if sequence < self.next[index] {
            return Receipt::Reordered;
        }
        self.next[index] = sequence + 1;
        Receipt::InOrder
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    fn range(publisher: u16, measured: Range<u32>) -> MeasuredRange {
        MeasuredRange { publisher, measured }
    }

    #[test]
    fn what_was_not_published_is_unknown() {
        let mut tracker =
            DeliveryTracker::new(ExpectedEvents::new(&[range(0, 2..4), range(7, 0..1)]).into());
        assert_eq!(tracker.enter(0, 1), Receipt::Unmeasured);
        assert_eq!(tracker.enter(0, 4), Receipt::Unknown);
        assert_eq!(tracker.enter(6, 0), Receipt::Unknown);
        assert_eq!(tracker.enter(7, 0), Receipt::InOrder);
        assert_eq!(tracker.enter(7, 1), Receipt::Unknown);
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(
            events in proptest::collection::vec((0_u16..3, 0_u32..200), 0..400),
        ) {
            let ranges: Vec<_> = (0..3).map(|publisher| range(publisher, 0..200)).collect();
            let mut tracker = DeliveryTracker::new(ExpectedEvents::new(&ranges).into());
            let mut all = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
            for (publisher, sequence) in events {
                let seen = &mut all[usize::from(publisher)];
                let expected = if seen.contains(&sequence) {
                    Receipt::Duplicate
                } else if seen.last().is_some_and(|&highest| sequence < highest) {
                    Receipt::Reordered
                } else {
                    Receipt::InOrder
                };
                seen.insert(sequence);
                prop_assert_eq!(tracker.enter(publisher, sequence), expected);
            }
        }
    }
}
