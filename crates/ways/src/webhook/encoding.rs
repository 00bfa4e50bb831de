//! How the bytes of a signature are written in its header.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// Bytes as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Two digits a byte; of either case when read, lower case when written.
    Hex,
    /// RFC 4648 §4, padded.
    Base64,
}

impl Encoding {
    pub(super) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => {
                bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| DIGITS[usize::from(digit)]).collect()
            }
            Self::Base64 => STANDARD.encode(bytes),
        }
    }

    /// `None`: this is not such a text.
    pub(super) fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex => {
                let digits: Vec<u8> =
                    text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
                let is_whole = digits.len().is_multiple_of(2);
                is_whole.then(|| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
            }
            Self::Base64 => STANDARD.decode(text).ok(),
        }
    }
}

const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_such_text_is_told() {
        assert_eq!(Encoding::Hex.decode("00fFA0"), Some(vec![0, 255, 160]));
        for text in ["0", "0g", "é0", "0x00", " 00", "00 "] {
            assert_eq!(Encoding::Hex.decode(text), None, "{text}");
        }
        for text in ["YQ", "YQ=", "Y Q==", "-_==", "é"] {
            assert_eq!(Encoding::Base64.decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn bytes_read_back(bytes in any::<Vec<u8>>()) {
            for encoding in [Encoding::Hex, Encoding::Base64] {
                prop_assert_eq!(encoding.decode(&encoding.encode(&bytes)), Some(bytes.clone()));
            }
        }
    }
}
