//! Plain JSON of programs that know no Quix, as parameters of a topic that is set so: to the official client, to readers over
//! HTTP, to those who ask for its streams.

use e2e::client::HubClient;
use e2e::node::{CLIENTS, Script};
use e2e::program::Program;
use e2e::wait::within;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use reqwest::Method;
use serde_json::{Value, json};

use crate::http::send;
use crate::reader::Reader;
use crate::support::{metric, packages};

const SETTINGS: &str = r#"
    [topics."mqtt-*"]
    as = "parameters"
    timestamp = { pointer = "/ts", unit = "s" }
    tags = ["/device"]

    [topics.mqtt-raw]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_subscribes_to_parameters_that_a_plain_kafka_producer_wrote() {
    let program = Program::serve_with_settings(SETTINGS, &["--kafka-listen", "127.0.0.1:0"]).await;
    let producer = producer(&program);
    for (number, client) in CLIENTS.into_iter().enumerate() {
        let topic = format!("mqtt-{number}");
        let arguments = ["--client", client, "--topic", &topic, "--parameter", "temperature"];
        let mut page = Script::start("rows.mjs", &program.url, &arguments);
        page.until("subscribed").await;
        produce(&producer, &topic, Some("hall"), r#"{"ts":1.5,"device":"a","temperature":21.5,"text":"warm"}"#).await;
        produce(&producer, &topic, Some("hall"), "no JSON").await;
        produce(&producer, &topic, None, r#"[{"ts":2,"temperature":22},{"ts":"3","humidity":{"percent":40}}]"#).await;
        let received = within("what the page got", page.until("received")).await;
        let expected = |stream: &str, timestamps: Value, values: Value, tags: Value| {
            json!({
                "topicId": format!("local-{topic}"), "topicName": topic, "streamId": stream, "epoch": 0,
                "timestamps": timestamps, "numericValues": { "temperature": values }, "stringValues": {},
                "tagValues": tags, "binaryValues": {}
            })
        };
        let hall = expected("hall", json!([1_500_000_000]), json!([21.5]), json!({ "device": ["a"] }));
        let nameless = expected(&topic, json!([2_000_000_000_i64, 3_000_000_000_i64]), json!([22, null]), json!({}));
        assert_eq!(received, json!([hall, nameless]), "{client}");
        page.finish().await;
    }
    let odd = "streamgate_records_odd_total{reason=\"not_json\"}";
    assert_eq!(metric(&program.management(), odd).await, CLIENTS.len() as f64);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_over_http_filter_rows_by_parameter_and_packages_stay_as_they_were_written() {
    let program = Program::serve_with_settings(SETTINGS, &["--kafka-listen", "127.0.0.1:0"]).await;
    let row = r#"{"temperature":21.5,"device":"a"}"#;
    for topic in ["mqtt-http", "mqtt-raw"] {
        produce(&producer(&program), topic, Some("hall"), row).await;
        let raw = packages(&program.url, topic).await;
        assert_eq!((&raw[0]["type"], &raw[0]["value"]), (&json!("System.String"), &json!(row)), "{topic}");
    }
    let filtered = async |topic: &str| {
        let url = format!("{}/topics/{topic}/packages?from=earliest&until_end=true&parameter=temperature", program.url);
        let text = send(Method::GET, &url, &[], "").await.text().await.unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let [package] = &filtered("mqtt-http").await[..] else { panic!("one package") };
    assert_eq!((&package["callback"], &package["offset"]), (&json!("ParameterDataReceived"), &json!(0)));
    assert_eq!(package["numericValues"], json!({ "temperature": [21.5] }));
    assert_eq!((&package["tagValues"], &package["streamId"]), (&json!({ "device": ["a"] }), &json!("hall")));
    let nanoseconds = package["timestamps"][0].as_i64().unwrap();
    assert!(nanoseconds > 1_700_000_000_000_000_000, "the record's time: {nanoseconds}");
    assert!(filtered("mqtt-raw").await.is_empty(), "its own name comes before the pattern");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_quix_programs_write_to_such_a_topic_is_theirs_and_all_streams_are_listed() {
    let program = Program::serve_with_settings(SETTINGS, &["--kafka-listen", "127.0.0.1:0"]).await;
    let reader = Reader(HubClient::connect(&format!("{}/hub", program.url)).await.unwrap());
    reader.calls("SubscribeToParameter", ("mqtt-both", "*", "*")).await;
    let data = json!({ "timestamps": [7], "numericValues": { "ts": [1] } });
    reader.calls("SendParameterData", ("mqtt-both", "quix", data)).await;
    let got = reader.next_of("ParameterDataReceived").await;
    assert_eq!((&got["streamId"], &got["numericValues"]), (&json!("quix"), &json!({ "ts": [1] })));
    produce(&producer(&program), "mqtt-both", Some("plain"), r#"{"ts":1,"on":true}"#).await;
    let got = reader.next_of("ParameterDataReceived").await;
    assert_eq!((&got["streamId"], &got["numericValues"]), (&json!("plain"), &json!({ "on": [1] })));

    let list = reader.0.invoke_as("SubscribeToActiveStreams", &("mqtt-both",));
    let streams: Value = within("the streams", list).await.unwrap();
    let of = |id: &str| streams.as_array().unwrap().iter().find(|stream| stream["streamId"] == id).unwrap().clone();
    assert!(of("plain")["parameters"].as_object().unwrap().contains_key("on"), "{streams}");
    assert!(of("quix")["parameters"].as_object().unwrap().contains_key("ts"), "{streams}");
}

fn producer(program: &Program) -> FutureProducer {
    ClientConfig::new().set("bootstrap.servers", program.kafka()).create().unwrap()
}

async fn produce(producer: &FutureProducer, topic: &str, key: Option<&str>, value: &str) {
    let record = FutureRecord { key, ..FutureRecord::to(topic).payload(value) };
    producer.send(record, Timeout::Never).await.unwrap();
}
