//! `Stream`: what is known of one stream of a topic. Copies share it until one of them learns more.

use std::sync::Arc;

use quix_model::{Column, Data, Event, EventDefinition, ParameterDefinition, StreamProperties, Timeseries};

use super::known::{Definition, Kind, Known};
use super::sign::Sign;

/// What is known of a stream. Times are milliseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stream {
    pub(crate) id: Arc<str>,
    pub(crate) properties: Arc<StreamProperties>,
    pub(crate) parameters: Arc<Known<ParameterDefinition, Kind>>,
    pub(crate) events: Arc<Known<EventDefinition, ()>>,
    pub(crate) first_seen: i64,
    pub(crate) last_seen: i64,
    /// `None`: nothing yet but what is about the stream.
    pub(crate) last_data: Option<i64>,
    properties_bytes: usize,
}

/// Whether data comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Receiving,
    Idle,
}

impl Stream {
    pub(crate) fn new(id: Arc<str>, seen_at: i64) -> Self {
        Self {
            id,
            properties: Arc::default(),
            parameters: Arc::default(),
            events: Arc::default(),
            first_seen: seen_at,
            last_seen: seen_at,
            last_data: None,
            properties_bytes: 0,
        }
    }

    /// Learns from a sign that came at that time; whether anything changed but times.
    pub(crate) fn learn(&mut self, sign: Sign<'_>, seen_at: i64) -> bool {
        self.last_seen = self.last_seen.max(seen_at);
        if sign.is_data() {
            self.last_data = self.last_data.max(Some(seen_at));
        }
        match sign {
            Sign::Model(Data::Timeseries(timeseries)) => self.learn_parameters(&timeseries),
            Sign::Model(Data::Events(events)) => self.learn_events(&events),
            Sign::Model(Data::StreamProperties(properties)) => self.learn_properties(properties),
            Sign::Model(Data::ParameterDefinitions(definitions)) => {
                let known = self.parameters.redefined(&definitions);
                replace(&mut self.parameters, known)
            }
            Sign::Model(Data::EventDefinitions(definitions)) => {
                let known = self.events.redefined(&definitions);
                replace(&mut self.events, known)
            }
            Sign::Model(Data::StreamEnd(_)) | Sign::Data | Sign::Life => false,
        }
    }

    pub(crate) fn status(&self, now: i64, idle_after: i64) -> Status {
        let receives = self.last_data.is_some_and(|last| now < last.saturating_add(idle_after));
        if receives { Status::Receiving } else { Status::Idle }
    }

    /// What it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        STREAM_BYTES + 2 * self.id.len() + self.properties_bytes + self.parameters.bytes() + self.events.bytes()
    }

    fn learn_parameters(&mut self, timeseries: &Timeseries<'_>) -> bool {
        let Timeseries { numeric, strings, binary, .. } = timeseries;
        let numeric = numeric.iter().filter(has_values).map(|column| (&*column.id, Kind::Numeric));
        let strings = strings.iter().filter(has_values).map(|column| (&*column.id, Kind::String));
        let binary = binary.iter().filter(has_values).map(|column| (&*column.id, Kind::Binary));
        see(&mut self.parameters, numeric.chain(strings).chain(binary))
    }

    fn learn_events(&mut self, events: &[Event<'_>]) -> bool {
        see(&mut self.events, events.iter().filter_map(|event| Some((event.id.as_deref()?, ()))))
    }

    fn learn_properties(&mut self, properties: StreamProperties) -> bool {
        let (properties, bytes) = bounded(properties);
        self.properties_bytes = bytes;
        replace(&mut self.properties, properties)
    }
}

fn has_values<T>(column: &&Column<'_, T>) -> bool {
    column.values.iter().any(Option::is_some)
}

fn see<'a, D: Definition, S: Copy>(known: &mut Arc<Known<D, S>>, ids: impl Iterator<Item = (&'a str, S)>) -> bool {
    let mut news = false;
    for (id, how) in ids {
        if known.is_new(id) {
            Arc::make_mut(known).see(id, how);
            news = true;
        }
    }
    news
}

fn replace<T: PartialEq>(known: &mut Arc<T>, new: T) -> bool {
    let news = **known != new;
    if news {
        *known = Arc::new(new);
    }
    news
}

/// The properties as far as they fit, in the order of their importance, and the bytes of their texts.
fn bounded(properties: StreamProperties) -> (StreamProperties, usize) {
    let mut bytes = 0;
    let mut fits = |length: usize| {
        let fits = bytes + length <= MAX_PROPERTIES_BYTES;
        bytes += if fits { length } else { 0 };
        fits
    };
    let mut text = |text: Option<String>| text.filter(|text| fits(text.len()));
    let (name, location) = (text(properties.name), text(properties.location));
    let time_of_recording = text(properties.time_of_recording);
    let metadata = properties.metadata.iter();
    let metadata = metadata.filter(|(name, value)| fits(name.len() + value.map_or(0, str::len) + ITEM_BYTES));
    let metadata = metadata.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).collect();
    let parents = properties.parents.into_iter().filter(|parent| fits(parent.len() + ITEM_BYTES)).collect();
    (StreamProperties { name, location, metadata, parents, time_of_recording }, bytes)
}

/// Of a stream of which nothing is known, with its places in the tracker's indexes.
const STREAM_BYTES: usize = 640;

/// Of the texts of a stream's properties; those that are too much are left out.
const MAX_PROPERTIES_BYTES: usize = 16 * 1024;

/// Of an entry of a list or map, beside its texts.
const ITEM_BYTES: usize = 48;

#[cfg(test)]
mod tests {
    use quix_model::StreamEnd;

    use super::*;

    #[test]
    fn a_stream_receives_while_data_came_lately_and_not_what_is_about_it() {
        let mut stream = Stream::new("s".into(), 100);
        assert!(!stream.learn(Sign::Life, 150));
        assert!(stream.learn(properties("n", &[]), 200));
        assert_eq!((stream.last_seen, stream.last_data, stream.status(200, 10)), (200, None, Status::Idle));
        assert!(!stream.learn(Sign::Data, 300));
        for (now, status) in [(300, Status::Receiving), (309, Status::Receiving), (310, Status::Idle)] {
            assert_eq!(stream.status(now, 10), status, "{now}");
        }
        assert!(!stream.learn(Sign::Model(Data::StreamEnd(StreamEnd::Closed)), 250));
        assert_eq!((stream.first_seen, stream.last_seen, stream.last_data), (100, 300, Some(300)), "times only grow");
    }

    #[test]
    fn the_first_value_says_what_a_parameter_is_and_a_column_of_nulls_nothing() {
        let mut stream = Stream::new("s".into(), 0);
        let column = |value: Option<f64>| vec![Column { id: "a".into(), values: vec![None, value] }];
        let mut timeseries = Timeseries { timestamps: vec![1, 2], numeric: column(None), ..Timeseries::default() };
        assert!(!stream.learn(Sign::Model(Data::Timeseries(timeseries.clone())), 0));
        timeseries.numeric = column(Some(1.0));
        assert!(stream.learn(Sign::Model(Data::Timeseries(timeseries.clone())), 0));
        timeseries.strings = vec![Column { id: "a".into(), values: vec![Some("x".into()), None] }];
        assert!(!stream.learn(Sign::Model(Data::Timeseries(timeseries)), 0));
        assert_eq!(stream.parameters.all().collect::<Vec<_>>(), [("a", None, Some(Kind::Numeric))]);
    }

    #[test]
    fn the_same_properties_again_are_no_news_and_too_large_ones_are_cut() {
        let mut stream = Stream::new("s".into(), 0);
        assert!(stream.learn(properties("n", &["p"]), 0));
        assert!(!stream.learn(properties("n", &["p"]), 1));
        assert!(stream.learn(properties("n", &[]), 2), "a new set replaces the one before");
        let before = stream.bytes();
        let parents = vec!["x".repeat(1_000); 1_000];
        let parents: Vec<_> = parents.iter().map(String::as_str).collect();
        assert!(stream.learn(properties(&"n".repeat(20_000), &parents), 3));
        assert_eq!((stream.properties.name.as_deref(), stream.properties.parents.len()), (None, 15));
        assert!(stream.bytes() - before < MAX_PROPERTIES_BYTES);
    }

    fn properties(name: &str, parents: &[&str]) -> Sign<'static> {
        let parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
        Sign::Model(Data::StreamProperties(StreamProperties {
            name: Some(name.to_owned()),
            parents,
            ..StreamProperties::default()
        }))
    }
}
