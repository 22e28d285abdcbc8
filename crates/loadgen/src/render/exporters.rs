//! The candidate's figures for tools that keep their history: github-action-benchmark's
//! `customSmallerIsBetter` (<https://github.com/benchmark-action/github-action-benchmark>) and the
//! Bencher Metric Format (<https://bencher.dev/docs/reference/bencher-metric-format>).
//!
//! Both get medians over the blocks of the first stage, of which there are always as many. A figure
//! that was not measured is not there.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Serialize;

use crate::analysis::Estimate;
use crate::analysis::regression::GatedCell;
use crate::document::comparison::judged::Judged;
use crate::document::comparison::prose::{finding, verdict};
use crate::document::format;
use crate::document::prose::shortened;

/// Bencher takes no longer name, in characters; the contender comes on top.
const NAME: usize = 900;

/// One entry of `customSmallerIsBetter`.
#[derive(Serialize)]
struct Entry {
    name: String,
    unit: &'static str,
    value: f64,
    /// Free text, shown beside the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    extra: String,
}

/// One metric of a measure of a benchmark.
#[derive(Serialize)]
struct Metric {
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_value: Option<f64>,
}

/// `github-action-benchmark.json`.
pub(super) fn github_action_benchmark(judged: &Judged<'_>) -> anyhow::Result<Vec<u8>> {
    let entry = |(cell, estimate): (&GatedCell, Estimate)| {
        let metric = cell.gate.metric;
        Entry {
            name: format!("{}, {}", benchmark(judged, cell), metric.name()),
            unit: metric.unit().name(),
            value: estimate.median,
            range: estimate.interval.map(|of| format::range(metric, of.low, of.high)),
            extra: format!("{}: {}", verdict(cell.verdict), finding(judged, cell)),
        }
    };
    json(&measured(judged).map(entry).collect::<Vec<_>>())
}

/// `bencher.json`: benchmark → measure → metric.
pub(super) fn bencher(judged: &Judged<'_>) -> anyhow::Result<Vec<u8>> {
    let mut benchmarks: BTreeMap<String, BTreeMap<&str, Metric>> = BTreeMap::new();
    for (cell, estimate) in measured(judged) {
        let metric = Metric {
            value: estimate.median,
            lower_value: estimate.interval.map(|of| of.low),
            upper_value: estimate.interval.map(|of| of.high),
        };
        let measures = benchmarks.entry(benchmark(judged, cell)).or_default();
        measures.insert(cell.gate.metric.name(), metric);
    }
    json(&benchmarks)
}

fn measured<'a>(judged: &'a Judged<'_>) -> impl Iterator<Item = (&'a GatedCell, Estimate)> {
    judged.decision.cells.iter().filter_map(|cell| {
        let values: Vec<f64> = cell.first.blocks.iter().map(|(_, candidate)| *candidate).collect();
        Some((cell, Estimate::of(&values)?))
    })
}

fn benchmark(judged: &Judged<'_>, cell: &GatedCell) -> String {
    format!("{}/{}", shortened(judged.scenario(cell.scenario), NAME), cell.contender.name())
}

fn json(of: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    let mut json = serde_json::to_vec_pretty(of).context("cannot write figures as JSON")?;
    json.push(b'\n');
    Ok(json)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::results::fixture;

    fn parsed(bytes: anyhow::Result<Vec<u8>>) -> Value {
        serde_json::from_slice(&bytes.unwrap()).unwrap()
    }

    #[test]
    fn github_action_benchmark_gets_names_units_and_numbers() {
        let comparison = fixture::comparison();
        let file = parsed(github_action_benchmark(&Judged::of(&comparison)));
        let entries = file.as_array().unwrap();
        let sse = "stock-ticker/sse, server_cpu_per_delivery";
        let entry = entries.iter().find(|entry| entry["name"] == sse).unwrap();
        assert_eq!(entry["unit"], "ns");
        assert!((entry["value"].as_f64().unwrap() - 3_472.0).abs() < 40.0, "{entry}");
        assert!(entry["range"].as_str().unwrap().ends_with(" µs"), "{entry}");
        assert!(entry["extra"].as_str().unwrap().starts_with("regressed: 12 % more"), "{entry}");
        for entry in entries {
            assert!(entry["value"].is_f64() && entry["name"].is_string(), "{entry}");
        }
    }

    #[test]
    fn bencher_gets_a_metric_for_every_measure() {
        let comparison = fixture::comparison();
        let file = parsed(bencher(&Judged::of(&comparison)));
        let metric = &file["stock-ticker/sse"]["server_cpu_per_delivery"];
        let of = |key: &str| metric[key].as_f64().unwrap();
        assert!(of("lower_value") < of("value") && of("value") < of("upper_value"), "{metric}");
        assert_eq!(file.as_object().unwrap().len(), 6, "one benchmark for each contender");
    }

    #[test]
    fn what_was_not_measured_is_not_there() {
        let mut comparison = fixture::comparison();
        comparison.trials.retain(|of| of.trial.block == 1 && of.scenario == 0);
        let file = parsed(bencher(&Judged::of(&comparison)));
        assert_eq!(
            file["stock-ticker/sse"]["latency_p50"].as_object().unwrap().len(),
            1,
            "no interval"
        );
        comparison.trials.clear();
        assert_eq!(parsed(bencher(&Judged::of(&comparison))), Value::Object(Default::default()));
    }
}
