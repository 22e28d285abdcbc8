//! The page's tables: sheets with bars, and with the estimates as they were computed.

use crate::results::ContenderId;

use crate::analysis::{Analysis, Cell, Figures};
use crate::report::charts::place;
use crate::report::sheet::{self, Entry, Sheet};
use crate::report::sweep;
use crate::results::Metric;

pub(super) struct TableView {
    pub(super) sheet: Sheet,
    /// Whether it is folded up: for those who look closer.
    pub(super) folded: bool,
    pub(super) rows: Vec<RowView>,
}

pub(super) struct RowView {
    /// What decides its colour; empty for a row of several.
    pub(super) place: String,
    pub(super) name: String,
    /// Below the name.
    pub(super) detail: String,
    pub(super) fields: Vec<FieldView>,
}

pub(super) struct FieldView {
    pub(super) entry: Entry,
    /// The length of its bar, in per cent of the greatest of its column.
    pub(super) bar: Option<f64>,
    /// The estimate as it was computed, for those who check it.
    pub(super) data: Vec<(&'static str, String)>,
}

/// The tables of a cell, the comparison first.
pub(super) fn tables(cell: &Cell) -> Vec<TableView> {
    let shown = sheet::shown(cell).into_iter().map(|sheet| (sheet, false));
    let pairs = (cell.contenders.len() > 2).then(|| sheet::pairs(cell));
    let folded = pairs.into_iter().chain([sheet::sides(cell)]).map(|sheet| (sheet, true));
    let mut tables: Vec<_> =
        shown.chain(folded).map(|(sheet, folded)| table_view(cell, sheet, folded)).collect();
    if let Some(comparison) = tables.first_mut() {
        for (row, of) in comparison.rows.iter_mut().zip(&cell.contenders) {
            row.detail = trials(of);
        }
    }
    tables
}

fn table_view(cell: &Cell, mut sheet: Sheet, folded: bool) -> TableView {
    let medians = |column: usize| {
        let column = sheet.rows.iter().filter_map(move |row| row.entries.get(column)?.figure);
        column.map(|(_, estimate)| estimate.median)
    };
    let greatest: Vec<f64> =
        (0..sheet.columns.len()).map(|column| medians(column).fold(0.0, f64::max)).collect();
    let rows = std::mem::take(&mut sheet.rows).into_iter().map(|row| {
        let name = row.contender.as_ref().map_or("", ContenderId::name);
        let fields = row.entries.into_iter().zip(&greatest).map(|(entry, greatest)| FieldView {
            bar: entry
                .figure
                .filter(|_| *greatest > 0.0)
                .map(|(_, estimate)| (100.0 * estimate.median / greatest).clamp(0.0, 100.0)),
            data: data(cell, name, &entry),
            entry,
        });
        RowView {
            place: row.contender.as_ref().map_or_else(String::new, place),
            detail: String::new(),
            fields: fields.collect(),
            name: row.name,
        }
    });
    let rows = rows.collect();
    TableView { sheet, folded, rows }
}

/// A table of a sweep: a row for each cell, a column for each contender.
pub(super) struct SweepTable {
    pub(super) sheet: Sheet,
    /// Those of the columns.
    pub(super) contenders: Vec<ContenderId>,
    pub(super) rows: Vec<RowView>,
}

/// The tables of a sweep by their metrics.
pub(super) fn sweep_tables(analysis: &Analysis) -> Vec<(Metric, SweepTable)> {
    let contenders = sweep::contenders(analysis);
    let table = |mut sheet: Sheet| {
        let rows = std::mem::take(&mut sheet.rows).into_iter().zip(&analysis.cells);
        let rows = rows.map(|(row, cell)| {
            let fields = row.entries.into_iter().zip(&contenders).map(|(entry, contender)| {
                FieldView { bar: None, data: data(cell, contender.name(), &entry), entry }
            });
            RowView {
                place: String::new(),
                detail: String::new(),
                fields: fields.collect(),
                name: row.name,
            }
        });
        SweepTable { rows: rows.collect(), contenders: contenders.clone(), sheet }
    };
    sweep::sheets(analysis).into_iter().map(|(metric, sheet)| (metric, table(sheet))).collect()
}

fn data(cell: &Cell, contender: &str, entry: &Entry) -> Vec<(&'static str, String)> {
    let Some((metric, estimate)) = entry.figure else { return Vec::new() };
    let ends = estimate
        .interval
        .map(|interval| [("low", interval.low.to_string()), ("high", interval.high.to_string())]);
    let names = [
        ("cell", cell.name.clone()),
        ("contender", contender.to_owned()),
        ("metric", metric.name().to_owned()),
        ("estimate", estimate.median.to_string()),
    ];
    names.into_iter().chain(ends.into_iter().flatten()).collect()
}

fn trials(of: &Figures) -> String {
    let mut trials = format!("{} valid", of.valid);
    for (count, what) in [(of.invalid, "invalid"), (of.failed, "failed")] {
        if count > 0 {
            trials += &format!(", {count} {what}");
        }
    }
    trials
}
