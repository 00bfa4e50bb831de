//! Plain payloads: records in no Quix form, and those whose Quix form is damaged.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::json;
use crate::package::Content;
use crate::problem::ReadProblem;

/// The raw record as JSON: itself if it is JSON, else a JSON string of the text, or of base64 if it is not UTF-8.
///
/// An empty record is an empty string, written `""` like any other, so that clients can parse what they get.
pub(crate) fn content(value: &[u8], problem: Option<ReadProblem>) -> Content<'_> {
    let (type_name, value) = match str::from_utf8(value) {
        Ok(text) if json::is_json(text) => ("System.String", Cow::Borrowed(text)),
        Ok(text) => ("System.String", Cow::Owned(json::text(text))),
        Err(_) => ("System.Byte[]", Cow::Owned(json::text(&STANDARD.encode(value)))),
    };
    Content { type_name: Cow::Borrowed(type_name), value, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_text_is_quoted_and_bytes_are_base64() {
        for (value, type_name, json) in [
            (&b"{\"x\": 1}\n"[..], "System.String", "{\"x\": 1}\n"),
            (b"1e400", "System.String", "1e400"),
            (b"null", "System.String", "null"),
            (b"", "System.String", r#""""#),
            (b"say \"x\"\n", "System.String", r#""say \"x\"\n""#),
            (b"{hello}", "System.String", r#""{hello}""#),
            (b"\x00\x01\xff", "System.Byte[]", r#""AAH/""#),
        ] {
            let content = content(value, Some(ReadProblem::CutShort));
            assert_eq!((&*content.type_name, &*content.value), (type_name, json));
            assert_eq!(content.problem, Some(ReadProblem::CutShort));
        }
    }

    #[test]
    fn deep_nesting_is_json_like_any_other() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(content(deep.as_bytes(), None).value, deep);
    }
}
