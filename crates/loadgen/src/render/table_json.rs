//! The usual table, filled, for other programs: figures in the units of their metrics, nothing rounded, and null where
//! nothing is known.

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::analysis::table::{Filled, FilledRow, Finding, Verdict, Weighed, What};
use crate::document::table_lack;
use crate::results::ContenderId;

/// The table as text that ends with a line break.
///
/// # Errors
/// A value that JSON does not have.
pub(super) fn table(filled: &[FilledRow]) -> anyhow::Result<String> {
    let rows: Vec<Value> = filled.iter().map(row).collect();
    let text = serde_json::to_string_pretty(&rows).context("cannot write the table as JSON")?;
    Ok(format!("{text}\n"))
}

fn row(of: &FilledRow) -> Value {
    let cells: Vec<Value> = of.cells.iter().map(cell).collect();
    json!({ "row": of.row.key, "means": of.row.means, "caveat": of.row.caveat, "cells": cells })
}

fn cell(of: &Filled) -> Value {
    let verdict = match of.verdict {
        Verdict::Holds => "holds",
        Verdict::HoldsIf => "holds-if",
        Verdict::DoesNotHold => "does-not-hold",
        Verdict::NotDecided => "not-decided",
        Verdict::NotMeasured => "not-measured",
    };
    let cases: Vec<Value> = of.cases.iter().map(case).collect();
    json!({ "transport": of.of.name(), "says": of.says, "verdict": verdict, "cases": cases })
}

fn case(of: &Weighed) -> Value {
    let figures = |findings: &[Finding]| findings.iter().map(figure).collect::<Vec<_>>();
    json!({
        "run": of.case.run,
        "when": of.case.when,
        "holds": of.holds.as_ref().ok(),
        "missing": of.holds.as_ref().err().map(table_lack),
        "figures": figures(&of.findings),
        "shown": figures(&of.shown),
    })
}

fn figure(of: &Finding) -> Value {
    let (metric, by, other) = match &of.what {
        What::Metric(metric) | What::Alone(metric) => (Some(metric.name()), None, None),
        What::Per(metric, per) => (Some(metric.name()), Some(per.name()), None),
        What::PerSubscription(metric) => (Some(metric.name()), Some("subscriptions"), None),
        What::Ratio(metric, other) => (Some(metric.name()), Some(other.name()), None),
        What::More(metric, other) => (Some(metric.name()), None, Some(other.name())),
        What::Lines(..) => (Some("lines"), Some("fewest"), None),
        What::Passed(_) => (Some("proxies passed"), Some("proxies"), None),
    };
    json!({
        "contender": of.of.as_ref().map(ContenderId::name),
        "metric": metric,
        "divided_by": by,
        "above": other,
        "value": of.value,
        "low": of.interval.map(|of| of.low),
        "high": of.interval.map(|of| of.high),
        "level": of.interval.map(|of| of.level),
        "blocks": of.blocks,
        "trials": of.tally.map(|of| of.trials),
        "valid_trials": of.tally.map(|of| of.valid),
        "at_least": of.limits.at_least,
        "at_most": of.limits.at_most,
        "holds": of.holds,
    })
}
