//! Destinations: what a receiver gets that is away for a while, over kills and restarts of the server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2e::client::HubClient;
use e2e::kafka::Kafka;
use e2e::program::{Program, printed};
use e2e::receiver::{Receiver, Reply, Request};
use e2e::wait::{until, within};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{metric, packages};

fn settings(url: &str) -> String {
    format!(
        "create_topics = true\n[[destinations.webhook]]\nname = \"alerts\"\ntopic = \"braking\"\nwhere = {{ event = \"HardBraking\" }}\n\
         url = \"{url}\"\nbody = {{ car = \"{{{{stream}}}}\", number = \"{{{{value/number}}}}\" }}\nparallel = 4\nfrom = \"earliest\"\n\
         allow_http = true\nallow_private = true\n"
    )
}

async fn brake(program: &Program, numbers: std::ops::Range<i64>) {
    let page = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    for number in numbers {
        for car in ["a", "b", "c"] {
            let value = json!({ "number": number }).to_string();
            let events = json!([{ "timestamp": 1, "id": "HardBraking", "value": value }, { "timestamp": 2, "id": "Other", "value": "-" }]);
            within("the call", page.invoke("SendEventData", &("braking", car, &events))).await.unwrap();
        }
    }
}

/// Numbers by car, those that came again left out.
fn taken(asked: &[Request], is_taken: impl Fn(&Request) -> bool) -> BTreeMap<String, Vec<i64>> {
    let (mut seen, mut taken) = (BTreeSet::new(), BTreeMap::<String, Vec<i64>>::new());
    for asked in asked.iter().filter(|asked| is_taken(asked)) {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        if seen.insert(asked.headers["webhook-id"].clone()) {
            taken.entry(body["car"].as_str().unwrap().to_owned()).or_default().push(body["number"].as_i64().unwrap());
        }
    }
    taken
}

fn all(count: i64) -> BTreeMap<String, Vec<i64>> {
    ["a", "b", "c"].into_iter().map(|car| (car.to_owned(), (0..count).collect())).collect()
}

/// One that marks what it took.
async fn receiver(is_away: Arc<AtomicBool>, took: Arc<std::sync::Mutex<Vec<Request>>>) -> Receiver {
    Receiver::start(move |asked, _| {
        if is_away.load(Ordering::SeqCst) {
            return Reply::status(503);
        }
        took.lock().unwrap().push(asked.clone());
        Reply::json("ok")
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_lost_for_a_while_gets_all_in_order_though_the_server_was_killed_in_between() {
    let (folder, is_away, took) = (TempDir::new().unwrap(), Arc::new(AtomicBool::new(false)), Arc::default());
    let receiver = receiver(is_away.clone(), Arc::clone(&took)).await;
    let flags = ["--data", folder.path().to_str().unwrap()];
    let settings = settings(&receiver.url("/hook"));
    let program = Program::serve_with_settings(&settings, &flags).await;
    brake(&program, 0..10).await;
    until("the first", async || took.lock().unwrap().len() >= 30).await;
    is_away.store(true, Ordering::SeqCst);
    let before = receiver.asked().len();
    brake(&program, 10..20).await;
    until("it is tried", async || receiver.asked().len() > before).await;
    program.kill().await;

    let program = Program::serve_with_settings(&settings, &flags).await;
    let before = receiver.asked().len();
    until("it is tried again", async || receiver.asked().len() > before).await;
    brake(&program, 20..30).await;
    is_away.store(false, Ordering::SeqCst);
    until("all", async || taken(&took.lock().unwrap(), |_| true) == all(30)).await;
    program.terminate();
    assert_eq!(program.wait().await, Some(0));
    let so_far = took.lock().unwrap().len();

    let program = Program::serve_with_settings(&settings, &flags).await;
    brake(&program, 30..31).await;
    until("the last", async || taken(&took.lock().unwrap(), |_| true) == all(31)).await;
    assert_eq!(took.lock().unwrap().len(), so_far + 3, "after a polite end nothing comes twice");
    let delivered = r#"streamgate_destination_messages_total{destination="alerts",fate="delivered"}"#;
    until("it is counted", async || metric(&program.management(), delivered).await == 3.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_is_in_the_dead_letter_topic_with_its_reason() {
    let receiver = Receiver::start(|asked, _| Reply::status(if asked.body.contains(":1}") { 400 } else { 200 })).await;
    let settings = settings(&receiver.url("/")) + "dead_letter = \"failed\"\n";
    let program = Program::serve_with_settings(&settings, &["--memory"]).await;
    brake(&program, 0..3).await;
    until("all", async || taken(&receiver.asked(), |_| true) == all(3)).await;
    until("the letters", async || {
        let topics = printed(&["topic", "list", "--url", &program.url], "").await;
        topics.contains("failed") && packages(&program.url, "failed").await.len() == 3
    })
    .await;
    for letter in packages(&program.url, "failed").await {
        let letter: Value = serde_json::from_str(letter["value"].as_str().unwrap()).unwrap();
        let letter = letter.as_str().map_or(letter.clone(), |text| serde_json::from_str(text).unwrap());
        assert_eq!(letter["reason"], "it answers with HTTP status 400");
        assert_eq!(letter["message"]["value"], r#"{"number":1}"#);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_kafka_positions_are_those_of_a_consumer_group() {
    let kafka = Kafka::start().await;
    let (is_away, took) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let receiver = receiver(is_away, Arc::clone(&took)).await;
    let settings = settings(&receiver.url("/"));
    let bootstrap = kafka.bootstrap();
    let flags = ["--kafka", bootstrap.as_str()];
    let program = Program::serve_with_settings(&settings, &flags).await;
    brake(&program, 0..5).await;
    until("the first", async || taken(&took.lock().unwrap(), |_| true) == all(5)).await;
    program.terminate();
    assert_eq!(program.wait().await, Some(0));
    let so_far = took.lock().unwrap().len();
    let program = Program::serve_with_settings(&settings, &flags).await;
    brake(&program, 5..8).await;
    until("the rest", async || taken(&took.lock().unwrap(), |_| true) == all(8)).await;
    assert_eq!(took.lock().unwrap().len(), so_far + 9, "nothing comes twice");
}
