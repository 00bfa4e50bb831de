//! The broker is away for longer than a writer waits: every call is answered, saying whether it was written; connections
//! stay; and when the broker is back, so is everything else.

use std::sync::Arc;
use std::time::Duration;

use e2e::client::{HubClient, HubError};
use e2e::kafka::Kafka;
use e2e::server::TestServer;
use e2e::wait::{own_topic, until, within};
use kafka_bridge::broker::NotWritten;
use kafka_bridge::kafka::{KafkaBroker, KafkaSettings};
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::metrics::Metrics;
use kafka_bridge::misbehaving::MisbehavingBroker;
use serde_json::{Value, json};
use streamgate::config::Config;

fn event(number: usize) -> Value {
    json!([{ "timestamp": number, "id": "n", "value": number.to_string() }])
}

async fn send(client: &HubClient, topic: &str, number: usize) -> Result<(), String> {
    match within("an answer", client.invoke("SendEventData", &(topic, "s", event(number)))).await {
        Ok(_) => Ok(()),
        Err(HubError::Failed(text)) => Err(text),
        Err(other) => panic!("not answered: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_answered_while_kafka_is_away_and_succeed_when_it_is_back() {
    let mut kafka = Kafka::start().await;
    let delivery_timeout = Duration::from_secs(3);
    let settings = KafkaSettings { brokers: kafka.bootstrap(), delivery_timeout, ..KafkaSettings::default() };
    let broker = KafkaBroker::connect(settings, Metrics::default()).unwrap();
    let server = TestServer::configured(broker, Config { create_topics: Some(true), ..Config::default() }).await;
    let (writer, reader, topic) = (server.connect().await, server.connect().await, own_topic("away"));
    reader.invoke("SubscribeToPackages", &(&topic,)).await.unwrap();
    assert_eq!(send(&writer, &topic, 0).await, Ok(()));

    kafka.kill();
    let calls: Vec<_> =
        (0..100).map(|number| writer.start("SendEventData", &(&topic, "lost", event(number))).unwrap()).collect();
    for call in calls {
        let Err(HubError::Failed(text)) = within("an answer", call).await else {
            panic!("nothing can be acknowledged")
        };
        assert!(text.contains("NotWritten: ") || text.contains("OutcomeUnknown: "), "{text}");
    }
    let nowhere = own_topic("nowhere");
    let text = send(&writer, &nowhere, 0).await.unwrap_err();
    assert!(text.contains("NotWritten: "), "a topic nobody knows: {text}");
    until("not ready", async || !ready(&server).await).await;

    kafka.restart().await;
    until("writes succeed", async || send(&writer, &topic, 1).await.is_ok()).await;
    until("ready again", async || ready(&server).await).await;
    let mut seen = Vec::new();
    while seen.last() != Some(&1) {
        let call = within("the package", reader.next_call_of("PackageReceived")).await.expect("it was never cut off");
        let (package,): (Value,) = call.bind().unwrap();
        if package["streamId"] == "s" {
            let events: Value = serde_json::from_str(package["value"].as_str().unwrap()).unwrap();
            seen.push(events[0]["Timestamp"].as_u64().unwrap());
        }
    }
    assert_eq!(seen, [0, 1]);
    assert!(writer.close_reason().is_none(), "connections stay");
}

async fn ready(server: &TestServer) -> bool {
    let answer = reqwest::get(format!("{}/health/ready", server.management())).await.expect("it answers");
    assert!(reqwest::get(format!("{}/health/live", server.management())).await.is_ok_and(|live| live.status() == 200));
    answer.status() == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_write_says_so_and_a_dead_broker_leaves_the_outcome_unknown() {
    let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
    let server = TestServer::over(broker.clone()).await;
    let (client, topic) = (server.connect().await, own_topic("refused"));
    assert_eq!(send(&client, &topic, 0).await, Ok(()));

    broker.refuse_appends(Some(NotWritten::BacklogFull));
    let text = send(&client, &topic, 1).await.unwrap_err();
    let full = "NotWritten: The server's write backlog is full. Nothing was written; try again later.";
    assert!(text.ends_with(full), "{text}");
    broker.refuse_appends(None);

    broker.hold_acks();
    let held = client.start("SendEventData", &(&topic, "s", event(2))).unwrap();
    until("held", async || broker.held() == 1).await;
    broker.die();
    let Err(HubError::Failed(text)) = within("an answer", held).await else { panic!("it cannot be acknowledged") };
    let unknown = "OutcomeUnknown: The write was not confirmed in time. It may or may not have been stored.";
    assert!(text.ends_with(unknown), "{text}");
    broker.revive();
    broker.release_acks();
    until("writes succeed", async || send(&client, &topic, 3).await.is_ok()).await;
}
