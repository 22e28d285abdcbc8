//! The table of a comparison: one row for each gated figure.

use super::{Report, words};
use crate::analysis::Estimate;
use crate::analysis::regression::{Evidence, GatedCell, Verdict};
use crate::report::quantity;
use crate::report::sheet::{Entry, Row, Sheet};

/// How to read it.
pub(super) const NOTE: &str = "Changes are Hodges–Lehmann estimates of candidate / baseline over blocks; on fresh blocks \
     where a figure was suspected. Less is better.";

/// The longest bar, in characters.
const BAR: f64 = 12.0;

/// The rows of `cells`. With `bars` there is a picture of the change made of characters.
pub(super) fn sheet<'a>(cells: impl Iterator<Item = &'a GatedCell>, bars: bool) -> Sheet {
    let cells: Vec<_> = cells.collect();
    let size = |cell: &&GatedCell| words::shown(cell).ratio.map(|ratio| ratio.ln().abs());
    let largest = cells.iter().filter_map(size).filter(|size| size.is_finite()).fold(0.0, f64::max);
    let row = |cell: &&GatedCell| Row {
        name: words::subject(cell),
        transport: cell.transport,
        entries: entries(cell, bars.then_some(largest)),
    };
    Sheet {
        title: "Figures".to_owned(),
        note: NOTE.to_owned(),
        subject: "figure",
        columns: vec![
            "change",
            "at most",
            "gate",
            "blocks\nworse",
            "baseline",
            "candidate",
            "verdict",
        ],
        rows: cells.iter().map(row).collect(),
    }
}

fn entries(cell: &GatedCell, largest: Option<f64>) -> Vec<Entry> {
    let evidence = words::shown(cell);
    let change = |ratio: Option<f64>| match ratio {
        Some(ratio) => entry(words::signed(ratio), ratio.to_string()),
        None => entry(quantity::MISSING.to_owned(), String::new()),
    };
    let median = |of: fn(&(f64, f64)) -> f64| {
        let values: Vec<f64> = evidence.blocks.iter().map(of).collect();
        let median = Estimate::of(&values).map(|of| of.median);
        let sort = median.map_or_else(String::new, |median| median.to_string());
        entry(quantity::of(cell.gate.metric, median), sort)
    };
    let drawn = largest.zip(evidence.ratio).map_or_else(String::new, |(largest, ratio)| {
        bar(ratio.ln() / largest.max(f64::MIN_POSITIVE))
    });
    vec![
        Entry { detail: drawn, ..change(evidence.ratio) },
        change(evidence.upper),
        entry(words::gate(cell), evidence.limit.to_string()),
        entry(worse(cell), evidence.worse().to_string()),
        median(|(baseline, _)| *baseline),
        median(|(_, candidate)| *candidate),
        Entry {
            alarming: matches!(cell.verdict, Verdict::Regressed | Verdict::Invalid),
            ..entry(words::verdict(cell.verdict).to_owned(), (cell.verdict as u8).to_string())
        },
    ]
}

fn entry(text: String, sort: String) -> Entry {
    Entry { text, sort, ..Entry::default() }
}

/// In how many blocks it is worse, of both stages: "8/8, 8/8".
fn worse(cell: &GatedCell) -> String {
    let of = |evidence: &Evidence| format!("{}/{}", evidence.worse(), evidence.blocks.len());
    let stages = std::iter::once(&cell.first).chain(&cell.confirm);
    stages.map(of).collect::<Vec<_>>().join(" + ")
}

/// A bar of eighths of characters: dark for more, light for less.
fn bar(share: f64) -> String {
    const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
    if !share.is_finite() {
        return String::new();
    }
    let eighths = (share.abs().min(1.0) * BAR * 8.0).round() as usize;
    match (share < 0.0, eighths / 8, eighths % 8) {
        (true, whole, _) => "░".repeat(whole),
        (false, whole, 0) => "█".repeat(whole),
        (false, whole, part) => format!("{}{}", "█".repeat(whole), EIGHTHS[part - 1]),
    }
}

/// The tables of a report, one for each scenario that has figures, with its name.
pub(super) fn sheets<'a>(
    report: &'a Report<'_>,
    bars: bool,
    is_shown: impl Fn(&GatedCell) -> bool,
) -> Vec<(&'a str, Sheet)> {
    let of = |scenario| {
        let cells = report.cells_of(scenario).filter(|cell| is_shown(cell));
        (report.scenario(scenario), sheet(cells, bars))
    };
    let all = (0..report.comparison.gates.len()).map(of);
    all.filter(|(_, sheet)| !sheet.rows.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::fixture;

    #[test]
    fn a_row_says_change_bound_gate_and_verdict() {
        let comparison = fixture::comparison();
        let report = Report::of(&comparison);
        let sheet = sheet(report.with_verdict(Verdict::Regressed), true);
        let texts: Vec<_> = sheet.rows[0].entries.iter().map(|entry| &*entry.text).collect();
        assert_eq!(sheet.rows[0].name, "SSE server CPU per delivery");
        assert_eq!(
            texts,
            ["+12 %", "+13 %", "5 %", "8/8 + 8/8", "3.10 µs", "3.47 µs", "regressed"]
        );
        assert_eq!(sheet.rows[0].entries[0].detail, "████████████");
    }

    #[test]
    fn bars_have_eighths() {
        assert_eq!(bar(0.5 / BAR), "▌");
        assert_eq!(bar(1.25 / BAR), "█▎");
        assert_eq!(bar(-0.25), "░░░");
        assert_eq!(bar(7.0), "█".repeat(12), "never longer");
        assert_eq!((bar(0.0), bar(f64::NAN)), (String::new(), String::new()));
    }
}
