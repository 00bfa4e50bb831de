//! What subscribers get of parameter data and events, in both encodings of hubs.

#![allow(clippy::unwrap_used)]

use quix_model::{Data, DefinitionsUpdated, EventDataReceived, Package, ParameterDataReceived, ReadLimits};
use serde_json::Value;
use signalr_proto::Encoding;

const BODY: &str = r#"{"Epoch":1000,"Timestamps":[1,-2],"NumericValues":{"EngineRPM":[11444,null],"Speed":[1.5,"NaN"]},"StringValues":{"note":[null,"č"]},"BinaryValues":{"frame":["/w==",null]},"TagValues":{"LapNumber":["2",null]}}"#;

#[test]
fn only_wanted_parameters_but_all_tags_and_timestamps() {
    assert_eq!(
        json(|id| id == "EngineRPM").unwrap(),
        r#"{"topicId":"ws-t","topicName":"t","streamId":"s","epoch":0,"timestamps":[1001,998],"numericValues":{"EngineRPM":[11444,null]},"stringValues":{},"tagValues":{"LapNumber":["2",null]},"binaryValues":{}}"#
    );
    assert_eq!(
        json(|_| true).unwrap(),
        r#"{"topicId":"ws-t","topicName":"t","streamId":"s","epoch":0,"timestamps":[1001,998],"numericValues":{"EngineRPM":[11444,null],"Speed":[1.5,"NaN"]},"stringValues":{"note":[null,"č"]},"tagValues":{"LapNumber":["2",null]},"binaryValues":{"frame":["/w==",null]}}"#
    );
    assert!(json(|id| id == "frame").unwrap().ends_with(r#""binaryValues":{"frame":["/w==",null]}}"#));
    // A tag is no parameter, and case matters.
    assert_eq!((json(|id| id == "LapNumber"), json(|id| id == "enginerpm")), (None, None));
}

#[test]
fn messagepack_has_bytes_and_numbers_as_such() {
    let package = package("ParameterData", BODY);
    let Data::Timeseries(timeseries) = package.data().unwrap().data else { panic!() };
    let received = ParameterDataReceived {
        topic_id: "ws-t",
        topic_name: "t",
        stream_id: "s",
        timeseries: &timeseries,
        wanted: |_: &str| true,
    };
    let bytes = Encoding::MessagePack.encode_value(&received).unwrap();
    let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(holds(b"\xa5frame\x92\xc4\x01\xff\xc0"), "bytes, not text");
    assert!(holds(&[&b"\xa9EngineRPM\x92"[..], b"\xcd\x2c\xb4\xc0"].concat()), "11444 as an integer");
    assert!(holds(&[&b"\xcb"[..], &f64::NAN.to_be_bytes()].concat()), "NaN as a double");
}

#[test]
fn numbers_are_as_short_as_they_can_be() {
    let numbers = "11444.0,-0.0,1e21,9007199254740992.0,0.1,-3,1e400";
    let body = format!(r#"{{"Timestamps":[1,2,3,4,5,6,7],"NumericValues":{{"n":[{numbers}]}}}}"#);
    let package = package("ParameterData", &body);
    let Data::Timeseries(timeseries) = package.data().unwrap().data else { panic!() };
    let received = ParameterDataReceived {
        topic_id: "",
        topic_name: "",
        stream_id: "",
        timeseries: &timeseries,
        wanted: |_: &str| true,
    };
    let json = serde_json::to_string(&received).unwrap();
    assert!(json.contains(r#""n":[11444,-0.0,1e+21,9007199254740992.0,0.1,-3,"Infinity"]"#), "{json}");
}

#[test]
fn timestamps_beyond_64_bits_stay_at_the_end() {
    let package = package("ParameterData", r#"{"Epoch":9223372036854775807,"Timestamps":[1,-1]}"#);
    let Data::Timeseries(timeseries) = package.data().unwrap().data else { panic!() };
    assert_eq!(timeseries.absolute_timestamps().collect::<Vec<_>>(), [i64::MAX, i64::MAX - 1]);
}

#[test]
fn an_event_is_one_object() {
    let body = r#"[{"Timestamp":5,"Tags":{"t":"x","n":null,"t":"y"},"Id":"EventA","Value":"val-a"},{}]"#;
    let package = package("EventData[]", body);
    let Data::Events(events) = package.data().unwrap().data else { panic!() };
    let json: Vec<_> = events
        .iter()
        .map(|event| EventDataReceived { topic_id: "ws-t", topic_name: "t", stream_id: "s", event })
        .map(|received| serde_json::to_string(&received).unwrap())
        .collect();
    assert_eq!(
        json,
        [
            r#"{"topicId":"ws-t","topicName":"t","streamId":"s","timestamp":5,"tags":{"t":"y","n":null},"id":"EventA","value":"val-a"}"#,
            r#"{"topicId":"ws-t","topicName":"t","streamId":"s","timestamp":0,"tags":{},"id":null,"value":null}"#,
        ]
    );
}

#[test]
fn definitions_are_a_list_with_locations_and_all_members() {
    let body = r#"{"ParameterGroups":[{"Name":"chassis","ChildGroups":[{"Name":"engine","Parameters":[{"Id":"rpm","Name":"Revs","MinimumValue":0.0,"MaximumValue":20000.5,"Unit":"1/min","Format":"%d","CustomProperties":"{}"}]}]}],"Parameters":[{"Id":"top"}]}"#;
    let Data::ParameterDefinitions(definitions) = package("ParameterDefinitions", body).data().unwrap().data else {
        panic!()
    };
    let updated = DefinitionsUpdated { topic_id: "ws-t", topic_name: "t", stream_id: "s", definitions: &definitions };
    assert_eq!(
        serde_json::to_string(&updated).unwrap(),
        concat!(
            r#"{"topicName":"t","topicId":"ws-t","streamId":"s","definitions":["#,
            r#"{"Id":"top","Name":null,"Description":null,"MinimumValue":null,"MaximumValue":null,"Unit":null,"CustomProperties":null,"Format":null,"Location":""},"#,
            r#"{"Id":"rpm","Name":"Revs","Description":null,"MinimumValue":0,"MaximumValue":20000.5,"Unit":"1/min","CustomProperties":"{}","Format":"%d","Location":"/chassis/engine"}]}"#
        )
    );
    let body = r#"{"EventGroups":[{"Name":"race","Events":[{"Id":"win","Level":"Critical"}]}],"Events":[]}"#;
    let Data::EventDefinitions(definitions) = package("EventDefinitions", body).data().unwrap().data else { panic!() };
    let updated = DefinitionsUpdated { topic_id: "ws-t", topic_name: "t", stream_id: "", definitions: &definitions };
    assert_eq!(
        serde_json::to_string(&updated).unwrap(),
        concat!(
            r#"{"topicName":"t","topicId":"ws-t","streamId":"","definitions":["#,
            r#"{"Id":"win","Name":null,"Description":null,"CustomProperties":null,"Level":"Critical","Location":"/race"}]}"#
        )
    );
}

fn json(wanted: fn(&str) -> bool) -> Option<String> {
    let package = package("ParameterData", BODY);
    let Data::Timeseries(timeseries) = package.data().unwrap().data else { panic!() };
    let received =
        ParameterDataReceived { topic_id: "ws-t", topic_name: "t", stream_id: "s", timeseries: &timeseries, wanted };
    let json = serde_json::to_string(&received).unwrap();
    assert!(serde_json::from_str::<Value>(&json).is_ok());
    received.has_any().then_some(json)
}

/// Beside headers; leaked, for the packages borrow from it.
fn package(key: &'static str, body: &str) -> Package<'static> {
    let body: &'static str = body.to_owned().leak();
    let headers = [("__Q_ModelKey", Some(key.as_bytes())), ("__Q_CodecId", Some(&b"JT"[..]))];
    Package::read_whole(ReadLimits::default(), None, headers, Some(body.as_bytes())).unwrap()
}
