//! `Reader`: a pull parser over JSON text that also takes what Quix programs put there: bare `NaN` and `Infinity`, numbers
//! beyond a double, lone surrogates. It holds nothing but its place; only passing over what is nested costs a byte a level.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::text::unquote;

/// What is left of a text; each step takes something off its beginning.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a>(&'a str);

/// The text is not JSON, even so understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// As written; `NaN`, `Infinity` and `-Infinity` are numbers here.
    Number(&'a str),
    /// Decoded, lone surrogates replaced by U+FFFD.
    Text(Cow<'a, str>),
    /// An object or array, as written.
    Compound(&'a str),
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The next byte that is not blank; `None` at the end.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        self.0 = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
        self.0.as_bytes().first().copied()
    }

    /// Nothing but blanks is left.
    pub(crate) fn end(mut self) -> Result<(), Broken> {
        self.peek().is_none().then_some(()).ok_or(Broken)
    }

    /// Calls `member` after each name and colon of an object, to take the value.
    pub(crate) fn object<E: From<Broken>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'{')?;
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            self.peek();
            let name = self.string()?;
            self.expect(b':')?;
            member(self, name)?;
            if self.eat(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// Calls `item` before each item of an array, to take it.
    pub(crate) fn array<E: From<Broken>>(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), E>) -> Result<(), E> {
        self.expect(b'[')?;
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.eat(b']') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    pub(crate) fn value(&mut self) -> Result<Value<'a>, Broken> {
        match self.peek().ok_or(Broken)? {
            b'"' => self.string().map(Value::Text),
            b'{' | b'[' => self.raw().map(Value::Compound),
            _ => self.word(),
        }
    }

    /// Takes `null` if it stands here.
    pub(crate) fn eat_null(&mut self) -> bool {
        self.peek();
        match self.0.strip_prefix("null") {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// Passes over any value, of which each part is what [`value`](Self::value) takes; as written.
    pub(crate) fn skip(&mut self) -> Result<&'a str, Broken> {
        let mut first = self.peek().ok_or(Broken)?;
        let before = self.0;
        let mut open = Vec::new(); // what closes each level
        loop {
            let closer = match first {
                b'{' => Some(b'}'),
                b'[' => Some(b']'),
                _ => None,
            };
            let is_empty = match closer {
                None => self.value().map(|_| true)?,
                Some(closer) => {
                    self.0 = &self.0[1..];
                    self.eat(closer)
                }
            };
            open.extend(closer.filter(|_| !is_empty));
            if is_empty {
                while open.pop_if(|closer| self.eat(*closer)).is_some() {}
                if open.is_empty() {
                    return Ok(&before[..before.len() - self.0.len()]);
                }
                self.expect(b',')?;
            }
            if open.last() == Some(&b'}') {
                self.peek();
                self.string()?;
                self.expect(b':')?;
            }
            first = self.peek().ok_or(Broken)?;
        }
    }

    /// Any value as written; strict JSON.
    pub(crate) fn raw(&mut self) -> Result<&'a str, Broken> {
        let mut values = serde_json::Deserializer::from_str(self.0).into_iter::<&'a RawValue>();
        let raw = values.next().and_then(Result::ok).ok_or(Broken)?.get();
        self.0 = &self.0[values.byte_offset()..];
        Ok(raw)
    }

    fn word(&mut self) -> Result<Value<'a>, Broken> {
        let end = self.0.bytes().position(|byte| ENDS_WORD.contains(&byte)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        match word {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "NaN" | "Infinity" | "-Infinity" => Ok(Value::Number(word)),
            _ if word.starts_with(|first: char| first == '-' || first.is_ascii_digit())
                && word.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
                && word.parse::<f64>().is_ok() =>
            {
                Ok(Value::Number(word))
            }
            _ => Err(Broken),
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Broken> {
        let inner = self.0.strip_prefix('"').ok_or(Broken)?;
        let (mut end, mut escaped) = (0, false);
        loop {
            let rest = inner.as_bytes().get(end..).ok_or(Broken)?;
            end += memchr::memchr2(b'"', b'\\', rest).ok_or(Broken)?;
            if inner.as_bytes()[end] == b'"' {
                break;
            }
            escaped = true;
            end += 2;
        }
        let quoted = &self.0[..end + 2];
        self.0 = &self.0[end + 2..];
        if escaped { unquote(quoted).ok_or(Broken) } else { Ok(Cow::Borrowed(&inner[..end])) }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        if here {
            self.0 = &self.0[1..];
        }
        here
    }

    fn expect(&mut self, byte: u8) -> Result<(), Broken> {
        self.eat(byte).then_some(()).ok_or(Broken)
    }
}

/// What may stand behind a word.
const ENDS_WORD: &[u8] = b",]} \t\r\n:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_one_after_the_other() {
        let mut reader = Reader::new(r#" "a\n" 1e400 -0.5 NaN -Infinity true null {"x":[1]} "č\"" "#);
        for value in [
            Value::Text("a\n".into()),
            Value::Number("1e400"),
            Value::Number("-0.5"),
            Value::Number("NaN"),
            Value::Number("-Infinity"),
            Value::Bool(true),
            Value::Null,
            Value::Compound(r#"{"x":[1]}"#),
            Value::Text("č\"".into()),
        ] {
            assert_eq!(reader.value(), Ok(value));
        }
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn what_is_no_value_is_broken() {
        for text in [
            "", " ", "nul", "x", "+1", ".5", "inf", "nan", "-inf", "-nan", "1x", "-", "\"open", "\"\\", "\"\\č", "[1",
            "{]", "{\"a\"}", "--1",
        ] {
            assert_eq!(Reader::new(text).value(), Err(Broken), "{text}");
        }
    }

    #[test]
    fn what_is_passed_over_is_as_lenient_as_what_is_taken() {
        let deep = format!("{}NaN{}", "[".repeat(100_000), "]".repeat(100_000));
        for text in [
            "7",
            "NaN",
            "\"\\ud800\"",
            "[]",
            "{}",
            "[ ]",
            "[1,NaN]",
            "{\"a\":[{}, {\"b\" : 01}],\"c\":\"a\tb\"}",
            "[[],[[]],{}]",
            &deep,
        ] {
            let whole = format!(" {text} ,");
            let mut reader = Reader::new(&whole);
            assert_eq!(reader.skip(), Ok(text));
            assert_eq!(reader.peek(), Some(b','), "{text}");
        }
        for text in [
            "",
            "]",
            "[",
            "{",
            "[1",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1}",
            "{1}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "[nul]",
            "[}",
        ] {
            assert_eq!(Reader::new(text).skip(), Err(Broken), "{text}");
        }
    }

    #[test]
    fn objects_and_arrays_are_walked() {
        let mut seen = Vec::new();
        let mut reader = Reader::new(r#"{"a":[1, 2 ,[]],"b" : {}}"#);
        reader
            .object::<Broken>(|reader, name| {
                if name == "a" {
                    return reader.array(|reader| {
                        seen.push(reader.value()?);
                        Ok(())
                    });
                }
                reader.object(|_, _| Err(Broken))
            })
            .unwrap();
        assert_eq!(seen, [Value::Number("1"), Value::Number("2"), Value::Compound("[]")]);
        for text in ["[1,]", "[,1]", "[1 2]", "[1", "{}", ""] {
            assert!(Reader::new(text).array::<Broken>(|reader| reader.value().map(drop)).is_err(), "{text}");
        }
        for text in ["{\"a\":1,}", "{a:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "[]", "{\"a\":1"] {
            assert!(Reader::new(text).object::<Broken>(|reader, _| reader.value().map(drop)).is_err(), "{text}");
        }
    }
}
