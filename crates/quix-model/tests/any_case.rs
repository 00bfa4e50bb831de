//! However clients spell the names of members, the same bytes are stored; and digits survive.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use quix_model::{
    EventDefinition, Events, LocatedDefinitions, Outgoing, ParameterData, ParameterDefinition, StreamProperties,
    WriteSettings,
};
use serde::de::DeserializeOwned;

/// A body as Quix documents it, the names in it that may be spelt in any case, and what is stored of it.
struct Body {
    json: &'static str,
    names: &'static [&'static str],
    stored: fn(&str) -> String,
}

const BODIES: [Body; 5] = [
    Body {
        json: r#"[{"id":"EventA","timestamp":1697025689418406001,"value":"{\"id\":\"Value\"}","tags":{"Lap":"2","lap":"3"}},{"id":"","timestamp":-1}]"#,
        names: &["id", "timestamp", "value", "tags"],
        stored: |json| stored(json, |events: &Events| Outgoing::Events(events)),
    },
    Body {
        json: r#"{"epoch":7,"timestamps":[1,2],"numericValues":{"Speed":[1.5,null]},"stringValues":{"Who":["a",null]},"binaryValues":{"Img":["AAE=",null]},"tagValues":{"Lap":["1",null]}}"#,
        names: &["epoch", "timestamps", "numericValues", "stringValues", "binaryValues", "tagValues"],
        stored: |json| stored(json, |data: &ParameterData| Outgoing::ParameterData(data)),
    },
    Body {
        json: r#"{"name":"A","location":"/a/b","metadata":{"Track":"Sakhir","n":7},"parents":["p"],"timeOfRecording":"2022-04-08T09:00:39.3971666Z"}"#,
        names: &["name", "location", "metadata", "parents", "timeOfRecording"],
        stored: |json| stored(json, |properties: &StreamProperties| Outgoing::StreamProperties(properties)),
    },
    Body {
        json: r#"[{"id":"rpm","name":"n","description":"d","minimumValue":0,"maximumValue":2e4,"unit":"u","format":"f","customProperties":"c","location":"/a"}]"#,
        names: &[
            "id",
            "name",
            "description",
            "minimumValue",
            "maximumValue",
            "unit",
            "format",
            "customProperties",
            "location",
        ],
        stored: |json| {
            stored(json, |list: &LocatedDefinitions<ParameterDefinition>| Outgoing::ParameterDefinitions(&list.0))
        },
    },
    Body {
        json: r#"[{"id":"win","name":"n","description":"d","level":"Critical","customProperties":"c","location":"/a"}]"#,
        names: &["id", "name", "description", "level", "customProperties", "location"],
        stored: |json| stored(json, |list: &LocatedDefinitions<EventDefinition>| Outgoing::EventDefinitions(&list.0)),
    },
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn names_in_any_case_give_the_same_bytes(body in 0..BODIES.len(), upper in any::<u64>()) {
        let Body { json, names, stored } = &BODIES[body];
        let mut respelt = (*json).to_owned();
        for (name, turn) in names.iter().zip(0..) {
            respelt = respelt.replace(&format!("\"{name}\":"), &format!("\"{}\":", cased(name, upper.rotate_left(turn))));
        }
        prop_assert_eq!(stored(&respelt), stored(json));
    }

    #[test]
    fn digits_survive(
        timestamp in prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), Just(1_697_025_689_418_406_001)],
        number in prop_oneof![
            any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()),
            prop::sample::select(vec![-0.0, 5e-324, f64::MAX, f64::MIN_POSITIVE, 0.1, 1e21, 1e-7]),
        ],
    ) {
        let data = format!(r#"{{"timestamps":[{timestamp}],"numericValues":{{"n":[{number:?}]}}}}"#);
        let data = (BODIES[1].stored)(&data);
        prop_assert!(data.contains(&format!(r#""Timestamps":[{timestamp}],"#)), "{}", data);
        let written = data.split_once(r#""n":["#).unwrap().1.split_once(']').unwrap().0;
        prop_assert_eq!(written.parse::<f64>().unwrap().to_bits(), number.to_bits());
        prop_assert_eq!(significant(written), significant(&format!("{number:e}")), "as short as can be");
        prop_assert!(written.contains(['.', 'E']), "{} would be read as an integer", written);

        let events = (BODIES[0].stored)(&format!(r#"{{"id":"e","timestamp":{timestamp}}}"#));
        prop_assert!(events.contains(&format!(r#"[{{"Timestamp":{timestamp},"#)), "{}", events);
    }
}

/// Digits of a number without the zeros around them.
fn significant(number: &str) -> String {
    let mantissa = number.split(['e', 'E']).next().unwrap();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').to_owned()
}

/// A letter is upper case where its bit is set.
fn cased(name: &str, upper: u64) -> String {
    let letter = |(place, letter): (usize, char)| {
        if upper >> place & 1 == 1 { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
    };
    name.chars().enumerate().map(letter).collect()
}

fn stored<M: DeserializeOwned>(json: &str, outgoing: impl Fn(&M) -> Outgoing<'_>) -> String {
    let model: M = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    let mut records = WriteSettings::default().records(outgoing(&model), "s", 0).unwrap();
    assert_eq!(records.len(), 1);
    String::from_utf8(records.remove(0).value).unwrap()
}
