//! What is known of subscribers in the page of a browser that nobody knows of clients of ours, and what is not known of
//! them.

use crate::results::Metric;

/// What a page says of itself when all is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PageAccount {
    /// How far its times may be off, as they were translated.
    pub(super) uncertainty_ns: u64,
    /// Events that it has handled, in the warm-up too.
    pub(super) events: u64,
    /// How long its handlers took for them.
    pub(super) handler_ns: f64,
}

impl PageAccount {
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
