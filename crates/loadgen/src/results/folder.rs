//! The folder of a run: its two source files, and how any file gets there whole or not at all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde::de::DeserializeOwned;
use tempfile::{NamedTempFile, PersistError};

use super::capacity::{CAPACITY_VERSION, Capacity};
use super::comparison::{COMPARISON_VERSION, Comparison};
use super::latency_log::LatencyLog;
use super::model::{OLDEST_SCHEMA_VERSION, Run, SCHEMA_VERSION, Trial};

/// The name of the file that holds a [`Run`].
pub const RUN_FILE: &str = "run.json";

/// The name of the file that holds a [`LatencyLog`].
pub const LATENCY_FILE: &str = "latency.hlog";

/// The name of the file that holds a [`Comparison`].
pub const COMPARISON_FILE: &str = "comparison.json";

/// The name of the file that holds a [`Capacity`].
pub const CAPACITY_FILE: &str = "capacity.json";

/// Writes a file so that `path` holds either what it held before or all of `bytes`, whatever
/// happens meanwhile. Its folder is made if it does not exist.
///
/// # Errors
/// What the operating system reports, with the path.
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write(path, bytes, |file| file.persist(path)).map(drop)
}

/// Writes files into `dir`, by their names there, and says where they are.
///
/// # Errors
/// As [`write_whole`]; then those before are written.
pub fn write_all(
    dir: &Path,
    files: impl IntoIterator<Item = (impl AsRef<Path>, Vec<u8>)>,
) -> anyhow::Result<Vec<PathBuf>> {
    let write = |(name, bytes): (_, Vec<u8>)| {
        let path = dir.join(name);
        write_whole(&path, &bytes)?;
        Ok(path)
    };
    files.into_iter().map(write).collect()
}

/// The same, but an existing file stays as it is: says whether `bytes` were written.
///
/// # Errors
/// What the operating system reports, with the path.
pub fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<bool> {
    write(path, bytes, |file| file.persist_noclobber(path))
}

/// Says whether the file got its place; `place` gives it that, and is refused when it is taken.
fn write(
    path: &Path,
    bytes: &[u8],
    place: impl FnOnce(NamedTempFile) -> Result<File, PersistError>,
) -> anyhow::Result<bool> {
    let failed = || format!("cannot write {}", path.display());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).with_context(failed)?;
    // In the same folder, because a rename is atomic only within one file system.
    let mut file = tempfile::Builder::new()
        .prefix(".pushbench-")
        .permissions(readable_by_all())
        .tempfile_in(folder)
        .with_context(failed)?;
    file.write_all(bytes).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    match place(file) {
        Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        placed => placed.with_context(failed)?,
    };
    // The rename itself is durable only once the folder is.
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(failed)?;
    Ok(true)
}

/// Temporary files are private by default; results are as readable as the umask lets them be.
fn readable_by_all() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::Permissions::from_mode(0o666)
}

/// Writes `run.json` and `latency.hlog`; called after every trial, so that a run that is cut off
/// keeps the trials it has.
///
/// # Errors
/// A value that is not finite, or what the operating system reports.
pub fn save(dir: &Path, run: &Run, log: &LatencyLog) -> anyhow::Result<()> {
    run.trials.iter().try_for_each(ensure_finite)?;
    let latencies = log.encode(run.manifest.started_unix_s).context("cannot write latencies")?;
    let json = json(run).context("cannot write the run as JSON")?;
    // The log first: trials are looked up in it, so it may hold more than `run.json` knows of.
    write_whole(&dir.join(LATENCY_FILE), &latencies)?;
    write_whole(&dir.join(RUN_FILE), &json)
}

/// Writes `comparison.json`; called after every trial.
///
/// # Errors
/// A value that is not finite, or what the operating system reports.
pub fn save_comparison(dir: &Path, comparison: &Comparison) -> anyhow::Result<()> {
    comparison.trials.iter().try_for_each(|of| ensure_finite(&of.trial))?;
    let json = json(comparison).context("cannot write the comparison as JSON")?;
    write_whole(&dir.join(COMPARISON_FILE), &json)
}

/// Writes `capacity.json`; called after every trial.
///
/// # Errors
/// A value that is not finite, or what the operating system reports.
pub fn save_capacity(dir: &Path, capacity: &Capacity) -> anyhow::Result<()> {
    let attempts = capacity.searches.iter().flat_map(|search| &search.attempts);
    attempts.map(|of| &of.trial).try_for_each(ensure_finite)?;
    let json = json(capacity).context("cannot write the search as JSON")?;
    write_whole(&dir.join(CAPACITY_FILE), &json)
}

fn ensure_finite(trial: &Trial) -> anyhow::Result<()> {
    for (metric, value) in &trial.values {
        // JSON has no such number: what could not be measured has no value at all.
        ensure!(value.is_finite(), "{} of a {} trial is {value}", metric.name(), trial.contender);
    }
    Ok(())
}

fn json(of: &impl serde::Serialize) -> serde_json::Result<Vec<u8>> {
    let mut json = serde_json::to_vec_pretty(of)?;
    json.push(b'\n');
    Ok(json)
}

/// Reads what [`save`] wrote.
///
/// # Errors
/// A file that is missing, damaged or of another version; the message names it and the place.
pub fn load(dir: &Path) -> anyhow::Result<(Run, LatencyLog)> {
    let (path, json) = read(dir, RUN_FILE)?;
    let mut run: Run = parse(&json, "schema_version", OLDEST_SCHEMA_VERSION..=SCHEMA_VERSION)
        .with_context(|| path.display().to_string())?;
    for trial in &mut run.trials {
        trial.contender = run.manifest.listed(&trial.contender);
    }
    let (path, latencies) = read(dir, LATENCY_FILE)?;
    let log = LatencyLog::decode(&latencies).with_context(|| path.display().to_string())?;
    Ok((run, log))
}

/// Reads what [`save_comparison`] wrote.
///
/// # Errors
/// As for [`load`].
pub fn load_comparison(dir: &Path) -> anyhow::Result<Comparison> {
    let (path, json) = read(dir, COMPARISON_FILE)?;
    let mut comparison: Comparison = parse(&json, "comparison_version", 1..=COMPARISON_VERSION)
        .with_context(|| path.display().to_string())?;
    for compared in &mut comparison.trials {
        if let Some(manifest) = comparison.manifests.get(compared.scenario) {
            compared.trial.contender = manifest.listed(&compared.trial.contender);
        }
    }
    Ok(comparison)
}

/// Reads what [`save_capacity`] wrote.
///
/// # Errors
/// As for [`load`].
pub fn load_capacity(dir: &Path) -> anyhow::Result<Capacity> {
    let (path, json) = read(dir, CAPACITY_FILE)?;
    let mut capacity: Capacity = parse(&json, "schema_version", 1..=CAPACITY_VERSION)
        .with_context(|| path.display().to_string())?;
    let Capacity { manifest, searches, .. } = &mut capacity;
    for search in searches {
        search.contender = manifest.listed(&search.contender);
        for attempt in &mut search.attempts {
            attempt.trial.contender = search.contender.clone();
        }
    }
    Ok(capacity)
}

fn read(dir: &Path, name: &str) -> anyhow::Result<(PathBuf, Vec<u8>)> {
    let path = dir.join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Ok((path, bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("{} is missing: name a folder that `pushbench run` wrote", path.display())
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Reads JSON of the version that stands under `key`, which is looked at first: another may lay out
/// the rest otherwise.
fn parse<T: DeserializeOwned>(
    json: &[u8],
    key: &str,
    known: RangeInclusive<u32>,
) -> anyhow::Result<T> {
    let mut versions: BTreeMap<String, serde_json::Value> = serde_json::from_slice(json)?;
    let version = versions.remove(key).with_context(|| format!("it has no `{key}`"))?;
    let is_known = version
        .as_u64()
        .and_then(|version| u32::try_from(version).ok())
        .is_some_and(|version| known.contains(&version));
    ensure!(
        is_known,
        "it has schema version {version}, and this pushbench reads {} to {}: use the version that \
         wrote it",
        known.start(),
        known.end()
    );
    Ok(serde_json::from_slice(json)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::fixture;

    #[test]
    fn what_is_saved_loads() {
        let dir = tempfile::tempdir().unwrap();
        let (run, log) = fixture::run();
        let folder = dir.path().join("new/run");
        save(&folder, &run, &log).unwrap();
        save(&folder, &run, &log).unwrap();
        assert_eq!(load(&folder).unwrap(), (run, log));
        let mut names: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [LATENCY_FILE, RUN_FILE], "nothing temporary is left");
    }

    fn error_after(edit: impl FnOnce(&Path)) -> String {
        let dir = tempfile::tempdir().unwrap();
        let (run, log) = fixture::run();
        save(dir.path(), &run, &log).unwrap();
        edit(dir.path());
        format!("{:#}", load(dir.path()).unwrap_err())
    }

    #[test]
    fn errors_name_the_file_and_the_place() {
        let missing = error_after(|dir| std::fs::remove_file(dir.join(RUN_FILE)).unwrap());
        assert!(missing.contains("run.json is missing: name a folder"), "{missing}");
        let missing = error_after(|dir| std::fs::remove_file(dir.join(LATENCY_FILE)).unwrap());
        assert!(missing.contains("latency.hlog is missing"), "{missing}");

        let edit = |from: &'static str, to: &'static str| {
            error_after(move |dir| {
                let path = dir.join(RUN_FILE);
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(text.contains(from));
                std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
            })
        };
        let version = edit("\"schema_version\": 3", "\"schema_version\": 99");
        assert!(version.contains("run.json: it has schema version 99"), "{version}");
        let malformed = edit("\"seed\": 7", "\"seed\": seven");
        assert!(malformed.contains("run.json") && malformed.contains("line 6"), "{malformed}");
        let unknown = edit("\"latency_p50\"", "\"latency_p5\"");
        assert!(unknown.contains("latency_p5") && unknown.contains("line"), "{unknown}");

        let damaged = error_after(|dir| std::fs::write(dir.join(LATENCY_FILE), "#a\nb").unwrap());
        assert!(damaged.contains("latency.hlog: line 2"), "{damaged}");
    }

    #[test]
    fn a_value_that_is_no_number_is_not_saved() {
        let dir = tempfile::tempdir().unwrap();
        let (mut run, log) = fixture::run();
        run.trials[0].values.insert(crate::results::Metric::Lost, f64::NAN);
        let error = save(dir.path(), &run, &log).unwrap_err().to_string();
        assert!(error.contains("lost of a polling trial is NaN"), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "and nothing is written");
    }

    #[test]
    fn a_new_file_never_takes_the_place_of_another() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        assert!(write_new(&path, b"first").unwrap());
        assert!(!write_new(&path, b"second").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing temporary is left");

        let plain = dir.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain), "what the umask allows");

        let error = write_new(&path.join("below"), b"").unwrap_err().to_string();
        assert!(error.ends_with("new/below"), "{error}: a file is no folder");
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        std::fs::create_dir(&path).unwrap();
        assert!(write_whole(&path, b"new").unwrap_err().to_string().contains("taken"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
