//! The same for timeseries:
//!
//! ```text
//! {"Epoch":integer,"Timestamps":[integer,…],"NumericValues":{string:[number or null,…],…},"StringValues":{…},
//!  "BinaryValues":{…},"TagValues":{…}}
//! ```
//!
//! The epoch may be missing, as .NET leaves 0 out.

use super::Scanner;
use crate::model::is_base64;

/// Whether the JSON has its epoch; `None` if it is anything but valid JSON of exactly this spelling, all columns as long
/// as the timestamps, base64 where it belongs, and every number surely within a double.
pub(crate) fn canonical_timeseries(json: &str) -> Option<bool> {
    Scanner(json.as_bytes()).timeseries()
}

impl<'a> Scanner<'a> {
    fn timeseries(mut self) -> Option<bool> {
        self.token(b"{")?;
        let has_epoch = self.token(b"\"Epoch\":").is_some();
        if has_epoch {
            self.integer()?;
            self.token(b",")?;
        }
        self.token(b"\"Timestamps\":")?;
        let rows = self.list(Self::integer)?;
        self.token(b",\"NumericValues\":")?;
        self.columns(rows, Self::number_or_null)?;
        self.token(b",\"StringValues\":")?;
        self.columns(rows, Self::string_or_null)?;
        self.token(b",\"BinaryValues\":")?;
        self.columns(rows, Self::base64_or_null)?;
        self.token(b",\"TagValues\":")?;
        self.columns(rows, Self::string_or_null)?;
        self.token(b"}")?;
        self.0.is_empty().then_some(has_epoch)
    }

    fn columns(&mut self, rows: usize, cell: fn(&mut Self) -> Option<()>) -> Option<()> {
        self.token(b"{")?;
        if self.token(b"}").is_some() {
            return Some(());
        }
        loop {
            self.string()?;
            self.token(b":")?;
            (self.list(cell)? == rows).then_some(())?;
            if self.token(b"}").is_some() {
                return Some(());
            }
            self.token(b",")?;
        }
    }

    /// How many items the array has.
    fn list(&mut self, item: fn(&mut Self) -> Option<()>) -> Option<usize> {
        self.token(b"[")?;
        if self.token(b"]").is_some() {
            return Some(0);
        }
        let mut items = 0;
        loop {
            item(self)?;
            items += 1;
            if self.token(b"]").is_some() {
                return Some(items);
            }
            self.token(b",")?;
        }
    }

    fn number_or_null(&mut self) -> Option<()> {
        const WORDS: [&[u8]; 4] = [b"null", b"\"NaN\"", b"\"Infinity\"", b"\"-Infinity\""];
        if WORDS.iter().any(|word| self.token(word).is_some()) {
            return Some(());
        }
        let _ = self.token(b"-");
        let whole = self.digits()?;
        (whole.len() == 1 || whole[0] != b'0').then_some(())?;
        if self.token(b".").is_some() {
            self.digits()?;
        }
        if self.token(b"e").or_else(|| self.token(b"E")).is_some() {
            let _ = self.token(b"+").or_else(|| self.token(b"-"));
            (self.digits()?.len() <= SMALL_EXPONENT_DIGITS).then_some(())?;
        }
        (whole.len() <= FEW_DIGITS).then_some(())
    }

    /// At least one.
    fn digits(&mut self) -> Option<&'a [u8]> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        (length > 0).then_some(digits)
    }

    fn base64_or_null(&mut self) -> Option<()> {
        if self.token(b"null").is_some() {
            return Some(());
        }
        let before = self.0;
        self.string()?;
        let quoted = &before[..before.len() - self.0.len()];
        is_base64(str::from_utf8(&quoted[1..quoted.len() - 1]).ok()?).then_some(())
    }
}

/// With both, no number is beyond a double.
const FEW_DIGITS: usize = 200;
const SMALL_EXPONENT_DIGITS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"Epoch":0,"Timestamps":[1,-2],"NumericValues":{"n":[1.5,null],"m":["NaN",-2E+21]},"StringValues":{"s":[null,"x\n"]},"BinaryValues":{"b":["AAH/",""]},"TagValues":{"t":["1",null]}}"#;

    #[test]
    fn what_clients_write_is_canonical() {
        assert_eq!(canonical_timeseries(GOOD), Some(true));
        assert_eq!(canonical_timeseries(&GOOD.replace("\"Epoch\":0,", "")), Some(false));
        let empty = r#"{"Timestamps":[],"NumericValues":{},"StringValues":{},"BinaryValues":{},"TagValues":{"t":[]}}"#;
        assert_eq!(canonical_timeseries(empty), Some(false));
    }

    #[test]
    fn everything_else_is_not() {
        for (part, other) in [
            ("{\"Epoch", " {\"Epoch"),
            ("}}", "}} "),
            ("}}", "},\"x\":1}"),
            (":0", ":null"),
            ("Epoch", "epoch"),
            ("[1,-2]", "[1]"),
            ("[1,-2]", "[1,2,3]"),
            ("[1,-2]", "[1,-2.0]"),
            ("[1,-2]", "[1,-2,]"),
            ("[1,-2]", "null"),
            ("1.5", "01.5"),
            ("1.5", "1."),
            ("1.5", ".5"),
            ("1.5", "1e400"),
            ("1.5", "1e"),
            ("1.5", "+1"),
            ("1.5", "NaN"),
            ("1.5", "\"1.5\""),
            ("1.5", "true"),
            ("[1.5,null]", "null"),
            ("null,\"x", "1,\"x"),
            ("AAH/", "AAH"),
            ("AAH/", "AAH\\/"),
            ("AAH/", "%%%%"),
            ("\"1\",null", "\"1\""),
            (",\"TagValues\":{\"t\":[\"1\",null]}", ""),
            ("{\"t\":[\"1\",null]}", "null"),
        ] {
            let json = GOOD.replacen(part, other, 1);
            assert_ne!(json, GOOD, "{part}");
            assert_eq!(canonical_timeseries(&json), None, "{json}");
        }
        let long = GOOD.replacen("1.5", &"9".repeat(400), 1);
        assert_eq!(canonical_timeseries(&long), None);
    }
}
