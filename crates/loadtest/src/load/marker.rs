//! The mark each published event carries in its value: which run, whose, the how-manieth, meant to be sent when.
//!
//! ```text
//! ~lt rrrrrrrr pppp ssssssss tttttttttttttttt      hexadecimal, without the spaces
//!     run      |    number   intended send time, nanoseconds since the run began
//!              publisher
//! ```
//!
//! It has a fixed width and no character that JSON escapes, so it can be found however deeply the value is wrapped.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Bytes of a mark.
pub const LENGTH: usize = TAG.len() + 36;

const TAG: &[u8] = b"~lt";
static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(TAG));

/// A mark's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// Tells this run from others on the same topic.
    pub run: u32,
    /// Index of the publisher, which has a stream of its own.
    pub publisher: u16,
    /// From 0, per publisher.
    pub number: u32,
    /// Nanoseconds since the run began.
    pub intended: u64,
}

impl Marker {
    /// Appends the mark.
    pub fn write(self, out: &mut String) {
        use std::fmt::Write;
        let Self { run, publisher, number, intended } = self;
        // Writing to a `String` cannot fail.
        let _ = write!(out, "~lt{run:08x}{publisher:04x}{number:08x}{intended:016x}");
    }

    /// Finds the first mark in `message`.
    pub fn find(message: &[u8]) -> Option<Self> {
        let digits = message.get(FINDER.find(message)? + TAG.len()..)?;
        Some(Self {
            run: hexadecimal(digits.get(..8)?)? as u32,
            publisher: hexadecimal(digits.get(8..12)?)? as u16,
            number: hexadecimal(digits.get(12..20)?)? as u32,
            intended: hexadecimal(digits.get(20..36)?)?,
        })
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_wherever_it_stands() {
        let marker = Marker { run: 0xdead_beef, publisher: 7, number: 65_536, intended: u64::MAX - 1 };
        let mut text = String::from(r#"{"arguments":[{"value":"[{\"Value\":\""#);
        let start = text.len();
        marker.write(&mut text);
        assert_eq!(text.len() - start, LENGTH);
        text.push_str(r#"xyz\"}]"}]}"#);
        assert_eq!(Marker::find(text.as_bytes()), Some(marker));
        assert_eq!(Marker::find(&text.as_bytes()[..start + LENGTH - 1]), None);
        assert_eq!(Marker::find(b"{\"type\":6}"), None);
    }
}
