//! `latency.hlog`: the delivery latencies of a run as an [HdrHistogram interval log], which other
//! people's tools read too. It owns that file's format and the histogram that all latencies are
//! recorded in; it must not know which trial an interval belongs to.
//!
//! [HdrHistogram interval log]: https://hdrhistogram.github.io/HdrHistogram/

use std::io::Read as _;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use crate::scenario::ContenderId;

/// The shortest latency that a histogram tells apart.
const LOWEST: Duration = Duration::from_nanos(1);

/// The longest latency that a histogram holds; longer ones are recorded as this, and counted. A
/// minute is far beyond what any workload here calls delivered, and costs only 26 buckets.
pub const HIGHEST: Duration = Duration::from_secs(60);

/// Significant decimal digits: a recorded value is off by at most 0.1 %.
const SIGNIFICANT_DIGITS: u8 = 3;

/// The maximum column is for human eyes, in milliseconds as Java's tools write it.
const NS_PER_MAX_UNIT: f64 = 1e6;

/// The histogram that every latency is recorded in, in nanoseconds: from 1 ns to [`HIGHEST`] at
/// three significant digits. All have the same bounds, so that they always merge.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(nanoseconds(LOWEST), nanoseconds(HIGHEST), SIGNIFICANT_DIGITS)
        .expect("the bounds are constant and valid")
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("a constant of at most a minute")
}

/// The delivery latencies of a run, interval by interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LatencyLog {
    /// In the order in which they were measured.
    pub entries: Vec<Entry>,
}

/// The delivery latencies of a trial over a stretch of time, as they are measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// When it began, in seconds since the run started.
    pub start_s: f64,
    /// How long it lasted, in seconds.
    pub length_s: f64,
    /// Latencies in nanoseconds, made by [`histogram`].
    pub histogram: Histogram<u64>,
}

/// The same as it lies in the file: a line of a few kilobytes, where a histogram takes some 200 KB.
/// A long run has tens of thousands of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The name of the contender that was measured.
    pub contender: String,
    /// Its trial, as an index into [`Run::trials`](super::Run::trials); none in files from before
    /// entries were keyed by trial.
    pub trial: Option<usize>,
    /// When it began, in seconds since the run started, to the millisecond.
    pub start_s: f64,
    /// How long it lasted, in seconds, to the millisecond.
    pub length_s: f64,
    /// How many latencies there are.
    pub samples: u64,
    /// Can be decoded: it was, when the entry was made.
    line: Box<str>,
}

/// What is wrong with a `latency.hlog`.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct LatencyLogError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line of a `latency.hlog`, or with an interval that is to be written.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The line is no comment, header or interval.
    #[error("neither a comment nor an interval; the file was cut off or edited")]
    Syntax,
    /// The tag is missing, or is no contender and trial.
    #[error("the interval's tag must be a contender and a trial, such as `sse#3`; it is `{0}`")]
    Tag(String),
    /// The histogram is not what [`histogram`] makes, or is damaged.
    #[error("the histogram cannot be read: {0}")]
    Histogram(String),
    /// A time that the format cannot hold.
    #[error("{0} s is no time in a run")]
    Time(f64),
}

impl LatencyLog {
    /// The file's bytes. `started_unix_s` is when the run started, in seconds since 1970.
    ///
    /// # Errors
    /// A time that is negative or not finite.
    pub fn encode(&self, started_unix_s: f64) -> Result<Vec<u8>, Problem> {
        let started = UNIX_EPOCH + seconds(started_unix_s)?;
        let mut bytes = Vec::new();
        IntervalLogWriterBuilder::new()
            .add_comment(
                "[Delivery latency in nanoseconds; the tag is the contender and its trial]",
            )
            .with_start_time(started)
            .with_base_time(started)
            .with_max_value_divisor(NS_PER_MAX_UNIT)
            .begin_log_with(&mut bytes, &mut V2DeflateSerializer::new())
            .map_err(unwritable)?;
        for entry in &self.entries {
            bytes.extend_from_slice(entry.line.as_bytes());
        }
        Ok(bytes)
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// The first line that is not as it should be.
    pub fn decode(bytes: &[u8]) -> Result<Self, LatencyLogError> {
        let mut entries = Vec::new();
        // The crate's reader gives no position with an interval, so it gets the lines one by one.
        for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let entry = Entry::read(line);
            entries.extend(entry.map_err(|problem| LatencyLogError { line: index + 1, problem })?);
        }
        Ok(Self { entries })
    }
}

impl Entry {
    /// Compresses what was measured in the trial of this index.
    ///
    /// # Errors
    /// A time that is negative or not finite, a count above 2^63, or other bounds than those of
    /// [`histogram`].
    pub fn new(
        contender: &ContenderId,
        trial: usize,
        interval: &Interval,
    ) -> Result<Self, Problem> {
        let tag = format!("{contender}{TRIAL_MARK}{trial}");
        let mut lines = Vec::new();
        IntervalLogWriterBuilder::new()
            .with_max_value_divisor(NS_PER_MAX_UNIT)
            .begin_log_with(&mut lines, &mut V2DeflateSerializer::new())
            .map_err(unwritable)?
            .write_histogram(
                &interval.histogram,
                seconds(interval.start_s)?,
                seconds(interval.length_s)?,
                Tag::new(&tag),
            )
            .map_err(unwritable)?;
        // Before it is the comment that names the divisor, which the file has only once.
        let line = lines.split_inclusive(|&byte| byte == b'\n').next_back().unwrap_or_default();
        Self::read(line)?.ok_or(Problem::Syntax)
    }

    /// Its line in the file.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// From a line of the file; none from a comment.
    fn read(line: &[u8]) -> Result<Option<Self>, Problem> {
        let mut read = None;
        for entry in IntervalLogIterator::new(line) {
            if let LogEntry::Interval(entry) = entry.map_err(|_| Problem::Syntax)? {
                let tag = entry.tag().map_or("", |tag| tag.as_str());
                let histogram =
                    decode_histogram(entry.encoded_histogram()).map_err(Problem::Histogram)?;
                let (contender, trial) = key_in(tag).ok_or_else(|| Problem::Tag(tag.to_owned()))?;
                read = Some(Self {
                    contender: contender.to_owned(),
                    trial,
                    start_s: entry.start_timestamp().as_secs_f64(),
                    length_s: entry.duration().as_secs_f64(),
                    samples: histogram.len(),
                    line: str::from_utf8(line).map_err(|_| Problem::Syntax)?.into(),
                });
            }
        }
        Ok(read)
    }

    /// The latencies, in nanoseconds.
    #[must_use]
    pub fn histogram(&self) -> Histogram<u64> {
        let (_, encoded) = self.line.rsplit_once(',').unwrap_or_default();
        decode_histogram(encoded.trim_end()).expect("it was decoded when the entry was made")
    }
}

/// Between contender and trial in a tag; the name of no contender has it.
const TRIAL_MARK: char = '#';

/// The contender and the trial that a tag names.
fn key_in(tag: &str) -> Option<(&str, Option<usize>)> {
    let (contender, trial) = match tag.split_once(TRIAL_MARK) {
        Some((contender, trial)) => (contender, Some(trial.parse().ok()?)),
        None => (tag, None),
    };
    (!contender.is_empty()).then_some((contender, trial))
}

fn unwritable(error: impl std::fmt::Display) -> Problem {
    Problem::Histogram(error.to_string())
}

fn seconds(seconds: f64) -> Result<Duration, Problem> {
    Duration::try_from_secs_f64(seconds).map_err(|_| Problem::Time(seconds))
}

/// Length of the V2 header: cookie, payload length, normalizing offset, digits, bounds, ratio.
const V2_HEADER_LEN: usize = 40;

/// The crate's decoder trusts the lengths in its input and overflows on some counts, so what it
/// gets is inflated and checked here first.
fn decode_histogram(text: &str) -> Result<Histogram<u64>, String> {
    let compressed = BASE64.decode(text).map_err(|error| error.to_string())?;
    // The compressed form is a cookie and a length, then the V2 form as a zlib stream.
    let stream = compressed.get(8..).ok_or("it is cut off")?;
    let empty = histogram();
    let longest = V2_HEADER_LEN + empty.distinct_values() * 9;
    let mut v2 = Vec::new();
    ZlibDecoder::new(stream)
        .take(longest as u64 + 1)
        .read_to_end(&mut v2)
        .map_err(|error| error.to_string())?;

    let (header, counts) = v2.split_at_checked(V2_HEADER_LEN).ok_or("it is cut off")?;
    if counts.len() > longest || word(header, 4)? != counts.len() as u64 {
        return Err("its length is not the one it states".to_owned());
    }
    if word(header, 12)? != u64::from(empty.sigfig())
        || long(header, 16)? != empty.low()
        || long(header, 24)? != empty.high()
    {
        return Err("it has other bounds than a latency histogram of pushbench".to_owned());
    }
    if counts.windows(9).any(|bytes| bytes.iter().all(|byte| byte & 0x80 != 0)) {
        return Err("it holds an impossible count".to_owned());
    }
    Deserializer::new().deserialize(&mut v2.as_slice()).map_err(|error| error.to_string())
}

fn word(bytes: &[u8], at: usize) -> Result<u64, &'static str> {
    let (word, _) = bytes[at..].split_first_chunk().ok_or("it is cut off")?;
    Ok(u64::from(u32::from_be_bytes(*word)))
}

fn long(bytes: &[u8], at: usize) -> Result<u64, &'static str> {
    let (long, _) = bytes[at..].split_first_chunk().ok_or("it is cut off")?;
    Ok(u64::from_be_bytes(*long))
}

#[cfg(test)]
mod tests;
