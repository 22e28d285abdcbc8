mod crash;
mod damage;
mod full;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::record::{Record, read};
use super::*;
use crate::framing::Place;
use crate::hub::Limits;
use crate::memory::{Memory, Reservation};

const LIMITS: Limits = Limits {
    max_channels: 9,
    log_events: 1_000,
    log_bytes: 1 << 20,
    channel_idle: Duration::from_secs(3_600),
    slow_policy: crate::SlowPolicy::DropOldest,
};

fn hub_of(limits: Limits) -> Arc<Hub> {
    Arc::new(Hub::new(limits, Memory::new(64 << 20)))
}

fn hub() -> Arc<Hub> {
    hub_of(LIMITS)
}

fn event(payload: &str) -> NewEvent {
    NewEvent::new(Some("price"), payload.as_bytes(), payload.len() % 2 == 1, Reservation::default())
}

fn open(folder: &Path, sync: LogSync, hub: &Arc<Hub>) -> (Journal, Report) {
    // Several files.
    let log = DiskLog { folder: folder.to_owned(), sync };
    Journal::with_files_of(400, &log, hub).unwrap()
}

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn publish(journal: &Journal, hub: &Hub, channel: &str, payloads: &[&str]) -> u64 {
    let channel = hub.channel(channel).unwrap();
    let events = payloads.iter().map(|payload| event(payload)).collect();
    now(journal.publish(&channel, events, None)).unwrap().last_id.unwrap()
}

/// All events: channel, place and what is in them.
fn all(hub: &Hub) -> Vec<(String, Place, String)> {
    let of = |(channel, event): (Arc<Channel>, Arc<crate::framing::Event>)| {
        (channel.name().to_owned(), event.place(), format!("{:?}", event.parts()))
    };
    hub.kept().1.into_iter().map(of).collect()
}

#[test]
fn what_was_published_is_there_after_a_restart_and_ids_go_on() {
    for sync in [LogSync::Always, LogSync::Interval(Duration::from_millis(1)), LogSync::Never] {
        let folder = TempDir::new().unwrap();
        let before = hub();
        let (journal, report) = open(folder.path(), sync, &before);
        assert_eq!(report.in_a_line(), None, "a new log");
        for round in 0..20 {
            publish(&journal, &before, "a", &["1.2", &"x".repeat(round)]);
            publish(&journal, &before, "b", &["", "y"]);
        }
        drop(journal);
        let after = hub();
        let (journal, report) = open(folder.path(), sync, &after);
        assert_eq!((report.in_a_line(), report.events, report.channels), (None, 80, 2));
        assert_eq!(all(&after), all(&before));
        assert_eq!(all(&after).len(), 80);
        assert_eq!(publish(&journal, &after, "a", &["z"]), 41);
        assert_eq!(all(&after).last().unwrap().1, Place { id: 41, position: 81 });
    }
}

#[test]
fn one_server_has_it_at_a_time() {
    let folder = TempDir::new().unwrap();
    let log = DiskLog { folder: folder.path().to_owned(), sync: LogSync::Never };
    let (first, _) = Journal::open(&log, &hub()).unwrap();
    let error = Journal::open(&log, &hub()).unwrap_err();
    assert_eq!(error.to_string(), "another server uses it");
    first.close();
    drop(first);
    assert!(Journal::open(&log, &hub()).is_ok());
}

#[test]
fn a_request_that_comes_again_is_not_taken_again_even_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let claim = |sequence| Some(Claim { publisher: "p".into(), sequence });
    let take = |journal: &Journal, hub: &Hub, sequence| {
        let channel = hub.channel("a").unwrap();
        now(journal.publish(&channel, vec![event("x"), event("y")], claim(sequence))).unwrap()
    };
    let taken = |last_id, is_repeated| Taken { last_id, is_repeated };
    let before = hub();
    let (journal, _) = open(folder.path(), LogSync::Always, &before);
    for sequence in 1..=9 {
        assert_eq!(take(&journal, &before, sequence), taken(Some(2 * sequence), false));
    }
    assert_eq!(take(&journal, &before, 9), taken(Some(18), true));
    drop(journal);
    let after = hub();
    let (journal, _) = open(folder.path(), LogSync::Always, &after);
    assert_eq!(take(&journal, &after, 9), taken(Some(18), true));
    assert_eq!(take(&journal, &after, 3), taken(None, true), "of older ones the id is forgotten");
    assert_eq!(take(&journal, &after, 10), taken(Some(20), false));
    assert_eq!(all(&after).len(), 20);
}

/// A writer that has not begun, and what it is given.
fn waiting(folder: &Path, sync: LogSync, hub: &Arc<Hub>) -> (Writer, Arc<Shared>) {
    let folder = Folder::open(folder).unwrap();
    let mut segments = Segments::behind(folder, &[], 1, sync != LogSync::Never);
    let publishers = crate::publish::Publishers::default();
    segments.begin(hub, &publishers).unwrap();
    let shared = Arc::new(Shared::default());
    let writer =
        Writer::new(Arc::clone(hub), segments, publishers, sync, Arc::clone(&shared)).unwrap();
    (writer, shared)
}

#[test]
fn all_publishers_that_wait_share_one_sync() {
    for (sync, syncs) in [(LogSync::Always, 1), (LogSync::Never, 0)] {
        let (folder, hub) = (TempDir::new().unwrap(), hub());
        let (writer, shared) = waiting(folder.path(), sync, &hub);
        let answers: Vec<_> = (0..100)
            .map(|number| {
                let (answer, answered) = oneshot::channel();
                let channel = hub.channel(if number % 3 == 0 { "a" } else { "b" }).unwrap();
                let (events, answer) = (vec![event("x"), event("y")], Some(answer));
                shared.add(Job { channel, events, claim: None, answer });
                answered
            })
            .collect();
        shared.queue().is_closed = true;
        writer.run();
        let counts = &shared.counts;
        assert_eq!(counts.syncs.load(Ordering::Relaxed), syncs, "{sync:?}");
        assert_eq!(counts.writes.load(Ordering::Relaxed), 1);
        let mut ids = [0, 0];
        for (number, answer) in answers.into_iter().enumerate() {
            let id = &mut ids[usize::from(number % 3 != 0)];
            *id += 2;
            assert_eq!(now(answer).unwrap().unwrap().last_id, Some(*id), "each has its own");
        }
        let after = self::hub();
        open(folder.path(), sync, &after);
        assert_eq!(all(&after), all(&hub));
    }
}

/// A log that is kept short, and how much of it is on disk after each request.
fn kept(quiet_first: bool) -> (TempDir, Arc<Hub>, Vec<u64>) {
    let limits = Limits { log_events: 7, ..LIMITS };
    let (folder, hub) = (TempDir::new().unwrap(), hub_of(limits));
    let (journal, _) = open(folder.path(), LogSync::Never, &hub);
    if quiet_first {
        publish(&journal, &hub, "quiet", &["still there"]);
    }
    let mut sizes = Vec::new();
    for _ in 0..400 {
        publish(&journal, &hub, "busy", &["0123456789", "0123456789"]);
        let files = fs::read_dir(folder.path()).unwrap();
        sizes.push(files.map(|file| file.unwrap().metadata().unwrap().len()).sum());
    }
    (folder, hub, sizes)
}

#[test]
fn what_is_no_longer_kept_goes_from_the_disk_too() {
    for quiet_first in [false, true] {
        let (folder, before, sizes) = kept(quiet_first);
        // What is kept twice, and three files, each longer by a request than it has to be.
        let most = 2 * (8 * 110) + 3 * (400 + 200);
        assert!(sizes.iter().all(|&size| size <= most), "{:?} of {most}", sizes.iter().max());
        let after = hub_of(Limits { log_events: 7, ..LIMITS });
        let (_journal, report) = open(folder.path(), LogSync::Never, &after);
        assert_eq!(report.in_a_line(), None);
        assert_eq!(all(&after), all(&before));
        assert_eq!(all(&after).len(), 7 + usize::from(quiet_first));
    }
}

/// What was done to the files.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Cut,
    Flip(u8),
}

/// The places of all events in the files before byte `at` of all of them, as far as records are whole, and
/// how many bytes there are; and whether the oldest of several files has lost its first record: without it, it
/// is nothing, and the others go on.
fn whole_until(folder: &Path, at: u64) -> (Vec<Place>, u64, bool) {
    let files = Folder::open(folder).unwrap();
    let (mut places, mut begin, mut goes_on) = (Vec::new(), 0, false);
    let numbers = files.numbers().unwrap();
    for &number in &numbers {
        let bytes = fs::read(files.path_of(number)).unwrap();
        let mut end = 0;
        while let Some((record, length)) = read(&bytes[end..]) {
            end += length;
            if !goes_on && begin + end as u64 > at {
                goes_on = begin == 0 && end == length && numbers.len() > 1;
                if goes_on {
                    break;
                }
                return (places, begin, false);
            }
            if let Record::Batch(batch) = record {
                let place = |index| Place {
                    id: batch.first.id + index,
                    position: batch.first.position + index,
                };
                places.extend((0..batch.events.len() as u64).map(place));
            }
        }
        begin += bytes.len() as u64;
    }
    (places, begin, goes_on)
}

fn damage(folder: &Path, mut at: u64, how: Damage) {
    let files = Folder::open(folder).unwrap();
    for number in files.numbers().unwrap() {
        let path = files.path_of(number);
        let mut bytes = fs::read(&path).unwrap();
        if at < bytes.len() as u64 {
            match how {
                // Where only the end of a server is missing, nothing is, and what follows it is read.
                Damage::Cut => match read(&bytes[at as usize..]) {
                    Some((Record::End, _)) => bytes.truncate(at as usize + 1),
                    _ => bytes.truncate(at as usize),
                },
                Damage::Flip(bit) => bytes[at as usize] ^= 1 << bit,
            }
            return fs::write(path, bytes).unwrap();
        }
        at -= bytes.len() as u64;
    }
    panic!("there is no such byte");
}

/// Copies what a server has that is killed now.
fn copied(folder: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

#[test]
fn a_server_that_is_killed_loses_nothing() {
    let (folder, before) = (TempDir::new().unwrap(), hub());
    let (journal, _) = open(folder.path(), LogSync::Never, &before);
    for _ in 0..30 {
        publish(&journal, &before, "a", &["1.2", "xyz"]);
    }
    let copy = copied(folder.path());
    let after = hub();
    let (journal, report) = open(copy.path(), LogSync::Never, &after);
    let said =
        "the log goes on with 60 events of 1 channels: the server before did not stop by itself";
    assert_eq!(report.in_a_line().as_deref(), Some(said));
    assert_eq!(all(&after), all(&before));
    assert!(publish(&journal, &after, "a", &["z"]) > 60, "ids that may be lost are not used");
    assert_eq!(all(&after).len(), 61);
}

/// Each file looks whole by itself.
#[test]
fn a_file_that_lacks_its_last_records_ends_the_log() {
    let (folder, before) = (TempDir::new().unwrap(), hub());
    let (journal, _) = open(folder.path(), LogSync::Never, &before);
    for _ in 0..30 {
        publish(&journal, &before, "a", &["1.2", "xyz"]);
    }
    drop(journal);
    let files = Folder::open(folder.path()).unwrap();
    let (mut begin, mut cuts) = (0, Vec::new());
    for number in files.numbers().unwrap() {
        let bytes = fs::read(files.path_of(number)).unwrap();
        let mut end = 0;
        while let Some((record, length)) = read(&bytes[end..]) {
            if !matches!(record, Record::Head(_)) {
                cuts.push(begin + end as u64);
            }
            end += length;
        }
        begin += bytes.len() as u64;
    }
    assert!(cuts.len() > 30 && files.numbers().unwrap().len() > 3);
    for cut in cuts {
        let copy = copied(folder.path());
        let (whole, _, _) = whole_until(copy.path(), cut);
        damage(copy.path(), cut, Damage::Cut);
        let after = hub();
        let (_journal, report) = open(copy.path(), LogSync::Never, &after);
        assert!(!report.is_whole);
        let kept: Vec<_> = all(&after).into_iter().map(|of| of.1).collect();
        assert_eq!(kept, whole, "cut at {cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is published by however many servers one after the other, and wherever the files are cut or a
    /// bit of them is flipped: what comes before is there, nothing else is, and no id is used again.
    #[test]
    fn a_log_that_is_damaged_at_any_byte_goes_on_behind_the_last_whole_record(
        servers in proptest::collection::vec(
            proptest::collection::vec((0..3_usize, 1..4_usize, 0..200_usize), 0..8), 1..4,
        ),
        is_killed: bool,
        share in 0.0..1.0,
        how in prop_oneof![Just(Damage::Cut), (0..8_u8).prop_map(Damage::Flip)],
    ) {
        let mut folder = TempDir::new().unwrap();
        let mut published: Vec<(String, Place, String)> = Vec::new();
        let count = servers.len();
        for (number, requests) in servers.into_iter().enumerate() {
            let hub = hub();
            let (journal, _) = open(folder.path(), LogSync::Never, &hub);
            prop_assert_eq!(all(&hub), published.clone());
            for (channel, events, length) in requests {
                let text = "x".repeat(length);
                let payloads = vec![&text[..]; events];
                publish(&journal, &hub, ["a", "b", "c"][channel], &payloads);
            }
            published = all(&hub);
            if is_killed && number + 1 == count {
                folder = copied(folder.path());
            }
        }
        let (_, bytes, _) = whole_until(folder.path(), u64::MAX);
        let at = (bytes as f64 * share) as u64;
        let (whole, _, goes_on) = whole_until(folder.path(), at);
        damage(folder.path(), at, how);

        let hub = hub();
        let (journal, report) = open(folder.path(), LogSync::Never, &hub);
        prop_assert!(!report.is_whole && report.in_a_line().is_some());
        let first = whole.first().map_or(u64::MAX, |place| place.position);
        let goes_on_behind = if goes_on { first } else { 0 };
        let expected: Vec<_> =
            published.iter().filter(|of| whole.contains(&of.1)).cloned().collect();
        prop_assert_eq!(expected.iter().map(|of| of.1).collect::<Vec<_>>(), whole);
        prop_assert_eq!(all(&hub), expected.clone());
        for name in ["a", "b", "c"] {
            let channel = hub.channel(name).unwrap();
            let kept: Vec<_> =
                expected.iter().filter(|of| of.0 == name).map(|of| of.1.id).collect();
            let new = publish(&journal, &hub, name, &["new"]);
            for (_, place, _) in published.iter().filter(|of| of.0 == name) {
                prop_assert!(new > place.id, "{} was used before", new);
                let (mut ids, mut notices) = (Vec::new(), 0);
                channel.read(place.id, |event| {
                    match event.is_lagged_notice() {
                        true => notices += 1,
                        false => ids.push(event.id()),
                    }
                    true
                });
                let mut before = published.iter().filter(|of| of.0 == name && of.1.position < goes_on_behind);
                let is_known = kept.contains(&place.id)
                    || before.next_back().is_some_and(|of| of.1.id == place.id);
                prop_assert_eq!(notices, usize::from(!is_known), "who knows a lost one is told");
                let rest = kept.iter().copied().filter(|id| *id > place.id).chain([new]);
                prop_assert_eq!(ids, rest.collect::<Vec<_>>(), "and gets nothing twice");
            }
        }
        drop(journal);
        // What was cut off stays so, and nothing more is lost.
        let again = self::hub();
        let (_journal, report) = open(folder.path(), LogSync::Never, &again);
        prop_assert_eq!(report.in_a_line(), None);
        prop_assert_eq!(all(&again), all(&hub));
    }
}
