//! What a run says to who has to choose: in sentences, each with the cell of the results that it comes from.

mod answer;
mod reasons;
mod words;

use self::answer::Said;
use super::block::{Block, Column, Depth, Document, Entry, List, Row, Table};
use super::contender::{inline, series};
use super::{prose, sweep};
use crate::analysis::Analysis;
use crate::analysis::guide::{Answer, Guide, Refusal, Verdict};
use crate::results::{ContenderId, Run};

/// What a run says to who has to choose.
#[must_use]
pub fn guide(run: &Run, analysis: &Analysis, guide: &Guide) -> Document {
    let several = guide.cells.len() > 1;
    let said: Vec<_> = guide.cells.iter().map(|of| Said::new(of, several)).collect();
    let headline = match &said[..] {
        [] => "No cell was measured.".to_owned(),
        [one] => one.headline(),
        cells => {
            let met = guide.cells.iter().filter(|of| of.verdict() == Verdict::Meets).count();
            format!("In {met} of {} cells, something meets all that is asked.", cells.len())
        }
    };
    let mut blocks = vec![Block::Prose(basis(run, guide))];
    match &said[..] {
        [one] => blocks.extend(blocks_of(one)),
        cells => {
            blocks.push(Block::Table(overview(guide)));
            let section = |of: &Said<'_>| {
                let mut own = vec![Block::Prose(of.headline())];
                own.extend(blocks_of(of));
                super::block::Section::new(Depth::Essential, of.answer.cell.clone(), own)
            };
            blocks.push(Block::Each("cells", cells.iter().map(section).collect()));
        }
    }
    if let Some(list) = List::of("crossovers", crossovers(analysis, guide)) {
        let heading = "Where costs change sides";
        blocks.push(Block::section(Depth::Essential, heading, vec![Block::List(list)]));
    }
    let title = &*run.manifest.scenario.name;
    Document { headline, blocks, ..Document::new("guide", title, ["report.html", "estimates.csv"]) }
}

/// All of it, in the order of reading.
fn blocks_of(said: &Said<'_>) -> Vec<Block> {
    let mut blocks = vec![said.verdicts()];
    let parts: [(&str, &'static str, Vec<String>); 4] = [
        ("What those that do cost", "costs", said.costs()),
        ("Which of them is simplest", "facts", said.simplest()),
        ("What the textbook says", "findings", said.textbook()),
        ("What would change the answer", "changes", said.changes()),
    ];
    let sections = parts.into_iter().filter_map(|(heading, what, sentences)| {
        let list = List::of(what, sentences)?;
        Some(Block::section(Depth::Essential, heading, vec![Block::List(list)]))
    });
    blocks.extend(sections);
    if let Some(list) = List::of("doubts", said.doubts()) {
        let list = vec![Block::List(list)];
        blocks.push(Block::section(Depth::Essential, "How sure this is", list));
    }
    blocks
}

/// What was asked, and of what.
fn basis(run: &Run, guide: &Guide) -> String {
    let mut asked: Vec<String> = Vec::new();
    if guide.has_objectives {
        asked.push("the scenario's objectives".to_owned());
    }
    let needs = &guide.needs;
    let kinds = [
        (needs.two_way, "clients that send".to_owned()),
        (needs.binary, "binary events".to_owned()),
        (!needs.proxies.is_empty(), format!("a way through {}", needs.proxies.join(", "))),
        (
            needs.round_trip.is_some(),
            format!(
                "a round trip of {}",
                humantime::format_duration(needs.round_trip.unwrap_or_default())
            ),
        ),
        (
            !needs.budget.is_empty(),
            needs.budget.iter().map(|of| of.text.clone()).collect::<Vec<_>>().join(", "),
        ),
    ];
    asked.extend(kinds.into_iter().filter(|(is_asked, _)| *is_asked).map(|(_, words)| words));
    let says_when_late = needs.budget.iter().any(|of| of.metric.is_delivery_latency());
    let without = match guide.has_objectives || says_when_late {
        true => "",
        false => ". The scenario has no objectives, so nothing says what would be too late",
    };
    prose::sentence(&format!(
        "asked for: {}, and every event once and in order{without}. Behind each sentence stands the cell of \
         estimates.csv that it comes from: contender, metric, figure and interval. The run is {}",
        prose::list(&asked),
        run.manifest.run
    ))
}

/// A row for each cell of a sweep, a column for each candidate.
fn overview(guide: &Guide) -> Table {
    let all = guide.cells.iter().flat_map(|of| &of.candidates).map(|of| &of.contender);
    let candidates = ContenderId::distinct(all);
    let entry = |answer: &Answer, id: &ContenderId| {
        let of = answer.candidates.iter().find(|of| of.contender == *id);
        of.map_or_else(Entry::missing, |of| match of.verdict() {
            Verdict::Meets => Entry::text("✓"),
            Verdict::Misses => Entry::text("✗").alarming(true),
            Verdict::Unknown => Entry::text("?").alarming(true),
        })
    };
    let row = |answer: &Answer| {
        let cheapest: Vec<_> = answer.cheapest_in_all().into_iter().map(inline).collect();
        let cheapest = match &cheapest[..] {
            [] => Entry::missing(),
            some => Entry::text(prose::list(some)),
        };
        let marks = candidates.iter().map(|id| entry(answer, id));
        Row::new(&*answer.cell, std::iter::once(cheapest).chain(marks).collect())
    };
    let columns = candidates
        .iter()
        .map(|id| Column { series: Some(series(id)), ..Column::figures(id.label()) });
    let columns = std::iter::once(Column::text("cheapest in all costs")).chain(columns).collect();
    let note = "✓ meets all that is asked, ✗ misses something, ? cannot be judged; – nobody is cheapest in all costs.";
    Table::new("cell", columns, guide.cells.iter().map(row).collect()).noted(note)
}

/// Where two that can be recommended change sides, or what would show it.
fn crossovers(analysis: &Analysis, guide: &Guide) -> Vec<String> {
    let Some(found) = &analysis.sweep else {
        return vec![
            "The run is no sweep, so nothing shows above which load another costs less: vary a key in [sweep]."
                .to_owned(),
        ];
    };
    let told = guide.crossovers.iter().filter_map(|&index| found.findings.get(index));
    let sentences: Vec<_> = told.filter_map(|finding| sweep::text(found, finding)).collect();
    match &sentences[..] {
        [] => vec![
            "Between the cells of the sweep, no two that can be recommended surely change sides in a cost."
                .to_owned(),
        ],
        _ => sentences,
    }
}

/// Why a run says nothing.
#[must_use]
pub fn refusal(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Unreadable(error) => {
            format!("the scenario of the run cannot be read, so nobody knows what was asked: {error}")
        }
        Refusal::Interrupted { ran, planned } => format!(
            "the run ended after {ran} of {planned} trials, so it may favour somebody: measure it again"
        ),
        Refusal::Empty => "the run has no trial".to_owned(),
        Refusal::Untrusted { cell, contender, valid, planned, reason } => {
            let reason = reason.as_ref().map_or_else(String::new, |of| format!(": {of}"));
            format!(
                "the run cannot be trusted: only {valid} of {planned} trials of {} in {cell} are \
                 valid{reason}",
                contender.name()
            )
        }
        Refusal::NothingAsked => {
            "the scenario has neither objectives nor needs, so everything would do: write [objectives] or \
             [needs], or say what you need, as in `--max latency_p99=500ms`"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests;
