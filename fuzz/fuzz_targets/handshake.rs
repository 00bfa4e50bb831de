//! Any bytes as all that a client sends, handshake first, in pieces: the pieces make no difference, nothing panics, and no
//! more is held than was sent. The first byte chooses the settings, the second the pieces.
#![no_main]

use std::sync::Arc;
use std::time::Instant;

use signalr_proto::{Connection, Event, Options, Output, TransferFormat};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [settings, size, bytes @ ..] = input else { return };
    let now = Instant::now();
    let mut whole = connection(*settings, now);
    let expected = hear(&mut whole, bytes, now);
    let mut pieces = connection(*settings, now);
    let heard: Vec<_> =
        bytes.chunks(usize::from(*size).max(1)).flat_map(|piece| hear(&mut pieces, piece, now)).collect();
    assert_eq!(heard, expected);
    assert_eq!(end(&mut pieces), end(&mut whole));
});

fn connection(settings: u8, now: Instant) -> Connection {
    let max_message_bytes = if settings & 1 == 0 { 0 } else { 64 };
    let mut connection = Connection::server(Arc::new(Options { max_message_bytes, ..Options::default() }), now);
    if settings & 2 != 0 {
        connection = connection.stateful();
    }
    if settings & 4 != 0 { connection.over(TransferFormat::Text) } else { connection }
}

fn hear(connection: &mut Connection, mut input: &[u8], now: Instant) -> Vec<String> {
    let mut events = Vec::new();
    while let Some(event) = connection.receive(&mut input, now) {
        if let Event::Message { frame, .. } = &event {
            assert!(!frame.is_empty());
        }
        events.push(format!("{event:?}"));
    }
    assert!(input.is_empty() || connection.is_ended());
    events
}

fn end(connection: &mut Connection) -> Vec<Output> {
    // After the end nobody asks any more what is held.
    let held = if connection.is_ended() { 0 } else { connection.held_bytes() };
    connection.handle_end_of_input(false);
    std::iter::from_fn(|| connection.poll_output()).chain((held > 0).then(|| Output::Send(vec![0; held]))).collect()
}
