//! A Kafka that is not there yet, comes, goes and comes back.

use std::time::{Duration, Instant};

use e2e::client::{HubClient, HubError};
use e2e::kafka::Kafka;
use e2e::program::{Program, failed, printed};
use e2e::wait::{until, within};
use serde_json::json;

use crate::support::{metric, packages, status, value};

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_that_comes_later_is_told_of_awaited_and_used() {
    let mut kafka = Kafka::prepare();
    let bootstrap = kafka.bootstrap();
    let settings = "[limits]\ndelivery_timeout = \"3s\"\n";
    let program = Program::serve_with_settings(settings, &["--kafka", &bootstrap, "--create-topics"]).await;
    let (ready, live) = (format!("{}/health/ready", program.url), format!("{}/health/live", program.management()));
    assert!(program.banner.contains(&format!("Kafka {bootstrap}")), "{}", program.banner);
    assert_eq!((status(&ready).await, status(&live).await), (Some(503), Some(200)));
    program.logs("Kafka cannot be reached yet; trying on").await;

    let client = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let event = json!([{ "timestamp": 1, "id": "E", "value": "by hub" }]);
    let asked = Instant::now();
    let answer = within("an answer", client.invoke("SendEventData", &("t", "s", &event))).await;
    assert!(asked.elapsed() < Duration::from_secs(9), "within the delivery timeout: {:?}", asked.elapsed());
    let Err(HubError::Failed(text)) = answer else { panic!("{answer:?}") };
    assert!(text.contains("NotWritten: The broker cannot be reached"), "{text}");
    client.invoke("SubscribeToPackages", &("t",)).await.unwrap_err();
    for words in [&["topic", "list"][..], &["topic", "create", "t"], &["tail", "t"], &["produce", "t"]] {
        let said = failed(&[words, &["--url", &program.url]].concat(), "line\n").await;
        assert!(said.starts_with("the server refused: The broker cannot be reached"), "{said}");
    }
    let log = program.log();
    let troubles: Vec<_> = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
    assert_eq!(troubles.len(), 1, "one sentence, however long it takes: {troubles:?}");

    kafka.restart().await;
    until("ready", async || status(&ready).await == Some(200)).await;
    within("the subscription", client.invoke("SubscribeToPackages", &("t",))).await.unwrap();
    within("the send", client.invoke("SendEventData", &("t", "s", &event))).await.unwrap();
    within("the package", client.next_call_of("PackageReceived")).await.unwrap();
    printed(&["produce", "t", "--url", &program.url], "by line\n").await;
    let values: Vec<_> = packages(&program.url, "t").await.iter().map(value).collect();
    assert_eq!(values, ["by hub", "by line"], "and nothing of what was not written");

    let refused = "streamgate_writes_refused_total{cause=\"unavailable\"}";
    assert_eq!(metric(&program.management(), refused).await, 2.0, "by hub and by HTTP");

    kafka.kill();
    let gone = Instant::now();
    until("not ready", async || status(&ready).await == Some(503)).await;
    assert!(gone.elapsed() > Duration::from_secs(4), "a short absence is nobody's business: {:?}", gone.elapsed());
    assert_eq!(status(&live).await, Some(200));
    kafka.restart().await;
    until("ready again", async || status(&ready).await == Some(200)).await;
    program.terminate();
    assert_eq!(program.wait().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_kafka_a_stop_takes_no_longer() {
    let settings = "[limits]\ndelivery_timeout = \"1s\"\n";
    let program = Program::serve_with_settings(settings, &["--kafka", "127.0.0.1:1"]).await;
    let url = program.url.clone();
    let asking = tokio::spawn(async move { reqwest::get(format!("{url}/topics")).await.map(|answer| answer.status()) });
    program.logs("Kafka cannot be reached yet").await;
    let asked = Instant::now();
    program.terminate();
    assert_eq!(program.wait().await, Some(0));
    // librdkafka itself gives up on the question after 10 s.
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(asking.await.unwrap().unwrap(), 503, "a question under way is answered");
}
