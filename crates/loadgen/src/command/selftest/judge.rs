//! Whether what was measured is what was claimed. It is pure: it knows no server and no clock, and
//! it is what a wrong figure must not get past.

use super::truth;
use crate::analysis::{Accounts, Estimate};
use crate::document::deliveries::shortfall;
use crate::document::format;
use crate::results::Metric;

/// A claim, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// Of what: a contender or a metric.
    pub(super) subject: String,
    /// What should have been measured.
    pub(super) claimed: String,
    /// What was, if there is a figure.
    pub(super) measured: Option<String>,
    /// Whether that agrees.
    pub(super) verdict: Verdict,
    /// Why there is no figure.
    pub(super) reason: Option<String>,
}

/// Whether a claim holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does.
    Pass,
    /// It does not.
    Fail,
    /// The machine was too busy to tell.
    Untrusted,
}

impl Verdict {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Untrusted => "not measured",
        }
    }
}

/// Why there is no figure to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A trial could not be run to its end, or has no such figure.
    Failed(String),
    /// Trials were not valid, not even when they were repeated.
    Untrusted(String),
}

/// What is claimed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Claim {
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
pub(super) enum Measured {
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
    pub(super) fn judge(
        &self,
        subject: impl Into<String>,
        measured: Result<Measured, Trouble>,
    ) -> Finding {
        let verdict = match &measured {
            Ok(measured) if self.agrees_with(measured) => Verdict::Pass,
            Ok(_) | Err(Trouble::Failed(_)) => Verdict::Fail,
            Err(Trouble::Untrusted(_)) => Verdict::Untrusted,
        };
        let (measured, reason) = match measured {
            Ok(measured) => (Some(self.show(&measured)), None),
            Err(Trouble::Failed(reason) | Trouble::Untrusted(reason)) => (None, Some(reason)),
        };
        Finding { subject: subject.into(), claimed: self.to_string(), measured, verdict, reason }
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

    fn show(&self, measured: &Measured) -> String {
        match measured {
            Measured::Figure(Estimate { median, interval, .. }) => {
                let (value, low_to_high) = match self {
                    Self::Near { metric, .. } => (
                        format::of(*metric, Some(*median)),
                        interval.map(|of| format::bare_range(*metric, *median, of.low, of.high)),
                    ),
                    _ => (
                        percent(*median),
                        interval.map(|of| format!("{}–{}", percent(of.low), percent(of.high))),
                    ),
                };
                match low_to_high {
                    Some(range) if !range.is_empty() => format!("{value} ({range})"),
                    _ => value,
                }
            }
            Measured::Account(account) => shortfall(*account),
            Measured::Misses(misses) => misses.to_string(),
        }
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Near { metric, value, within } => {
                let show = |value| format::of(*metric, Some(value));
                write!(f, "{} ± {}", show(*value), show(*within))
            }
            Self::Below(limit) => write!(f, "below {}", percent(*limit)),
            Self::Exactly(account) => f.write_str(&shortfall(*account)),
            Self::AtMost { misses, comparisons, level } => {
                write!(f, "at most {misses} of {comparisons} at {}", percent(*level))
            }
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(claim: &Claim, measured: Measured) -> Verdict {
        claim.judge("x", Ok(measured)).verdict
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
    fn a_finding_shows_claim_and_figure() {
        let claim = Claim::Near { metric: Metric::LatencyP50, value: 5e6, within: 450e3 };
        let finding = claim.judge("SSE", Ok(figure(&[5.05e6, 5.1e6, 5.02e6])));
        assert_eq!((&finding.claimed[..], &finding.subject[..]), ("5.00 ms ± 450 µs", "SSE"));
        assert_eq!(finding.measured.as_deref(), Some("5.05 ms (5.02–5.10)"));
        let share = Claim::Below(0.03).judge("x", Ok(figure(&[0.0123])));
        assert_eq!(share.claimed, "below 3.00 %");
        assert_eq!(share.measured.as_deref(), Some("1.23 %"));
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
        let failed = claim.judge("x", Err(Trouble::Failed("it died".into())));
        assert_eq!((failed.verdict, failed.measured), (Verdict::Fail, None));
        assert_eq!(failed.reason.as_deref(), Some("it died"));
        let untrusted = claim.judge("x", Err(Trouble::Untrusted("stolen".into())));
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
        assert_eq!(claim.to_string(), "at most 15 of 100 at 93.75 %");
        assert_eq!(verdict(&claim, Measured::Misses(15)), Verdict::Pass);
        assert_eq!(verdict(&claim, Measured::Misses(16)), Verdict::Fail);
    }
}
