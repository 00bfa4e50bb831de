//! Text of others on a terminal: nothing in it may steer the terminal or break a line.

use std::{borrow::Cow, fmt::Write};

/// The text with control characters, line separators and writing-direction marks escaped (`\n`, `\u{1b}`).
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) {
            // Writing to a `String` cannot fail.
            let _ = write!(safe, "{}", character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// Both control ranges (C1 holds a one-character CSI), and what makes text read otherwise than it is.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn only_what_steers_is_escaped() {
        for (text, safe) in [
            ("plain, Grüße, 東京 🚀", "plain, Grüße, 東京 🚀"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{7}\u{0}\u{7f}", "\\u{7}\\u{0}\\u{7f}"),
            ("\u{202e}gnp.exe", "\\u{202e}gnp.exe"),
            ("C:\\new \"x\"", "C:\\new \"x\""),
        ] {
            assert_eq!(escape(text), safe);
        }
    }
}
