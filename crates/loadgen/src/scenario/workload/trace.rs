//! A recorded trace: when an event came, on which channel, and how large it was.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pushbench_wire::stamp::STAMP_LEN;
use sha2::{Digest as _, Sha256};

use crate::input;
use crate::scenario::hex;
use crate::scenario::limits::{MAX_EVENTS_PER_CHANNEL, MAX_PAYLOAD_BYTES};

/// A trace is measured in memory: this is some ten million rows.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// The columns of the file.
const HEADER: [&str; 3] = ["offset_s", "channel", "bytes"];

/// What is replayed instead of arrivals that a rule makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The file, relative to the scenario's.
    pub file: PathBuf,
    /// How many times as fast as it was recorded.
    pub speed: f64,
    /// What was in the file; empty in a scenario that is read back from its results, to which
    /// nothing is published any more.
    pub rows: Arc<Rows>,
}

/// The rows of a trace.
#[derive(Debug, Default, PartialEq)]
pub struct Rows {
    pub(in crate::scenario) rows: Vec<Row>,
    /// Names of the channels, in the order in which they appear.
    pub(in crate::scenario) channels: Vec<String>,
    /// Of the file's bytes, in hexadecimal.
    pub sha256: String,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::scenario) struct Row {
    /// From the start of the trace, as recorded.
    pub(in crate::scenario) offset_ns: u64,
    pub(in crate::scenario) channel: u32,
    pub(in crate::scenario) payload_bytes: u32,
}

impl Rows {
    /// Reads the file. The error names the file and the line, and says what would be right.
    pub(in crate::scenario) fn load(path: &Path) -> Result<Self, String> {
        let unreadable = |reason: std::io::Error| format!("{}: {reason}", path.display());
        let bytes = input::bytes(path, MAX_FILE_BYTES).map_err(unreadable)?;
        Self::parse(&bytes)
            .map_err(|(line, message)| format!("{}:{line}: {message}", path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Self, (u64, String)> {
        let mut reader = csv::ReaderBuilder::new()
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .has_headers(false)
            .from_reader(bytes);
        let mut trace = Self { sha256: hex(&Sha256::digest(bytes)), ..Self::default() };
        let mut index: HashMap<String, u32> = HashMap::new();
        let mut counts: Vec<u32> = Vec::new();
        let mut has_header = false;
        let mut before_ns = 0;
        for record in reader.records() {
            let record = record.map_err(|error| {
                (error.position().map_or(0, csv::Position::line), error.to_string())
            })?;
            let line = record.position().map_or(0, csv::Position::line);
            let wrong = |message: String| (line, message);
            if !has_header {
                if !record.iter().eq(HEADER) {
                    return Err(wrong(format!("the first line must be {}", HEADER.join(","))));
                }
                has_header = true;
                continue;
            }
            let [offset, channel, bytes] = [0, 1, 2].map(|at| record.get(at).unwrap_or_default());
            let offset_ns = offset
                .parse::<f64>()
                .ok()
                .filter(|seconds| (0.0..=1e6).contains(seconds))
                .map(|seconds| (seconds * 1e9).round() as u64)
                .ok_or_else(|| {
                    wrong(format!("`offset_s` must be seconds from 0 on, found {offset:?}"))
                })?;
            if offset_ns < before_ns {
                return Err(wrong(format!(
                    "`offset_s` must not go back, found {offset} after {}: sort the rows",
                    before_ns as f64 / 1e9
                )));
            }
            before_ns = offset_ns;
            if channel.is_empty() {
                return Err(wrong("`channel` must not be empty".to_owned()));
            }
            let payload_bytes = bytes
                .parse::<u32>()
                .ok()
                .filter(|size| (STAMP_LEN..=MAX_PAYLOAD_BYTES).contains(&(*size as usize)))
                .ok_or_else(|| {
                    wrong(format!(
                        "`bytes` must be {STAMP_LEN} to {MAX_PAYLOAD_BYTES}, found {bytes:?}: an \
                         event holds a stamp of {STAMP_LEN} bytes"
                    ))
                })?;
            let channel = *index.entry(channel.to_owned()).or_insert_with(|| {
                trace.channels.push(channel.to_owned());
                counts.push(0);
                trace.channels.len() as u32 - 1
            });
            counts[channel as usize] += 1;
            if counts[channel as usize] > MAX_EVENTS_PER_CHANNEL {
                return Err(wrong(format!(
                    "the channel has more than {MAX_EVENTS_PER_CHANNEL} events, the most that is \
                     counted"
                )));
            }
            trace.rows.push(Row { offset_ns, channel, payload_bytes });
        }
        if trace.rows.is_empty() {
            return Err((1, format!("there are no events below the line {}", HEADER.join(","))));
        }
        Ok(trace)
    }

    /// The most events that a channel has within so much time, as recorded.
    pub(in crate::scenario) fn most_within(&self, span_ns: u64) -> u64 {
        let mut recent = vec![VecDeque::new(); self.channels.len()];
        let mut most = 0;
        for row in &self.rows {
            let recent = &mut recent[row.channel as usize];
            recent.push_back(row.offset_ns);
            while recent.front().is_some_and(|first| row.offset_ns - first > span_ns) {
                recent.pop_front();
            }
            most = most.max(recent.len());
        }
        most as u64
    }

    /// When its events come, as recorded.
    pub(in crate::scenario) fn offsets_ns(&self) -> impl Iterator<Item = u64> {
        self.rows.iter().map(|row| row.offset_ns)
    }

    /// How many channels it has.
    pub(in crate::scenario) fn channels(&self) -> u32 {
        self.channels.len() as u32
    }

    /// The largest event.
    pub(in crate::scenario) fn most_bytes(&self) -> usize {
        self.rows.iter().map(|row| row.payload_bytes as usize).max().unwrap_or(STAMP_LEN)
    }

    /// The last event, from the start, as recorded.
    pub(in crate::scenario) fn end_ns(&self) -> u64 {
        self.rows.last().map_or(0, |row| row.offset_ns)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_are_read_in_their_order() {
        let text = "# from the exchange\noffset_s, channel, bytes\n0,EURUSD,100\n0.5,GBPUSD,64\n0.5,EURUSD,46\n";
        let trace = Rows::parse(text.as_bytes()).unwrap();
        let rows: Vec<_> =
            trace.rows.iter().map(|row| (row.offset_ns, row.channel, row.payload_bytes)).collect();
        assert_eq!(rows, [(0, 0, 100), (500_000_000, 1, 64), (500_000_000, 0, 46)]);
        assert_eq!(trace.channels, ["EURUSD", "GBPUSD"]);
        assert_eq!((trace.channels(), trace.most_bytes(), trace.end_ns()), (2, 100, 500_000_000));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let head = "offset_s,channel,bytes\n";
        for (text, line, message) in [
            ("", 1, "there are no events below the line offset_s,channel,bytes"),
            ("time,channel,bytes\n", 1, "the first line must be offset_s,channel,bytes"),
            (&format!("{head}-1,a,100\n"), 2, "`offset_s` must be seconds from 0 on, found \"-1\""),
            (
                &format!("{head}nan,a,100\n"),
                2,
                "`offset_s` must be seconds from 0 on, found \"nan\"",
            ),
            (
                &format!("{head}2,a,100\n1.5,a,100\n"),
                3,
                "`offset_s` must not go back, found 1.5 after 2: sort the rows",
            ),
            (&format!("{head}0,,100\n"), 2, "`channel` must not be empty"),
            (
                &format!("{head}0,a,45\n"),
                2,
                "`bytes` must be 46 to 65536, found \"45\": an event holds a stamp of 46 bytes",
            ),
        ] {
            let (found_line, found) = Rows::parse(text.as_bytes()).unwrap_err();
            assert_eq!((found_line, found.as_str()), (line, message));
        }
        let (line, message) = Rows::parse(b"offset_s,channel,bytes\n1,a\n").unwrap_err();
        assert_eq!(line, 2, "{message}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, row in "[0-9.,a-z\n#\" -]{0,80}") {
            let _ = Rows::parse(&bytes);
            let _ = Rows::parse(format!("offset_s,channel,bytes\n{row}").as_bytes());
        }
    }
}
