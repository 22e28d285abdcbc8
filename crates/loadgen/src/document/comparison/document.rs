//! What a comparison of two builds says, as a document.

use super::judged::{Judged, shown};
use super::points::worst_first;
use super::prose::{builds, guarantee, headline, subject};
use super::tables;
use crate::analysis::regression::{GatedCell, Verdict};
use crate::document::block::{Block, Depth, Document, Figure, Fold, List, Section};
use crate::document::drawing::Drawing;
use crate::document::{format, limits, origin};
use crate::results::Comparison;

/// The most rows of dots in a picture.
const DRAWN: usize = 60;

/// What a comparison of two builds says.
#[must_use]
pub fn comparison(comparison: &Comparison) -> Document {
    let judged = &Judged::of(comparison);
    let scenarios = (0..judged.scenarios()).map(|index| scenario(judged, index));
    let checked: Vec<_> = judged.thresholds.iter().map(|(_, checked)| checked.clone()).collect();
    let [(_, baseline), (_, candidate)] = builds(judged);
    let guarantee =
        format!("Candidate {candidate} against baseline {baseline}. {}", guarantee(judged));
    let stopped = comparison.interrupted.then(|| {
        "The comparison was stopped before its end: what is missing counts as unknown.".to_owned()
    });
    let points = worst_first(judged).into_iter();
    // Not with a capital: it may begin with the name of a scenario.
    let points = points.map(|point| format!("{}: {}.", point.subject, point.text));
    let findings = List::of("findings", stopped.into_iter().chain(points)).map(Block::List);
    let how = Section::new(Depth::Detail, "How to read this", vec![Block::List(terms())]);
    Document {
        kind: "comparison",
        title: String::new(),
        headline: headline(judged),
        blocks: findings
            .into_iter()
            .chain([Block::Prose(guarantee)])
            // Those that are crossed are among the findings.
            .chain(limits::thresholds(&checked).map(|of| Block::section(Depth::Full, "", vec![of])))
            .chain([Block::Each("scenarios", scenarios.collect())])
            .chain(comparison.manifests.first().map(|manifest| {
                let [first, confirm] = comparison.blocks;
                let own = vec![
                    ("Baseline", baseline),
                    ("Candidate", candidate),
                    ("Baseline's command", comparison.baseline.command.clone()),
                    ("Candidate's command", comparison.candidate.command.clone()),
                    ("Blocks", format!("{first}, and {confirm} to confirm")),
                    ("Trials", comparison.trials.len().to_string()),
                ];
                origin::section(manifest, own)
            }))
            .chain([how.folded(Fold::Quiet).into()])
            .collect(),
        files: ["comparison.html", "comparison.json"],
    }
}

/// The picture of all scenarios.
pub(crate) fn comparison_picture(comparison: &Comparison) -> Drawing {
    tables::picture(&Judged::of(comparison), DRAWN)
}

fn scenario(judged: &Judged<'_>, index: usize) -> Section {
    let stands_out = |cell: &&GatedCell| {
        matches!(cell.verdict, Verdict::Regressed | Verdict::Invalid | Verdict::Improved)
    };
    let all: Vec<_> = judged.cells_of(index).collect();
    let (loud, quiet): (Vec<&GatedCell>, Vec<&GatedCell>) =
        all.iter().copied().partition(stands_out);
    let open = quiet.iter().filter(|cell| cell.verdict == Verdict::Inconclusive).count();
    let loud = (!loud.is_empty()).then(|| Block::Table(tables::table(&loud)));
    let quiet = (!quiet.is_empty()).then(|| {
        let heading = format!("{} within their gates, {open} inconclusive", quiet.len() - open);
        let table = Block::Table(tables::table(&quiet));
        Section::new(Depth::Detail, heading, vec![table]).folded(Fold::Quiet).into()
    });
    let changes = all.iter().map(|cell| {
        let change = shown(cell).ratio.map_or_else(|| format::MISSING.to_owned(), format::signed);
        format!("{}: {change}", subject(cell))
    });
    let figure = Figure {
        name: format!("blocks-{}", index + 1),
        file: None,
        caption: "A dot is one block. The tall line is the estimate, the line to its right reaches up to the \
                  bound, and the shade begins where the gate ends. Left of the middle the candidate takes less."
            .to_owned(),
        alternative: format!("{}. {}.", tables::TITLE, changes.collect::<Vec<_>>().join("; ")),
        drawing: tables::drawing(all.iter().flat_map(|cell| tables::dots(cell)).take(DRAWN).collect()),
    };
    let closed = |heading: &str, block| {
        Block::Section(Section::new(Depth::Full, heading, vec![block]).folded(Fold::Closed))
    };
    let pictured = (!all.is_empty()).then(|| {
        let blocks =
            vec![Block::Figure(figure), closed("Every block", Block::Table(tables::blocks(&all)))];
        Block::section(Depth::Full, "", blocks)
    });
    let text = judged.comparison.manifests.get(index).map(origin::scenario);
    let heading = match judged.scenarios() {
        1 => "Figures",
        _ => judged.scenario(index),
    };
    let blocks = loud.into_iter().chain(quiet).chain(pictured).chain(text).collect();
    Section::new(Depth::Essential, heading, blocks)
}

/// How to read the figures.
fn terms() -> List {
    let terms = [
        (
            "Blocks",
            "In a block each contender is measured with both builds, one straight after the other and each on \
             a fresh server. A coin decides which goes first. So what the machine does meanwhile favours \
             neither.",
        ),
        (
            "Change, and at most",
            "The Hodges–Lehmann estimate of candidate / baseline over blocks, on fresh blocks where a figure \
             was suspected, and the one-sided bound of the signed-rank test. More is worse for every figure \
             here.",
        ),
        (
            "Gate",
            "What a figure may get worse by. Where there are two limits, a regression has to pass both. A bar \
             of six characters is as long as the gate; a light one is for less.",
        ),
        (
            "Regressed",
            "The change was sure and beyond the gate, and again so on fresh blocks alone. The two are never \
             pooled.",
        ),
        (
            "Improved, pass, inconclusive",
            "Improved: surely better by as much as the gate allows worse. Pass: the bound lies within the \
             gate. Inconclusive: the noise is too large to exclude a change beyond the gate; more blocks or \
             longer trials tell.",
        ),
        ("Invalid", "Too few blocks in which the trials of both builds are valid."),
    ];
    List::terms(terms.map(|(term, text)| (term, text.to_owned())))
}
