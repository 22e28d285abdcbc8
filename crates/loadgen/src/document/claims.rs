//! What a test of the instrument came to: each claim, and what was measured.

use super::block::{Block, Column, Document, Entry, Row, Table};
use super::format;

/// A claim about something whose truth is known, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The check that it belongs to.
    pub check: String,
    /// What it is about.
    pub subject: String,
    /// What should be measured.
    pub claimed: String,
    /// What was measured, if anything could be.
    pub measured: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a claim ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It does not.
    Fails,
    /// The machine was too busy to tell.
    Untold,
}

/// What all claims come to.
#[must_use]
pub fn claims(claims: &[Claim]) -> Document {
    let count = |outcome| claims.iter().filter(|claim| claim.outcome == outcome).count();
    let mut headline = format!("{} of {} claims hold", count(Outcome::Holds), claims.len());
    for (outcome, words) in [
        (Outcome::Fails, "failed"),
        (Outcome::Untold, "could not be measured: the machine was too busy"),
    ] {
        if count(outcome) > 0 {
            headline += &format!("; {} {words}", count(outcome));
        }
    }
    let row = |claim: &Claim| {
        let outcome = match claim.outcome {
            Outcome::Holds => "pass",
            Outcome::Fails => "FAIL",
            Outcome::Untold => "not measured",
        };
        let entries = vec![
            Entry::text(outcome).alarming(claim.outcome == Outcome::Fails),
            Entry::text(&*claim.subject),
            Entry::text(&*claim.claimed),
            Entry::text(claim.measured.as_deref().unwrap_or(format::MISSING)),
        ];
        Row::new(&*claim.check, entries)
    };
    let columns = ["verdict", "of", "claimed", "measured"].map(Column::text).to_vec();
    let table = Table::new("check", columns, claims.iter().map(row).collect());
    let blocks = vec![Block::Table(table)];
    Document { headline, blocks, ..Document::new("selftest", "", ["the output above"; 2]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_is_a_row_with_what_was_measured() {
        let claim = |outcome, measured: Option<&str>| Claim {
            check: "delay".to_owned(),
            subject: "SSE".to_owned(),
            claimed: "5.00 ms ± 450 µs".to_owned(),
            measured: measured.map(str::to_owned),
            outcome,
        };
        let all = [
            claim(Outcome::Holds, Some("5.06 ms")),
            claim(Outcome::Fails, Some("7.00 ms")),
            claim(Outcome::Untold, None),
        ];
        let document = claims(&all);
        assert_eq!(
            document.headline,
            "1 of 3 claims hold; 1 failed; 1 could not be measured: the machine was too busy"
        );
        let [Block::Table(table)] = &document.blocks[..] else { panic!("a table") };
        let rows: Vec<Vec<_>> = table
            .rows
            .iter()
            .map(|row| row.entries.iter().map(|entry| entry.text.as_str()).collect())
            .collect();
        assert_eq!(
            rows,
            [
                ["pass", "SSE", "5.00 ms ± 450 µs", "5.06 ms"],
                ["FAIL", "SSE", "5.00 ms ± 450 µs", "7.00 ms"],
                ["not measured", "SSE", "5.00 ms ± 450 µs", "–"],
            ]
        );
        assert_eq!(claims(&all[..1]).headline, "1 of 1 claims hold");
    }
}
