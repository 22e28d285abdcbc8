//! Tables about traffic that is more than a rate.

use super::{Entry, Row, Sheet, figures, missing};
use crate::analysis::{Cell, Figures};
use crate::report::quantity;
use crate::results::Metric;

/// Latencies by the phases of the scenario; none when it has none.
pub(super) fn phases(cell: &Cell) -> Option<Sheet> {
    let most = cell.contenders.iter().map(|of| of.latency.phases.len()).max()?;
    let mut rows = Vec::new();
    for index in 0..most {
        for of in &cell.contenders {
            let Some(phase) = of.latency.phases.get(index) else { continue };
            let latency = |metric, ns: Option<u64>| {
                let Some(ns) = ns else { return missing() };
                let text = quantity::of(metric, Some(ns as f64));
                Entry { text, sort: ns.to_string(), ..Entry::default() }
            };
            let deliveries = Entry {
                text: quantity::of(Metric::Delivered, Some(phase.deliveries as f64)),
                sort: phase.deliveries.to_string(),
                ..Entry::default()
            };
            rows.push(Row {
                name: format!("{}, {}", phase.name, of.contender.label()),
                contender: Some(of.contender.clone()),
                entries: vec![
                    latency(Metric::LatencyP50, phase.p50_ns),
                    latency(Metric::LatencyP99, phase.p99_ns),
                    deliveries,
                ],
            });
        }
    }
    (!rows.is_empty()).then(|| Sheet {
        title: "By phase".to_owned(),
        note: "All valid trials together, by when events were meant to be published.".to_owned(),
        subject: "phase, contender",
        columns: ["p50", "p99", "deliveries"].map(str::to_owned).to_vec(),
        rows,
    })
}

/// What subscribers sent, to others and back to themselves; none where they only listen.
pub(super) fn echoes(cell: &Cell) -> Option<Sheet> {
    let columns = [
        ("to others\np50", Metric::LatencyP50),
        ("to others\np99", Metric::LatencyP99),
        ("back to the sender\np50", Metric::EchoLatencyP50),
        ("back to the sender\np99", Metric::EchoLatencyP99),
    ];
    let note = "From the time at which a sender meant to send. WebSocket and raw TCP send in-band, the others \
                by POST on a connection beside.";
    let has_echoes = |of: &Figures| of.estimate(Metric::EchoLatencyP50).is_some();
    let sheet = figures(cell, &columns, "What subscribers sent", note);
    cell.contenders.iter().any(has_echoes).then_some(sheet)
}
