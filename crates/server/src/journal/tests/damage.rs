//! Damage in the middle of a log, behind which there is more that was acknowledged: it is kept aside, and said.

use super::*;

/// The files whose names end so, by name.
fn files(folder: &Path, end: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap())
        .filter(|file| file.file_name().to_str().unwrap().ends_with(end))
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// Where the records of a file begin.
fn begins(bytes: &[u8]) -> Vec<usize> {
    let mut begins = vec![0];
    while let Some((_, length)) = read(&bytes[begins[begins.len() - 1]..]) {
        begins.push(begins[begins.len() - 1] + length);
    }
    begins.pop();
    begins
}

fn metric(journal: &Journal) -> String {
    let mut text = String::new();
    journal.counts().write_to(&mut text);
    let line = text.lines().find(|line| line.starts_with("pushbench_log_set_aside_events "));
    line.unwrap().rsplit(' ').next().unwrap().to_owned()
}

/// Twenty requests of two events, in several files.
fn written() -> (TempDir, Arc<Hub>) {
    let (folder, before) = (TempDir::new().unwrap(), hub());
    let (journal, _) = open(folder.path(), LogSync::Never, &before);
    for _ in 0..20 {
        publish(&journal, &before, "a", &["0123456789", "0123456789"]);
    }
    drop(journal);
    (folder, before)
}

#[test]
fn damage_in_the_middle_ends_the_log_there_and_all_behind_it_is_kept_aside_and_said() {
    let (original, before) = written();
    let all_files = files(original.path(), ".log");
    assert!(all_files.len() > 4);
    // A byte of each record of a file in the middle, and of what stands before it.
    let (middle, (name, bytes)) = (2, &all_files[2]);
    for begin in begins(bytes).into_iter().filter(|&begin| begin > 0) {
        for at in [begin, begin + 5, begin + 20] {
            let folder = copied(original.path());
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            fs::write(folder.path().join(name), &damaged).unwrap();
            let after = hub();
            let (journal, report) = open(folder.path(), LogSync::Never, &after);

            let kept = all(&after).len();
            assert_eq!(all(&after), all(&before)[..kept]);
            let lost = 40 - kept - 2;
            assert!(kept > 0 && lost > 2, "there is more on both sides: {kept}");
            assert_eq!(report.set_aside, lost as u64, "all but the two that are damaged");
            let said = report.in_a_line().unwrap();
            let loud = format!("goes on with {kept} events of 1 channels, and WITHOUT {lost} that");
            assert!(said.contains(&loud), "{said}");
            assert!(said.contains(&format!("{name} is damaged at byte {begin}, and ")), "{said}");
            assert_eq!(metric(&journal), lost.to_string());

            // Byte by byte.
            let mut expected = vec![damaged[begin..].to_vec()];
            expected.extend(all_files[middle + 1..].iter().map(|of| of.1.clone()));
            let aside = files(folder.path(), ".log.damaged");
            assert_eq!(aside.iter().map(|of| of.1.clone()).collect::<Vec<_>>(), expected);
            assert!(aside[0].0.starts_with(&name[..]));
        }
    }
}

#[test]
fn a_file_whose_beginning_is_damaged_is_kept_aside_with_what_it_has() {
    let (original, _) = written();
    let all_files = files(original.path(), ".log");
    for number in [0, 2] {
        let folder = copied(original.path());
        let (name, mut bytes) = all_files[number].clone();
        bytes[30] ^= 1;
        fs::write(folder.path().join(name), bytes).unwrap();
        let after = hub();
        let (_journal, report) = open(folder.path(), LogSync::Never, &after);
        assert_eq!(report.set_aside, 40 - all(&after).len() as u64, "no event is damaged");
        assert!(report.set_aside > 0);
    }
}

#[test]
fn half_a_record_at_the_end_has_cost_nothing_that_was_acknowledged() {
    let (original, before) = written();
    let folder = copied(original.path());
    let (name, mut bytes) = files(folder.path(), ".log").pop().unwrap();
    // The last one says that the server has stopped: it was killed in the record before.
    let begins = begins(&bytes);
    bytes.truncate(begins[begins.len() - 1] - 3);
    fs::write(folder.path().join(name), bytes).unwrap();
    let after = hub();
    let (journal, report) = open(folder.path(), LogSync::Never, &after);
    assert_eq!(all(&after), all(&before)[..38]);
    let said = report.in_a_line().unwrap();
    assert!(said.contains("is damaged at byte") && !said.contains("WITHOUT"), "{said}");
    assert_eq!((report.set_aside, &metric(&journal)[..]), (0, "0"));
}
