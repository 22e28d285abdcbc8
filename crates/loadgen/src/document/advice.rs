//! Two stored runs, held against each other: advice, and no verdict.

use super::block::{Block, Column, Document, Entry, Row, Table};
use super::contender::{inline, series};
use super::{format, prose};
use crate::analysis::advisory::Advice;

/// What two stored runs say about each other.
#[must_use]
pub fn advice(advice: &[Advice]) -> Document {
    let count = |is_worse| advice.iter().filter(|of| of.is_worse == is_worse).count();
    let figures = prose::count(advice.len(), "figure");
    let headline = match (count(Some(true)), count(None)) {
        _ if advice.is_empty() => {
            "The runs have nothing in common that could be compared.".to_owned()
        }
        (0, 0) => format!("Nothing got worse in {figures}."),
        (0, unknown) => {
            format!("{unknown} of {figures} could not be compared; nothing else got worse.")
        }
        (worse, _) => format!("{worse} of {figures} got worse."),
    };
    let note = "Advisory: the runs were made at different times, so CPU, memory and latency are not judged. To \
                judge them, measure both builds in one go with --baseline and --candidate.";
    let columns = ["baseline", "candidate", "change", "gate"].map(Column::figures);
    let columns = std::iter::once(Column::text("verdict")).chain(columns).collect();
    let table = Table::new("figure", columns, advice.iter().map(row).collect()).noted(note);
    let blocks = vec![Block::Table(table)];
    Document { headline, blocks, ..Document::new("comparison", "", ["their folders"; 2]) }
}

fn row(of: &Advice) -> Row {
    let change = match of.values {
        [Some(old), Some(new)] if old > 0.0 => Some(new / old - 1.0),
        _ => None,
    };
    let verdict = match of.is_worse {
        Some(true) => "worse",
        Some(false) => "pass",
        None => "not measured",
    };
    let [old, new] = of.values.map(|value| Entry::number(format::of(of.metric, value), value));
    let change_text = change.map(|change| format!("{:+.2} %", change * 100.0));
    let change_text = change_text.unwrap_or_else(|| format::MISSING.to_owned());
    let gate = if of.share > 0.0 { format!("+{} %", of.share * 100.0) } else { "0".to_owned() };
    let entries = vec![
        Entry::text(verdict).alarming(of.is_worse == Some(true)),
        old,
        new,
        Entry::number(change_text, change),
        Entry::number(gate, Some(of.share)),
    ];
    let name = format!("{} of {}", of.metric.label(), inline(&of.contender));
    Row::of(series(&of.contender), name, entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::advisory::advise;
    use crate::results::{Metric, fixture};

    #[test]
    fn it_says_that_it_is_advice_and_what_got_worse() {
        let (run, _) = fixture::run();
        let of = |advice: &[Advice]| {
            let document = super::advice(advice);
            let [Block::Table(table)] = &document.blocks[..] else { panic!("a table") };
            (document.headline.clone(), table.clone())
        };
        let (headline, table) = of(&advise(&run, &run).unwrap());
        assert!(headline.contains("nothing else got worse") || headline.starts_with("Nothing got"));
        assert!(table.note.starts_with("Advisory: "), "{}", table.note);
        let bytes = table.rows.iter().find(|row| row.name == "Bytes per delivery of SSE").unwrap();
        let texts: Vec<_> = bytes.entries.iter().map(|entry| entry.text.as_str()).collect();
        assert_eq!(texts, ["pass", "171 B", "171 B", "+0.00 %", "+0.5 %"]);

        let mut worse = run.clone();
        worse.trials[2].values.insert(Metric::Lost, 1.0);
        let (headline, table) = of(&advise(&run, &worse).unwrap());
        assert!(headline.starts_with("1 of ") && headline.ends_with(" got worse."), "{headline}");
        assert_eq!(table.rows.iter().filter(|row| row.entries[0].alarming).count(), 1);
        assert!(of(&[]).0.contains("nothing in common"));
    }
}
