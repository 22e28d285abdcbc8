//! The usual table as one picture.

use super::words;
use crate::analysis::table::{FilledRow, Verdict, columns};
use crate::document::drawing::{Content, Drawing, Field, Grid, Series, Tone};

/// Every cell: what the table says, what was found and what follows.
#[must_use]
pub fn table_picture(filled: &[FilledRow], workload: &str) -> Drawing {
    let columns = columns().enumerate();
    let columns = columns.map(|(at, of)| (Series::Contender(at), of.label().to_owned())).collect();
    let rows = filled.iter().map(|row| {
        let fields = row.cells.iter().map(|cell| Field {
            says: format!("“{}”", cell.says),
            found: words::found(cell).unwrap_or_default(),
            verdict: words::verdict(cell),
            tone: match cell.verdict {
                Verdict::Holds => Tone::Good,
                Verdict::HoldsIf => Tone::Mixed,
                Verdict::DoesNotHold => Tone::Bad,
                Verdict::NotDecided | Verdict::NotMeasured => Tone::Unknown,
            },
        });
        (row.row.name.clone(), fields.collect())
    });
    let title = match workload {
        "" => "The usual table, measured".to_owned(),
        workload => format!("The usual table, measured: {workload}"),
    };
    Drawing {
        title,
        subtitle: counts(filled),
        legend: Vec::new(),
        content: Content::Grid(Grid { columns, rows: rows.collect() }),
    }
}

/// How many cells have each tone, short enough for a line.
fn counts(filled: &[FilledRow]) -> String {
    let count = |is_meant: fn(Verdict) -> bool| {
        filled.iter().flat_map(|row| &row.cells).filter(|cell| is_meant(cell.verdict)).count()
    };
    let holds = count(|of| of == Verdict::Holds);
    let in_part = count(|of| of == Verdict::HoldsIf);
    let fails = count(|of| of == Verdict::DoesNotHold);
    let open = count(|of| matches!(of, Verdict::NotDecided | Verdict::NotMeasured));
    format!("{holds} hold, {in_part} hold in some cases, {fails} do not hold, {open} are open")
}
