//! The limits of the server, with their defaults and the reasons for them. It enforces none of them.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::{Access, BrokerConfig, DiskLog, Faults, LogSync, SlowPolicy};

/// How much of each resource clients may use, and how long they may take.
///
/// Every field has a documented default. [`run`](crate::run) refuses values that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Connections that may be open at the same time; one more gets a 503. Default 20,000, which is
    /// the open-file limit of many systems. Raise both together.
    pub max_connections: usize,
    /// Channels that may exist; one more gets a 503. Default 10,000. A channel is created on first
    /// use. Without subscribers, it goes if it never had an event, or after [`Self::channel_idle`].
    pub max_channels: usize,
    /// Bytes of memory that the server may use in all, whatever its clients do. 24 MiB are for the
    /// program; of the rest clients may hold three eighths, and the allocator keeps some. When theirs
    /// is used up, the logs that were used longest ago are emptied; when that is not enough, requests
    /// get a 503 and streams end. Default 1 GiB, or what [`Self::log_bytes`] and
    /// [`Self::max_connections`] need if that is more.
    pub max_memory: Option<usize>,
    /// Events that a channel keeps for subscribers that are behind. Default 10,000.
    pub log_events: usize,
    /// Where the log is on disk, too. Default nowhere: it is in memory, and ends with the server.
    pub log: Option<DiskLog>,
    /// The id of the first event of a log in memory. Default 1. Who resumes with an id that is smaller is
    /// told that something is missing: a server that may be restarted should begin where no log before has
    /// been, as with the time.
    pub first_id: u64,
    /// Bytes of names and payloads that a channel keeps. The newest event is kept in any case.
    /// Default 4 MiB.
    pub log_bytes: usize,
    /// The largest payload of one event, and so the largest WebSocket message and the largest raw TCP
    /// frame that a client may send. Default 64 KiB.
    pub max_event_bytes: usize,
    /// The largest body of a publish request, which may hold many events. Default 1 MiB.
    pub max_body_bytes: usize,
    /// The most events in the body of a publish request. Default 10,000, as many as a log keeps: they
    /// are published together, and others have to wait for that.
    pub max_body_events: usize,
    /// The largest request line and headers together. Default 16 KiB, twice the most that browsers
    /// send in practice.
    pub max_header_bytes: usize,
    /// The largest response to a poll, except that one event is always sent. The next poll gets the
    /// rest. Default 1 MiB.
    pub max_response_bytes: usize,
    /// Time for a request's line and headers to arrive. Default 10 s.
    pub header_timeout: Duration,
    /// Time for a request's body to arrive. Default 30 s.
    pub body_timeout: Duration,
    /// How long a channel without subscribers is kept after it was last used. Default 1 h.
    pub channel_idle: Duration,
    /// How long a connection may be idle between two requests. Default 120 s, so that a client
    /// that polls every minute keeps its connection.
    pub keep_alive: Duration,
    /// How long a long poll is held at most. Default 30 s, less than the idle time-out of common
    /// proxies (60 s).
    pub long_poll_timeout: Duration,
    /// The interval of a stream's heartbeats: an SSE comment, a WebSocket ping or an empty raw TCP
    /// frame. Default 15 s, as WHATWG HTML §9.2.7 advises. Each stream sends its first heartbeat at
    /// a different time within the interval. A WebSocket client that is silent for two intervals is
    /// disconnected.
    pub heartbeat: Duration,
    /// How long a stream's client may accept no data before it is disconnected. Default 60 s.
    pub stall_timeout: Duration,
    /// What is done about subscribers that have fallen behind the log. Default [`SlowPolicy::DropOldest`].
    pub slow_policy: SlowPolicy,
    /// How the body of an event stream is framed. Default [`SseFraming::Close`]. A client of HTTP/1.0 gets
    /// that in any case: it knows no chunks.
    pub sse_framing: SseFraming,
    /// Whether event streams have `X-Accel-Buffering: no`, which tells nginx to pass on at once what comes.
    /// Default yes.
    pub accel_buffering_hint: bool,
    /// Whether clients that take it get their events compressed: answers and event streams as gzip, and WebSocket by
    /// `permessage-deflate` (RFC 7692). Default no.
    pub compression: bool,
    /// How long an `EventSource` waits before it reconnects (`retry`). Default 1 s.
    pub reconnect_delay: Duration,
    /// How long a stopping server waits for its connections to end. Default 5 s.
    pub grace: Duration,
    /// Who may use the server.
    pub access: Access,
    /// The faults that the server injects. Default none.
    pub faults: Faults,
    /// What it shares its events by with other servers. Default nothing: it is alone.
    pub broker: Option<BrokerConfig>,
}

/// How the body of an event stream is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SseFraming {
    /// It ends with its connection. WHATWG HTML §9.2.7 warns that chunks can delay events.
    Close,
    /// Each write is a chunk (RFC 9112 §7.1), as most frameworks do it.
    Chunked,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            max_channels: 10_000,
            max_memory: None,
            log_events: 10_000,
            log: None,
            first_id: 1,
            log_bytes: 4 << 20,
            max_event_bytes: 64 << 10,
            max_body_bytes: 1 << 20,
            max_body_events: 10_000,
            max_header_bytes: 16 << 10,
            max_response_bytes: 1 << 20,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            channel_idle: Duration::from_secs(60 * 60),
            keep_alive: Duration::from_secs(120),
            long_poll_timeout: Duration::from_secs(30),
            heartbeat: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(60),
            slow_policy: SlowPolicy::DropOldest,
            sse_framing: SseFraming::Close,
            accel_buffering_hint: true,
            compression: false,
            reconnect_delay: Duration::from_secs(1),
            grace: Duration::from_secs(5),
            access: Access::default(),
            faults: Faults::default(),
            broker: None,
        }
    }
}

/// The upper limit of every size: far more than is useful, and safe to add and double.
const MAX_SIZE: usize = 1 << 30;

/// From what the program itself needs, with something left for clients, to more than there is.
const TOTAL_MEMORY: RangeInclusive<usize> = 48 << 20..=1 << 50;

/// What [`Config::max_memory`] is at least if it is not set.
const DEFAULT_MEMORY: usize = 1 << 30;

/// What a connection may need, with all that is sent over it.
const MEMORY_PER_CONNECTION: usize = 48 << 10;

/// How much memory a log needs for each byte of [`Config::log_bytes`], for its frames and more.
const MEMORY_PER_LOG_BYTE: usize = 4;

/// Far more events can follow than there will be, and JavaScript still knows each of their ids.
const FIRST_ID: RangeInclusive<u64> = 1..=1 << 52;

/// The upper limit of every duration: far more than is useful, and safe to add to any time.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

/// A limit is out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} is {value}; it must be from {least} to {most}")]
pub struct ConfigError {
    limit: &'static str,
    value: String,
    least: String,
    most: String,
}

impl Config {
    /// Bytes that the server may use in all.
    pub(crate) fn total_memory(&self) -> usize {
        self.max_memory.unwrap_or_else(|| {
            let connections = self.max_connections.saturating_mul(MEMORY_PER_CONNECTION);
            let log = self.log_bytes.saturating_mul(MEMORY_PER_LOG_BYTE);
            connections.saturating_add(log).max(DEFAULT_MEMORY)
        })
    }

    /// Checks that a server can work with these limits.
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
            ("max_body_events", self.max_body_events),
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
        let total = self.total_memory();
        if !TOTAL_MEMORY.contains(&total) {
            return Err(ConfigError {
                limit: "max_memory",
                value: total.to_string(),
                least: TOTAL_MEMORY.start().to_string(),
                most: TOTAL_MEMORY.end().to_string(),
            });
        }
        if !FIRST_ID.contains(&self.first_id) {
            return Err(ConfigError {
                limit: "first_id",
                value: self.first_id.to_string(),
                least: FIRST_ID.start().to_string(),
                most: FIRST_ID.end().to_string(),
            });
        }
        let least = Duration::from_millis(1);
        let sync = match &self.log {
            Some(DiskLog { sync: LogSync::Interval(interval), .. }) => *interval,
            _ => least,
        };
        let durations = [
            ("log_sync", sync, least),
            ("header_timeout", self.header_timeout, least),
            ("body_timeout", self.body_timeout, least),
            ("channel_idle", self.channel_idle, least),
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
    fn the_defaults_are_in_range() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn the_total_follows_what_connections_and_logs_need() {
        let total = |config: Config| config.total_memory();
        assert_eq!(total(Config::default()), 1 << 30);
        let many = Config { max_connections: 100_000, ..Config::default() };
        assert!(total(many) > 4 << 30);
        let set = Config { max_memory: Some(64 << 20), max_connections: 9, ..Config::default() };
        assert_eq!(total(set.clone()), 64 << 20);
        let error = Config { max_memory: Some(1 << 20), ..set }.check().unwrap_err();
        assert!(error.to_string().starts_with("max_memory is 1048576; it must be from 50331648"));
    }

    #[test]
    fn a_limit_out_of_range_is_named() {
        let error = Config { log_events: 0, ..Config::default() }.check().unwrap_err();
        assert_eq!(error.to_string(), "log_events is 0; it must be from 1 to 1073741824");
        let error = Config { heartbeat: Duration::ZERO, ..Config::default() }.check().unwrap_err();
        assert_eq!(error.to_string(), "heartbeat is 0ns; it must be from 1ms to 86400s");
        let error = Config { grace: Duration::MAX, ..Config::default() }.check().unwrap_err();
        assert!(error.to_string().starts_with("grace is "), "{error}");
    }
}
