//! What a slow subscriber receives, which is accounted apart: it is expected to miss events, and to be told
//! so. Whatever it neither got nor was told about is missing without a word.

use pushbench_wire::Event;
use pushbench_wire::Stamp;
use pushbench_wire::event::is_lagged_name;

use crate::engine::delivery_tracker::{DeliveryTracker, Receipt};
use crate::engine::recorder::Account;

/// How many events a notice says that were missed; none where it does not know.
fn missed(notice: &[u8]) -> Option<u64> {
    let said: serde_json::Value = serde_json::from_slice(notice).ok()?;
    said.get("missed")?.as_u64()
}

/// Enters an event of a slow subscriber that had received everything up to `before`, as far as it was not
/// told that it missed something.
pub(super) fn enter(
    account: &mut Account,
    tracker: Option<&mut DeliveryTracker>,
    before: u64,
    event: &Event<'_>,
) {
    let slow = &mut account.slow;
    if is_lagged_name(event.name) {
        slow.notices += 1;
        slow.told += missed(event.payload).unwrap_or_default();
        return;
    }
    // Ids count up by one: behind a notice, that of the last event missed comes before the next one.
    slow.untold += event.id.saturating_sub(before + 1);
    let (Some(tracker), Some(stamp)) = (tracker, Stamp::read_from(event.payload)) else { return };
    match tracker.enter(stamp.publisher, stamp.sequence) {
        Receipt::InOrder | Receipt::Reordered => slow.delivered += 1,
        Receipt::Duplicate => slow.duplicated += 1,
        Receipt::Unmeasured => {}
        Receipt::Unknown => account.unknown += 1,
    }
}

#[cfg(test)]
mod tests {
    use pushbench_wire::stamp::STAMP_LEN;

    use super::*;
    use crate::engine::fixture::tracker;
    use crate::engine::slow_account::SlowAccount;

    #[test]
    fn every_event_has_come_or_was_told_or_is_missing_without_a_word() {
        let (mut account, mut tracker) = (Account::default(), tracker());
        let mut last = 0;
        let mut enter = |id: u64, name: &str, payload: &[u8]| {
            let event = Event { id, name, payload, binary: false };
            super::enter(&mut account, Some(&mut tracker), last, &event);
            last = id;
        };
        let stamped = |sequence: u32| {
            let mut payload = [0; STAMP_LEN];
            let stamp = Stamp { publisher: 0, sequence, intended_ns: 1, published_ns: 1 };
            stamp.write_to(&mut payload);
            payload
        };
        enter(1, "message", &stamped(0));
        enter(4, "lagged", br#"{"missed":3}"#);
        enter(5, "message", &stamped(4));
        enter(8, "message", &stamped(7));
        enter(8, "message", &stamped(7));
        enter(9, "lagged", br#"{"missed":null}"#);
        let expected = SlowAccount { delivered: 3, duplicated: 1, notices: 2, told: 3, untold: 2 };
        assert_eq!(account.slow, expected);
    }
}
