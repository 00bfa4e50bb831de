//! `FrameReader`: a client's websocket frames, read in place from whatever piece of the byte stream has arrived.
//!
//! SignalR treats what a client sends as one stream of bytes, so data is handed out as it comes, without waiting for the
//! end of a frame or of a fragmented message; nothing but the head of a frame and a control frame's payload is ever kept.
//!
//! ```text
//! FIN RSV×3 opcode×4 | MASK length×7 | length 16 or 64 bit if 126 or 127 | mask 32 bit | payload ⊕ mask
//! ```

/// Reads frames of one connection.
#[derive(Debug)]
pub(crate) struct FrameReader {
    /// Beginning of a head that has not arrived as a whole.
    head: [u8; MAX_HEAD],
    head_len: u8,
    /// The head has been read, the payload not to its end.
    in_frame: bool,
    opcode: u8,
    fin: bool,
    /// Mask of the current frame, turned so that its first byte belongs to the next byte of payload.
    mask: [u8; 4],
    /// Bytes of payload still to come.
    remaining: usize,
    /// A fragmented message is under way; its size and fragments so far.
    message: Option<(usize, u32)>,
    /// Payload of a control frame that has not arrived as a whole.
    control: Option<Box<Control>>,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Bytes of data, unmasked in place: a frame or a part of one.
    Data(&'a [u8]),
    /// A ping, to be answered with the same bytes.
    Ping(Vec<u8>),
    /// A pong; nothing to do.
    Pong,
    /// The client's goodbye.
    Close,
}

/// The client broke the rules of RFC 6455; the connection ends with this status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) code: u16,
    pub(crate) text: &'static str,
}

/// Sizes that are judged while reading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Of one frame, as it announces itself.
    pub(crate) frame_bytes: usize,
    /// Of a fragmented message.
    pub(crate) message_bytes: usize,
    /// Number of its fragments.
    pub(crate) fragments: u32,
}

#[derive(Debug)]
struct Control {
    payload: [u8; MAX_CONTROL],
    len: usize,
}

const MAX_HEAD: usize = 14;
const MAX_CONTROL: usize = 125;

const CONTINUATION: u8 = 0;
const CLOSE: u8 = 8;
const PING: u8 = 9;

impl FrameReader {
    pub(crate) fn new() -> Self {
        Self {
            head: [0; MAX_HEAD],
            head_len: 0,
            in_frame: false,
            opcode: 0,
            fin: true,
            mask: [0; 4],
            remaining: 0,
            message: None,
            control: None,
        }
    }

    /// The next piece of `input`, which is advanced; `None` once it is used up.
    pub(crate) fn next<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        limits: &Limits,
    ) -> Result<Option<Piece<'b>>, Violation> {
        loop {
            if !self.in_frame && !self.read_head(input, limits)? {
                return Ok(None);
            }
            if input.is_empty() && self.remaining > 0 {
                return Ok(None);
            }
            let taken = self.remaining.min(input.len());
            let (payload, rest) = std::mem::take(input).split_at_mut(taken);
            *input = rest;
            self.unmask(payload);
            self.remaining -= taken;
            self.in_frame = self.remaining > 0;
            if self.opcode >= CLOSE {
                if let Some(piece) = self.control(payload)? {
                    return Ok(Some(piece));
                }
            } else if !payload.is_empty() {
                return Ok(Some(Piece::Data(payload)));
            }
        }
    }

    /// Gathers a head; `false`: not whole yet.
    fn read_head(&mut self, input: &mut &mut [u8], limits: &Limits) -> Result<bool, Violation> {
        loop {
            let have = usize::from(self.head_len);
            // Judged before the rest of the head: an unmasked frame may be shorter than a mask.
            if have >= 2 && self.head[1] & 0x80 == 0 {
                return Err(protocol_error("a client's frame is not masked"));
            }
            let need = if have < 2 { 2 } else { head_len(self.head[1]) };
            if have >= 2 && have == need {
                break;
            }
            let taken = (need - have).min(input.len());
            if taken == 0 {
                return Ok(false);
            }
            let (bytes, rest) = std::mem::take(input).split_at_mut(taken);
            self.head[have..have + taken].copy_from_slice(bytes);
            self.head_len += taken as u8;
            *input = rest;
        }
        self.head_len = 0;
        self.in_frame = true;
        self.parse_head(limits)?;
        Ok(true)
    }

    fn parse_head(&mut self, limits: &Limits) -> Result<(), Violation> {
        let [first, second] = [self.head[0], self.head[1]];
        self.fin = first & 0x80 != 0;
        self.opcode = first & 0x0F;
        if first & 0x70 != 0 {
            return Err(protocol_error("reserved bits are set, though no extension was agreed on"));
        }
        let length = match second & 0x7F {
            126 => u64::from(u16::from_be_bytes([self.head[2], self.head[3]])),
            127 => u64::from_be_bytes(self.head[2..10].try_into().expect("eight bytes")),
            length => u64::from(length),
        };
        let head_len = head_len(second);
        self.mask.copy_from_slice(&self.head[head_len - 4..head_len]);
        match self.opcode {
            0..=2 => self.begin_data(length, limits)?,
            CLOSE..=10 if !self.fin || length > MAX_CONTROL as u64 => {
                return Err(protocol_error("a control frame is fragmented or too long"));
            }
            CLOSE..=10 => {}
            _ => return Err(protocol_error("an unknown opcode")),
        }
        self.remaining = usize::try_from(length).map_err(|_| TOO_BIG)?;
        Ok(())
    }

    fn begin_data(&mut self, length: u64, limits: &Limits) -> Result<(), Violation> {
        let (size, fragments) = match (self.opcode, self.message) {
            (CONTINUATION, Some(message)) => message,
            (CONTINUATION, None) => return Err(protocol_error("a continuation of no message")),
            (_, Some(_)) => return Err(protocol_error("a new message within a fragmented one")),
            (_, None) => (0, 0),
        };
        if length > limits.frame_bytes as u64 || size as u64 + length > limits.message_bytes as u64 {
            return Err(TOO_BIG);
        }
        if fragments >= limits.fragments {
            return Err(Violation { code: 1008, text: "a message of too many fragments" });
        }
        self.message = (!self.fin).then_some((size + length as usize, fragments + 1));
        Ok(())
    }

    fn control(&mut self, payload: &[u8]) -> Result<Option<Piece<'static>>, Violation> {
        if self.remaining > 0 || self.control.is_some() {
            let control = self.control.get_or_insert_with(|| Box::new(Control { payload: [0; MAX_CONTROL], len: 0 }));
            control.payload[control.len..control.len + payload.len()].copy_from_slice(payload);
            control.len += payload.len();
        }
        if self.remaining > 0 {
            return Ok(None);
        }
        let gathered = self.control.take();
        let payload = gathered.as_ref().map_or(payload, |control| &control.payload[..control.len]);
        match self.opcode {
            CLOSE if payload.len() == 1 => Err(protocol_error("a close frame with half a status code")),
            CLOSE => Ok(Some(Piece::Close)),
            PING => Ok(Some(Piece::Ping(payload.to_vec()))),
            _ => Ok(Some(Piece::Pong)),
        }
    }

    fn unmask(&mut self, payload: &mut [u8]) {
        let mask = u64::from(u32::from_ne_bytes(self.mask)) * 0x1_0000_0001;
        let mut chunks = payload.chunks_exact_mut(8);
        for chunk in &mut chunks {
            let word = u64::from_ne_bytes((&*chunk).try_into().expect("eight bytes"));
            chunk.copy_from_slice(&(word ^ mask).to_ne_bytes());
        }
        let rest = chunks.into_remainder();
        for (byte, mask) in rest.iter_mut().zip(self.mask.iter().cycle()) {
            *byte ^= mask;
        }
        self.mask.rotate_left(payload.len() % 4);
    }
}

const TOO_BIG: Violation = Violation { code: 1009, text: "a frame or message larger than the limit" };

fn protocol_error(text: &'static str) -> Violation {
    Violation { code: 1002, text }
}

fn head_len(second: u8) -> usize {
    2 + 4
        + match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        }
}

#[cfg(test)]
mod tests;
