//! Every captured record against the table of what we make of it.

#![allow(clippy::unwrap_used, missing_docs)]

mod expected;
mod files;

use std::collections::BTreeSet;

use quix_model::{Events, Package, Reading, write_events};
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
        for (index, (message, expect)) in case.messages.iter().zip(&row.expects).enumerate() {
            if let Err(difference) = check(message, expect) {
                wrong.push(format!("{name} [{index}]: {difference}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
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

fn check(message: &Message, expect: &Expect) -> Result<(), String> {
    let headers = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
    let package = match (Package::read(message.key.as_deref(), headers, message.value.as_deref()), &expect.want) {
        (Reading::Skip(skip), Want::Skip(wanted)) if skip == *wanted => return Ok(()),
        (Reading::Skip(skip), _) => return Err(format!("skipped: {skip:?}")),
        (Reading::Package(package), _) => package,
    };
    let key = String::from_utf8_lossy(message.key.as_deref().unwrap_or_default());
    same("stream id", &package.stream_id, &key)?;
    serde_json::from_str::<&RawValue>(&package.value).map_err(|_| format!("not JSON: {}", package.value))?;
    let (type_name, value) = wanted(message, &expect.want);
    same("type", &package.type_name, &type_name)?;
    same("value", &package.value, &value)?;
    let label = |problem: Option<quix_model::ReadProblem>| problem.map_or("no problem", |problem| problem.label());
    same("problem", label(package.problem), label(expect.problem))
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
        Want::Model(name) => (quix(name), body_as_written(bytes)),
        Want::Typed(type_name, json) => ((*type_name).to_owned(), (*json).to_owned()),
        Want::Raw | Want::Later => match str::from_utf8(bytes) {
            Ok(text) if serde_json::from_str::<&RawValue>(text).is_ok() => {
                ("System.String".to_owned(), text.to_owned())
            }
            Ok(text) => ("System.String".to_owned(), serde_json::to_string(text).unwrap()),
            Err(_) => ("System.Byte[]".to_owned(), format!("\"{}\"", files::base64_text(bytes))),
        },
        Want::Skip(skip) => (format!("{skip:?}"), String::new()),
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
