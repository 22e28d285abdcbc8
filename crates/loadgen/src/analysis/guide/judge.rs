//! What can be chosen in a cell, and whether it meets what is asked of it.

use std::time::Duration;

use super::cost;
use super::model::{Asked, Candidate, Check, Figure, Lack, Reached};
use super::trust::{blocks, needed};
use crate::analysis::thresholds::{Judgement, OverTrials, check};
use crate::analysis::{Accounts, Cell, Checked, Figures};
use crate::results::{ContenderId, Metric, Outcome, Run, Trial};
use crate::scenario::{Contender, Content, Needs, Scenario, Threshold};

/// How far a contender's clients are from its server.
pub(super) fn round_trip(of: &Contender) -> Duration {
    of.road.network.as_ref().map_or(Duration::ZERO, |network| network.round_trip)
}

/// What can be chosen, and what came of everything that is asked of it.
pub(super) fn candidates(
    run: &Run,
    scenario: &Scenario,
    cell: &Cell,
    needs: &Needs,
) -> Vec<Candidate> {
    let judge = Judge { run, scenario, cell, needs };
    let all = scenario.contenders.iter().filter(|of| !of.id.is_reference());
    let mut choices: Vec<&Contender> = Vec::new();
    for contender in all {
        // One that was measured through several proxies is one choice where proxies are needed.
        let is_one = |other: &&Contender| !needs.proxies.is_empty() && is_same(contender, other);
        if !choices.iter().any(is_one) {
            choices.push(contender);
        }
    }
    choices.into_iter().map(|contender| judge.candidate(contender)).collect()
}

struct Judge<'a> {
    run: &'a Run,
    scenario: &'a Scenario,
    cell: &'a Cell,
    needs: &'a Needs,
}

impl Judge<'_> {
    fn candidate(&self, contender: &Contender) -> Candidate {
        let Needs { proxies, .. } = self.needs;
        let through: Vec<_> =
            proxies.iter().map(|name| (name, self.through(contender, name))).collect();
        let measured: Vec<&Contender> = match &through[..] {
            [] => vec![contender],
            ways => ways.iter().filter_map(|(_, way)| *way).collect(),
        };
        let shown = measured.first().map_or(contender, |first| first);
        let mut checks: Vec<Check> = Vec::new();
        for (name, way) in through {
            let asked = Asked::Proxy(name.clone());
            checks.push(match way {
                Some(way) => self.delivers(asked, &way.id),
                None => unknown(asked, &shown.id, Lack::NotThrough),
            });
        }
        for of in measured {
            checks.extend(self.checks(of));
        }
        // Nothing shows a choice that was not measured on the way that is needed.
        let figures = self.cell.figures(&shown.id);
        let costs = figures.filter(|_| !checks.is_empty()).map_or_else(Vec::new, cost::figures);
        Candidate { contender: shown.id.clone(), checks, costs }
    }

    /// The same contender, measured through the proxy of this name.
    fn through(&self, of: &Contender, name: &str) -> Option<&Contender> {
        let is_way = |other: &&Contender| {
            let proxy = other.road.proxy.as_ref();
            proxy.is_some_and(|proxy| proxy.name == name)
                && !other.id.is_reference()
                && is_same(of, other)
        };
        self.scenario.contenders.iter().find(is_way)
    }

    /// Everything that is asked of a contender's figures.
    fn checks(&self, contender: &Contender) -> Vec<Check> {
        let id = &contender.id;
        let mut checks = vec![self.delivers(Asked::Delivery, id)];
        let budget = self.needs.budget.iter().map(|of| of.of(id));
        let limits = self.objectives(contender).into_iter().chain(budget);
        checks.extend(limits.map(|limit| self.limit(limit)));
        if self.needs.two_way {
            checks.push(match self.scenario.workload.upstream {
                Some(_) => self.delivers(Asked::TwoWay, id),
                None => unknown(Asked::TwoWay, id, Lack::NobodySends),
            });
        }
        if self.needs.binary {
            checks.push(match self.scenario.workload.content {
                Content::Binary => self.delivers(Asked::Binary, id),
                _ => unknown(Asked::Binary, id, Lack::OnlyText),
            });
        }
        if let Some(needed) = self.needs.round_trip {
            checks.push(self.is_far_enough(contender, needed));
        }
        checks
    }

    /// What its figures have to meet. Where proxies are needed, all ways of a choice are one: who has no
    /// objective of its own about a metric has those of the others.
    fn objectives(&self, of: &Contender) -> Vec<Threshold> {
        let all = &self.scenario.objectives;
        let mut asked: Vec<Threshold> =
            all.iter().filter(|limit| limit.contender == of.id).cloned().collect();
        if self.needs.proxies.is_empty() {
            return asked;
        }
        let own: Vec<Metric> = asked.iter().map(|limit| limit.metric).collect();
        let is_others = |limit: &&Threshold| {
            let way = self.scenario.contender(&limit.contender);
            !own.contains(&limit.metric) && way.is_some_and(|way| is_same(of, way))
        };
        for limit in all.iter().filter(is_others) {
            let limit = Threshold { contender: of.id.clone(), ..limit.clone() };
            // `latency` is an objective of each of them.
            if !asked.contains(&limit) {
                asked.push(limit);
            }
        }
        asked
    }

    fn is_far_enough(&self, contender: &Contender, needed: Duration) -> Check {
        let (asked, far) = (Asked::RoundTrip(needed), round_trip(contender));
        if far < needed {
            return unknown(asked, &contender.id, Lack::TooNear(far));
        }
        let figures = self.cell.figures(&contender.id);
        let figure = figures.and_then(|of| Figure::estimated(of, Metric::NetworkRoundTrip));
        let reached =
            if figure.is_some() { Reached::Met } else { Reached::Unknown(Lack::Uncounted) };
        Check { asked, contender: contender.id.clone(), reached, figure }
    }

    fn limit(&self, limit: Threshold) -> Check {
        let own: Vec<&Trial> =
            self.run.trials.iter().filter(|trial| trial.cell == self.cell.name).collect();
        let checked = check(std::slice::from_ref(&limit), &own);
        let contender = limit.contender.clone();
        let checked = checked.into_iter().next();
        let (reached, figure) = match checked {
            Some(Checked { value, judgement, .. }) => {
                let figure = value.and_then(|value| self.figure(&limit, value));
                let reached = match judgement {
                    Judgement::Kept if figure.is_some() => Reached::Met,
                    Judgement::Kept => Reached::Unknown(Lack::Uncounted),
                    Judgement::Crossed => Reached::Missed,
                    Judgement::Unknown(doubt) => Reached::Unknown(Lack::Doubt(doubt)),
                };
                (reached, figure)
            }
            None => (Reached::Unknown(Lack::Uncounted), None),
        };
        Check { asked: Asked::Limit(limit), contender, reached, figure }
    }

    /// The figure that was held against a limit, with its interval where it has one.
    fn figure(&self, limit: &Threshold, value: f64) -> Option<Figure> {
        let of = self.cell.figures(&limit.contender)?;
        match limit.over_trials {
            OverTrials::Median => {
                let estimated = Figure::estimated(of, limit.metric)?;
                Some(Figure { value, ..estimated })
            }
            OverTrials::Total => Some(Figure::counted(of, limit.metric, value)),
        }
    }

    /// Whether everything came, once and in order. Who has an objective about one of these counts may lose
    /// what that allows.
    fn delivers(&self, asked: Asked, id: &ContenderId) -> Check {
        let Some(of) = self.cell.figures(id) else {
            return unknown(asked, id, Lack::Uncounted);
        };
        if of.valid < needed(blocks(self.run)) {
            return unknown(asked, id, Lack::Failed(self.failure(of)));
        }
        let Some(accounts) = of.accounts else {
            return unknown(asked, id, Lack::Uncounted);
        };
        let (reached, figure) = self.account(of, accounts);
        Check { asked, contender: id.clone(), reached, figure }
    }

    fn account(&self, of: &Figures, accounts: Accounts) -> (Reached, Option<Figure>) {
        let counts = [
            (Metric::Lost, accounts.lost),
            (Metric::Duplicated, accounts.duplicated),
            (Metric::Reordered, accounts.reordered),
        ];
        let contender = self.scenario.contender(&of.contender);
        let limits = contender.map_or_else(Vec::new, |of| self.objectives(of));
        let is_limited = |metric| limits.iter().any(|limit| limit.metric == metric);
        let asked = || counts.into_iter().filter(|(metric, _)| !is_limited(*metric));
        for (metric, count) in asked() {
            match count {
                Some(0.0) => {}
                Some(count) => {
                    return (Reached::Missed, Some(Figure::counted(of, metric, count)));
                }
                None => return (Reached::Unknown(Lack::Uncounted), None),
            }
        }
        let all_counted = counts.iter().all(|(_, count)| count.is_some());
        match (accounts.expected, accounts.delivered) {
            (Some(expected), Some(delivered))
                if all_counted
                    && expected > 0.0
                    && (delivered >= expected || is_limited(Metric::Lost)) =>
            {
                (Reached::Met, Some(Figure::counted(of, Metric::Delivered, delivered)))
            }
            (Some(expected), Some(delivered)) if delivered < expected => {
                (Reached::Missed, Some(Figure::counted(of, Metric::Delivered, delivered)))
            }
            _ => (Reached::Unknown(Lack::Uncounted), None),
        }
    }

    /// Why too few trials of a contender ran to their end.
    fn failure(&self, of: &Figures) -> String {
        let trials = of.trials.iter().filter_map(|&index| self.run.trials.get(index));
        let mut reasons = trials.filter_map(|trial| match &trial.outcome {
            Outcome::Failed { reason } => Some(reason.clone()),
            Outcome::Valid | Outcome::Invalid => None,
        });
        reasons.next().unwrap_or_else(|| "too few of its trials are valid".to_owned())
    }
}

fn unknown(asked: Asked, id: &ContenderId, lack: Lack) -> Check {
    Check { asked, contender: id.clone(), reached: Reached::Unknown(lack), figure: None }
}

/// Whether two differ in nothing but the proxy that they go through.
fn is_same(one: &Contender, other: &Contender) -> bool {
    let mut road = other.road.clone();
    road.proxy.clone_from(&one.road.proxy);
    one.id.transport() == other.id.transport()
        && one.id.client() == other.id.client()
        && (&one.settings, &one.server, one.multiplex, &one.fallback)
            == (&other.settings, &other.server, other.multiplex, &other.fallback)
        && one.road == road
}
