//! Streams as clients get them. Source: Quix Streaming Reader API, `SubscribeToActiveStreams`.

use std::cmp::Reverse;
use std::io;
use std::sync::Arc;

use quix_model::{EventDefinition, Located, ParameterDefinition, Tags};
use serde::{Serialize, Serializer};
use signalr_server::{FrameBuilder, SendError};

use super::calls::{Call, Calls};
use super::known::{Kind, Known};
use super::stream::{Status, Stream};
use super::tracker::Action;
use crate::timestamp::date_time;
use crate::topics::Topic;

/// One stream: the first argument of `ActiveStreamsChanged`, and an item of the list. Members without a value are left
/// out; `metadata`, `parents`, `parameters` and `events` are always there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ActiveStream<'a> {
    pub(crate) topic: &'a Topic,
    pub(crate) stream: &'a Stream,
    pub(crate) status: Status,
    /// What to add to its times to tell them.
    pub(crate) shift: i64,
}

/// A call of `ActiveStreamsChanged`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) stream: &'a Stream,
    pub(crate) status: Status,
    pub(crate) action: Action,
    pub(crate) shift: i64,
}

impl Call for Change<'_> {
    fn write(&self, topic: &Topic, frame: &mut FrameBuilder) -> Result<(), SendError> {
        let Self { stream, status, shift, action } = *self;
        let action = match action {
            Action::AddUpdate => "AddUpdate",
            Action::Remove => "Remove",
        };
        frame.invocation("ActiveStreamsChanged", &(ActiveStream { topic, stream, status, shift }, action))
    }
}

/// Streams that are active now, of a topic or of several: what a subscriber is answered.
#[derive(Debug, Default)]
pub(crate) struct StreamList(pub(crate) Vec<(Arc<Topic>, Listed)>);

/// A stream as it was when a list was made.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) stream: Stream,
    pub(crate) status: Status,
    pub(crate) shift: i64,
    /// See [`json_bytes`].
    pub(crate) json_bytes: usize,
}

impl StreamList {
    /// Those seen last that come to no more bytes than this; how many are left out.
    pub(crate) fn bound(&mut self, max_bytes: usize) -> usize {
        let before = self.0.len();
        let bytes_of = |(topic, listed): &(Arc<Topic>, Listed)| listed.json_bytes + names_bytes(topic);
        if self.0.iter().map(bytes_of).sum::<usize>() > max_bytes {
            self.0.reverse(); // of those seen at the same time the last to come are kept
            self.0.sort_by_key(|(_, listed)| Reverse(listed.stream.last_seen.saturating_add(listed.shift)));
            let mut bytes = 0;
            let count = self.0.iter().take_while(|item| {
                bytes += bytes_of(item);
                bytes <= max_bytes
            });
            let count = count.count();
            self.0.truncate(count);
        }
        before - self.0.len()
    }

    /// As calls, for who was answered without them.
    pub(crate) fn tell(&self, calls: &mut Calls) {
        for (_, Listed { stream, status, shift, .. }) in &self.0 {
            let change = Change { stream, status: *status, action: Action::AddUpdate, shift: *shift };
            calls.add(&change);
        }
    }
}

impl Serialize for StreamList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let streams = self.0.iter();
        serializer.collect_seq(streams.map(|(topic, Listed { stream, status, shift, .. })| ActiveStream {
            topic,
            stream,
            status: *status,
            shift: *shift,
        }))
    }
}

/// Bytes of a stream in a list, as JSON but for the names of its topic; a few more where its times are short.
pub(crate) fn json_bytes(stream: &Stream) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (mut count, topic) = (Count(0), Topic { name: String::new(), id: String::new() });
    let stream = ActiveStream { topic: &topic, stream, status: Status::Receiving, shift: 0 };
    match serde_json::to_writer(&mut count, &stream) {
        Ok(()) => count.0 + MORE_BYTES,
        Err(_) => usize::MAX / 2, // it never happens; such a stream would be in no list
    }
}

/// What the names of a topic, which need no escapes, add to that.
pub(crate) fn names_bytes(topic: &Topic) -> usize {
    topic.name.len() + topic.id.len()
}

/// For a comma, and for times that come or grow.
const MORE_BYTES: usize = 64;

impl Serialize for ActiveStream<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Form::of(self).serialize(serializer)
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
    fn of(active: &ActiveStream<'a>) -> Self {
        let ActiveStream { topic, stream, status, shift } = *active;
        let (properties, told) = (&*stream.properties, |time: i64| date_time(Some(time.saturating_add(shift))));
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
            first_seen: told(stream.first_seen),
            last_seen: told(stream.last_seen),
            last_data: stream.last_data.map(told),
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
    use signalr_server::Encoding;

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
        let (topic, stream) = (Arc::new(Topic { name: "f1".into(), id: "ws-f1".into() }), Stream::new("s".into(), 0));
        let listed = Listed { stream: stream.clone(), status: Status::Idle, shift: 0, json_bytes: 0 };
        let list = StreamList(vec![(topic.clone(), listed); 2]);
        let one = Change { stream: &stream, status: Status::Idle, action: Action::AddUpdate, shift: 0 };
        for encoding in [Encoding::Json, Encoding::MessagePack] {
            let mut builder = FrameBuilder::new(encoding);
            one.write(&topic, &mut builder).unwrap();
            let single = builder.len();
            builder.invocation("ActiveStreamsChanged", &(&list, "AddUpdate")).unwrap();
            assert!((2 * single..4 * single).contains(&builder.len()), "{encoding:?}");
        }
    }

    #[test]
    fn times_are_told_by_the_wall_clock() {
        let (topic, stream) = (Topic { name: "f1".into(), id: "ws-f1".into() }, Stream::new("s".into(), 1_000));
        let active = ActiveStream { topic: &topic, stream: &stream, status: Status::Idle, shift: 3_600_000 };
        let shown = serde_json::to_value(active).unwrap();
        assert_eq!(
            (&shown["firstSeen"], &shown["lastSeen"]),
            (&json!("1970-01-01T01:00:01Z"), &json!("1970-01-01T01:00:01Z"))
        );
    }

    /// Texts that JSON writes much longer than they are kept.
    #[test]
    fn a_list_is_bound_by_what_it_is_as_json_and_keeps_who_was_seen_last() {
        let topic = Arc::new(Topic { name: "f1".into(), id: "ws-f1".into() });
        let listed = |number: i64| {
            let mut stream = Stream::new(format!("{number}{}", "\u{1}".repeat(100)).into(), number);
            learn(&mut stream, "EventData[]", r#"[{"Timestamp":1,"Tags":{},"Id":"Lap","Value":"v"}]"#);
            stream.last_seen = number;
            let json_bytes = json_bytes(&stream);
            (topic.clone(), Listed { stream, status: Status::Receiving, shift: 0, json_bytes })
        };
        let all = || StreamList((0..100).map(listed).collect());
        let whole = serde_json::to_string(&all()).unwrap().len();
        let (mut list, mut half) = (all(), all());
        assert_eq!(list.bound(whole + 100 * MORE_BYTES), 0);
        assert_eq!(list.0[0].1.stream.last_seen, 0, "in its order");
        let left_out = half.bound(whole / 2);
        assert!((50..60).contains(&left_out), "{left_out}");
        assert!(half.0.iter().all(|(_, listed)| listed.stream.last_seen >= left_out as i64));
        assert!(serde_json::to_string(&half).unwrap().len() <= whole / 2);
    }

    fn learn(stream: &mut Stream, key: &str, body: &str) -> bool {
        let value = format!(r#"{{"C":"JT","K":"{key}","V":{body}}}"#);
        let Reading::Package(package) = Package::read(Some(b"s"), [], Some(value.as_bytes())) else { panic!("{key}") };
        stream.learn(Sign::Model(package.data().unwrap().data), 1)
    }

    fn shown(stream: &Stream, status: Status) -> String {
        let topic = Topic { name: "f1".into(), id: "ws-f1".into() };
        serde_json::to_string(&ActiveStream { topic: &topic, stream, status, shift: 0 }).unwrap()
    }
}
