//! The scenario's thresholds and objectives: what was asked for and what was measured. They mark every
//! contender, and choose none.

use super::block::{Block, Column, Depth, Entry, Item, List, Table};
use super::contender::{self, with_role};
use super::{format, prose};
use crate::analysis::thresholds::{Doubt, Judgement, OverTrials, standing};
use crate::analysis::{Cell, Checked};
use crate::results::ContenderId;

/// Every threshold, those that are crossed first; none when the scenario has none. What is kept is a
/// detail.
pub(super) fn thresholds(thresholds: &[Checked]) -> Option<Block> {
    let mut worst_first: Vec<_> = thresholds.iter().collect();
    worst_first.sort_by_key(|checked| match checked.judgement {
        Judgement::Crossed => 0,
        Judgement::Unknown(_) => 1,
        Judgement::Kept => 2,
    });
    let kept = worst_first.partition_point(|checked| checked.judgement != Judgement::Kept);
    let block = |checked: &[&Checked]| {
        let items: Vec<_> = checked.iter().map(|checked| item(checked)).collect();
        (!items.is_empty()).then_some(Block::List(List { what: "thresholds", items }))
    };
    let (open, kept) = (block(&worst_first[..kept]), block(&worst_first[kept..]));
    let depth = if open.is_some() { Depth::Essential } else { Depth::Detail };
    let blocks: Vec<_> = open.into_iter().chain(kept.map(Block::detail)).collect();
    (!blocks.is_empty()).then(|| Block::section(depth, "Thresholds", blocks))
}

fn item(checked: &Checked) -> Item {
    Item {
        mark: mark(checked.judgement),
        text: threshold(checked),
        alarming: checked.judgement != Judgement::Kept,
        ..Item::default()
    }
}

fn mark(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Crossed => "✗",
        Judgement::Unknown(_) => "?",
        Judgement::Kept => "✓",
    }
}

/// What was asked for, and what came of it: "sse.latency: p(99)<25ms is crossed (31.2 ms)".
#[must_use]
pub fn threshold(checked: &Checked) -> String {
    let Checked { cell, threshold, value, judgement } = checked;
    let value = format::of(threshold.metric, *value);
    let cell = cell.as_ref().map_or_else(String::new, |cell| format!("{cell}: "));
    match judgement {
        Judgement::Kept => format!("{cell}{threshold} ({value})"),
        Judgement::Crossed => format!("{cell}{threshold} is crossed ({value})"),
        Judgement::Unknown(doubt) => {
            format!("{cell}{threshold} cannot be judged: {}", reason(checked, *doubt))
        }
    }
}

/// Why nobody knows, as the end of a sentence.
pub(super) fn reason(checked: &Checked, doubt: Doubt) -> String {
    let Checked { threshold, value, .. } = checked;
    let metric = threshold.metric;
    match doubt {
        Doubt::LowerBound => format!(
            "{} leaves out deliveries that were lost, and would be more with them",
            format::of(metric, *value)
        ),
        Doubt::Unmeasured { measured, trials } => {
            let needed = match threshold.over_trials {
                OverTrials::Median => "at least half of them must be valid and have it",
                OverTrials::Total => "all of them must have it",
            };
            let description = metric.description().trim_end_matches('.');
            format!(
                "{measured} of {trials} trials have {}, but {needed} ({description})",
                metric.name()
            )
        }
    }
}

/// An objective, without the contender: "latency p(99)<100ms".
pub(super) fn objective(checked: &Checked) -> String {
    checked.threshold.text.replacen(": ", " ", 1)
}

/// The objective and its figure: "latency p(99)<100ms (131 ms)".
pub(super) fn with_figure(checked: &Checked) -> String {
    format!("{} ({})", objective(checked), format::of(checked.threshold.metric, checked.value))
}

/// One row for each contender and one column for each objective; none when the scenario has none.
pub(super) fn objectives(cell: &Cell) -> Option<Table> {
    let mut texts: Vec<&str> = Vec::new();
    for checked in &cell.objectives {
        if !texts.contains(&checked.threshold.text.as_str()) {
            texts.push(&checked.threshold.text);
        }
    }
    let row = |contender: &ContenderId| {
        let each = texts.iter().map(|text| {
            let is_this =
                |of: &&Checked| of.threshold.contender == *contender && of.threshold.text == **text;
            cell.objectives.iter().find(is_this).map_or_else(Entry::missing, entry)
        });
        let all = verdict(standing(&cell.objectives, contender));
        contender::row(contender, std::iter::once(all).chain(each).collect())
    };
    let columns = texts.iter().map(|text| Column::figures(heading(text)));
    let columns = std::iter::once(Column::figures("all of them")).chain(columns).collect();
    let rows = cell.contenders.iter().map(|of| row(&of.contender)).collect();
    let note = "✓ meets the objective, ✗ misses it, ? cannot be judged, – has no such objective. Medians over \
                blocks; counts are of all trials.";
    (!texts.is_empty()).then(|| Table::new("contender", columns, rows).noted(note))
}

/// With a place to break: "latency p(99)<100ms", "server_cpu_per_delivery <20us".
fn heading(text: &str) -> String {
    match text.find([':', '<', '>', '=', '!']) {
        Some(at) if text[at..].starts_with(": ") => text.replacen(": ", " ", 1),
        Some(at) => format!("{} {}", &text[..at], &text[at..]),
        None => text.to_owned(),
    }
}

fn verdict(standing: Option<Judgement>) -> Entry {
    let Some(judgement) = standing else { return Entry::missing() };
    let verdict = match judgement {
        Judgement::Kept => "met",
        Judgement::Crossed => "missed",
        Judgement::Unknown(_) => "not judged",
    };
    let text = format!("{} {verdict}", mark(judgement));
    Entry::text(text).alarming(judgement != Judgement::Kept)
}

fn entry(checked: &Checked) -> Entry {
    let figure = format::of(checked.threshold.metric, checked.value);
    let text = format!("{} {figure}", mark(checked.judgement));
    Entry::number(text, checked.value).alarming(checked.judgement != Judgement::Kept)
}

/// Who meets all objectives; then, for each of the others, what it misses. References are marked as
/// well, as what they are.
pub(super) fn sentences(cell: &Cell) -> Vec<String> {
    let contenders = || cell.contenders.iter().map(|of| &of.contender);
    let meets = |of: &&ContenderId| standing(&cell.objectives, of) == Some(Judgement::Kept);
    let met: Vec<_> = contenders().filter(|of| !of.is_reference()).filter(meets).collect();
    let mut sentences = Vec::new();
    if !met.is_empty() {
        let verb = if met.len() == 1 { "meets" } else { "meet" };
        let names = contender::list(met);
        sentences.push(prose::sentence(&format!("{names} {verb} all objectives")));
    }
    sentences.extend(contenders().filter_map(|contender| one(cell, contender)));
    sentences
}

/// What one contender misses, or why nobody knows.
fn one(cell: &Cell, contender: &ContenderId) -> Option<String> {
    let own = || cell.objectives.iter().filter(|of| of.threshold.contender == *contender);
    let subject = with_role(contender);
    let text = match standing(&cell.objectives, contender)? {
        Judgement::Kept if contender.is_reference() => format!("{subject} meets all objectives"),
        Judgement::Kept => return None,
        Judgement::Crossed => {
            let missed = own().filter(|of| of.judgement == Judgement::Crossed).map(with_figure);
            format!("{subject} misses {}", missed.collect::<Vec<_>>().join("; "))
        }
        Judgement::Unknown(_) => {
            let open = own().filter_map(|of| match of.judgement {
                Judgement::Unknown(doubt) => {
                    Some(format!("{}: {}", objective(of), reason(of, doubt)))
                }
                Judgement::Kept | Judgement::Crossed => None,
            });
            let open = open.collect::<Vec<_>>().join("; ");
            format!("{subject} cannot be judged by {open}")
        }
    };
    Some(prose::sentence(&text))
}

#[cfg(test)]
pub(crate) mod tests {
    use pushbench_wire::Transport;

    use super::*;
    use crate::analysis::analyse;
    use crate::results::{LatencyLog, Metric, Run, fixture};

    /// A scenario for the fixture's run, with a threshold of each judgement.
    pub(crate) const SCENARIO: &str = r#"
        name = "stock-ticker"
        description = "Prices to many browsers."
        [workload]
        subscribers = 100
        events_per_second = 20.0
        payload_bytes = 100
        duration = "12s"
        warm_up = "2s"
        [thresholds]
        "sse.latency" = ["p(50)<25ms", "p(99.9)<2s", "max<1ms"]
    "#;

    /// The fixture's run with a scenario that has a threshold of each judgement.
    pub(crate) fn run() -> Run {
        let (mut run, _) = fixture::run();
        run.manifest.scenario.text = format!("{SCENARIO}\"sse.lost\" = [\"count==0\"]\n");
        run
    }

    /// The fixture's run with these objectives.
    pub(crate) fn with_objectives(objectives: &str) -> Run {
        let (mut run, _) = fixture::run();
        let (without, _) = SCENARIO.split_once("[thresholds]").unwrap();
        run.manifest.scenario.text = format!("{without}\n[objectives]\n{objectives}\n");
        run
    }

    fn said(run: &Run) -> Vec<String> {
        fn items(block: &Block) -> Vec<Item> {
            match block {
                Block::Section(section) => section.blocks.iter().flat_map(items).collect(),
                Block::List(list) => list.items.clone(),
                _ => Vec::new(),
            }
        }
        let checked = analyse(run, &LatencyLog::default()).thresholds;
        let items = items(&thresholds(&checked).unwrap());
        items.iter().map(|item| format!("{} {}", item.mark, item.text)).collect()
    }

    fn cell(run: &Run) -> Cell {
        analyse(run, &LatencyLog::default()).cells.remove(0)
    }

    #[test]
    fn a_line_says_what_was_measured_and_the_worst_goes_first() {
        assert_eq!(
            said(&run()),
            [
                "✗ sse.latency: max<1ms is crossed (4.47 ms)",
                "? sse.latency: p(99.9)<2s cannot be judged: 0 of 2 trials have latency_p999, but \
                 at least half of them must be valid and have it (Delivery latency: 99.9 % of the \
                 deliveries were faster; empty below 50,000 deliveries)",
                "✓ sse.latency: p(50)<25ms (416 µs)",
                "✓ sse.lost: count==0 (0)",
            ]
        );
        assert!(thresholds(&[]).is_none());
    }

    #[test]
    fn losses_are_told_where_they_leave_a_limit_open() {
        let mut run = run();
        run.trials[2].values.insert(Metric::Lost, 3.0);
        let said = said(&run);
        assert_eq!(said[1], "✗ sse.lost: count==0 is crossed (3)");
        let open = "? sse.latency: p(50)<25ms cannot be judged: 416 µs leaves out deliveries that \
                    were lost, and would be more with them";
        assert_eq!(said[2], open);
    }

    #[test]
    fn everyone_is_marked_with_the_figure_that_missed() {
        let cell = cell(&with_objectives(
            "\"latency\" = [\"p(99)<1.5ms\"]\n\"sse.lost\" = [\"count==0\"]",
        ));
        let table = objectives(&cell).unwrap();
        let headings: Vec<_> = table.columns.iter().map(|of| of.heading.as_str()).collect();
        assert_eq!(headings, ["all of them", "latency p(99)<1.5ms", "lost count==0"]);
        let rows: Vec<Vec<_>> = table
            .rows
            .iter()
            .map(|row| row.entries.iter().map(|entry| entry.text.as_str()).collect())
            .collect();
        assert_eq!(
            rows,
            [
                ["✗ missed", "✗ 1.00 s", "–"],
                ["✗ missed", "✗ 1.90 ms", "–"],
                ["✓ met", "✓ 1.22 ms", "✓ 0"],
                ["✓ met", "✓ 1.10 ms", "–"],
            ]
        );
        assert_eq!(
            sentences(&cell),
            [
                "SSE and WebSocket meet all objectives.",
                "Polling misses latency p(99)<1.5ms (1.00 s).",
                "Long polling misses latency p(99)<1.5ms (1.90 ms).",
            ]
        );
    }

    #[test]
    fn what_could_not_be_measured_is_not_judged() {
        let cell = cell(&with_objectives("\"sse.latency\" = [\"p(99.9)<2s\"]"));
        let [sentence] = &sentences(&cell)[..] else { panic!("one") };
        assert!(
            sentence.starts_with("SSE cannot be judged by latency p(99.9)<2s: 0 of 2 trials have"),
            "{sentence}"
        );
        let table = objectives(&cell).unwrap();
        assert_eq!(table.rows[2].entries[0].text, "? not judged");
        assert_eq!(table.rows[0].entries[0].text, "–", "polling has no objective");
    }

    #[test]
    fn a_reference_is_marked_as_what_it_is() {
        let mut run = with_objectives("\"*.latency\" = [\"p(99)<1.5ms\"]");
        run.trials.retain(|trial| trial.contender == Transport::Sse);
        run.trials.iter_mut().for_each(|trial| trial.contender = Transport::Tcp.into());
        assert_eq!(sentences(&cell(&run)), ["Raw TCP, the reference, meets all objectives."]);
    }

    #[test]
    fn without_objectives_nobody_is_marked() {
        let cell = cell(&fixture::run().0);
        assert!(objectives(&cell).is_none());
        assert_eq!(sentences(&cell), [""; 0]);
    }

    #[test]
    fn a_value_that_is_one_figure_breaks_before_its_comparison() {
        assert_eq!(heading("server_cpu_per_delivery<20us"), "server_cpu_per_delivery <20us");
        assert_eq!(heading("lost: count==0"), "lost count==0");
    }
}
