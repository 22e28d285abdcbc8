//! Whether the values of a file make a scenario, each alone and all together. What passes is
//! valid by construction: nobody checks it again.

use std::ops::RangeInclusive;
use std::time::Duration;

use humantime::format_duration;
use toml::Spanned;

use super::error::{Problems, quoted};
use super::file::{HOUR, MAX_BLOCKS, MAX_POLLING_INTERVAL, ScenarioFile, TICK};
use super::{ContenderId, Scenario, duration, gates, lineup, literature, thresholds};

/// The scenario of a file whose values are all right alone. Where one is not, that is noted, and
/// the scenario must not be used.
pub(super) fn scenario(file: &ScenarioFile, problems: &mut Problems<'_>) -> Scenario {
    let mut values = Values { problems };
    let contenders = lineup::contenders(file, &mut values);
    let ids: Vec<ContenderId> = contenders.iter().map(|contender| contender.id.clone()).collect();
    Scenario {
        name: values.name(&file.name, "it names the results folder"),
        description: values.description(&file.description),
        blocks: values.count("blocks", &file.blocks, 1..=MAX_BLOCKS, ""),
        seed: values.seed(&file.seed),
        workload: values.workload(&file.workload),
        thresholds: thresholds::parse(&file.thresholds, &ids, values.problems),
        objectives: thresholds::parse(&file.objectives, &ids, values.problems),
        gates: gates::parse(&file.gates, values.problems),
        sweep: Vec::new(),
        published: literature::parse(&file.published, &ids, values.problems),
        contenders,
    }
}

pub(super) struct Values<'a, 't> {
    pub(super) problems: &'a mut Problems<'t>,
}

impl Values<'_, '_> {
    /// `why` ends the message: what the name is for.
    pub(super) fn name(&mut self, name: &Spanned<String>, why: &str) -> String {
        let text = name.get_ref();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let right = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.len() <= 64
            && text.chars().all(allowed);
        if !right {
            self.problems.at(
                name.span(),
                format!(
                    "`name` must be 1 to 64 letters, digits, `.`, `_` or `-`, the first a letter \
                     or digit, found {}: {why}",
                    quoted(text)
                ),
            );
        }
        text.clone()
    }

    fn description(&mut self, description: &Spanned<String>) -> String {
        let text = description.get_ref().trim();
        if text.is_empty() {
            self.problems.at(
                description.span(),
                "`description` must not be empty: say whose problem this scenario is".to_owned(),
            );
        }
        text.to_owned()
    }

    fn seed(&mut self, seed: &Spanned<i64>) -> u64 {
        u64::try_from(*seed.get_ref()).unwrap_or_else(|_| {
            self.problems
                .at(seed.span(), format!("`seed` must be at least 0, found {}", seed.get_ref()));
            0
        })
    }

    pub(super) fn interval(&mut self, interval: &Spanned<String>) -> Duration {
        let why = ": events wait that long, and latencies are recorded up to 60 s";
        self.duration_within("interval", interval, TICK..=MAX_POLLING_INTERVAL, why)
    }

    pub(super) fn heartbeat(&mut self, heartbeat: &Spanned<String>) -> Duration {
        self.duration("heartbeat", heartbeat, Duration::from_secs(1)..=HOUR)
    }

    /// `why` ends the message: empty, or from the colon on.
    pub(super) fn count(
        &mut self,
        key: &str,
        value: &Spanned<i64>,
        allowed: RangeInclusive<u32>,
        why: &str,
    ) -> u32 {
        let found = *value.get_ref();
        match u32::try_from(found) {
            Ok(count) if allowed.contains(&count) => return count,
            _ => {}
        }
        let bound = bound(found < i64::from(*allowed.start()), &allowed);
        self.problems.at(value.span(), format!("`{key}` must be {bound}, found {found}{why}"));
        *allowed.start()
    }

    pub(super) fn duration(
        &mut self,
        key: &str,
        text: &Spanned<String>,
        allowed: RangeInclusive<Duration>,
    ) -> Duration {
        self.duration_within(key, text, allowed, "")
    }

    /// `why_at_most` ends the message of one that is too long: empty, or from the colon on.
    fn duration_within(
        &mut self,
        key: &str,
        text: &Spanned<String>,
        allowed: RangeInclusive<Duration>,
        why_at_most: &str,
    ) -> Duration {
        let mut why = "";
        let message = match duration::parse(text.get_ref()) {
            Ok(duration) if allowed.contains(&duration) => return duration,
            Ok(duration) => {
                let (min, max) = allowed.clone().into_inner();
                if duration > max {
                    why = why_at_most;
                }
                let allowed = format_duration(min)..=format_duration(max);
                bound(duration < min, &allowed)
            }
            Err(expected) => expected.to_owned(),
        };
        self.problems.at(
            text.span(),
            format!("`{key}` must be {message}, found {}{why}", quoted(text.get_ref())),
        );
        *allowed.start()
    }
}

fn bound<T: std::fmt::Display>(below: bool, allowed: &RangeInclusive<T>) -> String {
    if below {
        format!("at least {}", allowed.start())
    } else {
        format!("at most {}", allowed.end())
    }
}
