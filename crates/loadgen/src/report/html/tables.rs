//! The page's tables: sheets with bars, and with the estimates as they were computed.

use crate::analysis::{Cell, Figures};
use crate::report::sheet::{self, Entry, Sheet};

pub(super) struct TableView {
    pub(super) sheet: Sheet,
    /// Whether it is folded up: for those who look closer.
    pub(super) folded: bool,
    pub(super) rows: Vec<RowView>,
}

pub(super) struct RowView {
    pub(super) transport: &'static str,
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
    let comparison = Some(sheet::comparison(cell));
    let against = sheet::against_reference(cell);
    let wire = Some(sheet::wire(cell));
    let shown = [comparison, against, sheet::standing(cell), wire, sheet::theory(cell)];
    let shown = shown.into_iter().flatten().map(|sheet| (sheet, false));
    let pairs = (cell.transports.len() > 2).then(|| sheet::pairs(cell));
    let folded = pairs.into_iter().chain([sheet::sides(cell)]).map(|sheet| (sheet, true));
    let mut tables: Vec<_> =
        shown.chain(folded).map(|(sheet, folded)| table_view(cell, sheet, folded)).collect();
    if let Some(comparison) = tables.first_mut() {
        for (row, of) in comparison.rows.iter_mut().zip(&cell.transports) {
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
        let fields = row.entries.into_iter().zip(&greatest).map(|(entry, greatest)| FieldView {
            bar: entry
                .figure
                .filter(|_| *greatest > 0.0)
                .map(|(_, estimate)| (100.0 * estimate.median / greatest).clamp(0.0, 100.0)),
            data: data(cell, row.transport.name(), &entry),
            entry,
        });
        RowView {
            transport: row.transport.name(),
            detail: String::new(),
            name: row.name,
            fields: fields.collect(),
        }
    });
    let rows = rows.collect();
    TableView { sheet, folded, rows }
}

fn data(cell: &Cell, transport: &str, entry: &Entry) -> Vec<(&'static str, String)> {
    let Some((metric, estimate)) = entry.figure else { return Vec::new() };
    let ends = estimate
        .interval
        .map(|interval| [("low", interval.low.to_string()), ("high", interval.high.to_string())]);
    let names = [
        ("cell", cell.name.clone()),
        ("transport", transport.to_owned()),
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
