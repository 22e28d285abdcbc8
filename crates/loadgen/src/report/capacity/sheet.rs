//! The tables of a search: what was found, and every trial.

use super::{Report, words};
use crate::analysis::capacity::{Found, Limit, server_cores};
use crate::report::quantity;
use crate::report::sheet::{Entry, Row, Sheet, of_trial};
use crate::report::words::title;
use crate::results::capacity::{Answer, LoadAxis, Purpose};

/// One row for each contender.
pub(super) fn found(report: &Report<'_>) -> Sheet {
    let varied = report.capacity.varied;
    let rows = report.conclusions.iter().map(|of| {
        let contender = &of.search.contender;
        let is_told = matches!(
            of.found,
            Some(Found::Capacity { limit: Limit::Missed { .. } | Limit::Most, .. })
        );
        let load = match of.found {
            Some(Found::Capacity { load, .. }) => load.to_string(),
            _ => String::new(),
        };
        let [limit, detail] = words::limit(of, varied);
        let trials = of.search.attempts.len().to_string();
        let entries = vec![
            Entry {
                text: words::found(of, varied),
                sort: load,
                alarming: !is_told,
                ..Entry::default()
            },
            Entry { sort: limit.clone(), text: limit, detail, ..Entry::default() },
            number(words::cores(of.server_cores()), of.server_cores()),
            Entry { sort: trials.clone(), text: trials, ..Entry::default() },
        ];
        Row { name: contender.label().to_owned(), contender: Some(contender.clone()), entries }
    });
    let cores = report.capacity.manifest.machine.server_cores.len().max(1);
    let columns = ["capacity", "limit", "server's\ncores busy", "trials"];
    Sheet {
        title: "Capacity".to_owned(),
        note: format!("The server had {cores} {}.", if cores == 1 { "core" } else { "cores" }),
        subject: "contender",
        columns: columns.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}

/// Every trial of one contender, in the order in which they ran, as far as `limit`.
pub(super) fn trials(report: &Report<'_>, index: usize, limit: usize) -> Sheet {
    let of = &report.conclusions[index];
    let contender = &of.search.contender;
    let rows = of.search.attempts.iter().zip(&of.checked).take(limit).map(|(attempt, checked)| {
        let verdict = words::verdict(attempt, checked);
        let is_told = matches!(attempt.answer, Answer::Met | Answer::Missed { .. });
        let purpose = match attempt.purpose {
            Purpose::Search => "search",
            Purpose::Confirm => "confirm",
        };
        let trial = &attempt.trial;
        let entries = vec![
            Entry { text: purpose.to_owned(), sort: purpose.to_owned(), ..Entry::default() },
            Entry { sort: verdict.clone(), text: verdict, alarming: !is_told, ..Entry::default() },
            number(of_trial(trial, report.latency), trial.value(report.latency)),
            number(words::cores(server_cores(trial)), server_cores(trial)),
        ];
        Row { name: quantity::count(attempt.load), contender: Some(contender.clone()), entries }
    });
    let latency = title(report.latency).to_owned();
    let columns = ["tried to", "verdict", &latency, "server's\ncores busy"];
    Sheet {
        title: contender.label().to_owned(),
        note: String::new(),
        subject: match report.capacity.varied {
            LoadAxis::Subscribers => "subscribers",
            LoadAxis::Rate => "events/s",
        },
        columns: columns.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}

fn number(text: String, value: Option<f64>) -> Entry {
    let sort = value.map_or_else(String::new, |value| value.to_string());
    Entry { text, sort, ..Entry::default() }
}
