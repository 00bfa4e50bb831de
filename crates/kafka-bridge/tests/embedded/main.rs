//! What only the embedded broker does: it keeps, deletes by age of segments, and meets disks that are full, slow or broken.
#![allow(clippy::unwrap_used)]

mod disk;
mod faults;
mod keeping;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use embedded_log::OpenError;
use kafka_bridge::broker::{Broker, Deliveries, Delivery, Start, Stored};
use kafka_bridge::embedded::{EmbeddedBroker, EmbeddedSettings};
use kafka_bridge::metrics::Metrics;
use kafka_bridge::record::{NewRecord, Record};

/// Small segments, so that there are several; no reserve, so that a full disk of the tests' machine is no matter.
fn settings() -> EmbeddedSettings {
    let mut settings = EmbeddedSettings::default();
    settings.log.segment_bytes = 64 << 10;
    settings.log.preallocate_bytes = 16 << 10;
    settings.log.reserve_bytes = Some(0);
    settings
}

/// Opens a folder whose last user may just be leaving.
async fn open(folder: &Path, settings: EmbeddedSettings) -> Arc<EmbeddedBroker> {
    in_time(async {
        loop {
            match EmbeddedBroker::open(folder, settings.clone(), Metrics::default()) {
                Ok(broker) => return broker,
                Err(OpenError::Locked { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await
}

/// What never comes fails the test instead of holding it up.
async fn in_time<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("it should have come by now")
}

async fn store(broker: &EmbeddedBroker, key: &str, text: &str) -> Stored {
    broker.append("t", record(key, text)).unwrap().await.unwrap()
}

fn record<'a>(key: &'a str, text: &'a str) -> NewRecord<'a> {
    NewRecord { key: Some(key.as_bytes()), value: text.as_bytes(), headers: &[] }
}

/// The next `count` records; end marks are passed over, anything else is a failure.
async fn take(reader: &mut Deliveries, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    while records.len() < count {
        match in_time(reader.next()).await {
            Some(Delivery::Batch(batch)) => records.extend(batch.records),
            Some(Delivery::CaughtUp { .. }) => {}
            other => panic!("after {} of {count}: {other:?}", records.len()),
        }
    }
    records
}

async fn texts_from(broker: &EmbeddedBroker, start: Start, count: usize) -> Vec<String> {
    let mut reader = broker.read("t", start).await.unwrap();
    texts(&take(&mut reader, count).await)
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap()).collect()
}
