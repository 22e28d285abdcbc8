//! What others have published beside what was measured. Both stand as they are: nothing is computed
//! from a published figure.

use super::block::{Block, Column, Depth, Entry, Row, Table};
use super::contender::series;
use super::{format, tables};
use crate::analysis::Analysis;

/// A section; none where the scenario has no published figures.
pub(super) fn section(analysis: &Analysis) -> Option<Block> {
    let several = analysis.cells.len() > 1;
    let mut rows = Vec::new();
    for cell in &analysis.cells {
        for of in &analysis.published {
            let label = of.contender.label();
            let figures = cell.contenders.iter().find(|figures| figures.contender == of.contender);
            let measured = figures
                .map_or_else(Entry::missing, |figures| tables::value(cell, figures, of.metric));
            let name = if several { format!("{label}, {}", cell.name) } else { label.to_owned() };
            let entries = vec![
                Entry::text(of.metric.label()),
                Entry::number(format::of(of.metric, Some(of.value)), Some(of.value)),
                // It was measured for the comparison, and stands there for those who check it.
                Entry { figure: None, ..measured },
                Entry::text(&*of.source),
                Entry::text(&*of.note),
            ];
            rows.push(Row::of(series(&of.contender), name, entries));
        }
    }
    let [published, measured] = ["published", "measured"].map(Column::figures);
    let [metric, source, note] = ["metric", "source", "note"].map(Column::text);
    let columns = vec![metric, published, measured, source, note];
    let note = "The published figures are those of other machines and other servers, so it is orders of magnitude \
                that can be compared.";
    let is_empty = rows.is_empty();
    let table = Block::Table(Table::new("contender", columns, rows).noted(note));
    (!is_empty).then(|| Block::section(Depth::Detail, "Published and measured", vec![table]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::document::limits::tests::SCENARIO;
    use crate::results::{LatencyLog, fixture};

    #[test]
    fn a_published_figure_stands_beside_the_measured_one() {
        let (mut run, _) = fixture::run();
        let figures = "[[published]]\ntransport = [\"sse\", \"tcp\"]\nmetric = \"latency_p50\"\n\
                       value = \"22.3ms\"\nsource = 'A paper'\nnote = 'A note'\n\
                       [[published]]\ntransport = \"polling\"\nmetric = \"framing_bytes_per_delivery\"\n\
                       value = \"871B\"\nsource = 'Other'\n";
        run.manifest.scenario.text = format!("{SCENARIO}{figures}");
        let analysis = analyse(&run, &LatencyLog::default());
        let Some(Block::Section(section)) = section(&analysis) else { panic!("a section") };
        let [Block::Table(table)] = &section.blocks[..] else { panic!("a table") };
        let rows: Vec<_> = table
            .rows
            .iter()
            .map(|row| {
                let texts = row.entries.iter().map(|entry| entry.text.as_str());
                (row.name.as_str(), texts.collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("SSE", vec!["Latency p50", "22.3 ms", "416 µs", "A paper", "A note"]),
                ("Raw TCP", vec!["Latency p50", "22.3 ms", "–", "A paper", "A note"]),
                ("Polling", vec!["Framing bytes per delivery", "871 B", "–", "Other", ""]),
            ]
        );
        assert_eq!(table.rows[0].entries[2].detail, "410–422");
    }

    #[test]
    fn without_published_figures_there_is_no_section() {
        let (run, log) = fixture::run();
        assert!(section(&analyse(&run, &log)).is_none());
    }
}
