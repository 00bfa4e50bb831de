//! What twelve parameters cost on their way to Kafka and back, per codec: ten numbers and two texts, eight rows, two tags.

#![allow(clippy::unwrap_used, missing_docs)]

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use quix_model::{Codec, Data, Outgoing, Package, ParameterData, ParameterDataReceived, ReadLimits, WriteSettings};

fn main() {
    divan::main();
}

const CODECS: [&str; 3] = ["JT", "JT-PaDa-1", "PB-Pd"];

/// A client's argument into parameter data.
#[divan::bench]
fn decode_client_json(bencher: Bencher) {
    let json = client_json();
    bencher
        .counter(BytesCount::of_str(&json))
        .bench_local(|| serde_json::from_str::<ParameterData>(black_box(&json)).unwrap());
}

/// Parameter data into the record of a call.
#[divan::bench]
fn write_record(bencher: Bencher) {
    let (data, settings) = (data(), WriteSettings::default());
    bencher.bench_local(|| settings.records(Outgoing::ParameterData(black_box(&data)), "stream-1", 0).unwrap());
}

#[divan::bench(args = CODECS)]
fn encode(bencher: Bencher, id: &str) {
    let (data, codec) = (data(), codec(id));
    let mut buffer = Vec::with_capacity(64 * 1024);
    bencher.counter(BytesCount::of_slice(&body(codec))).bench_local(|| {
        buffer.clear();
        codec.encode_timeseries(&mut buffer, black_box(&data));
        buffer.len()
    });
}

/// A record into columns.
#[divan::bench(args = CODECS)]
fn decode(bencher: Bencher, id: &str) {
    let body = body(codec(id));
    bencher.counter(BytesCount::of_slice(&body)).bench_local(|| {
        let package = package(id, black_box(&body));
        let rows = match package.data().unwrap().data {
            Data::Timeseries(timeseries) => timeseries.rows(),
            _ => 0,
        };
        black_box(rows)
    });
}

/// A record into what subscribers of packages get.
#[divan::bench(args = CODECS)]
fn content(bencher: Bencher, id: &str) {
    let body = body(codec(id));
    bencher.counter(BytesCount::of_slice(&body)).bench_local(|| package(id, black_box(&body)).content().value.len());
}

/// What a record costs of which nobody wants the body.
#[divan::bench]
fn read_envelope_only(bencher: Bencher) {
    let record = WriteSettings::default().records(Outgoing::ParameterData(&data()), "stream-1", 0).unwrap().remove(0);
    bencher.counter(BytesCount::of_slice(&record.value)).bench_local(|| {
        let value = Some(black_box(&record.value[..]));
        Package::read_whole(ReadLimits::default(), Some(b"stream-1"), [], value).unwrap().model()
    });
}

/// Columns into the argument of a callback for one of the parameters.
#[divan::bench]
fn encode_one_parameter(bencher: Bencher) {
    let data = data();
    let received = ParameterDataReceived {
        topic_id: "ws-f1-data",
        topic_name: "f1-data",
        stream_id: "020aee7e-3f1b-4a51-9f4e-1f2b3c4d5e6f",
        timeseries: &data,
        wanted: |id: &str| id == "p7",
    };
    bencher.bench_local(|| serde_json::to_vec(black_box(&received)).unwrap());
}

fn codec(id: &str) -> Codec {
    [Codec::Json, Codec::Compact, Codec::Protobuf].into_iter().find(|codec| codec.id() == id).unwrap()
}

fn body(codec: Codec) -> Vec<u8> {
    let mut body = Vec::new();
    codec.encode_timeseries(&mut body, &data());
    body
}

fn package<'a>(id: &'a str, body: &'a [u8]) -> Package<'a> {
    let headers = [("__Q_ModelKey", Some(&b"ParameterData"[..])), ("__Q_CodecId", Some(id.as_bytes()))];
    Package::read_whole(ReadLimits::default(), Some(b"stream-1"), headers, Some(body)).unwrap()
}

fn data() -> ParameterData {
    serde_json::from_str(&client_json()).unwrap()
}

fn client_json() -> String {
    const ROWS: i64 = 8;
    let rows = |cell: &dyn Fn(i64) -> serde_json::Value| (0..ROWS).map(cell).collect::<Vec<_>>();
    let numbers: serde_json::Map<_, _> = (0..10)
        .map(|n: i64| (format!("p{n}"), rows(&|row| ((n * 7919 + row * 31) as f64 / 16.0).into()).into()))
        .collect();
    serde_json::json!({
        "timestamps": rows(&|row| (1_697_025_689_418_406_001 + row * 10_000_000).into()),
        "numericValues": numbers,
        "stringValues": {"driver": rows(&|row| format!("d{}", row % 2).into()), "note": rows(&|_| serde_json::Value::Null)},
        "tagValues": {"car": rows(&|_| "A".into()), "lap": rows(&|row| (row / 4).to_string().into())},
    })
    .to_string()
}
