//! `streamgate topic create` and `topic list`.

use std::io::{self, Write};

use serde_json::json;

use super::{
    CommandError,
    client::{Client, Topic},
    quiet_on_closed_pipe,
    target::{Missing, Target},
    text::escape,
};
use crate::args::{TopicArgs, TopicCommand};

/// Runs the command against its server and prints to standard output.
pub async fn run(args: &TopicArgs) -> Result<(), CommandError> {
    quiet_on_closed_pipe(run_to(args, &mut io::stdout()).await)
}

/// The same with an output of choice.
pub async fn run_to(args: &TopicArgs, out: &mut impl Write) -> Result<(), CommandError> {
    match &args.command {
        TopicCommand::Create { name, partitions, server } => {
            create(&Target::reach(server, Missing::Make).await?.client, name, *partitions, out).await
        }
        TopicCommand::List { json, server } => {
            let topics = Target::reach(server, Missing::Refuse).await?.client.topics().await?;
            if *json { print_json(&topics, out) } else { print_table(&topics, out) }
        }
    }
}

async fn create(
    client: &Client,
    name: &str,
    partitions: Option<i32>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let body = partitions.map_or_else(|| json!({}), |partitions| json!({ "partitions": partitions }));
    let request = client.http.put(client.url(&["topics", name])).json(&body);
    let topic: Topic = client.json(client.send(request).await?).await?;
    let unit = if topic.partitions == 1 { "partition" } else { "partitions" };
    writeln!(out, "topic '{}' is there: {} {unit}, id '{}'", escape(&topic.name), topic.partitions, escape(&topic.id))?;
    Ok(())
}

fn print_json(topics: &[Topic], out: &mut impl Write) -> Result<(), CommandError> {
    serde_json::to_writer(&mut *out, topics).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

fn print_table(topics: &[Topic], out: &mut impl Write) -> Result<(), CommandError> {
    let width = topics.iter().map(|topic| topic.name.len()).max().unwrap_or(0).max("NAME".len());
    writeln!(out, "{:width$}  PARTITIONS  ID", "NAME")?;
    for topic in topics {
        writeln!(out, "{:width$}  {:>10}  {}", escape(&topic.name), topic.partitions, escape(&topic.id))?;
    }
    Ok(())
}
