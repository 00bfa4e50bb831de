//! `streamgate streams`: the active streams of a topic, and with `--follow` their changes.

use std::io::{self, Write};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    CommandError,
    client::Client,
    error::Problem,
    hub::Hub,
    interrupted, quiet_on_closed_pipe,
    target::{Missing, Target},
    text::escape,
};
use crate::args::StreamsArgs;

/// Prints to standard output; with `--follow` until Ctrl-C, or until nobody reads it any more.
pub async fn run(args: &StreamsArgs) -> Result<(), CommandError> {
    let mut out = io::BufWriter::new(io::stdout());
    let result = tokio::select! {
        result = run_to(args, &mut out) => result,
        () = interrupted() => Ok(()),
    };
    quiet_on_closed_pipe(result)
}

/// The same with an output of choice; with `--follow` until the server ends it.
pub async fn run_to(args: &StreamsArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let Target { client, .. } = &Target::reach(&args.server, Missing::Refuse).await?;
    check_topic(client, &args.topic).await?;
    let mut hub = Hub::open(client).await?;
    let list = hub.invoke("SubscribeToActiveStreams", &(&args.topic,)).await?;
    let list: Vec<Box<RawValue>> = serde_json::from_str(list.get()).map_err(|error| no_streams(client, &error))?;
    let widths = TITLES.map(str::len);
    let mut printer = Printer { client, json: args.json, follow: args.follow, widths };
    printer.list(&list, out)?;
    out.flush()?;
    if args.follow { follow(&mut hub, &printer, out).await } else { hub.close().await }
}

/// Until the server ends it.
async fn follow(hub: &mut Hub<'_>, printer: &Printer<'_>, out: &mut impl Write) -> Result<(), CommandError> {
    loop {
        let call = hub.next_call().await?;
        if let ("ActiveStreamsChanged", [stream, action]) = (call.target.as_str(), &*call.arguments) {
            printer.change(stream, action, out)?;
            // A terminal shows it now.
            out.flush()?;
        }
    }
}

/// Subscribing may make a topic; looking at one must not.
async fn check_topic(client: &Client, topic: &str) -> Result<(), CommandError> {
    let topics = client.topics().await?;
    if topics.iter().any(|known| known.name == topic || known.id == topic) {
        return Ok(());
    }
    let unknown = CommandError::Refused(Box::new(Problem { status: 404, ..Problem::default() }));
    Err(client.explain(topic, unknown).await)
}

struct Printer<'a> {
    client: &'a Client,
    json: bool,
    follow: bool,
    /// Of the columns, by what the list holds.
    widths: [usize; 6],
}

impl Printer<'_> {
    fn list(&mut self, list: &[Box<RawValue>], out: &mut impl Write) -> Result<(), CommandError> {
        if self.json {
            return list.iter().try_for_each(|stream| self.json_line(stream, "\"AddUpdate\"", out));
        }
        let rows = list.iter().map(|stream| self.row(stream)).collect::<Result<Vec<_>, _>>()?;
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        self.line(" ", &TITLES.map(str::to_owned), out)?;
        rows.iter().try_for_each(|row| self.line(" ", row, out))
    }

    fn change(&self, stream: &RawValue, action: &RawValue, out: &mut impl Write) -> Result<(), CommandError> {
        if self.json {
            return self.json_line(stream, action.get(), out);
        }
        let mark = if action.get() == "\"Remove\"" { "-" } else { "+" };
        self.line(mark, &self.row(stream)?, out)
    }

    /// The stream as the server sent it; among changes, with what became of it.
    fn json_line(&self, stream: &RawValue, action: &str, out: &mut impl Write) -> Result<(), CommandError> {
        match self.follow {
            true => writeln!(out, "{{\"action\":{action},\"stream\":{}}}", stream.get())?,
            false => writeln!(out, "{}", stream.get())?,
        }
        Ok(())
    }

    fn row(&self, stream: &RawValue) -> Result<[String; 6], CommandError> {
        let stream: Stream = serde_json::from_str(stream.get()).map_err(|error| no_streams(self.client, &error))?;
        let text = |text: Option<&str>| match text {
            None | Some("") => "-".to_owned(),
            Some(text) => escape(text).into_owned(),
        };
        Ok([
            text(Some(&stream.stream_id)),
            text(stream.name.as_deref()),
            text(Some(&stream.status)),
            stream.parameters.0.to_string(),
            stream.events.0.to_string(),
            text(stream.last_data.as_deref()),
        ])
    }

    fn line(&self, mark: &str, cells: &[String; 6], out: &mut impl Write) -> Result<(), CommandError> {
        if self.follow {
            write!(out, "{mark} ")?;
        }
        let [id, name, status, parameters, events, last_data] = cells;
        let [of_id, of_name, of_status, of_parameters, of_events, _] = self.widths;
        writeln!(
            out,
            "{id:of_id$}  {name:of_name$}  {status:of_status$}  {parameters:>of_parameters$}  {events:>of_events$}  {last_data}"
        )?;
        Ok(())
    }
}

fn no_streams(client: &Client, error: &serde_json::Error) -> CommandError {
    client.not_streamgate(format!("no list of streams: {error}"))
}

const TITLES: [&str; 6] = ["STREAM", "NAME", "STATUS", "PARAMETERS", "EVENTS", "LAST DATA"];

/// What the server sends per stream, as far as people read it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stream {
    stream_id: String,
    name: Option<String>,
    status: String,
    parameters: Count,
    events: Count,
    last_data: Option<String>,
}

/// Members of an object.
struct Count(usize);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Map::deserialize(deserializer).map(|members| Self(members.len()))
    }
}
