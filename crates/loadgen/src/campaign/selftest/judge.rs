//! Whether what was measured is what was claimed. It is pure: it knows no server and no clock, and
//! it is what a wrong figure must not get past.

use pushbench_wire::Transport;

use super::truth;
use crate::analysis::{Accounts, Estimate};
use crate::results::Metric;

/// A claim, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    /// Of what.
    pub(crate) subject: Subject,
    /// What should have been measured.
    pub(crate) claim: Claim,
    /// What was, or why there is no figure.
    pub(crate) measured: Result<Measured, Trouble>,
    /// Whether that agrees.
    pub(crate) verdict: Verdict,
}

/// What a claim is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A contender.
    Contender(Transport),
    /// A metric, whatever the contender.
    Metric(Metric),
}

/// Whether a claim holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It does.
    Pass,
    /// It does not.
    Fail,
    /// The machine was too busy to tell.
    Untrusted,
}

/// Why there is no figure to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A trial could not be run to its end, or has no such figure.
    Failed(String),
    /// Trials were not valid, not even when they were repeated.
    Untrusted(String),
}

/// What is claimed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Claim {
    /// A value of `metric`, and how far the measured one may be from it.
    Near { metric: Metric, value: f64, within: f64 },
    /// A share of 1 that is less than this.
    Below(f64),
    /// This very account of all deliveries.
    Exactly(Accounts),
    /// At most so many of the comparisons call two alike things different, by intervals of this
    /// level.
    AtMost { misses: u32, comparisons: u32, level: f64 },
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Measured {
    /// A figure over blocks, for [`Claim::Near`] and [`Claim::Below`].
    Figure(Estimate),
    /// For [`Claim::Exactly`].
    Account(Accounts),
    /// For [`Claim::AtMost`].
    Misses(u32),
}

impl Claim {
    /// That a thing compared with itself is rarely called different.
    pub(super) fn alike(comparisons: u32, level: f64) -> Self {
        let misses = truth::most_misses(comparisons, level);
        Self::AtMost { misses, comparisons, level }
    }

    /// Judges what was measured of `subject`.
    pub(super) fn judge(&self, subject: Subject, measured: Result<Measured, Trouble>) -> Finding {
        let verdict = match &measured {
            Ok(measured) if self.agrees_with(measured) => Verdict::Pass,
            Ok(_) | Err(Trouble::Failed(_)) => Verdict::Fail,
            Err(Trouble::Untrusted(_)) => Verdict::Untrusted,
        };
        Finding { subject, claim: self.clone(), measured, verdict }
    }

    fn agrees_with(&self, measured: &Measured) -> bool {
        match (self, measured) {
            (Self::Near { value, within, .. }, Measured::Figure(figure)) => {
                (figure.median - value).abs() <= *within
            }
            (Self::Below(limit), Measured::Figure(figure)) => figure.median < *limit,
            (Self::Exactly(account), Measured::Account(found)) => account == found,
            (Self::AtMost { misses, .. }, Measured::Misses(found)) => found <= misses,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Subject = Subject::Contender(Transport::Sse);

    fn verdict(claim: &Claim, measured: Measured) -> Verdict {
        claim.judge(SUBJECT, Ok(measured)).verdict
    }

    fn figure(values: &[f64]) -> Measured {
        Measured::Figure(Estimate::of(values).unwrap())
    }

    #[test]
    fn a_figure_passes_only_within_its_tolerance() {
        let claim = Claim::Near { metric: Metric::LatencyP50, value: 5e6, within: 450e3 };
        for (measured, expected) in [
            (5e6, Verdict::Pass),
            (5.45e6, Verdict::Pass),
            (4.55e6, Verdict::Pass),
            (5.46e6, Verdict::Fail),
            (4.54e6, Verdict::Fail),
            (0.0, Verdict::Fail),
            (-5e6, Verdict::Fail),
        ] {
            assert_eq!(verdict(&claim, figure(&[measured])), expected, "{measured}");
        }
        assert_eq!(verdict(&claim, Measured::Misses(5)), Verdict::Fail, "not even a time");
    }

    #[test]
    fn a_share_passes_below_its_limit() {
        assert_eq!(verdict(&Claim::Below(0.03), figure(&[0.0299])), Verdict::Pass);
        assert_eq!(verdict(&Claim::Below(0.03), figure(&[0.03])), Verdict::Fail);
        assert_eq!(verdict(&Claim::Below(0.03), figure(&[-0.2])), Verdict::Pass);
    }

    #[test]
    fn without_a_figure_nothing_passes() {
        let claim = Claim::alike(9, 0.5);
        let failed = claim.judge(SUBJECT, Err(Trouble::Failed("it died".into())));
        assert_eq!(failed.verdict, Verdict::Fail);
        let untrusted = claim.judge(SUBJECT, Err(Trouble::Untrusted("stolen".into())));
        assert_eq!(untrusted.verdict, Verdict::Untrusted);
    }

    #[test]
    fn an_account_passes_only_if_every_count_is_exact() {
        let exact = Accounts {
            expected: Some(2_000.0),
            delivered: Some(1_700.0),
            lost: Some(300.0),
            duplicated: Some(0.0),
            reordered: Some(0.0),
            lagged: Some(0.0),
        };
        let claim = Claim::Exactly(exact);
        assert_eq!(verdict(&claim, Measured::Account(exact)), Verdict::Pass);
        let wrong = [
            Accounts { lost: Some(299.0), ..exact },
            Accounts { delivered: Some(1_701.0), ..exact },
            Accounts { duplicated: Some(1.0), ..exact },
            Accounts { reordered: Some(1.0), ..exact },
            Accounts { lagged: Some(1.0), ..exact },
            Accounts { expected: Some(1_999.0), ..exact },
            Accounts { lost: None, ..exact },
            Accounts { delivered: Some(2_000.0), lost: Some(0.0), ..exact },
            Accounts::default(),
        ];
        for account in wrong {
            assert_eq!(verdict(&claim, Measured::Account(account)), Verdict::Fail, "{account:?}");
        }
    }

    #[test]
    fn one_miss_more_than_luck_fails() {
        let claim = Claim::alike(100, 0.9375);
        assert_eq!(verdict(&claim, Measured::Misses(15)), Verdict::Pass);
        assert_eq!(verdict(&claim, Measured::Misses(16)), Verdict::Fail);
    }
}
