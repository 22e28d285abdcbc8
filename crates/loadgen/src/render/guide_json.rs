//! A guide for other programs: figures in the units of their metrics, nothing rounded, and null where nothing
//! is known.

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::analysis::guide::{
    Answer, Asked, Candidate, Check, Figure, Guide, Reached, Stands, Verdict,
};
use crate::results::{ContenderId, Metric, Run};

/// The guides of several runs, as text that ends with a line break.
///
/// # Errors
/// A value that JSON does not have.
pub fn guides(of: &[(Run, Guide)]) -> anyhow::Result<String> {
    let all: Vec<_> = of.iter().map(|(run, guide)| one(run, guide)).collect();
    let text = serde_json::to_string_pretty(&all).context("cannot write the guide as JSON")?;
    Ok(format!("{text}\n"))
}

fn one(run: &Run, guide: &Guide) -> Value {
    json!({
        "run": run.manifest.run,
        "scenario": run.manifest.scenario.name,
        "has_objectives": guide.has_objectives,
        "verdict": verdict(guide.verdict()),
        "cells": guide.cells.iter().map(answer).collect::<Vec<_>>(),
    })
}

fn answer(of: &Answer) -> Value {
    let names =
        |ids: &[&ContenderId]| ids.iter().map(|id| id.name().to_owned()).collect::<Vec<_>>();
    let eligible: Vec<_> = of.eligible().map(|of| &of.contender).collect();
    let nearest: Vec<_> = of.nearest().into_iter().map(|of| &of.contender).collect();
    let cheapest = of.cheapest.iter().map(|ranking| {
        let groups = ranking.groups.iter();
        let groups: Vec<Vec<_>> = groups
            .map(|of| of.contenders.iter().map(|id| id.name().to_owned()).collect())
            .collect();
        json!({ "metric": ranking.metric.name(), "groups": groups })
    });
    let mut untold: &[Metric] = &[];
    let (stands, undercut): (_, Vec<Value>) = match &of.textbook.stands {
        Stands::Best(_) => ("best", Vec::new()),
        Stands::Undercut { by, .. } => {
            let by = by.iter().map(|of| {
                json!({ "metric": of.metric.name(), "by": of.by.name(), "own": figure(&of.own),
                        "other": figure(&of.other), "ratio": of.ratio.map(|of| of.estimate) })
            });
            ("undercut", by.collect())
        }
        Stands::Untold { of, .. } => {
            untold = of;
            ("untold", Vec::new())
        }
        Stands::NotEligible(_) => ("not-eligible", Vec::new()),
        Stands::Absent => ("not-measured", Vec::new()),
    };
    json!({
        "cell": of.cell,
        "verdict": verdict(of.verdict()),
        "eligible": names(&eligible),
        "cheapest_in_all": names(&of.cheapest_in_all()),
        "nearest": names(&nearest),
        "cheapest": cheapest.collect::<Vec<_>>(),
        "textbook": {
            "choice": of.textbook.choice.name(),
            "stands": stands,
            "undercut": undercut,
            "untold": untold.iter().map(|of| of.name()).collect::<Vec<_>>(),
        },
        "contenders": of.candidates.iter().map(candidate).collect::<Vec<_>>(),
    })
}

fn candidate(of: &Candidate) -> Value {
    json!({
        "contender": of.contender.name(),
        "transport": of.contender.transport().name(),
        "verdict": verdict(of.verdict()),
        "checks": of.checks.iter().map(check).collect::<Vec<_>>(),
        "costs": of.costs.iter().map(figure).collect::<Vec<_>>(),
    })
}

fn check(of: &Check) -> Value {
    let asked = match &of.asked {
        Asked::Delivery => "delivery".to_owned(),
        Asked::Limit(limit) => limit.text.clone(),
        Asked::TwoWay => "two_way".to_owned(),
        Asked::Binary => "binary".to_owned(),
        Asked::Proxy(name) => format!("proxy {name}"),
        Asked::RoundTrip(time) => format!("round_trip {}", humantime::format_duration(*time)),
    };
    let reached = match of.reached {
        Reached::Met => "met",
        Reached::Missed => "missed",
        Reached::Unknown(_) => "unknown",
    };
    json!({ "asked": asked, "contender": of.contender.name(), "reached": reached,
            "figure": of.figure.as_ref().map(figure) })
}

fn figure(of: &Figure) -> Value {
    json!({
        "contender": of.contender.name(),
        "metric": of.metric.name(),
        "unit": of.metric.unit().name(),
        "value": of.value,
        "low": of.interval.map(|of| of.low),
        "high": of.interval.map(|of| of.high),
        "level": of.interval.map(|of| of.level),
        "trials": of.trials,
    })
}

fn verdict(of: Verdict) -> &'static str {
    match of {
        Verdict::Meets => "meets",
        Verdict::Unknown => "unknown",
        Verdict::Misses => "misses",
    }
}
