//! A scenario under another load: the same file with another number of subscribers or another event
//! rate in it, which passes the same checks as any other.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::checked;
use super::error::{Problem, Problems};
use super::file::schema;
use super::{Scenario, ScenarioError, Workload};

/// Which part of a load is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadAxis {
    /// The number of subscribers.
    Subscribers,
    /// The events per second of each channel, or of each subscriber where they alone send.
    Rate,
}

impl LoadAxis {
    /// Everything that can be varied.
    pub const ALL: [Self; 2] = [Self::Subscribers, Self::Rate];

    /// The name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Subscribers => "subscribers",
            Self::Rate => "rate",
        }
    }

    /// How much of it a workload has.
    #[must_use]
    pub fn of(self, workload: &Workload) -> f64 {
        match self {
            Self::Subscribers => f64::from(workload.subscribers),
            Self::Rate => match (workload.events_per_second, &workload.upstream) {
                (0.0, Some(upstream)) => upstream.events_per_second,
                (rate, _) => rate,
            },
        }
    }

    /// The nearest load that people would write: whole subscribers, three digits of a rate.
    #[must_use]
    pub fn round(self, load: f64) -> f64 {
        match self {
            Self::Subscribers => load.round(),
            Self::Rate if load > 0.0 => {
                let unit = 10_f64.powf(load.log10().floor() - 2.0);
                // Of a unit below 1 the inverse is exact, and gives the number that people write.
                if unit < 1.0 {
                    (load * unit.recip().round()).round() / unit.recip().round()
                } else {
                    (load / unit).round() * unit
                }
            }
            Self::Rate => load,
        }
    }

    /// The key that it has in `[workload]`.
    const fn key(self) -> &'static str {
        match self {
            Self::Subscribers => "subscribers",
            Self::Rate => "events_per_second",
        }
    }
}

/// The name of no load axis.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` cannot be varied; expected `subscribers` or `rate`")]
pub struct UnknownLoadAxis(String);

impl std::str::FromStr for LoadAxis {
    type Err = UnknownLoadAxis;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|axis| axis.name() == name);
        found.ok_or_else(|| UnknownLoadAxis(name.to_owned()))
    }
}

impl Scenario {
    /// The scenario that `text` holds, with another load and, if one is given, another `duration`.
    ///
    /// # Errors
    /// When that is no scenario: the load is beyond what a scenario may ask, or contradicts the rest.
    pub fn under(
        text: &str,
        axis: LoadAxis,
        load: f64,
        duration: Option<Duration>,
    ) -> Result<Self, ScenarioError> {
        under(text, axis, load, duration)
            .map_err(|problems| ScenarioError::Invalid { path: "the scenario".into(), problems })
    }
}

fn under(
    text: &str,
    axis: LoadAxis,
    load: f64,
    duration: Option<Duration>,
) -> Result<Scenario, Vec<Problem>> {
    // `{:?}` keeps the point of a rate that is whole.
    let load = match axis {
        LoadAxis::Subscribers => format!("{load}"),
        LoadAxis::Rate => format!("{load:?}"),
    };
    let mut changes = format!("{} = {load}\n", axis.key());
    if let Some(duration) = duration {
        changes += &format!("duration = \"{}ms\"\n", duration.as_millis());
    }
    let mut problems = Problems::new(text);
    let mut table = DeTable::parse(text).map_err(|error| problems.only(&error))?;
    let changes = DeTable::parse(&changes).map_err(|error| problems.only(&error))?;
    if let Some(DeValue::Table(workload)) =
        table.get_mut().get_mut("workload").map(Spanned::get_mut)
    {
        let only_upstream = !workload.contains_key("events_per_second");
        for (key, value) in changes.into_inner() {
            let upstream = workload.get_mut("upstream").map(Spanned::get_mut);
            match upstream {
                Some(DeValue::Table(upstream))
                    if only_upstream && key.get_ref() == LoadAxis::Rate.key() =>
                {
                    upstream.insert(key, value);
                }
                _ => {
                    workload.insert(key, value);
                }
            }
        }
    }
    checked(table, &schema(), &mut problems)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::template::TEMPLATE;

    #[test]
    fn only_the_load_differs() {
        let base = Scenario::parse(TEMPLATE, "").unwrap();
        let more = Scenario::under(TEMPLATE, LoadAxis::Subscribers, 350.0, None).unwrap();
        let mut expected = base.clone();
        expected.workload.subscribers = 350;
        assert_eq!(more, expected);

        let duration = Duration::from_millis(12_500);
        let faster = Scenario::under(TEMPLATE, LoadAxis::Rate, 40.0, Some(duration)).unwrap();
        let mut expected = base;
        (expected.workload.events_per_second, expected.workload.duration) = (40.0, duration);
        assert_eq!(faster, expected);
    }

    #[test]
    fn what_a_scenario_may_not_ask_is_refused_in_words() {
        let text = TEMPLATE.replace("channels = 1 ", "channels = 20 ");
        let refused =
            |varied, load| Scenario::under(&text, varied, load, None).unwrap_err().to_string();
        let few = refused(LoadAxis::Subscribers, 19.0);
        assert!(few.contains("`channels` must be at most `subscribers` (19)"), "{few}");
        let many = refused(LoadAxis::Subscribers, 2e6);
        assert!(many.contains("`subscribers` must be at most 1000000"), "{many}");
        let fast = refused(LoadAxis::Rate, 60_000.0);
        assert!(fast.contains("more than the 1000000 per second"), "{fast}");
    }

    #[test]
    fn loads_are_numbers_that_people_write() {
        for (varied, load, rounded) in [
            (LoadAxis::Subscribers, 94.6, 95.0),
            (LoadAxis::Rate, 38.846, 38.8),
            (LoadAxis::Rate, 0.123_456, 0.123),
            (LoadAxis::Rate, 123_456.0, 123_000.0),
            (LoadAxis::Rate, 10.0, 10.0),
            (LoadAxis::Rate, 0.1, 0.1),
        ] {
            assert_eq!(varied.round(load), rounded);
        }
    }

    #[test]
    fn names_read_back() {
        for varied in LoadAxis::ALL {
            assert_eq!(varied.name().parse::<LoadAxis>().unwrap(), varied);
            assert_eq!(serde_json::to_value(varied).unwrap(), varied.name());
        }
        assert!("payload".parse::<LoadAxis>().unwrap_err().to_string().contains("subscribers"));
    }

    proptest! {
        #[test]
        fn rounding_changes_little_and_only_once(load in 1e-4..1e6_f64) {
            let rounded = LoadAxis::Rate.round(load);
            prop_assert!((rounded / load - 1.0).abs() < 0.006, "{load} -> {rounded}");
            prop_assert_eq!(LoadAxis::Rate.round(rounded), rounded);
        }

        #[test]
        fn any_load_is_read_without_panic(load in any::<f64>(), ms in any::<u32>()) {
            for varied in LoadAxis::ALL {
                let duration = Some(Duration::from_millis(u64::from(ms)));
                if let Ok(scenario) = Scenario::under(TEMPLATE, varied, load, duration) {
                    prop_assert_eq!(varied.of(&scenario.workload), load);
                }
            }
        }
    }
}
