//! The arguments of `pushbench guide` and `pushbench folklore`.

use std::path::PathBuf;

use pushbench_loadgen::command::{FolkloreOptions, GuideOptions, Invocation, Table};

/// Of `guide`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The exit code is 0 when something meets all that is asked, 99 when nothing does, and 3 when \
                  a run cannot be trusted or nobody knows; of a scenario, it is that of the run if that is \
                  worse."
)]
pub(crate) struct GuideArgs {
    /// Results folders written by `run`, folders that hold such, or scenario files, which are run first.
    #[arg(required = true, value_name = "FOLDER|SCENARIO")]
    sources: Vec<PathBuf>,
    /// Clients send as well; only a run in which they did shows that it works.
    #[arg(long)]
    two_way: bool,
    /// Events are bytes that are no text; only a run with such events shows that it works.
    #[arg(long)]
    binary: bool,
    /// It must pass these proxies: nginx, or nginx-tls:tuned for a profile.
    #[arg(long, value_name = "NAME[:PROFILE]", value_delimiter = ',')]
    needs_proxy: Vec<String>,
    /// Clients are so far from the server: 100ms.
    #[arg(long, value_name = "TIME")]
    round_trip: Option<String>,
    /// What it may cost at most, for example server_cpu_per_second=250ms,
    /// server_memory_per_subscriber=20kB, bytes_per_delivery=400B, latency_p99=500ms.
    #[arg(long, value_name = "METRIC=AMOUNT", value_delimiter = ',')]
    max: Vec<String>,
    /// Print JSON instead, of runs that are there.
    #[arg(long)]
    json: bool,
    /// Time limit of a run.
    #[arg(long, value_name = "TIME")]
    max_time: Option<humantime::Duration>,
    /// Where to write the results of a run [default: results/<scenario>-<time>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Allow a host that is neither this machine nor in its private network.
    #[arg(long, value_name = "HOST")]
    allow_remote: Vec<String>,
}

impl GuideArgs {
    /// As the command takes them.
    pub(crate) fn options(
        self,
        invocation: impl Fn(Option<PathBuf>) -> Invocation,
    ) -> GuideOptions {
        let Self {
            sources,
            two_way,
            binary,
            needs_proxy: proxies,
            round_trip,
            max,
            json,
            max_time,
            out,
            allow_remote,
        } = self;
        let invocation = Invocation { allow_remote, ..invocation(out) };
        let max_time = max_time.map(Into::into);
        GuideOptions {
            sources,
            two_way,
            binary,
            proxies,
            round_trip,
            max,
            json,
            max_time,
            invocation,
        }
    }
}

/// Of `folklore`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The exit code is 0 whatever the verdicts are, and 3 when a run cannot be trusted in all: \
                  what is touched is left out."
)]
pub(crate) struct FolkloreArgs {
    /// Results folders written by `run`, or folders that hold such; without one, the claims are listed with
    /// the commands that test them.
    #[arg(value_name = "FOLDER")]
    dirs: Vec<PathBuf>,
    /// How to print it.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// A format of the table.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// For a terminal.
    Text,
    /// As Markdown.
    Markdown,
    /// A row for each part of a claim in each run, nothing rounded.
    Csv,
}

impl FolkloreArgs {
    /// As the command takes them.
    pub(crate) fn options(self) -> FolkloreOptions {
        let table = match self.format {
            Format::Text => Table::Text,
            Format::Markdown => Table::Markdown,
            Format::Csv => Table::Csv,
        };
        FolkloreOptions { dirs: self.dirs, table }
    }
}
