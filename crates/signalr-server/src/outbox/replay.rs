//! `Replay`: frames a client has not acknowledged, kept to be sent again on another websocket.
//!
//! A frame may hold several counted messages. It is kept until all of them are acknowledged and sent again as a whole: the
//! client knows by the numbers which of them it has.

use std::collections::VecDeque;

use bytes::Bytes;
use signalr_proto::framing::Framing;
use signalr_proto::{Encoding, HubMessage};

use crate::frame::{HEAD_ROOM, OPCODE_BINARY, OPCODE_TEXT, opcode, write_head};

#[derive(Debug)]
pub(crate) struct Replay {
    encoding: Encoding,
    kept: VecDeque<Kept>,
    bytes: usize,
    /// Number of the next counted message.
    next: u64,
}

#[derive(Debug)]
struct Kept {
    /// Number of its first counted message.
    first: u64,
    frame: Bytes,
}

impl Replay {
    pub(crate) fn new(encoding: Encoding) -> Self {
        Self { encoding, kept: VecDeque::new(), bytes: 0, next: 1 }
    }

    /// Keeps a frame on its way, if there is anything to count in it.
    pub(crate) fn keep(&mut self, frame: &Bytes) {
        let count = counted(self.encoding, frame);
        if count > 0 {
            self.bytes += frame.len();
            self.kept.push_back(Kept { first: self.next, frame: frame.clone() });
            self.next += count;
        }
    }

    /// The client has everything up to this number.
    pub(crate) fn acknowledge(&mut self, number: u64) {
        while let Some(oldest) = self.kept.front() {
            let next = self.kept.get(1).map_or(self.next, |kept| kept.first);
            if next > number.saturating_add(1) {
                return;
            }
            self.bytes -= oldest.frame.len();
            self.kept.pop_front();
        }
        self.kept = VecDeque::new();
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What goes out first on another websocket: the number of the oldest message, and all there are.
    pub(crate) fn frames(&self) -> impl Iterator<Item = Bytes> {
        let first = self.kept.front().map_or(self.next, |kept| kept.first);
        let mut sequence = vec![0; HEAD_ROOM];
        self.encoding.encode(&HubMessage::Sequence { sequence_id: first }, &mut sequence);
        let start = write_head(opcode(self.encoding), &mut sequence);
        let sequence = Bytes::from(sequence).slice(start..);
        std::iter::once(sequence).chain(self.kept.iter().map(|kept| kept.frame.clone()))
    }
}

/// Number of messages of types 1 to 5 in a websocket frame of ours.
fn counted(encoding: Encoding, frame: &[u8]) -> u64 {
    let [first, second, ..] = frame else { return 0 };
    if ![OPCODE_TEXT, OPCODE_BINARY].contains(&(first & 0x0F)) {
        return 0;
    }
    let head = match second {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let payload = &frame[head.min(frame.len())..];
    match encoding.framing() {
        Framing::Separator => payload.split(|byte| *byte == 0x1E).filter(|text| is_counted_text(text)).count() as u64,
        Framing::LengthPrefix => counted_binary(payload),
    }
}

/// Our own messages begin with their type.
fn is_counted_text(message: &[u8]) -> bool {
    let kind = message.strip_prefix(b"{\"type\":");
    matches!(kind, Some([b'1'..=b'5', b',' | b'}', ..]))
}

/// Array head, then the type; the length comes before, seven bits to a byte.
fn counted_binary(mut payload: &[u8]) -> u64 {
    let mut count = 0;
    while let Some(end) = payload.iter().position(|byte| byte & 0x80 == 0) {
        let length = payload[..=end].iter().rev().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7F));
        let rest = &payload[end + 1..];
        count += u64::from(matches!(rest, [_, 1..=5, ..]));
        payload = rest.get(length..).unwrap_or_default();
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameBuilder;

    const ENCODINGS: [Encoding; 2] = [Encoding::Json, Encoding::MessagePack];

    fn frame(encoding: Encoding, messages: usize, text: &str) -> Bytes {
        let mut builder = FrameBuilder::new(encoding);
        for _ in 0..messages {
            builder.invocation("Said", &(text,)).unwrap();
        }
        builder.finish().bytes
    }

    #[test]
    fn messages_are_counted_in_frames_of_any_size() {
        for encoding in ENCODINGS {
            for (messages, text) in [(1, ""), (3, "a \u{1e} b"), (2, &"x".repeat(200)), (2, &"x".repeat(70_000))] {
                assert_eq!(counted(encoding, &frame(encoding, messages, text)), messages as u64, "{encoding:?}");
            }
            for message in [HubMessage::Ping, HubMessage::Ack { sequence_id: 1 }] {
                let mut bytes = vec![0; HEAD_ROOM];
                encoding.encode(&message, &mut bytes);
                let start = write_head(opcode(encoding), &mut bytes);
                assert_eq!(counted(encoding, &bytes[start..]), 0, "{message:?}");
            }
        }
        assert_eq!(counted(Encoding::Json, b"\x8a\x02{}"), 0, "a pong");
        for (encoding, answer) in [(Encoding::Json, b"\x81\x03{}\x1e"), (Encoding::MessagePack, b"\x82\x03{}\x1e")] {
            assert_eq!(counted(encoding, answer), 0, "the answer to the handshake");
        }
    }

    #[test]
    fn a_frame_is_kept_until_all_of_it_is_acknowledged() {
        for encoding in ENCODINGS {
            let mut replay = Replay::new(encoding);
            let frames = [3, 1, 2].map(|messages| frame(encoding, messages, "x"));
            frames.iter().for_each(|frame| replay.keep(frame));
            let kept = |replay: &Replay| replay.frames().skip(1).collect::<Vec<_>>();
            for (number, left) in [(0, 3), (2, 3), (3, 2), (3, 2), (5, 1), (6, 0), (900, 0)] {
                replay.acknowledge(number);
                assert_eq!(kept(&replay), frames[3 - left..], "{number}");
                assert_eq!(replay.bytes(), frames[3 - left..].iter().map(Bytes::len).sum::<usize>());
            }
            let sequence = replay.frames().next().unwrap();
            let mut expected = Vec::new();
            encoding.encode(&HubMessage::Sequence { sequence_id: 7 }, &mut expected);
            assert_eq!(sequence[2..], expected);
        }
    }
}
