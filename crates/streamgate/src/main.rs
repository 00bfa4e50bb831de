//! The `streamgate` program: arguments to commands, and one sentence when a command fails.

use std::process::ExitCode;

use clap::Parser;
use streamgate::{
    args::{Args, Command, ImportCommand},
    commands::{self, CommandError},
    logging, serve,
};

fn main() -> ExitCode {
    let command = Args::parse().command;
    let result = tokio::runtime::Runtime::new().map_err(CommandError::System).and_then(|runtime| {
        let result = runtime.block_on(run(command));
        // What still waits for a broker or a name server keeps nobody waiting.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), CommandError> {
    match command {
        Command::Serve(args) => {
            logging::start();
            serve::run(&args).await
        }
        Command::Topic(args) => commands::topic::run(&args).await,
        Command::Tail(args) => commands::tail::run(&args).await,
        Command::Streams(args) => commands::streams::run(&args).await,
        Command::Produce(args) => commands::produce::run(&args).await,
        Command::Sample(args) => commands::sample::run(&args),
        Command::Recipes(args) => commands::recipes::run(&args),
        Command::Import(args) => match args.command {
            ImportCommand::Csv(args) => commands::import::run(&args).await,
        },
        Command::Poll(args) => commands::poll::run(&args).await,
        Command::Token(args) => commands::token::run(&args).await,
        Command::Webhook(args) => commands::webhook::run(&args).await,
        Command::Log(args) => commands::log::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args).await,
        Command::Config(args) => commands::config::run(&args),
        Command::Version(args) => commands::version::run(&args),
    }
}
