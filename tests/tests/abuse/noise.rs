//! Random bytes at every layer: at worst the connection that sent them ends.

use std::sync::Arc;

use e2e::program::Program;
use futures::{StreamExt, stream};

use crate::process::{MIB, memory, settled};
use crate::random::Random;
use crate::raw::{HANDSHAKE, Raw, TEXT, frame, upgrade};
use crate::witness::Witness;

#[derive(Debug, Clone, Copy)]
enum Layer {
    Tcp,
    Head,
    Frames,
    Handshake,
    Message,
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_end_at_worst_their_own_connection() {
    let program = Arc::new(Program::serve(&["--memory"]).await);
    let witness = Witness::start(&program.url).await;
    let rounds = |layer| (0..ROUNDS).map(move |seed| (layer, seed));
    let layers = [Layer::Tcp, Layer::Head, Layer::Frames, Layer::Handshake, Layer::Message];
    let mut before = 0;
    for layer in layers {
        stream::iter(rounds(layer))
            .for_each_concurrent(AT_ONCE, |(layer, seed)| round(program.clone(), layer, seed))
            .await;
        settled(&program, 2).await;
        // The first layer fills what the allocator keeps.
        before = if before == 0 { memory(&program) } else { before };
    }
    println!("noise: {} rounds; the witness: {}", layers.len() * ROUNDS as usize, witness.finish().await);
    let grown = memory(&program).saturating_sub(before);
    assert!(grown < 32 * MIB, "{} KiB more", grown / 1024);
}

async fn round(program: Arc<Program>, layer: Layer, seed: u64) {
    let mut random = Random::new(seed * 8 + layer as u64);
    let address = program.address();
    let (mut raw, bytes) = match layer {
        Layer::Tcp => (Raw::connect(address).await, random.bytes(2000)),
        Layer::Head => {
            let whole = if seed.is_multiple_of(2) { upgrade(address, "/hub?id=x", "") } else { post(address) };
            (Raw::connect(address).await, random.mutated(whole.as_bytes()))
        }
        Layer::Frames if seed.is_multiple_of(2) => (Raw::websocket(address).await, random.bytes(500)),
        Layer::Frames => (Raw::websocket(address).await, random.mutated(&frame(TEXT, HANDSHAKE))),
        Layer::Handshake => (Raw::websocket(address).await, frame(TEXT, &random.mutated(HANDSHAKE))),
        Layer::Message => (Raw::hub(address).await, messages(&mut random)),
    };
    // Whoever has been ended cannot send any more.
    let _ = raw.send(&bytes).await;
    raw.finish().await;
}

/// Some messages, each with faults, cut into frames anywhere.
fn messages(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=random.below(6) {
        let original = MESSAGES[random.below(MESSAGES.len())];
        bytes.extend(random.mutated(original.as_bytes()));
        bytes.push(0x1e);
    }
    let pieces = bytes.chunks(random.below(60) + 1);
    pieces.flat_map(|piece| frame(TEXT + u8::from(piece.len() % 2 == 0), piece)).collect()
}

fn post(address: &str) -> String {
    let line = r#"{"streamId":"s","id":"E","timestamp":1,"value":"v"}"#;
    format!("POST /topics/noise/packages HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n{line}", line.len())
}

const MESSAGES: [&str; 8] = [
    r#"{"type":1,"invocationId":"1","target":"SendEventData","arguments":["noise","s",[{"timestamp":1,"tags":{"a":"b"},"id":"E","value":"\ud83d\ude80\n"}]]}"#,
    r#"{"type":1,"target":"SubscribeToPackages","arguments":["noise"],"headers":{"traceparent":"x"}}"#,
    r#"{"arguments":["noise"],"target":"UnsubscribeFromPackages","invocationId":"2","type":1,"streamIds":["7"]}"#,
    r#"{"type":2,"invocationId":"7","item":[1.5e3,null,true,{"a":[]}]}"#,
    r#"{"type":3,"invocationId":"7","result":{"a":-0}}"#,
    r#"{"type":4,"invocationId":"8","target":"SendEventData","arguments":[]}"#,
    r#"{"type":8,"sequenceId":18446744073709551615}"#,
    r#"{"type":6}"#,
];

const ROUNDS: u64 = 500;

const AT_ONCE: usize = 16;
