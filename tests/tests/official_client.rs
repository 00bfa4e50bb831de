//! The official JavaScript client, version 6.0.1 and the newest, against the whole server, over memory, a data folder and real Kafka.

use std::sync::Arc;

use e2e::node::{self, CLIENTS, Script};
use e2e::server::TestServer;
use e2e::stage::Stage;
use e2e::wait::{own_topic, until};
use kafka_bridge::broker::Broker;
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::misbehaving::MisbehavingBroker;
use streamgate::config::Config;

async fn everywhere(script: &str, arguments: &[&str]) {
    for stage in Stage::ALL {
        let server = stage.server().await;
        for client in CLIENTS {
            eprintln!("{script} with {client} over {stage:?}");
            node::run(script, &server.url(), &[&["--client", client], arguments].concat()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_page_sends_another_receives_by_name_and_by_id() {
    everywhere("mouse.mjs", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_sends_without_awaiting_arrive_in_order_and_are_all_completed() {
    everywhere("ordered.mjs", &["--count", "2000"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_calls_are_told_what_was_wrong_and_the_connection_lives_on() {
    everywhere("errors.mjs", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_topics_are_told_where_none_are_made() {
    let config = Config { create_topics: Some(false), ..Config::default() };
    let broker = Arc::new(MemoryBroker::new());
    let topic = own_topic("known");
    broker.create_topic(&topic, None).await.unwrap();
    let server = TestServer::configured(broker, config).await;
    for client in CLIENTS {
        let arguments = ["--client", client, "--topic", &topic, "--unknown-topic", "nowhere"];
        node::run("errors.mjs", &server.url(), &arguments).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_connect_works() {
    everywhere("transports.mjs", &["--expect-offers", "WebSockets,ServerSentEvents,LongPolling"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn older_clients_of_quix_pages_work_too() {
    let server = Stage::Memory.server().await;
    for client in ["signalr-3", "signalr-8"] {
        node::run("mouse.mjs", &server.url(), &["--client", client]).await;
        node::run("errors.mjs", &server.url(), &["--client", client]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls_of_one_connection_are_in_flight_while_the_broker_holds_its_acknowledgements() {
    for client in CLIENTS {
        let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
        let server = TestServer::over(broker.clone()).await;
        broker.hold_acks();
        let mut script = Script::start("hold.mjs", &server.url(), &["--client", client, "--count", "2000"]);
        script.until("fired").await;
        until("a thousand calls in flight", async || server.calls_in_flight() >= 1000).await;
        assert!(broker.held() >= 1000);
        assert!(server.calls_in_flight() <= 1024, "and no more than the limit");
        // Those beyond the limit are read when others end; the script ends when all 2,000 are completed.
        broker.release_acks();
        let completed = script.until("ok").await;
        assert_eq!(completed, true);
        script.finish().await;
    }
}
