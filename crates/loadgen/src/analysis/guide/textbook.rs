//! What the decision table of courses and blogs would choose, held against the figures. The table says:
//! polling where delays of minutes are all right and traffic is low; long polling where it has to pass all
//! proxies; SSE for feeds from the server; WebSocket where both sides send.

use pushbench_wire::Transport;

use super::cost::COSTS;
use super::model::{Beaten, Candidate, Figure, Rule, Stands, Textbook, Verdict};
use crate::analysis::{Cell, Ranking};
use crate::results::{ContenderId, Metric};
use crate::scenario::{Needs, Scenario};

/// Who waits for as long does not mind delays of minutes.
const MINUTES_NS: f64 = 60e9;

/// The line of the table for this workload, and what the figures say to its choice.
pub(super) fn textbook(
    scenario: &Scenario,
    cell: &Cell,
    needs: &Needs,
    candidates: &[Candidate],
    cheapest: &[Ranking],
) -> Textbook {
    let (choice, rule) = chosen(scenario, needs);
    let own = || candidates.iter().filter(|of| of.contender.transport() == choice);
    let eligible = || own().filter(|of| of.verdict() == Verdict::Meets);
    let beaten = |of: &Candidate| beaten(cell, of, candidates, cheapest);
    let untold = |of: &Candidate| untold(of, candidates, cheapest);
    // Of several contenders of a transport, it is the one that is undercut least. Who may be counts as one
    // who is.
    let best = eligible().min_by_key(|of| {
        let untold = untold(of).len();
        (beaten(of).len() + untold, untold)
    });
    let stands = match (best, own().min_by(|one, other| nearer(one, other))) {
        (Some(best), _) => {
            let choice = best.contender.clone();
            match (beaten(best), untold(best)) {
                (by, of) if by.is_empty() && of.is_empty() => Stands::Best(choice),
                (by, of) if by.is_empty() => Stands::Untold { choice, of },
                (by, _) => Stands::Undercut { choice, by },
            }
        }
        (None, Some(nearest)) => Stands::NotEligible(nearest.contender.clone()),
        (None, None) => Stands::Absent,
    };
    Textbook { choice, rule, stands }
}

fn nearer(one: &Candidate, other: &Candidate) -> std::cmp::Ordering {
    let ((untold, most), (others, at_most)) = (one.distance(), other.distance());
    untold.cmp(&others).then(most.total_cmp(&at_most))
}

fn chosen(scenario: &Scenario, needs: &Needs) -> (Transport, Rule) {
    let latencies = scenario.objectives.iter().filter(|of| of.metric.is_delivery_latency());
    let shortest = latencies.map(|of| of.limit).reduce(f64::min);
    if let Some(named) = needs.textbook {
        (named, Rule::Named)
    } else if needs.two_way || scenario.workload.upstream.is_some() {
        (Transport::WebSocket, Rule::TwoWay)
    } else if shortest.is_some_and(|limit| limit >= MINUTES_NS) {
        (Transport::Polling, Rule::Minutes)
    } else if !needs.proxies.is_empty() {
        (Transport::LongPolling, Rule::Proxies)
    } else {
        (Transport::Sse, Rule::Feed)
    }
}

/// The costs in which others who meet everything have less than `of`, by more than the noise.
fn beaten(
    cell: &Cell,
    of: &Candidate,
    candidates: &[Candidate],
    cheapest: &[Ranking],
) -> Vec<Beaten> {
    let figure = |id: &ContenderId, metric: Metric| -> Option<Figure> {
        let candidate = candidates.iter().find(|of| of.contender == *id)?;
        candidate.costs.iter().find(|of| of.metric == metric).cloned()
    };
    let in_one = |ranking: &Ranking| {
        let first = ranking.groups.first()?;
        if first.contenders.contains(&of.contender) || !is_in(ranking, &of.contender) {
            return None;
        }
        let (metric, by) = (ranking.metric, first.contenders.first()?.clone());
        let (own, other) = (figure(&of.contender, metric)?, figure(&by, metric)?);
        let ratio = cell.ratio(metric, &of.contender, &by);
        Some(Beaten { metric, by, own, other, ratio })
    };
    cheapest.iter().filter_map(in_one).collect()
}

/// The costs in which `of` cannot be compared with others who meet everything: they are ranked without it, or
/// nobody is in anything.
fn untold(of: &Candidate, candidates: &[Candidate], cheapest: &[Ranking]) -> Vec<Metric> {
    let mut others = candidates.iter().filter(|other| other.contender != of.contender);
    if cheapest.is_empty() && others.any(|other| other.verdict() == Verdict::Meets) {
        return COSTS.to_vec();
    }
    let without = cheapest.iter().filter(|ranking| !is_in(ranking, &of.contender));
    without.map(|ranking| ranking.metric).collect()
}

fn is_in(ranking: &Ranking, id: &ContenderId) -> bool {
    ranking.groups.iter().any(|group| group.contenders.contains(id))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use Transport::{Polling, Sse, WebSocket};

    use super::*;

    /// What courses and blogs would say to each workload that comes with pushbench and has objectives.
    #[test]
    fn every_shipped_workload_has_the_choice_of_the_table() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
        for (name, choice) in [
            ("email-check", Polling),
            ("dashboard-refresh", Polling),
            ("notifications", Sse),
            ("social-feed", Sse),
            ("live-scores", Sse),
            ("stock-ticker", Sse),
            ("trading-screen", Sse),
            ("auction", Sse),
            ("chat", WebSocket),
            ("collaborative-editing", WebSocket),
            ("multiplayer-game", WebSocket),
            ("iot-telemetry", WebSocket),
        ] {
            let (scenario, _) = Scenario::load(&folder.join(format!("{name}.toml"))).unwrap();
            assert_eq!(chosen(&scenario, &scenario.needs).0, choice, "{name}");
            assert!(!scenario.objectives.is_empty(), "{name}");
        }
    }

    #[test]
    fn what_has_to_pass_proxies_is_for_long_polling() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
        let (scenario, _) = Scenario::load(&folder.join("stock-ticker.toml")).unwrap();
        let needs = Needs { proxies: vec!["nginx".to_owned()], ..Needs::default() };
        assert_eq!(chosen(&scenario, &needs), (Transport::LongPolling, Rule::Proxies));
    }
}
