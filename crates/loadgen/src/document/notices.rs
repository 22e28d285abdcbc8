//! How soon subscribers noticed that their connections had gone silent, beside what theory says.

use super::block::{Column, Entry, Row, Table};
use super::contender::row;
use super::format;
use crate::analysis::Cell;
use crate::results::Metric;

/// None where theory has no answer.
pub(super) fn table(cell: &Cell) -> Option<Table> {
    let rows = cell.notices.iter().map(|of| {
        let time = |ns| Entry::number(format::of(Metric::NoticeTimeMean, Some(ns)), Some(ns));
        let off = of.measured / of.theory - 1.0;
        let off = Entry::number(format!("{:+.1} %", off * 100.0), Some(off));
        let entries = vec![time(of.theory), time(of.measured), off, Entry::text(of.law)];
        row(&of.contender, entries)
    });
    let rows: Vec<Row> = rows.collect();
    let columns = ["time to notice theory", "time to notice", "off by"].map(Column::figures);
    let columns = columns.into_iter().chain([Column::text("law")]).collect();
    let note = "Means over subscribers. Ages count from when nothing came any more, at a time that nobody's \
                heartbeats or events know of; with events at rate λ and heartbeats H apart, that of the last of \
                them is 1/λ − (1 − exp(−λH)) / λ²H.";
    (!rows.is_empty()).then(|| Table::new("contender", columns, rows).noted(note))
}
