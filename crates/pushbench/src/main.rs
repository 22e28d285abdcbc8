//! `pushbench`: one program that serves, measures and reports.
//!
//! It only reads the command line: what commands do, and which exit code that gives
//! ([`ExitStatus`]), is the load generator's and the server's.

mod guide;
mod serve;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::{Parser, Subcommand};
use pushbench_loadgen::command::{
    self, CapacityOptions, Check, CompareOptions, ExitStatus, Invocation, ProbeOptions, RunOptions,
    SelftestOptions, Unusable,
};
use pushbench_loadgen::scenario::LoadAxis;
use pushbench_wire::Transport;

/// Measures polling, long polling, Server-Sent Events and WebSocket on your workload, with raw TCP
/// as the reference.
#[derive(Debug, Parser)]
#[command(version, after_help = exit_codes())]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print all tables and caveats instead of what fits a small terminal.
    #[arg(long, global = true)]
    verbose: bool,
}

/// What every exit code means, for the help.
fn exit_codes() -> String {
    let lines = ExitStatus::CODES.map(|(code, meaning)| format!("\n  {code:>3}  {meaning}"));
    format!("Exit codes:{}", lines.concat())
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios and compare their contenders.
    Run(RunArguments),
    /// Compare two builds of a server and report whether the second is worse.
    Compare(CompareArguments),
    /// Find the largest load at which each contender still meets the scenario's objectives.
    Capacity(CapacityArguments),
    /// Render the tables, charts and page of a results folder again.
    Report {
        /// A folder written by `run`, `compare` or `capacity`.
        dir: PathBuf,
    },
    /// Say which contenders meet a scenario's objectives and your needs, and what each costs.
    Guide(Box<guide::GuideArgs>),
    /// Hold published claims about these transports against results.
    Folklore(guide::FolkloreArgs),
    /// Measure the table that courses repeat about these transports, cell by cell.
    Table(Box<table::TableArgs>),
    /// Track results over revisions.
    #[command(subcommand)]
    History(History),
    /// Check scenarios without running them.
    Check {
        /// Scenario files, or folders of them.
        #[arg(required = true)]
        scenarios: Vec<PathBuf>,
    },
    /// Try a server: subscribe once over each transport, publish one event, and print the exchange.
    Probe(ProbeArguments),
    /// Write a commented scenario to start from.
    Init {
        /// The file to write.
        #[arg(default_value = "scenario.toml")]
        path: PathBuf,
        /// Overwrite the file if it exists.
        #[arg(long)]
        force: bool,
    },
    /// Print the JSON Schema of scenario files, for editors.
    Schema,
    /// Test pushbench itself: its server misbehaves by known amounts, which the measurement has to
    /// find.
    Selftest(SelftestArguments),
    /// Serve all transports from one event log.
    Serve(Box<serve::Args>),
}

#[derive(Debug, Subcommand)]
enum History {
    /// Add the estimates of runs to a history file. Runs that it already has stay as they are.
    Add {
        /// Results folders written by `run`.
        #[arg(required = true)]
        dirs: Vec<PathBuf>,
        /// The history file; created if it does not exist.
        #[arg(long, default_value = HISTORY)]
        file: PathBuf,
        /// The revision that was measured [default: that of pushbench, if it measured its own server].
        #[arg(long)]
        revision: Option<String>,
    },
    /// Chart each metric over revisions and mark where it changed.
    Show {
        /// The history file.
        #[arg(long, default_value = HISTORY)]
        file: PathBuf,
        /// Where to write the charts and history.md [default: FILE without its extension].
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

const HISTORY: &str = "history.csv";

#[derive(Debug, clap::Args)]
struct RunArguments {
    /// Scenario files, or folders of them.
    #[arg(required = true, value_name = "SCENARIO")]
    scenarios: Vec<PathBuf>,
    /// Where to write the results; several scenarios get a folder each in it [default:
    /// results/<scenario>-<time>, or results/<folder>-<time>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Time limit for the whole run: if needed, it measures fewer blocks and shorter trials, but none
    /// too short for its figures [default: no limit].
    #[arg(long, value_name = "TIME")]
    max_time: Option<humantime::Duration>,
    /// How many trials that the machine spoilt are measured once more, for each scenario [default: half of
    /// those planned].
    #[arg(long, value_name = "N")]
    max_repeats: Option<u32>,
    /// Measure another server: a command that accepts the flags of `pushbench serve` and prints the
    /// same ready line [default: `serve` of this program].
    #[arg(long, value_name = "COMMAND")]
    server: Option<Words>,
    /// Allow a host that is neither this machine nor in its private network.
    #[arg(long, value_name = "HOST")]
    allow_remote: Vec<String>,
    /// Print what would be sent where, and send nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A BUILD is a pushbench program, a server command as for `run --server`, or a git \
                        revision, which is built; they are tried in this order. Instead of scenarios and \
                        builds, two results folders of `run` can be given: they are compared as they are, \
                        which gives advice on bytes, losses and instructions only."
)]
struct CompareArguments {
    /// Scenario files, or folders of them; or two results folders.
    #[arg(required = true, value_name = "SCENARIO")]
    inputs: Vec<PathBuf>,
    /// The build to compare with.
    #[arg(long, value_name = "BUILD", requires = "candidate")]
    baseline: Option<String>,
    /// The build that may be worse.
    #[arg(long, value_name = "BUILD", requires = "baseline")]
    candidate: Option<String>,
    /// Where to write the results [default: results/compare-<scenario>-<time>].
    #[arg(long, value_name = "DIR", requires = "baseline")]
    out: Option<PathBuf>,
    /// Blocks in the first stage, from 5 to 10.
    #[arg(long, value_name = "N", default_value_t = 8, requires = "baseline",
          value_parser = clap::value_parser!(u32).range(5..=10))]
    blocks: u32,
    /// Determines the order of trials: the same seed gives the same order [default: random].
    #[arg(long, value_name = "N", requires = "baseline")]
    seed: Option<u64>,
    /// Time limit for the first stage of each scenario: if needed, trials are shortened, but not so
    /// far that their figures suffer.
    #[arg(long, value_name = "TIME", default_value = "6m", requires = "baseline")]
    max_time: humantime::Duration,
}

#[derive(Debug, clap::Args)]
struct ProbeArguments {
    /// A scenario with [server.NAME], or the name or file of a preset.
    target: String,
    /// Where the server of a preset is.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Ask the server of a preset through these proxies, as scenarios name them: nginx, or
    /// nginx-tls:tuned for a profile; none is without. A scenario says it by `proxy`.
    #[arg(long, value_name = "NAME[:PROFILE]", num_args = 1.., value_delimiter = ',')]
    proxy: Vec<String>,
    /// Try only these transports [default: all that are described].
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    transport: Vec<Transport>,
    /// Allow a host that is neither this machine nor in its private network.
    #[arg(long, value_name = "HOST")]
    allow_remote: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct CapacityArguments {
    /// The scenario file; it must have [objectives].
    scenario: PathBuf,
    /// What to vary: the number of subscribers, or the events per second on each channel.
    #[arg(long, value_name = "WHAT", value_parser = varied())]
    vary: LoadAxis,
    /// The largest load to try.
    #[arg(long, value_name = "N", value_parser = positive)]
    max: Option<f64>,
    /// Search only these contenders [default: all that have objectives].
    #[arg(long, alias = "transport", value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    contender: Vec<String>,
    /// Where to write the results [default: results/capacity-<scenario>-<time>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Measure another server, as with `run --server` [default: `serve` of this program].
    #[arg(long, value_name = "COMMAND")]
    server: Option<Words>,
    /// Allow a host that is neither this machine nor in its private network.
    #[arg(long, value_name = "HOST")]
    allow_remote: Vec<String>,
}

/// What can be varied, for the help as well.
fn varied() -> impl TypedValueParser<Value = LoadAxis> {
    let names = LoadAxis::ALL.map(LoadAxis::name);
    clap::builder::PossibleValuesParser::new(names).try_map(|name| name.parse::<LoadAxis>())
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| *number > 0.0 && number.is_finite());
    number.ok_or_else(|| "must be a number above 0".to_owned())
}

#[derive(Debug, clap::Args)]
struct SelftestArguments {
    /// Run only these checks [default: all].
    #[arg(long, value_name = "NAME", num_args = 1.., value_parser = check_names())]
    only: Vec<Check>,
    /// How often to compare the server with itself; 100 comparisons take about 15 minutes.
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    comparisons: u32,
    /// Determines which of two sides is measured first: the same seed gives the same order.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// The checks, for the help as well.
fn check_names() -> impl TypedValueParser<Value = Check> {
    let names = Check::ALL
        .iter()
        .map(|check| clap::builder::PossibleValue::new(check.name()).help(check.description()));
    clap::builder::PossibleValuesParser::new(names)
        .try_map(|name| Check::named(&name).ok_or("unknown check"))
}

fn main() -> ExitCode {
    let Arguments { command, verbose } = Arguments::parse();
    let status = dispatch(command, verbose).unwrap_or_else(|error| {
        command::say(&format!("{error:#}"));
        ExitStatus::of_error(&error)
    });
    ExitCode::from(status.code())
}

fn dispatch(command: Command, verbose: bool) -> anyhow::Result<ExitStatus> {
    match command {
        Command::Run(arguments) => command::run(&run_options(arguments), verbose),
        Command::Capacity(arguments) => command::capacity(&capacity_options(arguments), verbose),
        Command::Compare(arguments) => compare(arguments, verbose),
        Command::Report { dir } => command::report(&dir, verbose),
        Command::Guide(arguments) => {
            command::guide(&arguments.options(|out| invocation(out, None)), verbose)
        }
        Command::Folklore(arguments) => command::folklore(&arguments.options()),
        Command::Table(arguments) => {
            command::table(&arguments.options(|out| invocation(out, None)), verbose)
        }
        Command::History(History::Add { dirs, file, revision }) => {
            command::history_add(&dirs, &file, revision.as_deref())
        }
        Command::History(History::Show { file, out }) => {
            command::history_show(&file, out.as_deref(), verbose)
        }
        Command::Check { scenarios } => command::check(&scenarios),
        Command::Probe(arguments) => command::probe(&probe_options(arguments)),
        Command::Init { path, force } => command::init(&path, force),
        Command::Schema => command::schema(),
        Command::Selftest(arguments) => command::selftest(&selftest_options(arguments), verbose),
        Command::Serve(arguments) => serve::serve(*arguments).map(|()| ExitStatus::Complete),
    }
}

fn capacity_options(arguments: CapacityArguments) -> CapacityOptions {
    let CapacityArguments {
        scenario,
        vary: varied,
        max,
        contender: contenders,
        out,
        server,
        allow_remote,
    } = arguments;
    let invocation = Invocation { allow_remote, ..invocation(out, server) };
    CapacityOptions { scenario, varied, max, contenders, invocation }
}

fn probe_options(arguments: ProbeArguments) -> ProbeOptions {
    let ProbeArguments { target, url, proxy: proxies, transport: transports, allow_remote } =
        arguments;
    ProbeOptions { target, url, proxies, transports, allow_remote }
}

fn run_options(arguments: RunArguments) -> RunOptions {
    let RunArguments { scenarios, out, max_time, max_repeats, server, allow_remote, dry_run } =
        arguments;
    let invocation = Invocation { allow_remote, ..invocation(out, server) };
    let max_time = max_time.map(Into::into);
    RunOptions { scenarios, max_time, max_repeats, dry_run, invocation }
}

/// How this process was called.
fn invocation(out: Option<PathBuf>, server: Option<Words>) -> Invocation {
    let arguments = std::env::args_os();
    Invocation {
        out,
        server: server.map(|Words(words)| words),
        allow_remote: Vec::new(),
        command_line: arguments.map(|word| word.to_string_lossy().into_owned()).collect(),
        version: env!("CARGO_PKG_VERSION"),
        revision: option_env!("PUSHBENCH_REVISION"),
    }
}

fn compare(arguments: CompareArguments, verbose: bool) -> anyhow::Result<ExitStatus> {
    let CompareArguments { inputs, baseline, candidate, out, blocks, seed, max_time } = arguments;
    let Some((baseline, candidate)) = baseline.zip(candidate) else {
        let [baseline, candidate] = &inputs[..] else {
            let message = "give two builds with --baseline and --candidate, or two results folders";
            return Err(Unusable(message.to_owned()).into());
        };
        return command::compare_stored(baseline, candidate, verbose);
    };
    let options = CompareOptions {
        baseline,
        candidate,
        scenarios: inputs,
        blocks,
        seed,
        max_time: max_time.into(),
        invocation: invocation(out, None),
    };
    command::compare(&options, verbose)
}

fn selftest_options(arguments: SelftestArguments) -> SelftestOptions {
    let SelftestArguments { only, comparisons, seed } = arguments;
    SelftestOptions { only, comparisons, seed }
}

/// A command and its arguments, given as one argument.
#[derive(Clone, Debug)]
struct Words(Vec<String>);

impl FromStr for Words {
    type Err = shell_words::ParseError;

    fn from_str(command: &str) -> Result<Self, Self::Err> {
        shell_words::split(command).map(Self)
    }
}
