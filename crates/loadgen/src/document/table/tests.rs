use super::*;
use crate::analysis::analyse;
use crate::analysis::table::{fill, rows};
use crate::document::drawing::{Content, Tone};
use crate::document::format;
use crate::document::limits::tests::with_objectives;
use crate::results::{LatencyLog, Outcome, Trial};

/// A run of two valid blocks.
fn run() -> Run {
    let mut run = with_objectives("");
    let first: Vec<Trial> = run.trials.iter().filter(|of| of.block == 1).cloned().collect();
    for (trial, first) in run.trials.iter_mut().zip(first.iter().cycle()) {
        *trial = Trial { block: trial.block, ..first.clone() };
        trial.outcome = Outcome::Valid;
        trial.warnings.clear();
    }
    run
}

fn filled(run: Option<Run>) -> (Vec<FilledRow>, Runs) {
    let with = |run: Run| {
        let analysis = analyse(&run, &LatencyLog::default());
        (WORKLOAD.to_owned(), Ok((run, analysis)))
    };
    let runs = run.map(with).into_iter().collect();
    (fill(rows(), &runs), runs)
}

fn main_table(document: &Document) -> &Table {
    let Block::Table(table) = &document.blocks[0] else { panic!("a table") };
    table
}

/// The table of figures of a row, by its heading.
fn evidence_of<'a>(document: &'a Document, heading: &str) -> &'a Table {
    let mut sections = document.blocks.iter().filter_map(|block| match block {
        Block::Section(section) if section.heading == heading => Some(section),
        _ => None,
    });
    let blocks = &sections.next_back().unwrap().blocks;
    let Some(Block::Table(table)) = blocks.last() else { panic!("a table") };
    table
}

#[test]
fn without_runs_every_cell_says_what_it_lacks() {
    let (filled, runs) = filled(None);
    let document = table(&filled, &runs);
    assert!(document.headline.starts_with("Of 44 cells of the usual table, "), "{document:?}");
    assert!(document.headline.ends_with(" 40 were not measured."), "{}", document.headline);
    let table = main_table(&document);
    assert_eq!((table.columns.len(), table.rows.len()), (4, 11));
    let latency = table.rows.iter().find(|row| row.name == "Latency").unwrap();
    assert_eq!(latency.entries[3].text, "not measured: it was not run");
    assert_eq!(latency.entries[3].detail, "“very low”");
    assert_eq!(latency.entries[3].link, None, "there is nothing to lead to");
    let said = format!("{document:?}");
    assert!(said.contains("are answered in JSON by pushbench"), "what is made so is said");
    let evidence = evidence_of(&document, "Latency");
    assert_eq!(evidence.rows[0].entries[3].text, "pushbench run scenarios/default.toml");
    assert_eq!(evidence.rows[1].entries[3].text, "pushbench run scenarios/table/distance.toml");
}

#[test]
fn a_cell_has_its_figure_its_interval_and_its_run() {
    let (filled, runs) = filled(Some(run()));
    let document = table(&filled, &runs);
    assert_eq!(document.heading(), "Table: stock-ticker");
    let latency = main_table(&document).rows.iter().find(|row| row.name == "Latency").unwrap();
    let websocket = &latency.entries[3];
    let in_part = "does not hold if clients are near; nobody knows if clients are 100 ms away: 400 µs p50 [400 µs]";
    assert_eq!(websocket.text, in_part);
    assert!(websocket.alarming);
    assert_eq!(websocket.link.as_deref(), Some("workload/report.html"));
    let polling = &latency.entries[0];
    let in_part =
        "holds if clients are near; nobody knows if clients are 100 ms away: 502 ms p50 [502 ms]";
    assert_eq!(polling.text, in_part);

    let near = &evidence_of(&document, "Latency").rows[0];
    assert_eq!((&near.name[..], &near.detail[..]), ("Polling", "if clients are near"));
    assert_eq!(near.entries[1].text, "holds");
    let start = format!(
        "polling latency_p50: 823× long polling’s p50 [823×] of 2 blocks, {} interval (has to be at least 1.25×); ",
        format::share(0.5)
    );
    assert!(near.entries[2].text.starts_with(&start), "{}", near.entries[2].text);

    let picture = table_picture(&filled, &document.title);
    let Content::Grid(grid) = &picture.content else { panic!("a grid") };
    assert_eq!((grid.columns.len(), grid.rows.len()), (4, 11));
    let (name, fields) = &grid.rows[4];
    assert_eq!(
        (&name[..], fields[3].tone, &fields[3].says[..]),
        ("Latency", Tone::Bad, "“very low”")
    );
    assert_eq!(fields[3].found, "400 µs p50 [400 µs]");
}

#[test]
fn each_reason_is_said_once_with_its_cells() {
    let (filled, runs) = filled(Some(run()));
    let document = table(&filled, &runs);
    let Block::Section(section) = &document.blocks[1] else { panic!("a section") };
    assert_eq!(section.heading, "What is missing");
    let [Block::List(list)] = &section.blocks[..] else { panic!("a list") };
    let not_run = list.items.iter().filter(|item| item.text.ends_with(": it was not run"));
    assert_eq!(not_run.count(), 1);
}
