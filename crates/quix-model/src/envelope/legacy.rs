//! The legacy JSON envelope: `{"C":codec,"K":model,"V":body,"S":start,"E":end}`, `S` and `E` byte offsets of `V`.
//!
//! What all Quix libraries write by default, so the usual spelling is recognised at both ends without parsing. Any other
//! order, spacing or offsets is parsed as JSON, and then the parsed `V` counts, whatever the offsets say.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Body, Envelope, Refusal};
use crate::codec::Codec;
use crate::json::{TextSeed, unquote};
use crate::model::Model;
use crate::problem::ReadProblem;

/// Takes apart the value of a record if it is an envelope of the usual spelling, looking at nothing but its ends.
///
/// If `V` is not one JSON value after all, neither is the whole: then [`parse`] has the last word.
pub(crate) fn scan(value: &[u8]) -> Option<Envelope<'_>> {
    let text = without_bom(str::from_utf8(value).ok()?);
    let (codec, rest) = text.strip_prefix(r#"{"C":""#)?.split_once('"')?;
    let (model_key, rest) = rest.strip_prefix(r#","K":""#)?.split_once('"')?;
    let rest = rest.strip_prefix(r#","V":"#)?;
    // Names that we know need no decoding and hold nothing that JSON forbids.
    Codec::of_id(codec)?;
    Model::of_key(model_key)?;
    let start = text.len() - rest.len();

    let rest = rest.trim_end_matches(JSON_BLANKS).strip_suffix('}')?;
    let (rest, end_digits) = split_digits(rest);
    let (rest, start_digits) = split_digits(rest.strip_suffix(r#","E":"#)?);
    let body = rest.strip_suffix(r#","S":"#)?;
    let offsets_hold = start_digits.parse() == Ok(start) && end_digits.parse() == Ok(start + body.len());
    let bracketed = body.len() >= 2
        && matches!((body.as_bytes()[0], body.as_bytes()[body.len() - 1]), (b'[', b']') | (b'{', b'}') | (b'"', b'"'));
    if !(offsets_hold && bracketed) {
        return None;
    }
    let envelope = Envelope::new(codec, Cow::Borrowed(model_key), Body::Json(Cow::Borrowed(body)), None).ok()?;
    Some(Envelope { scanned: true, ..envelope })
}

/// Takes apart the value of a record if it is a whole envelope in any spelling.
pub(crate) fn parse(value: &[u8]) -> Result<Envelope<'_>, Refusal> {
    if let Ok(text) = str::from_utf8(value) {
        let Parts { codec, model_key, body, problem } = parse_text(without_bom(text))?;
        return Envelope::new(&codec, model_key, Body::Json(Cow::Borrowed(body)), problem);
    }
    if !value.trim_ascii_start().starts_with(b"{") {
        return Err(Refusal::OtherForm(None));
    }
    let text = String::from_utf8_lossy(value);
    let Parts { codec, model_key, body, .. } = parse_text(without_bom(&text))?;
    // The offsets count bytes as they were sent, so they say nothing about the repaired text.
    Envelope::new(&codec, model_key.into_owned().into(), Body::Json(body.to_owned().into()), None)
}

fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{FEFF}').unwrap_or(text)
}

const JSON_BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// Cuts off the digits at the end.
fn split_digits(text: &str) -> (&str, &str) {
    let digits = text.bytes().rev().take_while(u8::is_ascii_digit).count();
    text.split_at(text.len() - digits)
}

struct Parts<'a> {
    codec: Cow<'a, str>,
    model_key: Cow<'a, str>,
    body: &'a str,
    problem: Option<ReadProblem>,
}

/// An object with texts `C` and `K` and a `V`, to the end of the record.
fn parse_text(text: &str) -> Result<Parts<'_>, Refusal> {
    const NOT_ONE: Refusal = Refusal::OtherForm(None);
    if !text.trim_start_matches(JSON_BLANKS).starts_with('{') || !text.contains(r#""K""#) {
        return Err(NOT_ONE);
    }
    let members: Members<'_> = serde_json::from_str(text).map_err(|error| Refusal::OtherForm(damage(text, &error)))?;
    let body = members.v.ok_or(NOT_ONE)?.get();
    let offsets_hold = match (offset(members.s), offset(members.e)) {
        (Some(start), Some(end)) => encloses(text, start, end, body),
        // Missing or texts: they claim nothing that could be wrong.
        _ => true,
    };
    let codec = members.c.and_then(|c| unquote(c.get())).ok_or(NOT_ONE)?;
    let model_key = members.k.and_then(|k| unquote(k.get())).ok_or(NOT_ONE)?;
    let problem = (!offsets_hold).then_some(ReadProblem::BadOffsets);
    Ok(Parts { codec, model_key, body, problem })
}

/// Text that broke off the parser is counted only if it began as envelopes do; else it was never meant to be one.
fn damage(text: &str, error: &serde_json::Error) -> Option<ReadProblem> {
    text.starts_with(r#"{"C":"#).then_some(if error.is_eof() {
        ReadProblem::CutShort
    } else {
        ReadProblem::BrokenEnvelope
    })
}

/// `None` if missing, null or a text; beyond any text if it is a number, but no offset.
fn offset(raw: Option<&RawValue>) -> Option<usize> {
    raw.map(RawValue::get).filter(|text| !text.starts_with(['"', 'n'])).map(|text| text.parse().unwrap_or(usize::MAX))
}

/// Whether the offsets cut out exactly the body, give or take blanks around it.
fn encloses(text: &str, start: usize, end: usize, body: &str) -> bool {
    text.get(start..end).is_some_and(|cut| std::ptr::eq(cut.trim_matches(JSON_BLANKS), body))
}

/// Members at the top level, undecoded; the last of duplicates wins, unknown ones are ignored.
#[derive(Default)]
struct Members<'a> {
    c: Option<&'a RawValue>,
    k: Option<&'a RawValue>,
    v: Option<&'a RawValue>,
    s: Option<&'a RawValue>,
    e: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an envelope")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members::default();
        while let Some(name) = entries.next_key_seed(TextSeed("a member name"))? {
            let place = match &*name {
                "C" => &mut members.c,
                "K" => &mut members.k,
                "V" => &mut members.v,
                "S" => &mut members.s,
                "E" => &mut members.e,
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *place = Some(entries.next_value()?);
        }
        Ok(members)
    }
}
