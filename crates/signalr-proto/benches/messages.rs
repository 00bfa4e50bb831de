//! Cost of each kind of message in each encoding: decode as far as its kind, encode into a buffer with room.

use divan::{Bencher, black_box, counter::BytesCount};
use signalr_proto::framing::Framing;
use signalr_proto::{Encoding, HubMessage};

const KINDS: &[&str] = &["invocation", "item", "completion", "error", "cancel", "ping", "close", "ack"];

fn main() {
    divan::main();
}

/// One message of each kind as JSON; the other encodings are made from it.
fn text(kind: &str) -> &'static str {
    match kind {
        "invocation" => {
            r#"{"type":1,"invocationId":"1234","target":"SendEventData","arguments":["websocket-topic","mouse-pos",[{"timestamp":1700000000123,"tags":{"mousestatus":"tracking"},"id":"mouse position","value":"{\"x\":123,\"y\":45}"}]]}"#
        }
        "item" => r#"{"type":2,"invocationId":"1234","item":{"timestamp":1700000000123,"value":[1.5,2.5,3.5]}}"#,
        "completion" => r#"{"type":3,"invocationId":"1234","result":null}"#,
        "error" => {
            r#"{"type":3,"invocationId":"1234","error":"An unexpected error occurred invoking 'T' on the server."}"#
        }
        "cancel" => r#"{"type":5,"invocationId":"1234"}"#,
        "ping" => r#"{"type":6}"#,
        "close" => r#"{"type":7,"allowReconnect":true}"#,
        _ => r#"{"type":8,"sequenceId":300}"#,
    }
}

/// The same as a frame of this encoding.
fn frame(encoding: Encoding, kind: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    encoding.encode(&message(Encoding::Json, text(kind).as_bytes()), &mut wire);
    match encoding.framing() {
        Framing::Separator => wire.truncate(wire.len() - 1),
        Framing::LengthPrefix => {
            let prefix = 1 + wire.iter().position(|byte| byte & 0x80 == 0).expect("a prefix ends");
            wire.drain(..prefix);
        }
    }
    wire
}

fn message(encoding: Encoding, frame: &[u8]) -> HubMessage<'_> {
    encoding.decode(frame).expect("a message").expect("of a kind that is known")
}

fn decode(bencher: Bencher, encoding: Encoding, kind: &str) {
    let frame = frame(encoding, kind);
    bencher.counter(BytesCount::of_slice(&frame)).bench(|| drop(black_box(encoding.decode(black_box(&frame)))));
}

fn encode(bencher: Bencher, encoding: Encoding, kind: &str) {
    let frame = frame(encoding, kind);
    let message = message(encoding, &frame);
    let mut out = Vec::with_capacity(1024);
    bencher.counter(BytesCount::of_slice(&frame)).bench_local(|| {
        out.clear();
        encoding.encode(black_box(&message), &mut out);
        black_box(out.len())
    });
}

mod json {
    use super::*;

    #[divan::bench(args = KINDS)]
    fn decode(bencher: Bencher, kind: &str) {
        super::decode(bencher, Encoding::Json, kind);
    }

    #[divan::bench(args = KINDS)]
    fn encode(bencher: Bencher, kind: &str) {
        super::encode(bencher, Encoding::Json, kind);
    }
}

mod messagepack {
    use super::*;

    #[divan::bench(args = KINDS)]
    fn decode(bencher: Bencher, kind: &str) {
        super::decode(bencher, Encoding::MessagePack, kind);
    }

    #[divan::bench(args = KINDS)]
    fn encode(bencher: Bencher, kind: &str) {
        super::encode(bencher, Encoding::MessagePack, kind);
    }
}
