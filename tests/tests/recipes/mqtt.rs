//! MQTT in and out, by mosquitto.

use e2e::client::HubClient;
use e2e::program::Program;
use e2e::wait::{until, within};
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::mosquitto::{Mosquitto, PASSWORD, USER};
use crate::topic::{append, held, program};

const DATA: &str = "mqtt-data";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds Telegraf; part of make test-long"]
async fn what_is_published_reaches_pages_and_nothing_is_lost_when_the_engine_is_killed() {
    let (program, broker) = (program().await, Mosquitto::start().await);
    let page = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    page.invoke("SubscribeToPackages", &(DATA,)).await.unwrap();
    let mut engine = source(&program, &broker).await;
    broker.has_subscriber("streamgate-mqtt-source").await;

    let payloads = payloads(0..100);
    broker.publish("sensors/kitchen", &payloads).await;
    for payload in &payloads {
        let call = within("the package", page.next_call_of("PackageReceived")).await.unwrap();
        let (package,): (Value,) = call.bind().unwrap();
        assert_eq!((&package["streamId"], &package["value"]), (&json!("sensors/kitchen"), &json!(payload)));
    }

    // What is under way when it dies, and what comes while it is away, the broker has kept.
    let more = self::payloads(100..200);
    broker.publish("sensors/cellar", &more[..50]).await;
    engine.kill().await;
    broker.publish("sensors/cellar", &more[50..]).await;
    engine.start_again().await;
    let expected = |payload: &String| ("sensors/cellar".to_owned(), payload.clone());
    let mut there = Vec::new();
    until("all of it", async || {
        there = held(&program, DATA).await;
        more.iter().all(|payload| there.contains(&expected(payload)))
    })
    .await;
    assert_eq!(there.iter().filter(|(stream, _)| stream == "sensors/kitchen").count(), 100);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds Telegraf; part of make test-long"]
async fn what_is_on_the_topic_is_published_as_it_is() {
    let (program, broker) = (program().await, Mosquitto::start().await);
    let rows = payloads(0..100);
    append(&program, "mqtt-out", &rows).await;
    let mut watcher = broker.watch("home/#").await;
    let port = broker.port();
    let place = [
        ("mqtt_port", port.as_str()),
        ("mqtt_username", USER),
        ("mqtt_password", PASSWORD),
        ("mqtt_topic_root", "home"),
    ];
    let mut engine = Engine::start("mqtt-sink", &program, &place).await;
    for row in &rows {
        assert_eq!(watcher.next().await, format!("home/mqtt-out {row}"));
    }

    // A page's event, too, and nothing twice after an end in good order.
    engine.stop().await;
    let page = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let event = json!([{ "timestamp": 1, "id": "E", "value": "from a page" }]);
    within("the send", page.invoke("SendEventData", &("mqtt-out", "s", &event))).await.unwrap();
    engine.start_again().await;
    let message = watcher.next().await;
    assert!(message.starts_with("home/mqtt-out ") && message.contains("from a page"), "{message}");
}

async fn source(program: &Program, broker: &Mosquitto) -> Engine {
    let port = broker.port();
    let place = [("mqtt_port", port.as_str()), ("mqtt_username", USER), ("mqtt_password", PASSWORD)];
    Engine::start("mqtt-source", program, &place).await
}

fn payloads(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!(r#"{{"temperature": {number}.5, "note": "ä \"quoted\""}}"#)).collect()
}
