//! What a folder keeps of a run, a comparison or a search: a head, which is written whole, and rows and
//! latencies, which are appended as trials end. So a process that is killed leaves every trial that had
//! ended. It owns these files and reads them back; it must not know what is measured next.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::marker::PhantomData;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail, ensure};
use serde::de::DeserializeOwned;

use super::folder::{ensure_room, write_new, write_whole};
use super::latency_log::{Entry, Interval, LatencyLog};
use super::{Run, Stored, Trial};
use crate::input;

/// A run of ten thousand trials has less.
const MAX_FILE_BYTES: u64 = 4 << 30;

/// The name of the file that holds the rows, each a line of JSON.
pub const ROWS_FILE: &str = "trials.jsonl";

/// The name of the file that holds a [`LatencyLog`].
pub const LATENCY_FILE: &str = "latency.hlog";

/// What a folder may hold, by the file of its head.
const HEADS: [(&str, &str); 3] = [
    (super::Run::FILE, super::Run::NAME),
    (super::Comparison::FILE, super::Comparison::NAME),
    (super::Capacity::FILE, super::Capacity::NAME),
];

/// Makes sure that results may be written into `dir`.
///
/// # Errors
/// When it holds some already.
pub fn ensure_free(dir: &Path) -> anyhow::Result<()> {
    let others = [(ROWS_FILE, "the trials of another")];
    for (file, held) in HEADS.into_iter().chain(others) {
        ensure!(
            !dir.join(file).exists(),
            "{} already holds {held}: name another folder with --out, or remove it",
            dir.display()
        );
    }
    Ok(())
}

/// The files of a record that is being measured.
#[derive(Debug)]
pub struct Store<R> {
    dir: PathBuf,
    rows: Appended,
    /// How many rows there are.
    count: usize,
    latencies: Option<(Appended, LatencyLog)>,
    record: PhantomData<R>,
}

impl<R: Stored> Store<R> {
    /// Writes the head of `record` into `dir`, which is made if it does not exist. Until [`Self::end`]
    /// the head says that the record was interrupted: whoever reads it then finds a process that was
    /// killed, or that has not ended yet.
    ///
    /// # Errors
    /// A folder that holds results already, or what the operating system reports.
    pub fn begin(dir: &Path, record: &R) -> anyhow::Result<Self> {
        ensure_free(dir)?;
        // First, and only where there is none: of two that begin at the same time one has to give way.
        let rows = Appended::new(dir.join(ROWS_FILE), b"")?;
        let rows =
            rows.with_context(|| format!("another pushbench writes to {}", dir.display()))?;
        Self::filled(dir, record, rows).inspect_err(|_| {
            // Nothing is left that would keep another from the folder.
            let _ = std::fs::remove_file(dir.join(ROWS_FILE));
        })
    }

    fn filled(dir: &Path, record: &R, rows: Appended) -> anyhow::Result<Self> {
        ensure_room(dir)?;
        let latencies = match record.latencies_since() {
            Some(started_unix_s) => {
                let log = LatencyLog::default();
                let head = log.encode(started_unix_s).context("cannot write latencies")?;
                let file = Appended::new(dir.join(LATENCY_FILE), &head)?;
                let path = || format!("{} is there already", dir.join(LATENCY_FILE).display());
                Some((file.with_context(path)?, log))
            }
            None => None,
        };
        let mut head = record.clone();
        *head.interrupted() = true;
        // Last: where there is a head, the files that belong to it are there as well.
        write_head(dir, head)?;
        Ok(Self { dir: dir.to_owned(), rows, count: 0, latencies, record: PhantomData })
    }

    /// Appends a trial and its latencies. They are on the disk when this returns.
    ///
    /// # Errors
    /// A value that is not finite, or what the operating system reports. Then the files are as they
    /// were.
    pub fn append(&mut self, row: &R::Row, intervals: &[Interval]) -> anyhow::Result<()> {
        ensure_finite(R::trial(row))?;
        let mut line = serde_json::to_vec(row).context("cannot write the trial as JSON")?;
        line.push(b'\n');
        if let Some((file, log)) = &mut self.latencies {
            let contender = &R::trial(row).contender;
            let entry = |interval| Entry::new(contender, self.count, interval);
            let entries = intervals.iter().map(entry).collect::<Result<Vec<_>, _>>();
            let entries = entries.context("cannot write latencies")?;
            // Before the row: trials are looked up in the log, so it may hold more than the rows tell.
            file.append(entries.iter().map(Entry::line).collect::<String>().as_bytes())?;
            log.entries.extend(entries);
        }
        self.rows.append(&line)?;
        self.count += 1;
        Ok(())
    }

    /// Writes the head again, as it is at the end, and gives the latencies that were kept.
    ///
    /// # Errors
    /// What the operating system reports.
    pub fn end(self, record: &R) -> anyhow::Result<LatencyLog> {
        write_head(&self.dir, record.clone())?;
        Ok(self.latencies.map(|(_, log)| log).unwrap_or_default())
    }
}

fn write_head<R: Stored>(dir: &Path, mut head: R) -> anyhow::Result<()> {
    head.clear();
    let mut json = serde_json::to_vec_pretty(&head)
        .with_context(|| format!("cannot write {} as JSON", R::NAME))?;
    json.push(b'\n');
    write_whole(&dir.join(R::FILE), &json)
}

fn ensure_finite(trial: &Trial) -> anyhow::Result<()> {
    for (metric, value) in &trial.values {
        // JSON has no such number: what could not be measured has no value at all.
        ensure!(value.is_finite(), "{} of a {} trial is {value}", metric.name(), trial.contender);
    }
    Ok(())
}

/// A file that only grows, by whole lines.
#[derive(Debug)]
struct Appended {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Appended {
    /// None if there is such a file already, which stays as it is.
    fn new(path: PathBuf, head: &[u8]) -> anyhow::Result<Option<Self>> {
        if !write_new(&path, head)? {
            return Ok(None);
        }
        let file = OpenOptions::new().append(true).open(&path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Some(Self { path, file, bytes: head.len() as u64 }))
    }

    fn append(&mut self, lines: &[u8]) -> anyhow::Result<()> {
        // What is written to a file without a name is lost.
        let is_there = self.file.metadata().is_ok_and(|of| of.nlink() > 0);
        ensure!(is_there, "{} was deleted while it was written", self.path.display());
        let written = self.file.write_all(lines).and_then(|()| self.file.sync_data());
        if written.is_err() {
            // A full disk may have had room for a part of a line. Should this fail as well, reading
            // leaves that part out.
            let _ = self.file.set_len(self.bytes);
        }
        written.with_context(|| format!("cannot write {}", self.path.display()))?;
        self.bytes += lines.len() as u64;
        Ok(())
    }
}

/// What was read from a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded<T> {
    /// What the files hold.
    pub content: T,
    /// The files whose last line was cut off, and so left out: the process that wrote it was killed.
    pub cut_off: Vec<PathBuf>,
}

impl<T> Loaded<T> {
    /// A sentence for every line that was left out.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.cut_off.iter().map(|path| {
            let path = path.display();
            format!("{path}: the last line is cut off and left out; whatever wrote it was killed")
        })
    }
}

/// Reads the record in `dir`.
///
/// # Errors
/// A file that is missing, damaged or of another version; the message names it and the place.
pub fn load<R: Stored>(dir: &Path) -> anyhow::Result<Loaded<R>> {
    let (path, head) = read(dir, R::FILE, "name a folder that holds results")?;
    let (mut record, has_rows) =
        parse_head::<R>(&head).with_context(|| path.display().to_string())?;
    record.check_head().with_context(|| path.display().to_string())?;
    let mut cut_off = Vec::new();
    if !has_rows {
        let (path, rows) = read(dir, ROWS_FILE, WHOLE)?;
        let rows = whole_lines(&rows, &path, &mut cut_off);
        for (index, line) in rows.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let row =
                parse_row(line.trim_ascii_end()).and_then(|row| record.check(&row).map(|()| row));
            let row = row.with_context(|| format!("{}: line {}", path.display(), index + 1))?;
            record.enter(row);
        }
    }
    record.resolve();
    Ok(Loaded { content: record, cut_off })
}

/// Reads the run in `dir` and its latencies.
///
/// # Errors
/// As for [`load`].
pub fn load_run(dir: &Path) -> anyhow::Result<Loaded<(Run, LatencyLog)>> {
    let Loaded { content: run, mut cut_off } = load(dir)?;
    let (path, latencies) = read(dir, LATENCY_FILE, WHOLE)?;
    let latencies = whole_lines(&latencies, &path, &mut cut_off);
    let log = LatencyLog::decode(latencies).with_context(|| path.display().to_string())?;
    Ok(Loaded { content: (run, log), cut_off })
}

/// What helps when one of several files is missing.
const WHOLE: &str = "copy the whole folder, whose files belong together";

fn read(dir: &Path, name: &str, way_out: &str) -> anyhow::Result<(PathBuf, Vec<u8>)> {
    let path = dir.join(name);
    match input::bytes(&path, MAX_FILE_BYTES) {
        Ok(bytes) => Ok((path, bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("{} is missing: {way_out}", path.display())
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// All but what stands behind the last end of a line.
fn whole_lines<'a>(bytes: &'a [u8], path: &Path, cut_off: &mut Vec<PathBuf>) -> &'a [u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    if end < bytes.len() {
        cut_off.push(path.to_owned());
    }
    &bytes[..end]
}

/// The head, and whether it has its rows in it. Its version is looked at first: another may lay out
/// the rest otherwise.
fn parse_head<R: Stored>(json: &[u8]) -> anyhow::Result<(R, bool)> {
    let versions: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(json)
        .map_err(|error| match error.is_eof() {
            true => anyhow!("it ends in the middle: it was cut off, so take a whole copy"),
            false => anyhow!("it is not {}: {error}", R::NAME),
        })?;
    let key = R::VERSION_KEY;
    let version = versions.get(key).with_context(|| format!("it has no `{key}`"))?;
    let has_rows = *version == R::VERSION - 1;
    ensure!(
        has_rows || *version == R::VERSION,
        "it has version {version}, and this pushbench reads {} and {}: use the pushbench that wrote it",
        R::VERSION - 1,
        R::VERSION
    );
    Ok((serde_json::from_slice(json)?, has_rows))
}

fn parse_row<T: DeserializeOwned>(line: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(line).map_err(|error| {
        // The error counts lines from this one.
        let text = error.to_string();
        let (text, _) = text.rsplit_once(" at line ").unwrap_or((&text, ""));
        anyhow!("column {}: {text}", error.column())
    })
}

#[cfg(test)]
mod tests;
