//! Whether the values of a workload that are right alone contradict each other, or its trace.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use humantime::format_duration;
use toml::Spanned;

use super::faults_values::check_faults;
use super::file::WorkloadFile;
use super::life_values::check_life;
use super::slow_values::check_slow;
use super::{Membership, Rows, Timeline, Upstream, Workload};
use crate::scenario::error::{Problems, quoted};
use crate::scenario::limits::{
    MAX_EVENTS_PER_CHANNEL, MAX_EVENTS_PER_SECOND, MAX_LOG_BYTES, MAX_SENDERS, MAX_SUBSCRIBERS,
};
use crate::scenario::{Contender, Scenario};

/// Each takes a few bytes of the generator's memory.
const MAX_PAIRS: u64 = 100_000_000;

/// So many can still be told apart in a chart.
const MAX_PHASES: usize = 20;

/// Notes where values that are right alone contradict each other.
pub(in crate::scenario) fn check_together(
    file: &WorkloadFile,
    scenario: &Scenario,
    problems: &mut Problems<'_>,
) {
    check_shape(file, scenario, problems);
    check_exclusions(file, problems);
    check_rates(file, scenario, problems);
    check_faults(file, scenario, problems);
    check_life(file, scenario, problems);
    check_slow(file, scenario, problems);
    if let Some(interval) = scenario.longest_polling_interval() {
        check_window(file, scenario, interval, problems);
    }
}

/// Who subscribes to what, and who sends.
fn check_shape(file: &WorkloadFile, scenario: &Scenario, problems: &mut Problems<'_>) {
    let workload = &scenario.workload;
    let &Workload { subscribers, channels, channels_per_subscriber, .. } = workload;
    let shares_connections = scenario.contenders.iter().any(|of| of.shares_connections(workload));
    let memberships = u64::from(subscribers) * u64::from(channels_per_subscriber);
    if u64::from(channels) > memberships {
        let most = match channels_per_subscriber {
            1 => format!("`subscribers` ({subscribers})"),
            each => format!("{subscribers} subscribers × {each} channels each"),
        };
        problems.at(
            file.channels.span(),
            format!(
                "`channels` must be at most {most}, found {channels}: a channel that nobody \
                 subscribes to measures nothing"
            ),
        );
    }
    if channels_per_subscriber > channels && workload.trace.is_none() {
        problems.at(
            file.channels_per_subscriber.span(),
            format!(
                "`channels_per_subscriber` must be at most `channels` ({channels}), found \
                 {channels_per_subscriber}"
            ),
        );
    }
    if memberships > u64::from(MAX_SUBSCRIBERS) {
        problems.at(
            file.channels_per_subscriber.span(),
            format!(
                "{subscribers} subscribers with {channels_per_subscriber} channels each are more \
                 than the {MAX_SUBSCRIBERS} connections that are counted"
            ),
        );
    }
    if let Some(upstream) = file.upstream.as_ref().filter(|_| shares_connections) {
        problems.at(
            upstream.events_per_second.span(),
            "what subscribers send cannot be told apart where channels share a connection: leave out \
             `multiplex`"
                .to_owned(),
        );
    }
    let falls_back = scenario.contenders.iter().any(|of| of.fallback.is_some());
    if let Some(upstream) = file.upstream.as_ref().filter(|_| falls_back) {
        let message = "`upstream` has subscribers send, which those with a `fallback` do not";
        problems.at(upstream.events_per_second.span(), message.to_owned());
    }
    let stamps_channels = |of: &Contender| of.server.is_some() || of.shares_connections(workload);
    if channels > MAX_SENDERS && scenario.contenders.iter().any(stamps_channels) {
        problems.at(
            file.channels.span(),
            format!("at most {MAX_SENDERS} channels can be told apart here, found {channels}"),
        );
    }
    if let Some(upstream) = file.upstream.as_ref().filter(|_| subscribers > MAX_SENDERS) {
        problems.at(
            upstream.events_per_second.span(),
            format!("at most {MAX_SENDERS} subscribers can send, found {subscribers}"),
        );
    }
}

/// What cannot stand together.
fn check_exclusions(file: &WorkloadFile, problems: &mut Problems<'_>) {
    if file.trace.is_some() {
        // A default stands nowhere in the file.
        let channels = Some(file.channels.span()).filter(|span| !span.is_empty());
        for (key, span) in [
            ("channels", channels),
            ("events_per_second", file.events_per_second.as_ref().map(Spanned::span)),
            ("payload_bytes", file.payload_bytes.as_ref().map(Spanned::span)),
            ("bursts", file.bursts.as_ref().map(|bursts| bursts.on.span())),
            ("phases", file.phases.first().map(|phase| phase.name.span())),
        ] {
            if let Some(span) = span {
                let message = format!("`{key}` must be left out: the trace says what comes");
                problems.at(span, message);
            }
        }
    }
    if let Some(phase) = file.phases.first() {
        if let Some(duration) = &file.duration {
            problems.at(
                duration.span(),
                "`duration` must be left out: it is that of the phases together".to_owned(),
            );
        }
        if let Some(bursts) = &file.bursts {
            problems.at(
                bursts.on.span(),
                "`bursts` and phases cannot be combined: write a phase for each burst".to_owned(),
            );
        }
        let mut names = BTreeSet::new();
        for phase in &file.phases {
            if !names.insert(phase.name.get_ref().trim()) {
                let name = quoted(phase.name.get_ref());
                problems.at(phase.name.span(), format!("two phases are called {name}: rename one"));
            }
        }
        if file.phases.len() > MAX_PHASES {
            problems.at(
                phase.name.span(),
                format!("there are {} phases; the most is {MAX_PHASES}", file.phases.len()),
            );
        }
    }
}

/// How many events there are, and whether they can be told apart and kept.
fn check_rates(file: &WorkloadFile, scenario: &Scenario, problems: &mut Problems<'_>) {
    let workload = &scenario.workload;
    let &Workload { subscribers, channels, events_per_second, duration, warm_up, .. } = workload;
    let rate_at = file.events_per_second.as_ref().map(Spanned::span);
    let sent_at = file.upstream.as_ref().map(|upstream| upstream.events_per_second.span());
    let duration_at = file.duration.as_ref().map_or_else(
        || file.phases.first().map_or(file.warm_up.span(), |phase| phase.duration.span()),
        Spanned::span,
    );
    let peak = Timeline::peak(workload);
    if let Some(span) = rate_at.clone()
        && f64::from(channels) * events_per_second * peak > f64::from(MAX_EVENTS_PER_SECOND)
    {
        let at_peak = if peak > 1.0 { " at the peak" } else { "" };
        problems.at(
            span,
            format!(
                "{channels} channels with {} events per second each{at_peak} are more than the \
                 {MAX_EVENTS_PER_SECOND} per second that one publisher can keep apart: \
                 lower `events_per_second` or `channels`",
                events_per_second * peak
            ),
        );
    }
    let sent = workload.upstream.as_ref().map_or(0.0, |upstream| upstream.events_per_second);
    if let Some(span) = sent_at.clone()
        && f64::from(subscribers) * sent * peak > f64::from(MAX_EVENTS_PER_SECOND)
    {
        problems.at(
            span,
            format!(
                "{subscribers} subscribers with {} events per second each are more than the \
                 {MAX_EVENTS_PER_SECOND} per second that one process can keep apart",
                sent * peak
            ),
        );
    }
    if let (Some(span), Some(upstream)) = (sent_at.clone(), &workload.upstream) {
        check_upstream(span, workload, upstream, peak, problems);
    }
    if let Some(bursts) = workload.bursts {
        let period = bursts.on + bursts.off;
        for (key, span, found) in
            [("duration", duration_at.clone(), duration), ("warm_up", file.warm_up.span(), warm_up)]
        {
            if !found.as_nanos().is_multiple_of(period.as_nanos()) {
                problems.at(
                    span,
                    format!(
                        "`{key}` must be whole bursts of `on` and `off` ({}), found {}",
                        format_duration(period),
                        format_duration(found)
                    ),
                );
            }
        }
    }
    if let Some(span) = rate_at.clone() {
        if workload.events_per_channel() == 0 || duration.as_secs_f64() * events_per_second < 1.0 {
            problems.at(
                duration_at.clone(),
                format!(
                    "`duration` must hold at least one event, found {} at {events_per_second} \
                     events per second: lengthen it or raise `events_per_second`",
                    format_duration(duration)
                ),
            );
        }
        if (warm_up + duration).as_secs_f64() * events_per_second * peak
            > f64::from(MAX_EVENTS_PER_CHANNEL)
        {
            problems.at(
                duration_at.clone(),
                format!(
                    "`warm_up` and `duration` hold more than {MAX_EVENTS_PER_CHANNEL} events of each \
                     channel, the most that is counted: shorten `duration` or lower \
                     `events_per_second`"
                ),
            );
        }
        let bytes = workload.payload_bytes.most();
        let log_bytes = scenario.log_events().saturating_mul(bytes as u64);
        if log_bytes > MAX_LOG_BYTES {
            problems.at(
                span,
                format!(
                    "{events_per_second} events per second of {bytes} bytes each, kept for two \
                     polling intervals ({} each) and 10 s, are {log_bytes} bytes, and the server \
                     keeps at most {MAX_LOG_BYTES} of a channel: lower `events_per_second`, \
                     `payload_bytes` or the interval",
                    format_duration(scenario.longest_polling_interval().unwrap_or_default())
                ),
            );
        }
    }
    if rate_at.is_none()
        && workload.trace.is_none()
        && (sent * f64::from(subscribers) * duration.as_secs_f64()) < 1.0
    {
        problems.at(
            duration_at,
            format!(
                "`duration` must hold at least one event, found {} at {sent} events per second of \
                 each subscriber: lengthen it or raise the rate",
                format_duration(duration)
            ),
        );
    }
}

/// What subscribers send has to be counted and accounted for.
fn check_upstream(
    span: Range<usize>,
    workload: &Workload,
    upstream: &Upstream,
    peak: f64,
    problems: &mut Problems<'_>,
) {
    let time = (workload.warm_up + workload.duration).as_secs_f64();
    let sent = upstream.events_per_second * f64::from(workload.subscribers) * time * peak;
    if sent > f64::from(MAX_EVENTS_PER_CHANNEL) {
        let message = format!(
            "`warm_up` and `duration` hold more than {MAX_EVENTS_PER_CHANNEL} events of all subscribers, \
             the most that is counted: shorten `duration` or lower the rate"
        );
        problems.at(span, message);
        return;
    }
    // Popularity decides how many are together; each of them has an account with every other.
    let membership = Membership::new(workload, 0);
    let pairs = |channel| (membership.of_channel(channel).len() as u64).pow(2);
    let pairs: u64 = (0..workload.channels).map(pairs).sum();
    if pairs > MAX_PAIRS {
        let message = format!(
            "there are {pairs} pairs of a sender and a receiver, and at most {MAX_PAIRS} are accounted \
             for: raise `channels` or lower `subscribers`"
        );
        problems.at(span, message);
    }
}

/// Whether the rows of a trace fit what the scenario asks.
pub(in crate::scenario) fn check_trace(workload: &Workload, rows: &Rows) -> Result<(), String> {
    let speed = workload.trace.as_ref().map_or(1.0, |trace| trace.speed);
    let channels = rows.channels();
    if channels > workload.subscribers {
        return Err(format!(
            "the trace has {channels} channels, and {} subscribers cannot hear them all: raise \
             `subscribers`",
            workload.subscribers
        ));
    }
    if workload.channels_per_subscriber > channels {
        return Err(format!(
            "`channels_per_subscriber` must be at most the channels of the trace ({channels}), found \
             {}",
            workload.channels_per_subscriber
        ));
    }
    let window = workload.warm_up..workload.warm_up + workload.duration;
    let at = |ns: u64| Duration::from_nanos((ns as f64 / speed).round() as u64);
    if !rows.offsets_ns().any(|ns| window.contains(&at(ns))) {
        return Err(format!(
            "no row of the trace falls into the measured time, from {} to {}: its last one is at {}; \
             change `warm_up`, `duration` or `speed`",
            format_duration(window.start),
            format_duration(window.end),
            format_duration(Duration::from_millis(at(rows.end_ns()).as_millis() as u64)),
        ));
    }
    Ok(())
}

/// Costs are those within the window, divided by its deliveries, so polling must be in its steady
/// state all along.
fn check_window(
    file: &WorkloadFile,
    scenario: &Scenario,
    interval: Duration,
    problems: &mut Problems<'_>,
) {
    let Workload { duration, warm_up, .. } = scenario.workload;
    for (key, span, found, why) in [
        ("warm_up", file.warm_up.span(), warm_up, "before, not every subscriber has polled"),
        (
            "duration",
            file.duration.as_ref().map_or(file.warm_up.span(), Spanned::span),
            duration,
            "within less, not every subscriber polls",
        ),
    ] {
        if found < interval {
            problems.at(
                span,
                format!(
                    "`{key}` must be at least the longest `interval` of polling ({}), found {}: {why}, \
                     so the cost of a delivery would be wrong; lengthen it, shorten the interval \
                     or leave polling out",
                    format_duration(interval),
                    format_duration(found)
                ),
            );
        }
    }
}
