//! Websocket frames as far as load needs them: no fragments, no extensions.
//!
//! ```text
//! FIN|opcode, MASK|length, 16 or 64 bits more of length, 4 bytes of mask if MASK, payload
//! ```

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Frame types that occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Data,
    Close,
    Ping,
    Pong,
}

/// What this reader does not take.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unexpected(pub(crate) &'static str);

/// Takes one frame of a server off the front of `input`; `None` if it is not whole yet.
pub(crate) fn take_frame<'a>(input: &mut &'a [u8]) -> Result<Option<(Opcode, &'a [u8])>, Unexpected> {
    let [first, second, rest @ ..] = *input else {
        return Ok(None);
    };
    let opcode = match first {
        0x81 | 0x82 => Opcode::Data,
        0x88 => Opcode::Close,
        0x89 => Opcode::Ping,
        0x8A => Opcode::Pong,
        _ => return Err(Unexpected("fragmented or unknown websocket frame")),
    };
    if second & 0x80 != 0 {
        return Err(Unexpected("masked websocket frame from the server"));
    }
    let split = length(*second, rest).and_then(|(length, rest)| rest.split_at_checked(length));
    Ok(split.map(|(payload, rest)| {
        *input = rest;
        (opcode, payload)
    }))
}

/// Takes one frame of a client off the front of `input`: its first byte and its unmasked payload. `None` if it is not
/// whole yet.
pub fn take_masked_frame(input: &mut &[u8]) -> Option<(u8, Vec<u8>)> {
    let [first, second, rest @ ..] = *input else {
        return None;
    };
    let (length, rest) = length(*second & 0x7F, rest)?;
    let (mask, rest) = rest.split_first_chunk::<4>()?;
    let (payload, rest) = rest.split_at_checked(length)?;
    *input = rest;
    let masks = mask.iter().cycle();
    Some((*first, payload.iter().zip(masks).map(|(byte, mask)| byte ^ mask).collect()))
}

/// The answer to a websocket upgrade request.
pub fn upgrade_response(request: &[u8]) -> Option<String> {
    let key = std::str::from_utf8(request).ok()?.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let found = name.eq_ignore_ascii_case("sec-websocket-key");
        found.then_some(value.trim())
    })?;
    let accept = derive_accept_key(key.as_bytes());
    Some(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ))
}

/// The payload's length from the second byte of a frame without its mask bit, and what follows it.
fn length(second: u8, rest: &[u8]) -> Option<(usize, &[u8])> {
    match second {
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            Some((usize::from(u16::from_be_bytes(*length)), rest))
        }
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            // Past what memory can hold it will never be whole.
            Some((usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX), rest))
        }
        length => Some((usize::from(length), rest)),
    }
}

/// Appends one masked frame.
pub(crate) fn put_frame(opcode: Opcode, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    out.push(match opcode {
        Opcode::Data => 0x81,
        Opcode::Close => 0x88,
        Opcode::Ping => 0x89,
        Opcode::Pong => 0x8A,
    });
    match payload.len() {
        length @ ..126 => out.push(0x80 | length as u8),
        length @ ..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    let masks = mask.iter().cycle();
    out.extend(payload.iter().zip(masks).map(|(byte, mask)| byte ^ mask));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_all_lengths_are_taken_whole() {
        for length in [0_usize, 1, 125, 126, 127, 65_535, 65_536] {
            let mut masked = Vec::new();
            put_frame(Opcode::Data, &vec![b'x'; length], [0; 4], &mut masked);
            let taken = take_masked_frame(&mut &masked[..]);
            assert_eq!(taken, Some((0x81, vec![b'x'; length])));
            // As a server sends it: without the mask.
            let head = masked.len() - length - 4;
            let mut frame = masked[..head].to_vec();
            frame[1] &= 0x7F;
            frame.resize(head + length, b'x');
            frame.extend_from_slice(&[0x88, 0]);
            let mut cut = &frame[..frame.len() - 3];
            assert!(length == 0 || take_frame(&mut cut) == Ok(None), "{length}");
            let mut input = &frame[..];
            let (opcode, payload) = take_frame(&mut input).unwrap().unwrap();
            assert_eq!((opcode, payload.len()), (Opcode::Data, length));
            assert_eq!(take_frame(&mut input), Ok(Some((Opcode::Close, &[][..]))));
            assert_eq!(take_frame(&mut input), Ok(None));
        }
    }

    #[test]
    fn the_mask_repeats_every_four_bytes() {
        let mut out = Vec::new();
        put_frame(Opcode::Ping, b"abcdef", [1, 2, 3, 4], &mut out);
        assert_eq!(take_masked_frame(&mut &out[..]), Some((0x89, b"abcdef".to_vec())));
        assert_eq!(take_masked_frame(&mut &out[..11]), None);
        assert_eq!(out[..6], [0x89, 0x86, 1, 2, 3, 4]);
        assert_eq!(out[6..], [b'a' ^ 1, b'b' ^ 2, b'c' ^ 3, b'd' ^ 4, b'e' ^ 1, b'f' ^ 2]);
    }

    #[test]
    fn what_a_server_must_not_send_is_an_error() {
        assert!(take_frame(&mut &[0x81, 0x80, 0, 0, 0, 0][..]).is_err());
        assert!(take_frame(&mut &[0x01, 0x01, b'x'][..]).is_err());
    }
}
