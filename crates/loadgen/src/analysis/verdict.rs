//! The verdict: who is ahead in what, and what speaks against believing it. Nothing is ranked that
//! lies within the noise of the run.

use crate::results::ContenderId;

use super::cell::{Cell, Group, RANKED, Ranking};
use super::estimate::FEW;
use crate::results::{Metric, Outcome, Run, Warning};

/// Medians further apart than this are not called alike, even where intervals are too wide to tell
/// them apart.
const ALIKE: f64 = 1.25;

/// What limits the trust in the figures, or in a contender. The order of variants is from worst
/// to mildest, and that in which they are listed.
#[derive(Clone, Debug, PartialEq)]
pub enum Caveat {
    /// The run was stopped before all trials had run.
    Interrupted {
        /// Trials that ran.
        ran: usize,
        /// Trials that were planned.
        planned: usize,
    },
    /// Nothing that was measured of the contender can be used.
    Unmeasured {
        /// The cell.
        cell: String,
        /// The contender.
        contender: ContenderId,
    },
    /// A trial failed.
    Failed {
        /// The trial, as an index into [`Run::trials`].
        trial: usize,
        /// Why.
        reason: String,
    },
    /// A trial ran, but not all of its figures can be used.
    Invalid {
        /// The trial, as an index into [`Run::trials`].
        trial: usize,
        /// Why; empty when the file does not say.
        reason: Option<Warning>,
    },
    /// Deliveries were lost, doubled or out of order, or could not be counted.
    Incomplete {
        /// The cell.
        cell: String,
        /// The contender.
        contender: ContenderId,
    },
    /// Less was measured than the scenario asks for: [`Manifest::shortenings`] says what.
    ///
    /// [`Manifest::shortenings`]: crate::results::Manifest::shortenings
    Shortened,
    /// Trials are used, with a caveat.
    Warned {
        /// Those of a contender with a caveat of this kind, or of several with the very same, as
        /// indices into [`Run::trials`].
        trials: Vec<usize>,
        /// What it is in the first of them.
        warning: Warning,
    },
    /// Figures rest on so few trials that little tells how far they would move in the next.
    FewTrials {
        /// The cells in which it is so.
        cells: Vec<String>,
        /// The contenders with so few valid trials.
        contenders: Vec<ContenderId>,
    },
}

pub(super) fn rankings(cell: &Cell) -> Vec<Ranking> {
    RANKED
        .into_iter()
        .map(|metric| Ranking { metric, groups: groups(cell, metric) })
        .filter(|ranking| !ranking.groups.is_empty())
        .collect()
}

/// Memory per subscriber divides what a server takes for anyone at all, too. Below this growth in all, that
/// is most of it.
const LEAST_GROWTH_BYTES: f64 = 4.0 * 1024.0 * 1024.0;

/// Whether memory per subscriber says what a subscriber takes, of this contender.
fn carries_memory(cell: &Cell, of: &ContenderId) -> bool {
    let each = cell.figures(of).and_then(|of| of.estimate(Metric::ServerMemoryPerSubscriber));
    let growth = each.zip(cell.subscribers).map(|(each, of)| each.median * f64::from(of));
    growth.is_none_or(|growth| growth >= LEAST_GROWTH_BYTES)
}

fn groups(cell: &Cell, metric: Metric) -> Vec<Group> {
    let is_memory = metric == Metric::ServerMemoryPerSubscriber;
    let mut medians: Vec<_> = cell
        .contenders
        .iter()
        // A reference is no choice, unless there is no other.
        .filter(|figures| !figures.contender.is_reference() || cell.contenders.len() == 1)
        .filter(|figures| figures.carries(metric))
        .filter_map(|figures| Some((&figures.contender, figures.estimate(metric)?.median)))
        .collect();
    medians.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    if is_memory && !medians.iter().any(|(of, _)| carries_memory(cell, of)) {
        return Vec::new();
    }
    let mut groups: Vec<Group> = Vec::new();
    for (contender, median) in medians {
        // One that cannot be told from any member joins: better one group too few than a rank that
        // the next run takes back. Two that no block has both of cannot be told apart either.
        let differs = |other: &ContenderId| {
            // What a subscriber takes is at most the figure, so one that is small beside one that says it
            // is less for sure; of two that do not say it nobody knows.
            let is_said = || [contender, other].iter().any(|of| carries_memory(cell, of));
            (!is_memory || is_said())
                && cell
                    .ratio(metric, contender, other)
                    .is_some_and(|ratio| ratio.is_difference(metric))
        };
        match groups.last_mut() {
            Some(group) if !group.contenders.iter().all(differs) => {
                group.alike &= !group.contenders.iter().any(differs) && median < ALIKE * group.low;
                group.contenders.push(contender.clone());
                group.high = median;
            }
            _ => groups.push(Group {
                contenders: vec![contender.clone()],
                low: median,
                high: median,
                alike: true,
            }),
        }
    }
    groups
}

pub(super) fn caveats(run: &Run, cells: &[Cell]) -> Vec<Caveat> {
    let mut caveats = Vec::new();
    let planned = run.manifest.planned_trials as usize;
    if run.manifest.interrupted || run.measured() < planned {
        caveats.push(Caveat::Interrupted { ran: run.measured(), planned });
    }
    let figures = || cells.iter().flat_map(|cell| cell.contenders.iter().map(move |of| (cell, of)));
    caveats.extend(figures().filter(|(_, of)| of.estimates.is_empty()).map(|(cell, of)| {
        Caveat::Unmeasured { cell: cell.name.clone(), contender: of.contender.clone() }
    }));
    caveats.extend(run.trials.iter().enumerate().filter_map(|(trial, of)| match &of.outcome {
        Outcome::Failed { reason } => Some(Caveat::Failed { trial, reason: reason.clone() }),
        Outcome::Valid | Outcome::Invalid => None,
    }));
    caveats.extend(run.trials.iter().enumerate().filter_map(|(trial, of)| match of.outcome {
        Outcome::Invalid => {
            let reason = of.warnings.iter().find(|warning| warning.invalidates()).cloned();
            Some(Caveat::Invalid { trial, reason })
        }
        Outcome::Valid | Outcome::Failed { .. } => None,
    }));
    let incomplete = figures()
        .filter(|(_, of)| of.accounts.is_some_and(|accounts| !accounts.is_complete()))
        .map(|(cell, of)| Caveat::Incomplete {
            cell: cell.name.clone(),
            contender: of.contender.clone(),
        });
    caveats.extend(incomplete);
    caveats.extend((!run.manifest.shortenings.is_empty()).then_some(Caveat::Shortened));
    caveats.extend(warned(run));
    caveats.extend(few_trials(cells));
    caveats
}

/// Who has few trials; cells in which it is the same contenders are said together.
fn few_trials(cells: &[Cell]) -> Vec<Caveat> {
    let mut few: Vec<(Vec<ContenderId>, Vec<String>)> = Vec::new();
    for cell in cells {
        let of_few = cell.contenders.iter().filter(|of| (1..FEW).contains(&of.valid));
        let contenders: Vec<_> = of_few.map(|of| of.contender.clone()).collect();
        match few.iter_mut().find(|(others, _)| *others == contenders) {
            Some((_, names)) => names.push(cell.name.clone()),
            None => few.push((contenders, vec![cell.name.clone()])),
        }
    }
    few.retain(|(contenders, _)| !contenders.is_empty());
    few.into_iter().map(|(contenders, cells)| Caveat::FewTrials { cells, contenders }).collect()
}

/// The warnings of valid trials, so that one that keeps coming up is said once.
fn warned(run: &Run) -> Vec<Caveat> {
    let mut groups: Vec<(Vec<usize>, &Warning)> = Vec::new();
    for (trial, of) in run.trials.iter().enumerate().filter(|(_, of)| of.is_valid()) {
        for warning in &of.warnings {
            let is_alike = |(trials, other): &&mut (Vec<usize>, &Warning)| {
                let first = &run.trials[trials[0]];
                let same_kind = std::mem::discriminant(*other) == std::mem::discriminant(warning);
                let same_subject = (&first.cell, &first.contender) == (&of.cell, &of.contender);
                same_kind && same_subject || *other == warning
            };
            match groups.iter_mut().find(is_alike) {
                Some((trials, _)) => trials.push(trial),
                None => groups.push((vec![trial], warning)),
            }
        }
    }
    let caveat =
        |(trials, warning): (_, &Warning)| Caveat::Warned { trials, warning: warning.clone() };
    groups.into_iter().map(caveat).collect()
}

#[cfg(test)]
mod tests {
    use pushbench_wire::Transport;
    use pushbench_wire::Transport::{LongPolling, Polling, Sse, WebSocket};

    use super::*;
    use crate::analysis::{Ratio, analyse};
    use crate::results::{LatencyLog, fixture};

    fn grouped(metric: Metric, medians: &[(Transport, f64)]) -> Vec<Vec<Transport>> {
        let (mut run, _) = fixture::run();
        run.trials.retain(|trial| trial.block == 1);
        for trial in &mut run.trials {
            trial.values.remove(&metric);
            let median = medians.iter().find(|(contender, _)| trial.contender == *contender);
            trial.values.extend(median.map(|(_, value)| (metric, *value)));
        }
        let analysis = analyse(&run, &LatencyLog::default());
        let ranking = analysis.cells[0].rankings.iter().find(|ranking| ranking.metric == metric);
        ranking.map_or(Vec::new(), |ranking| {
            let transports =
                |group: &Group| group.contenders.iter().map(ContenderId::transport).collect();
            ranking.groups.iter().map(transports).collect()
        })
    }

    #[test]
    fn what_lies_within_the_noise_is_not_ranked() {
        let metric = Metric::ServerCpuPerDelivery;
        let medians = [(Polling, 500.0), (Sse, 104.0), (WebSocket, 100.0), (LongPolling, 300.0)];
        assert_eq!(
            grouped(metric, &medians),
            [vec![WebSocket, Sse], vec![LongPolling], vec![Polling]]
        );
        let chain = [(Polling, 100.0), (Sse, 108.0), (WebSocket, 116.0)];
        assert_eq!(grouped(metric, &chain), [[Polling, Sse, WebSocket]], "no step is sure");
    }

    #[test]
    fn a_chain_is_not_called_alike() {
        let (run, log) = fixture::run();
        let rankings = &analyse(&run, &log).cells[0].rankings;
        let of =
            |metric| &rankings.iter().find(|ranking| ranking.metric == metric).unwrap().groups[0];
        let memory = of(Metric::ServerMemoryPerSubscriber);
        assert_eq!((memory.contenders.len(), memory.alike), (4, false), "7.3 to 9.1 kB");
        let p50 = of(Metric::LatencyP50);
        assert_eq!(p50.contenders, [WebSocket, Sse]);
        assert!(p50.alike);
    }

    #[test]
    fn who_has_no_figure_is_not_ranked() {
        assert_eq!(grouped(Metric::LatencyP99, &[(Sse, 2.0)]), [[Sse]]);
        assert_eq!(grouped(Metric::LatencyP99, &[]), Vec::<Vec<Transport>>::new());
        assert_eq!(grouped(Metric::LatencyP99, &[(Sse, f64::NAN)]), Vec::<Vec<Transport>>::new());
    }

    #[test]
    fn memory_of_few_subscribers_is_not_ranked() {
        let (run, log) = fixture::run();
        let mut cell = analyse(&run, &log).cells.remove(0);
        let ranked = |cell: &Cell| !groups(cell, Metric::ServerMemoryPerSubscriber).is_empty();
        assert!(ranked(&cell), "nobody knows how many there were");
        cell.subscribers = Some(1_000);
        assert!(ranked(&cell), "7 MB and more");
        cell.subscribers = Some(200);
        assert!(!ranked(&cell), "1.5 MB, of which nobody knows what is for each");
        let sse = cell.contenders.iter_mut().find(|of| of.contender == Sse).unwrap();
        let memory = sse.estimates.get_mut(&Metric::ServerMemoryPerSubscriber).unwrap();
        memory.median = 100_000.0;
        for pair in &mut cell.ratios {
            if pair.metric == Metric::ServerMemoryPerSubscriber && pair.contender == Sse {
                pair.ratio = Ratio::of(&[(10.0, 1.0), (10.0, 1.0)]).unwrap();
            }
            if pair.metric == Metric::ServerMemoryPerSubscriber && pair.against == Sse {
                pair.ratio = Ratio::of(&[(1.0, 10.0), (1.0, 10.0)]).unwrap();
            }
        }
        let groups = groups(&cell, Metric::ServerMemoryPerSubscriber);
        let last: Vec<_> = groups.last().unwrap().contenders.iter().collect();
        assert_eq!((groups.len(), last[0].transport()), (2, Sse), "20 MB beside at most 1.8 MB");
    }

    #[test]
    fn every_shortcoming_surfaces_worst_first() {
        let (mut run, log) = fixture::run();
        run.manifest.interrupted = true;
        run.manifest.planned_trials = 12;
        run.trials[2].values.insert(Metric::Lost, 3.0);
        run.trials[1].outcome = Outcome::Invalid;
        let caveats = analyse(&run, &log).caveats;
        let base = || "base".to_owned();
        assert_eq!(
            caveats,
            [
                Caveat::Interrupted { ran: 8, planned: 12 },
                Caveat::Failed { trial: 7, reason: "the server was killed by signal 9".to_owned() },
                Caveat::Invalid { trial: 1, reason: None },
                Caveat::Invalid { trial: 5, reason: Some(Warning::CpuStolen { percent: 14.2 }) },
                Caveat::Incomplete { cell: base(), contender: Sse.into() },
                Caveat::Warned { trials: vec![0], warning: Warning::PublisherLate { p99_ms: 1.3 } },
                Caveat::FewTrials {
                    cells: vec![base()],
                    contenders: [Polling, Sse, WebSocket].map(ContenderId::from).to_vec()
                },
            ]
        );
    }

    #[test]
    fn what_keeps_coming_up_is_said_once() {
        let (mut run, log) = fixture::run();
        let few = || Warning::TooFewSamples { delivered: 400, needed: 5_000 };
        run.trials[0].warnings = vec![Warning::PublisherLate { p99_ms: 1.3 }, few()];
        run.trials[2].warnings = vec![few()];
        run.trials[4].warnings = vec![Warning::PublisherLate { p99_ms: 1.7 }];
        run.trials[6].warnings = vec![Warning::PublisherLate { p99_ms: 2.0 }];
        let warned: Vec<_> = analyse(&run, &log)
            .caveats
            .into_iter()
            .filter_map(|caveat| match caveat {
                Caveat::Warned { trials, .. } => Some(trials),
                _ => None,
            })
            .collect();
        assert_eq!(warned, [vec![0, 4], vec![0, 2], vec![6]]);
    }
}
