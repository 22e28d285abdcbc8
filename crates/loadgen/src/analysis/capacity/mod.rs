//! The search for the largest load that meets the objectives: which load to try next, and what was
//! found. Both follow from the trials so far, so a stored search is concluded as a live one was.
//!
//! The load is doubled while it meets the objectives, or halved until it does; then the gap between
//! the two is halved, as a ratio, until it is [`TOLERANCE`] wide or one subscriber. What was found
//! is measured again on fresh servers, and lowered until it holds.

mod answer;
mod conclusion;

pub use answer::answer;
pub use conclusion::{Conclusion, conclude, latency, of_search, server_cores};

use crate::results::capacity::{Answer, Obstacle, Purpose};
use crate::scenario::LoadAxis;

/// How far apart, as a ratio, a load that meets the objectives and one that does not may lie.
pub const TOLERANCE: f64 = 1.05;

/// How often a load must meet the objectives to be found, the first time included.
pub const PLATEAU: u32 = 3;

/// By what a load is lowered that did not hold.
const STEP_DOWN: f64 = 0.95;

/// How often it is lowered: further down it is no longer the load that was found.
const MAX_STEPS: u32 = 8;

/// So many trials that failed, and no other, are enough to give up: it is not the load.
const HOPELESS: usize = 3;

/// The most trials of one search.
const MAX_TRIALS: usize = 80;

/// What a search is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// What is varied.
    pub varied: LoadAxis,
    /// Where it begins; from `least` to `most`.
    pub start: f64,
    /// The least load that may be tried.
    pub least: f64,
    /// The greatest load that may be tried.
    pub most: f64,
}

/// A load that was tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tried {
    /// The load.
    pub load: f64,
    /// What it was tried for.
    pub purpose: Purpose,
    /// What came of it.
    pub answer: Answer,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// A trial.
    Measure {
        /// Of this load.
        load: f64,
        /// To this end.
        purpose: Purpose,
    },
    /// Nothing.
    Done(Found),
}

/// What a search has found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found {
    /// The objectives are met, again and again.
    Capacity {
        /// Up to this load.
        load: f64,
        /// Why not beyond.
        limit: Limit,
    },
    /// Not even the least load meets the objectives.
    Nothing,
    /// Nobody knows.
    Untrusted {
        /// What stood in the way; none when no load kept meeting the objectives.
        obstacle: Option<Obstacle>,
    },
    /// Not one trial ran to its end.
    Failed,
}

/// Why a capacity is not greater. Only a miss makes it the server's; else it is a bound from below.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// The server missed the objectives.
    Missed {
        /// At this load.
        at: f64,
    },
    /// Nobody can tell.
    Unknown {
        /// At this load.
        at: f64,
        /// Because of this.
        obstacle: Obstacle,
    },
    /// More may not be tried.
    Most,
}

/// What the trials of one load say together.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Settled {
    Met,
    Missed,
    Unknown(Obstacle),
    /// It takes another trial.
    Open,
}

/// What to do after these trials.
#[must_use]
pub fn next(question: &Question, tried: &[Tried]) -> Step {
    let failed = tried.iter().filter(|of| of.answer == Answer::Failed).count();
    if failed == tried.len() && failed >= HOPELESS {
        return Step::Done(Found::Failed);
    }
    match step(question, tried) {
        Step::Measure { .. } if tried.len() >= MAX_TRIALS => {
            Step::Done(Found::Untrusted { obstacle: None })
        }
        step => step,
    }
}

fn step(question: &Question, tried: &[Tried]) -> Step {
    let Bracket { open, low, high } = Bracket::of(tried);
    let search = |load| Step::Measure { load, purpose: Purpose::Search };
    let Question { varied, start, least, most } = *question;
    if let Some(load) = open {
        return search(load);
    }
    match (low, high) {
        (None, None) => search(start),
        (Some(low), None) if low >= most => confirm(question, low, Limit::Most, tried),
        (Some(low), None) => search(varied.round(low * 2.0).min(most)),
        (None, Some((high, limit))) if high <= least || !lower_helps(limit) => {
            Step::Done(nothing(limit))
        }
        (None, Some((high, _))) => search(varied.round(high / 2.0).max(least)),
        (Some(low), Some((high, limit))) => match between(varied, low, high) {
            Some(middle) => search(middle),
            None => confirm(question, low, limit, tried),
        },
    }
}

/// Roughly how many trials are still to come, for telling the time left.
#[must_use]
pub fn remaining(question: &Question, tried: &[Tried]) -> u32 {
    /// Doublings that nobody can foresee.
    const DOUBLINGS: u32 = 2;
    let halvings = |ratio: f64| (ratio.ln() / TOLERANCE.ln()).log2().ceil().max(0.0) as u32;
    match next(question, tried) {
        Step::Done(_) => 0,
        Step::Measure { purpose: Purpose::Confirm, .. } => {
            let confirmed = tried.iter().filter(|of| of.purpose == Purpose::Confirm).count();
            (PLATEAU - 1).saturating_sub(confirmed as u32).max(1)
        }
        Step::Measure { purpose: Purpose::Search, .. } => {
            let Bracket { low, high, .. } = Bracket::of(tried);
            let to_find = match (low, high) {
                (Some(low), Some((high, _))) => halvings(high / low),
                _ => DOUBLINGS + halvings(2.0),
            };
            to_find + PLATEAU - 1
        }
    }
}

/// What is known of a search that goes on: the largest load that met the objectives, and the least
/// that did not.
#[must_use]
pub fn so_far(tried: &[Tried]) -> (Option<f64>, Option<f64>) {
    let Bracket { low, high, .. } = Bracket::of(tried);
    (low, high.map(|(load, _)| load))
}

/// Between which loads the answer lies. Every load that is searched lies within the bracket before
/// it, so what met the objectives is always below what did not.
#[derive(Default)]
struct Bracket {
    /// A load that takes another trial.
    open: Option<f64>,
    low: Option<f64>,
    high: Option<(f64, Limit)>,
}

impl Bracket {
    fn of(tried: &[Tried]) -> Self {
        let mut bracket = Self::default();
        let searched: Vec<&Tried> =
            tried.iter().filter(|of| of.purpose == Purpose::Search).collect();
        for trials in searched.chunk_by(|one, next| one.load == next.load) {
            let at = trials[0].load;
            match settle(trials.iter().map(|of| of.answer)) {
                Settled::Met => bracket.low = Some(at),
                Settled::Missed => bracket.high = Some((at, Limit::Missed { at })),
                Settled::Unknown(obstacle) => {
                    bracket.high = Some((at, Limit::Unknown { at, obstacle }));
                }
                Settled::Open => bracket.open = Some(at),
            }
        }
        bracket
    }
}

/// A load between two others; none when they are close enough.
fn between(varied: LoadAxis, low: f64, high: f64) -> Option<f64> {
    let middle = varied.round((low * high).sqrt());
    let is_close = high <= low * TOLERANCE;
    (!is_close && middle > low && middle < high).then_some(middle)
}

/// How often a trial is repeated that says nothing. A generator without CPU has none the next time
/// either; a machine may be quiet again.
const fn repeats(obstacle: Obstacle) -> u32 {
    match obstacle {
        Obstacle::Machine => 2,
        Obstacle::Generator | Obstacle::Unmeasured => 1,
    }
}

/// One miss that may be an accident is tried again, and so is a crash: the majority of three counts.
fn settle(answers: impl Iterator<Item = Answer>) -> Settled {
    let (mut met, mut missed, mut unknown) = (0, 0, 0);
    let mut last = None;
    for answer in answers {
        match answer {
            Answer::Met => met += 1,
            Answer::Missed { certain: true, .. } => return Settled::Missed,
            Answer::Missed { certain: false, .. } | Answer::Failed => missed += 1,
            Answer::Unknown { obstacle } => {
                unknown += 1;
                last = Some(obstacle);
            }
        }
    }
    match last {
        _ if missed >= 2 => Settled::Missed,
        _ if met > missed => Settled::Met,
        // What could be told of it speaks against it.
        Some(obstacle) if unknown > repeats(obstacle) && missed > 0 => Settled::Missed,
        Some(obstacle) if unknown > repeats(obstacle) => Settled::Unknown(obstacle),
        _ => Settled::Open,
    }
}

/// Measures what was found again. Here a single miss is enough to lower it: a load that meets the
/// objectives only most of the time is beyond capacity.
fn confirm(question: &Question, found: f64, limit: Limit, tried: &[Tried]) -> Step {
    let Question { varied, least, .. } = *question;
    let (mut load, mut limit) = (found, limit);
    // It has met them once.
    let mut needed = PLATEAU - 1;
    for _ in 0..=MAX_STEPS {
        let here = tried.iter().filter(|of| of.purpose == Purpose::Confirm && of.load == load);
        let (mut met, mut unknown) = (0, 0);
        let mut lowered_by = None;
        for of in here {
            match of.answer {
                Answer::Met => met += 1,
                Answer::Missed { .. } | Answer::Failed => {
                    lowered_by = Some(Limit::Missed { at: load });
                }
                Answer::Unknown { obstacle } => {
                    unknown += 1;
                    if unknown > repeats(obstacle) {
                        lowered_by = Some(Limit::Unknown { at: load, obstacle });
                    }
                }
            }
        }
        let Some(by) = lowered_by else {
            return match met >= needed {
                true => Step::Done(Found::Capacity { load, limit }),
                false => Step::Measure { load, purpose: Purpose::Confirm },
            };
        };
        limit = by;
        if !lower_helps(limit) {
            return Step::Done(nothing(limit));
        }
        needed = PLATEAU;
        let lower = varied.round(load * STEP_DOWN);
        let lower = if lower < load { lower } else { load - 1.0 };
        if lower < least {
            return Step::Done(nothing(limit));
        }
        load = lower;
    }
    match nothing(limit) {
        Found::Nothing => Step::Done(Found::Untrusted { obstacle: None }),
        found => Step::Done(found),
    }
}

/// Whether a lower load may tell what this one did not: the generator has less to do then. A busy
/// machine is as busy, and there are fewer deliveries still.
fn lower_helps(limit: Limit) -> bool {
    match limit {
        Limit::Unknown { obstacle, .. } => obstacle == Obstacle::Generator,
        Limit::Missed { .. } | Limit::Most => true,
    }
}

/// What it means that there is no load left below this limit.
fn nothing(limit: Limit) -> Found {
    match limit {
        Limit::Unknown { obstacle, .. } => Found::Untrusted { obstacle: Some(obstacle) },
        Limit::Missed { .. } | Limit::Most => Found::Nothing,
    }
}

#[cfg(test)]
mod tests;
