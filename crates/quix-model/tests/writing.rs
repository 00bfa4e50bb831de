//! Records of calls, to the byte: the models beside parameter data, and the settings of a topic.

#![allow(clippy::unwrap_used)]

use std::time::Instant;

use quix_model::{
    Data, EventDefinition, Events, LocatedDefinitions, MergeLimits, Merger, NewRecord, Outgoing, Package,
    ParameterData, ParameterDefinition, ReadLimits, Reading, Splitting, StreamEnd, StreamProperties, WriteError,
    WriteForm, WriteSettings,
};

/// As the .NET library wrote them, but for the `Z` of the time and for `flag`, whose level it cannot tell.
const PROPERTIES: &str = r#"{"C":"JT","K":"StreamProperties","V":{"Name":"Car A – první","Location":"/cars/ai/carA/","Metadata":{"engine":"V8","empty":""},"Parents":["parent-1","parent-2"],"TimeOfRecording":"2024-02-29T12:30:15.123456Z"},"S":37,"E":212}"#;
const PARAMETERS: &str = r#"{"C":"JT","K":"ParameterDefinitions","V":{"ParameterGroups":[{"Name":"chassis","ChildGroups":[{"Name":"front","ChildGroups":[],"Parameters":[{"Id":"speed","Name":"Speed","MinimumValue":0.0,"MaximumValue":400.5,"Unit":"km/h","CustomProperties":"{\"limit\":80}"}]}],"Parameters":[]},{"Name":"engine","ChildGroups":[],"Parameters":[{"Id":"rpm"}]}],"Parameters":[{"Id":"gear","Name":"Gear","Description":"Selected gear","MinimumValue":-1.0,"MaximumValue":8.0,"Unit":"no","Format":"{0}"}]},"S":41,"E":484}"#;
const EVENTS: &str = r#"{"C":"JT","K":"EventDefinitions","V":{"EventGroups":[{"Name":"race","ChildGroups":[{"Name":"day","ChildGroups":[],"Events":[{"Id":"flag","Name":"Flag","Level":"Trace"}]}],"Events":[{"Id":"debug","Level":"Debug"}]}],"Events":[{"Id":"lap","Name":"Lap","Description":"A lap was finished","CustomProperties":"{\"colour\":\"red\"}","Level":"Critical"},{"Id":"plain","Level":"Information"}]},"S":37,"E":385}"#;

const PARAMETERS_SENT: &str = r#"[
    {"id":"gear","name":"Gear","description":"Selected gear","minimumValue":-1,"maximumValue":8,"unit":"no","format":"{0}"},
    {"Id":"speed","Name":"Speed","MinimumValue":0,"MaximumValue":400.5,"Unit":"km/h","CustomProperties":"{\"limit\":80}","Location":"/chassis/front"},
    {"id":"rpm","location":"engine/","name":null}]"#;
const EVENTS_SENT: &str = r#"[
    {"id":"lap","name":"Lap","description":"A lap was finished","customProperties":"{\"colour\":\"red\"}","level":"critical"},
    {"id":"flag","name":"Flag","level":0,"location":"/race/day"}, {"id":"plain","x":1}, {"ID":"debug","LEVEL":"Debug","LOCATION":"/race"}]"#;

#[test]
fn properties_and_definitions_are_written_as_dotnet_does() {
    let properties = r#"{"NAME":"Car A – první","location":"/cars/ai/carA/","metadata":{"engine":"V8","empty":""},"parents":["parent-1","parent-2"],"timeOfRecording":"2024-02-29T12:30:15.123456"}"#;
    assert_eq!(text(&one(Outgoing::StreamProperties(&serde_json::from_str(properties).unwrap()))), PROPERTIES);
    assert_eq!(text(&one(Outgoing::ParameterDefinitions(&parameters(PARAMETERS_SENT).0))), PARAMETERS);
    assert_eq!(text(&one(Outgoing::EventDefinitions(&events(EVENTS_SENT).0))), EVENTS);
}

#[test]
fn empty_models_have_their_lists_and_ends_their_type() {
    for (outgoing, expected) in [
        (
            Outgoing::StreamProperties(&serde_json::from_str("{}").unwrap()),
            r#"{"C":"JT","K":"StreamProperties","V":{"Metadata":{},"Parents":[]},"S":37,"E":65}"#,
        ),
        (
            Outgoing::ParameterDefinitions(&[]),
            r#"{"C":"JT","K":"ParameterDefinitions","V":{"ParameterGroups":[],"Parameters":[]},"S":41,"E":79}"#,
        ),
        (Outgoing::StreamEnd(StreamEnd::Closed), r#"{"C":"JT","K":"StreamEnd","V":{},"S":30,"E":32}"#),
        (
            Outgoing::StreamEnd(StreamEnd::Aborted),
            r#"{"C":"JT","K":"StreamEnd","V":{"StreamEndType":"Aborted"},"S":30,"E":57}"#,
        ),
        (Outgoing::Events(&[]), r#"{"C":"JT","K":"EventData[]","V":[],"S":32,"E":34}"#),
    ] {
        assert_eq!(text(&one(outgoing)), expected);
    }
}

#[test]
fn json_of_others_stays_as_it_is_in_every_form() {
    const JSON: &str = r#"{ "id": 12345678901234567890, "x": 1.10 }"#;
    for form in [WriteForm::Legacy, WriteForm::Headers, WriteForm::Json] {
        let settings = WriteSettings { form, splitting: Splitting::Legacy, ..WriteSettings::default() };
        let records = settings.records(Outgoing::Json(JSON), "s", 0).unwrap();
        let expected = NewRecord { headers: Vec::new(), value: JSON.into() };
        assert_eq!(records, [expected], "{form:?}");
        let small = WriteSettings { max_value_bytes: JSON.len() - 1, ..settings };
        let too_large = WriteError::TooLarge { size: JSON.len(), limit: JSON.len() - 1 };
        assert_eq!(small.records(Outgoing::Json(JSON), "s", 0), Err(too_large), "{form:?}");
    }
}

#[test]
fn what_is_written_is_read_as_the_same_model() {
    let list = parameters(PARAMETERS_SENT).0;
    let record = one(Outgoing::ParameterDefinitions(&list));
    let package = package(&record.value);
    let Data::ParameterDefinitions(tree) = package.data().unwrap().data else { panic!() };
    let mut read: Vec<_> =
        tree.located().into_iter().map(|located| (located.location, located.definition.clone())).collect();
    read.sort_by_key(|(_, definition)| definition.id.clone());
    let mut sent: Vec<_> = list.into_iter().map(|located| (located.location, located.definition)).collect();
    sent.sort_by_key(|(_, definition)| definition.id.clone());
    sent[1].0 = "/engine".to_owned(); // it was sent without its slash
    assert_eq!(read, sent);

    let value = package_value(&one(Outgoing::EventDefinitions(&events(EVENTS_SENT).0)).value);
    assert!(
        value.contains(r#"{"Id":"debug","Name":null,"Description":null,"CustomProperties":null,"Level":1}"#),
        "{value}"
    );
    assert!(
        value.starts_with(
            r#"{"EventGroups":[{"Name":"race","Description":null,"CustomProperties":null,"ChildGroups":["#
        ),
        "{value}"
    );
    assert_eq!(package_value(&one(Outgoing::StreamEnd(StreamEnd::Terminated)).value), r#"{"StreamEndType":2}"#);
}

#[test]
fn groups_of_one_name_in_two_places_are_two() {
    let list =
        parameters(r#"[{"id":"a","location":"/x/y"},{"id":"b","location":"/y/x"},{"id":"c","location":"/x"}]"#).0;
    let record = one(Outgoing::ParameterDefinitions(&list));
    let package = package(&record.value);
    let Data::ParameterDefinitions(tree) = package.data().unwrap().data else { panic!() };
    let read: Vec<_> = tree.located().into_iter().map(|at| (at.location, at.definition.id.clone().unwrap())).collect();
    let expected = [("/x", "c"), ("/x/y", "a"), ("/y/x", "b")];
    assert_eq!(read, expected.map(|(location, id)| (location.to_owned(), id.to_owned())));
}

#[test]
fn properties_and_definitions_are_refused_in_words() {
    let properties = |json: &str| serde_json::from_str::<StreamProperties>(json).unwrap_err().to_string();
    let parameters =
        |json: &str| serde_json::from_str::<LocatedDefinitions<ParameterDefinition>>(json).unwrap_err().to_string();
    let events =
        |json: &str| serde_json::from_str::<LocatedDefinitions<EventDefinition>>(json).unwrap_err().to_string();
    let deep = format!(r#"[{{"id":"a","location":"{}"}}]"#, "/x".repeat(31));
    for (told, error) in [
        (properties("[]"), "the stream's properties must be an object, not an array"),
        (properties(r#"{"name":5}"#), "`name` must be a string or null, not a number"),
        (properties(r#"{"metadata":[]}"#), "`metadata` must be an object of strings, not an array"),
        (properties(r#"{"metadata":{"a":{}}}"#), "`metadata.a` must be a string, not an object"),
        (properties(r#"{"parents":["a",null]}"#), "each of the `parents` must be a string, not null"),
        (
            properties(r#"{"timeOfRecording":"yesterday"}"#),
            "`timeOfRecording` must be a time in ISO 8601, not yesterday",
        ),
        (parameters("{}"), "the definitions must be an array, not an object"),
        (parameters("[1]"), "each definition must be an object, not a number"),
        (parameters(r#"[{"name":"x"}]"#), "a definition has no `id`, or an empty one"),
        (parameters(r#"[{"id":""}]"#), "a definition has no `id`, or an empty one"),
        (parameters(r#"[{"id":"a"},{"id":"a","location":"/x"}]"#), "two definitions have the id `a`"),
        (parameters(r#"[{"id":"a","minimumValue":"0"}]"#), "`minimumValue` must be a number or null, not a string"),
        (parameters(&deep), "the location of `a` is deeper than 30 groups"),
        (
            events(r#"[{"id":"a","level":"Loud"}]"#),
            "`level` must be one of Trace, Debug, Information, Warning, Error, Critical, not Loud",
        ),
        (
            events(r#"[{"id":"a","level":6}]"#),
            "`level` must be one of Trace, Debug, Information, Warning, Error, Critical, not 6",
        ),
    ] {
        assert_eq!(told.split(" at line ").next().unwrap(), error);
    }
    let taken: StreamProperties = serde_json::from_str(r#"{"metadata":{"n":1.50,"b":true,"z":null}}"#).unwrap();
    assert_eq!(taken.metadata.iter().collect::<Vec<_>>(), [("n", Some("1.50")), ("b", Some("true")), ("z", None)]);
}

#[test]
fn a_hundred_thousand_groups_are_planted_at_once() {
    let items: Vec<String> = (0..100_000).map(|n| format!(r#"{{"id":"{n}","location":"/g{n}"}}"#)).collect();
    let list = parameters(&format!("[{}]", items.join(",")));
    let settings = WriteSettings { max_value_bytes: usize::MAX, ..WriteSettings::default() };
    assert_eq!(settings.records(Outgoing::ParameterDefinitions(&list.0), "s", 0).unwrap().len(), 1);
}

#[test]
fn the_header_form_is_the_bare_model() {
    let settings = WriteSettings { form: WriteForm::Headers, ..WriteSettings::default() };
    let data: ParameterData = serde_json::from_str(r#"{"timestamps":[1]}"#).unwrap();
    for (outgoing, key) in [
        (Outgoing::ParameterData(&data), "TimeseriesData"),
        (Outgoing::Events(&[]), "EventData[]"),
        (Outgoing::StreamEnd(StreamEnd::Closed), "StreamEnd"),
    ] {
        let record = settings.records(outgoing, "s", 0).unwrap().remove(0);
        assert_eq!(record.headers, [("__Q_ModelKey", key), ("__Q_CodecId", "JT")]);
        let headers = record.headers.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
        let package = Package::read_whole(ReadLimits::default(), None, headers, Some(&record.value)).unwrap();
        assert_eq!(package.content().problem, None);
        assert!(package.data().is_some());
    }
}

#[test]
fn plain_json_is_one_record_per_event_and_the_data_as_it_is() {
    let settings = WriteSettings { form: WriteForm::Json, ..WriteSettings::default() };
    let events: Events =
        serde_json::from_str(r#"[{"id":"a","timestamp":1,"value":"v"},{"id":"b","timestamp":2}]"#).unwrap();
    let values: Vec<_> = settings.records(Outgoing::Events(&events), "s", 0).unwrap().iter().map(text).collect();
    assert_eq!(
        values,
        [r#"{"Timestamp":1,"Tags":{},"Id":"a","Value":"v"}"#, r#"{"Timestamp":2,"Tags":{},"Id":"b","Value":null}"#]
    );
    let data: ParameterData = serde_json::from_str(r#"{"epoch":5,"timestamps":[1]}"#).unwrap();
    let value = text(&settings.records(Outgoing::ParameterData(&data), "s", 0).unwrap()[0]);
    assert_eq!(value, r#"{"Timestamps":[6],"NumericValues":{},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#);
    assert_eq!(settings.records(Outgoing::StreamEnd(StreamEnd::Closed), "s", 0), Ok(vec![]));
}

#[test]
fn a_large_value_is_refused_or_split_and_merges_again() {
    let events: Events =
        serde_json::from_str(&format!(r#"[{{"id":"a","timestamp":1,"value":"{}"}}]"#, "č".repeat(500))).unwrap();
    let outgoing = Outgoing::Events(&events);
    let whole = one(outgoing).value;
    let limit = |max_value_bytes, splitting| WriteSettings { max_value_bytes, splitting, ..WriteSettings::default() };
    let refused = WriteError::TooLarge { size: whole.len(), limit: whole.len() - 1 };
    assert_eq!(limit(whole.len() - 1, Splitting::Refuse).records(outgoing, "key", 1), Err(refused));
    assert_eq!(limit(whole.len(), Splitting::Refuse).records(outgoing, "key", 1).unwrap().len(), 1);
    for form in [WriteForm::Headers, WriteForm::Json] {
        let settings = WriteSettings { form, ..limit(100, Splitting::Legacy) };
        assert!(matches!(settings.records(outgoing, "key", 1), Err(WriteError::TooLarge { .. })));
    }

    for max_value_bytes in [whole.len() - 1, 200, 13 + whole.len().div_ceil(255)] {
        let records = limit(max_value_bytes, Splitting::Legacy).records(outgoing, "key", 0xFFFF_FFFE).unwrap();
        assert!((2..=255).contains(&records.len()));
        let mut merger = Merger::new(MergeLimits::default());
        let mut merged = None;
        for record in &records {
            assert!(record.value.len() + "key".len() <= max_value_bytes && record.headers.is_empty());
            assert_eq!(record.value[..5], *b"<\xfe\xff\xff\xff");
            let Reading::Segment(segment) = Package::read(None, [], Some(&record.value)) else { panic!() };
            assert!(merged.is_none());
            merged = merger.add(0, 0, None, segment, || (), Instant::now()).merged;
        }
        assert_eq!(merged.unwrap().value, whole);
    }
    for too_small in [0, 13, 12 + whole.len().div_ceil(255)] {
        let refused = limit(too_small, Splitting::Legacy).records(outgoing, "key", 1);
        assert_eq!(refused, Err(WriteError::TooLarge { size: whole.len(), limit: too_small }));
    }
}

#[test]
fn slashes_are_warned_of_or_refused() {
    let lenient = WriteSettings::default();
    assert_eq!((lenient.check_stream_id("a"), lenient.check_stream_id("a/b")), (Ok(false), Ok(true)));
    let strict = WriteSettings { refuse_slashes: true, ..lenient.clone() };
    assert_eq!(strict.check_stream_id("a\\b"), Err(WriteError::Slash("a\\b".to_owned())));
    let list = parameters(r#"[{"id":"a/b"}]"#).0;
    assert!(lenient.records(Outgoing::ParameterDefinitions(&list), "s", 0).is_ok());
    let refused = strict.records(Outgoing::ParameterDefinitions(&list), "s", 0);
    assert_eq!(refused, Err(WriteError::Slash("a/b".to_owned())));
}

fn one(outgoing: Outgoing<'_>) -> NewRecord {
    let mut records = WriteSettings::default().records(outgoing, "s", 0).unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].headers, []);
    records.remove(0)
}

fn text(record: &NewRecord) -> String {
    String::from_utf8(record.value.clone()).unwrap()
}

fn package(value: &[u8]) -> Package<'_> {
    Package::read_whole(ReadLimits::default(), None, [], Some(value)).unwrap()
}

fn package_value(value: &[u8]) -> String {
    package(value).content().value.into_owned()
}

fn parameters(json: &str) -> LocatedDefinitions<ParameterDefinition> {
    serde_json::from_str(json).unwrap()
}

fn events(json: &str) -> LocatedDefinitions<EventDefinition> {
    serde_json::from_str(json).unwrap()
}
