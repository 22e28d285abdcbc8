//! What is there after a server was killed at any moment, and after a restart near the limits.

use super::*;
use crate::framing::Event;

/// The files of a folder, and what is in them.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap())
        .filter(|file| file.file_name().to_str().unwrap().ends_with(".log"))
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// A folder with these files.
fn folder_of<'a>(files: impl Iterator<Item = &'a (String, Vec<u8>)>) -> TempDir {
    let folder = TempDir::new().unwrap();
    files.for_each(|(name, bytes)| fs::write(folder.path().join(name), bytes).unwrap());
    folder
}

/// Ids and notices behind a cursor.
fn read_behind(channel: &Channel, cursor: u64) -> (usize, Vec<u64>) {
    let (mut notices, mut ids) = (0, Vec::new());
    channel.read(cursor, |event: Arc<Event>| {
        match event.is_lagged_notice() {
            true => notices += 1,
            false => ids.push(event.id()),
        }
        true
    });
    (notices, ids)
}

#[test]
fn a_server_that_is_killed_between_any_two_steps_of_a_new_file_loses_nothing() {
    for quiet_first in [true, false] {
        let limits = Limits { log_events: 7, ..LIMITS };
        let (folder, hub) = (TempDir::new().unwrap(), hub_of(limits));
        let (journal, _) = open(folder.path(), LogSync::Never, &hub);
        if quiet_first {
            publish(&journal, &hub, "quiet", &["still there"]);
        }
        let (mut most_removed, mut before) = (0, files(folder.path()));
        for _ in 0..120 {
            publish(&journal, &hub, "busy", &["0123456789", "0123456789"]);
            let after = files(folder.path());
            let new = after.iter().find(|(name, _)| before.iter().all(|of| of.0 != *name));
            let is_left = |name: &str| after.iter().any(|of| of.0 == name);
            let gone = before.iter().filter(|of| !is_left(&of.0)).count();
            for removed in 0..gone {
                let left = before.iter().skip(removed).chain(new);
                let killed = folder_of(left);
                // It was killed while it wrote that file.
                fs::write(killed.path().join(format!("{:020}.log.new", 999)), b"half").unwrap();
                let restored = hub_of(limits);
                let (journal, report) = open(killed.path(), LogSync::Never, &restored);
                assert_eq!(all(&restored), all(&hub), "{removed} of {gone} were removed");
                assert_eq!(report.cut, []);
                assert!(publish(&journal, &restored, "busy", &["new"]) > 2, "and it goes on");
                drop(journal);
                assert!(!killed.path().join(format!("{:020}.log.new", 999)).exists());
            }
            most_removed = most_removed.max(gone);
            before = after;
        }
        assert!(most_removed >= if quiet_first { 3 } else { 1 }, "{most_removed}");
    }
}

#[test]
fn a_channel_that_was_removed_takes_no_room_after_a_restart() {
    let limits = Limits { max_channels: 2, channel_idle: Duration::ZERO, ..LIMITS };
    for segment_bytes in [400, 1 << 20] {
        let (folder, before) = (TempDir::new().unwrap(), hub_of(limits));
        let log = DiskLog { folder: folder.path().to_owned(), sync: LogSync::Never };
        let (journal, _) = Journal::with_files_of(segment_bytes, &log, &before).unwrap();
        for name in ["a", "b", "c", "d", "e"] {
            for _ in 0..9 {
                publish(&journal, &before, name, &["0123456789"]);
            }
            before.remove_unused();
            before.remove_unused();
        }
        publish(&journal, &before, "f", &["x"]);
        drop(journal);
        let after = hub_of(limits);
        let (journal, _) = Journal::with_files_of(segment_bytes, &log, &after).unwrap();
        let is_there = all(&after).iter().any(|of| of.0 == "f");
        assert!(is_there, "{:?}", all(&after));
        after.remove_unused();
        assert!(publish(&journal, &after, "a", &["again"]) > 9, "no id is used again");
    }
}

#[test]
fn a_channel_that_a_file_does_not_know_any_more_is_not_brought_back() {
    let limits = Limits { channel_idle: Duration::ZERO, ..LIMITS };
    let (folder, before) = (TempDir::new().unwrap(), hub_of(limits));
    let (journal, _) = open(folder.path(), LogSync::Never, &before);
    // Somebody uses it, so that it stays, and keeps the files.
    let _quiet = before.channel("quiet").unwrap();
    publish(&journal, &before, "quiet", &["x"]);
    for name in ["a", "b", "c"] {
        for _ in 0..6 {
            publish(&journal, &before, name, &["0123456789"]);
        }
        // The journal may still have it for a moment.
        while name != "c" && before.totals().channels > 1 {
            before.remove_unused();
        }
    }
    drop(journal);
    let is_of_a =
        |record: &Record<'_>| matches!(record, Record::Batch(batch) if batch.channel == "a");
    let has_a = files(folder.path()).iter().any(|(_, bytes)| {
        let mut rest = &bytes[..];
        std::iter::from_fn(|| {
            let (record, length) = read(rest)?;
            rest = &rest[length..];
            Some(is_of_a(&record))
        })
        .any(|is| is)
    });
    assert!(has_a, "what was published to a is still there");
    let after = hub_of(limits);
    let (_journal, report) = open(folder.path(), LogSync::Never, &after);
    assert_eq!((all(&after), report.no_room), (all(&before), 0));
}

#[test]
fn a_channel_for_which_there_is_no_room_any_more_is_another_one() {
    let limits = Limits { channel_idle: Duration::ZERO, ..LIMITS };
    let (folder, before) = (TempDir::new().unwrap(), hub_of(limits));
    let (journal, _) = open(folder.path(), LogSync::Never, &before);
    publish(&journal, &before, "a", &["1", "2", "3"]);
    publish(&journal, &before, "b", &["1"]);
    publish(&journal, &before, "c", &["1"]);
    drop(journal);
    let after = hub_of(Limits { max_channels: 2, ..limits });
    let (journal, report) = open(folder.path(), LogSync::Never, &after);
    assert_eq!((report.channels, report.no_room), (2, 3));
    assert_eq!(publish(&journal, &after, "a", &["new"]), 4);
}

#[test]
fn where_memory_is_short_what_is_oldest_goes_and_is_counted() {
    let (folder, before) = (TempDir::new().unwrap(), hub());
    let log = DiskLog { folder: folder.path().to_owned(), sync: LogSync::Never };
    let (journal, _) = Journal::with_files_of(1 << 20, &log, &before).unwrap();
    let payload = "x".repeat(10_000);
    for name in ["a", "b", "c", "d"] {
        for _ in 0..8 {
            publish(&journal, &before, name, &[&payload]);
        }
    }
    drop(journal);
    // Enough for the events of one channel.
    let after = Arc::new(Hub::new(LIMITS, Memory::new(120_000)));
    let (_journal, report) = Journal::with_files_of(1 << 20, &log, &after).unwrap();
    let left = all(&after);
    assert!(report.no_room > 0 && report.events + report.no_room == 32, "{report:?}");
    assert!(left.ends_with(&all(&before)[24..]), "what was used last went last: {report:?}");
}

#[test]
fn nobody_is_told_of_something_missing_where_nothing_is() {
    let (mut folder, mut hub) = (TempDir::new().unwrap(), hub());
    for is_killed in [true, false] {
        let (journal, _) = open(folder.path(), LogSync::Never, &hub);
        publish(&journal, &hub, "a", &["1", "2", "3"]);
        let between = hub.order().last() - 1;
        let name = if is_killed { "b" } else { "c" };
        publish(&journal, &hub, name, &["1", "2"]);
        if is_killed {
            folder = copied(folder.path());
        }
        drop(journal);
        let after = self::hub();
        let (_journal, _) = open(folder.path(), LogSync::Never, &after);
        for hub in [&hub, &after] {
            let channel = hub.channel(name).unwrap();
            let read = |cursor| {
                let (notices, ids) = read_behind(&channel, cursor);
                (notices, ids.len())
            };
            assert_eq!(read(channel.cursor_of(0)), (0, 2), "who had nothing of {name}");
            assert_eq!(read(channel.cursor_at(0)), (0, 2), "nor of any channel, of {name}");
            if is_killed {
                continue;
            }
            assert_eq!(read(channel.cursor_at(between)), (0, 2), "who had others than {name}");
        }
        hub = after;
    }
}

#[test]
fn ids_stay_numbers_that_javascript_has() {
    let (folder, before) = (TempDir::new().unwrap(), hub());
    let (journal, _) = open(folder.path(), LogSync::Never, &before);
    for _ in 0..50 {
        publish(&journal, &before, "a", &["0123456789", "0123456789"]);
    }
    let copy = copied(folder.path());
    let after = hub();
    let (journal, _) = open(copy.path(), LogSync::Never, &after);
    let id = publish(&journal, &after, "a", &["x"]);
    assert_eq!(id, (1 << 32) + 1, "one step for one restart, however many files there were");
}

#[test]
fn what_another_version_wrote_is_left_alone() {
    let (folder, before) = (TempDir::new().unwrap(), hub());
    let (journal, _) = open(folder.path(), LogSync::Never, &before);
    publish(&journal, &before, "a", &["x"]);
    drop(journal);
    let (name, mut bytes) = files(folder.path()).remove(0);
    let length = u32::from_le_bytes(*bytes.first_chunk().unwrap());
    bytes[8 + 15] = b'9';
    let sum = pushbench_wire::checksum::crc32(&[&bytes[..4], &bytes[8..8 + length as usize]]);
    bytes[4..8].copy_from_slice(&sum.to_le_bytes());
    fs::write(folder.path().join(&name), &bytes).unwrap();
    let log = DiskLog { folder: folder.path().to_owned(), sync: LogSync::Never };
    let error = Journal::open(&log, &hub()).unwrap_err().to_string();
    assert!(error.contains(&name) && error.contains("another version"), "{error}");
    assert_eq!(files(folder.path()), [(name, bytes)]);
}

#[test]
fn what_is_damaged_is_set_aside() {
    let (folder, before) = (TempDir::new().unwrap(), hub());
    let (journal, _) = open(folder.path(), LogSync::Never, &before);
    for _ in 0..20 {
        publish(&journal, &before, "a", &["0123456789", "0123456789"]);
    }
    drop(journal);
    let all_bytes: usize = files(folder.path()).iter().map(|of| of.1.len()).sum();
    damage(folder.path(), 900, Damage::Flip(3));
    let (_journal, report) = open(folder.path(), LogSync::Never, &hub());
    let aside = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap());
    let aside = aside.filter(|file| file.file_name().to_str().unwrap().ends_with(".log.damaged"));
    let aside: u64 = aside.map(|file| file.metadata().unwrap().len()).sum();
    assert!(aside > all_bytes as u64 - 900 && report.cut[0].2 == aside, "{aside} {report:?}");
}

#[test]
fn a_disk_that_takes_events_again_is_noticed_by_who_is_not_answered() {
    let (folder, hub) = (TempDir::new().unwrap(), hub());
    let (journal, _) = open(folder.path(), LogSync::Never, &hub);
    journal.shared.is_failing.store(true, Ordering::Relaxed);
    let channel = hub.channel("a").unwrap();
    assert!(journal.send(&channel, event("x")), "it is tried");
    let begin = Instant::now();
    while journal.shared.is_failing.load(Ordering::Relaxed) {
        assert!(begin.elapsed() < Duration::from_secs(60), "it was not tried");
        std::thread::yield_now();
    }
    assert!(journal.send(&channel, event("y")));
    journal.close();
    assert_eq!(all(&hub).len(), 2);
    journal.shared.is_failing.store(true, Ordering::Relaxed);
    assert!(!journal.send(&channel, event("z")), "it was tried a moment before");
}

/// Lets the next file of a log have no room.
fn fill_disk(folder: &Path, next_number: u64) {
    let path = folder.join(format!("{next_number:020}.log.new"));
    std::os::unix::fs::symlink("/dev/full", path).unwrap();
}

#[test]
fn a_file_that_has_no_room_lets_the_one_before_go_on() {
    for quiet_first in [true, false] {
        let limits = Limits { log_events: 7, ..LIMITS };
        let (folder, before) = (TempDir::new().unwrap(), hub_of(limits));
        let (journal, _) = open(folder.path(), LogSync::Always, &before);
        if quiet_first {
            publish(&journal, &before, "quiet", &["still there"]);
        }
        let number = |name: &str| name.trim_end_matches(".log").parse::<u64>().unwrap();
        let (mut full, mut last) = (0, 0);
        for round in 0..120 {
            last = number(&files(folder.path()).last().unwrap().0);
            if round % 2 == 0 && !folder.path().join(format!("{:020}.log.new", last + 1)).exists() {
                fill_disk(folder.path(), last + 1);
                full += 1;
            }
            publish(&journal, &before, "busy", &["0123456789", "0123456789"]);
        }
        assert!(full > 2 && last > 2, "{full} {last}");
        drop(journal);
        let after = hub_of(limits);
        let (_journal, report) = open(folder.path(), LogSync::Never, &after);
        assert_eq!((report.in_a_line(), all(&after)), (None, all(&before)));
    }
}

#[test]
fn a_server_starts_without_room_and_takes_events_when_there_is_some() {
    let (folder, hub) = (TempDir::new().unwrap(), hub());
    let files = Folder::open(folder.path()).unwrap();
    let mut segments = Segments::behind(files, &[], 1, true);
    fill_disk(folder.path(), 1);
    let publishers = Publishers::default();
    begin(&mut segments, &hub, &publishers).unwrap();
    assert!(segments.file().is_err());
    segments.end().unwrap();
    let shared = Arc::new(Shared::default());
    let writer =
        Writer::new(Arc::clone(&hub), segments, publishers, LogSync::Always, Arc::clone(&shared))
            .unwrap();
    let answers = ["a", "b"].map(|name| {
        let (answer, answered) = oneshot::channel();
        let channel = hub.channel(name).unwrap();
        shared.add(Job { channel, events: vec![event("x")], claim: None, answer: Some(answer) });
        answered
    });
    fill_disk(folder.path(), 1);
    shared.queue().is_closed = true;
    // Together they do not fit, and by then there is room for each.
    writer.run();
    for answer in answers {
        assert!(now(answer).unwrap().is_ok());
    }
    let after = self::hub();
    let (_journal, report) = open(folder.path(), LogSync::Never, &after);
    assert_eq!((report.in_a_line(), all(&after)), (None, all(&hub)));
}

#[test]
fn a_request_that_was_overtaken_is_taken_once_even_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let take = |journal: &Journal, hub: &Hub, sequence| {
        let claim = Some(Claim { publisher: "p".into(), sequence });
        let channel = hub.channel("a").unwrap();
        let taken = now(journal.publish(&channel, vec![event("x")], claim));
        taken.map(|taken| taken.is_repeated)
    };
    let before = hub();
    let (journal, _) = open(folder.path(), LogSync::Always, &before);
    for sequence in [3, 4, 7, 8] {
        assert!(!take(&journal, &before, sequence).unwrap());
    }
    assert!(!take(&journal, &before, 6).unwrap(), "7 and 8 overtook it");
    for _ in 0..2 {
        assert!(take(&journal, &before, 6).unwrap());
        assert!(matches!(take(&journal, &before, 2), Err(Refused::Forgotten)));
    }
    drop(journal);
    for is_new in [true, false] {
        let after = hub();
        let (journal, _) = open(folder.path(), LogSync::Always, &after);
        assert_eq!(take(&journal, &after, 5).unwrap(), !is_new, "5 was never taken before");
        for sequence in [3, 4, 6, 7, 8] {
            assert!(take(&journal, &after, sequence).unwrap(), "{sequence}");
        }
        assert_eq!(all(&after).len(), 6);
    }
}
