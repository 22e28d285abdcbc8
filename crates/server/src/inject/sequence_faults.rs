//! Drops, duplicates and reorders the events of a channel. It knows no time and no log: published
//! events go in, and the events to append come out.

use std::num::NonZero;

use super::fault::{FaultKind, Faults};

/// The state of one channel.
#[derive(Debug)]
pub(crate) struct SequenceFaults<T> {
    /// Events published so far.
    published: u64,
    /// The copies of an event that are appended after the next one.
    held: Vec<T>,
}

// The derived implementation would require `T: Default`.
impl<T> Default for SequenceFaults<T> {
    fn default() -> Self {
        Self { published: 0, held: Vec::new() }
    }
}

impl<T: Clone> SequenceFaults<T> {
    /// Takes the next event published to the channel and adds to `out` the events to append to its
    /// log now. Reports each fault to `on_fault` once it is done.
    ///
    /// Events are counted from 1 in the order in which they were published, for every fault alike. A
    /// dropped event is neither duplicated nor reordered, and an event that overtakes the one before
    /// it is not held back itself.
    pub(super) fn apply(
        &mut self,
        faults: &Faults,
        event: T,
        out: &mut Vec<T>,
        mut on_fault: impl FnMut(FaultKind),
    ) {
        self.published += 1;
        let is_due = |every: Option<NonZero<u32>>| {
            every.is_some_and(|every| self.published.is_multiple_of(u64::from(every.get())))
        };
        if is_due(faults.drop) {
            return on_fault(FaultKind::Drop);
        }
        let duplicate = is_due(faults.duplicate).then(|| event.clone());
        if duplicate.is_some() {
            on_fault(FaultKind::Duplicate);
        }
        let copies = std::iter::once(event).chain(duplicate);
        if self.held.is_empty() && is_due(faults.reorder) {
            return self.held.extend(copies);
        }
        out.extend(copies);
        if !self.held.is_empty() {
            out.append(&mut self.held);
            on_fault(FaultKind::Reorder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The events that are appended of 1 to `count`, and the number of reported faults of each kind.
    fn appended(faults: &[&str], count: u64) -> (Vec<u64>, [usize; FaultKind::ALL.len()]) {
        let faults = Faults::new(faults.iter().map(|fault| fault.parse().unwrap())).unwrap();
        let (mut sequence, mut out) = (SequenceFaults::default(), Vec::new());
        let mut counts = [0; FaultKind::ALL.len()];
        for event in 1..=count {
            sequence.apply(&faults, event, &mut out, |kind| counts[kind as usize] += 1);
        }
        (out, counts)
    }

    fn sequence(faults: &[&str], count: u64) -> Vec<u64> {
        appended(faults, count).0
    }

    #[test]
    fn without_such_faults_every_event_is_appended() {
        assert_eq!(appended(&["delay=1s", "cpu=1s"], 4), (vec![1, 2, 3, 4], [0; 6]));
    }

    #[test]
    fn every_nth_event_is_dropped_duplicated_or_reordered() {
        assert_eq!(appended(&["drop=1/3"], 7), (vec![1, 2, 4, 5, 7], [0, 0, 2, 0, 0, 0]));
        assert_eq!(
            appended(&["duplicate=1/3"], 7),
            (vec![1, 2, 3, 3, 4, 5, 6, 6, 7], [0, 0, 0, 2, 0, 0])
        );
        assert_eq!(appended(&["reorder=1/3"], 7), (vec![1, 2, 4, 3, 5, 7, 6], [0, 0, 0, 0, 2, 0]));
        assert_eq!(sequence(&["drop=1/1"], 3), [0; 0]);
        assert_eq!(sequence(&["duplicate=1/1"], 2), [1, 1, 2, 2]);
        assert_eq!(sequence(&["reorder=1/2"], 7), [1, 3, 2, 5, 4, 7, 6]);
    }

    #[test]
    fn an_event_to_reorder_waits_for_the_next() {
        assert_eq!(appended(&["reorder=1/3"], 6), (vec![1, 2, 4, 3, 5], [0, 0, 0, 0, 1, 0]));
    }

    #[test]
    fn several_faults_at_once() {
        // 3 is dropped, so 2 waits for 4, which is then not held back itself.
        assert_eq!(sequence(&["reorder=1/2", "drop=1/3"], 7), [1, 4, 2, 5, 7]);
        assert_eq!(sequence(&["duplicate=1/2", "drop=1/4"], 5), [1, 2, 2, 3, 5]);
        assert_eq!(sequence(&["duplicate=1/2", "reorder=1/2"], 5), [1, 3, 2, 2, 5, 4, 4]);
    }

    proptest! {
        /// The counts that a test of the whole instrument relies on.
        #[test]
        fn the_counts_follow_from_the_number_of_events(every in 2_u64..9, count in 0_u64..60) {
            let due = count / every;
            let fault = |name: &str| format!("{name}=1/{every}");
            let dropped = sequence(&[&fault("drop")], count);
            prop_assert_eq!(dropped.len() as u64, count - due);
            let duplicated = sequence(&[&fault("duplicate")], count);
            let twice = duplicated.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
            prop_assert_eq!(twice, due);
            let reordered = sequence(&[&fault("reorder")], count);
            let late = reordered.windows(2).filter(|pair| pair[0] > pair[1]).count() as u64;
            prop_assert_eq!(late, count.saturating_sub(1) / every);
        }
    }
}
