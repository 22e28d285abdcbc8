//! Which events of a channel are left out, doubled or swapped. It knows no time and no log: a
//! sequence of published events goes in, what is to be appended comes out.

use std::num::NonZero;

use super::fault::{Faults, Kind};

/// What one channel has been through so far.
#[derive(Debug)]
pub(crate) struct Disorder<T> {
    /// Events published so far.
    published: u64,
    /// The event that waits for the next one to go first, as often as it is to be appended.
    held: Vec<T>,
}

// Derived, it would ask the same of `T`.
impl<T> Default for Disorder<T> {
    fn default() -> Self {
        Self { published: 0, held: Vec::new() }
    }
}

impl<T: Clone> Disorder<T> {
    /// Takes the next event that was published to the channel and appends to `out` what is to
    /// be appended to its log now. Reports each fault to `on_fault` when it has been done.
    ///
    /// Events count from 1 as they were published, for every fault alike. One that is dropped
    /// is neither doubled nor swapped, and one that goes before its predecessor is not itself
    /// held back.
    pub(super) fn pass(
        &mut self,
        faults: &Faults,
        event: T,
        out: &mut Vec<T>,
        mut on_fault: impl FnMut(Kind),
    ) {
        self.published += 1;
        let is_due = |every: Option<NonZero<u32>>| {
            every.is_some_and(|every| self.published.is_multiple_of(u64::from(every.get())))
        };
        if is_due(faults.drop) {
            return on_fault(Kind::Drop);
        }
        let twin = is_due(faults.duplicate).then(|| event.clone());
        if twin.is_some() {
            on_fault(Kind::Duplicate);
        }
        let copies = std::iter::once(event).chain(twin);
        if self.held.is_empty() && is_due(faults.reorder) {
            return self.held.extend(copies);
        }
        out.extend(copies);
        if !self.held.is_empty() {
            out.append(&mut self.held);
            on_fault(Kind::Reorder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What becomes of the events 1 to `count`, and how many faults of each kind were reported.
    fn appended(faults: &[&str], count: u64) -> (Vec<u64>, [usize; Kind::ALL.len()]) {
        let faults = Faults::new(faults.iter().map(|fault| fault.parse().unwrap())).unwrap();
        let (mut disorder, mut out) = (Disorder::default(), Vec::new());
        let mut counts = [0; Kind::ALL.len()];
        for event in 1..=count {
            disorder.pass(&faults, event, &mut out, |kind| counts[kind as usize] += 1);
        }
        (out, counts)
    }

    fn sequence(faults: &[&str], count: u64) -> Vec<u64> {
        appended(faults, count).0
    }

    #[test]
    fn without_a_fault_all_passes() {
        assert_eq!(appended(&["delay=1s", "cpu=1s"], 4), (vec![1, 2, 3, 4], [0; 6]));
    }

    #[test]
    fn every_nth_is_dropped_doubled_or_swapped() {
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
    fn an_event_that_is_to_be_swapped_waits_for_the_next() {
        assert_eq!(appended(&["reorder=1/3"], 6), (vec![1, 2, 4, 3, 5], [0, 0, 0, 0, 1, 0]));
    }

    #[test]
    fn faults_that_meet() {
        // 3 is dropped, so that 2 waits for 4, which is then not held back itself.
        assert_eq!(sequence(&["reorder=1/2", "drop=1/3"], 7), [1, 4, 2, 5, 7]);
        assert_eq!(sequence(&["duplicate=1/2", "drop=1/4"], 5), [1, 2, 2, 3, 5]);
        assert_eq!(sequence(&["duplicate=1/2", "reorder=1/2"], 5), [1, 3, 2, 2, 5, 4, 4]);
    }

    proptest! {
        /// The counts that a test of the whole instrument expects.
        #[test]
        fn the_counts_follow_from_the_number_of_events(every in 2_u64..9, count in 0_u64..60) {
            let due = count / every;
            let fault = |name: &str| format!("{name}=1/{every}");
            let dropped = sequence(&[&fault("drop")], count);
            prop_assert_eq!(dropped.len() as u64, count - due);
            let doubled = sequence(&[&fault("duplicate")], count);
            let twice = doubled.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
            prop_assert_eq!(twice, due);
            let swapped = sequence(&[&fault("reorder")], count);
            let late = swapped.windows(2).filter(|pair| pair[0] > pair[1]).count() as u64;
            prop_assert_eq!(late, count.saturating_sub(1) / every);
        }
    }
}
