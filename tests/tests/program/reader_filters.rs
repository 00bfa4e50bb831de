//! What a Reader gets of parameters, events and definitions: what it asked for, each package once, to the letter.

use quix_model::Outgoing;
use serde_json::{Value, json};

use crate::reader::{Reader, Room};

#[tokio::test(flavor = "multi_thread")]
async fn three_subscriptions_give_one_callback_per_package_with_all_tags() {
    let room = Room::open().await;
    let reader = room.reader().await;
    for parameter in ["Y_grav", "throttle", "brake"] {
        reader.calls("SubscribeToParameter", ("t", "car", parameter)).await;
    }
    for number in 0..2 {
        let others: serde_json::Map<_, _> =
            (0..9).map(|other| (format!("other-{other}"), json!([other, null]))).collect();
        let mut data = json!({
            "timestamps": [2 * number, 2 * number + 1],
            "numericValues": others,
            "stringValues": { "brake": ["soft", null], "note": ["x", "y"] },
            "tagValues": { "lap": ["1", "1"], "driver": [null, "Ann"] }
        });
        data["numericValues"]["Y_grav"] = json!([0.25, null]);
        data["numericValues"]["throttle"] = json!([100, 99]);
        room.parameters("t", "car", data).await;
    }
    for number in 0..2 {
        let got = reader.next_of("ParameterDataReceived").await;
        assert_eq!(got["timestamps"], json!([2 * number, 2 * number + 1]), "one for each package");
        assert_eq!(got["numericValues"], json!({ "Y_grav": [0.25, null], "throttle": [100, 99] }));
        assert_eq!(got["stringValues"], json!({ "brake": ["soft", null] }));
        assert_eq!(got["tagValues"], json!({ "lap": ["1", "1"], "driver": [null, "Ann"] }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_connections_with_different_parameters_of_a_stream_each_see_their_own() {
    let room = Room::open().await;
    let (a, b) = (room.reader().await, room.reader().await);
    a.calls("SubscribeToParameter", ("t", "car", "speed")).await;
    b.calls("SubscribeToParameter", ("t", "car", "rpm")).await;
    room.parameters("t", "car", json!({ "timestamps": [1], "numericValues": { "rpm": [9000] } })).await;
    room.parameters("t", "car", json!({ "timestamps": [2], "numericValues": { "speed": [70], "rpm": [9001] } })).await;
    let got = a.next_of("ParameterDataReceived").await;
    assert_eq!((&got["timestamps"], &got["numericValues"]), (&json!([2]), &json!({ "speed": [70] })));
    for (time, rpm) in [(1, 9000), (2, 9001)] {
        let got = b.next_of("ParameterDataReceived").await;
        assert_eq!((&got["timestamps"], &got["numericValues"]), (&json!([time]), &json!({ "rpm": [rpm] })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn relative_timestamps_come_out_absolute_with_epoch_0_and_every_digit() {
    let room = Room::open().await;
    let reader = room.reader().await;
    reader.calls("SubscribeToParameter", ("t", "*", "speed")).await;
    let value = br#"{"C":"JT","K":"ParameterData","V":{"Epoch":1697025689418406000,"Timestamps":[1,-1,0],"NumericValues":{"speed":[1.0,2.5,null]}}}"#;
    room.record("t", b"car", value).await;
    let (target, text) = reader.next_text().await;
    assert_eq!(target, "ParameterDataReceived");
    let expected = r#"{"topicId":"local-t","topicName":"t","streamId":"car","epoch":0,"timestamps":[1697025689418406001,1697025689418405999,1697025689418406000],"numericValues":{"speed":[1,2.5,null]},"stringValues":{},"tagValues":{},"binaryValues":{}}"#;
    assert_eq!(text, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_maps_are_there_and_null_items_stay() {
    let room = Room::open().await;
    let reader = room.reader().await;
    reader.calls("SubscribeToParameter", ("t", "cam", "image")).await;
    let data = json!({
        "timestamps": [1, 2],
        "binaryValues": { "image": [null, "/w=="] },
        "stringValues": null
    });
    room.parameters("t", "cam", data).await;
    room.parameters("t", "cam", json!({ "timestamps": [3], "stringValues": { "image": [null] } })).await;
    let (first, second) = (reader.next().await.1, reader.next().await.1);
    assert_eq!(first["binaryValues"], json!({ "image": [null, "/w=="] }));
    assert_eq!(second["stringValues"], json!({ "image": [null] }), "a row of nulls stays");
    for (got, empty) in [
        (&first, ["numericValues", "stringValues", "tagValues"]),
        (&second, ["numericValues", "binaryValues", "tagValues"]),
    ] {
        empty.iter().for_each(|name| assert_eq!(got[name], json!({}), "{name}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_star_is_all_streams_or_all_parameters_and_overlaps_deliver_once() {
    let room = Room::open().await;
    let (streams, both) = (room.reader().await, room.reader().await);
    streams.calls("SubscribeToParameter", ("t", "*", "speed")).await;
    streams.calls("SubscribeToParameter", ("t", "a", "speed")).await;
    both.calls("SubscribeToParameter", ("t", "*", "*")).await;
    both.calls("SubscribeToParameter", ("t", "*", "speed")).await;
    both.calls("SubscribeToParameter", ("t", "*", "*")).await;
    for (number, stream) in ["a", "b", "*", "speed"].into_iter().enumerate() {
        let numbers = json!({ "speed": [number], "Speed": [0] });
        room.parameters("t", stream, json!({ "timestamps": [number], "numericValues": numbers })).await;
    }
    for (number, stream) in ["a", "b", "*", "speed"].into_iter().enumerate() {
        let (one, all) = (streams.next().await.1, both.next().await.1);
        assert_eq!((&one["streamId"], &all["streamId"]), (&json!(stream), &json!(stream)));
        assert_eq!(one["numericValues"], json!({ "speed": [number] }), "case matters");
        assert_eq!(all["numericValues"], json!({ "speed": [number], "Speed": [0] }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unsubscribing_ends_exactly_the_named_one_and_never_fails() {
    let room = Room::open().await;
    let reader = room.reader().await;
    for (stream, parameter) in [("s", "a"), ("s", "b"), ("s", "*"), ("*", "a"), ("other", "a")] {
        reader.calls("SubscribeToParameter", ("t", stream, parameter)).await;
    }
    for never in [("t", "s", "c"), ("t", "nowhere", "a"), ("t", "*", "*"), ("unknown", "s", "a"), ("no topic!", "", "")]
    {
        reader.calls("UnsubscribeFromParameter", never).await;
        reader.calls("UnsubscribeFromEvent", never).await;
        reader.calls("UnsubscribeFromStream", (never.0, "nowhere")).await;
        reader.calls("UnsubscribeFromParameterDefinitions", (never.0, never.1)).await;
        reader.calls("UnsubscribeFromEventDefinitions", (never.0, never.1)).await;
        reader.calls("UnsubscribeFromPackages", (never.0,)).await;
    }
    let expect = async |stream: &str, numbers: Value| {
        let all = json!({ "a": [1], "b": [2], "c": [3] });
        room.parameters("t", stream, json!({ "timestamps": [1], "numericValues": all })).await;
        let got = reader.next_of("ParameterDataReceived").await;
        assert_eq!((&got["streamId"], &got["numericValues"]), (&json!(stream), &numbers));
    };
    expect("s", json!({ "a": [1], "b": [2], "c": [3] })).await;
    reader.calls("UnsubscribeFromParameter", ("t", "s", "*")).await;
    expect("s", json!({ "a": [1], "b": [2] })).await;
    reader.calls("UnsubscribeFromParameter", ("local-t", "s", "a")).await;
    expect("s", json!({ "a": [1], "b": [2] })).await;
    reader.calls("UnsubscribeFromStream", ("t", "s")).await;
    expect("s", json!({ "a": [1] })).await;
    reader.calls("UnsubscribeFromStream", ("t", "*")).await;
    // Nothing of this one any more.
    room.parameters("t", "s", json!({ "timestamps": [1], "numericValues": { "a": [1], "b": [2] } })).await;
    expect("other", json!({ "a": [1] })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_a_stream_ends_whatever_it_has_and_nothing_else() {
    let room = Room::open().await;
    let reader = room.reader().await;
    reader.calls("SubscribeToParameter", ("t", "s", "*")).await;
    reader.calls("SubscribeToEvent", ("t", "s", "*")).await;
    reader.calls("SubscribeToParameterDefinitions", ("t", "s")).await;
    reader.calls("SubscribeToEventDefinitions", ("t", "s")).await;
    reader.calls("SubscribeToEvent", ("t", "s2", "*")).await;
    reader.calls("SubscribeToPackages", ("t",)).await;
    reader.calls("UnsubscribeFromStream", ("t", "s")).await;
    room.parameters("t", "s", json!({ "timestamps": [1], "numericValues": { "a": [1] } })).await;
    room.events("t", "s", json!([{ "id": "e", "timestamp": 1 }])).await;
    room.parameter_definitions("t", "s", json!([{ "id": "a" }])).await;
    room.event_definitions("t", "s", json!([{ "id": "e" }])).await;
    for _ in 0..4 {
        assert_eq!(reader.next_of("PackageReceived").await["streamId"], "s");
    }
    room.events("t", "s2", json!([{ "id": "e", "timestamp": 1 }])).await;
    reader.next_of("PackageReceived").await;
    reader.next_of("EventDataReceived").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_that_was_asked_for_is_a_callback_in_the_order_of_the_package() {
    let room = Room::open().await;
    let (some, all) = (room.reader().await, room.reader().await);
    some.calls("SubscribeToEvent", ("t", "s", "EventA")).await;
    some.calls("SubscribeToEvent", ("t", "*", "EventC")).await;
    some.calls("SubscribeToEvent", ("t", "s", "EventC")).await;
    all.calls("SubscribeToEvent", ("t", "s", "*")).await;
    let ids = ["EventA", "EventB", "EventC", "eventa", "EventA"];
    let event = |(number, id): (usize, &str)| json!({ "timestamp": number, "id": id, "value": "v", "tags": { "n": number.to_string() } });
    let events: Vec<_> = ids.into_iter().enumerate().map(event).collect();
    room.events("t", "s", json!(events)).await;
    for (number, id) in ids.into_iter().enumerate() {
        let got = all.next_of("EventDataReceived").await;
        assert_eq!((&got["id"], &got["timestamp"]), (&json!(id), &json!(number)));
    }
    for number in [0, 2, 4] {
        let (target, text) = some.next_text().await;
        assert_eq!(target, "EventDataReceived");
        let id = ids[number];
        let expected = format!(
            r#"{{"topicId":"local-t","topicName":"t","streamId":"s","timestamp":{number},"tags":{{"n":"{number}"}},"id":"{id}","value":"v"}}"#
        );
        assert_eq!(text, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_come_as_a_list_with_locations() {
    let room = Room::open().await;
    let reader = room.reader().await;
    reader.calls("SubscribeToParameterDefinitions", ("local-t", "s")).await;
    reader.calls("SubscribeToEventDefinitions", ("t", "*")).await;
    let list = json!([
        { "id": "rpm", "name": "Revs", "minimumValue": 0, "maximumValue": 20000, "unit": "1/min", "location": "/car/engine" },
        { "id": "note" }
    ]);
    room.parameter_definitions("t", "other", list.clone()).await;
    room.parameter_definitions("t", "s", list).await;
    room.event_definitions("t", "s", json!([{ "id": "win", "level": "Critical", "location": "/race" }])).await;
    let got = reader.next_of("ParameterDefinitionsUpdated").await;
    assert_eq!((&got["topicId"], &got["topicName"], &got["streamId"]), (&json!("local-t"), &json!("t"), &json!("s")));
    assert_eq!(
        got["definitions"],
        json!([
            { "Id": "note", "Name": null, "Description": null, "MinimumValue": null, "MaximumValue": null, "Unit": null,
              "CustomProperties": null, "Format": null, "Location": "" },
            { "Id": "rpm", "Name": "Revs", "Description": null, "MinimumValue": 0, "MaximumValue": 20000, "Unit": "1/min",
              "CustomProperties": null, "Format": null, "Location": "/car/engine" }
        ])
    );
    let got = reader.next_of("EventDefinitionsUpdated").await;
    assert_eq!(
        got["definitions"],
        json!([{ "Id": "win", "Name": null, "Description": null, "CustomProperties": null, "Level": "Critical",
                 "Location": "/race" }])
    );
    reader.calls("UnsubscribeFromParameterDefinitions", ("t", "s")).await;
    room.parameter_definitions("t", "s", json!([])).await;
    room.event_definitions("t", "s", json!([])).await;
    assert_eq!(reader.next_of("EventDefinitionsUpdated").await["definitions"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_connection_follows_of_a_stream_comes_in_the_order_of_its_records() {
    let room = Room::open().await;
    let (everything, parameters) = (room.reader().await, room.reader().await);
    everything.calls("SubscribeToPackages", ("t",)).await;
    for reader in [&everything, &parameters] {
        reader.calls("SubscribeToParameter", ("t", "s", "n")).await;
    }
    everything.calls("SubscribeToEvent", ("t", "s", "*")).await;
    let write = async {
        for number in 0..200 {
            match number % 3 {
                0 => room.parameters("t", "s", json!({ "timestamps": [number], "numericValues": { "n": [1] } })).await,
                1 => room.events("t", "s", json!([{ "id": "e", "timestamp": number, "value": "x" }])).await,
                _ => room.write("t", "s", Outgoing::StreamEnd(quix_model::StreamEnd::Closed)).await,
            }
        }
    };
    let read = async {
        for number in 0..200 {
            let package = everything.next_of("PackageReceived").await;
            match number % 3 {
                0 => {
                    assert!(package["value"].as_str().unwrap().contains(&format!("\"Timestamps\":[{number}]")));
                    assert_eq!(everything.next_of("ParameterDataReceived").await["timestamps"], json!([number]));
                    assert_eq!(parameters.next_of("ParameterDataReceived").await["timestamps"], json!([number]));
                }
                1 => assert_eq!(everything.next_of("EventDataReceived").await["timestamp"], number),
                _ => assert_eq!(package["type"], "QuixStreams.Telemetry.Models.StreamEnd"),
            }
        }
    };
    futures::future::join(write, read).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_do_not_fit_are_an_error_and_the_connection_stays() {
    let room = Room::open().await;
    let reader = room.reader().await;
    for (method, count) in [
        ("SubscribeToPackages", 1),
        ("SubscribeToParameter", 3),
        ("SubscribeToEvent", 3),
        ("SubscribeToParameterDefinitions", 2),
        ("SubscribeToEventDefinitions", 2),
        ("UnsubscribeFromPackages", 1),
        ("UnsubscribeFromParameter", 3),
        ("UnsubscribeFromEvent", 3),
        ("UnsubscribeFromParameterDefinitions", 2),
        ("UnsubscribeFromEventDefinitions", 2),
        ("UnsubscribeFromStream", 2),
    ] {
        for wrong in 0..count {
            for value in [Value::Null, json!(1), json!(["t"]), json!({})] {
                let arguments: Vec<_> =
                    (0..count).map(|place| if place == wrong { value.clone() } else { json!("t") }).collect();
                let error = reader.fails(method, arguments).await;
                assert!(error.contains(&format!("Argument {} does not fit", wrong + 1)), "{method}: {error}");
            }
        }
        for others in [count - 1, count + 1] {
            let error = reader.fails(method, vec!["t"; others]).await;
            assert!(error.contains(&format!("provides {others} argument(s) but target expects {count}")), "{error}");
        }
    }
    still_served(&room, &reader).await;
}

async fn still_served(room: &Room, reader: &Reader) {
    reader.calls("SubscribeToEvent", ("t", "s", "e")).await;
    room.events("t", "s", json!([{ "id": "e", "timestamp": 1 }])).await;
    reader.next_of("EventDataReceived").await;
}
