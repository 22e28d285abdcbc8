//! The tables for other programs: tidy, in the units of the metrics, nothing rounded. A value that
//! is missing is an empty field.

use anyhow::Context as _;

use crate::analysis::capacity::{Conclusion, Found, Limit, conclude};
use crate::analysis::sweep::Claim;
use crate::analysis::{Analysis, Interval, Sweep};
use crate::results::capacity::{Answer, Capacity, Miss, Obstacle};
use crate::results::{Manifest, Metric, Run};

const TRIALS: &str = "run scenario cell contender transport block valid metric unit value";
const ESTIMATES: &str = "run scenario cell contender metric unit estimate low high level trials";
const RATIOS: &str = "run scenario cell metric contender against ratio low high level blocks";
const CROSSOVERS: &str = "run scenario metric key fixed below above at low high";
/// `limit` tells the server's own capacity from a bound from below.
const CAPACITIES: &str =
    "run scenario contender varied capacity limit limit_at server_cores trials";

macro_rules! row {
    ($($field:expr);+) => { vec![$($field.to_string()),+] };
}

/// `trials.csv`: one row per trial and metric.
pub(super) fn trials(run: &Run) -> anyhow::Result<Vec<u8>> {
    let rows = run.trials.iter().flat_map(|trial| {
        let id = &trial.contender;
        Metric::ALL.iter().map(move |&metric| {
            let (name, unit) = (metric.name(), metric.unit().name());
            let is_valid = match trial.value(metric) {
                Some(_) => trial.trusted(metric).is_some(),
                None => trial.is_valid(),
            };
            row![trial.cell; id.name(); id.transport().name(); trial.block; is_valid;
                name; unit; text(trial.value(metric))]
        })
    });
    write(&run.manifest, TRIALS, rows)
}

/// `estimates.csv`: one row per contender and metric that could be measured.
pub(super) fn estimates(run: &Run, analysis: &Analysis) -> anyhow::Result<Vec<u8>> {
    let rows = analysis.cells.iter().flat_map(|cell| {
        cell.contenders.iter().flat_map(move |of| {
            of.estimates.iter().map(move |(metric, estimate)| {
                let [low, high, level] = ends(estimate.interval);
                row![cell.name; of.contender.name(); metric.name(); metric.unit().name();
                    estimate.median; low; high; level; estimate.trials]
            })
        })
    });
    write(&run.manifest, ESTIMATES, rows)
}

/// `ratios.csv`: one row per pair of contenders and metric that is compared.
pub(super) fn ratios(run: &Run, analysis: &Analysis) -> anyhow::Result<Vec<u8>> {
    let rows = analysis.cells.iter().flat_map(|cell| {
        cell.ratios.iter().map(move |pair| {
            let [low, high, level] = ends(pair.ratio.interval);
            row![cell.name; pair.metric.name(); pair.contender.name(); pair.against.name();
                pair.ratio.estimate; low; high; level; pair.ratio.blocks]
        })
    });
    write(&run.manifest, RATIOS, rows)
}

/// `crossovers.csv`: where two contenders change sides along a key of the sweep; places of durations
/// are in seconds.
pub(super) fn crossovers(run: &Run, sweep: &Sweep) -> anyhow::Result<Vec<u8>> {
    let rows = sweep.findings.iter().filter_map(|finding| {
        let Claim::Crossover { below, above, at, low, high } = &finding.claim else { return None };
        let slice = sweep.slices.get(finding.slice)?;
        let key = &sweep.keys.get(slice.key)?.path;
        Some(row![finding.metric.name(); key; slice.fixed; below.name(); above.name(); at; low; high])
    });
    write(&run.manifest, CROSSOVERS, rows)
}

/// `capacity.csv`: one row per contender.
pub(super) fn capacities(capacity: &Capacity) -> anyhow::Result<Vec<u8>> {
    let conclusions = conclude(capacity);
    let rows = conclusions.iter().map(|of| {
        let least = Limit::Missed { at: of.search.least.load };
        let (found, (limit, at)) = match of.found {
            Some(Found::Capacity { load, limit }) => (Some(load), name(of, limit)),
            Some(Found::Untrusted { obstacle: Some(of) }) => (None, (of_obstacle(of), None)),
            Some(Found::Untrusted { obstacle: None }) => (None, ("unstable", None)),
            Some(Found::Nothing) => (None, name(of, least)),
            Some(Found::Failed) => (None, ("failed", None)),
            None => (None, ("interrupted", None)),
        };
        row![of.search.contender.name(); capacity.varied.name(); text(found); limit; text(at);
            text(of.server_cores()); of.search.attempts.len()]
    });
    write(&capacity.manifest, CAPACITIES, rows)
}

fn name(of: &Conclusion<'_>, limit: Limit) -> (&'static str, Option<f64>) {
    match limit {
        Limit::Missed { at } => {
            let mut here = of.search.attempts.iter().filter(|of| of.load == at);
            let missed =
                here.rfind(|of| !matches!(of.answer, Answer::Met | Answer::Unknown { .. }));
            let name = match missed.map(|of| of.answer) {
                Some(Answer::Missed { why: Miss::Objective, .. }) => "objective",
                Some(Answer::Missed { why: Miss::Lost, .. }) => "lost",
                Some(Answer::Missed { why: Miss::Unsustained, .. }) => "unsustained",
                _ => "failed",
            };
            (name, Some(at))
        }
        Limit::Unknown { at, obstacle } => (of_obstacle(obstacle), Some(at)),
        Limit::Most => ("most", None),
    }
}

fn of_obstacle(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::Generator => "generator",
        Obstacle::Machine => "machine",
        Obstacle::Unmeasured => "unmeasured",
    }
}

/// Rows behind the run's and the scenario's name.
fn write(
    manifest: &Manifest,
    columns: &str,
    rows: impl Iterator<Item = Vec<String>>,
) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns.split(' '))?;
    for row in rows {
        let names = [&manifest.run, &manifest.scenario.name];
        writer.write_record(names.into_iter().chain(&row))?;
    }
    writer.into_inner().context("cannot finish a table")
}

fn text(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn ends(interval: Option<Interval>) -> [String; 3] {
    [interval.map(|of| of.low), interval.map(|of| of.high), interval.map(|of| of.level)].map(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::analysis::sweep::tests::crossing_run;
    use crate::results::{LatencyLog, fixture};

    fn rows() -> Vec<Vec<String>> {
        let text = trials(&fixture::run().0).unwrap();
        let mut reader = csv::Reader::from_reader(&text[..]);
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>().join(" "), TRIALS);
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn every_trial_has_every_metric() {
        let (rows, trials) = (rows(), fixture::run().0.trials);
        assert_eq!(rows.len(), trials.len() * Metric::ALL.len());
        for (rows, trial) in rows.chunks(Metric::ALL.len()).zip(&trials) {
            for (row, metric) in rows.iter().zip(Metric::ALL) {
                assert_eq!(
                    row[3..8],
                    [
                        trial.contender.name().to_owned(),
                        trial.contender.transport().name().to_owned(),
                        trial.block.to_string(),
                        match trial.value(*metric) {
                            Some(_) => trial.trusted(*metric).is_some(),
                            None => trial.is_valid(),
                        }
                        .to_string(),
                        metric.name().to_owned(),
                    ]
                );
                assert_eq!(row[8], metric.unit().name());
                assert_eq!(row[9].parse::<f64>().ok(), trial.value(*metric), "as it was measured");
            }
        }
    }

    #[test]
    fn missing_is_empty_and_failed_is_listed() {
        let rows = rows();
        let of = |contender: &str, block: &str, metric: &str| {
            let found =
                rows.iter().find(|row| [&row[3], &row[5], &row[7]] == [contender, block, metric]);
            found.map(|row| row[6..].to_vec()).unwrap()
        };
        assert_eq!(of("websocket", "2", "latency_p50"), ["false", "latency_p50", "ns", ""]);
        assert_eq!(of("long-polling", "2", "latency_p50")[0], "false", "CPU was stolen");
        assert_eq!(of("long-polling", "2", "bytes_per_delivery")[0], "true", "bytes are not");
        assert_eq!(of("polling", "1", "lost"), ["true", "lost", "count", "0"]);
        assert_eq!(of("polling", "1", "server_memory_peak")[3], "");
        assert_eq!(of("polling", "1", "latency_p50")[3], "502000000");
    }

    #[test]
    fn crossovers_have_the_transport_that_is_cheaper_on_either_side() {
        let run = crossing_run(&["0.1", "0.2", "1", "5"], 5);
        let sweep = analyse(&run, &LatencyLog::default()).sweep.unwrap();
        let text = String::from_utf8(crossovers(&run, &sweep).unwrap()).unwrap();
        let row = ",server_cpu_per_delivery,workload.events_per_second,,long-polling,sse,0.70";
        assert!(text.contains(row) && text.ends_with(",0.2,1\n"), "{text}");
    }

    #[test]
    fn estimates_and_ratios_have_their_intervals() {
        let (run, log) = fixture::run();
        let analysis = analyse(&run, &log);
        let lines = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let estimates = lines(estimates(&run, &analysis).unwrap());
        let row = "base,sse,bytes_per_delivery,bytes,171,171,171,0.5,2\n";
        assert!(estimates.contains(row), "{estimates}");
        let row = "base,websocket,bytes_per_delivery,bytes,136,,,,1\n";
        assert!(estimates.contains(row), "one trial has no interval: {estimates}");
        let ratios = lines(ratios(&run, &analysis).unwrap());
        assert!(ratios.contains("base,latency_p50,polling,sse,"), "{ratios}");
        assert_eq!(ratios.lines().count(), 1 + 6 * 6, "six pairs, six metrics");
    }

    #[test]
    fn every_search_has_a_row() {
        let capacity = fixture::capacity();
        let text = String::from_utf8(capacities(&capacity).unwrap()).unwrap();
        let rows: Vec<_> = text
            .lines()
            .skip(1)
            .map(|line| line.splitn(3, ',').nth(2).unwrap().rsplit_once(',').unwrap())
            .map(|(row, _)| row.rsplit_once(',').unwrap().0)
            .collect();
        assert_eq!(
            rows,
            [
                "polling,subscribers,,objective,50",
                "long-polling,subscribers,,interrupted,",
                "sse,subscribers,191,objective,200",
                "websocket,subscribers,200,generator,209",
            ]
        );
    }
}
