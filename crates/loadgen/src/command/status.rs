//! How a command ended, for whoever started it.

use super::{AlreadyExists, Unusable};
use crate::scenario::ScenarioError;

/// How a command ended. The order is from best to worst: several runs end as the worst of them does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitStatus {
    /// All is well.
    Complete,
    /// The measurement cannot be trusted, or does not suffice to judge what was asked for.
    Untrusted,
    /// Deliveries were lost, duplicated or out of order.
    DeliveryErrors,
    /// A threshold is crossed, or a regression is confirmed.
    Exceeded,
    /// The tool, a trial or a check failed. What was measured before is kept.
    Failed,
    /// The command line or a scenario is wrong. Nothing was measured.
    WrongUsage,
    /// The user stopped it. What was measured before is kept.
    Interrupted,
}

impl ExitStatus {
    /// Every one of them, with its code and what that means.
    pub const CODES: [(u8, &'static str); 6] = [
        (0, "success"),
        (
            1,
            "pushbench, a trial or a check failed, or deliveries were lost, duplicated or reordered",
        ),
        (2, "wrong usage or a bad scenario"),
        (3, "the measurement cannot be trusted"),
        (
            99,
            "a threshold was crossed, a regression confirmed, or nothing meets what a guide was asked",
        ),
        (130, "interrupted"),
    ];

    /// The exit code of the process.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Failed | Self::DeliveryErrors => 1,
            Self::WrongUsage => 2,
            Self::Untrusted => 3,
            // As k6 has it.
            Self::Exceeded => 99,
            // As shells have it for SIGINT.
            Self::Interrupted => 130,
        }
    }

    /// That of a command that gave up with `error`.
    #[must_use]
    pub fn of_error(error: &anyhow::Error) -> Self {
        let is_users =
            error.is::<ScenarioError>() || error.is::<AlreadyExists>() || error.is::<Unusable>();
        if is_users { Self::WrongUsage } else { Self::Failed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained() {
        use ExitStatus::{
            Complete, DeliveryErrors, Exceeded, Failed, Interrupted, Untrusted, WrongUsage,
        };
        let all = [Complete, Untrusted, DeliveryErrors, Exceeded, Failed, WrongUsage, Interrupted];
        assert!(all.is_sorted(), "from best to worst");
        assert_eq!(all.map(ExitStatus::code), [0, 3, 1, 99, 1, 2, 130]);
        for status in all {
            assert!(ExitStatus::CODES.iter().any(|(code, _)| *code == status.code()), "{status:?}");
        }
    }

    #[test]
    fn a_mistake_of_the_user_is_told_from_other_errors() {
        let unusable = anyhow::Error::from(Unusable("no such build".to_owned()));
        assert_eq!(ExitStatus::of_error(&unusable), ExitStatus::WrongUsage);
        let in_context = unusable.context("while reading the command line");
        assert_eq!(ExitStatus::of_error(&in_context), ExitStatus::WrongUsage);
        let other = anyhow::anyhow!("the disk is full");
        assert_eq!(ExitStatus::of_error(&other), ExitStatus::Failed);
    }
}
