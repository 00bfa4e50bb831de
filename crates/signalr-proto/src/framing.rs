//! Where one message ends and the next begins: bytes ⇄ frames.
//!
//! ```text
//! text     {"type":6} 0x1E {"type":6} 0x1E        the separator cannot occur inside: JSON escapes it
//! binary   length prefix, body                    comes with the MessagePack encoding
//! ```

use memchr::memchr;

/// Ends each message of a text encoding, and both handshake messages.
pub const RECORD_SEPARATOR: u8 = 0x1E;

/// Cuts frames off a byte stream that arrives in arbitrary pieces. Holds no memory between whole messages.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// Beginning of a message whose end has not arrived, or the message handed out last.
    partial: Vec<u8>,
    handed_out: bool,
}

/// The message is longer than the limit, its terminator included.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Frames {
    /// The next whole frame, without its separator, from what came before and `input`, which is advanced past it.
    /// `None`: `input` is used up and kept.
    pub(crate) fn next<'e, 'b: 'e>(
        &'e mut self,
        input: &mut &'b [u8],
        limit: usize,
    ) -> Result<Option<&'e [u8]>, TooLarge> {
        if std::mem::take(&mut self.handed_out) {
            self.partial = Vec::new();
        }
        let found = memchr(RECORD_SEPARATOR, input);
        let piece: &'b [u8] = &input[..found.unwrap_or(input.len())];
        if self.partial.len() + piece.len() >= limit {
            return Err(TooLarge);
        }
        let Some(end) = found else {
            self.partial.extend_from_slice(piece);
            *input = &[];
            return Ok(None);
        };
        *input = &input[end + 1..];
        if self.partial.is_empty() {
            return Ok(Some(piece));
        }
        self.partial.extend_from_slice(piece);
        self.handed_out = true;
        Ok(Some(&self.partial))
    }

    /// Bytes of a message that has begun and not ended; 0 between messages.
    pub(crate) fn partial_bytes(&self) -> usize {
        if self.handed_out { 0 } else { self.partial.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(pieces: &[&[u8]], limit: usize) -> Result<Vec<Vec<u8>>, TooLarge> {
        let mut frames = Frames::default();
        let mut whole = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            while let Some(frame) = frames.next(&mut input, limit)? {
                whole.push(frame.to_vec());
            }
        }
        Ok(whole)
    }

    #[test]
    fn messages_are_cut_at_the_separator_however_the_bytes_arrive() {
        let expected = Ok(vec![b"ab".to_vec(), b"".to_vec(), b"c".to_vec()]);
        assert_eq!(frames(&[b"ab\x1e\x1ec\x1e"], 10), expected);
        assert_eq!(frames(&[b"a", b"b\x1e", b"\x1ec", b"\x1ed"], 10), expected);
    }

    #[test]
    fn the_limit_counts_the_separator_and_each_message_by_itself() {
        assert!(frames(&[b"abcd\x1eabcd\x1e"], 5).is_ok());
        assert_eq!(frames(&[b"abcde\x1e"], 5), Err(TooLarge));
        assert_eq!(frames(&[b"abc", b"de"], 5), Err(TooLarge), "noticed before the end arrives");
    }

    #[test]
    fn nothing_is_held_between_whole_messages() {
        let mut frames = Frames::default();
        let mut input: &[u8] = b"ab";
        assert!(frames.next(&mut input, 10).unwrap().is_none() && frames.partial_bytes() == 2);
        input = b"c\x1e";
        assert_eq!(frames.next(&mut input, 10).unwrap(), Some(&b"abc"[..]));
        assert!(frames.next(&mut input, 10).unwrap().is_none());
        assert!(frames.partial_bytes() == 0 && frames.partial.capacity() == 0);
    }
}
