//! What limits the trust in a run, in sentences: what is alike is said once.

use std::mem::discriminant;

use super::block::{Block, Depth, List};
use super::contender::list;
use super::deliveries::shortfall;
use super::{described, prose};
use crate::analysis::{Analysis, Caveat};
use crate::results::shortening::{Part, Shortening};
use crate::results::{ContenderId, Metric, Outcome, Run, Trial, Warning};

/// Every caveat, worst first; none when there is nothing to say.
pub(super) fn section(sentences: Vec<String>) -> Option<Block> {
    let list = List::of("caveats", sentences)?;
    let blocks = vec![Block::Caveats(list)];
    Some(Block::section(Depth::Essential, "Before you rely on it", blocks))
}

/// Every caveat of a run, worst first.
pub(super) fn of_run(run: &Run, analysis: &Analysis) -> Vec<String> {
    let said = Said { run, analysis, several: analysis.cells.len() > 1 };
    let mut sentences: Vec<String> = Vec::new();
    for caveat in &analysis.caveats {
        let text = prose::sentence(&said.text(caveat));
        // What is said of several trials together comes up with each of them.
        if !sentences.contains(&text) {
            sentences.push(text);
        }
    }
    sentences.extend(of_relays(run));
    sentences.extend(run.manifest.servers.iter().filter_map(described::caveat));
    sentences
}

/// What a relay cannot imitate.
fn of_relays(run: &Run) -> Option<String> {
    let relayed = run.manifest.networks.iter().filter(|network| network.is_relayed);
    let whose = ContenderId::distinct(relayed.map(|network| &network.contender));
    (!whose.is_empty()).then(|| {
        let networks = if whose.len() == 1 { "network" } else { "networks" };
        let verb = if whose.len() == 1 { "was" } else { "were" };
        prose::sentence(&format!(
            "the {networks} of {} {verb} imitated by a relay, which delays bytes but no handshakes: a new \
             connection takes a round trip less than over a real network, and nothing gets lost; \
             `mode = \"packets\"` delays both",
            list(&whose)
        ))
    })
}

struct Said<'a> {
    run: &'a Run,
    analysis: &'a Analysis,
    /// Whether there are several cells.
    several: bool,
}

impl Said<'_> {
    fn text(&self, caveat: &Caveat) -> String {
        match caveat {
            Caveat::Interrupted { ran, planned } => format!(
                "the run ended after {ran} of {planned} trials, so some contenders may have fewer than others"
            ),
            Caveat::Unmeasured { cell, contender } => {
                let name = list([contender]);
                format!("{name}{} has no figure that can be used", self.within(cell))
            }
            Caveat::Failed { trial, reason } => match &self.failed(reason)[..] {
                [] | [_] => format!("{} failed: {reason}", self.trial(*trial)),
                several => format!("{} failed: {reason}", self.trials(several)),
            },
            Caveat::Invalid { trial, reason: None } => {
                format!("{} is left out of the figures", self.trial(*trial))
            }
            Caveat::Invalid { trial, .. } if self.run.trials[*trial].repeated => {
                let again = self.run.trials.iter().filter(|of| of.repeated).count();
                let verb = if again == 1 { "was" } else { "were" };
                format!("{} {verb} spoilt and measured once more", prose::count(again, "trial"))
            }
            Caveat::Invalid { trial, reason: Some(warning) } => match &self.invalid(warning)[..] {
                [] | [_] => {
                    format!("{} is left out of {}: {warning}", self.trial(*trial), figures(warning))
                }
                several => {
                    let all = several.iter().map(|(_, warning)| *warning);
                    let worst = all.max_by(|one, other| size(one).total_cmp(&size(other)));
                    let worst = worst.unwrap_or(warning).to_string();
                    // What to do about it stands with each of them.
                    let what = worst.split(": ").next().unwrap_or_default();
                    let trials: Vec<_> = several.iter().map(|(trial, _)| *trial).collect();
                    format!(
                        "{} left out of {}: at worst, {what}",
                        self.trials(&trials),
                        figures(warning)
                    )
                }
            },
            Caveat::Incomplete { cell, contender } => {
                let cells = self.analysis.cells.iter().filter(|of| of.name == *cell);
                let mut figures = cells.flat_map(|cell| &cell.contenders);
                let of = figures.find(|of| of.contender == *contender);
                let what = of.and_then(|of| of.accounts).map_or_else(String::new, shortfall);
                let name = list([contender]);
                format!("{name}{} did not deliver as expected: {what}", self.within(cell))
            }
            Caveat::Shortened => shortened(&self.run.manifest.shortenings),
            Caveat::Warned { trials, warning } => match trials[..] {
                [only] => format!("{}: {warning}", self.trial(only)),
                _ => {
                    let all: Vec<_> =
                        trials.iter().filter_map(|at| self.run.trials.get(*at)).collect();
                    let cell = all.first().map_or("", |first| &first.cell);
                    let is_of_one = all.iter().all(|trial| trial.cell == cell);
                    let within = if is_of_one { self.within(cell) } else { String::new() };
                    format!("{} in {} trials{within}: {warning}", names(&all), all.len())
                }
            },
            Caveat::FewTrials { cells, contenders } => {
                let verb = if contenders.len() == 1 { "has" } else { "have" };
                let within = match &cells[..] {
                    [cell] => self.within(cell),
                    all if all.len() == self.analysis.cells.len() => " in every cell".to_owned(),
                    some => format!(" in {} cells", some.len()),
                };
                let is_alone = self.analysis.cells.iter().all(|cell| cell.contenders.len() < 2);
                if is_alone {
                    return format!(
                        "{}{within} {verb} fewer than five valid trials; raise `blocks` to see how far figures \
                         move from trial to trial",
                        list(contenders)
                    );
                }
                format!(
                    "{}{within} {verb} fewer than five valid trials, so times less than 25 % apart are called \
                     about the same; raise `blocks` to see how far figures move from trial to trial",
                    list(contenders),
                )
            }
        }
    }

    fn within(&self, cell: &str) -> String {
        if self.several { format!(" in {cell}") } else { String::new() }
    }

    /// "SSE in block 2".
    fn trial(&self, index: usize) -> String {
        let trial = &self.run.trials[index];
        format!("{} in block {}{}", list([&trial.contender]), trial.block, self.within(&trial.cell))
    }

    /// "4 of 25 trials (SSE and polling)".
    fn trials(&self, some: &[&Trial]) -> String {
        let all = prose::count(self.run.trials.len(), "trial");
        format!("{} of {all} ({})", some.len(), names(some))
    }

    /// The trials that failed for a reason.
    fn failed(&self, reason: &str) -> Vec<&Trial> {
        let is_so = |trial: &&Trial| trial.outcome == Outcome::Failed { reason: reason.to_owned() };
        self.run.trials.iter().filter(is_so).collect()
    }

    /// The trials that are left out for a reason of this kind, with theirs.
    fn invalid(&self, kind: &Warning) -> Vec<(&Trial, &Warning)> {
        let invalid = self.run.trials.iter().filter(|trial| trial.outcome == Outcome::Invalid);
        let invalid = invalid.filter(|trial| !trial.repeated);
        let reasons = invalid.filter_map(|trial| {
            Some((trial, trial.warnings.iter().find(|warning| warning.invalidates())?))
        });
        reasons.filter(|(_, reason)| discriminant(*reason) == discriminant(kind)).collect()
    }
}

/// Which figures a warning leaves out.
fn figures(warning: &Warning) -> &'static str {
    match [Metric::ServerCpuPerDelivery, Metric::BytesPerDelivery].map(|of| warning.touches(of)) {
        [true, true] => "the figures",
        [true, false] => "times",
        [false, _] => "latencies",
    }
}

/// Whose trials these are.
fn names(trials: &[&Trial]) -> String {
    list(&ContenderId::distinct(trials.iter().map(|trial| &trial.contender)))
}

/// How bad a warning is among those of its kind.
fn size(warning: &Warning) -> f64 {
    match warning {
        Warning::PublisherLate { p99_ms } | Warning::NetworkLate { p99_ms, .. } => *p99_ms,
        Warning::NetworkOverflown { count } => *count as f64,
        Warning::NetworkOff { claimed_ms, measured_ms } => (measured_ms - claimed_ms).abs(),
        Warning::FewerEventsThanPlanned { published, planned } => {
            1.0 - *published as f64 / *planned as f64
        }
        Warning::GeneratorSaturated { busy_percent } => *busy_percent,
        Warning::CpuStolen { percent }
        | Warning::CpuLimited { percent, .. }
        | Warning::OtherLoad { percent, .. } => *percent,
        Warning::BeyondRange { count, .. } | Warning::NegativeLatency { count } => *count as f64,
        _ => 0.0,
    }
}

/// What was cut down, and which figures suffer.
fn shortened(shortenings: &[Shortening]) -> String {
    let parts: Vec<_> = shortenings.iter().map(Shortening::to_string).collect();
    let effect = |of: &Shortening| match (of.part, of.measured.as_deref()) {
        (Part::Blocks, Some("1")) => {
            Some("one block gives no intervals, so nothing tells how far figures would move")
        }
        (Part::Blocks, _) => Some("fewer blocks give wider intervals"),
        (Part::Duration, _) => Some("shorter windows hold fewer of the rare long delays"),
        (Part::Idle, None) => Some("idle costs were not measured"),
        (Part::Idle, Some(_)) => Some("idle costs are less exact"),
        // A trial that had not warmed up has a warning of its own.
        (Part::WarmUp, _) => None,
    };
    let effects: Vec<_> = shortenings.iter().filter_map(effect).collect();
    let effects = if effects.is_empty() { String::new() } else { effects.join(", ") + "; " };
    format!(
        "the run was shortened to end in time ({}): {effects}repeat it without --max-time before you \
         rely on it",
        parts.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::results::Side;
    use crate::results::{LatencyLog, Metric, fixture};

    fn said(run: &Run) -> Vec<String> {
        of_run(run, &analyse(run, &LatencyLog::default()))
    }

    #[test]
    fn the_caveats_in_words() {
        let (mut run, _) = fixture::run();
        run.trials[2].values.insert(Metric::Lost, 3.0);
        run.trials[2].values.insert(Metric::Delivered, 23_997.0);
        assert_eq!(
            said(&run),
            [
                "WebSocket in block 2 failed: the server was killed by signal 9.".to_owned(),
                format!("Long polling in block 2 is left out of times: {}.", run.trials[5].warnings[0]),
                "SSE did not deliver as expected: 47,997 of 48,000, 3 lost.".to_owned(),
                format!("Polling in block 1: {}.", run.trials[0].warnings[0]),
                "Polling, long polling, SSE and WebSocket have fewer than five valid trials, so times \
                 less than 25 % apart are called about the same; raise `blocks` to see how far figures \
                 move from trial to trial."
                    .to_owned(),
            ]
        );
    }

    #[test]
    fn one_contender_is_called_like_no_other() {
        let (mut run, _) = fixture::run();
        run.trials.truncate(1);
        let said = said(&run).join("\n");
        assert!(
            said.contains("Polling has fewer than five valid trials; raise `blocks`"),
            "{said}"
        );
        assert!(!said.contains("about the same"), "{said}");
    }

    #[test]
    fn trials_that_are_left_out_for_the_same_reason_are_said_together() {
        let (mut run, _) = fixture::run();
        for (index, percent) in [(0, 30.0), (1, 76.4), (2, 41.0)] {
            run.trials[index].outcome = Outcome::Invalid;
            run.trials[index].warnings = vec![
                Warning::SharedCore,
                Warning::OtherLoad { side: Side::Server, percent, waited_percent: None },
            ];
        }
        let said = said(&run);
        let left_out: Vec<_> = said.iter().filter(|text| text.contains("left out")).collect();
        assert_eq!(
            left_out[0],
            "3 of 8 trials (polling, long polling and SSE) left out of times: at worst, other processes used 76 % \
             of the server's cores (limit 25 %)."
        );
        assert_eq!(left_out.len(), 2, "another reason is said by itself: {left_out:#?}");
    }

    #[test]
    fn failures_with_the_same_reason_are_said_together() {
        let (mut run, _) = fixture::run();
        for index in [0, 2] {
            run.trials[index].outcome = Outcome::Failed { reason: "it ended".to_owned() };
        }
        let said = said(&run);
        let failed: Vec<_> = said.iter().filter(|text| text.contains(" failed: ")).collect();
        assert_eq!(failed.len(), 2, "{failed:#?}");
        assert_eq!(failed[0], "2 of 8 trials (polling and SSE) failed: it ended.");
    }

    #[test]
    fn a_shortened_run_says_which_figures_suffer() {
        let (mut run, _) = fixture::run();
        let shortening = |part, asked: &str, measured: Option<&str>| Shortening {
            part,
            asked: asked.to_owned(),
            measured: measured.map(str::to_owned),
        };
        run.manifest.shortenings = vec![
            shortening(Part::Blocks, "5", Some("1")),
            shortening(Part::Idle, "2s", None),
            shortening(Part::WarmUp, "2s", Some("1s")),
            shortening(Part::Duration, "10s", Some("1100ms")),
        ];
        let caveats = said(&run);
        let text = "The run was shortened to end in time (1 instead of 5 blocks, none instead of 2s of idle \
                    phase, 1s instead of 2s of warm-up, 1100ms instead of 10s of measured time): one block gives \
                    no intervals, so nothing tells how far figures would move, idle costs were not measured, \
                    shorter windows hold fewer of the rare long delays; repeat it without --max-time before you \
                    rely on it.";
        assert!(caveats.iter().any(|caveat| caveat == text), "{caveats:#?}");
    }

    #[test]
    fn deliveries_that_nobody_counted_are_told() {
        let (mut run, _) = fixture::run();
        run.trials.iter_mut().for_each(|trial| trial.values.clear());
        let said = said(&run).join("\n");
        assert!(said.contains("deliveries were not counted"), "{said}");
    }

    #[test]
    fn a_caveat_names_a_cell_only_if_it_is_of_that_alone() {
        let (mut run, _) = fixture::run();
        run.trials[2].cell = "subscribers=50".to_owned();
        run.trials[4].cell = "subscribers=100".to_owned();
        let joined = |run: &Run| said(run).join("\n");
        for index in [2, 4] {
            run.trials[index].warnings = vec![Warning::SharedCore];
        }
        assert!(
            joined(&run).contains("Polling and SSE in 2 trials: server and"),
            "{}",
            joined(&run)
        );
        run.trials[4].cell = "subscribers=50".to_owned();
        let one = "Polling and SSE in 2 trials in subscribers=50: server and";
        assert!(joined(&run).contains(one), "{}", joined(&run));
    }

    #[test]
    fn a_caveat_of_many_trials_is_one_sentence() {
        let (mut run, _) = fixture::run();
        for index in [0, 2, 4] {
            run.trials[index].warnings = vec![Warning::SharedCore];
        }
        let said = said(&run);
        let said: Vec<_> = said.iter().filter(|text| text.contains("shared a core")).collect();
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("Polling and SSE in 3 trials: "), "{}", said[0]);
    }
}
