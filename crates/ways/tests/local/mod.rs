//! What the tests share: a web server of somebody else's, and writes into memory.
#![allow(dead_code, unreachable_pub)] // each test uses a part of it

#[path = "../../../../tests/src/receiver.rs"]
mod receiver;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use flate2::{Compression, write::GzEncoder};
use futures::FutureExt;
use kafka_bridge::broker::{AckError, Broker, NotWritten};
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::record::{NewRecord, Record};
use quix_model::{Outgoing, WriteSettings};
use ways::{Append, AppendError, HandedOver};

pub use self::receiver::{Receiver, Reply};

/// 200 with a body that is packed.
pub fn gzip(body: &[u8]) -> Reply {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    Reply::Whole(200, vec![("content-encoding", "gzip".to_owned())], encoder.finish().unwrap())
}

/// Writes in the default form.
#[derive(Debug)]
pub struct Writes(pub Arc<dyn Broker>);

impl Append for Writes {
    fn hand_over<'a>(&'a self, topic: &'a str, stream_id: &'a str, outgoing: Outgoing<'a>) -> HandedOver<'a> {
        async move {
            let records = WriteSettings::default().records(outgoing, stream_id, 0);
            let records = records.map_err(|error| AppendError::Refused(error.to_string()))?;
            let record =
                NewRecord { key: Some(stream_id.as_bytes()), value: &records[0].value, headers: &records[0].headers };
            let ack = self.0.append(topic, record).map_err(not_written)?;
            Ok(async move {
                ack.await.map(drop).map_err(|error| match error {
                    AckError::NotWritten(error) => not_written(error),
                    AckError::OutcomeUnknown => AppendError::OutcomeUnknown(error.to_string()),
                })
            }
            .boxed())
        }
        .boxed()
    }
}

fn not_written(error: NotWritten) -> AppendError {
    match error {
        NotWritten::UnknownTopic(_) => AppendError::UnknownTopic(error.to_string()),
        _ => AppendError::BrokerAway(error.to_string()),
    }
}

/// A broker in memory that has these topics.
pub async fn broker(topics: &[&str]) -> Arc<MemoryBroker> {
    let broker = Arc::new(MemoryBroker::new());
    for topic in topics {
        broker.create_topic(topic, Some(3)).await.unwrap();
    }
    broker
}

/// All records of a topic, by partition and offset.
pub async fn records(broker: &dyn Broker, topic: &str) -> Vec<Record> {
    use kafka_bridge::broker::{Delivery, Start};
    let positions = broker.positions(topic).await.unwrap();
    let count: i64 = positions.iter().map(|at| at.end - at.earliest).sum();
    let (mut deliveries, mut records) = (broker.read(topic, Start::Earliest).await.unwrap(), Vec::new());
    while (records.len() as i64) < count {
        if let Some(Delivery::Batch(batch)) = deliveries.next().await {
            records.extend(batch.records);
        }
    }
    records
}

pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what} does not come");
}
