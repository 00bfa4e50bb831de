//! The disk under the data folder is full, or fails: every call is told whether it was written, reads go on, and the server says
//! that it is not ready where it cannot become so again by itself.

use std::sync::Arc;

use e2e::client::{HubClient, HubError};
use e2e::program::printed;
use e2e::server::TestServer;
use e2e::wait::{own_topic, until, within};
use embedded_log::storage::faulty::{Call, Failure, Fault, FaultyStorage};
use kafka_bridge::embedded::{EmbeddedBroker, EmbeddedSettings};
use kafka_bridge::metrics::Metrics;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_until_there_is_room() {
    let (storage, server) = server().await;
    let (page, topic) = (server.connect().await, own_topic("full"));
    page.invoke("SubscribeToPackages", &(&topic,)).await.unwrap();
    assert_eq!(send(&page, &topic, "before").await, Ok(()));
    storage.set_capacity(storage.used());
    let full = "NotWritten: The server's disk is full. Nothing was written; try again later.";
    // Room that was taken ahead may still be used.
    let large = "x".repeat(1 << 20);
    let mut answer = Ok(());
    until("the disk is full", async || {
        answer = send(&page, &topic, &large).await;
        answer.is_err()
    })
    .await;
    assert!(answer.as_ref().is_err_and(|text| text.ends_with(full)), "{answer:?}");
    assert_eq!(health(&server, "ready").await, (200, "ready\n".to_owned()), "it heals by itself");
    assert_eq!(values(&server, &topic).await[0], "before", "reads go on");
    storage.set_capacity(u64::MAX);
    until("writes succeed", async || send(&page, &topic, "after").await.is_ok()).await;
    assert!(page.close_reason().is_none(), "connections stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_ends_writing_and_is_told() {
    let (storage, server) = server().await;
    let (page, topic) = (server.connect().await, own_topic("failed"));
    assert_eq!(send(&page, &topic, "before").await, Ok(()));
    storage.plan(Fault { call: Some(Call::Sync), after: 0, lasting: false, failure: Failure::Io });
    let text = send(&page, &topic, "lost?").await.unwrap_err();
    assert!(text.contains("OutcomeUnknown: "), "{text}");
    for _ in 0..2 {
        let text = send(&page, &topic, "after").await.unwrap_err();
        assert!(text.contains("NotWritten: The server's log has failed"), "{text}");
    }
    assert_eq!(health(&server, "ready").await, (503, "not ready: log failed\n".to_owned()));
    assert_eq!(health(&server, "live").await, (200, "live\n".to_owned()));
    assert_eq!(values(&server, &topic).await, ["before"], "reads go on, and show nothing that may vanish");
    assert!(page.close_reason().is_none(), "connections stay");
}

async fn server() -> (Arc<FaultyStorage>, TestServer) {
    let storage = Arc::new(FaultyStorage::new());
    let mut settings = EmbeddedSettings::default();
    settings.log.reserve_bytes = Some(0);
    let broker = EmbeddedBroker::open_storage(storage.clone(), settings, Metrics::default()).expect("a new log");
    (storage, TestServer::over(broker).await)
}

async fn send(page: &HubClient, topic: &str, text: &str) -> Result<(), String> {
    let event = json!([{ "timestamp": 1, "id": "E", "value": text }]);
    match within("an answer", page.invoke("SendEventData", &(topic, "s", event))).await {
        Ok(_) => Ok(()),
        Err(HubError::Failed(text)) => Err(text),
        Err(other) => panic!("not answered: {other}"),
    }
}

async fn health(server: &TestServer, what: &str) -> (u16, String) {
    let answer = reqwest::get(format!("{}/health/{what}", server.management())).await.expect("it answers");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

async fn values(server: &TestServer, topic: &str) -> Vec<String> {
    let lines = printed(&["tail", topic, "--until-end", "--json", "--url", &server.url()], "").await;
    let value = |line: &str| {
        let package: Value = serde_json::from_str(line).expect("JSON");
        let events: Value = serde_json::from_str(package["value"].as_str().expect("a text")).expect("JSON");
        events[0]["Value"].as_str().expect("a text").to_owned()
    };
    lines.lines().map(value).collect()
}
