//! Whether the values of a file are right, each alone.

use std::ops::RangeInclusive;
use std::time::Duration;

use humantime::format_duration;
use toml::Spanned;

use super::duration;
use super::error::{Problems, quoted};
use super::limits::{HOUR, MAX_POLLING_INTERVAL, TICK};

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

    pub(super) fn description(&mut self, description: &Spanned<String>) -> String {
        let text = description.get_ref().trim();
        if text.is_empty() {
            self.problems.at(
                description.span(),
                "`description` must not be empty: say whose problem this scenario is".to_owned(),
            );
        }
        text.to_owned()
    }

    pub(super) fn seed(&mut self, seed: &Spanned<i64>) -> u64 {
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

    pub(super) fn retry(&mut self, retry: &Spanned<String>) -> Duration {
        self.duration("retry", retry, TICK..=HOUR)
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
