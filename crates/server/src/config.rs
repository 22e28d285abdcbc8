//! Every limit of the server in one place. It owns the numbers and why they are what they are; it
//! enforces none of them.

use std::time::Duration;

use crate::Faults;

/// How much of anything a client may use, and how long it may take.
///
/// Every field has a documented default, and [`run`](crate::run) refuses a value that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Connections open at once; one more is answered 503. Default 20,000, which is what a
    /// process may open on many systems; raise it together with the open-file limit.
    pub max_connections: usize,
    /// Channels that may exist; one more is answered 503. Default 10,000. A channel appears on
    /// first use and stays, so this bounds what clients can make the server remember.
    pub max_channels: usize,
    /// Events that a channel keeps for those who come late. Default 10,000.
    pub log_events: usize,
    /// Bytes of names and payloads that a channel keeps; the newest event always stays.
    /// Default 4 MiB.
    pub log_bytes: usize,
    /// The largest payload of one event, and so the largest message of a WebSocket and the largest
    /// frame of raw TCP that a client may send. Default 64 KiB.
    pub max_event_bytes: usize,
    /// The largest body of a publish request, which may hold many events. Default 1 MiB.
    pub max_body_bytes: usize,
    /// The largest request line and headers together. Default 16 KiB, twice what browsers send
    /// at most in practice.
    pub max_header_bytes: usize,
    /// Payload bytes after which a poll's answer ends; the next poll brings the rest.
    /// Default 1 MiB.
    pub max_response_bytes: usize,
    /// Time for a request's line and headers to arrive. Default 10 s.
    pub header_timeout: Duration,
    /// Time for a request's body to arrive. Default 30 s.
    pub body_timeout: Duration,
    /// How long a connection may be idle between two requests. Default 120 s, so that a client
    /// that polls every minute keeps its connection.
    pub keep_alive: Duration,
    /// The longest that a long poll is held. Default 30 s, below the idle limit of common
    /// proxies (60 s).
    pub long_poll_timeout: Duration,
    /// How often a stream is kept alive: an SSE comment, a WebSocket ping, an empty frame of raw
    /// TCP. Default 15 s, as WHATWG HTML §9.2.7 advises. The first comes within the interval, at
    /// another moment of it for each stream. A WebSocket peer silent for two of them is dropped.
    pub heartbeat: Duration,
    /// How long a stream's reader may take nothing at all before it is dropped. Default 60 s.
    pub stall_timeout: Duration,
    /// How long an `EventSource` waits before it connects again (`retry`). Default 1 s.
    pub reconnect_delay: Duration,
    /// How long a stopping server waits for its connections to end. Default 5 s.
    pub grace: Duration,
    /// How the server misbehaves on purpose. Default not at all.
    pub faults: Faults,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            max_channels: 10_000,
            log_events: 10_000,
            log_bytes: 4 << 20,
            max_event_bytes: 64 << 10,
            max_body_bytes: 1 << 20,
            max_header_bytes: 16 << 10,
            max_response_bytes: 1 << 20,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(120),
            long_poll_timeout: Duration::from_secs(30),
            heartbeat: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(60),
            reconnect_delay: Duration::from_secs(1),
            grace: Duration::from_secs(5),
            faults: Faults::default(),
        }
    }
}

/// The largest value of any size: far beyond use, and safe to add and double.
const MAX_SIZE: usize = 1 << 30;

/// The largest duration: far beyond use, and safe to add to any time.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

/// A limit has a value with which no server can work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} is {value}; it must be from {least} to {most}")]
pub struct ConfigError {
    limit: &'static str,
    value: String,
    least: String,
    most: String,
}

impl Config {
    /// Whether a server can work with these limits.
    ///
    /// # Errors
    /// [`ConfigError`] names the first limit that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let sizes = [
            ("max_connections", self.max_connections),
            ("max_channels", self.max_channels),
            ("log_events", self.log_events),
            ("log_bytes", self.log_bytes),
            ("max_event_bytes", self.max_event_bytes),
            ("max_body_bytes", self.max_body_bytes),
            ("max_header_bytes", self.max_header_bytes),
            ("max_response_bytes", self.max_response_bytes),
        ];
        for (limit, value) in sizes {
            if !(1..=MAX_SIZE).contains(&value) {
                return Err(ConfigError {
                    limit,
                    value: value.to_string(),
                    least: "1".to_owned(),
                    most: MAX_SIZE.to_string(),
                });
            }
        }
        let least = Duration::from_millis(1);
        let durations = [
            ("header_timeout", self.header_timeout, least),
            ("body_timeout", self.body_timeout, least),
            ("keep_alive", self.keep_alive, least),
            ("long_poll_timeout", self.long_poll_timeout, least),
            ("heartbeat", self.heartbeat, least),
            ("stall_timeout", self.stall_timeout, least),
            ("reconnect_delay", self.reconnect_delay, Duration::ZERO),
            ("grace", self.grace, Duration::ZERO),
        ];
        for (limit, value, least) in durations {
            if !(least..=MAX_DURATION).contains(&value) {
                return Err(ConfigError {
                    limit,
                    value: format!("{value:?}"),
                    least: format!("{least:?}"),
                    most: format!("{MAX_DURATION:?}"),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn what_cannot_work_is_named() {
        let error = Config { log_events: 0, ..Config::default() }.check().unwrap_err();
        assert_eq!(error.to_string(), "log_events is 0; it must be from 1 to 1073741824");
        let error = Config { heartbeat: Duration::ZERO, ..Config::default() }.check().unwrap_err();
        assert_eq!(error.to_string(), "heartbeat is 0ns; it must be from 1ms to 86400s");
        let error = Config { grace: Duration::MAX, ..Config::default() }.check().unwrap_err();
        assert!(error.to_string().starts_with("grace is "), "{error}");
    }
}
