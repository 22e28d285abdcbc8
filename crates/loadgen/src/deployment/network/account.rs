//! What a network has done, and how late it was. It must not know how it did it.

use hdrhistogram::Histogram;

/// What a network has done so far.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// CPU time of its threads.
    pub(crate) cpu_ns: u64,
    /// Packets, or pieces of streams, in both directions.
    pub(crate) packets: u64,
    /// Those of them that it lost, as it should.
    pub(crate) lost: u64,
    /// Those that were lost because its threads did not keep up.
    pub(crate) overflown: u64,
    /// How much later than they should packets went on; none where nobody writes it down.
    pub(crate) lateness: Option<Histogram<u64>>,
}

impl Reading {
    /// What was done since `earlier`, by the same threads.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut lateness = self.lateness.clone();
        if let (Some(now), Some(then)) = (&mut lateness, &earlier.lateness) {
            // What was counted then is counted now.
            let _ = now.subtract(then);
        }
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
            packets: self.packets.saturating_sub(earlier.packets),
            lost: self.lost.saturating_sub(earlier.lost),
            overflown: self.overflown.saturating_sub(earlier.overflown),
            lateness,
        }
    }

    /// Of two directions together.
    pub(super) fn and(mut self, other: &Self) -> Self {
        self.cpu_ns += other.cpu_ns;
        self.packets += other.packets;
        self.lost += other.lost;
        self.overflown += other.overflown;
        if let (Some(mine), Some(theirs)) = (&mut self.lateness, &other.lateness) {
            // Both have the same range.
            let _ = mine.add(theirs);
        }
        self
    }
}

/// An empty account of lateness: up to 100 s, in steps of 1 %.
pub(super) fn lateness() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 100_000_000_000, 2).expect("the bounds are right")
}
