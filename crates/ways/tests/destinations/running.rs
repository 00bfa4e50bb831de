//! `Running`: a destination under way, what is written for it, and what came of that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka_bridge::broker::Broker;
use kafka_bridge::memory::MemoryBroker;
use quix_model::{EventData, Outgoing};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use ways::Append;
use ways::destination::{DestinationConfig, DestinationMetrics, Sender, Surroundings, run};
use ways::fetch::Fetcher;
use ways::fields::{Entry, Fields};

use crate::local::{Receiver, Writes};

/// Polite at its end; killed when dropped.
pub(crate) struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// With these settings beside those that a receiver of this machine needs; from the beginning of `t`, unless they say otherwise.
    pub(crate) fn start(broker: Arc<dyn Broker>, url: &str, settings: &str) -> Self {
        Self::with(broker.clone(), Arc::new(Writes(broker)), url, settings)
    }

    pub(crate) fn with(broker: Arc<dyn Broker>, append: Arc<dyn Append>, url: &str, settings: &str) -> Self {
        let text = format!(
            "name = 'd'\nurl = '{url}'\nwhere = {{ event = '*' }}\nallow_http = true\nallow_private = true\n{settings}"
        );
        let mut table: toml::Table = toml::from_str(&text).unwrap();
        for (name, value) in [("topic", "t"), ("from", "earliest")] {
            table.entry(name).or_insert_with(|| value.into());
        }
        let mut fields = Fields::new(table);
        let config = DestinationConfig::from_fields(&mut fields).unwrap();
        fields.finish().unwrap();
        let sender = Sender::new(&config, Fetcher::new().unwrap()).unwrap();
        let (stop, stopping) = watch::channel(false);
        let (workspace, metrics) = ("ws".to_owned(), DestinationMetrics::default());
        let surroundings = Surroundings { broker, append, workspace, metrics, stopping, finish_within: FINISH_WITHIN };
        Self { stop, task: tokio::spawn(run(config, sender, surroundings)) }
    }

    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        (&mut self.task).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) async fn write(broker: &Arc<MemoryBroker>, stream_id: &str, value: &str) {
    let event: EventData =
        serde_json::from_value(serde_json::json!({ "timestamp": 1, "id": "e", "value": value })).unwrap();
    Writes(broker.clone()).append("t", stream_id, Outgoing::Events(&[event])).await.unwrap();
}

pub(crate) async fn write_many(broker: &Arc<MemoryBroker>, streams: usize, each: std::ops::Range<usize>) {
    for number in each {
        for stream in 0..streams {
            write(broker, &format!("s{stream}"), &format!("{number}")).await;
        }
    }
}

/// Values by stream as they came.
pub(crate) fn came(server: &Receiver, taken: impl Fn(usize) -> bool) -> BTreeMap<String, Vec<String>> {
    let mut came: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (number, body) in server.bodies().into_iter().enumerate().filter(|(number, _)| taken(*number)) {
        let message: serde_json::Value =
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{number}: {error}"));
        let text = |name: &str| message[name].as_str().unwrap().to_owned();
        came.entry(text("streamId")).or_default().push(text("value"));
    }
    came
}

pub(crate) fn all(streams: usize, each: usize) -> BTreeMap<String, Vec<String>> {
    let values: Vec<_> = (0..each).map(|number| number.to_string()).collect();
    (0..streams).map(|stream| (format!("s{stream}"), values.clone())).collect()
}

pub(crate) async fn committed(broker: &dyn Broker) -> i64 {
    broker.committed("streamgate-d", "t").await.unwrap().iter().map(|next| next.offset).sum()
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const FINISH_WITHIN: Duration = Duration::from_secs(2);
