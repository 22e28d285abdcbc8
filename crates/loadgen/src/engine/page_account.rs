//! What is known of subscribers in the page of a browser that nobody knows of clients of ours, and what is not known of
//! them.

use crate::results::{Metric, Warning};

/// What a page says of itself when all is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PageAccount {
    /// How far its times may be off, as they were translated.
    pub(super) uncertainty_ns: u64,
    /// Whether no difference of the clocks agrees with all that was seen of them.
    pub(super) contradicts: bool,
    /// Events that it has handled, in the warm-up too.
    pub(super) events: u64,
    /// How long its handlers took for them.
    pub(super) handler_ns: f64,
}

/// From what share of the median latency on it is to be said how far that may be off.
const UNCERTAIN_SHARE: f64 = 0.1;

impl PageAccount {
    /// Whether its clock is known too badly for a median latency like this.
    pub(super) fn warning(self, p50_ns: u64) -> Option<Warning> {
        let share = self.uncertainty_ns as f64 / p50_ns as f64;
        let is_bad = self.contradicts || share > UNCERTAIN_SHARE;
        // Where there are no latencies, none is off.
        (is_bad && p50_ns > 0).then_some(Warning::BrowserClock {
            uncertainty_ms: self.uncertainty_ns as f64 / 1e6,
            percent: share * 100.0,
            contradicts: self.contradicts,
        })
    }

    /// Its values.
    pub(super) fn values(self) -> [(Metric, Option<f64>); 2] {
        let mean = (self.events > 0).then(|| self.handler_ns / self.events as f64);
        [
            (Metric::BrowserClockUncertainty, Some(self.uncertainty_ns as f64)),
            (Metric::BrowserHandlerMean, mean),
        ]
    }
}

/// Whether this is counted where sockets are read and written, which a page does not see.
pub(super) const fn is_unseen_by_pages(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::BytesToServer
            | Metric::BytesToSubscribers
            | Metric::BytesPerDelivery
            | Metric::BytesPerConnection
            | Metric::PayloadBytesPerDelivery
            | Metric::FramingBytesPerDelivery
            | Metric::IdleBytes
            | Metric::IdleRequests
            | Metric::Requests
            | Metric::Reads
            | Metric::DeliveriesPerRead
            | Metric::ConnectionsOpened
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_known_too_badly_only_for_short_latencies_unless_it_was_moved() {
        let page = |contradicts| PageAccount {
            uncertainty_ns: 100_000,
            contradicts,
            events: 0,
            handler_ns: 0.0,
        };
        assert_eq!(page(false).warning(1_000_000), None);
        assert_eq!(page(true).warning(0), None);
        let short = page(false).warning(500_000).unwrap();
        assert!(!short.invalidates() && short.to_string().contains("0.10 ms, which is 20 %"));
        let moved = page(true).warning(1_000_000).unwrap();
        assert!(moved.invalidates() && moved.touches(Metric::LatencyP50));
        assert!(!moved.touches(Metric::ServerCpu), "{moved}");
    }
}
