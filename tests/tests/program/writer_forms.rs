//! The forms that topics can be set to, told by what Kafka clients find.

use e2e::client::HubClient;
use e2e::program::Program;
use kafka_bridge::record::Record;
use serde_json::{Value, json};

use crate::support::{packages, records, texts};

const SETTINGS: &str = r#"
    [topics."with-headers*"]
    form = "headers"
    [topics."with-headers.not"]
    [topics.plain]
    form = "json"
    [topics.split]
    split = "legacy"
    max_message_size = "2KiB"
    [topics.small]
    max_message_size = "2KiB"
    refuse_slashes = true
    allow_reserved_parameters = true
"#;

#[tokio::test(flavor = "multi_thread")]
async fn each_topic_is_written_as_it_is_set_to() {
    let program = Program::serve_with_settings(SETTINGS, &["--kafka-listen", "127.0.0.1:0"]).await;
    let client = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let call = async |method: &str, arguments: Value| client.invoke(method, &arguments).await.map(drop);
    let event = |id: &str| json!({ "id": id, "timestamp": 1, "value": "v" });
    for topic in ["with-headers.a", "with-headers.not", "plain"] {
        call("UpdateStream", json!([topic, "s", { "name": "n" }])).await.unwrap();
        call("SendEventData", json!([topic, "s", [event("a"), event("b")]])).await.unwrap();
        call("SendParameterData", json!([topic, "s", { "timestamps": [1] }])).await.unwrap();
        call("CloseStream", json!([topic, "s"])).await.unwrap();
    }

    let kept = records(&program, "with-headers.a", 4).await;
    let headers = |record: &Record| -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        record.headers.iter().map(|header| (header.name.to_string(), text(header.value.as_deref().unwrap()))).collect()
    };
    for (record, (model, value)) in kept.iter().zip([
        ("StreamProperties", r#"{"Name":"n","Metadata":{},"Parents":[]}"#),
        (
            "EventData[]",
            r#"[{"Timestamp":1,"Tags":{},"Id":"a","Value":"v"},{"Timestamp":1,"Tags":{},"Id":"b","Value":"v"}]"#,
        ),
        (
            "TimeseriesData",
            r#"{"Timestamps":[1],"NumericValues":{},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#,
        ),
        ("StreamEnd", "{}"),
    ]) {
        let expected = [("__Q_ModelKey", model), ("__Q_CodecId", "JT")];
        assert_eq!(headers(record), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(texts(record), ("s", value));
    }
    // Its own name counts, not the prefix: a section without settings is the default.
    assert!(texts(&records(&program, "with-headers.not", 4).await[0]).1.starts_with(r#"{"C":"JT","#));

    let plain = records(&program, "plain", 3).await;
    assert!(plain.iter().all(|record| record.headers.is_empty()));
    let values: Vec<_> = plain.iter().map(|record| texts(record).1).collect();
    assert_eq!(values[..2], ["a", "b"].map(|id| format!(r#"{{"Timestamp":1,"Tags":{{}},"Id":"{id}","Value":"v"}}"#)));
    assert!(values[2].starts_with(r#"{"Timestamps":[1],"#), "properties and ends are not written");

    // Readers get them all the same as packages.
    let packages = packages(&program.url, "with-headers.a").await;
    assert!(packages[2]["type"].as_str().unwrap().ends_with(".TimeseriesDataRaw"), "{packages:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_split_where_a_topic_says_so_and_else_refused() {
    let program = Program::serve_with_settings(SETTINGS, &["--kafka-listen", "127.0.0.1:0"]).await;
    let client = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let large = json!([{ "id": "e", "timestamp": 1, "value": "x".repeat(5000) }]);
    let refused = client.invoke("SendEventData", &json!(["small", "s", large])).await.unwrap_err().to_string();
    assert!(refused.contains("NotWritten: This cannot be written: the record of"), "{refused}");
    let slash = client.invoke("CloseStream", &json!(["small", "a/b"])).await.unwrap_err().to_string();
    assert!(slash.contains("the id `a/b` has a slash"), "{slash}");
    let reserved = json!(["small", "s", { "timestamps": [1], "numericValues": { "Timestamp": [1] } }]);
    client.invoke("SendParameterData", &reserved).await.unwrap();

    // From two connections at once: the pieces of one call stay together.
    let other = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let arguments = json!(["split", "s", large]);
    let calls: Vec<_> = (0..40)
        .map(|number| if number % 2 == 0 { &client } else { &other }.start("SendEventData", &arguments).unwrap())
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let pieces = records(&program, "split", 120).await;
    for call in pieces.chunks(3) {
        let heads: Vec<_> = call.iter().map(|piece| &piece.value.as_ref().unwrap()[..10]).collect();
        let id = &heads[0][1..5];
        for (index, head) in (0..).zip(heads.iter().copied()) {
            assert_eq!(head, [b"<", id, &[b'/', index, b'/', 2, b'>']].concat(), "{heads:?}");
        }
        assert!(call.iter().all(|piece| piece.value.as_ref().unwrap().len() <= 2048));
    }
    let whole = packages(&program.url, "split").await;
    let places: Vec<_> = whole.iter().map(|package| package["offset"].as_i64().unwrap()).collect();
    assert_eq!(places, (0..40).map(|call| 3 * call + 2).collect::<Vec<_>>(), "each at its last piece");
    assert!(whole.iter().all(|package| package["value"].as_str().unwrap().contains(&"x".repeat(5000))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slash_in_a_stream_id_is_warned_of_once() {
    let program = Program::serve(&["--memory"]).await;
    let client = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    for _ in 0..2 {
        client.invoke("CloseStream", &json!(["t", "a/b"])).await.unwrap();
    }
    client.invoke("UpdateStream", &json!(["t", "s", {}])).await.unwrap();
    program.logs("a stream with a slash in its id was written").await;
    assert_eq!(program.log().matches("a slash in its id").count(), 1);
    assert_eq!(packages(&program.url, "t").await[0]["streamId"], "a/b");
}
