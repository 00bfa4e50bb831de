//! What a handshake agrees on, and what follows from it: the encoding and its framing, the version, stateful reconnect.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use signalr_proto::handshake::HandshakeError;
use signalr_proto::{CloseReason, Connection, Encoding, ErrorDetail, Event, Options, Output, TransferFormat};

const MESSAGE_PACK: &[u8] = b"{\"protocol\":\"messagepack\",\"version\":1}\x1e";

/// `Log("hi")` and a ping.
const CALL: &[u8] = b"\x0d\x96\x01\x80\xc0\xa3Log\x91\xa2hi\x90";
const PING: &[u8] = b"\x02\x91\x06";

fn server(options: Options) -> Connection {
    Connection::server(Arc::new(options), Instant::now())
}

/// The events in words, messages as their bytes.
fn hear(connection: &mut Connection, mut input: &[u8]) -> Vec<Vec<u8>> {
    let (now, mut events) = (Instant::now(), Vec::new());
    while let Some(event) = connection.receive(&mut input, now) {
        events.push(match event {
            Event::Opened => b"opened".to_vec(),
            Event::Handled => b"handled".to_vec(),
            Event::Message { frame, .. } => frame.to_vec(),
        });
    }
    assert!(input.is_empty() || connection.is_ended());
    events
}

fn outputs(connection: &mut Connection) -> (Vec<u8>, Option<CloseReason>) {
    let (mut sent, mut ended) = (Vec::new(), None);
    while let Some(output) = connection.poll_output() {
        match output {
            Output::Send(bytes) => sent.extend(bytes),
            Output::End(reason) => ended = Some(reason),
        }
    }
    (sent, ended)
}

#[test]
fn a_binary_conversation_may_be_split_at_every_byte() {
    let bytes = [MESSAGE_PACK, CALL, PING, CALL].concat();
    let expected: [&[u8]; 4] = [b"opened", CALL, b"handled", CALL];
    for cut in 0..=bytes.len() {
        let mut connection = server(Options::default());
        let mut events = hear(&mut connection, &bytes[..cut]);
        events.extend(hear(&mut connection, &bytes[cut..]));
        assert_eq!(events, expected, "cut at {cut}");
        assert_eq!(outputs(&mut connection), (b"{}\x1e".to_vec(), None), "the response is JSON");
        assert_eq!((connection.encoding(), connection.held_bytes()), (Some(Encoding::MessagePack), 0));
    }
    let mut connection = server(Options::default());
    let events: Vec<_> = bytes.chunks(1).flat_map(|byte| hear(&mut connection, byte)).collect();
    assert_eq!(events, expected, "byte by byte");
}

#[test]
fn what_the_server_says_by_itself_is_in_the_encoding_agreed_on() {
    let now = Instant::now();
    let mut connection = server(Options { error_detail: ErrorDetail::ClientFaults, ..Options::default() });
    hear(&mut connection, MESSAGE_PACK);
    outputs(&mut connection);
    connection.handle_timeout(now + Duration::from_secs(16));
    assert_eq!(outputs(&mut connection).0, PING);
    connection.close(CloseReason::Draining);
    assert_eq!(outputs(&mut connection), (b"\x04\x93\x07\xc0\xc3".to_vec(), Some(CloseReason::Draining)));
}

#[test]
fn faults_end_the_connection_in_binary_too() {
    let rows: [(&[u8], &str, CloseReason); 4] = [
        (b"\xff\xff\xff\xff\x08", "The length of a message is not readable.", CloseReason::Protocol(String::new())),
        (b"\x01\xc0", "Expected 'message' to be of type Array.", CloseReason::Protocol(String::new())),
        (b"\x02\x91\xc1", "Error reading MessagePack. 0xC1 is no value.", CloseReason::Protocol(String::new())),
        (
            b"\xe5\x00",
            "The maximum message size of 100B was exceeded. The message size can be configured in AddHubOptions.",
            CloseReason::MessageTooLarge { limit: 100 },
        ),
    ];
    for (bytes, text, reason) in rows {
        let options = Options { error_detail: ErrorDetail::ClientFaults, max_message_bytes: 100, ..Options::default() };
        let mut connection = server(options);
        hear(&mut connection, MESSAGE_PACK);
        outputs(&mut connection);
        assert!(hear(&mut connection, bytes).is_empty());
        let reason = match reason {
            CloseReason::Protocol(_) => CloseReason::Protocol(text.to_owned()),
            other => other,
        };
        let text = format!("Connection closed with an error. InvalidDataException: {text}");
        let body = [&[0x93, 7, 0xd9, text.len() as u8][..], text.as_bytes(), &[0xc3]].concat();
        let (sent, ended) = outputs(&mut connection);
        let prefix = sent.len() - body.len();
        assert_eq!((&sent[prefix..], ended), (&body[..], Some(reason)));
    }
    let mut connection = server(Options::default());
    hear(&mut connection, &[MESSAGE_PACK, &CALL[..4]].concat());
    connection.handle_end_of_input(false);
    assert_eq!(outputs(&mut connection).1, Some(CloseReason::CutOff));
}

#[test]
fn a_length_without_its_body_waits_and_a_limit_of_0_is_none() {
    let mut connection = server(Options { max_message_bytes: 0, ..Options::default() });
    hear(&mut connection, MESSAGE_PACK);
    let item = [&b"\x94\x02\x80\xa11\xc6\x00\x01\x00\x00"[..], &vec![7; 65_536]].concat();
    let wire = [&[0x8a, 0x80, 0x04][..], &item].concat();
    assert!(hear(&mut connection, &wire[..100]).is_empty());
    assert_eq!(hear(&mut connection, &wire[100..]), [wire]);
}

#[test]
fn a_transport_for_text_refuses_what_is_binary() {
    let mut connection = server(Options::default()).over(TransferFormat::Text);
    assert!(hear(&mut connection, MESSAGE_PACK).is_empty());
    let refusal = "{\"error\":\"Cannot use the 'messagepack' protocol on the current transport. The transport does not \
                   support 'Binary' transfer format.\"}\x1e";
    let reason = CloseReason::Handshake(HandshakeError::TextOnly("messagepack"));
    assert_eq!(outputs(&mut connection), (refusal.into(), Some(reason)));
    let mut connection = server(Options::default()).over(TransferFormat::Text);
    assert_eq!(hear(&mut connection, b"{\"protocol\":\"json\",\"version\":1}\x1e"), [b"opened"]);
}

#[test]
fn an_encoding_that_is_switched_off_is_not_supported() {
    let mut connection = server(Options { encodings: vec![Encoding::Json], ..Options::default() });
    hear(&mut connection, MESSAGE_PACK);
    assert_eq!(outputs(&mut connection).0, b"{\"error\":\"The protocol 'messagepack' is not supported.\"}\x1e");
}

#[test]
fn acks_are_told_and_sequences_obeyed_only_if_both_sides_want_them() {
    let numbers: [(&str, &[&[u8]]); 2] = [
        ("json", &[b"{\"type\":8,\"sequenceId\":300}\x1e", b"{\"type\":9,\"sequenceId\":1}\x1e"]),
        ("messagepack", &[b"\x05\x92\x08\xcd\x01\x2c", b"\x03\x92\x09\x01"]),
    ];
    for (name, numbers) in numbers {
        for (negotiated, version) in [(true, 2), (true, 1), (false, 2), (true, 0)] {
            let mut connection = server(Options::default());
            if negotiated {
                connection = connection.stateful();
            }
            assert_eq!((connection.version(), connection.is_stateful()), (None, false));
            hear(&mut connection, format!("{{\"protocol\":\"{name}\",\"version\":{version}}}\x1e").as_bytes());
            let is_stateful = negotiated && version == 2;
            assert_eq!((connection.version(), connection.is_stateful()), (Some(version), is_stateful));
            let heard = hear(&mut connection, &numbers.concat());
            if is_stateful {
                assert_eq!(heard, [numbers[0], b"handled"]);
            } else {
                assert_eq!(heard, [b"handled", b"handled"]);
            }
        }
    }
}

#[test]
fn clients_ask_for_what_they_speak() {
    let client = |encoding| Connection::client(encoding, Arc::new(Options::default()), Instant::now());
    let mut plain = client(Encoding::MessagePack);
    assert_eq!(outputs(&mut plain).0, MESSAGE_PACK);
    assert_eq!(hear(&mut plain, &[b"{}\x1e", PING, CALL].concat()), [b"opened", &b"handled"[..], CALL]);
    assert_eq!((plain.version(), plain.is_stateful()), (Some(1), false));

    let mut stateful = client(Encoding::Json).stateful();
    assert_eq!(outputs(&mut stateful).0, b"{\"protocol\":\"json\",\"version\":2}\x1e");
    hear(&mut stateful, b"{}\x1e");
    assert_eq!((stateful.version(), stateful.is_stateful()), (Some(2), true));
}

#[test]
fn a_message_that_could_not_be_taken_is_presented_again_as_it_came() {
    for encoding in Encoding::ALL.iter().copied() {
        let mut call = Vec::new();
        encoding.encode_invocation(Some("1"), "Log", &("x".repeat(300),), &mut call).unwrap();
        let handshake = format!("{{\"protocol\":\"{}\",\"version\":1}}\x1e", encoding.name());
        for cut in [call.len(), 1, call.len() - 1] {
            let mut connection = server(Options::default());
            hear(&mut connection, handshake.as_bytes());
            let mut heard = hear(&mut connection, &call[..cut]);
            heard.extend(hear(&mut connection, &call[cut..]));
            assert_eq!(heard, [&call[..]]);
            assert_eq!(hear(&mut connection, &heard[0]), [&call[..]], "again");
        }
    }
}

proptest! {
    #[test]
    fn any_split_of_the_bytes_gives_the_same_events(
        texts in prop::collection::vec(".{0,200}", 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        binary in any::<bool>(),
    ) {
        let encoding = if binary { Encoding::MessagePack } else { Encoding::Json };
        let mut bytes = format!("{{\"protocol\":\"{}\",\"version\":1}}\x1e", encoding.name()).into_bytes();
        for text in &texts {
            encoding.encode_invocation(None, text, &(text,), &mut bytes).unwrap();
        }
        let whole = hear(&mut server(Options::default()), &bytes);
        prop_assert_eq!(whole.len(), texts.len() + 1);

        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut connection = server(Options::default());
        let pieces: Vec<_> = cuts.windows(2).flat_map(|cut| hear(&mut connection, &bytes[cut[0]..cut[1]])).collect();
        prop_assert_eq!(pieces, whole);
    }

    #[test]
    fn no_bytes_make_a_binary_connection_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6)) {
        let mut connection = server(Options { max_message_bytes: 100, ..Options::default() });
        hear(&mut connection, MESSAGE_PACK);
        let mut ends = 0;
        for piece in pieces {
            hear(&mut connection, &piece);
            prop_assert!(connection.held_bytes() <= 100);
            ends += usize::from(outputs(&mut connection).1.is_some());
        }
        prop_assert_eq!(ends == 1, connection.is_ended());
    }
}
