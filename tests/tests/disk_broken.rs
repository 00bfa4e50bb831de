//! The disk under the data folder is full, fails, or holds other bytes than were written: every call is told whether it was
//! written, reads go on or end with a reason, and the server says that it is not ready where it cannot become so again by
//! itself.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use e2e::client::{HubClient, HubError};
use e2e::program::{Program, printed, run};
use e2e::server::TestServer;
use e2e::wait::{own_topic, until, within};
use embedded_log::storage::faulty::{Call, Failure, Fault, FaultyStorage};
use kafka_bridge::embedded::{EmbeddedBroker, EmbeddedSettings};
use kafka_bridge::metrics::Metrics;
use serde_json::{Value, json};
use tempfile::TempDir;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_ends_those_who_wait_for_it_and_says_why() {
    let mut settings = EmbeddedSettings::default();
    settings.log.recent_bytes = 0; // else it is never read
    let (storage, server) = server_with(settings).await;
    let (page, bystander) = (server.connect().await, server.connect().await);
    let (topic, other) = (own_topic("unreadable"), own_topic("sound"));
    page.invoke("SubscribeToPackages", &(&topic,)).await.unwrap();
    bystander.invoke("SubscribeToPackages", &(&other,)).await.unwrap();
    assert_eq!(send(&bystander, &topic, "before").await, Ok(()));
    assert_eq!(received(&page).await, "before");
    storage.plan(Fault { call: Some(Call::Read), after: 0, lasting: false, failure: Failure::Io });
    assert_eq!(send(&bystander, &topic, "unread").await, Ok(()), "it is stored");
    let ended = within("the end", page.closed()).await;
    let reason = format!("Records of topic '{topic}' cannot be read");
    assert!(ended.to_string().contains(&reason), "{ended:?}");

    assert_eq!(send(&bystander, &other, "elsewhere").await, Ok(()));
    assert_eq!(received(&bystander).await, "elsewhere", "who reads something else hears nothing of it");
    let again = server.connect().await;
    again.invoke("SubscribeToPackages", &(&topic,)).await.unwrap();
    assert_eq!(send(&bystander, &topic, "after").await, Ok(()));
    assert_eq!(received(&again).await, "after", "whoever comes again starts behind it");
    assert_eq!(health(&server, "ready").await, (200, "ready\n".to_owned()));
    assert_eq!(values(&server, &topic).await, ["before", "unread", "after"], "nothing is lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_beneath_a_running_server_ends_who_reads_it_and_nobody_else() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().to_str().unwrap();
    for line in ["before", "damaged", "behind"] {
        printed(&["produce", "t", "--data", data], &format!("{line}\n")).await;
    }
    let program = Program::serve(&["--data", data]).await;
    flip(folder.path(), b"damaged");
    let page = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    page.invoke("SubscribeToPackages", &("t",)).await.unwrap();

    let tail = run(&["tail", "t", "--from", "earliest", "--until-end", "--json", "--url", &program.url], "").await;
    let (lines, error) = (String::from_utf8(tail.stdout).unwrap(), String::from_utf8(tail.stderr).unwrap());
    assert_eq!(lines.lines().map(value).collect::<Vec<_>>(), ["before"], "nothing that is damaged, and no gap");
    assert_eq!(tail.status.code(), Some(1));
    assert!(error.contains("Records of topic 't' cannot be read: what is stored is damaged"), "{error}");
    program.logs(" is damaged at byte ").await;

    assert_eq!(send(&page, "t", "after").await, Ok(()));
    assert_eq!(received(&page).await, "after");
    assert!(page.close_reason().is_none(), "{:?}", page.close_reason());
}

async fn server() -> (Arc<FaultyStorage>, TestServer) {
    server_with(EmbeddedSettings::default()).await
}

async fn server_with(mut settings: EmbeddedSettings) -> (Arc<FaultyStorage>, TestServer) {
    let storage = Arc::new(FaultyStorage::new());
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
    lines.lines().map(value).collect()
}

/// Of the one event in a package.
fn value(package: &str) -> String {
    let package: Value = serde_json::from_str(package).expect("JSON");
    let events: Value = serde_json::from_str(package["value"].as_str().expect("a text")).expect("JSON");
    events[0]["Value"].as_str().expect("a text").to_owned()
}

/// The value of the next package that a subscriber is sent.
async fn received(page: &HubClient) -> String {
    let call = within("a package", page.next_call_of("PackageReceived")).await.expect("it is connected");
    let (package,): (Value,) = call.bind().expect("a package");
    value(&package.to_string())
}

/// Changes a bit where this text stands in the files of a folder.
fn flip(folder: &Path, text: &[u8]) {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = paths.filter_map(|path| {
        let bytes = fs::read(&path).unwrap();
        let at = bytes.windows(text.len()).position(|window| window == text)?;
        Some((path, at as u64, bytes[at] ^ 1))
    });
    let (path, at, byte) = found.last().expect("it is in a file");
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(&[byte], at).unwrap();
}
