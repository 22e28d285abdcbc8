//! What all subscribers of one worker do to the network, counted where it happens.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! tally {
    ($($(#[doc = $doc:literal])+ $field:ident)+) => {
        /// Counters that one worker thread writes, and another may read at any time. Because only
        /// one thread writes, an addition is a plain load and store.
        #[derive(Debug, Default)]
        pub(crate) struct Tally {
            $($(#[doc = $doc])+ pub(crate) $field: Counter,)+
        }

        /// What the tallies of several workers add up to at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Totals {
            $($(#[doc = $doc])+ pub(crate) $field: u64,)+
        }

        impl Totals {
            /// Adds what `tally` says now.
            pub(crate) fn add(&mut self, tally: &Tally) {
                $(self.$field += tally.$field.get();)+
            }

            /// What has come since `earlier`.
            pub(crate) fn since(&self, earlier: &Self) -> Self {
                Self { $($field: self.$field - earlier.$field,)+ }
            }
        }
    };
}

tally! {
    /// Bytes read from sockets.
    bytes_in
    /// Bytes written to sockets.
    bytes_out
    /// Connections opened.
    connections
    /// Connections that were cut on purpose.
    cuts
    /// Connections of which the network carries nothing more on purpose.
    silenced
    /// Events that slow subscribers have received, who are not among the others, and notices.
    slow_events
    /// Whole handshakes of TLS, and how long they took together, in nanoseconds.
    handshakes
    /// See `handshakes`.
    handshake_ns
    /// Sessions of TLS that were resumed, and how long that took together, in nanoseconds.
    resumptions
    /// See `resumptions`.
    resumption_ns
    /// HTTP requests sent.
    requests
    /// Subscribers that went on with something else than they asked for first, each time that they connected.
    fallbacks
    /// Socket reads that brought at least one event.
    reads
    /// Events received, in the warm-up too and each as often as it came.
    deliveries
    /// Bytes of their payloads, as the publisher's application had them.
    payload_bytes
    /// Measured events received, each counted once per subscriber.
    measured
}

/// A counter with one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the worker that owns the tally may call it.
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
