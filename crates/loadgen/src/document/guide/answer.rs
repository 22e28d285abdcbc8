//! What one cell says: who meets all that is asked, and what that costs.

use super::words::{cites, either, names, outcome, place};
use crate::analysis::guide::{Answer, Asked, COSTS, Candidate, Check, Figure, Reached, Verdict};
use crate::analysis::{Group, Ranking};
use crate::document::block::{Block, Depth, Item, List};
use crate::document::contender::inline;
use crate::document::prose;
use crate::results::ContenderId;

/// An answer, and where its figures stand.
pub(super) struct Said<'a> {
    pub(super) answer: &'a Answer,
    /// What citations add: the cell of a sweep.
    pub(super) place: String,
}

impl<'a> Said<'a> {
    pub(super) fn new(answer: &'a Answer, several: bool) -> Self {
        Self { answer, place: place(&answer.cell, several) }
    }

    /// The answer in a sentence.
    pub(super) fn headline(&self) -> String {
        let eligible: Vec<&Candidate> = self.answer.eligible().collect();
        let of = self.answer.candidates.len();
        prose::sentence(&match &eligible[..] {
            [] => match self.answer.verdict() {
                Verdict::Misses => {
                    format!("none of {of} contenders{} meets all that is asked", self.place)
                }
                _ => format!(
                    "none of {of} contenders{} is known to meet all that is asked",
                    self.place
                ),
            },
            [only] => format!(
                "{} alone of {} meets all that is asked {}",
                inline(&only.contender),
                prose::count(of, "contender"),
                self.deciding(only)
            ),
            several => self.best_of(several),
        })
    }

    fn best_of(&self, eligible: &[&Candidate]) -> String {
        let (count, of) = (eligible.len(), self.answer.candidates.len());
        let met = format!("{count} of {of} contenders meet all that is asked");
        let cheapest = self.answer.cheapest_in_all();
        match &cheapest[..] {
            [] if self.answer.cheapest.is_empty() => {
                let each: Vec<_> = eligible.iter().map(|of| self.deciding(of)).collect();
                format!("{met}; what they cost was not measured {}", each.join(" "))
            }
            [] => {
                let firsts = self.answer.cheapest.iter().map(|ranking| self.least(ranking));
                format!(
                    "{met}; which of them is cheapest depends on what you pay for: {}",
                    firsts.collect::<Vec<_>>().join("; ")
                )
            }
            [one] => format!(
                "take {}: {met}, and no other of them surely costs less in anything that was measured {}",
                inline(one),
                self.costs_of(one)
            ),
            several => format!(
                "take {}: {met}, and nobody surely costs less in anything that was measured {}",
                either(several),
                several.iter().map(|id| self.costs_of(id)).collect::<Vec<_>>().join(" ")
            ),
        }
    }

    /// Who has least of a cost.
    fn least(&self, ranking: &Ranking) -> String {
        let Some(first) = ranking.groups.first() else { return String::new() };
        let ids: Vec<&ContenderId> = first.contenders.iter().collect();
        let metric = prose::in_sentence(ranking.metric.label());
        format!("{metric} for {} {}", names(&ids), self.cost_cites(first, ranking))
    }

    fn cost_cites(&self, group: &Group, ranking: &Ranking) -> String {
        let figures = group.contenders.iter().filter_map(|id| self.cost(id, ranking));
        cites(figures, &self.place)
    }

    fn cost(&self, id: &ContenderId, ranking: &Ranking) -> Option<&'a Figure> {
        let candidate = self.answer.candidates.iter().find(|of| of.contender == *id)?;
        candidate.costs.iter().find(|of| of.metric == ranking.metric)
    }

    pub(super) fn costs_of(&self, id: &ContenderId) -> String {
        let ranked = self.answer.cheapest.iter().filter_map(|ranking| self.cost(id, ranking));
        cites(ranked, &self.place)
    }

    /// The figures by which a candidate meets its limits, or that it delivered everything.
    pub(super) fn deciding(&self, of: &Candidate) -> String {
        let is_limit = |check: &&Check| matches!(check.asked, Asked::Limit(_));
        let limits = of.checks.iter().filter(is_limit).filter_map(|check| check.figure.as_ref());
        let all = of.checks.iter().filter_map(|check| check.figure.as_ref());
        match cites(limits, &self.place) {
            none if none.is_empty() => cites(all.take(1), &self.place),
            cited => cited,
        }
    }

    /// Every candidate, the ones that meet all first.
    pub(super) fn verdicts(&self) -> Block {
        let is_known = self.answer.verdict() == Verdict::Meets;
        let nearest = self.answer.nearest();
        let mut candidates: Vec<&Candidate> = self.answer.candidates.iter().collect();
        candidates.sort_by_key(|of| std::cmp::Reverse(of.verdict()));
        let item = |of: &&Candidate| {
            let is_nearest =
                !is_known && nearest.iter().any(|other| other.contender == of.contender);
            let several = self.answer.candidates.len() > nearest.len();
            let note = if is_nearest && several { ", the nearest of its transport," } else { "" };
            self.verdict(of, note)
        };
        let items = candidates.iter().map(item).collect();
        let list = Block::List(List { what: "contenders", items });
        let heading = if is_known { "Who meets all that is asked" } else { "What comes nearest" };
        Block::section(Depth::Essential, heading, vec![list])
    }

    fn verdict(&self, of: &Candidate, note: &str) -> Item {
        let subject = format!("{}{note}", inline(&of.contender));
        let told = |reached: fn(&Reached) -> bool| -> Vec<String> {
            let own = of.checks.iter().filter(|check| reached(&check.reached));
            own.map(|check| outcome(check, &self.place)).collect()
        };
        let (mark, text) = match of.verdict() {
            Verdict::Meets => ("✓", format!("{subject} meets {}", told(|_| true).join("; "))),
            Verdict::Misses => {
                let missed = told(|of| *of == Reached::Missed);
                ("✗", format!("{subject} misses {}", missed.join("; ")))
            }
            Verdict::Unknown => {
                let open = told(|of| matches!(of, Reached::Unknown(_)));
                ("?", format!("{subject} cannot be judged by {}", open.join("; ")))
            }
        };
        let alarming = of.verdict() != Verdict::Meets;
        Item { mark, text: prose::sentence(&text), alarming, ..Item::default() }
    }

    /// A sentence for each cost: the order of those that may be recommended.
    pub(super) fn costs(&self) -> Vec<String> {
        let sentence = |ranking: &Ranking| {
            let label = ranking.metric.label();
            let all: Vec<&Group> = ranking.groups.iter().collect();
            let group = |group: &Group| {
                let ids: Vec<&ContenderId> = group.contenders.iter().collect();
                let alike =
                    if ids.len() > 1 { ", which differ by no more than the noise" } else { "" };
                format!("{}{alike} {}", names(&ids), self.cost_cites(group, ranking))
            };
            let groups: Vec<_> = all.iter().map(|of| group(of)).collect();
            let lead = if groups.len() > 1 { "least for " } else { "" };
            prose::sentence(&format!("{label}: {lead}{}", groups.join("; then ")))
        };
        let mut sentences: Vec<_> = self.answer.cheapest.iter().map(sentence).collect();
        let eligible: Vec<&Candidate> = self.answer.eligible().collect();
        for metric in COSTS {
            let figures: Vec<_> = eligible
                .iter()
                .filter_map(|of| of.costs.iter().find(|cost| cost.metric == metric))
                .collect();
            let is_ranked = self.answer.cheapest.iter().any(|of| of.metric == metric);
            if !is_ranked && !figures.is_empty() {
                sentences.push(prose::sentence(&format!(
                    "{} is too little here to be compared {}",
                    prose::in_sentence(metric.label()),
                    cites(figures, &self.place)
                )));
            }
            let lacks = |of: &&&Candidate| of.costs.iter().all(|cost| cost.metric != metric);
            let without: Vec<_> = eligible.iter().filter(lacks).map(|of| &of.contender).collect();
            if !without.is_empty() {
                sentences.push(prose::sentence(&format!(
                    "{} of {} was not measured ({} {} –)",
                    prose::in_sentence(metric.label()),
                    names(&without),
                    without.iter().map(|id| id.name()).collect::<Vec<_>>().join(", "),
                    metric.name()
                )));
            }
        }
        sentences
    }
}
