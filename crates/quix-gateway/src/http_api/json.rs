//! `read`: JSON of a request to a value. It nests no deeper than that of a hub message.

use serde::Deserialize;
use serde::de::Error as _;

/// A value, or what is wrong with its text: deeper than 64 arrays and objects, no JSON, or another value.
pub(super) fn read<'t, T: Deserialize<'t>>(text: &'t [u8]) -> Result<T, serde_json::Error> {
    if is_too_deep(text) {
        let problem = format!("arrays and objects nest deeper than {MAX_DEPTH} levels");
        return Err(serde_json::Error::custom(problem));
    }
    serde_json::from_slice(text)
}

/// Only a text with so many opening brackets is looked at closely.
fn is_too_deep(text: &[u8]) -> bool {
    let opening = text.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    opening > MAX_DEPTH && nests_too_deep(text)
}

fn nests_too_deep(text: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    text.iter().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MAX_DEPTH
    })
}

/// As `signalr_proto` has it.
const MAX_DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn values_nest_64_deep_and_no_deeper() {
        let nested = |open: &str, close: &str, depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[\"\\\\\",", "]")] {
            assert!(read::<Value>(nested(open, close, 64).as_bytes()).is_ok(), "{open}");
            let error = read::<Value>(nested(open, close, 65).as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), "arrays and objects nest deeper than 64 levels", "{open}");
        }
        let beside = format!("[{}1]", "[[]],".repeat(1000));
        let in_texts = format!(r#"["{}", "\"{}"]"#, "[".repeat(1000), "{".repeat(1000));
        for text in [beside, in_texts] {
            assert!(read::<Value>(text.as_bytes()).is_ok(), "{text}");
        }
    }
}
