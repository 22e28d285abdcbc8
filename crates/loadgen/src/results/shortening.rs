//! What was measured less than a scenario asks, so that it ended in time.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::setting::Setting;

/// One part of a scenario that was cut down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortening {
    /// What was cut down.
    pub part: Part,
    /// What the scenario asks for, as text: "5", "10s".
    pub asked: String,
    /// What there was instead; empty when it was left out.
    pub measured: Option<String>,
}

/// What can be cut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// How often every contender is measured.
    Blocks,
    /// The measured time of a trial.
    Duration,
    /// The time before that in which events flow unmeasured.
    WarmUp,
    /// The time before that in which nothing is published.
    Idle,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Blocks => "Blocks",
            Self::Duration => "Measured time of a trial",
            Self::WarmUp => "Warm-up",
            Self::Idle => "Idle phase",
        }
    }
}

impl fmt::Display for Shortening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.part {
            Part::Blocks => "blocks",
            Part::Duration => "of measured time",
            Part::WarmUp => "of warm-up",
            Part::Idle => "of idle phase",
        };
        let measured = self.measured.as_deref().unwrap_or("none");
        write!(f, "{measured} instead of {} {what}", self.asked)
    }
}

impl Shortening {
    /// The share of the measured time that was kept, if this is about it.
    #[must_use]
    pub fn share_of_duration(&self) -> Option<f64> {
        let length = |text: &str| humantime::parse_duration(text).ok();
        let asked = length(&self.asked).filter(|asked| !asked.is_zero())?;
        let measured = length(self.measured.as_deref()?)?;
        (self.part == Part::Duration).then(|| measured.div_duration_f64(asked))
    }

    /// The same as a setting, which both sides had alike.
    #[must_use]
    pub fn setting(&self) -> Setting {
        let both = match &self.measured {
            Some(measured) => format!("{measured} instead of {}", self.asked),
            None => "left out: nothing that is judged is about it".to_owned(),
        };
        let name = self.part.name().to_owned();
        Setting { name, server: Some(both.clone()), subscribers: both }
    }
}
