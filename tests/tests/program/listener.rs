//! The listener for Kafka clients beside the data folder: where it listens, and that pages and Kafka clients share topics.
//! The clients here are librdkafka's; those of Python and Java have tests of their own (`listener_clients`).

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use e2e::client::HubClient;
use e2e::program::{Program, failed, printed};
use e2e::python::Python;
use e2e::stage::shared_kafka;
use e2e::wait::{own_topic, until, within};
use kafka_bridge::broker::{Broker, Deliveries, Delivery, Health, Start};
use kafka_bridge::contract::broker_contract;
use kafka_bridge::kafka::{KafkaBroker, KafkaSettings};
use kafka_bridge::metrics::Metrics;
use kafka_bridge::names::MAX_NAME_BYTES;
use kafka_bridge::record::{NewRecord, Record};
use serde_json::{Value, json};

use crate::support::{metric, packages, value};

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_kafka_clients_see_each_others_records_at_once() {
    let program = Program::serve(&["--kafka-listen", "127.0.0.1:0"]).await;
    let kafka = client(&program.kafka(), KafkaSettings::default()).await;
    let page = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    page.invoke("SubscribeToPackages", &("shared",)).await.unwrap();
    let mut reader = kafka.read("shared", Start::End).await.unwrap();
    for number in 0..50 {
        let event = json!([{ "timestamp": number, "id": "E", "value": number.to_string() }]);
        within("the send", page.invoke("SendEventData", &("shared", "s", &event))).await.unwrap();
        let record = within("the record", take_one(&mut reader)).await;
        assert_eq!(record.key.as_deref(), Some(&b"s"[..]));
        assert!(String::from_utf8_lossy(&record.value.unwrap()).contains(&format!("\"Value\":\"{number}\"")));
        within("its package", page.next_call_of("PackageReceived")).await.unwrap();

        let text = format!("{{\"number\":{number}}}");
        let new = NewRecord { key: Some(b"k"), value: text.as_bytes(), headers: &[] };
        within("its delivery", kafka.append("shared", new).unwrap()).await.unwrap();
        let call = within("the package", page.next_call_of("PackageReceived")).await.unwrap();
        let (package,): (Value,) = call.bind().unwrap();
        assert_eq!((&package["value"], &package["streamId"]), (&json!(text), &json!("k")));
        within("the record", take_one(&mut reader)).await;
    }
    assert_eq!(packages(&program.url, "shared").await.len(), 100);
    let management = program.management();
    assert!(metric(&management, "streamgate_kafka_connections").await >= 1.0);
    assert!(metric(&management, "streamgate_kafka_requests_total{kind=\"Produce\"}").await >= 50.0);

    // A stop waits for neither of them.
    program.terminate();
    assert_eq!(program.wait().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_batches_of_each_kind_are_shown_to_pages() {
    let program = Program::serve(&["--kafka-listen", "127.0.0.1:0"]).await;
    let page = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    page.invoke("SubscribeToPackages", &("packed",)).await.unwrap();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let settings = KafkaSettings { compression: codec.parse().unwrap(), ..KafkaSettings::default() };
        let kafka = client(&program.kafka(), settings).await;
        let text = format!("\"{codec} {}\"", "x".repeat(10_000));
        let new = NewRecord { key: Some(b"k"), value: text.as_bytes(), headers: &[] };
        within("its delivery", kafka.append("packed", new).unwrap()).await.unwrap();
        let call = within("the package", page.next_call_of("PackageReceived")).await.unwrap();
        let (package,): (Value,) = call.bind().unwrap();
        assert!(package["value"].as_str().unwrap().contains(&text[1..text.len() - 1]), "{codec}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_contract_holds_through_the_listener() {
    let program = Program::serve(&["--kafka-listen", "127.0.0.1:0", "--create-topics=false"]).await;
    // Where topics have no ids, librdkafka lets a topic that it has found missing prove itself for so long once it is there.
    let mut settings = KafkaSettings::default();
    settings.properties.set("topic.metadata.propagation.max.ms", "0");
    broker_contract(client(&program.kafka(), settings).await, MAX_NAME_BYTES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_clients_wrote_is_kept_over_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--data", folder.path().to_str().unwrap(), "--kafka-listen", "127.0.0.1:0"];
    let program = Program::serve(&arguments).await;
    let kafka = client(&program.kafka(), KafkaSettings::default()).await;
    kafka.create_topic("kept", Some(1)).await.unwrap();
    for number in 0..100 {
        let text = number.to_string();
        kafka
            .append("kept", NewRecord { key: Some(b"k"), value: text.as_bytes(), headers: &[] })
            .unwrap()
            .await
            .unwrap();
    }
    program.kill().await;
    let program = Program::serve(&arguments).await;
    let kafka = client(&program.kafka(), KafkaSettings::default()).await;
    let mut reader = kafka.read("kept", Start::Earliest).await.unwrap();
    let mut records = Vec::new();
    while records.len() < 100 {
        match within("the records", reader.next()).await {
            Some(Delivery::Batch(batch)) => records.extend(batch.records),
            Some(Delivery::CaughtUp { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    for (number, record) in (0..100).zip(records) {
        assert_eq!((record.offset, record.value.as_deref()), (number, Some(number.to_string().as_bytes())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_asked_for_must_be_free_and_without_the_default_one_it_runs() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let said = failed(&[&["serve", "--kafka-listen", &address][..], &ports].concat(), "").await;
    let expected = "another program has this port; name another address with --kafka-listen";
    assert_eq!(said, format!("cannot listen on {address}: {expected}"));

    // Whoever has it: we, or a program that was there before.
    let _taken = TcpListener::bind("127.0.0.1:9092");
    let program = Program::serve_as_told(&ports).await;
    let remark = "another program has 127.0.0.1:9092; choose with --kafka-listen";
    assert!(program.banner.contains(remark), "{}", program.banner);
    program.logs("running without a listener for Kafka clients").await;
    within("a send", async {
        let page = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
        let event = json!([{ "timestamp": 1, "id": "E", "value": "all the same" }]);
        page.invoke("SendEventData", &("t", "s", &event)).await.unwrap();
    })
    .await;
    assert_eq!(packages(&program.url, "t").await.iter().map(value).collect::<Vec<_>>(), ["all the same"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_others_can_reach_is_named_as_a_risk() {
    let program = Program::serve(&["--kafka-listen", "0.0.0.0:0"]).await;
    assert!(program.banner.contains("other machines may read and write, as any Kafka client"), "{}", program.banner);
}

/// The way to a real Kafka that the README names.
#[tokio::test(flavor = "multi_thread")]
async fn topics_are_copied_to_a_kafka() {
    let program = Program::serve(&["--kafka-listen", "127.0.0.1:0"]).await;
    let target = shared_kafka().await;
    let topic = own_topic("copied");
    printed(&["topic", "create", &topic, "--partitions", "3", "--url", &program.url], "").await;
    let lines: String = (0..500)
        .map(|number| format!("{{\"streamId\":\"s{number}\",\"id\":\"E\",\"value\":\"{number}\"}}\n"))
        .collect();
    printed(&["produce", &topic, "--url", &program.url], &lines).await;
    let python = Python::modern().await;
    let arguments = [program.kafka(), target.clone(), topic.clone()];
    let copying = python.run("../../../scripts/copy-topics", &arguments, Duration::from_secs(60)).await;
    let said = String::from_utf8_lossy(&copying.stdout);
    assert_eq!(said, format!("{topic}: 500 records in 3 partitions\n"), "{copying:?}");
    let again = python.run("../../../scripts/copy-topics", &arguments, Duration::from_secs(60)).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("is at the target already"), "{again:?}");

    let moved = Program::serve(&["--kafka", &target]).await;
    let sorted = async |url: &str| {
        let mut packages = packages(url, &topic).await;
        packages.sort_by_key(|package| (package["partition"].as_i64(), package["offset"].as_i64()));
        packages
    };
    assert_eq!(sorted(&moved.url).await, sorted(&program.url).await, "the same to pages");
}

async fn client(bootstrap: &str, settings: KafkaSettings) -> Arc<KafkaBroker> {
    let settings = KafkaSettings { brokers: bootstrap.to_owned(), ..settings };
    let kafka = KafkaBroker::connect(settings, Metrics::default()).expect("the settings are right");
    until("the listener is reached", async || kafka.health() == Health::Reachable).await;
    kafka
}

async fn take_one(reader: &mut Deliveries) -> Record {
    loop {
        match reader.next().await {
            Some(Delivery::Batch(mut batch)) if batch.records.len() == 1 => return batch.records.remove(0),
            Some(Delivery::CaughtUp { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}
