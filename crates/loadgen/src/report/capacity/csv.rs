//! `capacity.csv`: what was found, for other programs. What is not known is an empty field.

use super::Report;
use crate::analysis::capacity::{Conclusion, Found, Limit};
use crate::report::csv::write;
use crate::results::capacity::{Answer, Miss, Obstacle};

/// `limit` tells the server's own capacity from a bound from below.
const COLUMNS: [&str; 9] = [
    "run",
    "scenario",
    "contender",
    "varied",
    "capacity",
    "limit",
    "limit_at",
    "server_cores",
    "trials",
];

/// The file's text: one row for each contender.
pub(super) fn table(report: &Report<'_>) -> anyhow::Result<Vec<u8>> {
    let rows = report.conclusions.iter().map(|of| {
        let (capacity, (limit, at)) = match of.found {
            Some(Found::Capacity { load, limit }) => (Some(load), name(of, limit)),
            Some(Found::Untrusted { obstacle: Some(obstacle) }) => {
                (None, (of_obstacle(obstacle), None))
            }
            Some(Found::Nothing) => {
                let at = of.search.least.load;
                (None, name(of, Limit::Missed { at }))
            }
            Some(Found::Failed) => (None, ("failed", None)),
            Some(Found::Untrusted { obstacle: None }) => (None, ("unstable", None)),
            None => (None, ("interrupted", None)),
        };
        let number = |number: Option<f64>| number.map_or_else(String::new, |of| of.to_string());
        [
            of.search.contender.name().to_owned(),
            report.capacity.varied.name().to_owned(),
            number(capacity),
            limit.to_owned(),
            number(at),
            number(of.server_cores()),
            of.search.attempts.len().to_string(),
        ]
    });
    write(&report.capacity.manifest, &COLUMNS, rows)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::fixture;

    #[test]
    fn every_search_has_a_row() {
        let capacity = fixture::capacity();
        let text = String::from_utf8(table(&Report::of(&capacity)).unwrap()).unwrap();
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
