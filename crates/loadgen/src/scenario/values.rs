//! Whether the values of a file make a scenario, each alone and all together. What passes is
//! valid by construction: nobody checks it again.

use std::ops::RangeInclusive;
use std::time::Duration;

use humantime::format_duration;
use pushbench_wire::Transport;
use pushbench_wire::stamp::STAMP_LEN;
use toml::Spanned;

use super::error::{Problems, quoted};
use super::file::{
    HOUR, MAX_BLOCKS, MAX_EVENTS_PER_CHANNEL, MAX_EVENTS_PER_SECOND, MAX_LOG_BYTES,
    MAX_PAYLOAD_BYTES, MAX_POLLING_INTERVAL, MAX_SUBSCRIBERS, ScenarioFile, TICK, WorkloadFile,
};
use super::{
    LongPolling, Polling, Scenario, Sse, Tcp, WebSocket, Workload, duration, gates, thresholds,
};

/// The scenario of a file whose values are all right alone. Where one is not, that is noted, and
/// the scenario must not be used.
pub(super) fn scenario(file: &ScenarioFile, problems: &mut Problems<'_>) -> Scenario {
    let mut values = Values { problems };
    let compare = values.compare(&file.compare);
    Scenario {
        name: values.name(&file.name),
        description: values.description(&file.description),
        blocks: values.count("blocks", &file.blocks, 1..=MAX_BLOCKS, ""),
        seed: values.seed(&file.seed),
        workload: values.workload(&file.workload),
        polling: Polling {
            interval: values.interval(&file.polling.interval),
            connection: file.polling.connection,
        },
        long_polling: LongPolling {
            timeout: values.duration(
                "timeout",
                &file.long_polling.timeout,
                Duration::from_millis(100)..=Duration::from_secs(600),
            ),
            connection: file.long_polling.connection,
        },
        sse: Sse { heartbeat: values.heartbeat(&file.sse.heartbeat) },
        websocket: WebSocket { heartbeat: values.heartbeat(&file.websocket.heartbeat) },
        tcp: Tcp { heartbeat: values.heartbeat(&file.tcp.heartbeat) },
        thresholds: thresholds::parse(&file.thresholds, &compare, values.problems),
        gates: gates::parse(&file.gates, values.problems),
        compare,
    }
}

/// Notes where values that are right alone contradict each other.
pub(super) fn check_together(
    file: &WorkloadFile,
    scenario: &Scenario,
    problems: &mut Problems<'_>,
) {
    let Workload { subscribers, channels, events_per_second, duration, warm_up, .. } =
        scenario.workload;

    if channels > subscribers {
        problems.at(
            file.channels.span(),
            format!(
                "`channels` must be at most `subscribers` ({subscribers}), found {channels}: \
                 a channel that nobody subscribes to measures nothing"
            ),
        );
    }
    if f64::from(channels) * events_per_second > f64::from(MAX_EVENTS_PER_SECOND) {
        problems.at(
            file.events_per_second.span(),
            format!(
                "{channels} channels with {events_per_second} events per second each are more \
                 than the {MAX_EVENTS_PER_SECOND} per second that one publisher can keep apart: \
                 lower `events_per_second` or `channels`"
            ),
        );
    }
    if duration.as_secs_f64() * events_per_second < 1.0 {
        problems.at(
            file.duration.span(),
            format!(
                "`duration` must hold at least one event, found {} at {events_per_second} \
                 events per second: lengthen it or raise `events_per_second`",
                format_duration(duration)
            ),
        );
    }
    if (warm_up + duration).as_secs_f64() * events_per_second > f64::from(MAX_EVENTS_PER_CHANNEL) {
        problems.at(
            file.duration.span(),
            format!(
                "`warm_up` and `duration` hold more than {MAX_EVENTS_PER_CHANNEL} events of each \
                 channel, the most that is counted: shorten `duration` or lower \
                 `events_per_second`"
            ),
        );
    }
    let log_bytes = scenario.log_events().saturating_mul(scenario.workload.payload_bytes as u64);
    if log_bytes > MAX_LOG_BYTES {
        problems.at(
            file.events_per_second.span(),
            format!(
                "{events_per_second} events per second of {} bytes each, kept for two intervals \
                 of [polling] ({} each) and 10 s, are {log_bytes} bytes, and the server keeps at \
                 most {MAX_LOG_BYTES} of a channel: lower `events_per_second`, `payload_bytes` or \
                 the interval",
                scenario.workload.payload_bytes,
                format_duration(scenario.polling.interval)
            ),
        );
    }
    if scenario.compare.contains(&Transport::Polling) {
        check_window(file, scenario, problems);
    }
}

/// Costs are those within the window, divided by its deliveries, so polling must be in its steady
/// state all along.
fn check_window(file: &WorkloadFile, scenario: &Scenario, problems: &mut Problems<'_>) {
    let interval = scenario.polling.interval;
    let Workload { duration, warm_up, .. } = scenario.workload;
    for (key, span, found, why) in [
        ("warm_up", file.warm_up.span(), warm_up, "before, not every subscriber has polled"),
        ("duration", file.duration.span(), duration, "within less, not every subscriber polls"),
    ] {
        if found < interval {
            problems.at(
                span,
                format!(
                    "`{key}` must be at least the `interval` of [polling] ({}), found {}: {why}, \
                     so the cost of a delivery would be wrong; lengthen it, shorten the interval \
                     or leave \"polling\" out of `compare`",
                    format_duration(interval),
                    format_duration(found)
                ),
            );
        }
    }
}

struct Values<'a, 't> {
    problems: &'a mut Problems<'t>,
}

impl Values<'_, '_> {
    fn name(&mut self, name: &Spanned<String>) -> String {
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
                     or digit, found {}: it names the results folder",
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

    fn compare(&mut self, compare: &Spanned<Vec<Spanned<Transport>>>) -> Vec<Transport> {
        if compare.get_ref().is_empty() {
            self.problems.at(
                compare.span(),
                "`compare` must name at least one transport; leave it out to compare all"
                    .to_owned(),
            );
        }
        let mut transports = Vec::new();
        for transport in compare.get_ref() {
            if transports.contains(transport.get_ref()) {
                self.problems.at(
                    transport.span(),
                    format!("`compare` names \"{}\" twice: remove one", transport.get_ref()),
                );
            }
            transports.push(*transport.get_ref());
        }
        transports.sort_unstable();
        transports
    }

    fn seed(&mut self, seed: &Spanned<i64>) -> u64 {
        u64::try_from(*seed.get_ref()).unwrap_or_else(|_| {
            self.problems
                .at(seed.span(), format!("`seed` must be at least 0, found {}", seed.get_ref()));
            0
        })
    }

    fn workload(&mut self, file: &WorkloadFile) -> Workload {
        let payload_why = format!(
            ": it holds a stamp of {STAMP_LEN} bytes (sequence and times), and the server takes \
             up to {MAX_PAYLOAD_BYTES}"
        );
        let payload_range = STAMP_LEN as u32..=MAX_PAYLOAD_BYTES as u32;
        Workload {
            subscribers: self.count("subscribers", &file.subscribers, 1..=MAX_SUBSCRIBERS, ""),
            channels: self.count("channels", &file.channels, 1..=MAX_SUBSCRIBERS, ""),
            events_per_second: self.rate(&file.events_per_second),
            arrivals: file.arrivals,
            payload_bytes: self.count(
                "payload_bytes",
                &file.payload_bytes,
                payload_range,
                &payload_why,
            ) as usize,
            duration: self.duration("duration", &file.duration, TICK..=12 * HOUR),
            warm_up: self.duration("warm_up", &file.warm_up, Duration::ZERO..=12 * HOUR),
            idle: self.duration("idle", &file.idle, Duration::ZERO..=HOUR),
        }
    }

    fn rate(&mut self, rate: &Spanned<f64>) -> f64 {
        let events_per_second = *rate.get_ref();
        let max = f64::from(MAX_EVENTS_PER_SECOND);
        // Below the least rate not even one event falls into the longest duration.
        let min = HOUR.as_secs_f64().recip() / 12.0;
        if (min..=max).contains(&events_per_second) {
            return events_per_second;
        }
        let bound = if events_per_second > max {
            format!("at most {MAX_EVENTS_PER_SECOND}")
        } else if events_per_second > 0.0 {
            "at least one in 12 hours (0.000024)".to_owned()
        } else {
            "a number above 0".to_owned()
        };
        self.problems.at(
            rate.span(),
            format!("`events_per_second` must be {bound}, found {events_per_second}"),
        );
        max
    }

    fn interval(&mut self, interval: &Spanned<String>) -> Duration {
        let why = ": events wait that long, and latencies are recorded up to 60 s";
        self.duration_within("interval", interval, TICK..=MAX_POLLING_INTERVAL, why)
    }

    fn heartbeat(&mut self, heartbeat: &Spanned<String>) -> Duration {
        self.duration("heartbeat", heartbeat, Duration::from_secs(1)..=HOUR)
    }

    /// `why` ends the message: empty, or from the colon on.
    fn count(
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

    fn duration(
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
