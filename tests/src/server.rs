//! `TestServer`: the whole server in this process, on free ports, over any broker.

use std::sync::Arc;

use kafka_bridge::broker::Broker;
use kafka_bridge::embedded::{EmbeddedBroker, EmbeddedSettings};
use kafka_bridge::kafka::{KafkaBroker, KafkaSettings};
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::metrics::Metrics;
use loadtest::client::{ConnectOptions, HubClient};
use streamgate::config::Config;
use streamgate::server::{BrokerChoice, Server, Sockets};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A running server; stops when dropped.
#[derive(Debug)]
pub struct TestServer {
    server: Server,
    /// Where its topics are kept, if that is its own.
    _folder: Option<TempDir>,
}

impl TestServer {
    /// Over a memory broker of its own.
    pub async fn start() -> Self {
        Self::over(Arc::new(MemoryBroker::new())).await
    }

    /// Over a data folder of its own, which goes with it.
    pub async fn start_embedded() -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().to_owned();
        let open = move || EmbeddedBroker::open(&path, EmbeddedSettings::default(), Metrics::default());
        let broker = tokio::task::spawn_blocking(open).await.expect("no panic").expect("a new log");
        Self { _folder: Some(folder), ..Self::over(broker).await }
    }

    /// Over a Kafka cluster; topics are made by use.
    pub async fn start_on_kafka(bootstrap: &str) -> Self {
        let settings = KafkaSettings { brokers: bootstrap.to_owned(), ..KafkaSettings::default() };
        Self::over(KafkaBroker::connect(settings, Metrics::default()).expect("the settings are right")).await
    }

    /// Over any broker; topics are made by use.
    pub async fn over(broker: Arc<dyn Broker>) -> Self {
        Self::configured(broker, Config { create_topics: Some(true), ..Config::default() }).await
    }

    /// Over any broker, with settings of one's own; addresses in them are not used.
    pub async fn configured(broker: Arc<dyn Broker>, config: Config) -> Self {
        crate::trust();
        let public = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let management = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let choice = BrokerChoice { broker, metrics: Metrics::default(), log: None };
        let sockets = Sockets {
            public,
            portal: None,
            certificate: None,
            credentials: None,
            management: Some(management),
            kafka: None,
        };
        let server = Server::start(&config, choice, sockets).expect("the server starts");
        Self { server, _folder: None }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.server.public)
    }

    /// The hub's URL.
    pub fn hub(&self) -> String {
        format!("{}/hub", self.url())
    }

    /// URL of the management listener.
    pub fn management(&self) -> String {
        format!("http://{}", self.server.management.expect("tests have one"))
    }

    /// Calls that have begun and are not answered yet.
    pub fn calls_in_flight(&self) -> usize {
        self.server.calls_in_flight()
    }

    /// A connected client.
    pub async fn connect(&self) -> HubClient {
        HubClient::connect(&self.hub()).await.expect("the hub takes connections")
    }

    /// A connected client with room for this many unread calls; past it the client stops reading.
    pub async fn connect_with_room(&self, incoming_calls: usize) -> HubClient {
        let options = ConnectOptions { incoming_calls, ..ConnectOptions::default() };
        HubClient::connect_with(&self.hub(), &options).await.expect("the hub takes connections")
    }

    /// Stops politely.
    pub async fn drain(self) {
        self.server.drain().await;
    }
}
