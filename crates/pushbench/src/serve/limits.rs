//! The flags for the limits of the server.

use humantime::Duration;
use pushbench_server::{Config, SlowPolicy};

/// A flag for each limit of the server, with the server's default.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct Limits {
    /// Connections that may be open at the same time; one more gets a 503
    #[arg(long, value_name = "N", default_value_t = Config::default().max_connections)]
    max_connections: usize,

    /// Bytes of memory that the server may use in all, whatever its clients do [default: 1 GiB, or what
    /// --log-bytes and --max-connections need if that is more]
    #[arg(long, value_name = "BYTES")]
    max_memory: Option<usize>,

    /// Channels that may exist; one more gets a 503
    #[arg(long, value_name = "N", default_value_t = Config::default().max_channels)]
    max_channels: usize,

    /// Events that a channel keeps
    #[arg(long, value_name = "N", default_value_t = Config::default().log_events)]
    log_events: usize,

    /// Bytes of names and payloads that a channel keeps
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().log_bytes)]
    log_bytes: usize,

    /// Largest payload of one event, and so largest WebSocket message or raw TCP frame
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().max_event_bytes)]
    max_event_bytes: usize,

    /// Largest body of a publish request
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().max_body_bytes)]
    max_body_bytes: usize,

    /// Most events in the body of a publish request
    #[arg(long, value_name = "N", default_value_t = Config::default().max_body_events)]
    max_body_events: usize,

    /// Largest request line and headers together
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().max_header_bytes)]
    max_header_bytes: usize,

    /// Largest response to a poll; one event is always sent
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().max_response_bytes)]
    max_response_bytes: usize,

    /// Time for a request's headers to arrive
    #[arg(long, value_name = "TIME", default_value_t = Config::default().header_timeout.into())]
    header_timeout: Duration,

    /// Time for a request's body to arrive
    #[arg(long, value_name = "TIME", default_value_t = Config::default().body_timeout.into())]
    body_timeout: Duration,

    /// How long a channel without subscribers is kept after it was last used
    #[arg(long, value_name = "TIME", default_value_t = Config::default().channel_idle.into())]
    channel_idle: Duration,

    /// How long a connection may be idle between two requests
    #[arg(long, value_name = "TIME", default_value_t = Config::default().keep_alive.into())]
    keep_alive: Duration,

    /// How long a long poll is held at most
    #[arg(long, value_name = "TIME", default_value_t = Config::default().long_poll_timeout.into())]
    long_poll_timeout: Duration,

    /// Interval of heartbeats on streams; a WebSocket client silent for two is disconnected
    #[arg(long, value_name = "TIME", default_value_t = Config::default().heartbeat.into())]
    heartbeat: Duration,

    /// How long a stream's client may accept no data before it is disconnected
    #[arg(long, value_name = "TIME", default_value_t = Config::default().stall_timeout.into())]
    stall_timeout: Duration,

    /// What is done about subscribers that have fallen behind the log, who are told what they missed: they go
    /// on with the oldest event that is kept, or with the newest, or their streams end
    #[arg(long, value_name = "POLICY", default_value = "drop-oldest")]
    slow_policy: Policy,

    /// How long an EventSource waits before it reconnects
    #[arg(long, value_name = "TIME", default_value_t = Config::default().reconnect_delay.into())]
    reconnect_delay: Duration,

    /// How long a stopping server waits for its connections to end
    #[arg(long, value_name = "TIME", default_value_t = Config::default().grace.into())]
    grace: Duration,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Policy {
    DropOldest,
    SkipToNewest,
    Disconnect,
}

impl From<Policy> for SlowPolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::DropOldest => Self::DropOldest,
            Policy::SkipToNewest => Self::SkipToNewest,
            Policy::Disconnect => Self::Disconnect,
        }
    }
}

impl From<Limits> for Config {
    fn from(limits: Limits) -> Self {
        Self {
            max_connections: limits.max_connections,
            max_memory: limits.max_memory,
            max_channels: limits.max_channels,
            log_events: limits.log_events,
            log_bytes: limits.log_bytes,
            max_event_bytes: limits.max_event_bytes,
            max_body_bytes: limits.max_body_bytes,
            max_body_events: limits.max_body_events,
            max_header_bytes: limits.max_header_bytes,
            max_response_bytes: limits.max_response_bytes,
            header_timeout: limits.header_timeout.into(),
            body_timeout: limits.body_timeout.into(),
            channel_idle: limits.channel_idle.into(),
            keep_alive: limits.keep_alive.into(),
            long_poll_timeout: limits.long_poll_timeout.into(),
            heartbeat: limits.heartbeat.into(),
            stall_timeout: limits.stall_timeout.into(),
            slow_policy: limits.slow_policy.into(),
            reconnect_delay: limits.reconnect_delay.into(),
            grace: limits.grace.into(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        limits: Limits,
    }

    #[test]
    fn the_flags_have_the_defaults_of_the_server() {
        let cli = Cli::parse_from(["serve"]);
        assert_eq!(Config::from(cli.limits), Config::default());
    }

    #[test]
    fn every_limit_has_a_flag_that_sets_it() {
        // Each flag gets a different value, so that the test notices two that are mixed up.
        let flags = [
            "--max-connections=1",
            "--max-channels=2",
            "--log-events=3",
            "--log-bytes=4",
            "--max-event-bytes=5",
            "--max-body-bytes=6",
            "--max-header-bytes=7",
            "--max-response-bytes=8",
            "--header-timeout=9s",
            "--body-timeout=10s",
            "--keep-alive=11s",
            "--long-poll-timeout=12s",
            "--heartbeat=13s",
            "--stall-timeout=14s",
            "--reconnect-delay=15s",
            "--grace=16s",
            "--max-memory=17",
            "--max-body-events=18",
            "--channel-idle=19s",
            "--slow-policy=skip-to-newest",
        ];
        let cli = Cli::parse_from(std::iter::once("serve").chain(flags));
        let seconds = std::time::Duration::from_secs;
        let expected = Config {
            max_connections: 1,
            max_channels: 2,
            log_events: 3,
            log_bytes: 4,
            max_event_bytes: 5,
            max_body_bytes: 6,
            max_header_bytes: 7,
            max_response_bytes: 8,
            header_timeout: seconds(9),
            body_timeout: seconds(10),
            keep_alive: seconds(11),
            long_poll_timeout: seconds(12),
            heartbeat: seconds(13),
            stall_timeout: seconds(14),
            reconnect_delay: seconds(15),
            grace: seconds(16),
            max_memory: Some(17),
            max_body_events: 18,
            channel_idle: seconds(19),
            slow_policy: SlowPolicy::SkipToNewest,
            ..Config::default()
        };
        assert_eq!(Config::from(cli.limits), expected);
    }
}
