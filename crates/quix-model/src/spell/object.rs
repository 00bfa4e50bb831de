//! `Object`: a JSON object written member by member.

use serde::Serialize;

use super::Spelling;
use crate::json::{append, append_double};

/// An object that has been begun.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    spelling: Spelling,
    empty: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>, spelling: Spelling) -> Self {
        out.push(b'{');
        Self { out, spelling, empty: true }
    }

    /// Writes the name; the value is to be appended to what is given back.
    pub(super) fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        append(self.out, name);
        self.out.push(b':');
        self.out
    }

    pub(super) fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        append(self.name(name), value);
    }

    pub(super) fn text(&mut self, name: &str, text: Option<&str>) {
        if text.is_some() || self.spelling == Spelling::Package {
            self.member(name, &text);
        }
    }

    pub(super) fn double(&mut self, name: &str, value: Option<f64>) {
        match value {
            Some(value) => append_double(self.name(name), value),
            None => self.text(name, None),
        }
    }

    pub(super) fn choice(&mut self, name: &str, word: &str, number: u8) {
        match self.spelling {
            Spelling::Kafka => self.member(name, word),
            Spelling::Package => self.member(name, &number),
        }
    }

    pub(super) fn list<T>(&mut self, name: &str, items: &[T], mut item: impl FnMut(&mut Vec<u8>, &T)) {
        let out = self.name(name);
        out.push(b'[');
        for (index, value) in items.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            item(out, value);
        }
        out.push(b']');
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }
}
