//! A value and a rule → a record.

use quix_model::{EventData, Pointer, Tags};

use super::parameters::timeseries;
use super::rule::{EventId, Form, Rule};
use super::time::time_of;
use super::{Circumstances, Made, Record, RecordError};
use crate::json::{Json, Kind};

impl Rule {
    /// The record of one value.
    pub fn make(&self, value: Json<'_>, circumstances: &Circumstances<'_>) -> Result<Made, RecordError> {
        let stream_id = match &self.key {
            Some(pointer) => key(value, pointer)?,
            None => self.stream.as_deref().unwrap_or(circumstances.stream_id).to_owned(),
        };
        let timestamp = match &self.timestamp {
            Some(time) => time_of(time, value)?,
            None => circumstances.received,
        };
        let record = match self.form_in(circumstances) {
            Form::Json => Record::Json(value.text().to_owned()),
            Form::Event => Record::Event(EventData {
                timestamp,
                tags: self.tags_of(value),
                id: self.event_id(value, circumstances)?,
                value: Some(value.text().to_owned()),
            }),
            Form::Parameters => Record::Parameters(timeseries(self, value, timestamp, circumstances.max_name_bytes)?),
        };
        Ok(Made { stream_id, record })
    }

    fn form_in(&self, circumstances: &Circumstances<'_>) -> Form {
        let has_event = self.event.is_some() || circumstances.event.is_some();
        self.form.unwrap_or(if has_event { Form::Event } else { Form::Json })
    }

    fn event_id(&self, value: Json<'_>, circumstances: &Circumstances<'_>) -> Result<String, RecordError> {
        match &self.event {
            Some(EventId::At(pointer)) => {
                let takes = [Kind::Text, Kind::Number, Kind::Boolean];
                scalar(value, "event", pointer, &takes, "a string, a number or a boolean")
            }
            Some(EventId::Name(name)) => Ok(name.clone()),
            None => Ok(circumstances.event.unwrap_or(circumstances.stream_id).to_owned()),
        }
    }

    fn tags_of(&self, value: Json<'_>) -> Tags {
        self.tags.iter().filter_map(|pointer| Some((pointer.dotted(), Some(tag(value, pointer)?)))).collect()
    }
}

/// A tag, unless it is not there or null.
pub(super) fn tag(value: Json<'_>, pointer: &Pointer) -> Option<String> {
    value.at(pointer).filter(|there| there.kind() != Kind::Null).map(Json::into_text)
}

/// What is there, which must be something.
pub(super) fn present<'a>(value: Json<'a>, setting: &'static str, pointer: &Pointer) -> Result<Json<'a>, RecordError> {
    let there = value.at(pointer).filter(|there| there.kind() != Kind::Null);
    there.ok_or_else(|| RecordError::Missing { setting, pointer: pointer.clone() })
}

fn key(value: Json<'_>, pointer: &Pointer) -> Result<String, RecordError> {
    let text = scalar(value, "key", pointer, &[Kind::Text, Kind::Number], "a string or a number")?;
    if text.is_empty() { Err(RecordError::EmptyKey(pointer.clone())) } else { Ok(text) }
}

fn scalar(
    value: Json<'_>,
    setting: &'static str,
    pointer: &Pointer,
    takes: &[Kind],
    expected: &'static str,
) -> Result<String, RecordError> {
    let there = present(value, setting, pointer)?;
    let found = there.kind();
    if takes.contains(&found) {
        return Ok(there.into_text());
    }
    Err(RecordError::Type { setting, pointer: pointer.clone(), found, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"type":"signup","n":12345678901234567890,"b":true,"nil":null,"empty":"",
        "user":{"id":"u-1","plan":["a"]},"at":"2023-10-11T12:01:29.418406001Z","ms":1697025689418.25}"#;
    const WHEN: Circumstances<'_> = Circumstances { stream_id: "own", event: None, received: 7, max_name_bytes: 1024 };

    fn made(rule: &str) -> Result<Made, RecordError> {
        let rule: Rule = toml::from_str(rule).unwrap();
        rule.make(Json::parse(BODY.as_bytes()).unwrap(), &WHEN)
    }

    #[test]
    fn streams_are_fixed_pointed_at_or_the_ways_own() {
        for (rule, stream_id) in [
            ("", "own"),
            ("stream = 'Segment Data'", "Segment Data"),
            ("key = '/user/id'", "u-1"),
            ("key = '/n'", "12345678901234567890"),
        ] {
            assert_eq!(made(rule).unwrap().stream_id, stream_id, "{rule}");
        }
    }

    #[test]
    fn without_an_event_the_value_goes_as_it_is() {
        assert_eq!(made("").unwrap().record, Record::Json(BODY.to_owned()));
        assert_eq!(made("as = 'json'\nkey = '/n'").unwrap().record, Record::Json(BODY.to_owned()));
    }

    #[test]
    fn events_carry_the_text_with_id_time_and_tags() {
        let event = |rule: &str| match made(rule).unwrap().record {
            Record::Event(event) => event,
            other => panic!("{other:?}"),
        };
        let signup = event("event = '/type'\ntags = ['/user/id', '/user/plan', '/n', '/b', '/nil', '/none']");
        let tags: Vec<_> = signup.tags.iter().collect();
        let expected = [("user.id", "u-1"), ("user.plan", "[\"a\"]"), ("n", "12345678901234567890"), ("b", "true")];
        assert_eq!(tags, expected.map(|(name, text)| (name, Some(text))));
        assert_eq!((signup.timestamp, &*signup.id, signup.value.as_deref()), (7, "signup", Some(BODY)));
        assert_eq!(event("event = 'fixed'").id, "fixed");
        assert_eq!(event("event = '/n'").id, "12345678901234567890");
        assert_eq!(event("event = '/b'").id, "true");
        assert_eq!(event("event = '/empty'").id, "");
        assert_eq!(event("as = 'event'").id, "own");
        assert_eq!(event("event = 'x'\ntimestamp = '/at'").timestamp, 1_697_025_689_418_406_001);
        let ms = "event = 'x'\ntimestamp = { pointer = '/ms', unit = 'ms' }";
        assert_eq!(event(ms).timestamp, 1_697_025_689_418_250_000);
    }

    #[test]
    fn an_event_told_otherwise_makes_one_unless_the_rule_has_its_own() {
        let body = Json::parse(BODY.as_bytes()).unwrap();
        let told = Circumstances { event: Some("push"), ..WHEN };
        let id = |rule: &str| match toml::from_str::<Rule>(rule).unwrap().make(body, &told).unwrap().record {
            Record::Event(event) => Some(event.id),
            _ => None,
        };
        assert_eq!(id("").as_deref(), Some("push"));
        assert_eq!(id("event = '/type'").as_deref(), Some("signup"));
        assert_eq!(id("as = 'json'"), None);
    }

    #[test]
    fn errors_say_what_is_where_and_which_setting_points_there() {
        for (rule, error) in [
            ("key = '/nil'", "there is nothing at /nil, where the setting `key` points"),
            ("key = '/user'", "at /user, where the setting `key` points, is an object instead of a string or a number"),
            ("key = '/b'", "at /b, where the setting `key` points, is a boolean instead of a string or a number"),
            ("key = '/empty'", "the text at /empty is empty, and a stream needs an id"),
            ("event = '/none'", "there is nothing at /none, where the setting `event` points"),
            (
                "event = '/user/plan'",
                "at /user/plan, where the setting `event` points, is an array instead of a string, a number or a boolean",
            ),
            ("timestamp = '/none'", "there is nothing at /none, where the setting `timestamp` points"),
            (
                "timestamp = '/ms'",
                "at /ms, where the setting `timestamp` points, is a number instead of a time of RFC 3339",
            ),
            (
                "timestamp = '/type'",
                "at /type is \"signup\", which is no time of RFC 3339 with its zone of a year from 1678 to 2261",
            ),
            (
                "timestamp = { pointer = '/at', unit = 's' }",
                "at /at is \"2023-10-11T12:01:29.418406001Z\", which is no number of a year from 1678 to 2261",
            ),
            (
                "timestamp = { pointer = '/user', unit = 's' }",
                "at /user, where the setting `timestamp` points, is an object instead of a number",
            ),
        ] {
            assert_eq!(made(rule).unwrap_err().to_string(), error, "{rule}");
        }
    }
}
