//! How simple choices are, by what the run has shown.

use super::lines::lines;
use super::model::{Fact, Figure, Language, Simplicity};
use crate::analysis::{Cell, Figures};
use crate::results::{ContenderId, Metric};
use crate::scenario::Scenario;

/// A network below this is no distance: handshakes take as long as the machine does.
const LEAST_ROUND_TRIP_NS: f64 = 10e6;

/// What is known of `eligible`, a fact each; those of which nobody is known are left out.
pub(super) fn simplicity(
    scenario: &Scenario,
    cell: &Cell,
    eligible: &[ContenderId],
) -> Vec<Simplicity> {
    let clients = Language::ALL.map(Fact::Lines);
    let facts = [Fact::BytesToConnect, Fact::RoundTrips].into_iter().chain(clients);
    let of_fact = |fact| {
        let mut known = Vec::new();
        let (mut figures, mut unknown) = (Vec::new(), Vec::new());
        for id in eligible {
            let measured = cell.figures(id).and_then(|of| measured(scenario, of, fact));
            match measured {
                Some((value, figure)) => {
                    known.push((id.clone(), value));
                    figures.extend(figure);
                }
                None => unknown.push(id.clone()),
            }
        }
        known.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        Simplicity { fact, known, figures, unknown }
    };
    facts.map(of_fact).filter(|of| !of.known.is_empty()).collect()
}

/// The value, and the figure that it comes from, if it was measured. A poll is subscribed before it has asked
/// anything, so what comes before its first event is in no figure.
fn measured(scenario: &Scenario, of: &Figures, fact: Fact) -> Option<(f64, Option<Figure>)> {
    let contender = scenario.contender(&of.contender)?;
    let figure =
        |metric| Figure::estimated(of, metric).filter(|_| contender.settings.stream().is_some());
    match fact {
        Fact::BytesToConnect => {
            let bytes = figure(Metric::BytesPerConnection)?;
            Some((bytes.value, Some(bytes)))
        }
        Fact::RoundTrips => {
            let far = figure(Metric::NetworkRoundTrip)?.value;
            let time = figure(Metric::ConnectTimeP50)?;
            (far >= LEAST_ROUND_TRIP_NS).then(|| ((time.value / far).round(), Some(time)))
        }
        // They speak to pushbench's own server.
        Fact::Lines(language) if contender.server.is_none() => {
            lines(of.contender.transport(), language).map(|lines| (lines as f64, None))
        }
        Fact::Lines(_) => None,
    }
}
