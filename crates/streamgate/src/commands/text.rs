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

/// The same for JSON, in whose own way: what was escaped is read as what it was.
pub(super) fn escape_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        if is_unsafe(character) {
            // Of those, all fit in one unit of UTF-16; and writing to a `String` cannot fail.
            let _ = write!(safe, "\\u{:04x}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Both control ranges (C1 holds a one-character CSI), and what makes text read otherwise than it is.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::{escape, escape_json};

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

    #[test]
    fn json_is_escaped_in_its_own_way() {
        let text = "Grüße 🚀\u{1b}[2J\u{7f}\u{9b}31m\u{202e}gnp\u{feff}\"\\";
        let safe = escape_json(&serde_json::json!({ "sub": text }).to_string());
        assert_eq!(safe, r#"{"sub":"Grüße 🚀\u001b[2J\u007f\u009b31m\u202egnp\ufeff\"\\"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap()["sub"], text);
    }
}
