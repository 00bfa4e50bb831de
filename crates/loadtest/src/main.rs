//! Arguments of `loadtest` and where they lead: one module per command.

mod bench;
mod brokers;
mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::{churn, fanout, idle};

/// Load tester for a Quix hub over SignalR.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Publishers write to a topic, subscribers get everything: rates, loss, order, latency
    Fanout(fanout::Options),
    /// Open many connections and do nothing: memory for each
    Idle(idle::Options),
    /// Connect, subscribe, close, over and over
    Churn(churn::Options),
    /// A server against the bare floor, interleaved: CPU for each delivery as a ratio
    Bench(bench::Options),
    /// The embedded broker beside a real Kafka, interleaved: acknowledgements, reads, whole servers
    Brokers(brokers::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    loadtest::process::raise_file_limit()?;
    match command {
        Command::Fanout(options) => fanout::run(options),
        Command::Idle(options) => idle::run(options),
        Command::Churn(options) => churn::run(options),
        Command::Bench(options) => bench::run(options),
        Command::Brokers(options) => brokers::run(&options),
    }
}
