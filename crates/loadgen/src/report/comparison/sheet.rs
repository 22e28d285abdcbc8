//! The table of a comparison: one row for each gated figure.

use super::{Report, words};
use crate::analysis::Estimate;
use crate::analysis::regression::{Evidence, GatedCell, Verdict};
use crate::report::quantity;
use crate::report::sheet::{Entry, Row, Sheet};

/// How to read it.
pub(super) const NOTE: &str = "Changes are Hodges–Lehmann estimates of candidate / baseline over blocks; on fresh blocks \
     where a figure was suspected. Below stands what the change is at most. Less is better.";

/// How to read the bars.
pub(super) const BARS: &str =
    "A bar of six characters is as long as the gate; a light one is for less.";

/// The length of a bar that reaches its gate, in characters; none is twice as long or longer.
const BAR: f64 = 6.0;

/// The rows of `cells`. With `bars` there is a picture of the change made of characters.
pub(super) fn sheet<'a>(cells: impl Iterator<Item = &'a GatedCell>, bars: bool) -> Sheet {
    let cells: Vec<_> = cells.collect();
    let row = |cell: &&GatedCell| Row {
        name: words::short_subject(cell),
        contender: Some(cell.contender.clone()),
        entries: entries(cell, bars),
    };
    Sheet {
        title: "Figures".to_owned(),
        note: NOTE.to_owned(),
        subject: "figure",
        columns: ["change"]
            .into_iter()
            .chain(bars.then_some("of the gate"))
            .chain(["gate", "blocks\nworse", "baseline", "candidate", "verdict"])
            .map(str::to_owned)
            .collect(),
        rows: cells.iter().map(row).collect(),
    }
}

fn entries(cell: &GatedCell, bars: bool) -> Vec<Entry> {
    let evidence = words::shown(cell);
    let median = |of: fn(&(f64, f64)) -> f64| {
        let values: Vec<f64> = evidence.blocks.iter().map(of).collect();
        let median = Estimate::of(&values).map(|of| of.median);
        let sort = median.map_or_else(String::new, |median| median.to_string());
        entry(quantity::of(cell.gate.metric, median), String::new(), sort)
    };
    let change = entry(
        evidence.ratio.map_or_else(|| quantity::MISSING.to_owned(), words::signed),
        evidence.upper.map_or_else(String::new, |of| format!("≤ {}", words::signed(of))),
        evidence.ratio.map_or_else(String::new, |ratio| ratio.to_string()),
    );
    let drawn = bars.then(|| {
        let gates = evidence.ratio.map(|ratio| ratio.ln() / evidence.limit.ln());
        entry(gates.map(bar).unwrap_or_default(), String::new(), String::new())
    });
    let (share, floor) = words::gate_parts(cell);
    let worse = |of: &Evidence| format!("{}/{}", of.worse(), of.blocks.len());
    let fresh = cell.confirm.as_ref().map(|of| format!("+ {}", worse(of)));
    let others = [
        entry(share, floor.unwrap_or_default(), evidence.limit.to_string()),
        entry(worse(&cell.first), fresh.unwrap_or_default(), cell.first.worse().to_string()),
        median(|(baseline, _)| *baseline),
        median(|(_, candidate)| *candidate),
        Entry {
            alarming: matches!(cell.verdict, Verdict::Regressed | Verdict::Invalid),
            ..entry(
                words::verdict(cell.verdict).to_owned(),
                String::new(),
                (cell.verdict as u8).to_string(),
            )
        },
    ];
    std::iter::once(change).chain(drawn).chain(others).collect()
}

fn entry(text: String, detail: String, sort: String) -> Entry {
    Entry { text, detail, sort, ..Entry::default() }
}

/// A bar for a change by so many gates, in eighths of characters: dark for more, light for less.
fn bar(gates: f64) -> String {
    const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
    if !gates.is_finite() {
        return String::new();
    }
    let eighths = (gates.abs().min(2.0) * BAR * 8.0).round() as usize;
    match (gates < 0.0, eighths / 8, eighths % 8) {
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
        let entries = sheet.rows[0].entries.iter();
        let texts: Vec<_> = entries.map(|entry| (&*entry.text, &*entry.detail)).collect();
        assert_eq!(sheet.rows[0].name, "SSE server CPU/delivery");
        assert_eq!(
            texts,
            [
                ("+12 %", "≤ +13 %"),
                ("████████████", ""),
                ("5 %", ""),
                ("8/8", "+ 8/8"),
                ("3.10 µs", ""),
                ("3.48 µs", ""),
                ("regressed", ""),
            ]
        );
        assert_eq!(sheet.columns.len(), texts.len());
    }

    #[test]
    fn bars_have_eighths() {
        assert_eq!(bar(0.5 / BAR), "▌");
        assert_eq!(bar(1.25 / BAR), "█▎");
        assert_eq!(bar(-0.5), "░░░");
        assert_eq!(bar(7.0), "█".repeat(12), "never longer");
        assert_eq!((bar(0.0), bar(f64::NAN)), (String::new(), String::new()));
    }
}
