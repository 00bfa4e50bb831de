//! The `streamgate` program: arguments to commands, and one sentence when a command fails.

use std::process::ExitCode;

use clap::Parser;
use streamgate::{
    args::{Args, Command},
    commands, logging, serve,
};

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Serve(args) => {
            logging::start();
            serve::run(&args).await
        }
        Command::Topic(args) => commands::topic::run(&args).await,
        Command::Tail(args) => commands::tail::run(&args).await,
        Command::Produce(args) => commands::produce::run(&args).await,
        Command::Config(args) => commands::config::run(&args),
        Command::Version(args) => commands::version::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
