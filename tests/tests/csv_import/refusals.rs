//! What a server refuses while its store is away, takes another's claim or has deleted records, and what the command makes
//! of that.

use std::sync::Arc;

use e2e::program::run;
use e2e::receiver::{Receiver, Reply, Request};
use e2e::server::TestServer;
use kafka_bridge::broker::Broker;
use kafka_bridge::memory::{MemoryBroker, MemorySettings};
use kafka_bridge::metrics::Metrics;
use kafka_bridge::misbehaving::MisbehavingBroker;
use kafka_bridge::record::NewRecord;
use reqwest::Response;
use serde_json::{Value, json};

use crate::claims::Import;
use crate::files::Numbered;

async fn problem(response: Response, status: u16) -> String {
    assert_eq!(response.status(), status);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["kind"], "NotWritten");
    problem["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_import_is_claimed_while_the_store_is_away_or_owes_answers() {
    let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
    let server = TestServer::over(broker.clone()).await;
    let import = Import::at(&server.url(), "t");
    let first = import.claim(None).await;
    broker.hold_acks();
    let late = tokio::spawn({
        let (import, first) = (import.clone(), first.clone());
        async move { import.send(&first, None, true, "a,b\n1,x\n").await }
    });
    e2e::wait::until("it is under way", async || broker.held() == 1).await;
    let refused = import.try_claim(Some(&first["place"])).await;
    assert!(refused.headers().contains_key("retry-after"));
    assert!(problem(refused, 503).await.contains("has not answered all that was handed to it"));
    broker.die();
    assert_eq!(late.await.unwrap().status(), 504, "nobody knows");
    assert_eq!(import.try_claim(Some(&first["place"])).await.status(), 503);
    broker.revive();
    let second = import.claim(Some(&first["place"])).await;
    let answer: Value = import.send(&second, None, true, "a,b\n1,x\n").await.json().await.unwrap();
    assert_eq!((&answer["rows"], &answer["place"]), (&json!(1), &Value::Null), "it was there already");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_which_records_may_be_deleted_is_gone() {
    let settings = MemorySettings { capacity_bytes: 4_000, ..MemorySettings::default() };
    let broker = Arc::new(MemoryBroker::with(settings, Metrics::default()));
    let server = TestServer::over(broker.clone()).await;
    let import = Import::at(&server.url(), "t");
    let first = import.claim(None).await;
    let answer = import.send(&first, None, false, "a,b\n1,x\n").await;
    assert_eq!(answer.status(), 200);
    for _ in 0..100 {
        let record = NewRecord { key: None, value: &[b'x'; 100], headers: &[] };
        broker.append("t", record).unwrap().await.unwrap();
    }
    let detail = problem(import.try_claim(Some(&first["place"])).await, 410).await;
    assert!(detail.contains("deleted (retention)") && detail.ends_with("Begin a new import."), "{detail}");
    import.claim(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_waits_for_a_server_that_is_not_ready_yet() {
    let server = Receiver::start(|request, before| match (before, takes(request)) {
        (0 | 1, _) => refusal(503, "The store is away."),
        (_, taken) => taken,
    })
    .await;
    let file = Numbered::new(10);
    let output = run(&file.import("t", &["--url", &server.url("/")]), "").await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), &*said), (Some(0), "10 rows acknowledged\n"));
    let asked: Vec<_> = server.asked().iter().map(|request| request.line[..4].to_owned()).collect();
    assert_eq!(asked, ["PUT ", "PUT ", "PUT ", "POST"]);
}

/// By a request of its own that comes late, or because the server forgot it.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_goes_on_if_its_claim_is_taken_and_nobody_else_is_there() {
    let server = Receiver::start(|request, before| match (before, takes(request)) {
        (0 | 1 | 3 | 4, _) => refusal(409, "The import was claimed by another since."),
        (_, taken) => taken,
    })
    .await;
    let file = Numbered::new(10);
    let output = run(&file.import("t", &["--url", &server.url("/")]), "").await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), &*said), (Some(0), "10 rows acknowledged\n"));
    let asked: Vec<_> = server.asked().iter().map(|request| request.line[..4].to_owned()).collect();
    assert_eq!(asked, ["PUT ", "PUT ", "PUT ", "POST", "PUT ", "PUT ", "POST"]);
}

/// As a server that takes everything.
fn takes(request: &Request) -> Reply {
    let answer = match request.line.starts_with("PUT") {
        true => json!({ "claim": "c", "place": null }),
        false => json!({ "consumed": request.body.len(), "next": "10.11", "rows": 10, "rejected": [], "place": null }),
    };
    Reply::json(&answer.to_string())
}

fn refusal(status: u16, detail: &str) -> Reply {
    let body = json!({ "status": status, "detail": detail, "kind": "NotWritten" }).to_string();
    Reply::Whole(status, vec![("content-type", "application/problem+json".to_owned())], body.into_bytes())
}
