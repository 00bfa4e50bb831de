//! Whether JSON is already what packages show, proven in one pass without building anything.
//!
//! ```text
//! [{"Timestamp":integer,"Tags":{string:string or null,…},"Id":string or null,"Value":string or null},…]
//! ```
//!
//! That is what .NET clients and we ourselves write, so most records are passed on as they came.

mod timeseries;

pub(super) use timeseries::canonical_timeseries;

/// True only for valid JSON of exactly this spelling, without blanks and without escaped surrogates, which might be lone.
pub(super) fn are_canonical_events(json: &str) -> bool {
    Scanner(json.as_bytes()).events().is_some()
}

/// What has not been scanned yet. Each step yields `None` when the text is anything else.
struct Scanner<'a>(&'a [u8]);

impl Scanner<'_> {
    fn events(mut self) -> Option<()> {
        self.token(b"[")?;
        if self.token(b"]").is_none() {
            self.event()?;
            while self.token(b"]").is_none() {
                self.token(b",")?;
                self.event()?;
            }
        }
        self.0.is_empty().then_some(())
    }

    fn event(&mut self) -> Option<()> {
        self.token(b"{\"Timestamp\":")?;
        self.integer()?;
        self.token(b",\"Tags\":{")?;
        self.tags()?;
        self.token(b",\"Id\":")?;
        self.string_or_null()?;
        self.token(b",\"Value\":")?;
        self.string_or_null()?;
        self.token(b"}")
    }

    /// To the closing brace.
    fn tags(&mut self) -> Option<()> {
        if self.token(b"}").is_some() {
            return Some(());
        }
        loop {
            self.string()?;
            self.token(b":")?;
            self.string_or_null()?;
            if self.token(b"}").is_some() {
                return Some(());
            }
            self.token(b",")?;
        }
    }

    fn string_or_null(&mut self) -> Option<()> {
        match self.token(b"null") {
            Some(()) => Some(()),
            None => self.string(),
        }
    }

    fn string(&mut self) -> Option<()> {
        self.token(b"\"")?;
        loop {
            let plain = self.0.iter().position(|byte| ENDS_PLAIN_TEXT[usize::from(*byte)])?;
            let (&special, rest) = self.0[plain..].split_first()?;
            self.0 = rest;
            match special {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    /// After the backslash.
    fn escape(&mut self) -> Option<()> {
        let (&kind, rest) = self.0.split_first()?;
        self.0 = rest;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let (hex, rest) = self.0.split_first_chunk::<4>()?;
                self.0 = rest;
                let surrogate = matches!(hex, [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]);
                (hex.iter().all(u8::is_ascii_hexdigit) && !surrogate).then_some(())
            }
            _ => None,
        }
    }

    /// A 64-bit integer in its only plain spelling, so neither `007` nor `-0`.
    fn integer(&mut self) -> Option<()> {
        let negative = self.token(b"-").is_some();
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        let fits = match digits {
            [] => false,
            [b'0', ..] => length == 1 && !negative,
            _ if length < LIMIT.len() => true,
            // The smallest negative number has one more than the largest positive one.
            _ => length == LIMIT.len() && (digits <= LIMIT || (negative && digits == b"9223372036854775808")),
        };
        fits.then_some(())
    }

    fn token(&mut self, token: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(token)?;
        Some(())
    }
}

/// The largest 64-bit integer.
const LIMIT: &[u8] = b"9223372036854775807";

/// Bytes that end a run of plain text in a JSON string: quote, backslash, controls.
const ENDS_PLAIN_TEXT: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_write_are_canonical_events() {
        for json in [
            "[]",
            r#"[{"Timestamp":0,"Tags":{},"Id":"","Value":""}]"#,
            r#"[{"Timestamp":-5,"Tags":{"a":"1","b":null},"Id":null,"Value":null}]"#,
            r#"[{"Timestamp":9223372036854775807,"Tags":{},"Id":"čau 🚀","Value":"\" \\ \/ \b\f\n\r\t \u2028 \u0001"}]"#,
            r#"[{"Timestamp":-9223372036854775808,"Tags":{},"Id":"a","Value":"1"},{"Timestamp":1,"Tags":{},"Id":"b","Value":"2"}]"#,
        ] {
            assert!(are_canonical_events(json), "{json}");
        }
    }

    #[test]
    fn everything_else_is_not() {
        const GOOD: &str = r#"[{"Timestamp":10,"Tags":{"t":"1"},"Id":"ev","Value":"v"}]"#;
        assert!(are_canonical_events(GOOD));
        for (part, other) in [
            ("[", "[ "),
            ("]", "] "),
            ("]", ""),
            ("]", ",]"),
            ("]", "]]"),
            ("}]", "}{}]"),
            ("}]", "},null]"),
            ("10", "1.0"),
            ("10", "010"),
            ("10", "-0"),
            ("10", "-"),
            ("10", "\"10\""),
            ("10", "null"),
            ("10", "+1"),
            ("10", "9223372036854775808"),
            ("10", "-9223372036854775809"),
            ("10", "10000000000000000000"),
            ("Timestamp", "timestamp"),
            ("\"Timestamp\":10,", ""),
            (",\"Value\":\"v\"", ""),
            ("Id", "Name"),
            ("\"v\"", "1"),
            ("\"v\"", "{}"),
            ("\"v\"", "true"),
            ("\"v\"", "\"v"),
            ("\"v\"", "\"\t\""),
            ("\"v\"", r#""\ud800""#),
            ("\"v\"", r#""\uDFFF""#),
            ("\"v\"", r#""\ud83d\ude80""#),
            ("\"v\"", r#""\u12g4""#),
            ("\"v\"", r#""\x""#),
            ("\"v\"", r#""\u12""#),
            ("\"v\"", "\"v\",\"Value\":\"w\""),
            ("{\"t\":\"1\"}", "null"),
            ("\"1\"", "1"),
            ("\"1\"", "\"1\","),
            ("\"t\"", "t"),
            ("\"t\":", "\"t\","),
        ] {
            let json = GOOD.replacen(part, other, 1);
            assert!(!are_canonical_events(&json), "{json}");
        }
    }
}
