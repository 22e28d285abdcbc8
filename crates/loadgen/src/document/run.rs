//! What a run says.

use super::block::{Block, Column, Depth, Document, Entry, List, Row, Section, Table};
use super::{
    browsers, caveats, charts, described, limits, literature, origin, proxies, sweep, tables,
    trials, verdict,
};
use crate::analysis::{Analysis, Cell};
use crate::results::{Metric, Run};

/// What a run says: the verdict on its only cell, on each of several, or what a sweep shows.
#[must_use]
pub fn run(run: &Run, analysis: &Analysis) -> Document {
    let manifest = &run.manifest;
    let (headline, lead, results) = match (&analysis.sweep, &analysis.cells[..]) {
        // Of a sweep the verdict on a single cell would mislead.
        (Some(found), _) => {
            let lead = sweep::findings(analysis, found).map(Block::List);
            let mut sections = sweep::sections(analysis, found);
            sections.extend(tables::of_all_cells(analysis));
            (sweep::headline(found), lead, sections)
        }
        (None, []) => ("No trial ran.".to_owned(), None, Vec::new()),
        (None, [cell]) => {
            let (headline, findings) = said(cell);
            let blocks = comparison(cell, run, "");
            (headline, findings, vec![Block::section(Depth::Essential, "Comparison", blocks)])
        }
        (None, cells) => {
            let section = |(index, cell)| of_several(cell, run, index);
            let sections = cells.iter().enumerate().map(section).collect();
            (several(cells.len()), None, vec![Block::Each("cells", sections)])
        }
    };
    let description = Block::Prose(manifest.scenario.description.clone()).detail();
    let lead = lead.into_iter().chain([description]);
    let limits = limits::thresholds(&analysis.thresholds);
    let caveats = caveats::section(caveats::of_run(run, analysis));
    let footnotes = described::footnote(&manifest.servers).map(|text| Block::Prose(text).detail());
    let browsers = browsers::footnote(manifest).map(|text| Block::Prose(text).detail());
    let own = ("Trials", measured(run));
    let all = Block::Table(trials::table(run, analysis.cells.len() > 1));
    let full = |heading, block| Block::section(Depth::Full, heading, vec![block]);
    let not_shown = List::of("limits", not_shown(run)).map(Block::List);
    Document {
        kind: "",
        title: manifest.scenario.name.clone(),
        headline,
        blocks: lead
            .chain(limits)
            .chain(caveats)
            .chain(results)
            .chain(footnotes)
            .chain(browsers)
            .chain(literature::section(analysis))
            .chain([
                full("Every trial", all),
                full("The same for every contender", Block::Table(settings(run))),
                origin::section(manifest, vec![own]),
                origin::scenario(manifest),
            ])
            .chain(proxies::configurations(manifest))
            .chain([full("How to read this", Block::List(terms()))])
            .chain(not_shown.map(|list| full("What it does not show", list)))
            .collect(),
        files: ["report.html", "run.json"],
    }
}

/// How many trials there are of those that were planned.
fn measured(run: &Run) -> String {
    let repeated = run.trials.len() - run.measured();
    let again = if repeated > 0 { format!(", {repeated} of them twice") } else { String::new() };
    format!("{} of {} planned{again}", run.measured(), run.manifest.planned_trials)
}

/// The verdict of a run in a sentence, for an index of several.
pub(super) fn headline(analysis: &Analysis) -> Option<String> {
    match &analysis.cells[..] {
        [] => None,
        [only] => Some(said(only).0),
        cells => Some(several(cells.len())),
    }
}

fn several(cells: usize) -> String {
    format!("{cells} cells: see its report.")
}

/// The verdict on a cell, and what else is said of it.
fn said(cell: &Cell) -> (String, Option<Block>) {
    let mut sentences = verdict::sentences(cell).into_iter();
    let headline = sentences.next().unwrap_or_default();
    (headline, List::of("findings", sentences).map(|list| Block::List(list).detail()))
}

fn comparison(cell: &Cell, run: &Run, ending: &str) -> Vec<Block> {
    let trials = &run.trials;
    let through = proxies::section(cell, &run.manifest, trials);
    // Of trials that all failed there is nothing to draw.
    let ran = cell.contenders.iter().any(|of| of.failed < of.trials.len());
    let charts = ran.then(|| charts::of_cell(cell, trials, ending));
    let figures = charts.map(|charts| Block::section(Depth::Full, "", charts));
    through.into_iter().chain(tables::sections(cell)).chain(figures).collect()
}

fn of_several(cell: &Cell, run: &Run, index: usize) -> Section {
    let (headline, findings) = said(cell);
    // A cell's name may be no name of a file, so it is its number that tells charts apart.
    let blocks = comparison(cell, run, &format!("-{}", index + 1));
    let lead = std::iter::once(Block::Prose(headline)).chain(findings);
    Section::new(Depth::Essential, &*cell.name, lead.chain(blocks).collect())
}

/// What was equal for everyone although it could have favoured somebody.
fn settings(run: &Run) -> Table {
    let rows = run.manifest.settings.iter().map(|setting| {
        let server = setting.server.as_deref().map_or_else(Entry::missing, Entry::text);
        let entries = vec![server, Entry::text(&*setting.subscribers)];
        Row::new(&*setting.name, entries)
    });
    let columns = ["server", "subscribers"].map(Column::text).to_vec();
    let table = Table::new("what", columns, rows.collect());
    match run.manifest.settings.iter().any(|setting| setting.server.is_none()) {
        true => table.noted("–: not known of a server that the scenario describes."),
        false => table,
    }
}

/// How to read the figures.
fn terms() -> List {
    let terms = [
        (
            "Delivery latency",
            "From the moment at which an event was to be published to its receipt by a subscriber. Events \
             follow a schedule that is fixed in advance, so a server that falls behind cannot make them fewer \
             or later. “Uncorrected” counts from the moment at which an event was in fact published, which \
             hides a publisher that was late. p50: half of the deliveries were faster; p99: 99 in a hundred \
             were.",
        ),
        (
            "CPU per delivery",
            "CPU time of the process, user and system, in the measured time over the deliveries received in \
             it. “Subscriber” is all clients together, without the publisher and the thread that watches the \
             trial. On loopback, sending also runs part of the receiver's TCP work, so some of the \
             subscribers' cost is charged to the server, the same for every contender.",
        ),
        (
            "Memory per subscriber",
            "What the server's anonymous memory grew by from no subscriber to the moment at which measuring \
             begins, divided by the subscribers: all are connected, and the events of the warm-up have been \
             published. Buffers in the kernel are not in it.",
        ),
        (
            "Bytes per delivery",
            "What subscribers read from and wrote to their sockets, headers and empty answers included; TCP \
             and IP headers are not. 1 kB is 1,000 bytes.",
        ),
        (
            "Blocks, intervals and ratios",
            "A block measures every contender once, in shuffled order, each on a fresh server. A figure is \
             the median over blocks, with an interval that holds the true median as often as the table says. \
             Two contenders are compared within each block, so that what the machine does to both cancels: \
             the ratio is the Hodges–Lehmann estimate over blocks, its interval that of the signed-rank \
             test. The verdict ranks two contenders only if their interval leaves out 1 and they are 5 % or \
             more apart (with fewer than five blocks 10 %, and 25 % for times; for bytes 0.5 %).",
        ),
        (
            "Delivered",
            "Summed over all trials that ran to their end, without those that were spoilt and measured once \
             more. Lost, duplicated and reordered deliveries are counted for each subscriber and event.",
        ),
    ];
    List::terms(terms.map(|(term, text)| (term, text.to_owned())))
}

/// What nobody may conclude from the figures.
fn not_shown(run: &Run) -> [String; 4] {
    let is_away = run.trials.iter().any(|trial| trial.value(Metric::NetworkClaimed).is_some());
    let networks = match (is_away, run.manifest.proxies.is_empty()) {
        (true, _) => {
            "Real networks. Both sides ran on one machine, with a network between them that was imitated: it \
             has no radio and nobody else's traffic, and all clients share one way."
        }
        (false, true) => {
            "Networks. All of this ran over loopback on one machine: no distance, loss, proxies or radio. A \
             round trip of 50 ms adds to every contender, and more than once where one is needed for each \
             event."
        }
        (false, false) => {
            "Networks. All of this ran over loopback on one machine, proxies included: no distance, loss or \
             radio. A round trip of 50 ms adds to every contender, and more than once where one is needed for \
             each event."
        }
    };
    [
        networks,
        match run.manifest.browsers.is_empty() {
            true => {
                "Other servers and clients. The figures are those of the servers that were measured and of a lean \
                 client, not of a browser or of another framework."
            }
            false => {
                "Other servers and clients. The figures are those of the servers and clients that were measured, and a \
                 browser had a page that does nothing else."
            }
        },
        "Other workloads. Polling costs what its interval says, and long polling gets cheaper as events \
         arrive in batches: change the scenario to yours.",
        "Which one to choose. There is no single score on purpose: latency, cost and simplicity weigh \
         differently for everyone.",
    ]
    .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::results::{Outcome, fixture};

    #[test]
    fn trials_that_all_failed_are_not_drawn() {
        let (mut run, log) = fixture::run();
        let pictures = |run: &Run| {
            let cell = analyse(run, &log).cells.remove(0);
            let blocks = comparison(&cell, run, "");
            let is_picture = |block: &&Block| matches!(block, Block::Figure(_));
            let of = |block: &Block| match block {
                Block::Section(section) => section.blocks.iter().filter(is_picture).count(),
                _ => 0,
            };
            blocks.iter().map(of).sum::<usize>()
        };
        assert_eq!(pictures(&run), 5);
        for trial in &mut run.trials {
            trial.outcome = Outcome::Failed { reason: "nobody listens".to_owned() };
        }
        assert_eq!(pictures(&run), 0);
    }

    #[test]
    fn what_is_not_known_of_a_server_is_said_once() {
        let (mut run, _) = fixture::run();
        assert_eq!(settings(&run).note, "");
        run.manifest.settings[0].server = None;
        let table = settings(&run);
        assert_eq!(table.rows[0].entries[0].text, "–");
        assert!(table.note.contains("not known of a server"), "{}", table.note);
    }
}
