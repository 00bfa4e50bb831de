//! `streamgate doctor`: looks at everything that the server of a configuration rests on, and says what to do.
//!
//! Each file here asks about one thing, and makes lines of the answers by rules of its own, which are pure.

mod cluster;
mod files;
mod folder;
mod line;
mod quix;
mod reach;
mod server;
mod topics;

use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kafka_bridge::kafka::{Cluster, KafkaSettings, client_version};

use self::line::{Line, Subject, Verdict};
use super::{CommandError, quiet_on_closed_pipe};
use crate::args::{DoctorArgs, DoctorCommand};
use crate::config::{Loaded, Storage};
use crate::descriptors;
use crate::server::kafka_settings;

/// Looks, and prints to standard output a line for each thing.
pub async fn run(args: &DoctorArgs) -> Result<(), CommandError> {
    quiet_on_closed_pipe(run_to(args, &mut io::stdout()).await)
}

/// The same with an output of choice.
pub async fn run_to(args: &DoctorArgs, out: &mut impl Write) -> Result<(), CommandError> {
    if let Some(DoctorCommand::Quix { flags }) = &args.command {
        return Ok(out.write_all(quix::text(&flags.load()?).as_bytes())?);
    }
    let loaded = args.flags.load()?;
    let lines = examine(&loaded).await;
    for line in &lines {
        if args.json { writeln!(out, "{}", line.json())? } else { writeln!(out, "{line}")? }
    }
    match lines.iter().filter(|line| line.verdict == Verdict::Fail).count() {
        0 => Ok(()),
        count => Err(CommandError::Unwell { count }),
    }
}

async fn examine(loaded: &Loaded) -> Vec<Line> {
    let config = &loaded.config;
    let versions = format!("streamgate {}, librdkafka {}", env!("CARGO_PKG_VERSION"), client_version());
    let mut lines = vec![Line::ok(Subject::Program, versions)];
    let settings = loaded.file.as_ref().map_or("without a settings file".to_owned(), |file| file.display().to_string());
    lines.push(Line::ok(Subject::Settings, settings));
    lines.extend(loaded.warnings.iter().map(|warning| Line::warn(Subject::Settings, warning, "as it says")));
    lines.push(files::line(descriptors::raise(), config.limits.connections));
    match config.storage() {
        Storage::Memory => {
            lines.extend(server::look(loaded, None).await);
            lines.push(Line::warn(
                Subject::Topics,
                "topics are kept in memory and end with the server",
                "leave out --memory to keep them",
            ));
        }
        Storage::Folder => {
            let (found, is_held) = folder::look(config);
            lines.extend(server::look(loaded, Some(is_held)).await);
            lines.extend(found);
            if is_held {
                lines.extend(listener(loaded).await);
            }
        }
        Storage::Kafka => {
            lines.extend(server::look(loaded, None).await);
            lines.extend(kafka(loaded).await);
        }
    }
    lines
}

/// The cluster that topics are kept in.
async fn kafka(loaded: &Loaded) -> Vec<Line> {
    let config = &loaded.config;
    let settings = match kafka_settings(config) {
        Ok(settings) => settings,
        Err(error) => return vec![Line::fail(Subject::Kafka, error, "correct the section [kafka]")],
    };
    match Cluster::examine(&settings, later_ms(), TIMEOUT).await {
        Err(error) => vec![cluster::unreachable(&settings.brokers, &error, &settings.properties)],
        Ok(mut cluster) => {
            topics::keep_ours(config, &mut cluster);
            let mut lines = cluster::brokers(&settings.brokers, &cluster);
            lines.extend(reach::all(&cluster).await);
            lines.extend(cluster::settings(&cluster, settings.message_max_bytes));
            lines.extend(topics::kept(&cluster));
            let names: Vec<_> = cluster.topics.iter().map(|topic| topic.name.clone()).collect();
            lines.extend(topics::configured(config, &names));
            lines.push(topics::clock(&cluster));
            lines
        }
    }
}

/// The listener for Kafka clients of the server that has the data folder, and the topics it tells.
async fn listener(loaded: &Loaded) -> Vec<Line> {
    let Some(address) = loaded.kafka_listener().filter(|address| address.port() != 0) else { return Vec::new() };
    let brokers = reach::from_here(address).to_string();
    if reach::connect(&brokers).await.is_err() {
        return Vec::new();
    }
    let settings = KafkaSettings { brokers: brokers.clone(), ..KafkaSettings::default() };
    match Cluster::examine(&settings, later_ms(), TIMEOUT).await {
        Err(error) => vec![Line::warn(
            Subject::Kafka,
            format!("what listens at {brokers} does not answer as Kafka does ({error})"),
            "choose another port with --kafka-listen",
        )],
        Ok(cluster) if cluster.id != embedded_log::log_id(&loaded.config.data) => vec![Line::warn(
            Subject::Kafka,
            format!("what listens at {brokers} is another Kafka, not the server that has the folder"),
            "choose another port with --kafka-listen, or name that of the server",
        )],
        Ok(cluster) => {
            let mut lines = cluster::brokers(&brokers, &cluster);
            lines.extend(reach::all(&cluster).await);
            let names: Vec<_> = cluster.topics.iter().map(|topic| topic.name.clone()).collect();
            lines.extend(topics::configured(&loaded.config, &names));
            lines
        }
    }
}

/// A minute ahead of this machine's clock.
fn later_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now + topics::CLOCKS_MAY_DIFFER).as_millis() as i64
}

/// For one question.
const TIMEOUT: Duration = Duration::from_secs(5);
