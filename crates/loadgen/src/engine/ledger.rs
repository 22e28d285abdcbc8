//! Which of the measured events of its channel a subscriber has: what makes losses, duplicates and
//! reordering exact figures.

/// One bit for every measured event.
#[derive(Debug)]
pub(super) struct Ledger {
    seen: Box<[u64]>,
    highest: Option<u32>,
}

/// What an event is to the subscriber that receives it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Receipt {
    /// Later than all before.
    InOrder,
    /// After a later one.
    Late,
    /// Not for the first time.
    Again,
}

impl Ledger {
    /// For `count` events.
    pub(super) fn new(count: u32) -> Self {
        Self { seen: vec![0; count.div_ceil(u64::BITS) as usize].into(), highest: None }
    }

    /// Enters the event with `index`, which is below the count.
    pub(super) fn enter(&mut self, index: u32) -> Receipt {
        let (word, bit) = ((index / u64::BITS) as usize, 1 << (index % u64::BITS));
        if self.seen[word] & bit != 0 {
            return Receipt::Again;
        }
        self.seen[word] |= bit;
        if self.highest.is_some_and(|highest| index < highest) {
            return Receipt::Late;
        }
        self.highest = Some(index);
        Receipt::InOrder
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_set(events in proptest::collection::vec(0_u32..200, 0..400)) {
            let mut ledger = Ledger::new(200);
            let mut seen = BTreeSet::new();
            for event in events {
                let expected = if seen.contains(&event) {
                    Receipt::Again
                } else if seen.last().is_some_and(|&highest| event < highest) {
                    Receipt::Late
                } else {
                    Receipt::InOrder
                };
                seen.insert(event);
                prop_assert_eq!(ledger.enter(event), expected);
            }
        }
    }
}
