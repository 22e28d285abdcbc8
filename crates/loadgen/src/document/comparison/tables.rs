//! The figures of a comparison: a row for each gate, and every block as a dot.

use super::judged::{Judged, shown};
use super::prose::{gate_parts, short_subject, verdict};
use crate::analysis::Estimate;
use crate::analysis::regression::{Evidence, GatedCell, Verdict};
use crate::document::block::{Column, Entry, Row, Table};
use crate::document::contender::series;
use crate::document::drawing::{Content, Dots, Drawing};
use crate::document::format;

/// The length of a bar that reaches its gate, in characters; none is twice as long or longer.
const BAR: f64 = 6.0;

/// What the picture shows.
pub(super) const TITLE: &str = "Candidate / baseline in every block";

/// A row for each of these gates.
pub(super) fn table(cells: &[&GatedCell]) -> Table {
    let row =
        |cell: &&GatedCell| Row::of(series(&cell.contender), short_subject(cell), entries(cell));
    let figures = ["change", "gate", "blocks worse", "baseline", "candidate"].map(Column::figures);
    let [verdict, bar] = ["verdict", "of the gate"].map(Column::text);
    let columns = std::iter::once(verdict).chain(figures).chain([bar]).collect();
    Table::new("figure", columns, cells.iter().map(row).collect())
}

fn entries(cell: &GatedCell) -> Vec<Entry> {
    let evidence = shown(cell);
    let median = |side: fn(&(f64, f64)) -> f64| {
        let values: Vec<f64> = evidence.blocks.iter().map(side).collect();
        let median = Estimate::of(&values).map(|of| of.median);
        Entry::number(format::of(cell.gate.metric, median), median)
    };
    let change = evidence.ratio.map_or_else(|| format::MISSING.to_owned(), format::signed);
    let upper = evidence.upper.map(|upper| format!("≤ {}", format::signed(upper)));
    let gates = evidence.ratio.map(|ratio| ratio.ln() / evidence.limit.ln());
    let (share, floor) = gate_parts(cell);
    let worse = |of: &Evidence| format!("{}/{}", of.worse(), of.blocks.len());
    let fresh = cell.confirm.as_ref().map(|of| format!("+ {}", worse(of)));
    let is_bad = matches!(cell.verdict, Verdict::Regressed | Verdict::Invalid);
    vec![
        Entry { sort: (cell.verdict as u8).to_string(), ..Entry::text(verdict(cell.verdict)) }
            .alarming(is_bad),
        Entry::number(change, evidence.ratio).with_detail(upper.unwrap_or_default()),
        Entry::number(share, Some(evidence.limit)).with_detail(floor),
        Entry::number(worse(&cell.first), Some(cell.first.worse() as f64))
            .with_detail(fresh.unwrap_or_default()),
        median(|(baseline, _)| *baseline),
        median(|(_, candidate)| *candidate),
        Entry { sort: String::new(), ..Entry::text(gates.map(bar).unwrap_or_default()) },
    ]
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

/// The picture of these gates.
pub(super) fn drawing(rows: Vec<Dots>) -> Drawing {
    Drawing {
        title: TITLE.to_owned(),
        subtitle:
            "Dots: blocks; tall line: estimate; line right of it: bound; shade: beyond the gate"
                .to_owned(),
        legend: Vec::new(),
        content: Content::Dots(rows),
    }
}

/// The dots of both stages.
pub(super) fn dots(cell: &GatedCell) -> Vec<Dots> {
    let row = |(name, evidence): (String, &Evidence)| {
        let change = evidence.ratio.map_or_else(|| format::MISSING.to_owned(), format::signed);
        let bound = evidence.upper.map(|upper| format!(" [≤ {}]", format::signed(upper)));
        Dots {
            series: Some(series(&cell.contender)),
            name,
            ratios: ratios(evidence),
            estimate: evidence.ratio,
            upper: evidence.upper,
            limit: evidence.limit,
            text: change + &bound.unwrap_or_default(),
        }
    };
    stages(cell).into_iter().map(row).collect()
}

/// Every block of these gates, for those who cannot see dots.
pub(super) fn blocks(cells: &[&GatedCell]) -> Table {
    let row = |(name, evidence): (String, &Evidence)| {
        let ratios: Vec<_> = ratios(evidence).into_iter().map(format::signed).collect();
        Row::new(name, vec![Entry::text(ratios.join(", "))])
    };
    let columns = vec![Column::text("change in every block")];
    let rows = cells.iter().flat_map(|cell| stages(cell)).map(row).collect();
    Table::new("figure", columns, rows)
}

/// All scenarios in one picture. What does not fit is on the page.
pub(super) fn picture(judged: &Judged<'_>, most: usize) -> Drawing {
    let has_headings = judged.scenarios() > 1;
    let mut rows = Vec::new();
    for scenario in 0..judged.scenarios() {
        let own: Vec<_> = judged.cells_of(scenario).flat_map(dots).collect();
        if own.is_empty() || rows.len() + own.len() + usize::from(has_headings) > most {
            continue;
        }
        if has_headings {
            rows.push(Dots {
                series: None,
                name: judged.scenario(scenario).to_owned(),
                ratios: Vec::new(),
                estimate: None,
                upper: None,
                limit: 1.0,
                text: String::new(),
            });
        }
        rows.extend(own);
    }
    drawing(rows)
}

fn stages(cell: &GatedCell) -> Vec<(String, &Evidence)> {
    let confirm = cell.confirm.iter().map(|of| ("on fresh blocks".to_owned(), of));
    std::iter::once((short_subject(cell), &cell.first)).chain(confirm).collect()
}

fn ratios(evidence: &Evidence) -> Vec<f64> {
    evidence.blocks.iter().map(|(baseline, candidate)| candidate / baseline).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::fixture;

    #[test]
    fn a_row_says_change_bound_gate_and_verdict() {
        let comparison = fixture::comparison();
        let judged = Judged::of(&comparison);
        let cells: Vec<_> = judged.with_verdict(Verdict::Regressed).collect();
        let table = table(&cells);
        let entries = table.rows[0].entries.iter();
        let texts: Vec<_> = entries.map(|entry| (&*entry.text, &*entry.detail)).collect();
        assert_eq!(table.rows[0].name, "SSE server CPU/delivery");
        assert_eq!(
            texts,
            [
                ("regressed", ""),
                ("+12 %", "≤ +13 %"),
                ("5 %", ""),
                ("8/8", "+ 8/8"),
                ("3.10 µs", ""),
                ("3.48 µs", ""),
                ("████████████", ""),
            ]
        );
        assert_eq!(table.columns.len(), texts.len());
    }

    #[test]
    fn bars_have_eighths() {
        assert_eq!(bar(0.5 / BAR), "▌");
        assert_eq!(bar(1.25 / BAR), "█▎");
        assert_eq!(bar(-0.5), "░░░");
        assert_eq!(bar(7.0), "█".repeat(12), "never longer");
        assert_eq!((bar(0.0), bar(f64::NAN)), (String::new(), String::new()));
    }

    #[test]
    fn the_picture_has_every_block_and_both_stages() {
        let comparison = fixture::comparison();
        let picture = picture(&Judged::of(&comparison), 60);
        let Content::Dots(rows) = &picture.content else { panic!("dots") };
        let row = |name: &str| rows.iter().position(|row| row.name == name).unwrap();
        let sse = row("SSE server CPU/delivery");
        assert_eq!(rows[sse].ratios.len(), 8);
        assert_eq!(rows[sse + 1].name, "on fresh blocks");
        assert_eq!(rows[row("notifications")].series, None);
        let Content::Dots(rows) = super::picture(&Judged::of(&comparison), 12).content else {
            panic!("dots")
        };
        assert!(rows.len() <= 12, "{}", rows.len());
    }
}
