//! `pushbench`: one program that serves, measures and reports.
//!
//! Exit codes: 0 all is well; 1 the tool, a trial or a check failed, or deliveries were lost; 2 the command line or the
//! scenario is wrong; 3 the measurement cannot be trusted; 99 a threshold is crossed or a
//! regression confirmed; 130 interrupted.

mod serve;

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::{Parser, Subcommand};
use pushbench_loadgen::command::{
    self, AlreadyExists, Build, CapacityOptions, Check, CompareOptions, Compared, Ending,
    RunOptions, SelftestOptions, SelftestResult, Unusable,
};
use pushbench_loadgen::scenario::{LoadAxis, ScenarioError};

/// Measures polling, long polling, Server-Sent Events and WebSocket on your workload, with raw TCP
/// as a reference.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 all is well · 1 the tool, a trial or a check failed, or deliveries were lost · 2 wrong usage or \
                          scenario · 3 the measurement cannot be trusted · 99 a threshold is crossed or a regression confirmed · 130 interrupted";

#[derive(Debug, Subcommand)]
enum Command {
    /// Replay scenarios over every transport and compare them.
    Run(RunArguments),
    /// Measure two builds of a server against each other and say whether the second is worse.
    Compare(CompareArguments),
    /// Find the largest load at which each transport still meets the scenario's objectives.
    Capacity(CapacityArguments),
    /// Render the table, charts and page of a results folder again.
    Report {
        /// A folder that `run`, `compare` or `capacity` has left.
        dir: PathBuf,
    },
    /// Follow figures over revisions.
    #[command(subcommand)]
    History(History),
    /// Check scenarios without running them.
    Check {
        /// Scenario files, or folders of them.
        #[arg(required = true)]
        scenarios: Vec<PathBuf>,
    },
    /// Write a commented scenario to start from.
    Init {
        /// The file to write.
        #[arg(default_value = "scenario.toml")]
        path: PathBuf,
        /// Replace the file when it exists.
        #[arg(long)]
        force: bool,
    },
    /// Print the JSON Schema of scenarios, for editors.
    Schema,
    /// Hold the whole instrument against known truth: the server misbehaves by known amounts, and
    /// pushbench has to find them.
    Selftest(SelftestArguments),
    /// Serve all transports from one event log.
    Serve(Box<serve::Args>),
}

#[derive(Debug, Subcommand)]
enum History {
    /// Add the estimates of runs to a history. A run that is there already stays as it is.
    Add {
        /// Folders that `run` has left.
        #[arg(required = true)]
        dirs: Vec<PathBuf>,
        /// The history; made if it does not exist.
        #[arg(long, default_value = HISTORY)]
        file: PathBuf,
        /// What was measured [default: the revision of pushbench, if it measured its own server].
        #[arg(long)]
        revision: Option<String>,
    },
    /// Draw each metric over revisions, and mark where it changed.
    Show {
        /// The history.
        #[arg(long, default_value = HISTORY)]
        file: PathBuf,
        /// Where the charts and history.md go [default: FILE without its extension].
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
    /// Where the results go, of several scenarios each in a folder within it [default:
    /// results/<scenario>-<time>, or results/<folder>-<time>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How long all of it may take: blocks and trials that would take longer are shortened, as far
    /// as their figures allow [default: as long as the scenarios ask].
    #[arg(long, value_name = "TIME")]
    max_time: Option<humantime::Duration>,
    /// Measure another server: a command that takes the flags of `pushbench serve` and prints its
    /// ready line [default: this program's `serve`].
    #[arg(long, value_name = "COMMAND")]
    server: Option<Words>,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A BUILD is a pushbench program, a server command as `run --server` takes it, or a \
                        git revision, which is built: in this order. Two results folders of `run` in the \
                        place of scenarios, without builds, are compared as they are: advice on bytes, \
                        losses and instructions alone."
)]
struct CompareArguments {
    /// Scenario files, or folders of them; or two results folders.
    #[arg(required = true, value_name = "SCENARIO")]
    inputs: Vec<PathBuf>,
    /// What the candidate is held against.
    #[arg(long, value_name = "BUILD", requires = "candidate")]
    baseline: Option<String>,
    /// What may have become worse.
    #[arg(long, value_name = "BUILD", requires = "baseline")]
    candidate: Option<String>,
    /// Where the results go [default: results/compare-<scenario>-<time>].
    #[arg(long, value_name = "DIR", requires = "baseline")]
    out: Option<PathBuf>,
    /// Blocks of the first stage, from 5 to 10.
    #[arg(long, value_name = "N", default_value_t = 8, requires = "baseline",
          value_parser = clap::value_parser!(u32).range(5..=10))]
    blocks: u32,
    /// Decides the order of everything: the same seed repeats it [default: a new one each time].
    #[arg(long, value_name = "N", requires = "baseline")]
    seed: Option<u64>,
    /// How long the first stage of each scenario may take: trials that would take longer are
    /// shortened, as far as their figures allow.
    #[arg(long, value_name = "TIME", default_value = "6m", requires = "baseline")]
    max_time: humantime::Duration,
}

#[derive(Debug, clap::Args)]
struct CapacityArguments {
    /// The scenario, with [objectives].
    scenario: PathBuf,
    /// What to vary: the number of subscribers, or the events per second of each channel.
    #[arg(long, value_name = "WHAT", value_parser = varied())]
    vary: LoadAxis,
    /// Try no more than this.
    #[arg(long, value_name = "N", value_parser = positive)]
    max: Option<f64>,
    /// Search these contenders alone [default: all that have objectives].
    #[arg(long, alias = "transport", value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    contender: Vec<String>,
    /// Where the results go [default: results/capacity-<scenario>-<time>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Measure another server, as `run --server` does [default: this program's `serve`].
    #[arg(long, value_name = "COMMAND")]
    server: Option<Words>,
}

/// What can be varied, for the help as well.
fn varied() -> impl TypedValueParser<Value = LoadAxis> {
    let names = LoadAxis::ALL.map(LoadAxis::name);
    clap::builder::PossibleValuesParser::new(names).try_map(|name| name.parse::<LoadAxis>())
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| *number > 0.0 && number.is_finite());
    number.ok_or_else(|| "it must be a number above 0".to_owned())
}

#[derive(Debug, clap::Args)]
struct SelftestArguments {
    /// Run these checks alone [default: all].
    #[arg(long, value_name = "NAME", num_args = 1.., value_parser = check_names())]
    only: Vec<Check>,
    /// How often a server is compared with itself; 100 take a quarter of an hour.
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    comparisons: u32,
    /// Decides which of two sides is measured first: the same seed repeats it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// The checks, for the help as well.
fn check_names() -> impl TypedValueParser<Value = Check> {
    let names = Check::ALL
        .iter()
        .map(|check| clap::builder::PossibleValue::new(check.name()).help(check.description()));
    clap::builder::PossibleValuesParser::new(names).try_map(|name| name.parse::<Check>())
}

fn main() -> ExitCode {
    match dispatch(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            let is_users = error.is::<ScenarioError>()
                || error.is::<AlreadyExists>()
                || error.is::<Unusable>();
            ExitCode::from(if is_users { 2 } else { 1 })
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(arguments) => command::run(&run_options(arguments)).map(ended),
        Command::Capacity(arguments) => command::capacity(&capacity_options(arguments)).map(ended),
        Command::Compare(arguments) => Ok(match compare(arguments)? {
            Compared::Passed => ExitCode::SUCCESS,
            Compared::Invalid => ExitCode::from(3),
            Compared::Regressed => ExitCode::from(99),
            Compared::Interrupted => ExitCode::from(130),
        }),
        Command::Report { dir } => command::report(&dir).map(|()| ExitCode::SUCCESS),
        Command::History(History::Add { dirs, file, revision }) => {
            command::history_add(&dirs, &file, revision.as_deref()).map(|()| ExitCode::SUCCESS)
        }
        Command::History(History::Show { file, out }) => {
            command::history_show(&file, out.as_deref()).map(|()| ExitCode::SUCCESS)
        }
        Command::Check { scenarios } => Ok(match command::check(&scenarios)? {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(2),
        }),
        Command::Init { path, force } => {
            command::init(&path, force)?;
            println!("wrote {0}; next: pushbench check {0}", path.display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Schema => command::schema().map(|()| ExitCode::SUCCESS),
        Command::Selftest(arguments) => {
            Ok(match command::selftest(&selftest_options(arguments))? {
                SelftestResult::Passed => ExitCode::SUCCESS,
                SelftestResult::Failed => ExitCode::FAILURE,
                SelftestResult::Untrusted => ExitCode::from(3),
                SelftestResult::Interrupted => ExitCode::from(130),
            })
        }
        Command::Serve(arguments) => serve::serve(*arguments).map(|()| ExitCode::SUCCESS),
    }
}

fn ended(ending: Ending) -> ExitCode {
    match ending {
        Ending::Complete => ExitCode::SUCCESS,
        Ending::SomeFailed | Ending::Unfaithful => ExitCode::FAILURE,
        Ending::Untrusted => ExitCode::from(3),
        // As k6 has it.
        Ending::Crossed => ExitCode::from(99),
        Ending::Interrupted => ExitCode::from(130),
    }
}

fn capacity_options(arguments: CapacityArguments) -> CapacityOptions {
    let CapacityArguments { scenario, vary, max, contender, out, server } = arguments;
    CapacityOptions {
        scenario,
        varied: vary,
        max,
        contenders: contender,
        out,
        server: server.map(|Words(words)| words),
        command_line: command_line(),
        build: BUILD,
    }
}

fn run_options(arguments: RunArguments) -> RunOptions {
    RunOptions {
        scenarios: arguments.scenarios,
        out: arguments.out,
        max_time: arguments.max_time.map(Into::into),
        server: arguments.server.map(|Words(words)| words),
        command_line: command_line(),
        build: BUILD,
    }
}

/// What is running.
const BUILD: Build =
    Build { version: env!("CARGO_PKG_VERSION"), revision: option_env!("PUSHBENCH_REVISION") };

fn command_line() -> Vec<String> {
    std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect()
}

fn compare(arguments: CompareArguments) -> anyhow::Result<Compared> {
    let CompareArguments { inputs, baseline, candidate, out, blocks, seed, max_time } = arguments;
    let Some((baseline, candidate)) = baseline.zip(candidate) else {
        let [baseline, candidate] = &inputs[..] else {
            let message = "name two builds with --baseline and --candidate, or two results folders";
            return Err(Unusable(message.to_owned()).into());
        };
        return command::compare_stored(baseline, candidate);
    };
    command::compare(&CompareOptions {
        baseline,
        candidate,
        scenarios: inputs,
        out,
        blocks,
        seed,
        max_time: max_time.into(),
        command_line: command_line(),
        build: BUILD,
    })
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
