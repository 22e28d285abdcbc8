//! How the figures of many runs went on, and where they changed. Only what is comparable is one
//! series: the same scenario to the byte, on the same kind of machine.

use std::collections::BTreeMap;

use crate::results::ContenderId;

use super::change_points::{ChangePoint, change_points};
use super::{Analysis, Interval};
use crate::results::history::Row;
use crate::results::model::Machine;
use crate::results::{Metric, Run};
use crate::scenario::Identity;

/// What a history follows. Less is better for each of them.
pub const FOLLOWED: [Metric; 8] = [
    Metric::LatencyP50,
    Metric::LatencyP99,
    Metric::ServerCpuPerDelivery,
    Metric::ServerInstructionsPerDelivery,
    Metric::GeneratorCpuPerDelivery,
    Metric::BytesPerDelivery,
    Metric::ServerMemoryPerSubscriber,
    Metric::ServerMemoryPeak,
];

/// How many of the latest runs of a series are searched and shown. The search takes the square of
/// it.
pub const LATEST: usize = 200;

/// Decides the random orders that changes are held against: the same file, the same marks.
const SEED: u64 = 0x6869_7374_6f72_7920;

/// Runs that asked the same of the same kind of machine.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// The machine.
    pub machine: String,
    /// The scenario's name.
    pub scenario: String,
    /// SHA-256 of its file.
    pub scenario_sha256: String,
    /// Its cell.
    pub cell: String,
    /// The latest runs, the oldest first.
    pub runs: Vec<PastRun>,
    /// How many older ones are left out.
    pub older: usize,
    /// By metric, then by contender.
    pub series: Vec<Series>,
}

/// A run of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRun {
    /// The revision that it measured, if it is known.
    pub revision: Option<String>,
    /// When it started, RFC 3339 in UTC.
    pub time: String,
}

/// One metric of one contender.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What.
    pub metric: Metric,
    /// Whose.
    pub contender: ContenderId,
    /// One for every run that has it, in the order of runs.
    pub points: Vec<Point>,
    /// Where it changed: each index is that of a point.
    pub changes: Vec<ChangePoint>,
}

/// The figure of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The run, as an index into [`History::runs`].
    pub run: usize,
    /// The median over its blocks.
    pub estimate: f64,
    /// Where the truth lies; none from a single block.
    pub interval: Option<Interval>,
}

impl Series {
    /// The run that a change begins with, as an index into [`History::runs`].
    #[must_use]
    pub fn run_of(&self, change: &ChangePoint) -> Option<usize> {
        self.points.get(change.index).map(|point| point.run)
    }
}

impl History {
    /// What was measured at all, in the order of [`FOLLOWED`].
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        let has = |metric: &Metric| self.series.iter().any(|series| series.metric == *metric);
        FOLLOWED.into_iter().filter(has).collect()
    }

    /// The series of one metric.
    pub fn of(&self, metric: Metric) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(move |series| series.metric == metric)
    }
}

/// The rows that a run adds to a history; none if no trial of it is valid.
#[must_use]
pub fn rows(run: &Run, analysis: &Analysis, revision: Option<&str>) -> Vec<Row> {
    let manifest = &run.manifest;
    let machine = in_words(&manifest.machine);
    let figures = analysis.cells.iter().flat_map(|cell| {
        cell.contenders.iter().flat_map(move |of| {
            FOLLOWED.into_iter().filter_map(move |metric| {
                Some((&cell.name, &of.contender, metric, of.estimate(metric)?))
            })
        })
    });
    figures
        .map(|(cell, contender, metric, estimate)| Row {
            run: manifest.run.clone(),
            revision: revision.map(str::to_owned),
            time: manifest.started_at.clone(),
            machine: machine.clone(),
            scenario: manifest.scenario.name.clone(),
            scenario_sha256: manifest.scenario.sha256.clone(),
            cell: cell.clone(),
            contender: contender.name().to_owned(),
            transport: contender.transport(),
            metric,
            unit: metric.unit().name().to_owned(),
            estimate: estimate.median,
            low: estimate.interval.map(|of| of.low),
            high: estimate.interval.map(|of| of.high),
            level: estimate.interval.map(|of| of.level),
            blocks: estimate.trials,
        })
        .collect()
}

/// What makes it another machine: the CPU and its cores. A new kernel does not; if it changes a
/// figure, a history should show it.
fn in_words(machine: &Machine) -> String {
    let cpu = machine.cpu_model.as_deref().unwrap_or("unknown CPU");
    let cores = if machine.cores == 1 { "core" } else { "cores" };
    format!("{cpu}, {} {cores}", machine.cores)
}

/// The histories in `rows`, in the order in which they began in the file.
#[must_use]
pub fn histories(rows: &[Row]) -> Vec<History> {
    let key = |row: &Row| {
        (row.machine.clone(), row.scenario_sha256.clone(), row.cell.clone(), row.scenario.clone())
    };
    let mut groups: Vec<(_, Vec<&Row>)> = Vec::new();
    for row in rows {
        let key = key(row);
        match groups.iter_mut().find(|(of, _)| *of == key) {
            Some((_, group)) => group.push(row),
            None => groups.push((key, vec![row])),
        }
    }
    groups
        .into_iter()
        .map(|((machine, scenario_sha256, cell, scenario), rows)| {
            let (runs, older, series) = series(&rows);
            History { machine, scenario, scenario_sha256, cell, runs, older, series }
        })
        .collect()
}

fn series(rows: &[&Row]) -> (Vec<PastRun>, usize, Vec<Series>) {
    // All times are UTC in one format, so their order is that of their letters.
    let mut runs: Vec<_> =
        rows.iter().map(|row| (&row.time, &row.run, row.revision.as_ref())).collect();
    runs.sort();
    runs.dedup_by_key(|(_, run, _)| *run);
    let older = runs.len().saturating_sub(LATEST);
    let runs = &runs[older..];
    let places: BTreeMap<&String, usize> =
        runs.iter().enumerate().map(|(place, (_, run, _))| (*run, place)).collect();
    let of = |metric: Metric, contender: &ContenderId| {
        let mut points: Vec<Point> = rows
            .iter()
            .filter(|row| row.metric == metric && row.contender == contender.name())
            .filter_map(|row| {
                let interval = match (row.low, row.high, row.level) {
                    (Some(low), Some(high), Some(level)) => Some(Interval { low, high, level }),
                    _ => None,
                };
                let &run = places.get(&row.run)?;
                Some(Point { run, estimate: row.estimate, interval })
            })
            .collect();
        points.sort_by_key(|point| point.run);
        let values: Vec<f64> = points.iter().map(|point| point.estimate).collect();
        let changes = change_points(&values, SEED);
        let contender = contender.clone();
        (!points.is_empty()).then_some(Series { metric, contender, points, changes })
    };
    let contenders = contenders(rows);
    let series = FOLLOWED
        .into_iter()
        .flat_map(|metric| contenders.iter().map(move |contender| (metric, contender)));
    let series = series.filter_map(|(metric, contender)| of(metric, contender)).collect();
    let runs = runs
        .iter()
        .map(|(time, _, revision)| PastRun { revision: revision.cloned(), time: (*time).clone() });
    (runs.collect(), older, series)
}

/// Those of the rows, in the order in which they first appear; a transport that is compared as it is
/// before all others.
fn contenders(rows: &[&Row]) -> Vec<ContenderId> {
    let mut identities: Vec<Identity> = Vec::new();
    for row in rows {
        if !identities.iter().any(|known| known.name == row.contender) {
            identities.push(Identity::named(row.contender.clone(), row.transport));
        }
    }
    let plain = |identity: &Identity| identity.name == identity.transport.name();
    identities.sort_by_key(
        |identity| if plain(identity) { identity.transport as usize } else { usize::MAX },
    );
    ContenderId::all(identities)
}

#[cfg(test)]
pub(crate) mod tests {
    use pushbench_wire::Transport;

    use super::*;
    use crate::analysis::analyse;
    use crate::results::fixture;
    use crate::results::history::tests::row;

    /// Days of a history: from the 13th on, SSE takes 10 % more CPU per delivery.
    pub(crate) fn days() -> Vec<Row> {
        let day = |day: u32, transport: Transport, metric: Metric, estimate: f64| Row {
            run: format!("stock-ticker-202501{day:02}-030405"),
            revision: Some(format!("{day:07x}")),
            time: format!("2025-01-{day:02}T03:04:05Z"),
            contender: transport.name().to_owned(),
            transport,
            metric,
            estimate,
            low: Some(estimate * 0.98),
            high: Some(estimate * 1.03),
            ..row()
        };
        let days = (1..=24).flat_map(|at| {
            let noise = 1.0 + 0.01 * f64::from(at * 7 % 5);
            let step = if at < 13 { 1.0 } else { 1.1 };
            [
                day(at, Transport::Sse, Metric::ServerCpuPerDelivery, 3_100.0 * noise * step),
                day(at, Transport::WebSocket, Metric::ServerCpuPerDelivery, 3_000.0 * noise),
                day(at, Transport::Sse, Metric::LatencyP50, 410e3 * noise),
            ]
        });
        days.collect()
    }

    #[test]
    fn a_run_adds_what_is_followed() {
        let (run, log) = fixture::run();
        let rows = rows(&run, &analyse(&run, &log), Some("0123abc"));
        // Six of the eight were measured, of four contenders.
        assert_eq!(rows.len(), 6 * 4);
        let sse = rows
            .iter()
            .find(|row| (row.transport, row.metric) == (Transport::Sse, Metric::BytesPerDelivery));
        let sse = sse.unwrap();
        assert_eq!(
            (sse.estimate, sse.low, sse.level, sse.blocks),
            (171.0, Some(171.0), Some(0.5), 2)
        );
        assert_eq!(sse.machine, "Example CPU @ 2.60GHz, 2 cores");
        assert_eq!(sse.revision.as_deref(), Some("0123abc"));
    }

    #[test]
    fn a_step_is_marked_at_its_run_and_in_its_series_alone() {
        // In whatever order they were added.
        let mut rows = days();
        rows.reverse();
        let [history] = &histories(&rows)[..] else { panic!("one history") };
        assert_eq!((history.runs.len(), history.older), (24, 0));
        let changes: Vec<_> = history
            .series
            .iter()
            .flat_map(|series| {
                series.changes.iter().map(|change| {
                    let run = &history.runs[series.run_of(change).unwrap()];
                    (series.metric, series.contender.transport(), run.time.as_str())
                })
            })
            .collect();
        let expected = (Metric::ServerCpuPerDelivery, Transport::Sse, "2025-01-13T03:04:05Z");
        assert_eq!(changes, [expected]);
        assert_eq!(history.metrics(), [Metric::LatencyP50, Metric::ServerCpuPerDelivery]);
    }

    #[test]
    fn another_machine_or_scenario_is_another_history() {
        let mut rows = days();
        for row in &mut rows[36..] {
            row.machine = "Another CPU, 64 cores".to_owned();
        }
        rows[71].scenario_sha256 = "0000".to_owned();
        let histories = histories(&rows);
        let runs: Vec<_> = histories.iter().map(|history| history.runs.len()).collect();
        assert_eq!(runs, [12, 12, 1]);
        let changes = histories.iter().flat_map(|history| &history.series);
        assert_eq!(
            changes.flat_map(|series| &series.changes).count(),
            0,
            "nothing to compare with"
        );
    }

    #[test]
    fn only_the_latest_runs_are_searched() {
        let rows: Vec<Row> =
            (0..LATEST + 3).map(|at| Row { run: format!("run-{at:04}"), ..row() }).collect();
        let [history] = &histories(&rows)[..] else { panic!("one history") };
        assert_eq!((history.runs.len(), history.older), (LATEST, 3));
        assert_eq!(history.series[0].points.len(), LATEST);
        assert_eq!(histories(&[]), []);
    }
}
