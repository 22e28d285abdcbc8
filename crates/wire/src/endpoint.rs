//! The server's interface: paths, headers, query keys, and the line that it prints when it is ready.

use crate::Transport;
use crate::event::is_token;

/// The path of the readiness check.
pub const HEALTH_PATH: &str = "/healthz";
/// The path of the Prometheus metrics.
pub const METRICS_PATH: &str = "/metrics";

/// The header with which an `EventSource` resumes (WHATWG HTML §9.2.4).
pub const LAST_EVENT_ID: &str = "last-event-id";
/// The same for clients that cannot set [`LAST_EVENT_ID`].
pub const X_LAST_EVENT_ID: &str = "x-last-event-id";

/// Query key: the id of the event after which to continue.
pub const AFTER: &str = "after";
/// Query key: how long a long poll is held at most, in milliseconds.
pub const TIMEOUT_MS: &str = "timeout_ms";
/// Query key: the name of a published event.
pub const EVENT_NAME: &str = "event";
/// Query key: how the body of a publish request is split into events. With `split=lines` each line is
/// one event. With `split=lengths` each event is preceded by its length, 4 bytes, big-endian, so it may
/// contain any bytes.
pub const SPLIT: &str = "split";

/// Query keys: who publishes, and which of its requests this is. Its numbers grow. A request whose number is
/// not larger than the last one of that publisher has been taken already, and is answered without being
/// taken again.
pub const PUBLISHER: &str = "publisher";
/// See [`PUBLISHER`].
pub const SEQUENCE: &str = "sequence";

/// Query key: what a client has to know, where it can set no header.
pub const TOKEN: &str = "token";

/// The environment variable that gives a server its token. A server under test is started without it.
pub const TOKEN_VARIABLE: &str = "PUSHBENCH_SERVE_TOKEN";

/// The content type of a body with binary events.
pub const BINARY_TYPE: &str = "application/octet-stream";

/// The WebSocket subprotocol, see [`crate::message`].
pub const SUBPROTOCOL: &str = "pushbench.v1";

/// When a server is ready, it prints one line to standard output: this prefix and its URL.
pub const READY_PREFIX: &str = "pushbench serve: listening on ";

/// Before that line, a server that is reached by TLS as well prints where: this prefix and that URL.
pub const TLS_PREFIX: &str = "pushbench serve: TLS on ";

/// Likewise where it is by HTTP/3: at the UDP port of the same number.
pub const HTTP3_PREFIX: &str = "pushbench serve: HTTP/3 on ";

/// The longest channel name, in bytes.
pub const MAX_CHANNEL_LEN: usize = 64;

/// The longest name of a publisher, in bytes.
pub const MAX_PUBLISHER_LEN: usize = 64;

/// The most channels of one subscription. Their names stand in the path, with a comma in between.
pub const MAX_CHANNELS: usize = 256;

/// A resource of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Publishes events.
    Events,
    /// Brings new events over a transport, and publishes those of the client where it can.
    Subscribe(Transport),
}

impl Resource {
    /// Every resource.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Events].into_iter().chain(Transport::ALL.iter().copied().map(Self::Subscribe))
    }

    /// The last segment of its path.
    #[must_use]
    pub const fn segment(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Subscribe(transport) => transport.path(),
        }
    }

    /// Its path for `channel`.
    #[must_use]
    pub fn path(self, channel: &str) -> String {
        format!("/channels/{channel}/{}", self.segment())
    }
}

/// Parses `/channels/{channel}/{resource}`, where a subscription may have several channels. Returns
/// `None` for any other path. The channel is not checked with [`is_channel_name`] yet, so that an
/// invalid name can be reported as such.
#[must_use]
pub fn parse_path(path: &str) -> Option<(&str, Resource)> {
    let (channel, segment) = path.strip_prefix("/channels/")?.split_once('/')?;
    let resource = Resource::all().find(|resource| resource.segment() == segment)?;
    Some((channel, resource))
}

/// Whether `name` is a valid channel name: 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
#[must_use]
pub fn is_channel_name(name: &str) -> bool {
    is_token(name, MAX_CHANNEL_LEN)
}

/// Whether `name` is a valid name of a publisher: likewise.
#[must_use]
pub fn is_publisher_name(name: &str) -> bool {
    is_token(name, MAX_PUBLISHER_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_reads_back() {
        for resource in Resource::all() {
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
