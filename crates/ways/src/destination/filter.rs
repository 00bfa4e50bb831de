//! `Filter`: which packages a destination gets, and as what. The same choices as subscriptions of the hub.

use jiff::Timestamp;
use quix_model::{Data, EventDataReceived, Package, PackageReceived, ParameterDataReceived};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde::{Deserialize, Deserializer, de};
use toml::Value;

/// What is wanted of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    stream: Ids,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum What {
    /// Each package is a message.
    #[default]
    Packages,
    /// Each of these events is one.
    Events(Ids),
    /// Each package with any of these parameters is one, without the others.
    Parameters(Ids),
}

/// Exact names; without any, all there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Ids(Vec<String>);

/// What a topic is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicNames {
    /// `<workspace>-<name>`.
    pub(super) id: String,
    /// As the broker has it.
    pub(super) name: String,
}

impl Filter {
    /// Whether it leaves nothing out.
    pub(super) fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// The messages of a package, in its order: JSON as the hub's callbacks `PackageReceived`, `EventDataReceived` and
    /// `ParameterDataReceived` have it.
    pub(super) fn messages(&self, topic: &TopicNames, package: &Package<'_>, time_ms: Option<i64>) -> Vec<String> {
        if !self.stream.have(package.stream_id()) {
            return Vec::new();
        }
        let (topic_id, topic_name, stream_id) = (&*topic.id, &*topic.name, package.stream_id());
        let ids = match &self.what {
            What::Events(ids) | What::Parameters(ids) => ids,
            What::Packages => {
                let (content, date_time) = (package.content(), date_time(time_ms));
                let (type_name, value, date_time) = (&*content.type_name, &*content.value, &*date_time);
                return json(&PackageReceived { topic_id, topic_name, stream_id, type_name, value, date_time });
            }
        };
        match (package.data().map(|decoded| decoded.data), &self.what) {
            (Some(Data::Events(events)), What::Events(_)) => {
                let wanted = events.iter().filter(|event| ids.have(event.id.as_deref().unwrap_or_default()));
                wanted.flat_map(|event| json(&EventDataReceived { topic_id, topic_name, stream_id, event })).collect()
            }
            (Some(Data::Timeseries(timeseries)), What::Parameters(_)) => {
                let (timeseries, wanted) = (&timeseries, |id: &str| ids.have(id));
                let received = ParameterDataReceived { topic_id, topic_name, stream_id, timeseries, wanted };
                if received.has_any() { json(&received) } else { Vec::new() }
            }
            _ => Vec::new(),
        }
    }
}

impl Ids {
    fn have(&self, id: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|wanted| wanted == id)
    }

    fn of(value: &Value) -> Option<Self> {
        let texts = match value {
            Value::String(text) => vec![text.clone()],
            Value::Array(values) => {
                values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<_>>()?
            }
            _ => return None,
        };
        match texts.iter().any(|text| text == "*") {
            true => Some(Self::default()),
            false => Some(Self(texts)).filter(|ids| !ids.0.is_empty()),
        }
    }

    fn value(&self) -> Vec<String> {
        if self.0.is_empty() { vec!["*".to_owned()] } else { self.0.clone() }
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || {
            de::Error::custom(
                "must name what is wanted as { event = \"HardBraking\" } or { parameter = [\"speed\", \"rpm\"] }, not both, with \
                 stream = \"car-1\" beside it or alone",
            )
        };
        let mut table = toml::Table::deserialize(deserializer).map_err(|_| wrong())?;
        let mut ids = |name: &str| table.remove(name).map(|value| Ids::of(&value).ok_or_else(wrong)).transpose();
        let (stream, event, parameter) = (ids("stream")?.unwrap_or_default(), ids("event")?, ids("parameter")?);
        let what = match (event, parameter) {
            (None, None) => What::Packages,
            (Some(events), None) => What::Events(events),
            (None, Some(parameters)) => What::Parameters(parameters),
            (Some(_), Some(_)) => return Err(wrong()),
        };
        if table.is_empty() { Ok(Self { stream, what }) } else { Err(wrong()) }
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("stream", &self.stream.value())?;
        match &self.what {
            What::Packages => {}
            What::Events(ids) => map.serialize_entry("event", &ids.value())?,
            What::Parameters(ids) => map.serialize_entry("parameter", &ids.value())?,
        }
        map.end()
    }
}

fn json(received: &impl Serialize) -> Vec<String> {
    serde_json::to_string(received).into_iter().collect() // always one: plain structs serialise
}

/// ISO 8601 in UTC; the beginning of 1970 where there is no time that a calendar has.
fn date_time(time_ms: Option<i64>) -> String {
    let time = time_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

#[cfg(test)]
mod tests {
    use quix_model::{EventData, Outgoing, ParameterData, Reading, WriteSettings};

    use super::*;

    fn messages(filter: &str, outgoing: Outgoing<'_>) -> Vec<String> {
        let filter: Filter = toml::from_str(filter).unwrap();
        assert_eq!(toml::from_str::<Filter>(&toml::to_string(&filter).unwrap()).unwrap(), filter);
        let records = WriteSettings::default().records(outgoing, "car-1", 0).unwrap();
        let Reading::Package(package) = Package::read(Some(b"car-1"), [], Some(&records[0].value)) else { panic!() };
        let topic = TopicNames { id: "ws-t".to_owned(), name: "t".to_owned() };
        filter.messages(&topic, &package, Some(1_697_020_374_000))
    }

    #[test]
    fn events_are_chosen_by_id_and_stream_each_a_message() {
        let events: Vec<EventData> = ["a", "b", "a"]
            .iter()
            .map(|id| serde_json::from_str(&format!(r#"{{"timestamp":1,"id":"{id}","value":"v"}}"#)).unwrap())
            .collect();
        let count = |filter: &str| messages(filter, Outgoing::Events(&events)).len();
        assert_eq!(count("event = 'a'"), 2);
        assert_eq!(count("event = '*'"), 3);
        assert_eq!(count("event = ['a', 'b']\nstream = 'car-1'"), 3);
        assert_eq!(count("event = 'A'"), 0);
        assert_eq!(count("event = 'a'\nstream = 'car-2'"), 0);
        assert_eq!(count("parameter = 'a'"), 0);
        assert_eq!(
            messages("event = 'b'", Outgoing::Events(&events)),
            [r#"{"topicId":"ws-t","topicName":"t","streamId":"car-1","timestamp":1,"tags":{},"id":"b","value":"v"}"#]
        );
    }

    #[test]
    fn parameters_are_chosen_by_id_and_packages_are_whole() {
        let data: ParameterData =
            serde_json::from_str(r#"{"timestamps":[1],"numericValues":{"speed":[7],"rpm":[8]}}"#).unwrap();
        let of = |filter: &str| messages(filter, Outgoing::ParameterData(&data));
        assert!(of("parameter = 'speed'")[0].contains(r#""numericValues":{"speed":[7]}"#));
        assert!(of("parameter = '*'")[0].contains(r#""rpm":[8]"#));
        assert!(of("parameter = 'gear'").is_empty());
        let whole = of("");
        assert!(whole[0].contains(r#""type":"QuixStreams.Telemetry.Models.TimeseriesDataRaw""#), "{whole:?}");
        assert!(whole[0].ends_with(r#""dateTime":"2023-10-11T10:32:54Z"}"#), "{whole:?}");
    }

    #[test]
    fn what_is_no_filter_is_told() {
        for text in ["event = 'a'\nparameter = 'b'", "event = 1", "event = []", "evnt = 'a'"] {
            let error = toml::from_str::<Filter>(text).unwrap_err().to_string();
            assert!(error.contains("must name what is wanted"), "{text}: {error}");
        }
    }
}
