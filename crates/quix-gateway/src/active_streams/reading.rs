//! `Reading`: a topic from some way back, then live. It is a read of its own, so that whoever follows the topic's feed never
//! waits for it.

use std::collections::HashSet;

use kafka_bridge::broker::{Broker, Deliveries, Delivery, ReadError, Start};
use kafka_bridge::record::Record;

/// Records of a topic, each partition's in the order of their offsets.
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
    pub(crate) async fn begin(broker: &dyn Broker, topic: &str, records: u32) -> Result<Self, ReadError> {
        let positions = broker.positions(topic).await?;
        let behind = positions.iter().filter(|position| position.end > position.earliest && records > 0);
        let behind = behind.map(|position| position.partition).collect();
        Ok(Self { deliveries: broker.read(topic, Start::Last(records)).await?, behind })
    }

    /// What arrived together; may be empty, where a partition has caught up or records are gone. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Vec<Record>, End> {
        match self.deliveries.next().await {
            Some(Delivery::Batch(batch)) => Ok(batch.records),
            Some(Delivery::CaughtUp { partition }) => {
                self.behind.remove(&partition);
                Ok(Vec::new())
            }
            Some(Delivery::Gap { .. }) => Ok(Vec::new()),
            Some(Delivery::Unreadable { .. }) => Err(End::Unreadable),
            Some(Delivery::TopicGone) => Err(End::TopicGone),
            None => Err(End::Stopped),
        }
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
