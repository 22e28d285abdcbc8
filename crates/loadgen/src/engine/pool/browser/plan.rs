//! What the page is told to do, as JSON. It must not know how the page does it.

use std::time::Duration;

use pushbench_wire::Transport;
use pushbench_wire::endpoint::Resource;
use pushbench_wire::event::{DEFAULT_NAME, LAGGED_NAME, label};
use serde::Serialize;

use crate::client::{Http, Subscription};
use crate::engine::pool::SubscriberSpec;
use crate::scenario::Settings;

/// All that the page does.
#[derive(Serialize)]
pub(super) struct PagePlan {
    /// The way in which all of its subscribers subscribe.
    way: &'static str,
    interval_ms: f64,
    timeout_ms: u64,
    /// How long first long polls are held.
    held_ms: u64,
    /// Whether one of them may have to wait for a connection, which is then to be told.
    shows_waiting: bool,
    /// SHA-256 of the only certificate that it trusts, where it is the page that decides.
    certificate: Option<Vec<u8>>,
    subscribers: Vec<PageSubscriber>,
}

/// One of its subscribers.
#[derive(Serialize)]
struct PageSubscriber {
    /// Where it may subscribe, in the order in which it tries.
    urls: Vec<String>,
    /// The names of the events that it receives.
    names: Vec<String>,
    phase_ms: f64,
    first_timeout_ms: u64,
}

impl PagePlan {
    /// That of subscribers that all subscribe in the same way.
    pub(super) fn of(
        transport: Transport,
        specs: &[SubscriberSpec],
        certificate: Option<Vec<u8>>,
    ) -> Self {
        let first = specs.first().map(|spec| &spec.subscription);
        let settings = first.map(|first| &first.settings);
        let is_session = first.is_some_and(|first| matches!(first.http, Http::WebTransport));
        let has_limit = first.is_some_and(|first| matches!(first.http, Http::Http1));
        let interval = settings.and_then(Settings::polling_interval);
        let timeout = settings.and_then(Settings::long_poll_timeout);
        Self {
            way: if is_session { "webtransport" } else { transport.name() },
            interval_ms: milliseconds(interval.unwrap_or_default()),
            timeout_ms: timeout.unwrap_or_default().as_millis() as u64,
            held_ms: held_ms(has_limit, specs.len()),
            shows_waiting: has_limit,
            certificate,
            subscribers: specs.iter().map(|spec| subscriber(transport, spec)).collect(),
        }
    }
}

/// How long first long polls are held, so that all that have a connection are asked meanwhile; hardly at all where
/// nobody waits for one.
fn held_ms(has_limit: bool, subscribers: usize) -> u64 {
    const LEAST_MS: u64 = 1_000;
    const EACH_MS: u64 = 20;
    if has_limit { LEAST_MS + EACH_MS * subscribers as u64 } else { 1 }
}

fn subscriber(transport: Transport, spec: &SubscriberSpec) -> PageSubscriber {
    let Subscription { channel, tls, poll_phase, first_long_poll_timeout, .. } = &spec.subscription;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let path = Resource::Subscribe(transport).path(channel);
    PageSubscriber {
        urls: spec.ring.iter().map(|address| format!("{scheme}://{address}{path}")).collect(),
        names: names(channel),
        phase_ms: milliseconds(*poll_phase),
        first_timeout_ms: first_long_poll_timeout.as_millis() as u64,
    }
}

/// The names that events of these channels have, and notices of having missed some.
fn names(channels: &str) -> Vec<String> {
    match channels.contains(',') {
        false => vec![DEFAULT_NAME.to_owned(), LAGGED_NAME.to_owned()],
        true => channels
            .split(',')
            .flat_map(|channel| [label(channel, None), label(channel, Some(LAGGED_NAME))])
            .collect(),
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_long_polls_are_held_for_longer_the_more_there_are() {
        assert_eq!((held_ms(true, 6), held_ms(true, 200)), (1_120, 5_000));
        assert_eq!(held_ms(false, 200), 1);
    }

    #[test]
    fn events_of_several_channels_are_named_after_them() {
        assert_eq!(names("channel-0"), ["message", "lagged"]);
        assert_eq!(names("a,b"), ["a", "a/lagged", "b", "b/lagged"]);
    }
}
