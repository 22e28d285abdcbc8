//! The usual table, filled: what it says of each transport beside what was measured, and where that stands.

mod picture;
mod words;

use super::block::{Block, Column, Depth, Document, Entry, Item, List, Row, Section, Table};
use super::drawing::Series;
use super::{origin, prose};
use crate::analysis::table::{Filled, FilledRow, Runs, Verdict, WORKLOAD, Weighed, columns};
use crate::results::Run;

pub use picture::table_picture;
pub use words::lack as table_lack;

/// The page of a run in its folder.
const PAGE: &str = "report.html";

/// Where the lines of the smallest clients come from.
const CLIENTS: &str = "scripts/clients";

/// Every row, what shows each of its cells, and what is missing.
#[must_use]
pub fn table(filled: &[FilledRow], runs: &Runs) -> Document {
    let columns = columns().enumerate().map(|(position, of)| Column {
        series: Some(Series::Contender(position)),
        ..Column::text(of.label())
    });
    let rows = filled.iter().map(|row| {
        let entries = row.cells.iter().map(|cell| entry(cell, runs));
        Row::new(&*row.row.name, entries.collect())
    });
    let note = "Below each cell stands what courses and blogs say. It leads to the report of its run; how the words are \
                read, and every figure that decides, stands below the table.";
    let table = Table::new("feature", columns.collect(), rows.collect()).noted(note);
    let mut blocks = vec![Block::Table(table)];
    blocks.extend(missing(filled));
    blocks.extend(filled.iter().map(|row| evidence(row, runs)));
    blocks.extend(made(runs));
    let title = match runs.get(WORKLOAD) {
        Some(Ok((run, _))) => run.manifest.scenario.name.clone(),
        Some(Err(_)) | None => String::new(),
    };
    let headline = words::headline(filled);
    Document { headline, blocks, ..Document::new("table", title, ["table.html", "table.json"]) }
}

/// What fits a screen: the verdicts alone.
#[must_use]
pub fn table_summary(filled: &[FilledRow], title: &str) -> Document {
    let columns = columns().map(|of| Column::text(of.label())).collect();
    let rows = filled.iter().map(|row| {
        let entries = row.cells.iter().map(|cell| {
            let verdict = match cell.verdict {
                Verdict::HoldsIf => "holds if …".to_owned(),
                Verdict::DoesNotHold => words::denial(cell).to_owned(),
                _ => words::verdict(cell),
            };
            Entry::text(verdict).alarming(cell.verdict == Verdict::DoesNotHold)
        });
        Row::new(&*row.row.name, entries.collect())
    });
    let table = Table::new("feature", columns, rows.collect());
    let blocks = vec![Block::Table(table)];
    let headline = words::headline(filled);
    Document { headline, blocks, ..Document::new("table", title, ["table.html", "table.json"]) }
}

/// The verdict, and the figure that says most.
fn entry(cell: &Filled, runs: &Runs) -> Entry {
    let verdict = words::verdict(cell);
    let text = match words::found(cell) {
        Some(found) => format!("{verdict}: {found}"),
        None => verdict,
    };
    let lead = cell.cases.iter().find_map(|weighed| link(weighed, runs));
    let link = lead.filter(|_| cell.verdict != Verdict::NotMeasured);
    Entry { link, ..Entry::text(text) }
        .with_detail(format!("“{}”", cell.says))
        .alarming(cell.verdict == Verdict::DoesNotHold)
}

/// The page of the run that a case is about, if it was made.
fn link(weighed: &Weighed, runs: &Runs) -> Option<String> {
    let name = weighed.case.run.as_ref()?;
    let is_there = matches!(runs.get(name), Some(Ok(_)));
    is_there.then(|| format!("{name}/{PAGE}"))
}

/// Why cells are empty or open, each reason once with all of its cells.
fn missing(filled: &[FilledRow]) -> Option<Block> {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for row in filled {
        for cell in &row.cells {
            for why in cell.cases.iter().flat_map(words::lacks) {
                let of = format!("{} of {}", prose::in_sentence(&row.row.name), cell.of.label());
                match reasons.iter_mut().find(|(known, _)| *known == why) {
                    Some((_, cells)) if cells.contains(&of) => {}
                    Some((_, cells)) => cells.push(of),
                    None => reasons.push((why, vec![of])),
                }
            }
        }
    }
    let item = |(why, cells): (String, Vec<String>)| Item {
        text: format!("{}: {}", prose::list(&cells), why),
        ..Item::default()
    };
    let items: Vec<_> = reasons.into_iter().map(item).collect();
    let list = List { what: "reasons", items };
    let heading = "What is missing";
    (!list.items.is_empty())
        .then(|| Block::section(Depth::Detail, heading, vec![Block::List(list)]))
}

/// How the words of a row are read, and every figure that decides.
fn evidence(row: &FilledRow, runs: &Runs) -> Block {
    let cases = row.cells.iter().flat_map(|cell| cell.cases.iter().map(move |case| (cell, case)));
    let rows = cases.map(|(cell, weighed)| {
        let when = match &weighed.case.when[..] {
            "" => String::new(),
            when => format!("if {when}"),
        };
        let figures = weighed.findings.iter().chain(&weighed.shown).map(words::evidence);
        let mut measured: Vec<_> = figures.collect();
        measured.extend(weighed.holds.as_ref().err().map(words::lack));
        let entries = vec![
            Entry::text(&*cell.says),
            Entry::text(words::of_case(&weighed.holds)).alarming(weighed.holds == Ok(false)),
            Entry::text(measured.join("; ")),
            Entry::text(command(weighed, runs)),
        ];
        let position = columns().position(|of| of == cell.of).unwrap_or_default();
        let series = Series::Contender(position);
        Row { detail: when, link: link(weighed, runs), ..Row::of(series, cell.of.label(), entries) }
    });
    let headings = ["the table says", "verdict", "what was measured", "command"];
    let table = Table::new("transport", headings.map(Column::text).to_vec(), rows.collect());
    let means = Block::Prose(prose::sentence(&row.row.means));
    let caveat = &row.row.caveat;
    let caveat = (!caveat.is_empty()).then(|| Block::Prose(prose::sentence(caveat)));
    let blocks = std::iter::once(means).chain(caveat).chain([Block::Table(table)]);
    Section::new(Depth::Detail, &*row.row.name, blocks.collect()).into()
}

/// What anybody can run to see it.
fn command(weighed: &Weighed, runs: &Runs) -> String {
    let Some(name) = &weighed.case.run else { return CLIENTS.to_owned() };
    let path = match runs.get(name) {
        Some(Ok((run, _))) => run.manifest.scenario.path.clone(),
        _ if name == WORKLOAD => "scenarios/default.toml".to_owned(),
        _ => format!("scenarios/table/{name}.toml"),
    };
    shell_words::join(["pushbench", "run", &path])
}

/// The runs, with what is valid of them, and where they were made.
fn made(runs: &Runs) -> Option<Block> {
    let there: Vec<_> =
        runs.iter().filter_map(|(name, run)| Some((name, &run.as_ref().ok()?.0))).collect();
    let (_, first) = there.first()?;
    let measured = origin::measured(&first.manifest);
    let row = |(name, run): &(&String, &Run)| {
        let valid = run.trials.iter().filter(|trial| trial.is_valid()).count();
        let failed = run.trials.iter().filter(|trial| trial.has_failed()).count();
        let mut trials = format!("{valid} of {} valid", run.manifest.planned_trials);
        if failed > 0 {
            trials += &format!(", {failed} failed");
        }
        let entries = vec![Entry::text(trials), Entry::text(&*run.manifest.scenario.description)];
        Row { link: Some(format!("{name}/{PAGE}")), ..Row::new(name.as_str(), entries) }
    };
    let columns = ["trials", "what"].map(Column::text).to_vec();
    let table = Table::new("run", columns, there.iter().map(row).collect());
    let blocks =
        vec![Block::Prose(measured.trim_end_matches(':').to_owned() + "."), Block::Table(table)];
    Some(Block::section(Depth::Detail, "The runs", blocks))
}

#[cfg(test)]
mod tests;
