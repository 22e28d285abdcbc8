use super::*;
use crate::framing::Framing;
use proptest::prelude::*;

pub(in crate::hub) const LIMITS: Limits = Limits {
    max_channels: 1,
    log_events: 3,
    log_bytes: 100,
    channel_idle: std::time::Duration::from_secs(1),
    slow_policy: SlowPolicy::DropOldest,
};

pub(in crate::hub) fn channel() -> Channel {
    channel_of(LIMITS)
}

pub(in crate::hub) fn channel_of(limits: Limits) -> Channel {
    Channel::new(limits, Place::default(), Arc::default(), Arc::default(), Reservation::default())
}

pub(in crate::hub) fn event(payload: &str) -> NewEvent {
    NewEvent::new(None, payload.as_bytes(), false, Reservation::default())
}

/// The notice as JSON, if there is one, and the ids of the events after `cursor`.
pub(in crate::hub) fn read(channel: &Channel, cursor: u64) -> (Option<String>, Vec<u64>) {
    let (mut notice, mut ids) = (None, Vec::new());
    channel.read(cursor, |event| {
        if event.is_lagged_notice() {
            notice = Some(String::from_utf8(event.frame(Framing::Json).to_vec()).unwrap());
        } else {
            ids.push(event.id());
        }
        true
    });
    (notice, ids)
}

pub(in crate::hub) fn notice(id: u64, missed: &str) -> Option<String> {
    Some(format!(r#"{{"id":{id},"event":"lagged","data":"{{\"missed\":{missed}}}"}}"#))
}

#[test]
fn ids_count_up_and_a_cursor_reads_what_follows_it() {
    let channel = channel();
    assert_eq!(read(&channel, 0), (None, vec![]));
    assert_eq!(channel.publish([event("a"), event("b")]), 2);
    assert_eq!(read(&channel, 0), (None, vec![1, 2]));
    assert_eq!(read(&channel, 1), (None, vec![2]));
    assert_eq!(read(&channel, 2), (None, vec![]));
}

#[test]
fn a_cursor_that_fell_off_the_log_gets_a_notice() {
    let channel = channel();
    for _ in 0..5 {
        channel.publish([event("a")]);
    }
    assert_eq!(read(&channel, 0), (notice(2, "2"), vec![3, 4, 5]));
    assert_eq!(read(&channel, 1), (notice(2, "1"), vec![3, 4, 5]));
    assert_eq!(read(&channel, 2), (None, vec![3, 4, 5]));
}

#[test]
fn whoever_fell_off_may_go_on_with_the_newest() {
    let channel = channel_of(Limits { slow_policy: SlowPolicy::SkipToNewest, ..LIMITS });
    for _ in 0..5 {
        channel.publish([event("a")]);
    }
    assert_eq!(read(&channel, 0), (notice(4, "4"), vec![5]));
    assert_eq!(read(&channel, 1), (notice(4, "3"), vec![5]));
    assert_eq!(read(&channel, 2), (None, vec![3, 4, 5]), "it has not fallen off");
    assert!(channel.is_beyond(1) && !channel.is_beyond(2));
    // Whoever comes from before a restart knows none of them.
    assert_eq!(read(&channel, 9), (notice(2, "null"), vec![3, 4, 5]));
    channel.forget();
    assert_eq!(read(&channel, 0), (notice(5, "5"), vec![]));
    channel.publish([event("a")]);
    assert_eq!(read(&channel, 0), (notice(5, "5"), vec![6]), "the only one is the newest");
}

#[test]
fn a_cursor_ahead_of_the_log_starts_again_at_the_oldest_event() {
    let channel = channel();
    assert_eq!(read(&channel, 9), (notice(0, "null"), vec![]));
    channel.publish([event("a")]);
    assert_eq!(read(&channel, u64::MAX), (notice(0, "null"), vec![1]));
}

#[test]
fn the_newest_event_is_kept_whatever_its_size() {
    let channel = channel();
    channel.publish([event("a"), event(&"x".repeat(1_000))]);
    assert_eq!(read(&channel, 1), (None, vec![2]));
}

proptest! {
    /// Whatever is published and whenever a subscriber reads: each event arrives once and in
    /// order, or is counted by a notice, and the log stays within its limits.
    #[test]
    fn nothing_is_lost_silently(
        steps in proptest::collection::vec((0_usize..6, 0_usize..60, any::<bool>()), 1..40),
    ) {
        let channel = channel();
        let (mut cursor, mut accounted) = (0, 0);
        for (count, size, reads) in steps {
            channel.publish((0..count).map(|_| event(&"x".repeat(size))));
            {
                let log = channel.log();
                prop_assert!(log.events.len() <= LIMITS.log_events);
                prop_assert!(log.bytes <= LIMITS.log_bytes || log.events.len() == 1);
                prop_assert_eq!(log.bytes, log.events.iter().map(|e| e.size_bytes()).sum::<usize>());
            }
            if reads {
                channel.read(cursor, |event| {
                    if event.is_lagged_notice() {
                        assert!(event.id() > cursor);
                        accounted += event.id() - cursor;
                    } else {
                        assert_eq!(event.id(), cursor + 1);
                        accounted += 1;
                    }
                    cursor = event.id();
                    true
                });
                prop_assert_eq!(cursor, channel.last_id());
                prop_assert_eq!(accounted, channel.last_id());
            }
        }
    }
}
