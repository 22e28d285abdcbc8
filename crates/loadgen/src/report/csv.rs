//! `trials.csv`: tidy, one row per trial and metric. A value that is missing is an empty field.

use anyhow::Context as _;

use crate::results::{Metric, Run};

const COLUMNS: [&str; 9] =
    ["run", "scenario", "cell", "transport", "block", "valid", "metric", "unit", "value"];

/// The file's text.
pub(super) fn trials(run: &Run) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for trial in &run.trials {
        for &metric in Metric::ALL {
            writer.write_record([
                &run.manifest.run,
                &run.manifest.scenario.name,
                &trial.cell,
                trial.transport.name(),
                &trial.block.to_string(),
                &trial.is_valid().to_string(),
                metric.name(),
                metric.unit().name(),
                &trial.value(metric).map_or_else(String::new, |value| value.to_string()),
            ])?;
        }
    }
    writer.into_inner().context("cannot finish trials.csv")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::fixture;

    fn rows() -> Vec<Vec<String>> {
        let text = trials(&fixture::run().0).unwrap();
        let mut reader = csv::Reader::from_reader(&text[..]);
        assert_eq!(reader.headers().unwrap(), &COLUMNS[..]);
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn every_trial_has_every_metric() {
        let (rows, trials) = (rows(), fixture::run().0.trials);
        assert_eq!(rows.len(), trials.len() * Metric::ALL.len());
        for (rows, trial) in rows.chunks(Metric::ALL.len()).zip(&trials) {
            for (row, metric) in rows.iter().zip(Metric::ALL) {
                assert_eq!(
                    row[3..7],
                    [
                        trial.transport.name().to_owned(),
                        trial.block.to_string(),
                        trial.is_valid().to_string(),
                        metric.name().to_owned(),
                    ]
                );
                assert_eq!(row[7], metric.unit().name());
                assert_eq!(row[8].parse::<f64>().ok(), trial.value(*metric), "as it was measured");
            }
        }
    }

    #[test]
    fn missing_is_empty_and_failed_is_listed() {
        let rows = rows();
        let of = |transport: &str, block: &str, metric: &str| {
            let found = rows.iter().find(|row| row[3..5] == [transport, block] && row[6] == metric);
            found.map(|row| row[5..].to_vec()).unwrap()
        };
        assert_eq!(of("websocket", "2", "latency_p50"), ["false", "latency_p50", "ns", ""]);
        assert_eq!(of("polling", "1", "lost"), ["true", "lost", "count", "0"]);
        assert_eq!(of("polling", "1", "server_memory_peak")[3], "");
        assert_eq!(of("polling", "1", "latency_p50")[3], "502000000");
    }
}
