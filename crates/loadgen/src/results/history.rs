//! `history.csv`: the estimates of many runs, a row for each contender and metric. It owns the
//! columns and what a sound file is; it must not know how estimates come about.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use pushbench_wire::Transport;
use serde::{Deserialize, Serialize};

use super::Metric;
use super::folder::write_whole;
use crate::input;

/// A hundred thousand runs have less.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Those that every history has.
const COLUMNS: [&str; 14] = [
    "run",
    "revision",
    "time",
    "machine",
    "scenario",
    "scenario_sha256",
    "cell",
    "transport",
    "metric",
    "unit",
    "estimate",
    "low",
    "high",
    "blocks",
];

/// One estimate of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The run's name.
    pub run: String,
    /// The revision that was measured, if it is known.
    #[serde(with = "super::formula_safe")]
    pub revision: Option<String>,
    /// When the run started, RFC 3339 in UTC.
    pub time: String,
    /// The machine, in a few words.
    pub machine: String,
    /// The scenario's name.
    pub scenario: String,
    /// SHA-256 of the scenario's file: another scenario is another question.
    pub scenario_sha256: String,
    /// The cell of the scenario.
    pub cell: String,
    /// The contender's name; in files from before there were contenders it is that of the transport.
    #[serde(default)]
    pub contender: String,
    /// The mechanism of its client.
    pub transport: Transport,
    /// What was measured.
    pub metric: Metric,
    /// The unit of the figures, as the metric has it.
    pub unit: String,
    /// The median over blocks.
    pub estimate: f64,
    /// The lower end of its interval; empty from a single block.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// How often such an interval holds the truth, from 0 to 1.
    pub level: Option<f64>,
    /// How many blocks it rests on.
    pub blocks: usize,
}

/// What tells one run from another. Two may start within a second, on two machines or for two
/// scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunId<'a> {
    /// Its name, which holds the time.
    pub run: &'a str,
    /// Where it ran.
    pub machine: &'a str,
    /// What it asked.
    pub scenario_sha256: &'a str,
}

impl Row {
    /// The run that it belongs to.
    #[must_use]
    pub fn run_id(&self) -> RunId<'_> {
        RunId { run: &self.run, machine: &self.machine, scenario_sha256: &self.scenario_sha256 }
    }

    fn check(&self) -> anyhow::Result<()> {
        let unit = self.metric.unit().name();
        ensure!(
            self.unit == unit,
            "`unit` is `{}`, but {} is in {unit}",
            self.unit,
            self.metric.name()
        );
        ensure!(
            self.time.ends_with('Z') && self.time.parse::<Timestamp>().is_ok(),
            "`time` is `{}`, not a time such as 2025-01-02T03:04:05Z",
            self.time
        );
        ensure!(self.blocks > 0, "`blocks` is 0, but an estimate needs at least one");
        let figures = [Some(self.estimate), self.low, self.high, self.level];
        ensure!(
            figures.iter().flatten().all(|figure| figure.is_finite()),
            "a figure is not finite"
        );
        match (self.low, self.high, self.level) {
            (None, None, None) => Ok(()),
            (Some(low), Some(high), Some(_)) => {
                ensure!(
                    (low..=high).contains(&self.estimate),
                    "`estimate` is {}, outside its interval from {low} to {high}",
                    self.estimate
                );
                Ok(())
            }
            _ => bail!("`low`, `high` and `level` must be given together or not at all"),
        }
    }
}

/// Reads a history; none if there is no such file.
///
/// # Errors
/// A file that cannot be read or is damaged, with the line.
pub fn load(path: &Path) -> anyhow::Result<Option<Vec<Row>>> {
    let bytes = match input::bytes(path, MAX_FILE_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    let rows = parse(&bytes).with_context(|| {
        format!("{} is damaged: repair it, restore a copy, or start a new file", path.display())
    })?;
    Ok(Some(rows))
}

/// Writes a history, whole or not at all.
///
/// # Errors
/// A row that would not read back, or what the operating system reports.
pub fn save(path: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        row.check().with_context(|| format!("cannot keep {} in {}", row.run, path.display()))?;
        writer.serialize(row).context("cannot write a row")?;
    }
    write_whole(path, &writer.into_inner().context("cannot finish the table")?)
}

fn parse(bytes: &[u8]) -> anyhow::Result<Vec<Row>> {
    // A row that lost its end may still read as one.
    ensure!(bytes.ends_with(b"\n"), "its last line is cut off");
    let mut reader = csv::Reader::from_reader(bytes);
    let mut seen = HashSet::new();
    let mut rows = Vec::new();
    let columns = reader.headers().context("line 1")?.clone();
    for column in COLUMNS {
        ensure!(columns.iter().any(|of| of == column), "line 1: it has no column `{column}`");
    }
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let mut row: Row =
            record.deserialize(Some(&columns)).with_context(|| format!("line {line}"))?;
        if row.contender.is_empty() {
            row.transport.name().clone_into(&mut row.contender);
        }
        row.check().with_context(|| format!("line {line}"))?;
        rows.push((line, row));
    }
    for (line, row) in &rows {
        ensure!(
            seen.insert((row.run_id(), &row.cell, &row.contender, row.metric)),
            "line {line}: {} of {} in {} appears twice",
            row.metric.name(),
            row.contender,
            row.run
        );
    }
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn row() -> Row {
        Row {
            run: "stock-ticker-20250102-030405".to_owned(),
            revision: Some("0123abc".to_owned()),
            time: "2025-01-02T03:04:05Z".to_owned(),
            machine: "Example, \"CPU\" @ 2.60GHz, 2 cores".to_owned(),
            scenario: "stock-ticker".to_owned(),
            scenario_sha256: "9f86d0".to_owned(),
            cell: "base".to_owned(),
            contender: "sse".to_owned(),
            transport: Transport::Sse,
            metric: Metric::LatencyP50,
            unit: "ns".to_owned(),
            estimate: 410e3,
            low: Some(400.25e3),
            high: Some(422e3),
            level: Some(0.9375),
            blocks: 5,
        }
    }

    fn two() -> Vec<Row> {
        let alone = Row {
            revision: None,
            contender: "websocket".to_owned(),
            transport: Transport::WebSocket,
            low: None,
            high: None,
            level: None,
            blocks: 1,
            ..row()
        };
        vec![row(), alone]
    }

    #[test]
    fn what_is_saved_loads() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/history.csv");
        assert_eq!(load(&path).unwrap(), None);
        save(&path, &two()).unwrap();
        assert_eq!(load(&path).unwrap(), Some(two()));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text.lines().next(),
            Some(
                "run,revision,time,machine,scenario,scenario_sha256,cell,contender,transport,metric,unit,estimate,low,\
                 high,level,blocks"
            )
        );
        assert!(
            text.contains(",sse,sse,latency_p50,ns,410000.0,400250.0,422000.0,0.9375,5\n"),
            "{text}"
        );
        assert!(text.contains(",websocket,websocket,latency_p50,ns,410000.0,,,,1\n"), "{text}");
    }

    #[test]
    fn a_file_from_before_there_were_contenders_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.csv");
        save(&path, &two()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let old = text.replace(",contender,", ",").replace(",sse,sse,", ",sse,");
        let old = old.replace(",websocket,websocket,", ",websocket,");
        assert_ne!(old, text);
        std::fs::write(&path, old).unwrap();
        assert_eq!(load(&path).unwrap(), Some(two()));
    }

    #[test]
    fn a_row_that_says_nothing_sound_is_not_saved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.csv");
        save(&path, &two()).unwrap();
        let wrong = Row { estimate: f64::NAN, ..row() };
        let error = format!("{:#}", save(&path, &[row(), wrong]).unwrap_err());
        assert!(error.contains("a figure is not finite"), "{error}");
        assert_eq!(load(&path).unwrap(), Some(two()), "what was there stays");
    }

    #[test]
    fn no_revision_is_a_formula() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.csv");
        for revision in ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "'=1", "plain", "'"] {
            let kept = vec![Row { revision: Some(revision.to_owned()), ..row() }];
            save(&path, &kept).unwrap();
            assert_eq!(load(&path).unwrap().unwrap(), kept);
            let text = std::fs::read_to_string(&path).unwrap();
            let is_formula = |cell: &str| {
                cell.trim_matches('"').starts_with(['=', '+', '@']) || cell.starts_with("-1")
            };
            assert!(!text.split(',').any(is_formula), "{text}");
        }
    }

    #[test]
    fn damage_is_refused_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.csv");
        save(&path, &two()).unwrap();
        let sound = std::fs::read_to_string(&path).unwrap();
        let last = sound.lines().last().unwrap();
        for (damaged, place) in [
            (String::new(), "its last line is cut off"),
            (sound.trim_end().to_owned(), "its last line is cut off"),
            (sound.replace(",websocket,websocket,", ",websocket,carrier-pigeon,"), "line 3: "),
            (sound.replace(",metric,", ",measure,"), "line 1: it has no column `metric`"),
            ("notes to myself\n".to_owned(), "line 1: it has no column `run`"),
            (sound.replacen(",ns,", ",ms,", 1), "line 2: `unit` is `ms`, but latency_p50 is in ns"),
            (sound.replacen("410000.0", "510000.0", 1), "line 2: `estimate` is 510000, outside"),
            (sound.replacen("410000.0", "NaN", 1), "line 2: a figure is not finite"),
            (
                sound.replacen("0.9375", "", 1),
                "line 2: `low`, `high` and `level` must be given together",
            ),
            (sound.replacen("T03:04", " at ", 1), "line 2: `time` is `2025-01-02 at :05Z`"),
            (sound.replacen(",,1\n", ",,0\n", 1), "line 3: `blocks` is 0"),
            (format!("{sound}{last}\n"), "line 4: latency_p50 of websocket in stock-ticker-"),
            (format!("{sound}<<<<<<< HEAD\n"), "line: 4"),
        ] {
            std::fs::write(&path, &damaged).unwrap();
            let error = format!("{:#}", load(&path).unwrap_err());
            assert!(error.contains("history.csv is damaged: repair it"), "{error}");
            assert!(error.contains(place), "{place:?} is not in: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_file_reads_or_says_why(
            text in "[a-z0-9,\"\n.\\-]{0,200}", at in 0..600_usize, with in any::<u8>(),
        ) {
            let _ = parse(text.as_bytes());
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("history.csv");
            save(&path, &two()).unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            let at = at % bytes.len();
            bytes[at] = with;
            let _ = parse(&bytes);
        }
    }
}
