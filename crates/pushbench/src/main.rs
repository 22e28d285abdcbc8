//! pushbench, the program: reads the command line and calls one function.

mod serve;

use clap::Parser;

/// Measure polling, long polling, Server-Sent Events and WebSocket on your workload
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Serve(serve::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Serve(args) => serve::serve(args),
    }
}
