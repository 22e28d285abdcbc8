//! Whether the time after which a connection counts as dead leaves the server time to say that it is there,
//! and whether a wait that the server tells is one that the scenario allows.

use std::ops::Range;
use std::time::Duration;

use humantime::format_duration;
use toml::Spanned;

use super::ReconnectBy;
use super::file::WorkloadFile;
use crate::scenario::error::Problems;
use crate::scenario::{Contender, Scenario, Settings};

/// What connecting again takes at most: the handshakes of TCP and of TLS 1.2, and a request.
const ROUND_TRIPS_TO_COME_BACK: u32 = 4;

/// Notes what contradicts each other in `[workload.reconnect]` and the settings of contenders.
pub(super) fn check_life(file: &WorkloadFile, scenario: &Scenario, problems: &mut Problems<'_>) {
    let Some(reconnect) = &file.reconnect else { return };
    let span = reconnect.dead_after.as_ref().map(Spanned::span);
    if let Some((span, dead_after)) = span.zip(scenario.workload.reconnect.dead_after) {
        scenario.contenders.iter().for_each(|of| check_patience(&span, dead_after, of, problems));
    }
    if reconnect.by != ReconnectBy::Server {
        return;
    }
    let most = scenario.workload.reconnect.most;
    let too_long = scenario.contenders.iter().filter_map(|of| Some((of, of.settings.stream()?)));
    if let Some((of, stream)) = too_long.into_iter().find(|(_, stream)| stream.retry > most) {
        let span = [&reconnect.most, &reconnect.first].map(Spanned::span);
        let span = span.into_iter().find(|span| !span.is_empty()).unwrap_or_default();
        problems.at(
            span,
            format!(
                "`most` ({}) must be at least the `retry` of {} ({}): it is the longest wait",
                format_duration(most),
                of.id,
                format_duration(stream.retry)
            ),
        );
    }
}

/// A live connection of `contender` must not look dead.
fn check_patience(
    span: &Range<usize>,
    dead_after: Duration,
    contender: &Contender,
    problems: &mut Problems<'_>,
) {
    if contender.fallback.is_some() {
        let message = format!(
            "`dead_after` must be left out with {}: where it falls back to long polls, nothing may come for as \
             long as one is held",
            contender.id
        );
        return problems.at(span.clone(), message);
    }
    let (key, silence) = match &contender.settings {
        // A request is answered at once.
        Settings::Polling(_) => ("", Duration::ZERO),
        Settings::LongPolling(asks) => ("timeout", asks.timeout),
        Settings::Stream(stream) => ("heartbeat", stream.heartbeat),
    };
    if dead_after <= silence {
        let message = format!(
            "`dead_after` ({}) must be longer than the `{key}` of {} ({}), or connections that are well look dead",
            format_duration(dead_after),
            contender.id,
            format_duration(silence)
        );
        return problems.at(span.clone(), message);
    }
    let Some(network) = &contender.road.network else { return };
    let coming_back = (network.round_trip + network.jitter) * ROUND_TRIPS_TO_COME_BACK;
    let on_the_way = coming_back.max(silence + network.round_trip + network.jitter);
    if dead_after <= on_the_way {
        let message = format!(
            "`dead_after` ({}) must be longer than {} with the [network] of {}: what comes is that long on its \
             way, and so is whoever connects",
            format_duration(dead_after),
            format_duration(on_the_way),
            contender.id
        );
        problems.at(span.clone(), message);
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::Scenario;
    use crate::scenario::template::TEMPLATE;

    fn with(reconnect: &str, changes: &[(&str, &str)]) -> Result<Scenario, String> {
        let mut text = TEMPLATE.to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        let text = format!("{text}\n[workload.reconnect]\n{reconnect}\n");
        Scenario::parse(&text, "s.toml").map_err(|error| error.to_string())
    }

    const SHORT: [(&str, &str); 2] =
        [("heartbeat = \"15s\"", "heartbeat = \"1s\""), ("timeout = \"30s\"", "timeout = \"1s\"")];

    #[test]
    fn a_live_connection_must_not_look_dead() {
        let dead_after = "dead_after = \"2500ms\"";
        let reconnect = with(dead_after, &SHORT).unwrap().workload.reconnect;
        assert_eq!(reconnect.dead_after.unwrap().as_millis(), 2_500);
        let said = with(dead_after, &SHORT[..1]).unwrap_err();
        assert!(said.contains("`timeout` of long-polling (30s)"), "{said}");
        let said = with(dead_after, &SHORT[1..]).unwrap_err();
        assert!(said.contains("`heartbeat` of sse (15s)"), "{said}");
    }

    #[test]
    fn what_is_on_its_way_is_not_dead() {
        let with = |dead_after: &str, round_trip: &str| {
            let compare = "compare = [\"polling\", \"sse\"]";
            let text = TEMPLATE.replace("heartbeat = \"15s\"", "heartbeat = \"1s\"");
            let lines = text.lines().filter(|line| !line.starts_with("compare"));
            let text = lines.collect::<Vec<_>>().join("\n");
            let text = format!(
                "{compare}\n{text}\n[workload.reconnect]\ndead_after = \"{dead_after}\"\n\
                 [network]\nround_trip = \"{round_trip}\"\n"
            );
            Scenario::parse(&text, "s.toml").map_err(|error| error.to_string())
        };
        with("1300ms", "100ms").unwrap();
        let said = with("1300ms", "300ms").unwrap_err();
        assert!(said.contains("must be longer than 1s 300ms with the [network] of sse"), "{said}");
        assert!(!said.contains("of polling"), "{said}");
        let said = with("1300ms", "400ms").unwrap_err();
        assert!(
            said.contains("must be longer than 1s 600ms with the [network] of polling"),
            "{said}"
        );
    }

    #[test]
    fn a_server_may_not_ask_for_longer_than_the_longest_wait() {
        let retry = [("[sse]\n", "[sse]\nretry = \"9s\"\n"), ("retry = \"1s\"", "")];
        let said = with("by = \"server\"", &retry).unwrap_err();
        assert!(said.contains("`most` (5s) must be at least the `retry` of sse (9s)"), "{said}");
        with("by = \"server\"\nmost = \"9s\"", &retry).unwrap();
        with("", &retry).unwrap();
    }
}
