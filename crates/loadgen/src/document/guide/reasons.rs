//! What one cell says beside the answer: what is simplest, what the textbook says, what would change the
//! answer, and how sure it is.

use super::answer::Said;
use super::words::{asked, cite, names, outcome};
use crate::analysis::guide::{
    Beaten, Candidate, Check, Fact, Figure, Language, Reached, Rule, Simplicity, Stands, Verdict,
};
use crate::document::contender::inline;
use crate::document::{format, prose};
use crate::results::ContenderId;

/// Fewer trials than these leave an interval that holds the truth too rarely to rely on.
const FEW: usize = 5;

impl Said<'_> {
    pub(super) fn simplest(&self) -> Vec<String> {
        let eligible = self.answer.eligible().count();
        if eligible < 2 {
            return Vec::new();
        }
        let facts = &self.answer.simplicity;
        let mut sentences: Vec<_> = facts.iter().map(|of| self.fact(of)).collect();
        let decided: Vec<&Simplicity> = facts.iter().filter(|of| of.unknown.is_empty()).collect();
        let is_least = |id: &&ContenderId| decided.iter().all(|of| of.least().contains(id));
        let least: Vec<&ContenderId> =
            self.answer.eligible().map(|of| &of.contender).filter(is_least).collect();
        sentences.push(prose::sentence(&match (&decided[..], &least[..]) {
            ([], _) => "which is simplest is not known: the results say it of too few".to_owned(),
            (_, []) => {
                "which is simplest depends on what you count: nobody has least of all".to_owned()
            }
            (_, least) => {
                let shown = decided.iter().map(|of| fact_name(of.fact)).collect::<Vec<_>>();
                format!("the simplest by {} is {}", prose::list(&shown), names(least))
            }
        }));
        sentences
    }

    fn fact(&self, of: &Simplicity) -> String {
        let known = of.known.iter().map(|(id, value)| {
            let figure = of.figures.iter().find(|figure| figure.contender == *id);
            let cited = match (figure, of.fact) {
                (Some(figure), _) => format!(" {}", cite(figure, &self.place)),
                (None, Fact::Lines(_)) => format!(" ({} docs/clients)", id.transport().name()),
                (None, _) => String::new(),
            };
            format!("{} for {}{cited}", amount(of.fact, *value), inline(id))
        });
        let known = known.collect::<Vec<_>>().join(", ");
        let unknown: Vec<&ContenderId> = of.unknown.iter().collect();
        let rest = match &unknown[..] {
            [] => String::new(),
            some => format!("; not known of {}", names(some)),
        };
        prose::sentence(&format!("{}: {known}{rest}", fact_name(of.fact)))
    }

    /// What the usual table would choose, and what the figures say to that.
    pub(super) fn textbook(&self) -> Vec<String> {
        let textbook = &self.answer.textbook;
        let choice = prose::in_sentence(textbook.choice.label());
        let because = match textbook.rule {
            Rule::Named => "for this workload, as the scenario has it",
            Rule::TwoWay => "where both sides send",
            Rule::Minutes => "where delays of minutes are all right",
            Rule::Proxies => "where it has to pass proxies",
            Rule::Feed => "for feeds from the server",
        };
        let says = format!("the textbook says {choice} {because}");
        let candidate =
            |id: &ContenderId| self.answer.candidates.iter().find(|of| of.contender == *id);
        let text = match &textbook.stands {
            Stands::Best(id) => {
                let cited = candidate(id).map(|of| self.deciding(of)).unwrap_or_default();
                let costs = self.costs_of(id);
                format!(
                    "{says}, and the figures agree: {} meets all that is asked {cited}, and nobody who \
                         does costs less in anything that was measured {costs}",
                    inline(id)
                )
            }
            Stands::Undercut { choice, by } => {
                let beaten = by.iter().map(|of| self.beaten(of)).collect::<Vec<_>>().join("; ");
                let cited = candidate(choice).map(|of| self.deciding(of)).unwrap_or_default();
                format!("{says}; it meets all that is asked {cited}, but {beaten}")
            }
            Stands::Untold { choice, of } => {
                let cited = candidate(choice).map(|of| self.deciding(of)).unwrap_or_default();
                let costs: Vec<_> = of.iter().map(|of| prose::in_sentence(of.label())).collect();
                format!(
                    "{says}; it meets all that is asked {cited}, but the figures cannot tell whether others \
                         that do cost less: {} of {} cannot be compared{}",
                    prose::list(&costs),
                    inline(choice),
                    self.place
                )
            }
            Stands::NotEligible(id) => {
                let worst = |of: &Candidate| {
                    let open = of.checks.iter().filter(|check| check.reached != Reached::Met);
                    open.map(|check| outcome(check, &self.place)).collect::<Vec<_>>().join("; ")
                };
                let verb = match candidate(id).map(Candidate::verdict) {
                    Some(Verdict::Misses) => "the figures contradict: it misses",
                    _ => "the figures cannot tell by",
                };
                let open = candidate(id).map(worst).unwrap_or_default();
                format!("{says}; {verb} {open}")
            }
            Stands::Absent => format!("{says}; no contender of it was measured{}", self.place),
        };
        vec![prose::sentence(&text)]
    }

    fn beaten(&self, of: &Beaten) -> String {
        let by = match of.ratio {
            Some(ratio) => {
                let range = ratio.interval.map_or(String::new(), |of| {
                    format!(" [{}]", format::times_range(of.low, of.high))
                });
                format!("{}{range} ", format::times(ratio.estimate))
            }
            None => String::new(),
        };
        format!(
            "it takes {by}the {} of {} {} {}",
            prose::in_sentence(of.metric.label()),
            inline(&of.by),
            cite(&of.own, &self.place),
            cite(&of.other, &self.place),
        )
    }

    /// Limits at which the answer would be another one: they are the figures.
    pub(super) fn changes(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        for of in &self.answer.candidates {
            let limits = of.checks.iter().filter(|check| check.excess().is_some());
            let subject = inline(&of.contender);
            match of.verdict() {
                Verdict::Meets => {
                    let tightest = limits.max_by(|one, other| {
                        let excess = |of: &Check| of.excess().unwrap_or_default();
                        excess(one).total_cmp(&excess(other))
                    });
                    let tightest = tightest.and_then(|check| Some((check, check.figure.as_ref()?)));
                    sentences.extend(tightest.map(|(check, figure)| {
                        prose::sentence(&format!(
                            "{subject} would drop out if the limit of {} were below its figure {}",
                            asked(check),
                            cite(figure, &self.place)
                        ))
                    }));
                }
                Verdict::Misses => {
                    let missed: Vec<&Check> =
                        of.checks.iter().filter(|of| of.reached != Reached::Met).collect();
                    let [only] = missed[..] else { continue };
                    let Some(figure) = only.figure.as_ref().filter(|_| only.excess().is_some())
                    else {
                        continue;
                    };
                    sentences.push(prose::sentence(&format!(
                        "{subject} would meet all if the limit of {} were above its figure {}",
                        asked(only),
                        cite(figure, &self.place)
                    )));
                }
                Verdict::Unknown => {}
            }
        }
        sentences
    }

    /// What speaks against relying on it.
    pub(super) fn doubts(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        let checks = || self.answer.candidates.iter().flat_map(|of| &of.checks);
        for check in checks().filter(|check| check.is_close()) {
            let Some(figure) = &check.figure else { continue };
            sentences.push(prose::sentence(&format!(
                "another run may judge {} by {} otherwise: the limit is within the interval {}",
                inline(&check.contender),
                asked(check),
                cite(figure, &self.place)
            )));
        }
        let measured = || {
            let judged = checks().filter_map(|check| check.figure.as_ref());
            judged.chain(self.answer.candidates.iter().flat_map(|of| &of.costs))
        };
        let fewest = measured().filter(|of| of.trials.is_some()).min_by_key(|of| of.trials);
        if let Some(figure) = fewest.filter(|of| of.trials.is_some_and(|trials| trials < FEW)) {
            sentences.push(prose::sentence(&format!(
                "figures rest on {} or more, and five make an interval to rely on: raise `blocks` {}",
                prose::count(figure.trials.unwrap_or_default(), "trial"), cite(figure, &self.place)
            )));
        }
        let lowest = measured().filter(|of| of.interval.is_some()).min_by(|one, other| {
            let level = |of: &Figure| of.interval.map_or(1.0, |of| of.level);
            level(one).total_cmp(&level(other))
        });
        if let Some((figure, interval)) = lowest.and_then(|of| Some((of, of.interval?))) {
            sentences.push(prose::sentence(&format!(
                "intervals hold the true median in {} of runs or more {}",
                format::share(interval.level),
                cite(figure, &self.place)
            )));
        }
        sentences
    }
}

fn fact_name(fact: Fact) -> String {
    match fact {
        Fact::BytesToConnect => "bytes before the first event",
        Fact::RoundTrips => "round trips before the first event",
        Fact::Lines(Language::JavaScript) => "lines of the smallest client in JavaScript",
        Fact::Lines(Language::Python) => "lines of the smallest client in Python",
        Fact::Lines(Language::Rust) => "lines of the smallest client in Rust",
    }
    .to_owned()
}

fn amount(fact: Fact, value: f64) -> String {
    match fact {
        Fact::BytesToConnect => format::bytes(value),
        Fact::RoundTrips | Fact::Lines(_) => format::count(value),
    }
}
