use std::fs;

use proptest::prelude::*;

use super::*;
use crate::results::fixture::{self, save_capacity, save_comparison, save_run};
use crate::results::{Capacity, Comparison, Metric, Outcome, Record};

fn whole<T>(loaded: Loaded<T>) -> T {
    assert_eq!(loaded.cut_off, [""; 0].map(PathBuf::from), "nothing is cut off");
    loaded.content
}

#[test]
fn what_is_stored_loads() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b, c] = ["new/run", "comparison", "capacity"].map(|name| dir.path().join(name));
    let (run, log) = fixture::run();
    save_run(&a, &run, &log);
    assert_eq!(whole(load_run(&a).unwrap()), (run, log));
    let mut names: Vec<_> = fs::read_dir(&a)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [LATENCY_FILE, "run.json", ROWS_FILE], "nothing temporary is left");

    save_comparison(&b, &fixture::comparison());
    assert_eq!(whole(load::<Comparison>(&b).unwrap()), fixture::comparison());
    save_capacity(&c, &fixture::capacity());
    assert_eq!(whole(load::<Capacity>(&c).unwrap()), fixture::capacity());
}

#[test]
fn intervals_are_kept_beside_their_trial() {
    let dir = tempfile::tempdir().unwrap();
    let (run, log) = fixture::run();
    let mut store = Store::begin(dir.path(), &run).unwrap();
    let intervals: Vec<_> = log.entries[..2]
        .iter()
        .map(|entry| Interval {
            start_s: entry.start_s,
            length_s: entry.length_s,
            histogram: entry.histogram(),
        })
        .collect();
    for interval in &intervals {
        store.append(&run.trials[0], std::slice::from_ref(interval)).unwrap();
    }
    let kept = store.end(&run).unwrap();
    let keys: Vec<_> = kept.entries.iter().map(|of| (&*of.contender, of.trial)).collect();
    assert_eq!(keys, [("polling", Some(0)), ("polling", Some(1))]);
    let histograms = kept.entries.iter().map(Entry::histogram);
    assert!(histograms.eq(intervals.into_iter().map(|interval| interval.histogram)));
    assert_eq!(whole(load_run(dir.path()).unwrap()).1, kept);
}

/// A record of the version before, with its rows in the head.
fn old<R: Stored>(dir: &Path, record: &R) {
    let mut json = serde_json::to_value(record).unwrap();
    json[R::VERSION_KEY] = (R::VERSION - 1).into();
    write_whole(&dir.join(R::FILE), json.to_string().as_bytes()).unwrap();
}

#[test]
fn the_version_before_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (run, log) = fixture::run();
    old(dir.path(), &run);
    let latencies = log.encode(run.manifest.started_unix_s).unwrap();
    write_whole(&dir.path().join(LATENCY_FILE), &latencies).unwrap();
    let (old_run, old_log) = whole(load_run(dir.path()).unwrap());
    assert_eq!((old_run.trials, old_log), (run.trials, log));

    let mut comparison = fixture::comparison();
    comparison.trials[0].redone = true;
    old(dir.path(), &comparison);
    assert_eq!(whole(load::<Comparison>(dir.path()).unwrap()).trials, comparison.trials);
    old(dir.path(), &fixture::capacity());
    let capacity = whole(load::<Capacity>(dir.path()).unwrap());
    assert_eq!(capacity.searches, fixture::capacity().searches);
}

#[test]
fn until_its_end_a_record_is_one_that_was_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let (run, _) = fixture::run();
    let mut store = Store::begin(dir.path(), &run).unwrap();
    store.append(&run.trials[0], &[]).unwrap();
    let killed = whole(load::<Run>(dir.path()).unwrap());
    assert!(killed.manifest.interrupted);
    assert_eq!(killed.trials, run.trials[..1]);
    store.end(&run).unwrap();
    assert!(!whole(load::<Run>(dir.path()).unwrap()).manifest.interrupted);
}

#[test]
fn a_block_that_is_measured_again_counts_once() {
    let all = fixture::comparison();
    let [baseline, candidate] = &all.trials[..2] else { panic!() };
    let mut comparison = fixture::head(&all);
    let redone = |comparison: &Comparison| -> Vec<bool> {
        comparison.trials.iter().map(|of| of.redone).collect()
    };
    for row in [baseline, candidate, candidate] {
        comparison.enter(row.clone());
    }
    assert_eq!(redone(&comparison), [true, true, false], "both, whoever comes first");
    comparison.enter(baseline.clone());
    assert_eq!(redone(&comparison), [true, true, false, false]);
    comparison.enter(all.trials[2].clone());
    comparison.enter(baseline.clone());
    assert_eq!(redone(&comparison), [true, true, true, true, false, false], "other blocks stay");
    let dir = tempfile::tempdir().unwrap();
    save_comparison(dir.path(), &comparison);
    assert_eq!(whole(load::<Comparison>(dir.path()).unwrap()), comparison);
}

fn error_after(edit: impl FnOnce(&Path)) -> String {
    let dir = tempfile::tempdir().unwrap();
    let (run, log) = fixture::run();
    save_run(dir.path(), &run, &log);
    edit(dir.path());
    format!("{:#}", load_run(dir.path()).unwrap_err())
}

#[test]
fn errors_name_the_file_and_the_place() {
    for (file, way_out) in [
        ("run.json", "name a folder that holds results"),
        (ROWS_FILE, "copy the whole folder"),
        (LATENCY_FILE, "copy the whole folder"),
    ] {
        let missing = error_after(|dir| fs::remove_file(dir.join(file)).unwrap());
        assert!(missing.contains(&format!("{file} is missing: {way_out}")), "{missing}");
    }
    let edit = |file: &'static str, from: &'static str, to: &'static str| {
        error_after(move |dir| {
            let path = dir.join(file);
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(from));
            fs::write(&path, text.replacen(from, to, 1)).unwrap();
        })
    };
    let version = edit("run.json", "\"schema_version\": 3", "\"schema_version\": 99");
    assert!(version.contains("run.json: it has version 99, and this pushbench reads 2 and 3"));
    let malformed = edit("run.json", "\"seed\": 7", "\"seed\": seven");
    assert!(malformed.contains("run.json") && malformed.contains("line 6"), "{malformed}");
    let cut =
        error_after(|dir| fs::write(dir.join("run.json"), "{\"schema_version\": 3,\n").unwrap());
    assert!(cut.contains("run.json: it ends in the middle: it was cut off"), "{cut}");
    let damaged = error_after(|dir| fs::write(dir.join(LATENCY_FILE), "#a\nb\n#c\n").unwrap());
    assert!(damaged.contains("latency.hlog: line 2"), "{damaged}");
}

/// What a verdict takes grows with the square of the blocks.
#[test]
fn no_comparison_has_more_blocks_than_one_can_measure() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(Comparison::FILE);
    for (from, to, place) in [
        (
            "\"blocks\": [\n    8,",
            "\"blocks\": [\n    10000,",
            "comparison.json: `blocks` must be from 1 to 100",
        ),
        ("\"blocks\": [\n    8,", "\"blocks\": [\n    3,", "trials.jsonl: line "),
    ] {
        save_comparison(dir.path(), &fixture::comparison());
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let error = format!("{:#}", load::<Comparison>(dir.path()).unwrap_err());
        assert!(error.contains(place), "{error}");
        fs::remove_file(&path).unwrap();
        fs::remove_file(dir.path().join(ROWS_FILE)).unwrap();
    }
}

/// A line that is cut off is the last one, unless somebody edited the file.
#[test]
fn a_damaged_line_is_an_error_with_its_number() {
    let edit = |change: fn(&mut Vec<String>)| {
        error_after(|dir| {
            let path = dir.join(ROWS_FILE);
            let text = fs::read_to_string(&path).unwrap();
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            change(&mut lines);
            fs::write(path, lines.join("\n") + "\n").unwrap();
        })
    };
    let cut = edit(|lines| lines[2].truncate(40));
    assert!(cut.contains("trials.jsonl: line 3: column 40: EOF while parsing"), "{cut}");
    let unknown = edit(|lines| lines[0] = lines[0].replace("latency_p50", "latency_p5"));
    assert!(unknown.contains("trials.jsonl: line 1: column ") && unknown.contains("latency_p5"));
    let empty = edit(|lines| lines.insert(1, String::new()));
    assert!(empty.contains("trials.jsonl: line 2: "), "{empty}");
    let last = edit(|lines| *lines.last_mut().unwrap() = "{}".to_owned());
    assert!(last.contains("trials.jsonl: line 8: "), "{last}");

    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| dir.path().join(name));
    let mut comparison = fixture::comparison();
    comparison.trials[1].scenario = 2;
    save_comparison(&a, &comparison);
    let error = format!("{:#}", load::<Comparison>(&a).unwrap_err());
    assert!(error.ends_with("line 2: there is no scenario 2: the head has 2"), "{error}");
    let mut capacity = fixture::capacity();
    let foreign = capacity.searches.remove(0).attempts;
    fixture::save(&b, &capacity, foreign);
    let error = format!("{:#}", load::<Capacity>(&b).unwrap_err());
    assert!(error.ends_with("line 1: the head names no search of polling"), "{error}");
}

#[test]
fn a_folder_that_holds_results_takes_no_others() {
    let (run, log) = fixture::run();
    let dir = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| dir.path().join(name));
    save_run(&a, &run, &log);
    save_comparison(&b, &fixture::comparison());
    save_capacity(&c, &fixture::capacity());
    for (dir, held) in [(&a, "a run"), (&b, "a comparison"), (&c, "a search")] {
        let error = Store::begin(dir, &run).unwrap_err().to_string();
        assert!(error.contains(&format!("already holds {held}: name another folder")), "{error}");
    }
    fs::remove_file(a.join("run.json")).unwrap();
    let error = Store::begin(&a, &run).unwrap_err().to_string();
    assert!(error.contains("already holds the trials of another"), "{error}");
    assert_eq!(fs::read_to_string(a.join(ROWS_FILE)).unwrap().lines().count(), 8, "it stays");
}

#[test]
fn of_two_that_begin_at_once_one_gives_way() {
    let dir = tempfile::tempdir().unwrap();
    let (run, _) = fixture::run();
    let run = fixture::head(&run);
    let begun: Vec<_> = std::thread::scope(|scope| {
        let begin = || Store::begin(dir.path(), &run).is_ok();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(begun.iter().filter(|has_begun| **has_begun).count(), 1, "{begun:?}");
}

#[test]
fn a_folder_that_was_deleted_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (run, _) = fixture::run();
    let mut store = Store::begin(dir.path(), &fixture::head(&run)).unwrap();
    store.append(&run.trials[0], &[]).unwrap();
    fs::remove_dir_all(dir.path()).unwrap();
    let error = store.append(&run.trials[1], &[]).unwrap_err().to_string();
    assert!(error.ends_with(" was deleted while it was written"), "{error}");
}

#[test]
fn a_value_that_is_no_number_is_not_stored() {
    let dir = tempfile::tempdir().unwrap();
    let (run, _) = fixture::run();
    let mut store = Store::begin(dir.path(), &run).unwrap();
    let mut trial = run.trials[0].clone();
    trial.values.insert(Metric::Lost, f64::NAN);
    let error = store.append(&trial, &[]).unwrap_err().to_string();
    assert!(error.contains("lost of a polling trial is NaN"), "{error}");
    store.append(&run.trials[1], &[]).unwrap();
    assert_eq!(whole(load::<Run>(dir.path()).unwrap()).trials, run.trials[1..2]);
}

/// Every trial whose line is whole is there, in whichever byte its process was killed.
fn assert_reads_back<R: Stored + PartialEq + std::fmt::Debug>(record: &R, rows: &[R::Row])
where
    R::Row: Clone,
{
    let dir = tempfile::tempdir().unwrap();
    fixture::save(dir.path(), record, rows.to_vec());
    let path = dir.path().join(ROWS_FILE);
    let bytes = fs::read(&path).unwrap();
    // Whatever the length of the file, about so many places.
    let step = (bytes.len() / 200).max(1);
    let ends: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at] == b'\n').collect();
    let around_ends = ends.iter().flat_map(|&end| [end, end + 1, end + 2]);
    let mut expected = fixture::head(record);
    let mut entered = 0;
    let mut places: Vec<_> = (0..bytes.len()).step_by(step).chain(around_ends).collect();
    places.sort_unstable();
    for at in places.into_iter().filter(|&at| at <= bytes.len()) {
        fs::write(&path, &bytes[..at]).unwrap();
        let Loaded { content, cut_off } = load::<R>(dir.path()).unwrap();
        let whole = ends.iter().filter(|&&end| end < at).count();
        rows[entered..whole].iter().for_each(|row| expected.enter(row.clone()));
        entered = whole;
        assert!(content == expected, "{whole} rows are whole when byte {at} is the end");
        let is_cut = at > 0 && bytes[at - 1] != b'\n';
        assert_eq!(cut_off.len(), usize::from(is_cut), "byte {at}");
    }
    assert_eq!(entered, rows.len());
}

#[test]
fn whatever_byte_is_the_last_every_whole_row_is_read() {
    let (run, _) = fixture::run();
    assert_reads_back(&fixture::head(&run), &run.trials);
    let comparison = fixture::comparison();
    assert_reads_back(&fixture::head(&comparison), &comparison.trials[..6]);
    let mut capacity = fixture::capacity();
    capacity.manifest.planned_trials = 0;
    let attempts = capacity.searches.iter().flat_map(|search| search.attempts.clone());
    assert_reads_back(&fixture::head(&capacity), &attempts.collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_files_of_a_run_may_be_cut_anywhere(rows in 0.0..=1.0, latencies in 0.0..=1.0) {
        let (run, mut log) = fixture::run();
        log.entries.truncate(3);
        let dir = tempfile::tempdir().unwrap();
        save_run(dir.path(), &run, &log);
        let cut = |name, share: f64| {
            let path = dir.path().join(name);
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..(bytes.len() as f64 * share) as usize]).unwrap();
        };
        cut(ROWS_FILE, rows);
        cut(LATENCY_FILE, latencies);
        let loaded = load_run(dir.path()).unwrap();
        let (cut_run, cut_log) = &loaded.content;
        prop_assert_eq!(&cut_run.trials, &run.trials[..cut_run.trials.len()]);
        prop_assert_eq!(&cut_log.entries, &log.entries[..cut_log.entries.len()]);
        prop_assert!(loaded.warnings().all(|line| line.contains("the last line is cut off")));
    }
}

#[test]
fn a_failed_trial_is_a_row_like_any_other() {
    let (run, _) = fixture::run();
    let failed =
        run.trials.iter().position(|trial| matches!(trial.outcome, Outcome::Failed { .. }));
    let dir = tempfile::tempdir().unwrap();
    save_run(dir.path(), &run, &LatencyLog::default());
    let lines = fs::read_to_string(dir.path().join(ROWS_FILE)).unwrap();
    assert!(lines.lines().nth(failed.unwrap()).unwrap().contains("\"status\":\"failed\""));
}
