//! Kafka's variable-length integers: zigzag, then seven bits a byte, lowest first, the top bit says that more follow.

/// Most bytes of an encoded `i64`.
pub(super) const MAX_BYTES: usize = 10;
/// Most bytes of an encoded `i32`.
pub(super) const MAX_BYTES_I32: usize = 5;

/// Takes an `i64` off the front of `bytes`. `None`: they end within it, or it does not end within its most bytes.
#[inline]
pub(super) fn take_i64(bytes: &mut &[u8]) -> Option<i64> {
    if let [byte @ 0..=0x7f, rest @ ..] = *bytes {
        *bytes = rest;
        return Some(unzigzag(u64::from(*byte)));
    }
    take_long(bytes, MAX_BYTES)
}

/// Takes an `i32`, as [`take_i64`]; `None` also where the value is too large for one.
#[inline]
pub(super) fn take_i32(bytes: &mut &[u8]) -> Option<i32> {
    if let [byte @ 0..=0x7f, rest @ ..] = *bytes {
        *bytes = rest;
        return Some(unzigzag(u64::from(*byte)) as i32);
    }
    i32::try_from(take_long(bytes, MAX_BYTES_I32)?).ok()
}

fn take_long(bytes: &mut &[u8], most: usize) -> Option<i64> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().take(most).enumerate() {
        let bits = u64::from(byte & 0x7f);
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            *bytes = &bytes[index + 1..];
            // Of the tenth byte only the lowest bit has room.
            return (index < MAX_BYTES - 1 || bits <= 1).then(|| unzigzag(value));
        }
    }
    None
}

/// Appends `value`.
#[inline]
pub(super) fn put(out: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag(value);
    if rest < 0x80 {
        return out.push(rest as u8);
    }
    let mut encoded = [0; MAX_BYTES];
    let mut len = 0;
    while rest >= 0x80 {
        encoded[len] = rest as u8 | 0x80;
        rest >>= 7;
        len += 1;
    }
    encoded[len] = rest as u8;
    out.extend_from_slice(&encoded[..=len]);
}

/// How many bytes [`put`] appends for `value`.
#[inline]
pub(super) fn len(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values and their bytes, the rows of Kafka's own `ByteUtilsTest`.
    const TABLE: &[(i64, &[u8])] = &[
        (0, &[0x00]),
        (-1, &[0x01]),
        (1, &[0x02]),
        (63, &[0x7e]),
        (-64, &[0x7f]),
        (64, &[0x80, 0x01]),
        (-65, &[0x81, 0x01]),
        (8191, &[0xfe, 0x7f]),
        (-8192, &[0xff, 0x7f]),
        (8192, &[0x80, 0x80, 0x01]),
        (i32::MAX as i64, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
        (i32::MIN as i64, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        (17_179_869_184, &[0x80, 0x80, 0x80, 0x80, 0x80, 0x01]),
        (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
    ];

    #[test]
    fn values_and_bytes() {
        for &(value, bytes) in TABLE {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(out, bytes, "{value}");
            assert_eq!(len(value), bytes.len(), "{value}");

            let mut rest = bytes;
            assert_eq!(take_i64(&mut rest), Some(value));
            assert!(rest.is_empty(), "{value}");
            assert_eq!(take_i32(&mut { bytes }), i32::try_from(value).ok(), "{value}");
            for cut in 0..bytes.len() {
                assert_eq!(take_i64(&mut &bytes[..cut]), None, "{value} cut at {cut}");
                assert_eq!(take_i32(&mut &bytes[..cut]), None, "{value} cut at {cut}");
            }
        }
    }

    #[test]
    fn too_long_or_too_large() {
        let [mut six, mut eleven] = [&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00][..], &[0x80; 11][..]];
        assert_eq!(take_i32(&mut six), None, "an i32 ends within five bytes");
        assert_eq!(take_i64(&mut eleven), None, "an i64 ends within ten bytes");
        assert_eq!(take_i32(&mut &[0xff, 0xff, 0xff, 0xff, 0x1f][..]), None, "33 bits");
        let mut tenth = [0xff; MAX_BYTES];
        tenth[MAX_BYTES - 1] = 0x02;
        assert_eq!(take_i64(&mut &tenth[..]), None, "65 bits");
        // Longer than need be is accepted, as Kafka does.
        assert_eq!(take_i32(&mut &[0x82, 0x00][..]), Some(1));
    }
}
