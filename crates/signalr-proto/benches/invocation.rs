//! Cost of one invocation, about 300 bytes as the mouse page sends it: decode with its arguments, encode with a value.

use divan::{Bencher, black_box, counter::BytesCount};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use signalr_proto::{Encoding, HubMessage};

const ARGUMENTS: &str = r#"["websocket-topic","mouse-pos",[{"timestamp":1700000000123,"tags":{"mousestatus":"tracking"},"id":"mouse position","value":"{\"x\":123,\"y\":45}"}]]"#;

#[derive(Serialize, Deserialize)]
struct Event {
    timestamp: i64,
    tags: std::collections::HashMap<String, String>,
    id: String,
    value: String,
}

type Arguments = (String, String, Vec<Event>);

const ENCODINGS: &[Encoding] = Encoding::ALL;

fn main() {
    divan::main();
}

fn arguments() -> Arguments {
    serde_json::from_str(ARGUMENTS).expect("three arguments")
}

/// The call without what sets it apart from others.
fn frame(encoding: Encoding) -> Vec<u8> {
    let mut wire = Vec::new();
    encoding.encode_invocation(Some("1234"), "SendEventData", &arguments(), &mut wire).expect("a sequence");
    match encoding {
        Encoding::Json => wire.truncate(wire.len() - 1),
        // Between 128 and 16 383 bytes, the length takes two.
        _ => drop(wire.drain(..2)),
    }
    wire
}

#[divan::bench(args = ENCODINGS)]
fn decode(bencher: Bencher, encoding: &Encoding) {
    let frame = frame(*encoding);
    bencher.counter(BytesCount::of_slice(&frame)).bench(|| {
        let Ok(Some(HubMessage::Invocation(call))) = encoding.decode(black_box(&frame)) else {
            unreachable!("it is an invocation")
        };
        call.arguments.bind::<Arguments>().expect("three arguments")
    });
}

#[divan::bench(args = ENCODINGS)]
fn decode_raw(bencher: Bencher, encoding: &Encoding) {
    let frame = frame(*encoding);
    bencher.counter(BytesCount::of_slice(&frame)).bench(|| {
        let Ok(Some(HubMessage::Invocation(call))) = encoding.decode(black_box(&frame)) else {
            unreachable!("it is an invocation")
        };
        call.arguments.bind::<(String, String, Box<RawValue>)>().expect("three arguments")
    });
}

#[divan::bench(args = ENCODINGS)]
fn encode(bencher: Bencher, encoding: &Encoding) {
    let arguments = arguments();
    let mut out = Vec::with_capacity(512);
    bencher.bench_local(|| {
        out.clear();
        encoding.encode_invocation(None, "PackageReceived", black_box(&arguments), &mut out).expect("a sequence");
        black_box(out.len())
    });
}

#[divan::bench(args = ENCODINGS)]
fn encode_raw(bencher: Bencher, encoding: &Encoding) {
    let value = RawValue::from_string(ARGUMENTS.to_owned()).expect("JSON");
    let mut out = Vec::with_capacity(512);
    bencher.bench_local(|| {
        out.clear();
        encoding.encode_invocation(None, "PackageReceived", black_box(&(&value,)), &mut out).expect("a sequence");
        black_box(out.len())
    });
}
