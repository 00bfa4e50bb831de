//! What stories of the Reader are told with: a server over a broker in this process, whose records they write themselves.

use std::sync::Arc;

use e2e::client::{HubClient, HubError};
use e2e::server::TestServer;
use e2e::wait::within;
use kafka_bridge::broker::Broker;
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::record::NewRecord;
use quix_model::{Events, LocatedDefinitions, Outgoing, ParameterData, WriteSettings};
use serde::Serialize;
use serde_json::Value;
use streamgate::config::Config;

/// A server whose broker is at hand.
pub struct Room {
    pub server: TestServer,
    pub broker: Arc<MemoryBroker>,
}

impl Room {
    /// With a topic `t`; others are made by use.
    pub async fn open() -> Self {
        Self::configured(Config { create_topics: Some(true), ..Config::default() }).await
    }

    pub async fn configured(config: Config) -> Self {
        let broker = Arc::new(MemoryBroker::new());
        broker.create_topic("t", Some(1)).await.unwrap();
        Self { server: TestServer::configured(broker.clone(), config).await, broker }
    }

    pub async fn reader(&self) -> Reader {
        Reader(self.server.connect().await)
    }

    /// Writes parameter data in the form of the Writer's argument.
    pub async fn parameters(&self, topic: &str, stream: &str, data: Value) {
        let data: ParameterData = serde_json::from_value(data).unwrap();
        self.write(topic, stream, Outgoing::ParameterData(&data)).await;
    }

    pub async fn events(&self, topic: &str, stream: &str, events: Value) {
        let events: Events = serde_json::from_value(events).unwrap();
        self.write(topic, stream, Outgoing::Events(&events)).await;
    }

    pub async fn parameter_definitions(&self, topic: &str, stream: &str, list: Value) {
        let LocatedDefinitions(list) = serde_json::from_value(list).unwrap();
        self.write(topic, stream, Outgoing::ParameterDefinitions(&list)).await;
    }

    pub async fn event_definitions(&self, topic: &str, stream: &str, list: Value) {
        let LocatedDefinitions(list) = serde_json::from_value(list).unwrap();
        self.write(topic, stream, Outgoing::EventDefinitions(&list)).await;
    }

    pub async fn write(&self, topic: &str, stream: &str, outgoing: Outgoing<'_>) {
        for record in WriteSettings::default().records(outgoing, stream, 0).unwrap() {
            self.record(topic, stream.as_bytes(), &record.value).await;
        }
    }

    /// Writes a record as it is.
    pub async fn record(&self, topic: &str, key: &[u8], value: &[u8]) {
        self.append(topic, NewRecord { key: Some(key), value, headers: &[] }).await;
    }

    pub async fn append(&self, topic: &str, record: NewRecord<'_>) {
        self.broker.append(topic, record).unwrap().await.unwrap();
    }
}

/// A connection, to which calls and callbacks are told in few words.
pub struct Reader(pub HubClient);

impl Reader {
    /// Calls a method that succeeds.
    pub async fn calls(&self, method: &str, arguments: impl Serialize) {
        within(method, self.0.invoke(method, &arguments)).await.unwrap();
    }

    /// Calls a method that fails, and gives the text of its error.
    pub async fn fails(&self, method: &str, arguments: impl Serialize) -> String {
        match within(method, self.0.invoke(method, &arguments)).await {
            Err(HubError::Failed(text)) => text,
            other => panic!("{method}: {other:?}"),
        }
    }

    /// Name and argument of the next callback.
    pub async fn next(&self) -> (String, Value) {
        let (target, text) = self.next_text().await;
        (target, serde_json::from_str(&text).unwrap())
    }

    /// The same, the argument to the letter.
    pub async fn next_text(&self) -> (String, String) {
        let call = within("a callback", self.0.next_call()).await.expect("the connection stays");
        let argument = call.arguments.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap();
        (call.target, argument.to_owned())
    }

    /// The argument of the next callback, which is this one.
    pub async fn next_of(&self, target: &str) -> Value {
        let (called, argument) = self.next().await;
        assert_eq!(called, target, "{argument}");
        argument
    }
}
