//! `streamgate poll`: polls a source of the settings once, for whoever tries it out.

use std::io::{self, Write};

use futures::FutureExt;
use quix_model::{Outgoing, WriteForm, WriteSettings};
use serde_json::json;
use ways::fetch::Fetcher;
use ways::poll::Source;
use ways::{Append, AppendError, HandedOver};

use super::{CommandError, folder, quiet_on_closed_pipe};
use crate::args::PollArgs;
use crate::config::{Config, Storage};
use crate::server::{ChoiceError, choose_broker, writes};

/// Polls once: prints the records, or writes them.
pub async fn run(args: &PollArgs) -> Result<(), CommandError> {
    let config = args.flags.load()?.config;
    let mut source = source(&config, &args.name)?;
    if args.dry_run {
        let polled = source.poll(&Printed { max_name_bytes: config.limits.name_size }).await;
        return quiet_on_closed_pipe(said(&args.name, polled, "would be written"));
    }
    if config.storage() == Storage::Memory {
        return Err(CommandError::Serve(
            "topics are kept in memory, which ends with this command: use --dry-run".to_owned(),
        ));
    }
    let broker = choose_broker(&config).await.map_err(|error| match error {
        ChoiceError::Folder(error) => folder::refused(&error, &config.data, folder::Busy::AskServer),
        ChoiceError::Settings(error) => CommandError::Serve(error.to_string()),
    })?;
    let polled = source.poll(&*writes(&config, &broker)).await;
    quiet_on_closed_pipe(said(&args.name, polled, "written"))
}

fn source(config: &Config, name: &str) -> Result<Source, CommandError> {
    let Some(found) = config.sources.poll.iter().find(|source| source.name == name) else {
        let names: Vec<_> = config.sources.poll.iter().map(|source| &*source.name).collect();
        let there =
            if names.is_empty() { "there is none".to_owned() } else { format!("there are {}", names.join(", ")) };
        return Err(CommandError::Serve(format!("the settings have no polling source {name:?}: {there}")));
    };
    let fetcher = Fetcher::new().map_err(|error| CommandError::Serve(error.to_string()))?;
    let unusable = |error| CommandError::Serve(format!("the polling source {name:?} cannot be used: {error}"));
    Source::new(found.clone(), fetcher).map_err(unusable)
}

fn said(name: &str, polled: Result<ways::poll::Polled, ways::poll::PollError>, done: &str) -> Result<(), CommandError> {
    let polled = polled.map_err(|error| CommandError::Serve(format!("polling {name:?} failed: {error}")))?;
    let (written, refused) = (polled.written, polled.refused);
    eprintln!("{written} records {done}, {refused} items without");
    Ok(())
}

/// Prints what it is handed instead of writing it.
#[derive(Debug)]
struct Printed {
    max_name_bytes: usize,
}

impl Append for Printed {
    fn hand_over<'a>(&'a self, topic: &'a str, stream_id: &'a str, outgoing: Outgoing<'a>) -> HandedOver<'a> {
        let printed = print(topic, stream_id, outgoing);
        async move { printed.map(|()| std::future::ready(Ok(())).boxed()) }.boxed()
    }

    fn max_name_bytes(&self) -> usize {
        self.max_name_bytes
    }
}

/// One line for each record, its model as plain JSON.
fn print(topic: &str, stream_id: &str, outgoing: Outgoing<'_>) -> Result<(), AppendError> {
    let refused = |error: &dyn std::fmt::Display| AppendError::Refused(error.to_string());
    let plain = WriteSettings { form: WriteForm::Json, ..WriteSettings::default() };
    for record in plain.records(outgoing, stream_id, 0).map_err(|error| refused(&error))? {
        let record: serde_json::Value = serde_json::from_slice(&record.value).map_err(|error| refused(&error))?;
        let line = json!({ "topic": topic, "streamId": stream_id, "record": record });
        writeln!(io::stdout(), "{line}").map_err(|error| AppendError::BrokerAway(error.to_string()))?;
    }
    Ok(())
}
