use super::*;
use crate::engine::fixture::{ScriptedPath, due, publish_plan};

/// A minute and more: whoever waits for it hangs.
const LATER_NS: u64 = 100_000_000_000;

#[test]
fn a_schedule_is_followed_over_all_paths_and_answered() {
    let schedule = (0..6).map(|sequence| due(sequence, u64::from(sequence) * 1_000_000));
    let paths = [ScriptedPath::default(), ScriptedPath::default()];
    let open = paths.iter().map(ScriptedPath::opened).collect();
    let publisher = Publisher::start(publish_plan(clock::now_ns()), schedule, open).unwrap();
    let sent = publisher.finish(None).unwrap();
    // Even events are on the first channel and odd ones on the second, with an audience of 1 and 10.
    assert_eq!(sent.deliveries, 3 + 30);
    assert_eq!(sent.lateness.len(), 6);
    assert!(sent.schedule_sha256.is_some());
    assert_eq!(paths[0].pushed(), [(0, 0), (0, 2), (0, 4)]);
    assert_eq!(paths[1].pushed(), [(1, 1), (1, 3), (1, 5)]);
    assert!(paths.iter().all(ScriptedPath::is_answered), "it waits for answers");
}

#[test]
fn a_publisher_that_is_stopped_ends_before_its_schedule() {
    let schedule = [due(0, 0), due(1, LATER_NS)].into_iter();
    let path = ScriptedPath::default();
    let open = vec![path.opened()];
    let publisher = Publisher::start(publish_plan(clock::now_ns()), schedule, open).unwrap();
    while publisher.published() == 0 {
        std::thread::yield_now();
    }
    assert_eq!(publisher.tcp(), None, "nobody says");
    let sent = publisher.finish(Some(Duration::from_millis(1))).unwrap();
    assert_eq!((sent.deliveries, sent.schedule_sha256), (1, None));
    assert_eq!(path.pushed(), [(0, 0)]);
}

#[test]
fn a_path_that_breaks_is_a_failure_at_once() {
    let schedule = [due(0, 0), due(1, LATER_NS)].into_iter();
    let open = vec![ScriptedPath::broken().opened()];
    let publisher = Publisher::start(publish_plan(clock::now_ns()), schedule, open).unwrap();
    let reason = loop {
        if let Some(reason) = publisher.failure() {
            break reason;
        }
        std::thread::yield_now();
    };
    assert_eq!(reason, "it is broken");
    assert_eq!(publisher.finish(None).unwrap_err().to_string(), "it is broken");
}
