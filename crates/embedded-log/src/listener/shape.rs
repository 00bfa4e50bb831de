//! `Shape`: what a request's bytes look like, to be walked before anything is decoded.
//!
//! The codecs take memory for as many elements as an array claims to have, at once. So every array is counted here first: a
//! claim that the bytes cannot hold ends the request before memory is taken for it.

/// A part of a request. All requests we offer are of the fixed ("non-flexible") encoding, but for `ApiVersions` 3, whose
/// body is not read.
#[derive(Debug)]
pub(super) enum Shape {
    /// So many bytes: numbers and booleans.
    Fixed(usize),
    /// `i16` length, −1 for none, and the bytes.
    Text,
    /// `i32` length, −1 for none, and the bytes.
    Bytes,
    /// `i32` count, −1 for none, and each element.
    Array(&'static [Shape]),
    /// Only there from this version on.
    From(i16, &'static Shape),
    /// Only there up to this version.
    UpTo(i16, &'static Shape),
}

/// Elements of all arrays of the request that `bytes` begin with; `None` when it is no such request or has more than `limit`.
pub(super) fn count_elements(shapes: &[Shape], version: i16, bytes: &[u8], limit: usize) -> Option<usize> {
    let mut walk = Walk { rest: bytes, version, elements: 0, limit };
    walk.all(shapes)?;
    Some(walk.elements)
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    elements: usize,
    limit: usize,
}

impl Walk<'_> {
    fn all(&mut self, shapes: &[Shape]) -> Option<()> {
        shapes.iter().try_for_each(|shape| self.one(shape))
    }

    fn one(&mut self, shape: &Shape) -> Option<()> {
        match shape {
            Shape::Fixed(length) => self.skip(*length),
            Shape::Text => {
                let length = i16::from_be_bytes(self.take()?);
                self.skip_counted(length.into())
            }
            Shape::Bytes => {
                let length = i32::from_be_bytes(self.take()?);
                self.skip_counted(length)
            }
            Shape::Array(element) => self.array(element),
            Shape::From(version, shape) if self.version >= *version => self.one(shape),
            Shape::UpTo(version, shape) if self.version <= *version => self.one(shape),
            Shape::From(..) | Shape::UpTo(..) => Some(()),
        }
    }

    fn array(&mut self, element: &[Shape]) -> Option<()> {
        let count = match i32::from_be_bytes(self.take()?) {
            -1 => return Some(()),
            count => usize::try_from(count).ok()?,
        };
        self.elements = self.elements.checked_add(count)?;
        // Every element has two bytes at least.
        if self.elements > self.limit || count > self.rest.len() / 2 {
            return None;
        }
        (0..count).try_for_each(|_| self.all(element))
    }

    fn skip_counted(&mut self, length: i32) -> Option<()> {
        if length == -1 { Some(()) } else { self.skip(usize::try_from(length).ok()?) }
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.rest = self.rest.get(length..)?;
        Some(())
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NESTED: &[Shape] = &[Shape::Array(&[Shape::Text, Shape::Array(&[Shape::Fixed(4)])])];

    #[test]
    fn counts_nested_elements() {
        let mut bytes = vec![0, 0, 0, 2];
        for name in [b"a", b"b"] {
            bytes.extend([0, 1, name[0], 0, 0, 0, 1, 0, 0, 0, 7]);
        }
        assert_eq!(count_elements(NESTED, 0, &bytes, 4), Some(4));
        assert_eq!(count_elements(NESTED, 0, &bytes, 3), None, "over the limit");
        for cut in 0..bytes.len() {
            assert_eq!(count_elements(NESTED, 0, &bytes[..cut], 100), None, "cut at {cut}");
        }
    }

    #[test]
    fn claims_that_the_bytes_cannot_hold_are_refused() {
        for claim in [i32::MAX, i32::MIN, -2, 1] {
            assert_eq!(count_elements(NESTED, 0, &claim.to_be_bytes(), usize::MAX), None, "{claim}");
        }
        assert_eq!(count_elements(NESTED, 0, &(-1i32).to_be_bytes(), 0), Some(0));
        assert_eq!(count_elements(&[Shape::Text], 0, &[0xff, 0xfe], 0), None, "length -2");
        assert_eq!(count_elements(&[Shape::Bytes], 0, &[0x80, 0, 0, 0], 0), None, "least length");
    }

    #[test]
    fn fields_of_other_versions_are_not_there() {
        const VERSIONED: &[Shape] = &[Shape::From(3, &Shape::Fixed(2)), Shape::UpTo(4, &Shape::Fixed(1))];
        for (version, length) in [(2, 1), (3, 3), (4, 3), (5, 2)] {
            assert_eq!(count_elements(VERSIONED, version, &[0; 3][..length], 0), Some(0), "{version}");
            assert_eq!(count_elements(VERSIONED, version, &[0; 3][..length - 1], 0), None, "{version}");
        }
    }
}
