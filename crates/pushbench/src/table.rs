//! The arguments of `pushbench table`.

use std::path::PathBuf;

use clap::builder::TypedValueParser;
use pushbench_loadgen::command::{Invocation, TableOptions, table_rows};

/// Of `table`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Every cell is a figure of a run, which stands in the folder with its report. What was interrupted \
                  goes on with the same command and --out: a run that is there, of the same scenario and program, is \
                  not measured again. A program that is missing, as a proxy, leaves its cells empty, and they say \
                  so.\n\nThe exit code is 0 whatever the verdicts are, 1 when every trial of a run failed, but for \
                  programs that are not installed, 3 when a cell is empty because the machine was disturbed, \
                  and 130 when it was interrupted."
)]
pub(crate) struct TableArgs {
    /// The workload to fill it for [default: scenarios/default.toml, which is part of the program].
    scenario: Option<PathBuf>,
    /// Fill only these rows [default: all].
    #[arg(long, value_name = "ROW", num_args = 1.., value_delimiter = ',', value_parser = row_names())]
    only: Vec<String>,
    /// Write the table again from the runs in this folder, without measuring.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["scenario", "out", "max_time", "allow_remote"])]
    results: Option<PathBuf>,
    /// Time limit for all runs together: if needed, they measure fewer blocks and shorter trials, but none
    /// too short for its figures.
    #[arg(long, value_name = "TIME", default_value = "20m")]
    max_time: humantime::Duration,
    /// Where to write it and its runs [default: results/table-<time>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Allow a host that is neither this machine nor in its private network.
    #[arg(long, value_name = "HOST")]
    allow_remote: Vec<String>,
}

/// The rows, for the help as well.
fn row_names() -> impl TypedValueParser<Value = String> {
    clap::builder::PossibleValuesParser::new(table_rows())
}

impl TableArgs {
    /// As the command takes them.
    pub(crate) fn options(
        self,
        invocation: impl Fn(Option<PathBuf>) -> Invocation,
    ) -> TableOptions {
        let Self { scenario, only, results, max_time, out, allow_remote } = self;
        let invocation = Invocation { allow_remote, ..invocation(out) };
        TableOptions { scenario, only, results, max_time: max_time.into(), invocation }
    }
}
