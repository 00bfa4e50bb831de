//! Streams as clients get them. Source: Quix Streaming Reader API, `SubscribeToActiveStreams`.

use std::sync::Arc;

use quix_model::{EventDefinition, Located, ParameterDefinition, Tags};
use serde::{Serialize, Serializer};

use super::known::{Kind, Known};
use super::stream::{Status, Stream};
use crate::timestamp::date_time;
use crate::topics::Topic;

/// One stream: the first argument of `ActiveStreamsChanged`, and an item of the list. Members without a value are left
/// out; `metadata`, `parents`, `parameters` and `events` are always there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ActiveStream<'a> {
    pub(crate) topic: &'a Topic,
    pub(crate) stream: &'a Stream,
    pub(crate) status: Status,
}

/// The streams of a topic that are active now: what a subscriber is answered.
#[derive(Debug)]
pub(crate) struct StreamList {
    pub(crate) topic: Arc<Topic>,
    pub(crate) streams: Vec<(Stream, Status)>,
}

impl Serialize for StreamList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let streams = self.streams.iter();
        serializer.collect_seq(streams.map(|(stream, status)| ActiveStream {
            topic: &self.topic,
            stream,
            status: *status,
        }))
    }
}

impl Serialize for ActiveStream<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Form::of(self.topic, self.stream, self.status).serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Form<'a> {
    stream_id: &'a str,
    topic_id: &'a str,
    topic_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
    metadata: &'a Tags,
    parents: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    time_of_recording: Option<&'a str>,
    parameters: Parameters<'a>,
    events: Events<'a>,
    first_seen: String,
    last_seen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_data: Option<String>,
    status: &'static str,
}

impl<'a> Form<'a> {
    fn of(topic: &'a Topic, stream: &'a Stream, status: Status) -> Self {
        let properties = &*stream.properties;
        Self {
            stream_id: &stream.id,
            topic_id: &topic.id,
            topic_name: &topic.name,
            name: properties.name.as_deref(),
            location: properties.location.as_deref(),
            metadata: &properties.metadata,
            parents: &properties.parents,
            time_of_recording: properties.time_of_recording.as_deref(),
            parameters: Parameters(&stream.parameters),
            events: Events(&stream.events),
            first_seen: date_time(Some(stream.first_seen)),
            last_seen: date_time(Some(stream.last_seen)),
            last_data: stream.last_data.map(|at| date_time(Some(at))),
            status: match status {
                Status::Receiving => "Receiving",
                Status::Idle => "Idle",
            },
        }
    }
}

struct Parameters<'a>(&'a Known<ParameterDefinition, Kind>);

impl Serialize for Parameters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.all().map(|(id, located, kind)| (id, ParameterForm::of(located, kind))))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ParameterForm<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    data_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum_value: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum_value: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_properties: Option<&'a str>,
    /// Not there at the top, as in Quix's example.
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
}

impl<'a> ParameterForm<'a> {
    fn of(located: Option<&'a Located<ParameterDefinition>>, kind: Option<Kind>) -> Self {
        let definition = located.map(|located| &located.definition);
        let number = |value: Option<f64>| value.filter(|value| value.is_finite()).map(Number::of);
        Self {
            name: definition.and_then(|definition| definition.name.as_deref()),
            description: definition.and_then(|definition| definition.description.as_deref()),
            data_type: match kind {
                Some(Kind::Numeric) => "Numeric",
                Some(Kind::String) => "String",
                Some(Kind::Binary) => "Binary",
                None => "Unknown",
            },
            minimum_value: number(definition.and_then(|definition| definition.minimum_value)),
            maximum_value: number(definition.and_then(|definition| definition.maximum_value)),
            unit: definition.and_then(|definition| definition.unit.as_deref()),
            format: definition.and_then(|definition| definition.format.as_deref()),
            custom_properties: definition.and_then(|definition| definition.custom_properties.as_deref()),
            location: located.map(|located| located.location.as_str()).filter(|location| !location.is_empty()),
        }
    }
}

/// As short as it can be: `20000`, not `20000.0`.
#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Whole(i64),
    Fraction(f64),
}

impl Number {
    fn of(number: f64) -> Self {
        const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
        let is_whole = number.fract() == 0.0 && number.abs() < EXACT;
        if is_whole { Self::Whole(number as i64) } else { Self::Fraction(number) }
    }
}

struct Events<'a>(&'a Known<EventDefinition, ()>);

impl Serialize for Events<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.all().map(|(id, located, _)| (id, EventForm::of(located))))
    }
}

/// Empty for one that was seen and never defined.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventForm<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_properties: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
}

impl<'a> EventForm<'a> {
    fn of(located: Option<&'a Located<EventDefinition>>) -> Self {
        let definition = located.map(|located| &located.definition);
        Self {
            name: definition.and_then(|definition| definition.name.as_deref()),
            description: definition.and_then(|definition| definition.description.as_deref()),
            custom_properties: definition.and_then(|definition| definition.custom_properties.as_deref()),
            level: definition.map(|definition| definition.level.name()),
            location: located.map(|located| located.location.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use quix_model::{Package, Reading};
    use serde_json::{Value, json};
    use signalr_server::{Encoding, FrameBuilder};

    use super::*;
    use crate::active_streams::sign::Sign;

    #[test]
    fn a_stream_of_which_little_is_known_leaves_out_what_has_no_value() {
        let stream = Stream::new("s".into(), 1_649_408_260_340);
        let expected = concat!(
            r#"{"streamId":"s","topicId":"ws-f1","topicName":"f1","metadata":{},"parents":[],"parameters":{},"events":{},"#,
            r#""firstSeen":"2022-04-08T08:57:40.34Z","lastSeen":"2022-04-08T08:57:40.34Z","status":"Idle"}"#
        );
        assert_eq!(shown(&stream, Status::Idle), expected);
    }

    #[test]
    fn definitions_and_data_are_merged() {
        let mut stream = Stream::new("s".into(), 0);
        for (key, body) in [
            (
                "StreamProperties",
                r#"{"Name":"n","Location":"/Game","Metadata":{"Track":"Sakhir Short"},"Parents":["p"],"TimeOfRecording":"2022-04-08T09:00:39.3971666Z"}"#,
            ),
            (
                "ParameterDefinitions",
                r#"{"ParameterGroups":[{"Name":"Player","ChildGroups":[{"Name":"Telemetry","ChildGroups":[],"Parameters":[{"Id":"EngineRPM","MinimumValue":0.0,"MaximumValue":20000.0,"Unit":"rpm","Format":"{0}","CustomProperties":"{}","Name":"RPM","Description":"d"}]}],"Parameters":[]}],"Parameters":[{"Id":"Throttle","MaximumValue":0.5}]}"#,
            ),
            (
                "EventDefinitions",
                r#"{"EventGroups":[],"Events":[{"Id":"RaceWinner","Name":"Race Winner","Level":"Critical","Description":"d","CustomProperties":"c"}]}"#,
            ),
            (
                "ParameterData",
                r#"{"Timestamps":[1],"NumericValues":{"EngineRPM":[1.0]},"StringValues":{"who":["a"]},"BinaryValues":{"img":["AA=="]},"TagValues":{"t":["v"]}}"#,
            ),
            ("EventData[]", r#"[{"Timestamp":1,"Tags":{},"Id":"Lap","Value":"v"}]"#),
        ] {
            assert!(learn(&mut stream, key, body), "{key}");
            assert!(!learn(&mut stream, key, body), "{key} again");
        }
        let shown: Value = serde_json::from_str(&shown(&stream, Status::Receiving)).unwrap();
        let expected = json!({
            "streamId": "s", "topicId": "ws-f1", "topicName": "f1", "name": "n", "location": "/Game",
            "metadata": { "Track": "Sakhir Short" }, "parents": ["p"], "timeOfRecording": "2022-04-08T09:00:39.3971666Z",
            "parameters": {
                "EngineRPM": { "name": "RPM", "description": "d", "dataType": "Numeric", "minimumValue": 0,
                    "maximumValue": 20000, "unit": "rpm", "format": "{0}", "customProperties": "{}",
                    "location": "/Player/Telemetry" },
                "Throttle": { "dataType": "Unknown", "maximumValue": 0.5 },
                "img": { "dataType": "Binary" },
                "who": { "dataType": "String" },
            },
            "events": {
                "Lap": {},
                "RaceWinner": { "name": "Race Winner", "description": "d", "customProperties": "c", "level": "Critical",
                    "location": "" },
            },
            "firstSeen": "1970-01-01T00:00:00Z", "lastSeen": "1970-01-01T00:00:00.001Z",
            "lastData": "1970-01-01T00:00:00.001Z", "status": "Receiving",
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn both_encodings_hold_it() {
        let (topic, stream) = (Topic { name: "f1".into(), id: "ws-f1".into() }, Stream::new("s".into(), 0));
        let list = StreamList { topic: Arc::new(Topic { ..topic }), streams: vec![(stream.clone(), Status::Idle); 2] };
        let one = ActiveStream { topic: &list.topic, stream: &stream, status: Status::Idle };
        for encoding in [Encoding::Json, Encoding::MessagePack] {
            let mut builder = FrameBuilder::new(encoding);
            builder.invocation("ActiveStreamsChanged", &(one, "AddUpdate")).unwrap();
            let single = builder.len();
            builder.invocation("ActiveStreamsChanged", &(&list, "AddUpdate")).unwrap();
            assert!((2 * single..4 * single).contains(&builder.len()), "{encoding:?}");
        }
    }

    fn learn(stream: &mut Stream, key: &str, body: &str) -> bool {
        let value = format!(r#"{{"C":"JT","K":"{key}","V":{body}}}"#);
        let Reading::Package(package) = Package::read(Some(b"s"), [], Some(value.as_bytes())) else { panic!("{key}") };
        stream.learn(Sign::Model(package.data().unwrap().data), 1)
    }

    fn shown(stream: &Stream, status: Status) -> String {
        let topic = Topic { name: "f1".into(), id: "ws-f1".into() };
        serde_json::to_string(&ActiveStream { topic: &topic, stream, status }).unwrap()
    }
}
