//! Cost of one invocation, about 300 bytes as the mouse page sends it: decode with its arguments, encode with a value.

use divan::{Bencher, black_box, counter::BytesCount};
use serde_json::value::RawValue;
use signalr_proto::{Encoding, HubMessage};

const CALL: &str = r#"{"arguments":["websocket-topic","mouse-pos",[{"timestamp":1700000000123,"tags":{"mousestatus":"tracking"},"id":"mouse position","value":"{\"x\":123,\"y\":45}"}]],"invocationId":"1234","target":"SendEventData","type":1}"#;

fn main() {
    divan::main();
}

#[divan::bench]
fn decode(bencher: Bencher) {
    bencher.counter(BytesCount::of_str(CALL)).bench(|| {
        let Ok(Some(HubMessage::Invocation(call))) = Encoding::Json.decode(black_box(CALL.as_bytes())) else {
            unreachable!("it is an invocation")
        };
        call.arguments.bind::<(String, String, Box<RawValue>)>().expect("three arguments")
    });
}

#[divan::bench]
fn encode(bencher: Bencher) {
    let value =
        RawValue::from_string(r#"[{"Timestamp":1700000000123,"Id":"mouse position"}]"#.to_owned()).expect("JSON");
    let mut out = Vec::with_capacity(512);
    bencher.bench_local(|| {
        out.clear();
        Encoding::Json.encode_invocation(None, "PackageReceived", black_box(&(&value,)), &mut out).expect("a sequence");
        black_box(out.len())
    });
}
