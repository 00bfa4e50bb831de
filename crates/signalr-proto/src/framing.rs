//! Where one message ends and the next begins: bytes ⇄ frames.
//!
//! ```text
//! text     {"type":6} 0x1E {"type":6} 0x1E        the separator cannot occur inside: JSON escapes it
//! binary   0x02 0x91 0x06 0x02 0x91 0x06          length of the body, 7 bits a byte, lowest first, then the body
//! ```

use memchr::memchr;

/// Ends each message of a text encoding, and both handshake messages.
pub const RECORD_SEPARATOR: u8 = 0x1E;

/// Longest body a length prefix can announce.
pub const MAX_BODY: usize = 0x7FFF_FFFF;

/// How messages are set apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// [`RECORD_SEPARATOR`] behind each.
    Separator,
    /// Length in front of each, as unsigned LEB128 of one to five bytes; it does not count itself.
    LengthPrefix,
}

/// Cuts frames off a byte stream that arrives in arbitrary pieces. Holds no memory between whole messages, and never
/// more than what came.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// Beginning of a message whose end has not arrived, or the message handed out last.
    partial: Vec<u8>,
    handed_out: bool,
}

/// One message as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// With separator or length prefix.
    pub(crate) wire: &'a [u8],
    /// Without.
    pub(crate) body: &'a [u8],
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// The message is longer than the limit, its separator or prefix included.
    TooLarge,
    /// Its length is beyond [`MAX_BODY`], or not written in five bytes.
    BadPrefix,
}

impl Frames {
    /// The next whole frame, from what came before and `input`, which is advanced past it. `None`: `input` is used up and
    /// kept. A limit of 0 is none.
    pub(crate) fn next<'e, 'b: 'e>(
        &'e mut self,
        input: &mut &'b [u8],
        framing: Framing,
        limit: usize,
    ) -> Result<Option<Frame<'e>>, FrameError> {
        if std::mem::take(&mut self.handed_out) {
            self.partial = Vec::new();
        }
        let limit = if limit == 0 { usize::MAX } else { limit };
        let Some(extent) = self.extent(input, framing, limit)? else {
            self.partial.extend_from_slice(input);
            *input = &[];
            return Ok(None);
        };
        let (piece, rest): (&'b [u8], _) = input.split_at(extent.wire - self.partial.len());
        *input = rest;
        let wire = if self.partial.is_empty() {
            piece
        } else {
            self.partial.extend_from_slice(piece);
            self.handed_out = true;
            &self.partial
        };
        Ok(Some(Frame { wire, body: &wire[extent.body] }))
    }

    /// Bytes of a message that has begun and not ended; 0 between messages.
    pub(crate) fn partial_bytes(&self) -> usize {
        if self.handed_out { 0 } else { self.partial.len() }
    }

    /// Where the message ends that begins with what is held and goes on in `input`; `None` if not in it.
    fn extent(&self, input: &[u8], framing: Framing, limit: usize) -> Result<Option<Extent>, FrameError> {
        let held = self.partial.len();
        let here = held + input.len();
        match framing {
            Framing::Separator => match memchr(RECORD_SEPARATOR, input) {
                Some(end) if held + end >= limit => Err(FrameError::TooLarge),
                Some(end) => Ok(Some(Extent { wire: held + end + 1, body: 0..held + end })),
                None if here >= limit => Err(FrameError::TooLarge),
                None => Ok(None),
            },
            Framing::LengthPrefix => {
                let Some((prefix, body)) = read_prefix(self.partial.iter().chain(input))? else {
                    return if here >= limit { Err(FrameError::TooLarge) } else { Ok(None) };
                };
                let wire = prefix + body;
                match wire {
                    _ if wire > limit => Err(FrameError::TooLarge),
                    _ if wire > here => Ok(None),
                    _ => Ok(Some(Extent { wire, body: prefix..wire })),
                }
            }
        }
    }
}

struct Extent {
    wire: usize,
    body: std::ops::Range<usize>,
}

/// Length of a prefix and of the body it announces; `None` if it is not all there.
fn read_prefix<'a>(bytes: impl Iterator<Item = &'a u8>) -> Result<Option<(usize, usize)>, FrameError> {
    let mut length = 0_u64;
    for (index, byte) in bytes.take(LengthPrefix::LONGEST).enumerate() {
        length |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let length = usize::try_from(length).ok().filter(|length| *length <= MAX_BODY);
            return length.map(|length| Some((index + 1, length))).ok_or(FrameError::BadPrefix);
        }
        if index + 1 == LengthPrefix::LONGEST {
            return Err(FrameError::BadPrefix);
        }
    }
    Ok(None)
}

/// The length of a body, as it stands before it.
pub(crate) struct LengthPrefix {
    bytes: [u8; Self::LONGEST],
    used: usize,
}

impl LengthPrefix {
    const LONGEST: usize = 5;

    pub(crate) fn of(length: usize) -> Self {
        let (mut bytes, mut used, mut rest) = ([0; Self::LONGEST], 0, length);
        loop {
            let low = (rest & 0x7F) as u8;
            rest >>= 7;
            bytes[used] = if rest == 0 { low } else { low | 0x80 };
            used += 1;
            if rest == 0 || used == Self::LONGEST {
                return Self { bytes, used };
            }
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Framing::{LengthPrefix as Prefix, Separator};

    fn frames(framing: Framing, pieces: &[&[u8]], limit: usize) -> Result<Vec<Vec<u8>>, FrameError> {
        let mut frames = Frames::default();
        let mut whole = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            while let Some(frame) = frames.next(&mut input, framing, limit)? {
                assert!(frame.wire.ends_with(frame.body) || frame.wire.starts_with(frame.body));
                whole.push(frame.body.to_vec());
            }
        }
        Ok(whole)
    }

    #[test]
    fn messages_are_cut_at_the_separator_however_the_bytes_arrive() {
        let expected = Ok(vec![b"ab".to_vec(), b"".to_vec(), b"c".to_vec()]);
        assert_eq!(frames(Separator, &[b"ab\x1e\x1ec\x1e"], 10), expected);
        assert_eq!(frames(Separator, &[b"a", b"b\x1e", b"\x1ec", b"\x1ed"], 10), expected);
    }

    #[test]
    fn messages_are_cut_by_their_length_however_the_bytes_arrive() {
        let long = vec![7; 300];
        let stream = [&b"\x02ab\x00\x01c\xac\x02"[..], &long].concat();
        let expected = Ok(vec![b"ab".to_vec(), b"".to_vec(), b"c".to_vec(), long]);
        assert_eq!(frames(Prefix, &[&stream], 302), expected);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(frames(Prefix, &bytes, 302), expected);
        assert_eq!(frames(Prefix, &[b"\x82\x80\x00ab"], 302), Ok(vec![b"ab".to_vec()]), "longer than it must be");
    }

    #[test]
    fn the_limit_counts_the_separator_and_each_message_by_itself() {
        assert!(frames(Separator, &[b"abcd\x1eabcd\x1e"], 5).is_ok());
        assert_eq!(frames(Separator, &[b"abcde\x1e"], 5), Err(FrameError::TooLarge));
        assert_eq!(frames(Separator, &[b"abc", b"de"], 5), Err(FrameError::TooLarge), "noticed before the end arrives");
        assert!(frames(Separator, &[b"abcde\x1e"], 0).is_ok(), "0 is no limit");
    }

    #[test]
    fn the_limit_counts_the_prefix_and_what_it_announces() {
        assert!(frames(Prefix, &[b"\x04abcd\x04abcd"], 5).is_ok());
        assert_eq!(frames(Prefix, &[b"\x05"], 5), Err(FrameError::TooLarge), "noticed before the body arrives");
        assert_eq!(frames(Prefix, &[b"\xff\xff\xff\xff\x07"], 100), Err(FrameError::TooLarge));
        assert_eq!(frames(Prefix, &[b"\x80\x80"], 2), Err(FrameError::TooLarge));
    }

    #[test]
    fn a_length_beyond_31_bits_or_five_bytes_is_none() {
        assert_eq!(frames(Prefix, &[b"\xff\xff\xff\xff\x07"], 0), Ok(vec![]), "the longest");
        assert_eq!(frames(Prefix, &[b"\xff\xff\xff\xff\x08"], 0), Err(FrameError::BadPrefix));
        assert_eq!(frames(Prefix, &[b"\x80\x80\x80\x80", b"\x80"], 0), Err(FrameError::BadPrefix));
    }

    #[test]
    fn prefixes_are_written_as_short_as_they_go() {
        let rows: &[(usize, &[u8])] = &[
            (0, &[0]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (16_384, &[0x80, 0x80, 1]),
            (MAX_BODY, &[0xff, 0xff, 0xff, 0xff, 7]),
        ];
        for (length, bytes) in rows {
            assert_eq!(LengthPrefix::of(*length).as_bytes(), *bytes);
            assert_eq!(read_prefix(bytes.iter()), Ok(Some((bytes.len(), *length))));
        }
    }

    #[test]
    fn nothing_is_held_between_whole_messages_and_no_more_than_came() {
        for (framing, pieces) in [(Separator, [b"ab", b"c\x1e"]), (Prefix, [b"\x03a", b"bc"])] {
            let mut frames = Frames::default();
            let mut input: &[u8] = pieces[0];
            assert!(frames.next(&mut input, framing, 10).unwrap().is_none() && frames.partial_bytes() == 2);
            input = pieces[1];
            assert_eq!(frames.next(&mut input, framing, 10).unwrap().unwrap().body, b"abc");
            assert!(frames.next(&mut input, framing, 10).unwrap().is_none());
            assert!(frames.partial_bytes() == 0 && frames.partial.capacity() == 0);
        }
        let mut frames = Frames::default();
        assert!(frames.next(&mut &b"\xff\xff\xff\xff\x07a"[..], Prefix, 0).unwrap().is_none());
        assert!(frames.partial.capacity() < 100);
    }
}
