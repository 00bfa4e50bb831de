//! `streamgate produce`: lines of standard input to a topic, and an honest count of those that are durable.

use std::io::{self, Read, Write};

use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;

use super::{
    CommandError,
    client::Client,
    error::{Problem, Rest},
    event::Defaults,
    input::{Batch, Batches},
    interrupted,
    progress::Progress,
    target::{Missing, Target},
};
use crate::args::ProduceArgs;

/// Writes standard input to the topic and prints the number of acknowledged lines to standard error.
pub async fn run(args: &ProduceArgs) -> Result<(), CommandError> {
    let progress = Progress::of_standard_input();
    let result = write_all(args, io::stdin(), &progress, interrupted()).await;
    progress.finish();
    report(result?, &mut io::stderr())
}

/// The same with an input and a place for the count of choice.
pub async fn run_with(
    args: &ProduceArgs,
    input: impl Read + Send + 'static,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    report(write_all(args, input, &Progress::none(), std::future::pending()).await?, out)
}

fn report(lines: u64, out: &mut impl Write) -> Result<(), CommandError> {
    let unit = if lines == 1 { "line" } else { "lines" };
    // Whoever closed standard error does not want to know; the lines are written all the same.
    let _ = writeln!(out, "{lines} {unit} acknowledged");
    Ok(())
}

/// Sends one request after the other, so that the order holds and the count is exact. The number of lines on success.
async fn write_all(
    args: &ProduceArgs,
    input: impl Read + Send + 'static,
    progress: &Progress,
    interrupted: impl Future<Output = ()>,
) -> Result<u64, CommandError> {
    let Target { client, .. } = &Target::reach(&args.server, Missing::Make).await?;
    let mut batches = Batches::read(input, Defaults { stream: args.stream.clone(), id: args.id.clone() });
    let mut interrupted = std::pin::pin!(interrupted);
    let mut durable = 0;
    loop {
        let batch = tokio::select! {
            biased;
            () = &mut interrupted => return Err(failure(CommandError::Interrupted, durable, Rest::NotWritten)),
            batch = batches.next() => batch,
        };
        let batch = match batch {
            None => return Ok(durable),
            Some(Err(error)) => return Err(failure(error, durable, Rest::NotWritten)),
            Some(Ok(batch)) => batch,
        };
        let (lines, input_bytes) = (batch.lines, batch.input_bytes);
        let sent = tokio::select! {
            sent = send(client, &args.topic, batch) => sent,
            () = &mut interrupted => Err(CommandError::Interrupted),
        };
        if let Err(error) = sent {
            let (written, rest) = outcome(&error, lines);
            return Err(failure(client.explain(&args.topic, error).await, durable + written, rest));
        }
        durable += lines;
        progress.add(lines, input_bytes);
    }
}

async fn send(client: &Client, topic: &str, batch: Batch) -> Result<(), CommandError> {
    let url = client.url(&["topics", topic, "packages"]);
    let request = client.http.post(url).header(CONTENT_TYPE, "application/x-ndjson").body(batch.body);
    let answer: Written = client.json(client.send(request).await?).await?;
    if answer.written == batch.lines {
        return Ok(());
    }
    Err(client.not_streamgate(format!("it acknowledged {} of {} lines", answer.written, batch.lines)))
}

#[derive(Deserialize)]
struct Written {
    written: u64,
}

/// Of the lines of a failed request: how many are durable, and what is known of the others.
fn outcome(error: &CommandError, lines: u64) -> (u64, Rest) {
    match error {
        CommandError::Unreachable { .. } => (0, Rest::NotWritten),
        CommandError::Refused(problem) => {
            let written = problem.written.min(lines);
            let rest = if is_unknown(problem) { Rest::Unknown(lines - written) } else { Rest::NotWritten };
            (written, rest)
        }
        _ => (0, Rest::Unknown(lines)),
    }
}

/// The server says which; where it does not, 4xx and 503 are refusals (reliability W2).
fn is_unknown(problem: &Problem) -> bool {
    match problem.kind.as_deref() {
        Some("NotWritten") => false,
        Some("OutcomeUnknown") => true,
        _ => problem.status >= 500 && problem.status != 503,
    }
}

fn failure(cause: CommandError, durable: u64, rest: Rest) -> CommandError {
    CommandError::Produce { cause: Box::new(cause), durable, rest }
}
