//! Folklore for other programs: a row for each finding, or for a claim without one.

use anyhow::Context as _;

use crate::analysis::folklore::{Finding, Held, Outcome};

const COLUMNS: &str = "claim quote source url date command verdict run scenario cell contender against metric unit \
                       value low high level blocks holds";

/// Every finding of every claim, unrounded. What is missing is an empty field.
///
/// # Errors
/// What the writer reports.
pub fn folklore_csv(held: &[Held]) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS.split_whitespace())?;
    for of in held {
        let claim = &of.claim;
        let head = [
            &claim.name,
            &claim.quote,
            &claim.source,
            &claim.url,
            &claim.date,
            &claim.command,
            verdict(of.outcome),
        ];
        let head = head.map(str::to_owned);
        if of.findings.is_empty() {
            let rest = vec![String::new(); COLUMNS.split_whitespace().count() - head.len()];
            writer.write_record(head.iter().chain(&rest))?;
        }
        for finding in &of.findings {
            writer.write_record(head.iter().chain(&row(of, finding)))?;
        }
    }
    let bytes = writer.into_inner().context("cannot finish a table")?;
    String::from_utf8(bytes).context("the table is no text")
}

fn row(held: &Held, of: &Finding) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let part = held.claim.parts.get(of.part);
    let metric = part.map_or("", |part| part.metric.name());
    let unit = match (&of.against, part) {
        (Some(_), _) => "ratio",
        (None, part) => part.map_or("", |part| part.metric.unit().name()),
    };
    vec![
        of.run.clone(),
        of.scenario.clone(),
        of.cell.clone(),
        of.of.name().to_owned(),
        of.against.as_ref().map_or("", |id| id.name()).to_owned(),
        metric.to_owned(),
        unit.to_owned(),
        of.value.to_string(),
        number(of.interval.map(|of| of.low)),
        number(of.interval.map(|of| of.high)),
        number(of.interval.map(|of| of.level)),
        of.blocks.map_or_else(String::new, |blocks| blocks.to_string()),
        of.holds.map_or_else(String::new, |holds| holds.to_string()),
    ]
}

fn verdict(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Holds => "holds",
        Outcome::HoldsIf => "holds-if",
        Outcome::DoesNotHold => "does-not-hold",
        Outcome::Undecided => "not-decided",
        Outcome::NotMeasured => "not-measured",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::folklore::hold;

    #[test]
    fn what_was_not_measured_is_an_empty_field() {
        let text = folklore_csv(&hold(&[])).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let columns = reader.headers().unwrap().clone();
        let value = columns.iter().position(|name| name == "value").unwrap();
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 10);
        assert!(rows.iter().all(|row| &row[6] == "not-measured" && row[value].is_empty()));
    }
}
