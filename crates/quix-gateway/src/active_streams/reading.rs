//! `Reading`: a topic from some way back, and on from there. It is a read of its own, so that whoever follows the topic's feed
//! never waits for this one.

use std::collections::HashSet;
use std::sync::Arc;

use kafka_bridge::broker::{Broker, Deliveries, Delivery, ReadError, Start};
use kafka_bridge::record::Record;

/// Records of a topic, each partition's in the order of their offsets, each once.
#[derive(Debug)]
pub(crate) struct Reading {
    deliveries: Deliveries,
    /// Partitions whose past is not read to its end.
    behind: HashSet<i32>,
}

/// Why nothing follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    TopicGone,
    Unreadable,
    /// The broker was shut down.
    Stopped,
}

impl Reading {
    /// From at most so many records of each partition before its end.
    pub(crate) async fn begin(broker: &Arc<dyn Broker>, topic: &str, records: u32) -> Result<Self, ReadError> {
        let positions = broker.positions(topic).await?;
        let behind = positions.iter().filter(|position| position.end > position.earliest && records > 0);
        let behind = behind.map(|position| position.partition).collect();
        let deliveries = broker.read(topic, Start::Last(records)).await?;
        Ok(Self { deliveries, behind })
    }

    /// What arrived together; may be empty. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Vec<Record>, End> {
        match self.deliveries.next().await {
            Some(Delivery::Batch(batch)) => return Ok(batch.records),
            Some(Delivery::CaughtUp { partition }) => _ = self.behind.remove(&partition),
            Some(Delivery::Gap { .. }) => {}
            Some(Delivery::Unreadable { .. }) => return Err(End::Unreadable),
            Some(Delivery::TopicGone) => return Err(End::TopicGone),
            None => return Err(End::Stopped),
        }
        Ok(Vec::new())
    }

    /// Whether what comes from a partition now is new.
    pub(crate) fn is_new(&self, partition: i32) -> bool {
        !self.behind.contains(&partition)
    }

    /// Whether that holds for all of them.
    pub(crate) fn has_caught_up(&self) -> bool {
        self.behind.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use kafka_bridge::memory::MemoryBroker;
    use kafka_bridge::record::NewRecord;

    use super::*;

    #[tokio::test]
    async fn the_past_is_what_was_there_and_is_told_from_what_is_new() {
        let broker: Arc<dyn Broker> = Arc::new(MemoryBroker::new());
        broker.create_topic("t", Some(2)).await.unwrap();
        write(&*broker, 7).await;
        let mut reading = Reading::begin(&broker, "t", 1).await.unwrap();
        assert!(!reading.has_caught_up());
        let record = live_record(&mut reading).await.unwrap();
        assert!(!reading.is_new(record.partition) && reading.is_new(1 - record.partition));
        while !reading.has_caught_up() {
            reading.next().await.unwrap();
        }
        assert!(reading.is_new(record.partition));
        let nothing_to_look_at = Reading::begin(&broker, "t", 0).await.unwrap();
        assert!(nothing_to_look_at.has_caught_up());
        assert!(matches!(Reading::begin(&broker, "unknown", 1).await, Err(ReadError::UnknownTopic(_))));
    }

    async fn live_record(reading: &mut Reading) -> Result<Record, End> {
        loop {
            if let Some(record) = reading.next().await?.pop() {
                return Ok(record);
            }
        }
    }

    async fn write(broker: &dyn Broker, number: i32) {
        let key = number.to_string();
        broker.append("t", NewRecord { key: Some(key.as_bytes()), value: b"x", headers: &[] }).unwrap().await.unwrap();
    }
}
