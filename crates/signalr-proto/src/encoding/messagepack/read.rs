//! `Reader`: a cursor over untrusted MessagePack. No length it gives out is more than what is there.

use rmp::Marker;

use crate::encoding::Fault;

/// The bytes not yet read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

/// One scalar, or the head of a container.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Token<'a> {
    Nil,
    Bool(bool),
    /// Zero or more.
    Unsigned(u64),
    /// Below zero.
    Negative(i64),
    F32(f32),
    F64(f64),
    /// UTF-8 by promise only.
    Text(&'a [u8]),
    Bin(&'a [u8]),
    Extension(i8, &'a [u8]),
    /// That many values follow.
    Array(usize),
    /// That many pairs follow.
    Map(usize),
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What comes next, without taking it.
    pub(crate) fn peek(&self) -> Result<Token<'a>, Fault> {
        Self::token(&mut self.clone())
    }

    /// Takes one scalar or head.
    pub(crate) fn token(&mut self) -> Result<Token<'a>, Fault> {
        let [first] = self.array()?;
        Ok(match Marker::from_u8(first) {
            Marker::Null => Token::Nil,
            Marker::Reserved => return Err(Fault::Reserved),
            Marker::False => Token::Bool(false),
            Marker::True => Token::Bool(true),
            Marker::FixPos(value) => Token::Unsigned(value.into()),
            Marker::U8 => Token::Unsigned(u8::from_be_bytes(self.array()?).into()),
            Marker::U16 => Token::Unsigned(u16::from_be_bytes(self.array()?).into()),
            Marker::U32 => Token::Unsigned(u32::from_be_bytes(self.array()?).into()),
            Marker::U64 => Token::Unsigned(u64::from_be_bytes(self.array()?)),
            Marker::FixNeg(value) => signed(value.into()),
            Marker::I8 => signed(i8::from_be_bytes(self.array()?).into()),
            Marker::I16 => signed(i16::from_be_bytes(self.array()?).into()),
            Marker::I32 => signed(i32::from_be_bytes(self.array()?).into()),
            Marker::I64 => signed(i64::from_be_bytes(self.array()?)),
            Marker::F32 => Token::F32(f32::from_be_bytes(self.array()?)),
            Marker::F64 => Token::F64(f64::from_be_bytes(self.array()?)),
            Marker::FixStr(length) => Token::Text(self.bytes(length.into())?),
            Marker::Str8 => Token::Text(self.bytes8()?),
            Marker::Str16 => Token::Text(self.bytes16()?),
            Marker::Str32 => Token::Text(self.bytes32()?),
            Marker::Bin8 => Token::Bin(self.bytes8()?),
            Marker::Bin16 => Token::Bin(self.bytes16()?),
            Marker::Bin32 => Token::Bin(self.bytes32()?),
            Marker::FixArray(count) => Token::Array(self.values(count.into(), 1)?),
            Marker::Array16 => Token::Array(self.values16(1)?),
            Marker::Array32 => Token::Array(self.values32(1)?),
            Marker::FixMap(count) => Token::Map(self.values(count.into(), 2)?),
            Marker::Map16 => Token::Map(self.values16(2)?),
            Marker::Map32 => Token::Map(self.values32(2)?),
            Marker::FixExt1 => self.extension(1)?,
            Marker::FixExt2 => self.extension(2)?,
            Marker::FixExt4 => self.extension(4)?,
            Marker::FixExt8 => self.extension(8)?,
            Marker::FixExt16 => self.extension(16)?,
            Marker::Ext8 => {
                let length = u8::from_be_bytes(self.array()?);
                self.extension(length.into())?
            }
            Marker::Ext16 => {
                let length = u16::from_be_bytes(self.array()?);
                self.extension(length.into())?
            }
            Marker::Ext32 => {
                let length = u32::from_be_bytes(self.array()?);
                self.extension(length)?
            }
        })
    }

    /// Takes one whole value, checked to be well formed and to nest no deeper than `depth` containers; texts may be any
    /// bytes.
    pub(crate) fn value(&mut self, depth: usize) -> Result<&'a [u8], Fault> {
        let before = self.rest;
        self.skip(depth)?;
        Ok(&before[..before.len() - self.rest.len()])
    }

    fn skip(&mut self, depth: usize) -> Result<(), Fault> {
        let values = match self.token()? {
            Token::Array(count) => count,
            Token::Map(pairs) => 2 * pairs,
            _ => return Ok(()),
        };
        let inner = depth.checked_sub(1).ok_or(Fault::TooDeep)?;
        for _ in 0..values {
            self.skip(inner)?;
        }
        Ok(())
    }

    fn bytes8(&mut self) -> Result<&'a [u8], Fault> {
        let length = u8::from_be_bytes(self.array()?);
        self.bytes(length.into())
    }

    fn bytes16(&mut self) -> Result<&'a [u8], Fault> {
        let length = u16::from_be_bytes(self.array()?);
        self.bytes(length.into())
    }

    fn bytes32(&mut self) -> Result<&'a [u8], Fault> {
        let length = u32::from_be_bytes(self.array()?);
        self.bytes(length)
    }

    fn values16(&mut self, each: usize) -> Result<usize, Fault> {
        let count = u16::from_be_bytes(self.array()?);
        self.values(count.into(), each)
    }

    fn values32(&mut self, each: usize) -> Result<usize, Fault> {
        let count = u32::from_be_bytes(self.array()?);
        self.values(count, each)
    }

    /// A count of entries with `each` values, every one of which takes a byte at least.
    fn values(&mut self, count: u32, each: usize) -> Result<usize, Fault> {
        let count = usize::try_from(count).map_err(|_| Fault::CutOff)?;
        if count > self.rest.len() / each { Err(Fault::CutOff) } else { Ok(count) }
    }

    fn extension(&mut self, length: u32) -> Result<Token<'a>, Fault> {
        let kind = i8::from_be_bytes(self.array()?);
        Ok(Token::Extension(kind, self.bytes(length)?))
    }

    fn bytes(&mut self, length: u32) -> Result<&'a [u8], Fault> {
        let length = usize::try_from(length).map_err(|_| Fault::CutOff)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Fault::CutOff)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Fault::CutOff)?;
        self.rest = rest;
        Ok(*bytes)
    }
}

fn signed<'a>(value: i64) -> Token<'a> {
    u64::try_from(value).map_or(Token::Negative(value), Token::Unsigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_of_an_integer_is_read() {
        let rows: &[(&[u8], Token<'_>)] = &[
            (&[0x07], Token::Unsigned(7)),
            (&[0xcc, 7], Token::Unsigned(7)),
            (&[0xcd, 0, 7], Token::Unsigned(7)),
            (&[0xce, 0, 0, 0, 7], Token::Unsigned(7)),
            (&[0xcf, 0, 0, 0, 0, 0, 0, 0, 7], Token::Unsigned(7)),
            (&[0xd0, 7], Token::Unsigned(7)),
            (&[0xd1, 0, 7], Token::Unsigned(7)),
            (&[0xd2, 0, 0, 0, 7], Token::Unsigned(7)),
            (&[0xd3, 0, 0, 0, 0, 0, 0, 0, 7], Token::Unsigned(7)),
            (&[0xff], Token::Negative(-1)),
            (&[0xd0, 0xff], Token::Negative(-1)),
            (&[0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Token::Negative(-1)),
            (&[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Token::Unsigned(u64::MAX)),
        ];
        for (bytes, token) in rows {
            assert_eq!(Reader::new(bytes).token(), Ok(*token), "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_announced_must_be_there() {
        let rows: &[&[u8]] = &[
            &[],
            &[0xa2, b'a'],
            &[0xd9, 2, b'a'],
            &[0xdb, 0xff, 0xff, 0xff, 0xff, b'a'],
            &[0xc6, 0xff, 0xff, 0xff, 0xff],
            &[0x92, 1],
            &[0xdd, 0xff, 0xff, 0xff, 0xff, 1],
            &[0x81, 1],
            &[0xdf, 0x80, 0, 0, 0, 1, 1],
            &[0xd7, 1, 0],
            &[0xc9, 0xff, 0xff, 0xff, 0xff, 1],
            &[0xcd, 1],
        ];
        for bytes in rows {
            assert_eq!(Reader::new(bytes).token(), Err(Fault::CutOff), "{bytes:x?}");
        }
        assert_eq!(Reader::new(&[0xc1]).token(), Err(Fault::Reserved));
    }

    #[test]
    fn a_value_is_walked_to_its_end_and_no_deeper_than_allowed() {
        let mut reader = Reader::new(&[0x92, 0x81, 0xa1, b'k', 0x91, 0xc0, 5, 6]);
        assert_eq!(reader.clone().value(2), Err(Fault::TooDeep));
        assert_eq!(reader.value(3).unwrap().len(), 7);
        assert_eq!(reader.token(), Ok(Token::Unsigned(6)));
        assert!(reader.is_empty());
        let deep = [vec![0x91; 1_000_000], vec![0xc0]].concat();
        assert_eq!(Reader::new(&deep).value(64), Err(Fault::TooDeep));
    }
}
