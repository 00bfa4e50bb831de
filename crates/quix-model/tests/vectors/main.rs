//! Every captured record against the table of what we make of it.

#![allow(clippy::unwrap_used, missing_docs)]

mod expected;
mod files;
mod oracle;

use std::collections::BTreeSet;
use std::time::Instant;

use quix_model::{
    Codec, Data, Decoded, Events, MergeLimits, Merger, Outgoing, Package, ParameterData, ReadLimits, Reading, Skip,
    StreamEnd, StreamProperties, WriteSettings, write_events,
};
use serde_json::Value;
use serde_json::value::RawValue;

use expected::{Expect, Want};
use files::Message;

#[test]
fn every_case_has_a_row_and_every_row_a_case() {
    let cases: BTreeSet<_> = files::cases().into_iter().map(|case| (case.file, case.name)).collect();
    let rows: Vec<_> = expected::table().into_iter().map(|row| (row.file.to_owned(), row.case.to_owned())).collect();
    assert!(cases.len() > 100, "the vectors are missing: {} cases", cases.len());
    assert_eq!(rows.len(), rows.iter().collect::<BTreeSet<_>>().len(), "a row is there twice");
    assert_eq!(cases, rows.into_iter().collect());
}

#[test]
fn every_message_is_read_as_its_row_says() {
    let table = expected::table();
    let mut wrong = Vec::new();
    for case in files::cases() {
        let Some(row) = table.iter().find(|row| row.file == case.file && row.case == case.name) else {
            continue; // the test above tells
        };
        let name = format!("{} {}", case.file, case.name);
        if row.expects.len() != case.messages.len() {
            wrong.push(format!("{name}: {} messages, {} expected", case.messages.len(), row.expects.len()));
        }
        let mut topic = Topic::default();
        for (index, (message, expect)) in case.messages.iter().zip(&row.expects).enumerate() {
            if let Err(difference) = check(message, topic.read(message), expect) {
                wrong.push(format!("{name} [{index}]: {difference}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Where the .NET library was called back with parameter data, all codecs, ours is the same.
#[test]
fn parameter_data_is_what_the_dotnet_library_read() {
    let mut compared = 0;
    for case in files::cases() {
        let mut topic = Topic::default();
        let mut read = Vec::new();
        for message in &case.messages {
            if let Some(Outcome::Package(package)) = topic.read(message)
                && let Some(Decoded { data: Data::Timeseries(timeseries), .. }) = package.data()
            {
                read.push(oracle::timeseries(&timeseries));
            }
        }
        let theirs = oracle::callbacks(&case.callbacks);
        if oracle::compares(&case.name) && !theirs.is_empty() {
            assert_eq!(read, theirs, "{} {}", case.file, case.name);
            compared += read.len();
        }
    }
    assert!(compared > 50, "{compared}");
}

#[test]
fn our_writer_makes_the_bytes_of_the_dotnet_library() {
    let mut written = 0;
    for case in files::cases() {
        if !matches!(
            &*case.file,
            "v05-events-json" | "v05-event_bursts-json" | "v05-generated_id-json" | "v05-mixed-json"
        ) {
            continue;
        }
        for message in &case.messages {
            let value = message.value.as_deref().unwrap();
            if value.starts_with(br#"{"C":"JT","K":"EventData[]""#) {
                let events: Events = serde_json::from_str(&body_as_written(value)).unwrap();
                assert_eq!(str::from_utf8(&write_events(&events)), str::from_utf8(value));
                written += 1;
            }
        }
    }
    assert_eq!(written, 3 + 40 + 1 + 1);
}

/// The reader's side of a topic: what is one record to it.
struct Topic {
    merger: Merger<()>,
    offset: i64,
    now: Instant,
}

impl Default for Topic {
    fn default() -> Self {
        Self { merger: Merger::new(MergeLimits::default()), offset: 0, now: Instant::now() }
    }
}

enum Outcome {
    Package(Box<Package<'static>>),
    Skip(Skip),
}

impl Topic {
    /// `None` for a segment that completes nothing.
    fn read(&mut self, message: &Message) -> Option<Outcome> {
        // Tests may leak: what is read borrows from the message or from what was merged.
        let Message { key, headers, value } = Box::leak(Box::new(message.clone()));
        let headers = || headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        self.offset += 1;
        match Package::read(key.as_deref(), headers(), value.as_deref()) {
            Reading::Package(package) => Some(Outcome::Package(Box::new(package))),
            Reading::Skip(skip) => Some(Outcome::Skip(skip)),
            Reading::Segment(segment) => {
                let added = self.merger.add(0, self.offset, key.as_deref(), segment, || (), self.now);
                let value: &'static [u8] = added.merged?.value.leak();
                let package = Package::read_whole(ReadLimits::default(), key.as_deref(), headers(), Some(value));
                Some(Outcome::Package(Box::new(package.unwrap())))
            }
        }
    }
}

/// Parameter data, properties and ends, sent to us as they stand in the records.
#[test]
fn our_writer_makes_the_other_models_as_the_dotnet_library_does() {
    let (mut data, mut properties, mut ends) = (0, 0, 0);
    for case in files::cases().into_iter().filter(|case| case.file.starts_with("v05-") && case.file.ends_with("-json"))
    {
        for message in &case.messages {
            let Ok(value) = str::from_utf8(message.value.as_deref().unwrap()) else { continue };
            let written = |outgoing| {
                let records = WriteSettings::default().records(outgoing, "stream-1", 0).unwrap();
                String::from_utf8(records[0].value.clone()).unwrap()
            };
            // What we write otherwise: an epoch, the escape of one character, a time without zone.
            if value.contains("\"Epoch\"") || value.contains("\\u2028") || value.contains("TimeOfRecording") {
                continue;
            } else if value.starts_with(r#"{"C":"JT","K":"ParameterData""#) {
                let sent: ParameterData = serde_json::from_str(&body_as_written(value.as_bytes())).unwrap();
                assert_eq!(written(Outgoing::ParameterData(&sent)), value);
                data += 1;
            } else if value.starts_with(r#"{"C":"JT","K":"StreamProperties""#) {
                let sent: StreamProperties = serde_json::from_str(&body_as_written(value.as_bytes())).unwrap();
                assert_eq!(written(Outgoing::StreamProperties(&sent)), value);
                properties += 1;
            } else if value == r#"{"C":"JT","K":"StreamEnd","V":{},"S":30,"E":32}"# {
                assert_eq!(written(Outgoing::StreamEnd(StreamEnd::Closed)), value);
                ends += 1;
            }
        }
    }
    assert!(data >= 10 && properties >= 10 && ends >= 8, "{data}, {properties}, {ends}");
}

/// .NET's bytes from .NET's models: our encoders of its codecs are right to the byte.
#[test]
fn our_encoders_make_the_bytes_of_the_dotnet_library() {
    let mut written = 0;
    for case in files::cases().into_iter().filter(|case| case.file.starts_with("v05-timeseries")) {
        let codec = match case.file.rsplit('-').next() {
            Some("json") => Codec::Json,
            Some("compact") => Codec::Compact,
            _ => Codec::Protobuf,
        };
        // The model is taken from the protobuf sibling, for only that is exact in all codecs.
        let exact = format!("{}-protobuf", &case.file[..case.file.rfind('-').unwrap()]);
        let Some(exact) = files::cases().into_iter().find(|case| case.file == exact) else { continue };
        for (message, exact) in case.messages.iter().zip(&exact.messages) {
            let Some(Outcome::Package(package)) = Topic::default().read(exact) else { panic!() };
            let Some(Decoded { data: Data::Timeseries(timeseries), .. }) = package.data() else { continue };
            let mut body = Vec::new();
            codec.encode_timeseries(&mut body, &timeseries);
            let theirs = String::from_utf8_lossy(message.value.as_deref().unwrap());
            // The one character that .NET escapes and we do not.
            let theirs = theirs.replace("\\u2028", "\u{2028}");
            let ours = String::from_utf8_lossy(&body);
            assert!(theirs.contains(&*ours), "{}\n{ours}\n{theirs}", case.file);
            written += 1;
        }
    }
    assert_eq!(written, 3 * 8);
}

fn check(message: &Message, outcome: Option<Outcome>, expect: &Expect) -> Result<(), String> {
    let package = match (outcome, &expect.want) {
        (Some(Outcome::Skip(skip)), Want::Skip(wanted)) if skip == *wanted => return Ok(()),
        (Some(Outcome::Skip(skip)), _) => return Err(format!("skipped: {skip:?}")),
        (None, Want::Held) => return Ok(()),
        (None, _) => return Err("held".to_owned()),
        (Some(Outcome::Package(package)), _) => package,
    };
    let key = String::from_utf8_lossy(message.key.as_deref().unwrap_or_default());
    same("stream id", package.stream_id(), &key)?;
    let content = package.content();
    serde_json::from_str::<&RawValue>(&content.value).map_err(|_| format!("not JSON: {}", content.value))?;
    if let Some(decoded) = package.data() {
        let ours: Value = serde_json::from_str(&decoded.data.to_package_json()).unwrap();
        let theirs: Value = serde_json::from_str(&content.value).unwrap();
        if !files::same_json(&ours, &theirs) {
            return Err(format!("content {theirs} but data {ours}"));
        }
        same("model", decoded.data.model().type_name(), package.model().unwrap().type_name())?;
    }
    let label = |problem: Option<quix_model::ReadProblem>| problem.map_or("no problem", |problem| problem.label());
    same("problem", label(content.problem), label(expect.problem))?;
    let quix = |name: &str| format!("QuixStreams.Telemetry.Models.{name}");
    match expect.want {
        Want::Model(name) => {
            same("type", &content.type_name, &quix(name))?;
            let written = serde_json::from_str(&body_as_written(message.value.as_deref().unwrap())).unwrap();
            let value = serde_json::from_str(&content.value).unwrap();
            let covers = files::covers(&value, &written);
            return covers.then_some(()).ok_or_else(|| format!("{value}\n  for {written}"));
        }
        Want::Encoded => return same("type", &content.type_name, &quix("TimeseriesDataRaw")),
        Want::LargeEvent => {
            same("type", &content.type_name, &quix("EventDataRaw[]"))?;
            let events: Events = serde_json::from_str(&content.value).unwrap();
            let envelope = write_events(&events).len();
            return (envelope == 2_500_121).then_some(()).ok_or_else(|| format!("{envelope} bytes"));
        }
        _ => {}
    }
    let (type_name, value) = wanted(message, &expect.want);
    same("type", &content.type_name, &type_name)?;
    same("value", &content.value, &value)
}

fn same(what: &str, got: &str, wanted: &str) -> Result<(), String> {
    let shown = |text: &str| text.chars().take(300).collect::<String>();
    (got == wanted).then_some(()).ok_or_else(|| format!("{what}\n     got {}\n  wanted {}", shown(got), shown(wanted)))
}

/// Type and value of the package.
fn wanted(message: &Message, want: &Want) -> (String, String) {
    let bytes = message.value.as_deref().unwrap_or_default();
    let quix = |name: &str| format!("QuixStreams.Telemetry.Models.{name}");
    match want {
        Want::Events(json) => (quix("EventDataRaw[]"), (*json).to_owned()),
        Want::EventsAsWritten => (quix("EventDataRaw[]"), body_as_written(bytes)),
        Want::Typed(type_name, json) => ((*type_name).to_owned(), (*json).to_owned()),
        Want::Raw => match str::from_utf8(bytes) {
            Ok(text) if serde_json::from_str::<&RawValue>(text).is_ok() => {
                ("System.String".to_owned(), text.to_owned())
            }
            Ok(text) => ("System.String".to_owned(), serde_json::to_string(text).unwrap()),
            Err(_) => ("System.Byte[]".to_owned(), format!("\"{}\"", files::base64_text(bytes))),
        },
        other => panic!("{other:?} has no single value"),
    }
}

/// The model's JSON, found without the reader under test: `V` of an envelope, the end of a binary one, else all of it.
fn body_as_written(value: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Envelope<'a> {
        #[serde(rename = "V", borrow)]
        v: &'a RawValue,
    }
    if let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(value) {
        return envelope.v.get().to_owned();
    }
    let start = value.iter().position(|byte| matches!(byte, b'{')).unwrap();
    str::from_utf8(&value[start..]).unwrap().to_owned()
}
