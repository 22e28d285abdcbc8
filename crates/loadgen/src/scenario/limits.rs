//! The largest values that a scenario may ask for.

use std::time::Duration;

pub(super) const MAX_BLOCKS: u32 = 100;
pub(super) const MAX_SUBSCRIBERS: u32 = 1_000_000;
/// What one publisher thread could ever send; the 1 µs between two events keeps their order.
pub(super) const MAX_EVENTS_PER_SECOND: u32 = 1_000_000;
/// Delivery trackers and stamps count events in 32 bits and keep them in memory.
pub(super) const MAX_EVENTS_PER_CHANNEL: u32 = 10_000_000;
/// The server's bound on any size, the log of a channel among them.
pub(crate) const MAX_LOG_BYTES: u64 = 1 << 30;
/// The server's default limit on one event.
pub(super) const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// Beyond, connections are more than a machine has ports for.
pub(super) const MAX_CHANNELS_PER_SUBSCRIBER: u32 = 100;
/// Stamps tell publishers apart by 16 bits, and the first of them is ours.
pub(super) const MAX_SENDERS: u32 = 65_535;

pub(super) const TICK: Duration = Duration::from_millis(1);
/// An event waits up to an interval to be asked for; latencies are recorded up to 60 s, and what
/// delays it further must fit as well.
pub(super) const MAX_POLLING_INTERVAL: Duration = Duration::from_secs(50);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// A scenario is a page of text, and so is a preset; whatever is larger was named by mistake.
pub(super) const MAX_FILE_BYTES: u64 = 1024 * 1024;
