//! Published claims beside what was measured: who says what, and what the runs say to it.

use super::block::{Block, Column, Depth, Document, Entry, Item, List, Row, Table};
use super::{format, prose};
use crate::analysis::folklore::{Claim, Finding, Held, Outcome, Part};
use crate::results::Metric;

/// As many places as a row can hold; the others are in the CSV.
const SHOWN: usize = 4;

/// Every claim, what is found and what follows.
#[must_use]
pub fn folklore(held: &[Held]) -> Document {
    let count = |outcome| held.iter().filter(|of| of.outcome == outcome).count();
    let counted = [
        (count(Outcome::Holds), "holds", "hold"),
        (count(Outcome::HoldsIf), "holds in part", "hold in part"),
        (count(Outcome::DoesNotHold), "does not hold", "do not hold"),
        (count(Outcome::Undecided), "is not decided", "are not decided"),
        (count(Outcome::NotMeasured), "was not measured", "were not measured"),
    ];
    let told = counted.iter().filter(|(count, ..)| *count > 0);
    let told =
        told.map(|(count, one, more)| format!("{count} {}", if *count == 1 { one } else { more }));
    let claims = prose::count(held.len(), "published claim");
    let headline = format!("Of {claims}, {}.", prose::list(&told.collect::<Vec<_>>()));
    let columns = ["verdict", "what is published", "what was measured"];
    let columns = columns.map(Column::text).to_vec();
    let note = "Behind each figure stands its cell: contender, metric, figure and interval.";
    let table = Table::new("claim", columns, held.iter().map(row).collect()).noted(note);
    let sources = List { what: "claims", items: held.iter().map(source).collect() };
    let heading = "Who says so, how it is read, and how to test it";
    let blocks = vec![
        Block::Table(table),
        Block::section(Depth::Essential, heading, vec![Block::List(sources)]),
    ];
    let files = ["the output of --format csv"; 2];
    Document { headline, blocks, ..Document::new("folklore", "", files) }
}

fn row(held: &Held) -> Row {
    let claim = &held.claim;
    let verdict = match held.outcome {
        Outcome::Holds => "holds".to_owned(),
        Outcome::HoldsIf => format!("holds if {}", conditions(held)),
        Outcome::DoesNotHold => "does not hold".to_owned(),
        Outcome::Undecided => "not decided".to_owned(),
        Outcome::NotMeasured => "not measured".to_owned(),
    };
    // One of each part: the others are in the CSV.
    let first = |(index, part)| {
        let found = held.findings.iter().find(|of| of.part == index);
        found.map(|of| figure(part, of))
    };
    let mut figures: Vec<_> = claim.parts.iter().enumerate().filter_map(first).collect();
    if held.findings.len() > figures.len() {
        figures.push(format!("and {} more", held.findings.len() - figures.len()));
    }
    let measured = match &figures[..] {
        [] => Entry::missing(),
        some => Entry::text(some.join("; ")),
    };
    let entries = vec![
        Entry::text(verdict).alarming(held.outcome == Outcome::DoesNotHold),
        Entry::text(format!("“{}”", claim.quote)),
        measured,
    ];
    Row::new(&*claim.name, entries)
}

/// Where a claim can be read, what figures have to show, and what shows them.
fn source(held: &Held) -> Item {
    let Claim { name, source, url, date, reads, command, .. } = &held.claim;
    let text = format!("{name}: {source}, {date}, {url}. Holds if {reads}. Test: {command}");
    Item { text, ..Item::default() }
}

/// Where it holds, and where it does not.
fn conditions(held: &Held) -> String {
    let places = |holds: bool| -> Vec<String> {
        let own = held.findings.iter().filter(|of| of.holds == Some(holds));
        let mut places: Vec<String> = Vec::new();
        for place in own.map(place) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let more = places.len().saturating_sub(SHOWN);
        places.truncate(SHOWN);
        if more > 0 {
            places.push(format!("{more} more"));
        }
        places
    };
    let (holds, not) = (places(true), places(false));
    let not_in: Vec<_> = not.into_iter().filter(|place| !holds.contains(place)).collect();
    match &not_in[..] {
        [] => format!("it is {}", prose::list(&holds)),
        some => format!("it is {}, not {}", prose::list(&holds), prose::list(some)),
    }
}

/// Which contender of which cell.
fn place(of: &Finding) -> String {
    format!("{} in {} {}", of.of.name(), of.scenario, of.cell)
}

/// A figure by its cell of the results.
fn figure(part: &Part, of: &Finding) -> String {
    let Finding { of: id, against, value, interval, blocks, scenario, cell, .. } = of;
    let metric: Metric = part.metric;
    let (amount, range) = match against {
        Some(_) => (format::times(*value), interval.map(|of| format::times_range(of.low, of.high))),
        None => {
            let range = interval.map(|of| format::range(metric, of.low, of.high));
            (format::of(metric, Some(*value)), range)
        }
    };
    let range = match (range, blocks) {
        (Some(range), _) => range,
        (None, Some(_)) => "one block, no interval".to_owned(),
        (None, None) => "counted".to_owned(),
    };
    let names = match against {
        Some(against) => format!("{}/{}", id.name(), against.name()),
        None => id.name().to_owned(),
    };
    format!("{names} {} {amount} [{range}] in {scenario} {cell}", metric.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::analysis::folklore::hold;
    use crate::document::limits::tests::with_objectives;
    use crate::results::{LatencyLog, Outcome as Ended};

    fn table(document: &Document) -> &Table {
        let [Block::Table(table), _] = &document.blocks[..] else { panic!("a table") };
        table
    }

    fn sources(document: &Document) -> Vec<String> {
        let [_, Block::Section(section)] = &document.blocks[..] else { panic!("a section") };
        let [Block::List(list)] = &section.blocks[..] else { panic!("a list") };
        list.items.iter().map(|of| of.text.clone()).collect()
    }

    #[test]
    fn without_runs_each_claim_says_how_to_test_it() {
        let document = folklore(&hold(&[]));
        assert_eq!(document.headline, "Of 10 published claims, 10 were not measured.");
        for row in &table(&document).rows {
            assert_eq!(row.entries[0].text, "not measured");
            assert_eq!(row.entries[2].text, format::MISSING, "missing is no figure");
        }
        let sources = sources(&document);
        assert_eq!(sources.len(), 10);
        assert!(sources.iter().all(|of| of.contains("https://") && of.contains(". Test: ")));
    }

    #[test]
    fn a_figure_stands_with_its_cell_and_its_interval() {
        let mut run = with_objectives("");
        for trial in &mut run.trials {
            trial.outcome = Ended::Valid;
            trial.warnings.clear();
        }
        let analysis = analyse(&run, &LatencyLog::default());
        let document = folklore(&hold(&[(run, analysis)]));
        let rows = &table(&document).rows;
        let order = rows.iter().find(|row| row.name == "message-order").unwrap();
        assert_eq!(order.entries[0].text, "does not hold");
        assert!(order.entries[0].alarming);
        assert_eq!(
            order.entries[2].text,
            "long-polling reordered 0 [counted] in stock-ticker base"
        );
        let churn = rows.iter().find(|row| row.name == "connection-churn").unwrap();
        let start = "long-polling/websocket server_cpu_per_delivery 4.73× [one block, no interval] in \
                     stock-ticker base; ";
        assert!(churn.entries[2].text.starts_with(start), "{}", churn.entries[2].text);
        assert_eq!(churn.entries[0].text, "does not hold", "as many connections");
    }
}
