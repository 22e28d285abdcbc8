//! The flags for what event streams look like to those between server and client.

use pushbench_server::{Config, SseFraming};

/// What proxies make of a stream depends on these.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Event streams")]
pub(super) struct StreamFlags {
    /// How the body of an event stream is framed: it ends with its connection, or comes in chunks, as most
    /// frameworks do it
    #[arg(long, value_name = "FRAMING", default_value = "close")]
    sse_framing: Framing,

    /// Whether event streams have `X-Accel-Buffering: no`, which tells nginx to pass on at once what comes
    #[arg(long, value_name = "SWITCH", default_value = "on")]
    accel_buffering_hint: Switch,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Framing {
    Close,
    Chunked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    On,
    Off,
}

impl StreamFlags {
    /// `config` with what they say.
    pub(super) fn put_into(&self, config: Config) -> Config {
        Config {
            sse_framing: match self.sse_framing {
                Framing::Close => SseFraming::Close,
                Framing::Chunked => SseFraming::Chunked,
            },
            accel_buffering_hint: self.accel_buffering_hint == Switch::On,
            ..config
        }
    }
}
