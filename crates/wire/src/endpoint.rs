//! Where things are on the server: paths, headers, query keys, and the line that says it is ready.

use crate::event::is_token;

/// Readiness.
pub const HEALTH_PATH: &str = "/healthz";
/// Prometheus text.
pub const METRICS_PATH: &str = "/metrics";

/// The header in which an `EventSource` resumes (WHATWG HTML §9.2.4).
pub const LAST_EVENT_ID: &str = "last-event-id";
/// The same for clients that may not set [`LAST_EVENT_ID`].
pub const X_LAST_EVENT_ID: &str = "x-last-event-id";

/// Query key: the id after which to go on.
pub const AFTER: &str = "after";
/// Query key: the longest that a long poll is held, in milliseconds.
pub const TIMEOUT_MS: &str = "timeout_ms";
/// Query key: the name of a published event.
pub const EVENT_NAME: &str = "event";
/// Query key: `split=lines` publishes every line of the body as one event; with `split=lengths` each
/// event has its length before it, 4 bytes, big-endian, so that it may hold any bytes.
pub const SPLIT: &str = "split";

/// The content type of a body that holds binary events.
pub const BINARY_TYPE: &str = "application/octet-stream";

/// The WebSocket subprotocol, see [`crate::message`].
pub const SUBPROTOCOL: &str = "pushbench.v1";

/// The protocol that a request for raw TCP names in `Upgrade` (RFC 9110 §7.8), see
/// [`crate::frame`].
pub const TCP_UPGRADE: &str = "pushbench-tcp";

/// A server that is ready prints one line on its standard output: this, then its URL.
pub const READY_PREFIX: &str = "pushbench serve: listening on ";

/// The longest name of a channel, in bytes.
pub const MAX_CHANNEL_LEN: usize = 64;

/// What a channel offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Takes events.
    Events,
    /// Answers at once.
    Poll,
    /// Answers when there is news.
    LongPoll,
    /// Streams events as Server-Sent Events.
    Sse,
    /// Streams events as WebSocket messages, and takes them.
    WebSocket,
    /// Streams events as frames on the bare socket, and takes them.
    Tcp,
}

impl Resource {
    /// Every resource.
    pub const ALL: [Self; 6] =
        [Self::Events, Self::Poll, Self::LongPoll, Self::Sse, Self::WebSocket, Self::Tcp];

    /// Its last path segment.
    #[must_use]
    pub const fn segment(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Poll => "poll",
            Self::LongPoll => "long-poll",
            Self::Sse => "sse",
            Self::WebSocket => "ws",
            Self::Tcp => "tcp",
        }
    }

    /// Its path on `channel`.
    #[must_use]
    pub fn path(self, channel: &str) -> String {
        format!("/channels/{channel}/{}", self.segment())
    }
}

/// Reads `/channels/{channel}/{resource}`; `None` for any other path. The channel is not yet
/// checked by [`is_channel_name`], so that a bad name can be answered as such.
#[must_use]
pub fn parse_path(path: &str) -> Option<(&str, Resource)> {
    let (channel, segment) = path.strip_prefix("/channels/")?.split_once('/')?;
    let resource = Resource::ALL.into_iter().find(|resource| resource.segment() == segment)?;
    Some((channel, resource))
}

/// Whether `name` names a channel: 1 to 64 of `A-Z a-z 0-9 . _ -`.
#[must_use]
pub fn is_channel_name(name: &str) -> bool {
    is_token(name, MAX_CHANNEL_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_reads_back() {
        for resource in Resource::ALL {
            assert_eq!(parse_path(&resource.path("news-1")), Some(("news-1", resource)));
        }
        for other in [
            "/",
            "/channels",
            "/channels/a",
            "/channels/a/",
            "/channels/a/poll/",
            "/channels/a/b/poll",
        ] {
            assert_eq!(parse_path(other), None, "{other}");
        }
    }

    #[test]
    fn channel_names() {
        assert!(is_channel_name("room.1_a-B"));
        for bad in ["", "a/b", "a b", "%20", &"x".repeat(65)] {
            assert!(!is_channel_name(bad), "{bad}");
        }
    }
}
