//! Strings of JSON that may hold lone surrogates (`"\ud800"`), which become U+FFFD.
//!
//! serde_json refuses such an escape where a `str` is asked for, but takes it where bytes are: it then yields the three
//! bytes that UTF-8 would use if it allowed surrogates. So everything here asks for bytes and repairs them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

/// Reads a string; the text says what was expected, for the error.
pub(crate) struct TextSeed(pub(crate) &'static str);

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_byte_buf(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(match str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(repaired(bytes.to_vec())),
        })
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        self.visit_byte_buf(bytes.to_vec())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
        Ok(Cow::Owned(repaired(bytes)))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text))
    }
}

/// Reads a string or null; the text says what was expected, for the error.
pub(crate) struct OptionalTextSeed(pub(crate) &'static str);

impl<'de> DeserializeSeed<'de> for OptionalTextSeed {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for OptionalTextSeed {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        TextSeed(self.0).deserialize(deserializer).map(Some)
    }
}

/// Decodes one JSON string, quotes included. `None` if it is not one.
pub(crate) fn unquote(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains(['\\', '"']) {
        return Some(Cow::Borrowed(inner));
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let text = TextSeed("a string").deserialize(&mut deserializer).ok()?;
    deserializer.end().is_ok().then_some(text)
}

/// UTF-8 from bytes that may hold encoded surrogates (one U+FFFD each) or, from careless senders, anything else.
fn repaired(bytes: Vec<u8>) -> String {
    let mut bytes = match String::from_utf8(bytes) {
        Ok(text) => return text,
        Err(error) => error.into_bytes(),
    };
    replace_surrogates(&mut bytes);
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// `ED A0..BF xx` is how a surrogate would look; U+FFFD is as long, so the bytes are replaced in place.
fn replace_surrogates(bytes: &mut [u8]) {
    for at in 2..bytes.len() {
        if let [0xED, 0xA0..=0xBF, 0x80..=0xBF] = bytes[at - 2..=at] {
            bytes[at - 2..=at].copy_from_slice("\u{FFFD}".as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_decoded_and_repaired() {
        for (json, text) in [
            (r#""""#, Some("")),
            (r#""plain čau""#, Some("plain čau")),
            (r#""a\"b\\\n\u017e""#, Some("a\"b\\\nž")),
            (r#""\ud83d\ude80""#, Some("🚀")),
            (r#""\ud800""#, Some("\u{FFFD}")),
            (r#""\udfff""#, Some("\u{FFFD}")),
            (r#""x\ud800\ud800y""#, Some("x\u{FFFD}\u{FFFD}y")),
            (r#""\ud800\n""#, Some("\u{FFFD}\n")),
            (r#""\ud800\u0041""#, Some("\u{FFFD}A")),
            (r#""퟿\ud800""#, Some("퟿\u{FFFD}")),
            (r#""open"#, None),
            (r#""a" "b""#, None),
            ("12", None),
        ] {
            assert_eq!(unquote(json).as_deref(), text, "{json}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_at_all_become_replacement_characters() {
        assert_eq!(repaired(vec![b'a', 0xFF, 0xED, 0xA0, 0x80]), "a\u{FFFD}\u{FFFD}");
    }
}
