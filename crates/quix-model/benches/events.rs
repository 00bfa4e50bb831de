//! What an event costs on its way to Kafka and back: about 500 bytes each.

#![allow(clippy::unwrap_used, missing_docs)]

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use quix_model::{Events, Package, PackageReceived, Reading, write_events, write_events_into};

fn main() {
    divan::main();
}

/// A client's argument into events.
#[divan::bench]
fn decode_client_json(bencher: Bencher) {
    let json = client_json();
    bencher
        .counter(BytesCount::of_str(&json))
        .bench_local(|| serde_json::from_str::<Events>(black_box(&json)).unwrap());
}

/// Events into the value of a record.
#[divan::bench]
fn write_envelope(bencher: Bencher) {
    let events = events();
    bencher.counter(BytesCount::of_slice(&write_events(&events))).bench_local(|| write_events(black_box(&events)));
}

#[divan::bench]
fn write_envelope_into_a_buffer(bencher: Bencher) {
    let events = events();
    let mut buffer = Vec::with_capacity(1024);
    bencher.counter(BytesCount::of_slice(&write_events(&events))).bench_local(|| {
        buffer.clear();
        write_events_into(&mut buffer, black_box(&events));
        buffer.len()
    });
}

/// As we and the .NET library write them.
#[divan::bench]
fn read_canonical(bencher: Bencher) {
    bench_read(bencher, &write_events(&events()));
}

/// As the Python rewrite does: one object, members in another order.
#[divan::bench]
fn read_python_single(bencher: Bencher) {
    let event = &events()[0];
    let body = format!(
        r#"{{"Id":{},"Value":{},"Tags":{{"source":"bench","unit":null}},"Timestamp":{}}}"#,
        serde_json::json!(event.id),
        serde_json::json!(event.value),
        event.timestamp
    );
    let envelope = format!(r#"{{"C":"JT","K":"EventData","V":{body},"S":30,"E":{}}}"#, 30 + body.len());
    bench_read(bencher, envelope.as_bytes());
}

/// Blanks and no offsets, so the whole envelope is parsed.
#[divan::bench]
fn read_blanks_without_offsets(bencher: Bencher) {
    let mut envelope: serde_json::Value = serde_json::from_slice(&write_events(&events())).unwrap();
    envelope.as_object_mut().unwrap().remove("S");
    bench_read(bencher, &serde_json::to_vec_pretty(&envelope).unwrap());
}

/// Plain JSON of the same size.
#[divan::bench]
fn read_plain_json(bencher: Bencher) {
    bench_read(bencher, client_json().as_bytes());
}

/// A package into the argument of a callback.
#[divan::bench]
fn encode_package_received(bencher: Bencher) {
    let bytes = write_events(&events());
    let value = str::from_utf8(&bytes[32..]).unwrap();
    let received = PackageReceived {
        topic_id: "ws-f1-data",
        topic_name: "f1-data",
        stream_id: "020aee7e-3f1b-4a51-9f4e-1f2b3c4d5e6f",
        type_name: "QuixStreams.Telemetry.Models.EventDataRaw[]",
        value,
        date_time: "2023-10-11T10:32:54.123Z",
    };
    bencher.counter(BytesCount::of_str(value)).bench_local(|| serde_json::to_vec(black_box(&received)).unwrap());
}

fn bench_read(bencher: Bencher, value: &[u8]) {
    bencher.counter(BytesCount::of_slice(value)).bench_local(|| {
        let Reading::Package(package) = Package::read(Some(b"stream-1"), [], Some(black_box(value))) else { panic!() };
        package.content().value.len()
    });
}

fn events() -> Events {
    serde_json::from_str(&client_json()).unwrap()
}

/// One event whose value is JSON itself, as most are.
fn client_json() -> String {
    let value = format!(
        r#"{{"x":12.5,"y":34.25,"label":"žluť","trail":[{}]}}"#,
        (0..60).map(|n| (n * 7919 % 9973).to_string()).collect::<Vec<_>>().join(",")
    );
    serde_json::json!([{
        "timestamp": 1_697_025_689_418_406_001_i64,
        "id": "mouse position",
        "tags": {"source": "bench", "unit": null},
        "value": value,
    }])
    .to_string()
}
