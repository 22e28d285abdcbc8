//! What proxies make of each way to get events: what works, what is late and what breaks.

use super::block::{Block, Code, Column, Depth, Entry, Fold, List, Row, Section, Table};
use super::{contender, format};
use crate::analysis::{Cell, Figures};
use crate::results::{ContenderId, Manifest, Metric, Outcome, Trial, UsedProxy};

/// What joins the name of a contender and that of its proxy.
const JOIN: &str = " · ";

/// A median that is so much longer than without a proxy, or than through the best one, is late. Nobody
/// sees less, and no machine is so busy.
const LATE_NS: f64 = 20e6;

/// The heading of the row without a proxy.
const DIRECT: &str = "none";

/// A contender by what is measured and by what it goes through.
struct Measured<'a> {
    figures: &'a Figures,
    what: String,
    proxy: Option<&'a UsedProxy>,
}

/// Of a cell whose contenders go through proxies; nothing otherwise.
pub(super) fn section(cell: &Cell, manifest: &Manifest, trials: &[Trial]) -> Option<Block> {
    if manifest.proxies.is_empty() {
        return None;
    }
    let measured: Vec<_> = cell.contenders.iter().map(|of| measured(of, manifest)).collect();
    let failures = measured.iter().filter_map(|of| failure(&of.figures.contender, trials));
    let failures = List::of("failures", failures).map(Block::List);
    let table = Block::Table(matrix(&measured));
    let blocks = std::iter::once(table).chain(failures).collect();
    Some(Section::new(Depth::Detail, "Through proxies", blocks).into())
}

/// How each proxy was started, and its configuration.
pub(super) fn configurations(manifest: &Manifest) -> Option<Block> {
    let each = manifest.proxies.iter().map(|proxy| {
        let UsedProxy { label, version, command, config, .. } = proxy;
        let version = version.as_ref().map(|version| Block::Prose(format!("{version}.")));
        let command = Code { language: "sh", text: command.clone(), is_command: false };
        let config = config.clone().map(|text| Code { language: "", text, is_command: false });
        let codes = std::iter::once(command).chain(config).map(Block::Code);
        let blocks = version.into_iter().chain(codes).collect();
        Section::new(Depth::Full, label, blocks).folded(Fold::Closed).into()
    });
    let each: Vec<Block> = each.collect();
    let heading = "Proxies, as they were configured";
    (!each.is_empty()).then(|| Block::section(Depth::Full, heading, each))
}

fn measured<'a>(figures: &'a Figures, manifest: &'a Manifest) -> Measured<'a> {
    let id = &figures.contender;
    let is_meant = |of: &&UsedProxy| of.contenders.iter().any(|name| name == id.name());
    let proxy = manifest.proxies.iter().find(is_meant);
    let label = id.label();
    let what = proxy.and_then(|proxy| label.strip_suffix(&proxy.label)?.strip_suffix(JOIN));
    Measured { figures, what: what.unwrap_or(label).to_owned(), proxy }
}

fn matrix(measured: &[Measured<'_>]) -> Table {
    let mut whats: Vec<&str> = Vec::new();
    let mut proxies: Vec<Option<&str>> = Vec::new();
    for of in measured {
        let proxy = of.proxy.map(|proxy| &proxy.label[..]);
        if !whats.contains(&&of.what[..]) {
            whats.push(&of.what);
        }
        if !proxies.contains(&proxy) {
            proxies.push(proxy);
        }
    }
    let rows = proxies.iter().map(|proxy| {
        let entries = whats.iter().map(|what| {
            let alike: Vec<_> = measured.iter().filter(|of| of.what == *what).collect();
            let found = alike.iter().find(|of| of.proxy.map(|proxy| &proxy.label[..]) == *proxy);
            found.map_or_else(Entry::missing, |found| entry(found, &alike))
        });
        Row::new(proxy.unwrap_or(DIRECT), entries.collect())
    });
    let columns = whats.iter().map(|what| Column::figures(*what)).collect();
    let note = "Median latencies. Late is what is 20 ms or more above the same without a proxy, or through the \
                fastest; it is cut where subscribers had to connect again.";
    Table::new("proxy", columns, rows.collect()).noted(note)
}

/// The median that was measured, whether it can be trusted or not: what is late by a tenth of a second is
/// so on a busy machine, too.
fn shown(of: &Figures, metric: Metric) -> Option<f64> {
    let estimate = of.estimate(metric).or_else(|| of.untrusted.get(&metric).copied());
    estimate.map(|estimate| estimate.median)
}

fn entry(of: &Measured<'_>, alike: &[&Measured<'_>]) -> Entry {
    let figures = of.figures;
    let Some(p50) = shown(figures, Metric::LatencyP50) else {
        return match figures.failed {
            0 => Entry::missing(),
            _ => Entry::text("breaks").alarming(true),
        };
    };
    let of_alike = |metric| {
        let direct = alike.iter().find(|other| other.proxy.is_none());
        let direct = direct.and_then(|direct| shown(direct.figures, metric));
        direct.or_else(|| {
            let all = alike.iter().filter_map(|other| shown(other.figures, metric));
            all.min_by(f64::total_cmp)
        })
    };
    let is_late = of_alike(Metric::LatencyP50).is_some_and(|least| p50 > least + LATE_NS);
    let connections = shown(figures, Metric::ConnectionsOpened);
    let is_cut = connections
        .zip(of_alike(Metric::ConnectionsOpened))
        .is_some_and(|(own, usual)| own > usual);
    let lost = figures.accounts.and_then(|accounts| accounts.lost).filter(|lost| *lost > 0.0);
    let verdict = match (is_late, is_cut) {
        (true, true) => "late and cut",
        (true, false) => "late",
        (false, true) => "cut",
        (false, false) if lost.is_some() => "loses",
        (false, false) => "works",
    };
    let at_least = if lost.is_some() { "≥ " } else { "" };
    let text = format!("{verdict}, {at_least}{}", format::nanoseconds(p50));
    let detail = lost.map(|lost| format!("{} did not come", format::count(lost)));
    Entry { detail: detail.unwrap_or_default(), ..Entry::number(text, Some(p50)) }
        .alarming(verdict != "works")
}

/// Why it could not be measured.
fn failure(id: &ContenderId, trials: &[Trial]) -> Option<String> {
    let reason =
        trials.iter().filter(|trial| trial.contender == *id).find_map(|trial| {
            match &trial.outcome {
                Outcome::Failed { reason } => Some(reason),
                Outcome::Valid | Outcome::Invalid => None,
            }
        })?;
    Some(format!("{}: {reason}", contender::inline(id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::results::{LatencyLog, fixture};

    #[test]
    fn a_matrix_says_what_works_what_is_late_and_what_breaks() {
        let (mut run, _) = fixture::run();
        let ids: Vec<_> = run.manifest.contenders.iter().map(|id| id.name().to_owned()).collect();
        assert!(
            section(&analyse(&run, &LatencyLog::default()).cells[0], &run.manifest, &run.trials)
                .is_none()
        );
        assert!(configurations(&run.manifest).is_none());
        let proxy = UsedProxy {
            label: "nginx".to_owned(),
            version: Some("nginx/1".to_owned()),
            command: "nginx -c {config}".to_owned(),
            config: Some("listen {listen};".to_owned()),
            contenders: ids[1..].to_vec(),
        };
        run.manifest.proxies.push(proxy);
        let analysis = analyse(&run, &LatencyLog::default());
        let cell = &analysis.cells[0];
        let measured: Vec<_> =
            cell.contenders.iter().map(|of| measured(of, &run.manifest)).collect();
        let table = matrix(&measured);
        let names: Vec<_> = table.rows.iter().map(|row| &row.name[..]).collect();
        assert_eq!(names, [DIRECT, "nginx"]);
        assert_eq!(table.columns.len(), ids.len());
        assert!(table.rows[0].entries[0].text.starts_with("works, "));
        assert_eq!(table.rows[0].entries[1], Entry::missing());
        assert!(configurations(&run.manifest).is_some());
        assert!(section(cell, &run.manifest, &run.trials).is_some());
    }
}
