//! `Segment`: one piece of a record that was split.

use crate::headers::QuixHeaders;

/// A piece and its place. Text may look like one, such as `<abcd/x/y>z`; then the other pieces never come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    pub(super) id: SegmentId,
    /// From 0, less than `count`.
    pub(super) index: u32,
    /// At least 1.
    pub(super) count: u32,
    pub(super) piece: &'a [u8],
}

/// Tells messages of one key apart, by the writer's word: not across writers or their restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum SegmentId {
    Prefix([u8; 4]),
    Short([u8; 4]),
    Guid([u8; 16]),
}

impl<'a> Segment<'a> {
    pub(crate) fn of(headers: &QuixHeaders<'a>, value: &'a [u8]) -> Option<Self> {
        Self::by_headers(headers, value).or_else(|| Self::by_prefix(value))
    }

    fn by_prefix(value: &'a [u8]) -> Option<Self> {
        let (head, piece) = value.split_first_chunk::<PREFIX_BYTES>()?;
        let [b'<', a, b, c, d, b'/', index, b'/', last, b'>'] = *head else { return None };
        let (index, count) = (u32::from(index), u32::from(last) + 1);
        (index < count).then_some(Self { id: SegmentId::Prefix([a, b, c, d]), index, count, piece })
    }

    fn by_headers(headers: &QuixHeaders<'a>, value: &'a [u8]) -> Option<Self> {
        let id = headers.split_id?;
        let number = |header: Option<&[u8]>| u32::try_from(i32::from_le_bytes(header?.try_into().ok()?)).ok();
        let (index, count) = (number(headers.split_index)?, number(headers.split_count)?);
        let id = match id.len() {
            4 => SegmentId::Short(id.try_into().ok()?),
            _ => SegmentId::Guid(id.try_into().ok()?),
        };
        (index < count).then_some(Self { id, index, count, piece: value })
    }
}

/// Length of what stands before a piece in the form without headers.
pub(crate) const PREFIX_BYTES: usize = 10;

pub(crate) fn prefix(id: u32, index: u8, last: u8) -> [u8; PREFIX_BYTES] {
    let [a, b, c, d] = id.to_le_bytes();
    [b'<', a, b, c, d, b'/', index, b'/', last, b'>']
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_says_which_piece_it_is() {
        let value = [&prefix(7, 1, 2)[..], b"piece"].concat();
        let segment = Segment::of(&QuixHeaders::default(), &value).unwrap();
        assert_eq!((segment.index, segment.count, segment.piece), (1, 3, &b"piece"[..]));
        let value = [&prefix(7, 3, 2)[..], b"piece"].concat();
        assert_eq!(Segment::of(&QuixHeaders::default(), &value), None);
        for text in
            [&b"<html>"[..], b"", b"<", b"<abcd/x/y", b"<abcd/x-y>z", b"<abcd|x/y>z", b"<abcd/x/y|z", b" <abcd/x/y>"]
        {
            assert_eq!(Segment::of(&QuixHeaders::default(), text), None);
        }
        assert!(Segment::of(&QuixHeaders::default(), b"<abcd/x/y>").is_some_and(|segment| segment.piece.is_empty()));
    }

    #[test]
    fn three_headers_of_the_right_lengths_say_so_too() {
        let whole = QuixHeaders {
            split_id: Some(&[7; 16]),
            split_index: Some(&[1, 0, 0, 0]),
            split_count: Some(&[2, 0, 0, 0]),
            ..QuixHeaders::default()
        };
        let segment = Segment::of(&whole, b"<x").unwrap();
        assert_eq!((segment.index, segment.count, segment.piece), (1, 2, &b"<x"[..]));
        assert!(Segment::of(&QuixHeaders { split_id: Some(&[7; 4]), ..whole }, b"x").is_some());
        for wrong in [
            QuixHeaders { split_id: Some(&[7; 5]), ..whole },
            QuixHeaders { split_id: None, ..whole },
            QuixHeaders { split_index: Some(&[2, 0, 0, 0]), ..whole },
            QuixHeaders { split_index: Some(&[1, 0, 0]), ..whole },
            QuixHeaders { split_index: Some(&[0xFF; 4]), ..whole },
            QuixHeaders { split_count: Some(&[0; 4]), ..whole },
            QuixHeaders { split_count: None, ..whole },
        ] {
            assert_eq!(Segment::of(&wrong, b"x"), None, "{wrong:?}");
        }
    }
}
