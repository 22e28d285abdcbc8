//! The clock of the page against ours. Nobody tells how they lie to each other, so that is measured: the page is asked for
//! its time, which it has read somewhere between question and answer. It must not know how it is asked.

/// A question for the time of the page, and its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    /// When it was asked, by [`pushbench_wire::clock`].
    pub(super) asked_ns: u64,
    /// The time that it had then, by its own.
    pub(super) page_ms: f64,
    /// When the answer was there, by [`pushbench_wire::clock`].
    pub(super) answered_ns: u64,
}

/// By how much our clock is ahead of that of the page: between these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offset {
    least_ns: i64,
    most_ns: i64,
    /// A time that the page tells may be off by that.
    resolution_ns: i64,
    /// Whether the clock was moved while it was compared, so that nothing agrees.
    pub(super) contradicts: bool,
}

impl Offset {
    /// What all exchanges allow; none without any. The way there has taken something in each of them, and so has
    /// the way back: the quickest of each bound it, which need not be of the same one.
    pub(super) fn of(exchanges: &[Exchange], resolution_ms: f64) -> Option<Self> {
        let resolution_ns = nanoseconds(resolution_ms);
        let ahead = |ours_ns: u64, of: &Exchange| {
            i64::try_from(ours_ns).unwrap_or(i64::MAX).saturating_sub(nanoseconds(of.page_ms))
        };
        let least = exchanges.iter().map(|of| ahead(of.asked_ns, of)).max()? - resolution_ns;
        let most = exchanges.iter().map(|of| ahead(of.answered_ns, of)).min()? + resolution_ns;
        // Of a clock that was moved meanwhile nothing agrees. What it was moved by is between them then.
        let contradicts = least > most;
        let (least_ns, most_ns) = (least.min(most), least.max(most));
        Some(Self { least_ns, most_ns, resolution_ns, contradicts })
    }

    fn middle_ns(self) -> i64 {
        self.least_ns + (self.most_ns - self.least_ns) / 2
    }

    /// A time of the page by [`pushbench_wire::clock`].
    pub(super) fn ours_ns(self, page_ms: f64) -> u64 {
        nanoseconds(page_ms).saturating_add(self.middle_ns()).try_into().unwrap_or_default()
    }

    /// How far a time of the page may be off that was translated by this offset, where the offset was `after` when
    /// all was over: neither clock has moved more on the way from one to the other.
    pub(super) fn uncertainty_ns(self, after: Self) -> u64 {
        let below = self.middle_ns() - self.least_ns.min(after.least_ns);
        let above = self.most_ns.max(after.most_ns) - self.middle_ns();
        (below.max(above) + self.resolution_ns).unsigned_abs()
    }
}

fn nanoseconds(ms: f64) -> i64 {
    (ms * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RESOLUTION_MS: f64 = 0.005;

    /// Exchanges in which both ways take these times, with a page whose clock is behind by `offset_ns` and
    /// tells whole steps.
    fn exchanges(offset_ns: u64, ways_ns: &[(u64, u64)]) -> Vec<Exchange> {
        let mut now_ns = 1_000_000_000_000 + offset_ns;
        let exchange = |&(there_ns, back_ns): &(u64, u64)| {
            let asked_ns = now_ns;
            let page_ns = asked_ns + there_ns - offset_ns;
            now_ns = asked_ns + there_ns + back_ns + 1_000;
            let page_ms = (page_ns as f64 / 1e6 / RESOLUTION_MS).floor() * RESOLUTION_MS;
            Exchange { asked_ns, page_ms, answered_ns: asked_ns + there_ns + back_ns }
        };
        ways_ns.iter().map(exchange).collect()
    }

    proptest! {
        /// The truth is never further away than it is said to be, and never less is known than from the quickest
        /// exchange alone, as NTP has it (RFC 5905 §8): half of its round trip.
        #[test]
        fn the_truth_is_within_what_is_said(
            offset_ns in 0_u64..1_000_000_000_000_000,
            ways_ns in proptest::collection::vec((1_000_u64..5_000_000, 1_000_u64..5_000_000), 1..60),
            page_us in 0_u64..3_600_000_000,
        ) {
            let exchanges = exchanges(offset_ns, &ways_ns);
            let offset = Offset::of(&exchanges, RESOLUTION_MS).unwrap();
            let uncertainty_ns = offset.uncertainty_ns(offset);
            let said_ns = offset.ours_ns(page_us as f64 / 1e3);
            let true_ns = page_us * 1_000 + offset_ns;
            prop_assert!(said_ns.abs_diff(true_ns) <= uncertainty_ns, "{said_ns} {true_ns} {uncertainty_ns}");
            let quickest_ns = ways_ns.iter().map(|(there, back)| there + back).min().unwrap();
            prop_assert!(uncertainty_ns <= quickest_ns / 2 + 2 * 5_000 + 2, "{uncertainty_ns} {quickest_ns}");
        }

        /// A clock that runs at another speed is off by no more in between than at the end.
        #[test]
        fn what_clocks_move_apart_is_in_it(drift_ns in -10_000_000_i64..10_000_000, share in 0.0..1.0_f64) {
            let offset_ns = 50_000_000_u64;
            let ways = [(40_000, 60_000), (50_000, 30_000)];
            let before = Offset::of(&exchanges(offset_ns, &ways), RESOLUTION_MS).unwrap();
            let moved_ns = offset_ns.checked_add_signed(drift_ns).unwrap();
            let after = Offset::of(&exchanges(moved_ns, &ways), RESOLUTION_MS).unwrap();
            let uncertainty_ns = before.uncertainty_ns(after);
            let then_ns = offset_ns.checked_add_signed((drift_ns as f64 * share) as i64).unwrap();
            let said_ns = before.ours_ns(1_000.0);
            prop_assert!(said_ns.abs_diff(1_000_000_000 + then_ns) <= uncertainty_ns);
            prop_assert!(uncertainty_ns <= drift_ns.unsigned_abs() + 100_000 + 20_000, "{uncertainty_ns}");
        }
    }

    #[test]
    fn the_quickest_ways_need_not_be_of_one_exchange() {
        let exchanges = exchanges(7_000_000, &[(20_000, 900_000), (800_000, 30_000)]);
        let offset = Offset::of(&exchanges, RESOLUTION_MS).unwrap();
        let uncertainty_ns = offset.uncertainty_ns(offset);
        // Half of 20 and 30 µs, a step of the clock for what is asked and one for what is told, and half of one
        // between two.
        assert!(uncertainty_ns <= 25_000 + 12_500, "{uncertainty_ns}");
        assert!(!offset.contradicts);
        assert_eq!(Offset::of(&[], RESOLUTION_MS), None);
    }

    #[test]
    fn a_clock_that_is_moved_meanwhile_contradicts_itself() {
        let ways = [(20_000, 30_000), (20_000, 30_000)];
        let mut moved = exchanges(7_000_000, &ways);
        moved[1].page_ms += 5.0;
        assert!(Offset::of(&moved, RESOLUTION_MS).unwrap().contradicts);
    }
}
