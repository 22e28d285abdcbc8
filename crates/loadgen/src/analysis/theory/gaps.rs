//! How long events wait for the next request of a long poll. After each answer there is a gap in which none is
//! held: events that come meanwhile wait for its end, and are answered together. It follows from the
//! schedule alone, which is the same in every trial, so nothing is left to chance.

/// The times that events wait, each in nanoseconds: those of one channel at `times_ns`, in ascending order,
/// of which it says which are measured.
pub(super) fn waits_ns(events: impl Iterator<Item = (f64, bool)>, gap_ns: f64) -> Vec<f64> {
    // The next request comes then; it is there before the first event.
    let mut request_ns = f64::NEG_INFINITY;
    let mut is_awaited = false;
    let wait = |(at_ns, is_measured): (f64, bool)| {
        // What waited for it has answered it.
        if is_awaited && at_ns > request_ns {
            is_awaited = false;
            request_ns += gap_ns;
        }
        let wait_ns = if at_ns > request_ns {
            request_ns = at_ns + gap_ns;
            0.0
        } else {
            is_awaited = true;
            request_ns - at_ns
        };
        is_measured.then_some(wait_ns)
    };
    events.filter_map(wait).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(times: &[f64], gap: f64) -> Vec<f64> {
        waits_ns(times.iter().map(|at| (*at, true)), gap)
    }

    #[test]
    fn events_in_a_gap_wait_for_its_end_together() {
        // Answers at 0, 10 (for 1 and 4), 20 (for 11), and 50.
        assert_eq!(waits(&[0.0, 1.0, 4.0, 11.0, 50.0], 10.0), [0.0, 9.0, 6.0, 9.0, 0.0]);
    }

    #[test]
    fn what_is_not_measured_makes_gaps_all_the_same() {
        let events = [(0.0, false), (1.0, true)].into_iter();
        assert_eq!(waits_ns(events, 10.0), [9.0]);
    }

    #[test]
    fn without_a_gap_nobody_waits() {
        assert_eq!(waits(&[0.0, 0.0, 1.0], 0.0), [0.0, 0.0, 0.0]);
    }
}
