//! Any bytes as a Kafka record in every form that Quix records have, as segments, and as what clients send to be written.
//! Nothing panics, no more is held than the record and the limits allow (`-malloc_limit_mb`), a package's value is always
//! JSON, and what is written of it is read as the same model. The first byte chooses the form, the second the model.
#![no_main]

use std::time::{Duration, Instant};

use quix_model::{
    Data, EventDefinition, LocatedDefinitions, MergeLimits, Merger, Outgoing, Package, ParameterData,
    ParameterDefinition, ReadLimits, Reading, StreamProperties, WriteSettings,
};
use serde_json::value::RawValue;

const LIMITS: ReadLimits = ReadLimits { max_inflated_bytes: 256 * 1024 };
const KEYS: [&str; 8] = [
    "EventData[]",
    "EventData",
    "ParameterData",
    "TimeseriesData",
    "StreamProperties",
    "ParameterDefinitions",
    "EventDefinitions",
    "StreamEnd",
];
const CODECS: [&str; 8] = ["JT", "J", "JT-PaDa-1", "PB-Pd", "[GZIP]JT", "[GZIP]PB-Pd", "[GZIP]JT-PaDa-1", "XX"];

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [form, model, bytes @ ..] = input else { return };
    let key = KEYS[usize::from(model % 8)];
    let codec = CODECS[usize::from(model / 8 % 8)];
    let headers = [("__Q_ModelKey", Some(key.as_bytes())), ("__Q_CodecId", Some(codec.as_bytes()))];
    match form % 5 {
        0 => check(&[], bytes),
        1 => check(&headers, bytes),
        2 => {
            let head = format!("{{\"C\":\"{codec}\",\"K\":\"{key}\",\"V\":");
            let end = format!(",\"S\":{},\"E\":{}}}", head.len(), head.len() + bytes.len());
            check(&[], &[head.as_bytes(), bytes, end.as_bytes()].concat());
        }
        3 => segments(bytes),
        _ => from_clients(bytes),
    }
});

fn check(headers: &[(&str, Option<&[u8]>)], value: &[u8]) {
    let package = Package::read_whole(LIMITS, Some(b"key"), headers.iter().copied(), Some(value)).expect("no skip");
    let content = package.content();
    assert!(serde_json::from_str::<&RawValue>(&content.value).is_ok(), "{}", content.value);
    let Some(decoded) = package.data() else { return };
    assert_eq!(decoded.data.model().type_name(), content.type_name);
    if let Data::Timeseries(data) = &decoded.data {
        let rows = data.rows();
        assert!(data.numeric.iter().all(|column| column.values.len() == rows));
        assert!(data.tags.iter().all(|column| column.values.len() == rows));
    }
    // What a package shows is itself such a body, and shows the same.
    let shown = decoded.data.to_package_json();
    let key = match decoded.data {
        Data::Events(_) => "EventData[]",
        Data::Timeseries(_) => "ParameterData",
        Data::StreamProperties(_) => "StreamProperties",
        Data::ParameterDefinitions(_) => "ParameterDefinitions",
        Data::EventDefinitions(_) => "EventDefinitions",
        Data::StreamEnd(_) => "StreamEnd",
    };
    let headers = [("__Q_ModelKey", Some(key.as_bytes())), ("__Q_CodecId", Some(&b"JT"[..]))];
    let again = Package::read_whole(LIMITS, Some(b"key"), headers, Some(shown.as_bytes())).expect("no skip");
    let again = again.data().expect("what we show can be read").data;
    assert_eq!(again.to_package_json(), shown);
}

/// Runs of bytes, each with its length before it, as segments of one topic.
fn segments(mut bytes: &[u8]) {
    let limits = MergeLimits { max_records: 4, max_bytes: 4096, ..MergeLimits::default() };
    let mut merger = Merger::new(limits);
    let (start, mut seconds, mut offset) = (Instant::now(), 0, 0);
    while let [length, passed, rest @ ..] = bytes {
        let (value, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        bytes = rest;
        seconds += u64::from(passed & 0x0F);
        offset += i64::from(passed >> 4);
        if let Reading::Segment(segment) = Package::read(Some(b"key"), [], Some(value)) {
            let added = merger.add(0, offset, Some(b"key"), segment, || (), start + Duration::from_secs(seconds));
            if let Some(merged) = added.merged {
                check(&[], &merged.value);
            }
        }
        assert!(merger.held_records() <= limits.max_records && merger.held_bytes() <= limits.max_bytes);
    }
}

fn from_clients(bytes: &[u8]) {
    if let Ok(data) = serde_json::from_slice::<ParameterData>(bytes) {
        written(Outgoing::ParameterData(&data));
    }
    if let Ok(properties) = serde_json::from_slice::<StreamProperties>(bytes) {
        written(Outgoing::StreamProperties(&properties));
    }
    if let Ok(list) = serde_json::from_slice::<LocatedDefinitions<ParameterDefinition>>(bytes) {
        written(Outgoing::ParameterDefinitions(&list.0));
    }
    if let Ok(list) = serde_json::from_slice::<LocatedDefinitions<EventDefinition>>(bytes) {
        written(Outgoing::EventDefinitions(&list.0));
    }
    if let Ok(events) = serde_json::from_slice::<quix_model::Events>(bytes) {
        written(Outgoing::Events(&events));
    }
}

/// What is written is read without a fault.
fn written(outgoing: Outgoing<'_>) {
    for record in WriteSettings::default().records(outgoing, "key", 1).unwrap_or_default() {
        let package = Package::read_whole(LIMITS, Some(b"key"), [], Some(&record.value)).expect("no skip");
        assert_eq!(package.content().problem, None);
        assert!(package.data().is_some());
        check(&[], &record.value);
    }
}
