//! The frame reader against the frames of RFC 6455, and against tungstenite over random ones.

use proptest::prelude::*;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

use super::*;

const LIMITS: Limits = Limits { frame_bytes: 100_000, message_bytes: 150_000, fragments: 10 };

/// What arrived, data joined, whatever pieces it came in.
#[derive(Debug, Default, PartialEq, Clone)]
struct Heard {
    data: Vec<u8>,
    pings: Vec<Vec<u8>>,
    pongs: usize,
    closed: bool,
}

fn read(pieces: &[&[u8]]) -> Result<Heard, Violation> {
    let mut reader = FrameReader::new();
    let mut heard = Heard::default();
    for piece in pieces {
        let mut bytes = piece.to_vec();
        let mut input = &mut bytes[..];
        while let Some(piece) = reader.next(&mut input, &LIMITS)? {
            match piece {
                Piece::Data(data) => heard.data.extend_from_slice(data),
                Piece::Ping(payload) => heard.pings.push(payload),
                Piece::Pong => heard.pongs += 1,
                Piece::Close => heard.closed = true,
            }
        }
        assert!(input.is_empty(), "all input is used up");
    }
    Ok(heard)
}

/// One frame as tungstenite's client writes it.
fn frame(opcode: OpCode, fin: bool, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader { is_final: fin, opcode, mask: Some(mask), ..FrameHeader::default() };
    let mut bytes = Vec::new();
    Frame::from_payload(header, payload.to_vec().into()).format(&mut bytes).unwrap();
    bytes
}

fn text(payload: &[u8]) -> Vec<u8> {
    frame(OpCode::Data(Data::Text), true, [1, 2, 3, 4], payload)
}

#[test]
fn the_example_of_rfc_6455_is_read() {
    let heard = read(&[&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]]).unwrap();
    assert_eq!(heard.data, b"Hello");
}

#[test]
fn data_is_handed_out_before_its_frame_ends() {
    let bytes = text(b"abcdef");
    let mut reader = FrameReader::new();
    let mut first = bytes[..9].to_vec();
    assert_eq!(reader.next(&mut &mut first[..], &LIMITS), Ok(Some(Piece::Data(b"abc"))));
    let mut second = bytes[9..].to_vec();
    assert_eq!(reader.next(&mut &mut second[..], &LIMITS), Ok(Some(Piece::Data(b"def"))));
}

#[test]
fn control_frames_may_come_between_fragments() {
    let bytes = [
        frame(OpCode::Data(Data::Text), false, [9; 4], b"ab"),
        frame(OpCode::Control(Control::Ping), true, [5; 4], b"are you there"),
        frame(OpCode::Data(Data::Continue), true, [7; 4], b"cd"),
        frame(OpCode::Control(Control::Pong), true, [7; 4], b""),
        frame(OpCode::Control(Control::Close), true, [7; 4], &[3, 232]),
    ]
    .concat();
    let expected = Heard { data: b"abcd".to_vec(), pings: vec![b"are you there".to_vec()], pongs: 1, closed: true };
    assert_eq!(read(&[&bytes]), Ok(expected.clone()));
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single), Ok(expected), "byte by byte as well");
}

#[test]
fn empty_frames_are_nothing() {
    let bytes = [text(b""), text(b"a"), frame(OpCode::Control(Control::Close), true, [1; 4], b"")].concat();
    let heard = read(&[&bytes]).unwrap();
    assert_eq!((heard.data.as_slice(), heard.closed), (&b"a"[..], true));
}

#[test]
fn what_breaks_the_rules_ends_with_its_code() {
    let masked = |first: u8, length: u8| vec![first, 0x80 | length, 0, 0, 0, 0];
    let long = |length: u64| [&[0x82, 0xFF][..], &length.to_be_bytes(), &[0; 4]].concat();
    let rows: Vec<(&str, Vec<u8>, u16)> = vec![
        ("no mask", vec![0x81, 1, b'x'], 1002),
        ("a reserved bit", masked(0xC1, 0), 1002),
        ("an unknown opcode", masked(0x83, 0), 1002),
        ("an unknown control opcode", masked(0x8B, 0), 1002),
        ("a fragmented ping", masked(0x09, 0), 1002),
        ("a long ping", vec![0x89, 0xFE, 0, 126, 0, 0, 0, 0], 1002),
        ("half a close code", frame(OpCode::Control(Control::Close), true, [0; 4], &[3]), 1002),
        ("continuation of nothing", masked(0x80, 0), 1002),
        ("a message within a message", [masked(0x01, 0), masked(0x81, 0)].concat(), 1002),
        ("a frame over the limit, judged by its head", long(100_001), 1009),
        ("a length nobody has", long(u64::MAX), 1009),
        (
            "a message over the limit",
            [
                frame(OpCode::Data(Data::Binary), false, [0; 4], &[0; 90_000]),
                vec![0x80, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0],
            ]
            .concat(),
            1009,
        ),
        ("endless empty fragments", [masked(0x01, 0), masked(0x00, 0).repeat(20)].concat(), 1008),
    ];
    for (name, bytes, code) in rows {
        assert_eq!(read(&[&bytes]).map_err(|violation| violation.code), Err(code), "{name}");
    }
    assert!(read(&[&long(100_000)]).is_ok());
}

proptest! {
    #[test]
    fn what_tungstenite_writes_is_read_however_it_is_cut(
        frames in prop::collection::vec((0..4_u8, any::<[u8; 4]>(), prop::collection::vec(any::<u8>(), 0..300)), 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let (mut bytes, mut expected) = (Vec::new(), Heard::default());
        for (kind, mask, mut payload) in frames {
            let opcode = match kind {
                0 | 1 => {
                    expected.data.extend_from_slice(&payload);
                    OpCode::Data(if kind == 0 { Data::Text } else { Data::Binary })
                }
                _ => {
                    payload.truncate(MAX_CONTROL);
                    if kind == 2 { expected.pings.push(payload.clone()) } else { expected.pongs += 1 }
                    OpCode::Control(if kind == 2 { Control::Ping } else { Control::Pong })
                }
            };
            bytes.extend(frame(opcode, true, mask, &payload));
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        prop_assert_eq!(read(&pieces), Ok(expected));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&[&bytes]);
    }
}
